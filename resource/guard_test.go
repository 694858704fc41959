package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

func TestAcceptedRequestReachesTheHandler(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*call)
	}{
		{"GET", func(*call) {}},
		{"POST with a body", func(c *call) { c.method, c.body = "POST", strings.NewReader("x=1") }},
		{"HEAD", func(c *call) { c.method = "HEAD" }},
		{"OPTIONS is protected like any other method", func(c *call) { c.method = "OPTIONS" }},
		{"D-7.1-02: the scheme in other letters", func(c *call) { c.scheme = "dpop" }},
		{"D-7.1-02: two spaces after the scheme", func(c *call) { c.scheme = "DPoP " }},
		{"D-4.3-09a: a query, which a proof does not cover", func(c *call) { c.path, c.proofFor = "/orders?x=1&y=%7B", public+"/orders" }},
		{"a query in htu, which is ignored", func(c *call) { c.proofFor = public + "/orders?y=2" }},
		{"the root of the resource", func(c *call) { c.path = "/" }},
		{"an encoded slash", func(c *call) { c.path = "/a%2Fb" }},
		{"an empty segment", func(c *call) { c.path = "//orders//" }},
		{"a token in a field that is not ours (D-7.1-13)", func(c *call) { c.header.Set("Proxy-Authorization", "DPoP x") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.good()
			tt.change(c)
			w.accepted(w.do(c))
			if n := w.reached.Load(); n != 1 {
				t.Errorf("the handler was reached %d times, want once", n)
			}
			if n := w.replays.count(); n != 1 {
				t.Errorf("the proof was recorded %d times, want once", n)
			}
		})
	}
}

func TestAccessOfAHandler(t *testing.T) {
	w := newWorld(t, nil)
	var got *holdfast.Access
	var known bool
	w.handler = func(_ http.ResponseWriter, r *http.Request) { got, known = AccessFrom(r.Context()) }
	w.accepted(w.do(w.good()))
	if !known {
		t.Fatal("no access in the context")
	}
	type view struct {
		Subject, Client string
		Scope           []string
		Holder          holdfast.Thumbprint
		By              holdfast.Scheme
	}
	want := view{"user-1", "client-1", []string{"read"}, w.key.Thumbprint(), holdfast.SchemeDPoP}
	if diff := cmp.Diff(want, view{got.Token.Subject, got.Token.ClientID, got.Token.Scope, got.Holder, got.By}); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	if _, known := AccessFrom(t.Context()); known {
		t.Error("access in a context that is not of a protected handler")
	}
}

// TX-4.1-01: the handler gets every claim, and only the outermost act is the actor.
func TestHandlerGetsTheClaims(t *testing.T) {
	w := newWorld(t, nil)
	var actor string
	w.handler = func(_ http.ResponseWriter, r *http.Request) {
		a, _ := AccessFrom(r.Context())
		var c struct {
			Act struct{ Sub string } `json:"act"`
		}
		if err := json.Unmarshal(a.Token.Claims, &c); err != nil {
			t.Error(err)
		}
		actor = c.Act.Sub
	}
	c := w.good()
	c.token = w.token(with("act", map[string]any{"sub": "outer", "act": map[string]any{"sub": "inner"}}))
	w.accepted(w.do(c))
	if actor != "outer" {
		t.Errorf("actor %q, want outer", actor)
	}
}

// BCP-4.9.3-01: what the handler does not have it cannot log or forward.
func TestCredentialsAreKeptFromTheHandler(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := newWorld(t, func(w *world) { w.config.KeepCredentials = keep })
		var seen http.Header
		w.handler = func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }
		c := w.good()
		c.header.Set("X-Request-Id", "42")
		w.accepted(w.do(c))
		if got := len(seen["Authorization"])+len(seen["Dpop"]) > 0; got != keep {
			t.Errorf("KeepCredentials %v: the handler sees credentials: %v", keep, got)
		}
		if seen.Get("X-Request-Id") != "42" {
			t.Error("another field was lost")
		}
	}
}

// Whoever wraps the guard keeps the request as it came.
func TestOuterMiddlewareKeepsItsRequest(t *testing.T) {
	w := newWorld(t, nil)
	h, err := w.guard.Protect(w.need, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	c := w.good()
	r := httptest.NewRequest(c.method, c.path, nil)
	r.Header.Set("Authorization", "DPoP "+c.token)
	r.Header.Set("DPoP", w.proof(c))
	h.ServeHTTP(httptest.NewRecorder(), r)
	if r.Header.Get("Authorization") == "" || r.Header.Get("DPoP") == "" {
		t.Error("the fields of the outer request were removed")
	}
	if w.replays.count() != 1 {
		t.Error("the request was not accepted")
	}
}

// D-4.3-09b: the URL that is compared is the configured one; Host and
// forwarding fields have no effect in either direction.
func TestHostAndForwardingFieldsHaveNoEffect(t *testing.T) {
	for _, tt := range []struct {
		name     string
		proofFor string
		want     holdfast.Code
	}{
		{"a proof for the public URL", public + "/orders", holdfast.CodeOK},
		{"a proof for the URL that the fields claim", "https://evil.example/orders", holdfast.CodeProofHTUMismatch},
		{"a proof for a path without the public prefix", "https://api.example.com/orders", holdfast.CodeProofHTUMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			c := w.good()
			c.proofFor = tt.proofFor
			w.fill(c)
			a := w.raw("GET /orders HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n" +
				"X-Forwarded-Prefix: /\r\nForwarded: host=evil.example;proto=https\r\nX-Original-URL: /orders\r\n" +
				"Authorization: " + c.authorization[0] + "\r\nDPoP: " + c.proofs[0] + "\r\nConnection: close\r\n\r\n")
			if tt.want == holdfast.CodeOK {
				w.accepted(a)
				return
			}
			w.refused(a, tt.want)
		})
	}
}

