package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

func needNonce(_ *api, c *holdfast.Config) { c.Proof.Nonce = holdfast.NonceRequired }

// D-8-05, D-9-02, D-11.3-01, D-7.3-01, D-7.3-02: a challenge is answered with
// one more request that has the nonce, a new proof and the same body.
func TestANonceChallengeIsAnsweredOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		body func() io.Reader
		want string
	}{
		{"no body", func() io.Reader { return nil }, ""},
		{"a body with GetBody", func() io.Reader { return strings.NewReader("again") }, "again"},
		{"a body that is read once", func() io.Reader { return io.MultiReader(strings.NewReader("once")) }, "once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, needNonce)
			resp, err := (&http.Client{Transport: a.transport()}).Post(a.URL, "text/plain", tt.body())
			if err != nil {
				t.Fatal(err)
			}
			status, _ := read(t, resp)
			s := a.sights()
			if status != 200 || len(s) != 2 || s[0].Code != holdfast.CodeProofNonceRequired {
				t.Fatalf("status %d after %d requests", status, len(s))
			}
			if s[0].Claims.Nonce != "" || s[1].Claims.Nonce != "n0" || s[1].Claims.Ath == "" || s[0].Claims.JTI == s[1].Claims.JTI || s[1].Body != tt.want {
				t.Errorf("second request %+v with body %q", s[1].Claims, s[1].Body)
			}
		})
	}
}

// D-8.2-01, D-8.2-02, D-8.2-03, D-8-10, D-4.2-12: a nonce is taken from every
// answer and used until the next.
func TestANonceIsTakenFromEveryAnswer(t *testing.T) {
	a := newAPI(t, nil)
	for _, status := range []int{200, 204, 304, 401, 403, 404, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			tr, fresh := a.transport(), fmt.Sprintf("n%d", status)
			from := len(a.sights())
			a.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if r.URL.Path == "/first" {
					w.Header().Set("DPoP-Nonce", fresh)
					w.WriteHeader(status)
				}
				return true
			}
			get(t, tr, a.URL+"/first")
			for range 20 {
				get(t, tr, a.URL+"/next")
			}
			ids := map[string]bool{}
			for _, s := range a.sights()[from+1:] {
				ids[s.Claims.JTI] = true
				if s.Claims.Nonce != fresh {
					t.Fatalf("nonce %q, want %q", s.Claims.Nonce, fresh)
				}
			}
			if len(ids) != 20 {
				t.Errorf("%d different jti in 20 requests", len(ids))
			}
		})
	}
}

