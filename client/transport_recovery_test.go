package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

func TestAClockThatIsOffIsCorrectedForItsOrigin(t *testing.T) {
	for _, tt := range []struct {
		name    string
		off     time.Duration // of the server
		problem bool
		status  int
		told    []time.Duration
	}{
		{"server ahead", 5 * time.Minute, false, 200, []time.Duration{5 * time.Minute}},
		{"server behind", -5 * time.Minute, false, 200, []time.Duration{-5 * time.Minute}},
		{"server ahead, said by server_time only", 5 * time.Minute, true, 200, []time.Duration{5 * time.Minute}},
		{"tolerated", 8 * time.Second, false, 200, nil},
		{"as far as is corrected", client.MaxCorrection, false, 200, []time.Duration{client.MaxCorrection}},
		{"too far", client.MaxCorrection + time.Second, false, 401, nil},
		{"too far behind", -client.MaxCorrection - time.Second, true, 401, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.offset.Store(int64(tt.off))
			a.problem = tt.problem
			tr := a.transport()
			var told []time.Duration
			tr.OnCorrection = func(origin string, by time.Duration) {
				if origin != a.URL {
					t.Errorf("origin %s", origin)
				}
				told = append(told, by)
			}
			resp, err := (&http.Client{Transport: tr}).Get(a.URL)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := read(t, resp)
			if body != tt.status {
				t.Fatalf("status %d, want %d", body, tt.status)
			}
			if diff := cmp.Diff(tt.told, told); diff != "" {
				t.Errorf("corrections:\n%s", diff)
			}
			if f := client.Failure(resp); tt.status == 401 && !strings.Contains(f.Hint, "the clocks differ by 10m1s") {
				t.Errorf("hint %q", f.Hint)
			}
			before := len(a.sights())
			if get(t, tr, a.URL); len(a.sights()) != before+1 {
				t.Error("the correction was not kept")
			}
		})
	}
}

func TestACorrectionIsNotAppliedToAnotherOrigin(t *testing.T) {
	a, b := newAPI(t, nil), newAPI(t, nil)
	a.offset.Store(int64(5 * time.Minute))
	tr := a.transport()
	tr.Origins, tr.Base = []string{a.URL, b.URL}, trustBoth(a, b)
	b.key = a.key
	for _, u := range []string{a.URL, b.URL} {
		if status, _ := get(t, tr, u); status != 200 {
			t.Fatalf("%s: status %d", u, status)
		}
	}
	if got := b.sights()[0].Claims.Iat; got != callTime.Unix() {
		t.Errorf("iat %d at the other origin, want %d", got, callTime.Unix())
	}
}

func TestCallersThatAreRefusedTogetherCorrectOnce(t *testing.T) {
	a := newAPI(t, nil)
	a.offset.Store(int64(2 * time.Minute))
	const callers = 50
	var gate sync.WaitGroup // every caller is refused before anyone is answered
	gate.Add(callers)
	a.before = func(_ http.ResponseWriter, _ *http.Request, n int) bool {
		if n <= callers {
			gate.Done()
			gate.Wait()
		}
		return false
	}
	tr := a.transport()
	var mu sync.Mutex
	told := 0
	tr.OnCorrection = func(string, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		told++
	}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if status, _ := get(t, tr, a.URL); status != 200 {
				t.Errorf("status %d", status)
			}
		})
	}
	wg.Wait()
	if told != 1 || len(a.sights()) != 2*callers {
		t.Errorf("%d corrections and %d requests", told, len(a.sights()))
	}
}

