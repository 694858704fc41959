package authserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/metadata"
)

const strictID = "strict" // authenticates by private_key_jwt

// fapiServer is a server under the FAPI 2.0 profile with one client, and what
// authenticates that client.
func fapiServer(t *testing.T, edit func(*Config)) (ts *testServer, assertion func(url.Values) url.Values) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.NewPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	ts = newTestServer(t, func(c *Config) {
		c.Profile, c.AllowSecrets = ProfileFAPI2, false
		c.Clients = []Client{{Client: metadata.Client{
			ClientID: strictID, AuthMethod: "private_key_jwt", JWKS: json.RawMessage(`{"keys":[` + public.JWK() + `]}`),
			GrantTypes: []string{grantCode, grantRefresh, grantClient}, ResponseTypes: []string{"code"},
			RedirectURIs: []string{testCallback}, DPoPBoundTokens: true,
		}}}
		if edit != nil {
			edit(c)
		}
	})
	auth, err := clientauth.New(clientauth.Config{Method: clientauth.PrivateKeyJWT, ClientID: strictID, Signer: signer, Issuer: ts.config.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	return ts, func(f url.Values) url.Values {
		out := url.Values{}
		for name, values := range f {
			out[name] = values
		}
		if err := auth.Apply(out, http.Header{}, ts.clock.Now()); err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// strictCode pushes a request with those parameters added, has alice allow it,
// and returns the token request for the code.
func strictCode(ts *testServer, assertion func(url.Values) url.Values, pairs []string, options ...option) url.Values {
	ts.t.Helper()
	verifier, challenge := pkce()
	q := goodRequest(strictID)
	q.Set("code_challenge", challenge)
	for name, values := range form(pairs...) {
		q[name] = values
	}
	pushed, err := ts.unpush(ts.post(pathPAR, assertion(q), options...).ok(), strictID)
	if err != nil {
		ts.t.Fatal(err)
	}
	code, err := ts.issueCode(context.Background(), pushed, ts.approvalOf(pushed))
	if err != nil {
		ts.t.Fatal(err)
	}
	return form("grant_type", grantCode, "code", code.Reveal(), "redirect_uri", testCallback, "code_verifier", verifier)
}

func TestFAPIAdmitsNoWeakConfiguration(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		weak  func(*Config)
		wants string
	}{
		{"unbound tokens", func(c *Config) { c.AllowUnbound = true }, "unbound"},
		{"client secrets", func(c *Config) { c.AllowSecrets = true }, "secrets"},
		{"codes of two minutes", func(c *Config) { c.CodeLifetime = 2 * time.Minute }, "60s"}, // F2-5.3.2.1-02
		{"a resource for unbound tokens", withOpen, openID},
		// F2-5.3.2.1-01
		{"a public client", func(c *Config) {
			c.Clients = []Client{{Client: metadata.Client{ClientID: appID, AuthMethod: "none", GrantTypes: []string{grantCode}, ResponseTypes: []string{"code"}, RedirectURIs: []string{testCallback}}}}
		}, appID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			c := ts.config
			c.Profile, c.AllowSecrets, c.Clients = ProfileFAPI2, false, nil
			tt.weak(&c)
			if _, err := New(context.Background(), c); err == nil || !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("error is %v, want one that names %s", err, tt.wants)
			}
		})
	}
}

func TestFAPIRequestsLackNothing(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, nil)
	r := ts.post(pathPAR, assertion(goodRequest(strictID))).ok()
	if in, _ := r.body["expires_in"].(float64); in <= 0 || in >= 600 { // F2-5.3.2.2-01
		t.Errorf("expires_in is %v, want under 600", in)
	}
	for _, name := range []string{"redirect_uri", "response_type", "code_challenge", "code_challenge_method"} {
		q := goodRequest(strictID)
		q.Del(name)
		ts.post(pathPAR, assertion(q)).refused(errInvalidRequest).names(name) // F2-5.3.2.2-01
	}
	q := goodRequest(strictID)
	q.Set("response_type", "code id_token")
	ts.post(pathPAR, assertion(q)).refused(errUnsupportedType)
	ts.post(pathPAR, goodRequest(strictID)).refused(errInvalidClient)
	if !ts.config.RequirePAR {
		t.Error("pushed requests are not required")
	}
}

