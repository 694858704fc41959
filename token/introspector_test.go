package token

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

func newIntrospector(t testing.TB, p *peer, more func(*IntrospectorConfig)) *Introspector {
	t.Helper()
	c := IntrospectorConfig{
		Endpoint: p.URL + "/introspect", Issuer: testIssuer, HTTP: p.Client(),
		Authenticate: BasicAuth("rs 1", holdfast.NewSecret("s3cret:+ü")),
	}
	if more != nil {
		more(&c)
	}
	i, err := NewIntrospector(c)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestIntrospectorConfig(t *testing.T) {
	auth := BasicAuth("id", holdfast.NewSecret("x"))
	for _, tt := range []struct {
		name string
		c    IntrospectorConfig
		want []string
	}{
		{"what is required is enough", IntrospectorConfig{Endpoint: "https://as.example/i", Issuer: "i", Authenticate: auth}, nil},
		{"every mistake at once", IntrospectorConfig{ImpliesAudience: []string{""}}, []string{"Endpoint", "Authenticate", "Issuer", "ImpliesAudience"}},
		{"D-2-01: tokens and credentials over http", IntrospectorConfig{Endpoint: "http://as.example/i", Issuer: "i", Authenticate: auth}, []string{"https is needed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantMistakes(t, func() error { _, err := NewIntrospector(tt.c); return err }(), tt.want)
		})
	}
}

func TestIntrospectorRequest(t *testing.T) {
	const raw = "2YotnFZFEjr1zCsicMWpAA"
	var seen *http.Request
	var form url.Values
	p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if form, err = url.ParseQuery(string(body)); err != nil {
			t.Error(err)
		}
		seen = r
		says(http.StatusOK, `{"active":true}`)(w, r)
	})
	t.Run("with HTTP Basic", func(t *testing.T) {
		wantState(t, newIntrospector(t, p, nil), raw, holdfast.TokenAuthentic)
		id, secret, ok := seen.BasicAuth()
		// RFC 6749 section 2.3.1: form-encoded before they are joined.
		if !ok || id != "rs+1" || secret != "s3cret%3A%2B%C3%BC" {
			t.Errorf("credentials %q, %q", id, secret)
		}
		if _, has := seen.Header["Dpop"]; has { // D-6.2-03: the proof is for us, not for the endpoint
			t.Error("a proof is sent along")
		}
		if seen.Method != http.MethodPost || seen.URL.RawQuery != "" || seen.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("request %s %s, %v", seen.Method, seen.URL, seen.Header)
		}
		want := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
		if form.Encode() != want.Encode() {
			t.Errorf("form %v, want %v", form, want)
		}
	})
	t.Run("with members of the form", func(t *testing.T) {
		i := newIntrospector(t, p, func(c *IntrospectorConfig) {
			c.Authenticate = func(_ context.Context, _ *http.Request, form url.Values) error {
				form.Set("client_assertion", "a.b.c")
				return nil
			}
		})
		wantState(t, i, raw, holdfast.TokenAuthentic)
		if form.Get("client_assertion") != "a.b.c" || form.Get("token") != raw {
			t.Errorf("form %v", form)
		}
	})
	asked := p.asked.Load()
	t.Run("not at all without credentials", func(t *testing.T) {
		for _, auth := range []func(context.Context, *http.Request, url.Values) error{
			BasicAuth("", holdfast.NewSecret("x")), BasicAuth("id", holdfast.Secret{}),
		} {
			wantError(t, newIntrospector(t, p, func(c *IntrospectorConfig) { c.Authenticate = auth }), raw, Denied)
		}
		p.wantAsked(t, asked)
	})
	t.Run("not at all for what is no token", func(t *testing.T) {
		i := newIntrospector(t, p, nil)
		wantState(t, i, "", holdfast.TokenMalformed)
		wantState(t, i, strings.Repeat("x", holdfast.MaxTokenBytes+1), holdfast.TokenMalformed)
		p.wantAsked(t, asked)
	})
}