// D-4.1-01: the names of the fields have no case, on both versions of HTTP.
func TestFieldNamesHaveNoCase(t *testing.T) {
	w := newWorld(t, nil)
	a := w.do(w.good())
	w.accepted(a)
	if a.Proto != "HTTP/2.0" {
		t.Fatalf("%s, want HTTP/2.0", a.Proto)
	}
	for _, name := range []string{"dpop", "DPOP", "DPoP"} {
		c := w.good()
		w.fill(c)
		w.accepted(w.raw("GET /orders HTTP/1.1\r\nHost: x\r\nauthorization: " + c.authorization[0] + "\r\n" + name + ": " + c.proofs[0] + "\r\nConnection: close\r\n\r\n"))
	}
}

func TestCheckForOtherTransports(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	w.fill(c)
	p := &holdfast.Presentation{
		Method: c.method, URL: public + c.path,
		Authorization: []holdfast.Secret{holdfast.NewSecret(c.authorization[0])},
		Proofs:        []holdfast.Secret{holdfast.NewSecret(c.proofs[0])},
	}
	access, err := w.guard.Check(t.Context(), p, w.need)
	if err != nil || access.Holder != w.key.Thumbprint() {
		t.Fatalf("got %v, %v", access, err)
	}
	access, err = w.guard.Check(t.Context(), p, w.need) // the same proof again
	refusal, ok := errors.AsType[*Refusal](err)
	if access != nil || !ok || !errors.Is(err, holdfast.CodeReplayJTIReplayed) {
		t.Fatalf("a replay: got %v, %v", access, err)
	}
	if refusal.Error() != "replay.jti.replayed" || refusal.Status != 401 || refusal.Header.Get("WWW-Authenticate") == "" || !bytes.Contains(refusal.Body, []byte("replay.jti.replayed")) {
		t.Errorf("refusal %d, %v, %s", refusal.Status, refusal.Header, refusal.Body)
	}
}

// D-11.1-03: of the same proof sent at once exactly one is accepted.
func TestConcurrentReplayIsAcceptedOnce(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	w.fill(c)
	const callers = 50
	statuses := make(chan int, callers)
	for range callers {
		go func() {
			r, err := http.NewRequestWithContext(context.Background(), c.method, w.srv.URL+c.path, nil)
			if err != nil {
				statuses <- 0
				return
			}
			r.Header.Set("Authorization", c.authorization[0])
			r.Header.Set("DPoP", c.proofs[0])
			resp, err := w.srv.Client().Do(r)
			if err != nil {
				statuses <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	got := map[int]int{}
	for range callers {
		got[<-statuses]++
	}
	if diff := cmp.Diff(map[int]int{200: 1, 401: callers - 1}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	if n := w.reached.Load(); n != 1 {
		t.Errorf("the handler was reached %d times", n)
	}
}

func TestProtectReportsEveryMistake(t *testing.T) {
	w := newWorld(t, nil)
	for _, tt := range []struct {
		name string
		need holdfast.Requirement
		want []string
	}{
		{"B-3-05: a scope that ends the quoted string", holdfast.Requirement{Scope: []string{"read", "a\"b", "c\r\nX: y", "", "d e"}}, []string{`"a\"b"`, `"c\r\nX: y"`, `scope ""`, `"d e"`}},
		{"an acr of two words", holdfast.Requirement{ACR: []string{"phr phrh"}}, []string{`acr "phr phrh"`}},
		{"one of no scopes", holdfast.Requirement{AnyScope: true}, []string{"AnyScope without Scope"}},
		{"an age in milliseconds", holdfast.Requirement{MaxAge: time.Millisecond}, []string{"MaxAge is 1ms"}},
		{"a negative age", holdfast.Requirement{MaxAge: -time.Second}, []string{"MaxAge is -1s"}},
		{"an unknown acceptance", holdfast.Requirement{Accept: 9}, []string{"Accept has the unknown value 9"}},
		{"an empty issuer and audience", holdfast.Requirement{Issuers: []string{""}, Audience: []string{""}}, []string{`issuer ""`, "an empty audience"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.guard.Protect(tt.need, nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range append(tt.want, "a handler is required") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

// A caller that changes its slices afterwards changes no policy.
func TestRequirementIsCopied(t *testing.T) {
	w := newWorld(t, nil)
	scope := []string{"admin"}
	h, err := w.guard.Protect(holdfast.Requirement{Scope: scope}, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	scope[0] = "read"
	c := w.good()
	r := httptest.NewRequest(c.method, c.path, nil)
	r.Header.Set("Authorization", "DPoP "+c.token)
	r.Header.Set("DPoP", w.proof(c))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != http.StatusForbidden {
		t.Errorf("status %d, want 403", rec.Code)
	}
}

// A mux and StripPrefix around a protected handler change nothing.
func TestRoutersDoNotChangeTheComparedPath(t *testing.T) {
	w := newWorld(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", w.srv.Config.Handler))
	w.srv.Config.Handler = mux
	c := w.good()
	c.path = "/api/a%2Fb?x=1"
	c.proofFor = public + "/api/a%2Fb"
	w.accepted(w.do(c))
	c = w.good()
	c.path, c.proofFor = "/api/orders", public+"/orders"
	if p := w.do(c).problem(t); p.Code != holdfast.CodeProofHTUMismatch.String() {
		t.Errorf("refused with %s", p.Code)
	}
}
