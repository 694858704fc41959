package authserver

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestCodesAreRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	other := ts.approvedCode(webID)
	for _, tt := range []struct {
		name, code, names string
		change            func(url.Values)
	}{
		{"no code", errInvalidRequest, "code", func(f url.Values) { f.Del("code") }},
		{"an unknown code", errInvalidGrant, "code", func(f url.Values) { f.Set("code", newHandle().Reveal()) }},
		{"a code that is no handle", errInvalidGrant, "code", func(f url.Values) { f.Set("code", strings.Repeat("x", 5000)) }},
		// PK-4.6-01 BCP-2.1.1-02
		{"no verifier", errInvalidGrant, "code_verifier", func(f url.Values) { f.Del("code_verifier") }},
		{"a verifier with one letter changed", errInvalidGrant, "code_verifier", func(f url.Values) {
			v := f.Get("code_verifier")
			f.Set("code_verifier", string(v[0]^1)+v[1:])
		}},
		{"a verifier with one letter more", errInvalidGrant, "code_verifier", func(f url.Values) { f.Set("code_verifier", f.Get("code_verifier")+"A") }},
		{"a huge verifier", errInvalidGrant, "code_verifier", func(f url.Values) { f.Set("code_verifier", strings.Repeat("A", 5000)) }},
		// PK-4.4-01
		{"the verifier of another flow", errInvalidGrant, "code_verifier", func(f url.Values) { f.Set("code_verifier", other.Get("code_verifier")) }},
		{"no redirect URI", errInvalidGrant, "redirect_uri", func(f url.Values) { f.Del("redirect_uri") }},
		{"another redirect URI", errInvalidGrant, "redirect_uri", func(f url.Values) { f.Set("redirect_uri", testCallback+"/") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			request := ts.approvedCode(webID)
			bad := url.Values{}
			for name, values := range request {
				bad[name] = values
			}
			tt.change(bad)
			ts.post(pathToken, bad, ts.credentials(webID, key)...).refused(tt.code).names(tt.names)
			ts.post(pathToken, request, ts.credentials(webID, key)...).ok()
		})
	}
	t.Run("the code of another client", func(t *testing.T) {
		t.Parallel()
		request := ts.approvedCode(webID)
		request.Del("client_id")
		ts.post(pathToken, request, ts.credentials(otherID, key)...).refused(errInvalidGrant).names("code")
		ts.post(pathToken, request, ts.credentials(webID, key)...).ok()
	})
}

func TestCodesLiveForAMinute(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	early, late := ts.approvedCode(webID), ts.approvedCode(webID)
	ts.clock.Advance(DefaultCodeLifetime - time.Second)
	ts.post(pathToken, early, ts.credentials(webID, key)...).ok()
	ts.clock.Advance(time.Second)
	ts.post(pathToken, late, ts.credentials(webID, key)...).refused(errInvalidGrant)
}

func TestARedirectURIThatWasLeftOutMayBeLeftOutAgain(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	for _, uri := range []string{"", testCallback} {
		verifier, challenge := pkce()
		code := ts.approve(webID, form("response_type", "code", "scope", "read", "code_challenge", challenge, "code_challenge_method", "S256"))
		request := form("grant_type", grantCode, "code", code, "code_verifier", verifier)
		request.Set("redirect_uri", "https://evil.example/")
		ts.post(pathToken, request, ts.credentials(webID, newKey(t))...).refused(errInvalidGrant).names("redirect_uri")
		if request.Set("redirect_uri", uri); uri == "" {
			request.Del("redirect_uri")
		}
		ts.post(pathToken, request, ts.credentials(webID, newKey(t))...).ok()
	}
}

func TestACodeWithoutAChallengeHasNoVerifier(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	q := &authorizationRequest{Client: webID, RedirectURI: testCallback, Scope: []string{"read"}, Resources: []string{apiID}}
	code, err := ts.issueCode(context.Background(), q, ts.approvalOf(q))
	if err != nil {
		t.Fatal(err)
	}
	verifier, _ := pkce()
	request := form("grant_type", grantCode, "code", code.Reveal(), "redirect_uri", testCallback, "code_verifier", verifier)
	ts.post(pathToken, request, ts.credentials(webID, newKey(t))...).refused(errInvalidGrant) // BCP-2.1.1-03
	request.Del("code_verifier")
	ts.post(pathToken, request, ts.credentials(webID, newKey(t))...).refused(errInvalidGrant)
}

func TestTheSecondUseOfACodeEndsTheGrant(t *testing.T) {
	t.Parallel()
	for _, client := range []string{appID, webID} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			key := newKey(t)
			request := ts.approvedCode(client)
			r := ts.post(pathToken, request, ts.credentials(client, key)...).ok()
			r2 := ts.refreshed(r, client, key).ok()
			ts.clock.Advance(24 * time.Hour) // as long as the refresh token may live
			r3 := ts.refreshed(r2, client, key).ok()

			// Who found the code and has no verifier cannot end anything.
			thief := form("grant_type", grantCode, "code", request.Get("code"), "redirect_uri", testCallback, "client_id", client)
			ts.post(pathToken, thief, ts.credentials(client, key)...).refused(errInvalidGrant).names("code_verifier")
			if ts.access(r3) == nil {
				t.Fatal("a request without the verifier ended the grant")
			}
			// BCP-4.2.4-01
			ts.post(pathToken, request, ts.credentials(client, key)...).refused(errInvalidGrant).names("code")
			if ts.access(r3) != nil {
				t.Error("the access token is still active")
			}
			ts.refreshed(r3, client, key).refused(errInvalidGrant)
		})
	}
}

func TestACodeIsBoundToAKey(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	for _, client := range []string{appID, webID} {
		request := ts.approvedCode(client, "dpop_jkt", k1.Thumbprint().String())
		ts.post(pathToken, request, ts.credentials(client, k2)...).refused(errInvalidGrant)       // D-10-02
		ts.post(pathToken, request, ts.credentials(client, nil)...).refused("invalid_dpop_proof") // D-10-03
		ts.post(pathToken, request, ts.credentials(client, k1)...).ok()
	}
}

func TestABoundCodeNeedsAProofWhereTokensMayBeUnbound(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.AllowUnbound = true })
	request := ts.approvedCode(webID, "dpop_jkt", newKey(t).Thumbprint().String())
	ts.post(pathToken, request, ts.credentials(webID, nil)...).refused("invalid_dpop_proof") // D-10-03
}

func TestAClientThatMayNotRefreshGetsNoRefreshToken(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { configured(t, c, webID).GrantTypes = []string{grantCode} })
	r := ts.tokens(webID, newKey(t))
	if r.body["refresh_token"] != nil {
		t.Error("there is a refresh token")
	}
	if ts.access(r) == nil {
		t.Error("the access token is not active")
	}
}