func TestFAPITokensAreBound(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, func(c *Config) { c.Clients[0].DPoPBoundTokens = false })
	request := strictCode(ts, assertion, nil)
	ts.post(pathToken, assertion(request)).refused("invalid_dpop_proof") // F2-5.3.2.1-01
	ts.post(pathToken, request, ts.proof(newKey(t))).refused(errInvalidClient)
	ts.post(pathToken, request, func(r *http.Request) { r.SetBasicAuth(strictID, "secret") }, ts.proof(newKey(t))).refused(errInvalidClient)
	ts.post(pathToken, assertion(request), ts.proof(newKey(t))).ok()
}

func TestFAPICodesLiveForAMinute(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, nil)
	request := strictCode(ts, assertion, nil)
	used := strictCode(ts, assertion, nil)
	ts.post(pathToken, assertion(used), ts.proof(newKey(t))).ok()
	ts.post(pathToken, assertion(used), ts.proof(newKey(t))).refused(errInvalidGrant) // F2-5.3.2.1-02
	ts.clock.Advance(61 * time.Second)
	ts.post(pathToken, assertion(request), ts.proof(newKey(t))).refused(errInvalidGrant) // F2-5.3.2.1-02
}

func TestFAPICodesAreBoundToAKey(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	for _, request := range []url.Values{ // F2-5.3.2.1-03
		strictCode(ts, assertion, []string{"dpop_jkt", k1.Thumbprint().String()}),
		strictCode(ts, assertion, nil, ts.proof(k1)),
		strictCode(ts, assertion, []string{"dpop_jkt", k1.Thumbprint().String()}, ts.proof(k1)),
	} {
		ts.post(pathToken, assertion(request), ts.proof(k2)).refused(errInvalidGrant)
		ts.post(pathToken, assertion(request)).refused("invalid_dpop_proof")
		ts.post(pathToken, assertion(request), ts.proof(k1)).ok()
	}
	q := goodRequest(strictID)
	q.Set("dpop_jkt", k1.Thumbprint().String())
	ts.post(pathPAR, assertion(q), ts.proof(k2)).refused(errInvalidRequest) // F2-5.3.2.1-03
}

func TestFAPIClocksMayBeAheadALittle(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, nil)
	request := form("grant_type", grantClient, "scope", "read")
	ahead := func(d time.Duration) option {
		return ts.proof(newKey(t), func(p *holdfast.ProofClaims) { p.Time = p.Time.Add(d) })
	}
	ts.post(pathToken, assertion(request), ahead(10*time.Second)).ok()                          // F2-5.3.2.1-04
	ts.post(pathToken, assertion(request), ahead(61*time.Second)).refused("invalid_dpop_proof") // F2-5.3.2.1-04
}

func TestFAPIRefreshTokensAreNotRotated(t *testing.T) {
	t.Parallel()
	ts, assertion := fapiServer(t, nil)
	key := newKey(t)
	first := ts.post(pathToken, assertion(strictCode(ts, assertion, nil)), ts.proof(key)).ok()
	refresh := form("grant_type", grantRefresh, "refresh_token", first.text("refresh_token"))
	for range 12 { // 72 days: use keeps it alive, however rarely it is written down
		ts.clock.Advance(6 * 24 * time.Hour)
		r := ts.post(pathToken, assertion(refresh), ts.proof(newKey(t))).ok()
		if r.text("refresh_token") != first.text("refresh_token") { // F2-5.3.2.1-05
			t.Fatal("the refresh token was rotated")
		}
	}
	ts.clock.Advance(DefaultRefreshIdle)
	ts.post(pathToken, assertion(refresh), ts.proof(key)).refused(errInvalidGrant) // BCP-2.2.2-04
}
