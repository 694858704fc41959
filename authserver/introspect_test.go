package authserver

import (
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// introspected asks as the API.
func (ts *testServer) introspected(raw string, options ...option) *reply {
	ts.t.Helper()
	if options == nil {
		options = []option{as(backendID)}
	}
	return ts.post(pathIntrospect, form("token", raw), options...)
}

// wantInactive fails unless the answer says that and nothing else.
func (r *reply) wantInactive() {
	r.t.Helper()
	if string(r.raw) != "{\"active\":false}\n" || r.status != http.StatusOK { // INT-2.2-01
		r.t.Errorf("answer is %d %s, want exactly active false", r.status, r.raw)
	}
}

func TestIntrospectionOfABoundToken(t *testing.T) {
	ts := newTestServer(t, nil)
	x5t := holdfast.Thumbprint{9, 9}
	for _, tt := range []struct {
		name, resource string
		holder         binding
		cnf, value     string
		tokenType      string
	}{
		{"a JWT and a key", apiID, binding{JKT: someone()}, "jkt", someone().String(), "DPoP"},            // D-6.2-01, D-6.2-02
		{"a reference and a key", filesID, binding{JKT: someone()}, "jkt", someone().String(), "DPoP"},    // D-6.2-01
		{"a JWT and a certificate", apiID, binding{X5T: x5t}, "x5t#S256", x5t.String(), "Bearer"},         // M-3.2-01
		{"a reference and a certificate", filesID, binding{X5T: x5t}, "x5t#S256", x5t.String(), "Bearer"}, // M-3.2-01
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := plain()
			in.Resource, in.Holder, in.AuthTime, in.ACR, in.Actor = tt.resource, tt.holder, ts.now(), "phr", otherID
			raw, minted := ts.minted(in)
			got := ts.introspected(raw.Reveal()).ok()
			cnf, _ := got.body["cnf"].(map[string]any)
			if len(cnf) != 1 || cnf[tt.cnf] != tt.value {
				t.Errorf("cnf is %v", cnf)
			}
			now := float64(ts.now().Unix())
			for name, want := range map[string]any{
				"active": true, "token_type": tt.tokenType, "iss": ts.config.Issuer, "sub": "alice", "client_id": webID, "aud": tt.resource,
				"scope": "read write", "jti": minted.ID, "iat": now, "exp": now + 600, "auth_time": now, "acr": "phr",
			} {
				if got.body[name] != want {
					t.Errorf("%s is %v, want %v", name, got.body[name], want)
				}
			}
			if _, ok := got.body["username"]; ok {
				t.Error("there is a username")
			}
			if act, _ := got.body["act"].(map[string]any); act["sub"] != otherID {
				t.Errorf("act is %v", got.body["act"])
			}
			if got.header.Get("Cache-Control") != "no-store" {
				t.Error("the answer can be kept")
			}
		})
	}
}

func TestWhoMayIntrospect(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { configured(t, c, otherID).Introspects = []string{filesID} })
	raw, _ := ts.minted(plain())
	// INT-2-01: without credentials, with wrong ones, and for clients that have none.
	if got := ts.introspected(raw.Reveal(), func(r *http.Request) { r.SetBasicAuth(backendID, "wrong-secret-wrong-secret") }); got.status != http.StatusUnauthorized || got.body["error"] != errInvalidClient {
		t.Errorf("a wrong secret: %d %s", got.status, got.raw)
	}
	if got := ts.introspected(raw.Reveal(), func(*http.Request) {}); got.status != http.StatusUnauthorized || got.body["error"] != errInvalidClient || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("no credentials: %d %s", got.status, got.raw)
	}
	if got := ts.post(pathIntrospect, form("token", raw.Reveal(), "client_id", appID)); got.status != http.StatusUnauthorized || got.body["error"] != errInvalidClient || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("a public client: %d %s", got.status, got.raw)
	}
	ts.introspected(raw.Reveal(), as(webID)).wantInactive()   // may introspect nothing, not even its own access tokens
	ts.introspected(raw.Reveal(), as(otherID)).wantInactive() // may introspect tokens of another resource: INT-2.2-02
	ts.audited()
	if got := ts.introspected(raw.Reveal()).ok(); got.body["active"] != true {
		t.Errorf("the resource itself: %s", got.raw)
	}
	if e := ts.audited(); len(e) != 1 || e[0].Client != backendID || e[0].Subject != "alice" || e[0].Reason != "active" {
		t.Errorf("events are %+v", e)
	}
	ts.post(pathIntrospect, form("token_type_hint", "access_token"), as(backendID)).refused(errInvalidRequest)
}