func TestIntrospectorFacts(t *testing.T) {
	const thumb = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	implied := func(c *IntrospectorConfig) { c.ImpliesAudience = []string{"https://api.example.com"} }
	for _, tt := range []struct {
		name, answer string
		config       func(*IntrospectorConfig)
		check        func(*holdfast.Token) bool
	}{
		{"an issuer that is not told is the configured one", `{"active":true}`, nil, func(t *holdfast.Token) bool { return t.Issuer == testIssuer }},
		{"an issuer that is told", `{"active":true,"iss":"` + testIssuer + `"}`, nil, func(t *holdfast.Token) bool { return t.Issuer == testIssuer && t.State == holdfast.TokenAuthentic }},
		{"another issuer is not for this endpoint to vouch for", `{"active":true,"iss":"https://other.example.com"}`, implied, func(t *holdfast.Token) bool {
			return t.Issuer == "https://other.example.com" && t.State == holdfast.TokenUnknownKey
		}},
		{"no audience unless the endpoint implies one", `{"active":true}`, nil, func(t *holdfast.Token) bool { return len(t.Audience) == 0 }},
		{"an audience that the endpoint implies", `{"active":true}`, implied, func(t *holdfast.Token) bool { return slices.Equal(t.Audience, []string{"https://api.example.com"}) }},
		{"an audience that is told counts", `{"active":true,"aud":"x"}`, implied, func(t *holdfast.Token) bool { return slices.Equal(t.Audience, []string{"x"}) }},
		{"an audience of nobody counts", `{"active":true,"aud":[]}`, implied, func(t *holdfast.Token) bool { return len(t.Audience) == 0 }},
		{"a binding to a proof key", `{"active":true,"token_type":"DPoP","cnf":{"jkt":"` + thumb + `"}}`, nil, func(t *holdfast.Token) bool {
			return t.Confirmation.JKT.String() == thumb && !t.Confirmation.Unsupported
		}},
		{"a binding to a certificate", `{"active":true,"cnf":{"x5t#S256":"` + thumb + `"}}`, nil, func(t *holdfast.Token) bool {
			return t.Confirmation.X5T.String() == thumb && !t.Confirmation.Unsupported
		}},
		{"inactive, whatever else is said", `{"active":false,"iss":"x","aud":"y"}`, implied, func(t *holdfast.Token) bool {
			return t.State == holdfast.TokenInactive && t.Issuer == "" && t.Audience == nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t, says(http.StatusOK, tt.answer))
			got, err := newIntrospector(t, p, tt.config).ReadToken(t.Context(), holdfast.NewSecret("opaque"))
			if err != nil || !tt.check(got) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// An answer that is none is never held against the client, and never active.
func TestIntrospectorBadAnswers(t *testing.T) {
	elsewhere := newPeer(t, says(http.StatusOK, `{"active":true}`))
	written := make(chan int, 1)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   Problem
	}{
		{"our credentials are refused", says(http.StatusUnauthorized, `{"active":true}`), Denied},
		{"we may not ask", says(http.StatusForbidden, `{"active":true}`), Denied},
		{"a server error", says(http.StatusInternalServerError, `{"active":true}`), Unusable},
		{"no content", says(http.StatusNoContent, ""), Unusable},
		{"a redirect, which would take the token along", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, Unusable},
		{"a page", says(http.StatusOK, "<html>"), Unusable},
		{"active as text", says(http.StatusOK, `{"active":"true"}`), Unusable},
		{"active twice", says(http.StatusOK, `{"active":false,"active":true}`), Unusable},
		{"nothing about the token", says(http.StatusOK, `{}`), Unusable},
		{"too long", says(http.StatusOK, `{"active":true}`+strings.Repeat(" ", MaxIntrospectionBytes)), Unusable},
		{"a gigabyte", floods(written), Unusable},
		{"the end is missing", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"active":true}`)
		}, Unreachable},
		{"the connection breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantError(t, newIntrospector(t, newPeer(t, tt.answer), nil), "opaque-token-value", tt.want)
		})
	}
	elsewhere.wantAsked(t, 0)
	if n := <-written; n >= 1<<30 {
		t.Error("the whole gigabyte was taken")
	}
}

func TestIntrospectorHonoursTheContext(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{})
	p := newPeer(t, func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := newIntrospector(t, p, nil).ReadToken(ctx, holdfast.NewSecret("opaque"))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, Unreachable) {
		t.Errorf("got %v", err)
	}
}
