package client_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// D-7-01, D-7.1-01, D-4.1-01, D-4.2-07, D-4.2-08, D-4.2-09, D-4.2-10, D-4.2-11,
// D-7.1-13, B-2.1-02: token and proof are in the header fields, and there only.
func TestARequestCarriesTokenAndProof(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, method := range []string{"", "GET", "POST", "PATCH", "FOO"} {
			t.Run(version+" "+method, func(t *testing.T) {
				a := newAPI(t, func(a *api, _ *holdfast.Config) { a.EnableHTTP2 = version == "HTTP/2.0" })
				tr := a.transport()
				r, _ := http.NewRequest(method, a.URL+"/a%2Fb/c?x=1#f", nil)
				r.Method = method
				r.Header.Set("X-Mine", "1")
				before := r.Clone(t.Context())
				resp, err := tr.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				if status, _ := read(t, resp); status != 200 {
					t.Fatalf("status %d, code %v", status, a.sights()[0].Code)
				}
				if diff := cmp.Diff(before.Header, r.Header); diff != "" {
					t.Errorf("the caller's request was changed:\n%s", diff)
				}
				if resp.Request != r {
					t.Error("the response names another request than the caller's: ours has the token in it")
				}
				s := a.sights()[0]
				sum := sha256.Sum256([]byte(tokenValue))
				want := proofClaims{
					JTI: s.Claims.JTI, HTM: s.Method, HTU: a.URL + "/a%2Fb/c",
					Ath: base64.RawURLEncoding.EncodeToString(sum[:]), Iat: callTime.Unix(),
				}
				if diff := cmp.Diff(want, s.Claims); diff != "" {
					t.Errorf("claims:\n%s", diff)
				}
				if diff := cmp.Diff([]string{"DPoP " + tokenValue}, s.Authorization); diff != "" || len(s.Proofs) != 1 {
					t.Errorf("%d proofs, Authorization:\n%s", len(s.Proofs), diff)
				}
				if s.Proto != version || s.Proxy != nil {
					t.Errorf("protocol %s with Proxy-Authorization %q", s.Proto, s.Proxy)
				}
			})
		}
	}
}

// D-4-01, D-4.2-05, D-7.3-01: a thousand requests, of which some are refused for
// their nonce and some redirected, have as many proofs.
func TestEveryRequestHasItsOwnProof(t *testing.T) {
	a := newAPI(t, func(_ *api, c *holdfast.Config) { c.Proof.Nonce = holdfast.NonceRequired })
	a.serve = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/from" {
			a.ring.epoch.Add(1)
			http.Redirect(w, r, "/to", http.StatusFound)
		}
	}
	tr := a.transport()
	for i := 0; len(a.sights()) < 1000; i++ {
		if i > 1000 {
			t.Fatal("requests do not arrive")
		}
		if status, _ := get(t, tr, a.URL+"/from"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	ids, proofs := map[string]bool{}, map[string]bool{}
	for _, s := range a.sights() {
		ids[s.Claims.JTI], proofs[s.Proofs[0]] = true, true
		if want := a.URL + s.Path; s.Claims.HTU != want {
			t.Fatalf("htu %q, want %q", s.Claims.HTU, want)
		}
	}
	if n := len(a.sights()); len(ids) != n || len(proofs) != n {
		t.Errorf("%d requests had %d jti and %d proofs", n, len(ids), len(proofs))
	}
}

// D-7.3-03, B-5.3-01: on a redirect the target decides. The caller's request
// never has our credentials, so net/http cannot copy them.
func TestRedirects(t *testing.T) {
	other := newAPI(t, nil)
	other.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool { return true }
	for _, tt := range []struct {
		name, to string
		status   int
		atOther  int
	}{
		{"to the same origin has a new proof for the new target", "/landed", 307, 0},
		{"to another origin has no credentials", other.URL + "/landed", 307, 1},
		{"with 302 to another origin has no credentials", other.URL + "/landed", 302, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAPI(t, nil)
			a.serve = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/begin" {
					http.Redirect(w, r, tt.to, tt.status)
				}
			}
			tr := a.transport()
			tr.Base = trustBoth(a, other)
			before := len(other.sights())
			resp, err := (&http.Client{Transport: tr}).Post(a.URL+"/begin", "text/plain", strings.NewReader("same"))
			if err != nil {
				t.Fatal(err)
			}
			if status, _ := read(t, resp); status != 200 {
				t.Fatalf("status %d", status)
			}
			there := other.sights()[before:]
			if len(there) != tt.atOther {
				t.Fatalf("%d requests at the other origin, want %d", len(there), tt.atOther)
			}
			for _, s := range there {
				if s.Authorization != nil || s.Proofs != nil {
					t.Error("credentials reached another origin")
				}
			}
			if here := a.sights(); tt.atOther == 0 && (len(here) != 2 || here[1].Claims.HTU != a.URL+"/landed" || here[0].Claims.JTI == here[1].Claims.JTI || here[1].Body != "same") {
				t.Errorf("after the redirect: %+v", here[len(here)-1].Claims)
			}
		})
	}
}