// A refusal for another reason does not move the clock, whatever Date says.
func TestWhatDoesNotMoveTheClock(t *testing.T) {
	late := callTime.Add(5 * time.Minute)
	date, problem := late.Format(http.TimeFormat), func(code string) string {
		return fmt.Sprintf(`{"code":%q,"server_time":%q}`, code, late.Format(time.RFC3339))
	}
	for _, tt := range []struct {
		name, challenge, date, body string
		status                      int
	}{
		{"another reason is given", `DPoP error="invalid_dpop_proof"`, date, problem("proof.htu.mismatch"), 401},
		{"another error", `DPoP error="invalid_request"`, date, "", 401},
		{"a challenge for Bearer", `Bearer error="invalid_dpop_proof"`, date, "", 401},
		{"another status", `DPoP error="invalid_dpop_proof"`, date, problem("proof.iat.old"), 403},
		{"clocks agree", `DPoP error="invalid_dpop_proof"`, callTime.Format(http.TimeFormat), "", 401},
		{"a Date that is none", `DPoP error="invalid_dpop_proof"`, "yesterday", "", 401},
		{"a problem that is none", `DPoP error="invalid_dpop_proof"`, "yesterday", `{"server_time":1}`, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("WWW-Authenticate", tt.challenge)
				w.Header().Set("Date", tt.date)
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
				return true
			}
			tr := a.transport()
			tr.OnCorrection = func(string, time.Duration) { t.Error("the clock was corrected") }
			if _, body := get(t, tr, a.URL); body != tt.body {
				t.Errorf("body %q, want %q", body, tt.body)
			}
			if n := len(a.sights()); n != 1 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

// renewing is a TokenSource whose token can be renewed.
type renewing struct {
	mu      sync.Mutex
	token   *client.Token
	fresh   *client.Token
	err     error
	renewed int
}

func (s *renewing) Token(context.Context) (*client.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, nil
}

func (s *renewing) Renew(_ context.Context, spent *client.Token) (*client.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewed++
	if spent == s.token && s.err == nil {
		s.token = s.fresh
	}
	return s.token, s.err
}

const freshValue = "tok-fresh-0123456789"

// B-3.1-05, D-7-02: a spent token is renewed once, and the proof fits the new one.
func TestASpentTokenIsRenewedOnce(t *testing.T) {
	for _, tt := range []struct {
		name     string
		live     bool // the renewed token is good
		err      error
		fresh    string
		status   int
		attempts int
		want     string
	}{
		{"for a good one", true, nil, freshValue, 200, 2, ""},
		{"for one that is refused, too", false, nil, freshValue, 401, 2, ""},
		{"but renewing fails", false, errors.New("the grant is gone"), "", 0, 1, "renew the token: the grant is gone"},
		{"but it is the same", false, nil, tokenValue, 0, 1, "the one that was refused"},
		{"but it is none", false, nil, "", 0, 1, "no token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.live = map[string]bool{freshValue: tt.live}
			tr := a.transport()
			s := &renewing{err: tt.err}
			s.token, _ = tr.Tokens.Token(t.Context())
			s.fresh = &client.Token{Value: holdfast.NewSecret(tt.fresh), Type: "DPoP", Key: a.key}
			tr.Tokens = s
			resp, err := (&http.Client{Transport: tr}).Post(a.URL, "text/plain", strings.NewReader("same"))
			if tt.want != "" {
				var e *client.Error
				if !errors.As(err, &e) || e.Code != "invalid_token" || !strings.Contains(e.Error(), tt.want) || !errors.Is(err, tt.err) && tt.err != nil {
					t.Fatalf("error %v, want %q", err, tt.want)
				}
				if strings.Contains(err.Error(), tokenValue) {
					t.Error("the error holds the token")
				}
			} else if err != nil {
				t.Fatal(err)
			} else if status, _ := read(t, resp); status != tt.status {
				t.Fatalf("status %d, want %d", status, tt.status)
			}
			seen := a.sights()
			if len(seen) != tt.attempts || s.renewed != 1 {
				t.Fatalf("%d attempts and %d renewals", len(seen), s.renewed)
			}
			if sum := sha256.Sum256([]byte(freshValue)); tt.attempts == 2 && seen[1].Claims.Ath != base64.RawURLEncoding.EncodeToString(sum[:]) {
				t.Error("the second proof is for another token")
			}
		})
	}
}

// B-3.1-06: only invalid_token with 401 starts a renewal.
func TestWhatDoesNotRenewAToken(t *testing.T) {
	for _, tt := range []struct {
		name, challenge string
		status          int
		hint            string
	}{
		{"insufficient_scope", `DPoP error="insufficient_scope", scope="write read"`, 403, "scope read write"},
		{"insufficient_scope with 401", `DPoP error="insufficient_scope"`, 401, ""},
		{"invalid_token with 403", `DPoP error="invalid_token"`, 403, "log in again"},
		{"no error", `DPoP algs="ES256"`, 401, ""},
		{"another scheme", `Digest error="invalid_token"`, 401, "does not offer DPoP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("WWW-Authenticate", tt.challenge)
				w.WriteHeader(tt.status)
				return true
			}
			tr := a.transport()
			s := &renewing{}
			s.token, _ = tr.Tokens.Token(t.Context())
			tr.Tokens = s
			resp, err := (&http.Client{Transport: tr}).Get(a.URL)
			if err != nil {
				t.Fatal(err)
			}
			read(t, resp)
			if s.renewed != 0 || len(a.sights()) != 1 {
				t.Errorf("%d renewals, %d attempts", s.renewed, len(a.sights()))
			}
			if f := client.Failure(resp); !strings.Contains(f.Hint, tt.hint) {
				t.Errorf("hint %q, want %q", f.Hint, tt.hint)
			}
		})
	}
}

