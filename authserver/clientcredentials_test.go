package authserver

import "testing"

func TestClientCredentialsNameTheClientAsSubject(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { configured(t, c, otherID).Scope = "write files" })
	key := newKey(t)
	r := ts.post(pathToken, form("grant_type", grantClient, "scope", "read admin"), ts.credentials(webID, key)...).ok()
	claims := r.claims()
	if claims["sub"] != webID || claims["client_id"] != webID { // BCP-4.15-01
		t.Errorf("sub is %v and client_id %v, want %s", claims["sub"], claims["client_id"], webID)
	}
	if r.text("scope") != "read" || claims["scope"] != "read" { // BCP-2.3-01
		t.Errorf("scope is %q, want read", r.text("scope"))
	}
	if r.body["refresh_token"] != nil {
		t.Error("there is a refresh token")
	}
	if n := ts.count(kindGrant); n != 0 {
		t.Errorf("there are %d grants, want none", n)
	}
	// A scope that is left out is what the client registered.
	r = ts.post(pathToken, form("grant_type", grantClient), ts.credentials(otherID, key)...).ok()
	if r.text("scope") != "write" {
		t.Errorf("scope is %q, want write", r.text("scope"))
	}
	r = ts.post(pathToken, form("grant_type", grantClient, "resource", filesID), ts.credentials(otherID, key)...).ok()
	if got := ts.access(r); r.text("scope") != "files" || got.Resource != filesID || got.Grant != nil {
		t.Errorf("scope is %q at %s, want files at %s", r.text("scope"), got.Resource, filesID)
	}
}

func TestClientCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		configured(t, c, otherID).Resources, configured(t, c, otherID).Scope = []string{filesID}, "files"
	})
	for _, tt := range []struct {
		name, client, code, names string
		pairs                     []string
	}{
		{"no scope, and none registered", webID, errInvalidScope, "scope", nil},
		{"a scope that nobody offers", webID, errInvalidScope, "scope", []string{"scope", "admin"}},
		{"an unknown resource", webID, errInvalidTarget, "resource", []string{"scope", "read", "resource", "https://unknown.example"}}, // RI-2-02
		{"a resource of others", otherID, errInvalidTarget, "resource", []string{"resource", apiID}},
		{"two resources", webID, errInvalidTarget, "resource", []string{"scope", "read", "resource", apiID, "resource", filesID}},
		{"a scope that is not registered", otherID, errInvalidScope, "scope", []string{"scope", "read"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := form(append(tt.pairs, "grant_type", grantClient)...)
			ts.post(pathToken, f, ts.credentials(tt.client, newKey(t))...).refused(tt.code).names(tt.names)
		})
	}
	// Without a resource a client gets its own default.
	if got := ts.access(ts.post(pathToken, form("grant_type", grantClient), ts.credentials(otherID, newKey(t))...).ok()); got.Resource != filesID {
		t.Errorf("the token is for %s, want %s", got.Resource, filesID)
	}
}
