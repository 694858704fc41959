package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// Every refusal that a resource can give to a client of ours, with what the
// client sees, what the error says and what the evidence explains to.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name     string
		server   holdfasttest.ServerConfig
		resource holdfasttest.ResourceConfig
		token    func(w *world) *client.Token
		before   func(w *world) // happens after a call that was accepted
		status   int
		code     string // of the OAuth error
		cause    string // what client and published documents explain to; "" if they do not tell
	}{
		{
			name: "the token is bound to another key", // D-6-02, D-7.1-14
			token: func(w *world) *client.Token {
				k := w.token(holdfasttest.TokenSpec{})
				k.Key = holdfasttest.NewKey(w.t)
				return k
			},
			status: 401, code: "invalid_token", cause: "binding-key-mismatch",
		},
		{
			name: "the token is bound to nothing", // D-6-03
			token: func(w *world) *client.Token {
				return &client.Token{Value: w.server.Issue(holdfasttest.TokenSpec{}), Type: "DPoP", Key: w.key}
			},
			status: 401, code: "invalid_token", cause: "token-not-bound",
		},
		{
			name:   "the token has expired", // D-3-02
			token:  func(w *world) *client.Token { return w.token(holdfasttest.TokenSpec{Lifetime: -time.Hour}) },
			status: 401, code: "invalid_token", cause: "token-expired",
		},
		{
			name: "the token is for another resource",
			token: func(w *world) *client.Token {
				return w.token(holdfasttest.TokenSpec{Audience: []string{"https://elsewhere.example"}})
			},
			status: 401, code: "invalid_token", cause: "audience-mismatch",
		},
		{
			name:     "a scope is missing", // B-3.1-03
			resource: holdfasttest.ResourceConfig{Need: holdfast.Requirement{Scope: []string{"write"}}},
			token:    func(w *world) *client.Token { return w.token(holdfasttest.TokenSpec{Scope: "read"}) },
			status:   403, code: "insufficient_scope", cause: "insufficient-scope",
		},
		{
			name: "the token is of another authorization server",
			token: func(w *world) *client.Token {
				other := holdfasttest.NewServer(w.t, holdfasttest.ServerConfig{Now: w.clock.Now})
				return &client.Token{Value: other.Issue(holdfasttest.TokenSpec{Key: w.key, Audience: []string{w.resource.URL}}), Type: "DPoP", Key: w.key}
			},
			status: 401, code: "invalid_token", cause: "token-issuer-mismatch",
		},
		{
			name: "the token was changed on the way", // B-5.2-02
			token: func(w *world) *client.Token {
				k := w.token(holdfasttest.TokenSpec{Scope: "read"})
				other := w.token(holdfasttest.TokenSpec{Scope: "admin"}).Value.Reveal()
				raw := k.Value.Reveal()
				k.Value = holdfast.NewSecret(other[:strings.LastIndex(other, ".")] + raw[strings.LastIndex(raw, "."):])
				return k
			},
			status: 401, code: "invalid_token", cause: "token-signature-invalid",
		},
		{
			name:   "the keys of the server were replaced",
			server: holdfasttest.ServerConfig{Lifetime: time.Hour},
			before: func(w *world) { w.server.ReplaceKeys(); w.clock.Advance(20 * time.Minute) },
			status: 401, code: "invalid_token", cause: "token-key-unknown",
		},
		{
			name: "the token was revoked", server: holdfasttest.ServerConfig{Opaque: true},
			before: func(w *world) { w.server.RevokeAll() },
			status: 401, code: "invalid_token", cause: "token-revoked",
		},
		{
			name:   "every nonce is stale already", // D-8-12
			before: func(w *world) { w.resource.Inject(holdfasttest.Faults{StaleNonces: true}) },
			status: 401, code: "use_dpop_nonce", cause: "nonce-not-shared-across-replicas",
		},
		{
			name:   "the nonce never changes", // D-8-12
			before: func(w *world) { w.resource.Inject(holdfasttest.Faults{NonceNeverChanges: true}) },
			status: 401, code: "use_dpop_nonce", cause: "nonce-not-shared-across-replicas",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.server, tt.resource)
			if tt.token == nil {
				tt.token = func(w *world) *client.Token { return w.token(holdfasttest.TokenSpec{}) }
			}
			token := tt.token(w)
			c := &http.Client{Transport: w.transport(given{token})}
			if tt.before != nil {
				wantStatus(t, w.get(c, "/"), http.StatusOK)
				tt.before(w)
			}
			sent := len(w.tape.all())
			r := w.get(c, "/")
			wantStatus(t, r, tt.status)
			if n := len(w.tape.all()) - sent; n > 2 {
				t.Errorf("%d requests for one call", n)
			}
			e := client.Failure(r)
			if e == nil || e.Code != tt.code || e.Exchange == nil || e.Hint == "" {
				t.Fatalf("failure: %+v", e)
			}
			if raw := token.Value.Reveal(); strings.Contains(e.Error()+e.Hint, raw) {
				t.Error("the error holds the token")
			}
			w.tape.wantDistinctProofs(t)
			if tt.cause != "" {
				wantCause(t, w.tape.all(), w.published(), tt.cause)
			}
		})
	}
}

// Another caller of the resource, with a stack of its own: no proof is sent.
func TestBoundTokenAsBearer(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	c := &http.Client{Transport: &recorder{base: w.resource.Client().Transport, tape: w.tape, now: w.clock.Now}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.resource.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token(holdfasttest.TokenSpec{}).Value.Reveal())
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized { // D-7.2-01
		t.Errorf("status %d", resp.StatusCode)
	}
	w.tape.wantCause(t, "bound-token-sent-as-bearer")
}

// A server that cannot judge a request blames nobody.
func TestAuthorizationServerIsDown(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	w.server.Inject(holdfasttest.Faults{HugeResponse: true}) // its key set cannot be read
	c := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	r := w.get(c, "/")
	wantStatus(t, r, http.StatusServiceUnavailable) // D-7.1-04
	if e := client.Failure(r); e == nil || e.Code != "" {
		t.Errorf("failure %v", e)
	}
	if len(holdfast.ParseChallenges(r.Header.Values("WWW-Authenticate"))) > 0 {
		t.Error("503 with a challenge")
	}
}

// What a client logs of a failure holds nothing that helps a thief.
func TestEvidenceOfAnErrorIsRedacted(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	token := w.token(holdfasttest.TokenSpec{Lifetime: -time.Hour})
	r := w.get(&http.Client{Transport: w.transport(given{token})}, "/orders?secret=1")
	wantStatus(t, r, http.StatusUnauthorized)
	e := client.Failure(r)
	var all strings.Builder
	for _, h := range []http.Header{e.Exchange.RequestHeader, e.Exchange.Header} {
		_ = h.Write(&all)
	}
	for _, secret := range append(w.tape.proofs(), token.Value.Reveal(), "secret=1") {
		if strings.Contains(all.String()+e.Exchange.Request.URL+e.Error(), secret) {
			t.Error("the exchange of the error holds a secret")
		}
	}
	if len(e.Exchange.Request.Proofs)+len(e.Exchange.Request.Authorization)+len(e.Exchange.Body) > 0 {
		t.Error("the exchange of the error holds credentials or a body")
	}
}