func TestABearerTokenIsRenewedAndNeverProved(t *testing.T) {
	for _, tt := range []struct {
		challenge string
		attempts  int
	}{
		{`Bearer error="invalid_token"`, 2},
		{`Bearer error="invalid_token", DPoP algs="ES256"`, 2},
		{`DPoP error="use_dpop_nonce"`, 1},
		{`DPoP error="invalid_dpop_proof"`, 1},
	} {
		t.Run(tt.challenge, func(t *testing.T) {
			s := &renewing{
				token: &client.Token{Value: holdfast.NewSecret(tokenValue)},
				fresh: &client.Token{Value: holdfast.NewSecret(freshValue), Type: "Bearer"},
			}
			var sent []string
			tr := &client.Transport{
				Tokens: s, Origins: []string{"https://api.example"}, AllowBearer: true,
				Base: roundTripper(func(r *http.Request) (*http.Response, error) {
					sent = append(sent, r.Header.Get("Authorization"))
					h := http.Header{"Www-Authenticate": {tt.challenge}, "Dpop-Nonce": {"n1"}}
					return &http.Response{StatusCode: 401, Header: h, Body: http.NoBody}, nil
				}),
			}
			r, _ := http.NewRequest("GET", "https://api.example/", nil)
			if _, err := tr.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			want := []string{"Bearer " + tokenValue, "Bearer " + freshValue}[:tt.attempts]
			if !slices.Equal(sent, want) {
				t.Errorf("%d attempts, want %d", len(sent), tt.attempts)
			}
		})
	}
}

// net/http repeats an idempotent request, proof included, when a connection that
// was idle turns out to be closed. The server may have seen the first one.
func TestAProofThatNetHTTPSentTwice(t *testing.T) {
	for _, tt := range []struct {
		method   string
		header   http.Header
		status   int
		attempts int // at the server, without the one that opened the connection
	}{
		{"GET", http.Header{}, 200, 3},
		{"HEAD", http.Header{}, 200, 3},
		{"POST", http.Header{"Idempotency-Key": {"1"}}, 200, 3},
	} {
		t.Run(tt.method, func(t *testing.T) {
			a := newAPI(t, func(a *api, _ *holdfast.Config) { a.EnableHTTP2 = false })
			a.serve = func(w http.ResponseWriter, _ *http.Request) {
				if len(a.sights()) == 2 {
					c, _, _ := http.NewResponseController(w).Hijack()
					c.Close()
				}
			}
			tr := a.transport()
			get(t, tr, a.URL)
			r, _ := http.NewRequest(tt.method, a.URL, nil)
			r.Header = tt.header
			resp, err := tr.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			read(t, resp)
			s := a.sights()[1:]
			if resp.StatusCode != tt.status || len(s) != tt.attempts {
				t.Fatalf("status %d after %d attempts", resp.StatusCode, len(s))
			}
			if s[0].Claims.JTI != s[1].Claims.JTI || s[1].Code != holdfast.CodeReplayJTIReplayed || s[2].Claims.JTI == s[1].Claims.JTI {
				t.Errorf("codes %v %v %v", s[0].Code, s[1].Code, s[2].Code)
			}
		})
	}
}

// retrier repeats what was answered with 429.
type retrier struct{ base http.RoundTripper }

func (l retrier) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		resp, err := l.base.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests {
			return resp, err
		}
		resp.Body.Close()
	}
}