func trustBoth(a, b *api) http.RoundTripper {
	base := a.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.RootCAs.AddCert(b.Certificate())
	return base
}

func TestRequestsForOtherOriginsPassUntouched(t *testing.T) {
	a := newAPI(t, nil)
	var got http.Header
	a.before = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		got = r.Header.Clone()
		return true
	}
	for name, tr := range map[string]*client.Transport{
		"zero value":     {Base: a.Client().Transport},
		"another origin": {Base: a.Client().Transport, Tokens: tokens{}, Origins: []string{"https://api.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := http.NewRequest("GET", a.URL+"/?access_token=mine", nil)
			r.Header.Set("Authorization", "Basic mine")
			r.Header.Set("DPoP", "mine")
			resp, err := tr.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			read(t, resp)
			if got.Get("Authorization") != "Basic mine" || got.Get("DPoP") != "mine" {
				t.Error("the caller's own credentials were changed")
			}
		})
	}
}

func TestOriginsAreComparedInOneSpelling(t *testing.T) {
	var got string
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r.Header.Get("Authorization")
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	})
	for _, tt := range []struct {
		origin, url string
		credentials bool
	}{
		{"https://API.example:443/", "https://api.example/a", true},
		{"https://api.example", "HTTPS://api.EXAMPLE:443/a", true},
		{"https://api.example:8443", "https://api.example:8443/a", true},
		{"https://api.example:8443", "https://api.example/a", false},
		{"https://api.example", "https://api.example:8443/a", false},
		{"https://api.example", "https://api.example.evil.example/", false},
		{"https://api.example", "https://sub.api.example/", false},
		{"https://api.example", "https://other.example/@api.example", false},
		{"http://127.0.0.1:1", "http://127.0.0.1:1/a", true},
		{"http://[::1]", "http://[::1]:80/a", true},
		{"http://127.0.0.1:1", "http://127.0.0.1:2/a", false},
	} {
		t.Run(tt.origin+" and "+tt.url, func(t *testing.T) {
			tr := &client.Transport{
				Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: newKey(t)}},
				Origins: []string{tt.origin}, Base: base,
			}
			r, _ := http.NewRequest("GET", tt.url, nil)
			r.Host = strings.ToUpper(r.URL.Host)
			if _, err := tr.RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			if (got != "") != tt.credentials {
				t.Errorf("credentials sent: %v, want %v", got != "", tt.credentials)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// D-2-01, B-5.3-02, B-2-01, B-2.2-01, B-2.3-01, BCP-4.3.2-01.
func TestRequestsThatAreNotSent(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	for _, tt := range []struct {
		name, url, body string
		change          func(*http.Request)
		want            string
	}{
		{"in clear", "http://api.example/a", "", nil, "https is needed"},
		{"in clear with another port", "http://api.example:8080/a", "", nil, "https is needed"},
		{"Host of another tenant", "https://api.example/", "", func(r *http.Request) { r.Host = "tenant.example" }, "another server"},
		{"opaque target", "https://api.example/", "", func(r *http.Request) { r.URL.Opaque = "//other.example/" }, "another server"},
		{"Authorization is there", "https://api.example/", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "field already"},
		{"Authorization in lower case", "https://api.example/", "", func(r *http.Request) { r.Header["authorization"] = []string{"x"} }, "field already"},
		{"proof is there", "https://api.example/", "", func(r *http.Request) { r.Header.Set("DPoP", "x") }, "field already"},
		{"token in the query", "https://api.example/?a=1&access_token=" + tokenValue, "", nil, "access_token parameter"},
		{"token in the query, escaped", "https://api.example/?access%5Ftoken=" + tokenValue, "", nil, "access_token parameter"},
		{"token in the form", "https://api.example/", "a=1&access_token=" + tokenValue, func(r *http.Request) { r.Header = form }, "form has an access_token"},
		{"token in a form that is read once", "https://api.example/", "access_token=" + tokenValue, func(r *http.Request) { r.Header, r.GetBody = form, nil }, "form has an access_token"},
		{"no URL", "https://api.example/", "", func(r *http.Request) { r.URL = nil }, "no URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := &client.Transport{
				Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Type: "DPoP", Key: newKey(t)}},
				Origins: []string{"https://api.example"},
				Base: roundTripper(func(*http.Request) (*http.Response, error) {
					t.Error("the request was sent")
					return nil, io.EOF
				}),
			}
			r, _ := http.NewRequest("POST", tt.url, strings.NewReader(tt.body))
			body := &closing{Reader: strings.NewReader(tt.body)}
			r.Body = body
			if tt.change != nil {
				tt.change(r)
			}
			resp, err := tr.RoundTrip(r)
			var e *client.Error
			if resp != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error()+e.Hint, tokenValue) {
				t.Error("the error holds the token")
			}
			if body.closed.Load() != 1 {
				t.Errorf("the body was closed %d times", body.closed.Load())
			}
		})
	}
}

