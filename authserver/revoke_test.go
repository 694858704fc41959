package authserver

import (
	"net/http"
	"strings"
	"testing"
)

// revoked asks for revocation as a client.
func (ts *testServer) revoked(clientID, raw string, pairs ...string) *reply {
	ts.t.Helper()
	f := form(append([]string{"token", raw}, pairs...)...)
	options := ts.credentials(clientID, nil)
	if len(options) == 0 {
		f.Set("client_id", clientID)
	}
	return ts.post(pathRevoke, f, options...)
}

// wantRevoked fails unless the answer is an empty 200.
func (r *reply) wantRevoked() {
	r.t.Helper()
	if r.status != http.StatusOK || len(r.raw) != 0 || r.header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("answer is %d %q, want an empty 200", r.status, r.raw)
	}
}

func TestAnAccessTokenIsRevoked(t *testing.T) {
	ts := newTestServer(t, nil)
	for _, resource := range []string{apiID, filesID} {
		in := plain()
		in.Resource = resource
		raw, _ := ts.minted(in)
		other, _ := ts.minted(in)
		for range 2 { // also a second time: REV-2.2-01
			ts.revoked(webID, raw.Reveal()).wantRevoked()
		}
		ts.introspected(raw.Reveal()).wantInactive() // REV-2-01
		if got := ts.introspected(other.Reveal()).ok(); got.body["active"] != true {
			t.Errorf("%s: another token of the client is dead as well", resource)
		}
	}
}

func TestARevokedTokenStaysDeadWhenABlockIsLifted(t *testing.T) {
	ts := newTestServer(t, nil)
	for _, resource := range []string{apiID, filesID} {
		in := plain()
		in.Resource = resource
		raw, _ := ts.minted(in)
		ts.blocked(byThumbprint, someone().String())
		ts.revoked(webID, raw.Reveal()).wantRevoked()
		if was, err := ts.unblock(t.Context(), byThumbprint, someone().String()); !was || err != nil {
			t.Fatal(err)
		}
		ts.introspected(raw.Reveal()).wantInactive()
	}
}

func TestARefreshTokenIsRevokedWithItsGrant(t *testing.T) {
	ts := newTestServer(t, nil)
	for _, hint := range []string{"", "refresh_token", "access_token", "nonsense"} { // REV-2.1-02
		for _, clientID := range []string{appID, webID} {
			key := newKey(t)
			answer := ts.tokens(clientID, key)
			access, refresh := answer.text("access_token"), answer.text("refresh_token")
			ts.revoked(clientID, refresh, "token_type_hint", hint).wantRevoked()
			again := form("grant_type", grantRefresh, "refresh_token", refresh, "client_id", clientID)
			if clientID == webID {
				again.Del("client_id")
			}
			ts.post(pathToken, again, ts.credentials(clientID, key)...).refused(errInvalidGrant) // REV-2-01
			ts.introspected(access).wantInactive()                                               // REV-2.1-03
		}
	}
}

func TestASpentRefreshTokenRevokesItsGrant(t *testing.T) {
	ts := newTestServer(t, nil)
	key := newKey(t)
	first := ts.tokens(webID, key).text("refresh_token")
	answer := ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", first), as(webID), ts.proof(key)).ok()
	ts.revoked(webID, first).wantRevoked()
	ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", answer.text("refresh_token")), as(webID), ts.proof(key)).refused(errInvalidGrant)
	ts.introspected(answer.text("access_token")).wantInactive()
}

func TestNobodyRevokesTheTokenOfAnother(t *testing.T) {
	ts := newTestServer(t, nil)
	answer := ts.tokens(webID, newKey(t))
	in := plain()
	in.Resource = filesID
	reference, _ := ts.minted(in)
	access, refresh := answer.text("access_token"), answer.text("refresh_token")
	for _, raw := range []string{access, refresh, reference.Reveal()} {
		for _, clientID := range []string{otherID, backendID, appID} {
			got := ts.revoked(clientID, raw).refused(errInvalidGrant) // REV-2.1-01
			if strings.Contains(string(got.raw), raw) {
				t.Error("the answer holds the token")
			}
		}
	}
	if got := ts.introspected(access).ok(); got.body["active"] != true {
		t.Error("the access token is dead")
	}
	if got := ts.introspected(reference.Reveal()).ok(); got.body["active"] != true {
		t.Error("the reference is dead")
	}
	if got := ts.introspected(refresh, as(webID)).ok(); got.body["active"] != true {
		t.Error("the refresh token is dead")
	}
}

func TestRevocationWithoutAClientOrAToken(t *testing.T) {
	ts := newTestServer(t, nil)
	raw, _ := ts.minted(plain())
	wrong := func(r *http.Request) { r.SetBasicAuth(webID, "wrong-secret-wrong-secret") }
	ts.post(pathRevoke, form("token", raw.Reveal()), wrong).refused(errInvalidClient) // REV-2.1-01
	if got := ts.post(pathRevoke, form("token", raw.Reveal(), "client_id", webID)); got.status/100 != 4 {
		t.Errorf("a confidential client without its secret: %d", got.status)
	}
	if got := ts.introspected(raw.Reveal()).ok(); got.body["active"] != true {
		t.Error("the token is dead")
	}
	ts.post(pathRevoke, form(), as(webID)).refused(errInvalidRequest)
	for _, unknown := range []string{newHandle().Reveal(), "a.b.c", "x"} {
		ts.revoked(webID, unknown).wantRevoked() // REV-2.2-01
	}
}

func TestRevocationIsUnavailableWithTheStore(t *testing.T) {
	away := &awayStore{}
	ts := newTestServer(t, func(c *Config) { away.Store = c.Store; c.Store = away })
	raw, _ := ts.minted(plain())
	away.away.Store(true)
	if got := ts.revoked(webID, raw.Reveal()); got.status != http.StatusServiceUnavailable {
		t.Errorf("answer is %d %s: nobody has revoked it", got.status, got.raw)
	}
}