// D-7.3-01: a layer that retries belongs above. Below it makes replays, which
// are made good only where that cannot execute anything twice.
func TestLayersThatRetry(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		above        bool
		status       int
		sent         int
	}{
		{"above", "POST", true, 200, 2},
		{"below, GET", "GET", false, 200, 3},
		{"below, POST", "POST", false, 401, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.serve = func(w http.ResponseWriter, _ *http.Request) {
				if len(a.sights()) == 1 {
					w.WriteHeader(http.StatusTooManyRequests)
				}
			}
			tr := a.transport()
			var rt http.RoundTripper = tr
			if tt.above {
				rt = retrier{tr}
			} else {
				tr.Base = retrier{tr.Base}
			}
			r, _ := http.NewRequest(tt.method, a.URL, nil)
			resp, err := rt.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			read(t, resp)
			if resp.StatusCode != tt.status || len(a.sights()) != tt.sent {
				t.Fatalf("status %d after %d requests", resp.StatusCode, len(a.sights()))
			}
			if f := client.Failure(resp); tt.status == 401 && !strings.Contains(f.Hint, "sent the request twice") {
				t.Errorf("hint %q", f.Hint)
			}
		})
	}
}

// A server that always finds another reason is asked four times.
func TestAttemptsAreBounded(t *testing.T) {
	a := newAPI(t, func(a *api, _ *holdfast.Config) { a.EnableHTTP2 = false })
	a.before = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		h := w.Header()
		h.Set("DPoP-Nonce", fmt.Sprint("n", n))
		h.Set("Date", callTime.Add(time.Duration(n)*time.Minute).Format(http.TimeFormat))
		h.Set("WWW-Authenticate", "DPoP error="+[]string{"invalid_token", "use_dpop_nonce", "invalid_dpop_proof"}[n%3])
		w.WriteHeader(401)
		return true
	}
	for _, below := range []bool{false, true} {
		tr := a.transport()
		s := &renewing{fresh: &client.Token{Value: holdfast.NewSecret(freshValue), Key: a.key}}
		s.token, _ = tr.Tokens.Token(t.Context())
		tr.Tokens = s
		base := tr.Base
		if below { // every attempt goes out twice
			tr.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
				resp, err := base.RoundTrip(r)
				if err != nil {
					return nil, err
				}
				resp.Body.Close()
				return base.RoundTrip(r)
			})
		}
		from := len(a.sights())
		if status, _ := get(t, tr, a.URL); status != 401 {
			t.Errorf("status %d", status)
		}
		if n := len(a.sights()) - from; n != 4 {
			t.Errorf("%d attempts, want 4", n)
		}
	}
}

// A server whose time jumps is followed once per call.
func TestAClockIsCorrectedOncePerCall(t *testing.T) {
	a := newAPI(t, nil)
	a.before = func(w http.ResponseWriter, _ *http.Request, n int) bool {
		w.Header().Set("Date", callTime.Add(time.Duration(n)*time.Minute).Format(http.TimeFormat))
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)
		w.WriteHeader(401)
		return true
	}
	for calls := 1; calls <= 3; calls++ {
		if get(t, a.transport(), a.URL); len(a.sights()) != 2*calls {
			t.Fatalf("%d attempts for %d calls", len(a.sights()), calls)
		}
	}
}

// endless is a body without an end that notes how much was read of it.
type endless struct{ read, closed int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return len(b), nil
}

func (e *endless) Close() error {
	e.closed++
	return nil
}

// What a refusal has for a body is read to a limit and closed.
func TestARefusalIsDiscarded(t *testing.T) {
	for _, kind := range []string{"application/json", "text/plain"} {
		t.Run(kind, func(t *testing.T) {
			bodies := []io.ReadCloser{&endless{}, nil}
			n := 0
			tr := &client.Transport{
				Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: newKey(t)}},
				Origins: []string{"https://api.example"},
				Base: roundTripper(func(*http.Request) (*http.Response, error) {
					h := http.Header{"Www-Authenticate": {`DPoP error="use_dpop_nonce"`}, "Dpop-Nonce": {fmt.Sprint("n", n)}, "Content-Type": {kind}}
					n++
					return &http.Response{StatusCode: 401, Header: h, Body: bodies[n-1]}, nil
				}),
			}
			r, _ := http.NewRequest("GET", "https://api.example/", nil)
			if _, err := tr.RoundTrip(r); err != nil || n != 2 {
				t.Errorf("error %v after %d attempts", err, n)
			}
			if e := bodies[0].(*endless); e.closed != 1 || e.read > 256<<10 {
				t.Errorf("closed %d times after %d bytes", e.closed, e.read)
			}
		})
	}
}