func TestAFormWithoutATokenIsSentWhole(t *testing.T) {
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprintf("GetBody %v", again), func(t *testing.T) {
			a := newAPI(t, nil)
			r, _ := http.NewRequest("POST", a.URL, strings.NewReader("q=access_token&r=2"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if !again {
				r.GetBody = nil
			}
			resp, err := a.transport().RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if status, _ := read(t, resp); status != 200 || a.sights()[0].Body != "q=access_token&r=2" {
				t.Errorf("status %d, body %q", status, a.sights()[0].Body)
			}
		})
	}
}

// D-2-01: a mistake in the fields is found before anything is sent, all at once.
func TestAWrongTransportSendsNothing(t *testing.T) {
	tr := &client.Transport{
		Origins: []string{"http://api.example", "https://api.example/path", "https://api.example?q", "https://u:pw@api.example", "api.example"},
		MaxBody: -1,
		Base: roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("the request was sent")
			return nil, io.EOF
		}),
	}
	r, _ := http.NewRequest("GET", "https://unlisted.example/", nil)
	_, err := tr.RoundTrip(r)
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"https is needed", "neither path nor query", "user information", "not an absolute URL", "no token source", "MaxBody is -1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "pw") {
		t.Error("the error holds a password")
	}
}

// D-7.2-06, D-5-11: what a token is decides how it is sent.
func TestTokensAreSentAsWhatTheyAre(t *testing.T) {
	key, good := newKey(t), holdfast.NewSecret(tokenValue)
	for _, tt := range []struct {
		name   string
		token  *client.Token
		bearer bool   // AllowBearer
		sent   string // scheme
		want   string
	}{
		{"bound", &client.Token{Value: good, Type: "DPoP", Key: key}, false, "DPoP", ""},
		{"bound, type in lower case", &client.Token{Value: good, Type: "dpop", Key: key}, false, "DPoP", ""},
		{"bound, type unsaid", &client.Token{Value: good, Key: key}, false, "DPoP", ""},
		{"bound and bearer allowed", &client.Token{Value: good, Type: "DPoP", Key: key}, true, "DPoP", ""},
		{"not bound", &client.Token{Value: good, Type: "Bearer"}, false, "", "not bound to a key"},
		{"not bound and bearer allowed", &client.Token{Value: good, Type: "bearer"}, true, "Bearer", ""},
		{"Bearer with a key", &client.Token{Value: good, Type: "Bearer", Key: key}, true, "", `type "Bearer" came with a proof key`},
		{"DPoP without a key", &client.Token{Value: good, Type: "DPoP"}, true, "", `type "DPoP" came without`},
		{"other type", &client.Token{Value: good, Type: "mac"}, true, "", `type "mac" came without`},
		{"empty", &client.Token{Type: "DPoP", Key: key}, false, "", "no token"},
		{"none", nil, false, "", "no token"},
		{"huge", &client.Token{Value: holdfast.NewSecret(strings.Repeat("t", holdfast.MaxTokenBytes+1)), Key: key}, false, "", "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent http.Header
			tr := &client.Transport{
				Tokens: tokens{tt.token}, Origins: []string{"https://api.example"}, AllowBearer: tt.bearer,
				Base: roundTripper(func(r *http.Request) (*http.Response, error) {
					sent = r.Header
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
				}),
			}
			r, _ := http.NewRequest("GET", "https://api.example/", nil)
			_, err := tr.RoundTrip(r)
			if tt.want != "" {
				var e *client.Error
				if sent != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("sent %v, error %v, want one with %q", sent != nil, err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := sent.Get("Authorization"); got != tt.sent+" "+tokenValue {
				t.Errorf("scheme is not %s", tt.sent)
			}
			if (sent.Get("DPoP") != "") != (tt.sent == "DPoP") {
				t.Errorf("a proof goes with DPoP and with nothing else")
			}
		})
	}
}

type brokenSource struct{ error }

func (s brokenSource) Token(context.Context) (*client.Token, error) { return nil, s.error }

func TestATokenSourceThatFailsIsReported(t *testing.T) {
	cause := errors.New("the vault is closed")
	tr := &client.Transport{Tokens: brokenSource{cause}, Origins: []string{"https://api.example"}}
	r, _ := http.NewRequest("GET", "https://api.example/", nil)
	_, err := tr.RoundTrip(r)
	var e *client.Error
	if !errors.As(err, &e) || !errors.Is(err, cause) || e.Op != "call" {
		t.Errorf("error %v", err)
	}
}

// B-5.2-04, D-11-01: the server is authenticated before anything is sent.
func TestAServerThatIsNotTrustedGetsNothing(t *testing.T) {
	a := newAPI(t, nil)
	for name, base := range map[string]http.RoundTripper{
		"unknown authority": &http.Transport{},
		"another name": func() http.RoundTripper {
			b := a.Client().Transport.(*http.Transport).Clone()
			b.TLSClientConfig.ServerName = "other.test"
			return b
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			tr := a.transport()
			tr.Base = base
			if _, err := (&http.Client{Transport: tr}).Get(a.URL); err == nil {
				t.Fatal("no error")
			}
			if n := len(a.sights()); n != 0 {
				t.Errorf("%d requests arrived", n)
			}
		})
	}
}