// D-8-12, D-8-13, D-8.1-02, D-7.1-11: what is a challenge, and what is not.
func TestWhichAnswersAreNonceChallenges(t *testing.T) {
	const dpop = `DPoP error="use_dpop_nonce"`
	for _, tt := range []struct {
		name      string
		status    int
		challenge []string
		nonce     []string
		attempts  int
		hint      string
	}{
		{"as in RFC 9449 section 9", 401, []string{`DPoP error="use_dpop_nonce", error_description="x"`}, []string{"n1"}, 2, "demanded another nonce"},
		{"unknown parameters", 401, []string{`DPoP foo="1", error="use_dpop_nonce"`}, []string{"n1"}, 2, ""},
		{"scheme in lower case", 401, []string{`dpop error=use_dpop_nonce`}, []string{"n1"}, 2, ""},
		{"beside Bearer in one field", 401, []string{`Bearer realm="a", ` + dpop}, []string{"n1"}, 2, ""},
		{"in the second field", 401, []string{`Bearer realm="a"`, dpop}, []string{"n1"}, 2, ""},
		{"without a nonce", 401, []string{dpop}, nil, 1, "supplied none"},
		{"with an empty nonce", 401, []string{dpop}, []string{""}, 1, "breaks the syntax"},
		{"with a quote in the nonce", 401, []string{dpop}, []string{`a"b`}, 1, "breaks the syntax"},
		{"with two nonces", 401, []string{dpop}, []string{"n1", "n2"}, 1, "breaks the syntax"},
		{"with a nonce that is too long", 401, []string{dpop}, []string{strings.Repeat("n", holdfast.MaxNonceBytes+1)}, 1, "breaks the syntax"},
		{"with the nonce that was sent", 401, []string{dpop}, []string{"sent"}, 1, "the same one again"},
		{"for Bearer only", 401, []string{`Bearer error="use_dpop_nonce"`}, []string{"n1"}, 1, "does not offer DPoP"},
		{"another error", 401, []string{`DPoP error="invalid_dpop_proof"`}, []string{"n1"}, 1, "refused the proof"},
		{"no error", 401, []string{`DPoP algs="ES256"`}, []string{"n1"}, 1, ""},
		{"no challenge", 401, nil, []string{"n1"}, 1, ""},
		{"403", 403, []string{dpop}, []string{"n1"}, 1, ""},
		{"400", 400, []string{dpop}, []string{"n1"}, 1, ""},
		{"200", 200, []string{dpop}, []string{"n1"}, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.before = func(w http.ResponseWriter, _ *http.Request, n int) bool {
				if n == 1 {
					w.Header().Set("DPoP-Nonce", "sent")
					return true
				}
				w.Header()["Www-Authenticate"] = tt.challenge
				w.Header()["Dpop-Nonce"] = nil
				for _, v := range tt.nonce {
					if v == "n1" {
						v = fmt.Sprint("n", n) // always a new one
					}
					w.Header().Add("DPoP-Nonce", v)
				}
				w.WriteHeader(tt.status)
				return true
			}
			tr := a.transport()
			get(t, tr, a.URL)
			resp, err := (&http.Client{Transport: tr}).Get(a.URL)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := read(t, resp); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if n := len(a.sights()) - 1; n != tt.attempts {
				t.Fatalf("%d attempts, want %d", n, tt.attempts)
			}
			if f := client.Failure(resp); tt.hint != "" && (f == nil || !strings.Contains(f.Hint, tt.hint)) {
				t.Errorf("failure %+v, want a hint with %q", f, tt.hint)
			}
		})
	}
}

// D-8-06: the nonce is opaque.
func TestANonceIsReturnedExactly(t *testing.T) {
	var all strings.Builder
	for c := byte(0x21); c <= 0x7e; c++ {
		if c != '"' && c != '\\' {
			all.WriteByte(c)
		}
	}
	for _, nonce := range []string{all.String(), "x", strings.Repeat("y", holdfast.MaxNonceBytes)} {
		a := newAPI(t, nil)
		a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("DPoP-Nonce", nonce)
			return true
		}
		tr := a.transport()
		get(t, tr, a.URL)
		get(t, tr, a.URL)
		if got := a.sights()[1].Claims.Nonce; got != nonce {
			t.Errorf("nonce of %d bytes came back with %d", len(nonce), len(got))
		}
	}
}

// D-9-03: with a shared jar, too, every server gets its own nonce.
func TestANonceIsUsedAtItsServerOnly(t *testing.T) {
	a, b, c := newAPI(t, nil), newAPI(t, nil), newAPI(t, nil)
	for nonce, s := range map[string]*api{"na": a, "nb": b} {
		s.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("DPoP-Nonce", nonce)
			return true
		}
	}
	jar := new(client.NonceJar)
	for range 2 {
		for _, s := range []*api{a, b, c} {
			tr := s.transport()
			tr.Nonces = jar
			get(t, tr, s.URL)
		}
	}
	for want, s := range map[string]*api{"na": a, "nb": b, "": c} {
		if got := s.sights()[1].Claims.Nonce; got != want {
			t.Errorf("nonce %q, want %q", got, want)
		}
	}
}