// One fault at a time: INT-2.2-02.
func TestWhatMakesATokenInactive(t *testing.T) {
	for _, resource := range []string{apiID, filesID} {
		for _, tt := range []struct {
			name  string
			spoil func(ts *testServer, raw holdfast.Secret, a *accessToken)
		}{
			{"it has expired", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.clock.Advance(DefaultAccessLifetime) }},
			{"it was revoked", func(ts *testServer, raw holdfast.Secret, a *accessToken) {
				ts.post(pathRevoke, form("token", raw.Reveal()), as(webID)).ok()
			}},
			{"its grant was revoked", func(ts *testServer, _ holdfast.Secret, a *accessToken) {
				if err := ts.revokeGrant(ts.t.Context(), *a.Grant, "test"); err != nil {
					ts.t.Fatal(err)
				}
			}},
			{"its grant is gone", func(ts *testServer, _ holdfast.Secret, a *accessToken) {
				if err := ts.store.Delete(ts.t.Context(), kindGrant, *a.Grant); err != nil {
					ts.t.Fatal(err)
				}
			}},
			{"the client was cut off", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.cut(byClient, webID) }},
			{"the user was cut off", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.cut(byUser, "alice") }},
			{"the session was cut off", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.cut(bySession, "s1") }},
			{"the holder was cut off", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.cut(byThumbprint, someone().String()) }},
			{"the holder is blocked", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.blocked(byThumbprint, someone().String()) }},
			{"the client is blocked", func(ts *testServer, _ holdfast.Secret, _ *accessToken) { ts.blocked(byClient, webID) }},
		} {
			t.Run(tt.name+", "+resource, func(t *testing.T) {
				ts := newTestServer(t, nil)
				in := plain()
				in.Resource, in.Session, in.Grant = resource, "s1", &[32]byte{7}
				grant := grantRecord{Until: ts.now().Add(24 * time.Hour), Approval: approval{Client: webID, Subject: "alice", At: ts.now()}}
				if err := create(t.Context(), ts.store, kindGrant, *in.Grant, "", time.Time{}, grant); err != nil {
					t.Fatal(err)
				}
				raw, minted := ts.minted(in)
				if got := ts.introspected(raw.Reveal()).ok(); got.body["active"] != true {
					t.Fatalf("before: %s", got.raw)
				}
				tt.spoil(ts, raw, minted)
				ts.introspected(raw.Reveal()).wantInactive()
			})
		}
	}
}

func TestIntrospectionOfWhatIsNoToken(t *testing.T) {
	ts := newTestServer(t, nil)
	for _, raw := range []string{"x", "a.b.c", "....", newHandle().Reveal(), "%00"} {
		ts.introspected(raw).wantInactive()
	}
}

func TestAClientIntrospectsItsOwnRefreshTokens(t *testing.T) {
	ts := newTestServer(t, nil)
	answer := ts.tokens(webID, newKey(t))
	refresh := answer.text("refresh_token")
	got := ts.introspected(refresh, as(webID)).ok()
	for name, want := range map[string]any{
		"active": true, "client_id": webID, "sub": "alice", "iss": ts.config.Issuer,
		"exp": float64(ts.now().Add(DefaultRefreshLifetime).Unix()),
	} {
		if got.body[name] != want {
			t.Errorf("%s is %v, want %v", name, got.body[name], want)
		}
	}
	if got.body["token_type"] != nil || got.body["cnf"] != nil {
		t.Errorf("the refresh token of a confidential client looks bound: %s", got.raw)
	}
	ts.introspected(refresh, as(otherID)).wantInactive()
	ts.introspected(refresh).wantInactive() // the API is not the client

	ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", refresh), as(webID), ts.proof(newKey(t))).ok()
	ts.introspected(refresh, as(webID)).wantInactive() // spent
}

func TestWhatMakesARefreshTokenInactive(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*testServer)
	}{
		{"nobody used it for long", func(ts *testServer) { ts.clock.Advance(DefaultRefreshIdle) }},
		{"the user was cut off", func(ts *testServer) { ts.cut(byUser, "alice") }},
		{"the client was cut off", func(ts *testServer) { ts.cut(byClient, webID) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := newTestServer(t, nil)
			refresh := ts.tokens(webID, newKey(t)).text("refresh_token")
			tt.spoil(ts)
			ts.introspected(refresh, as(webID)).wantInactive()
		})
	}
}

func TestIntrospectionIsUnavailableWithTheStore(t *testing.T) {
	away := &awayStore{}
	ts := newTestServer(t, func(c *Config) { away.Store = c.Store; c.Store = away })
	raw, _ := ts.minted(plain())
	away.away.Store(true)
	for _, text := range []string{raw.Reveal(), newHandle().Reveal()} {
		got := ts.introspected(text)
		if got.status != http.StatusServiceUnavailable || got.body["active"] != nil || got.header.Get("Retry-After") == "" {
			t.Errorf("answer is %d %s", got.status, got.raw)
		}
	}
}