func TestAnErrorOfBaseIsReturnedAsItIs(t *testing.T) {
	var sent atomic.Int32
	tr := &client.Transport{
		Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: newKey(t)}},
		Origins: []string{"https://api.example"},
		Base: roundTripper(func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			return nil, context.DeadlineExceeded
		}),
	}
	r, _ := http.NewRequest("GET", "https://api.example/", nil)
	if _, err := tr.RoundTrip(r); err != context.DeadlineExceeded || sent.Load() != 1 {
		t.Errorf("error %v after %d attempts", err, sent.Load())
	}
}

func TestCloseIdleConnectionsReachesBase(t *testing.T) {
	base := &idler{}
	(&http.Client{Transport: &client.Transport{Base: base}}).CloseIdleConnections()
	if !base.closed {
		t.Error("Base was not told")
	}
	(&client.Transport{Base: roundTripper(nil)}).CloseIdleConnections() // cannot, and need not
}

type idler struct {
	http.RoundTripper
	closed bool
}

func (i *idler) CloseIdleConnections() { i.closed = true }

// A plain server on the loopback interface is allowed: RFC 8252 section 7.3.
func TestLoopbackNeedsNoTLS(t *testing.T) {
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer s.Close()
	u, _ := url.Parse(s.URL)
	tr := &client.Transport{
		Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: newKey(t)}},
		Origins: []string{u.String()}, Now: func() time.Time { return callTime },
	}
	if status, _ := get(t, tr, s.URL); status != 200 || !strings.HasPrefix(got, "DPoP ") {
		t.Errorf("status %d", status)
	}
	tr.CloseIdleConnections()
}