// D-7.3-02: a body that cannot be sent again ends the call, but the next one
// has the nonce.
func TestAChallengeToABodyThatIsTooLong(t *testing.T) {
	a := newAPI(t, needNonce)
	a.before = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		return false
	}
	tr := a.transport()
	tr.MaxBody = 1000
	upload := func() (*http.Response, error) {
		r, _ := http.NewRequest("POST", a.URL+"/?code=secret", io.MultiReader(strings.NewReader(strings.Repeat("b", 1001))))
		return tr.RoundTrip(r)
	}
	_, err := upload()
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "use_dpop_nonce" || e.Status != 401 || !strings.Contains(e.Hint, "once more") || e.Exchange == nil {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(err.Error(), "1000 bytes") || strings.Contains(err.Error(), "secret") || strings.Contains(e.Exchange.Request.URL, "secret") {
		t.Errorf("error %v", err)
	}
	resp, err := upload()
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := read(t, resp); status != 200 || len(a.sights()) != 2 {
		t.Errorf("status %d after %d requests", status, len(a.sights()))
	}
}

// D-9-06: callers that are refused together take the nonce of whoever was first;
// none asks more than twice.
func TestConcurrentCallersOnAStaleNonce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		callers int
		keep    int64 // earlier nonces that are accepted
		rotate  int   // requests until the next nonce
	}{
		{"64 callers and a nonce that rotates meanwhile", 64, 1, 65},
		{"1000 callers and one that expired", 1000, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, needNonce)
			a.ring.keep = tt.keep
			tr := a.transport()
			get(t, tr, a.URL)
			from := len(a.sights())
			a.ring.epoch.Store(100)
			a.before = func(_ http.ResponseWriter, _ *http.Request, n int) bool {
				if tt.rotate > 0 && (n-from)%tt.rotate == 0 {
					a.ring.epoch.Add(1)
				}
				return false
			}
			var wg sync.WaitGroup
			errs := make(chan error, tt.callers)
			for range tt.callers {
				wg.Go(func() {
					resp, err := (&http.Client{Transport: tr}).Get(a.URL)
					if err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
						if f := client.Failure(resp); f != nil {
							err = f
						}
					}
					if err != nil {
						errs <- err
					}
				})
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				t.Error(err)
			}
			n := len(a.sights()) - from
			t.Logf("%d callers, %d requests", tt.callers, n)
			if n > 2*tt.callers {
				t.Errorf("%d requests for %d callers", n, tt.callers)
			}
			before := len(a.sights())
			get(t, tr, a.URL)
			if len(a.sights()) != before+1 {
				t.Error("the nonce was lost")
			}
		})
	}
}

// A late answer to somebody else's request, with an older nonce, does not get
// between a challenge and its retry.
func TestARetryHasTheNonceOfItsChallenge(t *testing.T) {
	a := newAPI(t, needNonce)
	a.ring.epoch.Store(7)
	tr := a.transport()
	other := a.transport()
	tr.Nonces = new(client.NonceJar)
	other.Nonces = tr.Nonces
	tr.OnExchange = func(x *holdfast.Exchange) {
		if x.ID == 1 {
			a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("DPoP-Nonce", "n3")
				return true
			}
			get(t, other, a.URL)
			a.before = nil
		}
	}
	if status, _ := get(t, tr, a.URL); status != 200 {
		t.Errorf("status %d, nonces %q", status, a.sights()[2].Claims.Nonce)
	}
}

func TestACallThatIsCancelledIsNotRepeated(t *testing.T) {
	a := newAPI(t, needNonce)
	ctx, cancel := context.WithCancel(t.Context())
	tr := a.transport()
	tr.OnExchange = func(*holdfast.Exchange) { cancel() }
	r, _ := http.NewRequestWithContext(ctx, "GET", a.URL, nil)
	if _, err := tr.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := len(a.sights()); n != 1 {
		t.Errorf("%d requests arrived", n)
	}
}
