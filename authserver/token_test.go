package authserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// grants are the ways to a token: each makes a token request that would succeed
// with a proof by key.
var grants = []struct {
	name, client string
	make         func(ts *testServer, client string, key *holdfast.Key) url.Values
}{
	{"code", appID, func(ts *testServer, client string, _ *holdfast.Key) url.Values { return ts.approvedCode(client) }},
	{"code of a confidential client", webID, func(ts *testServer, client string, _ *holdfast.Key) url.Values { return ts.approvedCode(client) }},
	{"refresh token", appID, func(ts *testServer, client string, key *holdfast.Key) url.Values {
		r := ts.tokens(client, key)
		return form("grant_type", grantRefresh, "refresh_token", r.text("refresh_token"), "client_id", client)
	}},
	{"refresh token of a confidential client", webID, func(ts *testServer, client string, key *holdfast.Key) url.Values {
		r := ts.tokens(client, key)
		return form("grant_type", grantRefresh, "refresh_token", r.text("refresh_token"))
	}},
	{"client credentials", webID, func(*testServer, string, *holdfast.Key) url.Values {
		return form("grant_type", grantClient, "scope", "read")
	}},
	{"device code", appID, func(ts *testServer, client string, key *holdfast.Key) url.Values {
		return ts.approvedDevice(client, key.Thumbprint())
	}},
	{"token exchange", webID, func(ts *testServer, client string, key *holdfast.Key) url.Values {
		r := ts.tokens(client, key)
		return form("grant_type", grantExchange, "subject_token", r.text("access_token"), "subject_token_type", typeAccessToken)
	}},
}

func TestEveryGrantBindsTokensToTheProofKey(t *testing.T) {
	t.Parallel()
	for _, g := range grants {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			key := newKey(t)
			r := ts.post(pathToken, g.make(ts, g.client, key), ts.credentials(g.client, key)...).ok()
			if r.status != http.StatusOK || r.text("token_type") != "DPoP" { // D-5-02 D-5-04
				t.Errorf("answer is %d with token_type %s, want 200 and DPoP", r.status, r.text("token_type"))
			}
			claims := r.claims()
			if got := claims["cnf"].(map[string]any)["jkt"]; got != key.Thumbprint().String() { // D-5-05
				t.Errorf("cnf.jkt is %v, want %v", got, key.Thumbprint())
			}
			for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} { // AT-2.2-01
				if claims[name] == nil {
					t.Errorf("the claim %s is missing", name)
				}
			}
			if claims["aud"] != apiID { // AT-3-01: the default
				t.Errorf("aud is %v, want %s", claims["aud"], apiID)
			}
			if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Content-Type") != "application/json" { // J-6749-5.1
				t.Errorf("header is %v, want JSON and no-store", r.header)
			}
			if n := r.header.Values("DPoP-Nonce"); len(n) != 1 { // D-8-04 D-8.2-05
				t.Errorf("there are %d DPoP-Nonce fields, want 1", len(n))
			}
			if r.body["expires_in"] != 600.0 || r.text("scope") == "" {
				t.Errorf("expires_in is %v and scope %q, want 600 and some", r.body["expires_in"], r.body["scope"])
			}
		})
	}
}

func TestWhatIsWrongWithAProofConsumesNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, code string
		options    func(ts *testServer, key *holdfast.Key) []option
	}{
		{"two proofs", "invalid_dpop_proof", func(ts *testServer, key *holdfast.Key) []option { // D-4.3-01a
			return []option{ts.proof(key), ts.proof(key)}
		}},
		{"no proof", "invalid_dpop_proof", func(*testServer, *holdfast.Key) []option { return nil }},
		{"a proof for another endpoint", "invalid_dpop_proof", func(ts *testServer, key *holdfast.Key) []option { // D-5-03
			return []option{ts.proof(key, func(p *holdfast.ProofClaims) { u := *p.URL; u.Path = pathPAR; p.URL = &u })}
		}},
		{"a proof for another method", "invalid_dpop_proof", func(ts *testServer, key *holdfast.Key) []option {
			return []option{ts.proof(key, func(p *holdfast.ProofClaims) { p.Method = http.MethodGet })}
		}},
		{"rubbish", "invalid_dpop_proof", func(*testServer, *holdfast.Key) []option {
			return []option{func(r *http.Request) { r.Header.Set("DPoP", "rubbish") }}
		}},
		{"a proof without nonce", "use_dpop_nonce", func(ts *testServer, key *holdfast.Key) []option { // D-8-02
			return []option{ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = "" })}
		}},
		{"a nonce that was changed", "use_dpop_nonce", func(ts *testServer, key *holdfast.Key) []option { // D-8-03 D-8-07
			return []option{ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = "A" + p.Nonce[1:] + "x" })}
		}},
	}
	for _, g := range grants {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			key := newKey(t)
			request := g.make(ts, g.client, key)
			tokens := ts.count(kindToken)
			for _, tt := range tests {
				r := ts.post(pathToken, request, append(ts.credentials(g.client, nil), tt.options(ts, key)...)...)
				if r.refused(tt.code); r.header.Get("Cache-Control") != "no-store" { // D-5-03 D-8.2-04
					t.Errorf("%s: the answer may be cached", tt.name)
				}
				if n := r.header.Values("DPoP-Nonce"); len(n) != 1 { // D-8-02 D-8-04
					t.Errorf("%s: there are %d DPoP-Nonce fields, want 1", tt.name, len(n))
				}
			}
			if n := ts.count(kindToken); n != tokens {
				t.Errorf("refused requests made %d tokens", n-tokens)
			}
			// D-5-13: what the request carries is still good.
			ts.post(pathToken, request, ts.credentials(g.client, key)...).ok()
		})
	}
}

func TestAChallengeGivesTheNonceThatItWants(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	request := form("grant_type", grantClient, "scope", "read")
	with := func(nonce string) option {
		return ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = nonce })
	}
	first := ts.post(pathToken, request, as(webID), with("")).refused("use_dpop_nonce")
	nonce := first.header.Get("DPoP-Nonce")
	if strings.ContainsFunc(nonce, func(r rune) bool { return r <= 0x20 || r == '"' || r == '\\' || r >= 0x7f }) || nonce == "" { // D-8.1-01
		t.Errorf("nonce %q has characters that are not allowed", nonce)
	}
	next := ts.post(pathToken, request, as(webID), with(nonce)).ok().header.Get("DPoP-Nonce")
	// D-8-09: a nonce is good until its lifetime ends, also after a newer one.
	ts.clock.Advance(holdfast.DefaultNonceLifetime - time.Second)
	ts.post(pathToken, request, as(webID), with(nonce)).ok()
	ts.clock.Advance(time.Hour)
	// D-8-07 D-8-08: a stale one is refused along with the next.
	stale := ts.post(pathToken, request, as(webID), with(next)).refused("use_dpop_nonce")
	ts.post(pathToken, request, as(webID), with(stale.header.Get("DPoP-Nonce"))).ok()
}

func TestNoncesCanBeOptional(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.Proof.Nonce = holdfast.NonceOptional }) // D-8-01
	without := ts.proof(newKey(t), func(p *holdfast.ProofClaims) { p.Nonce = "" })
	request := form("grant_type", grantClient, "scope", "read")
	// A proof from before the start may have been used before the start.
	r := ts.post(pathToken, request, as(webID), without).refused("use_dpop_nonce")
	if n := r.header.Values("DPoP-Nonce"); len(n) != 1 { // D-8-02
		t.Errorf("the challenge has %d nonces, want 1", len(n))
	}
	ts.clock.Advance(time.Minute)
	if r := ts.post(pathToken, request, as(webID), without).ok(); len(r.header.Values("DPoP-Nonce")) != 0 {
		t.Error("there is a nonce, though none is used")
	}
}

func TestAReplayedProofIsRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	var proof string
	keep := func(r *http.Request) { ts.proof(newKey(t))(r); proof = r.Header.Get("DPoP") }
	request := form("grant_type", grantClient, "scope", "read")
	ts.post(pathToken, request, as(webID), keep).ok()
	ts.post(pathToken, request, as(webID), func(r *http.Request) { r.Header.Set("DPoP", proof) }).refused("invalid_dpop_proof")
}

func TestAnAccessTokenHashIsNotAskedFor(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	request := form("grant_type", grantClient, "scope", "read")
	ts.post(pathToken, request, as(webID), ts.proof(newKey(t))).ok() // D-4.3-12c
	ts.post(pathToken, request, as(webID), ts.proof(newKey(t), func(p *holdfast.ProofClaims) {
		p.Token = holdfast.NewSecret("some other token") // D-4.3-12c
	})).ok()
}

func TestAProofAuthenticatesNobody(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	request := form("grant_type", grantClient, "scope", "read", "client_id", webID)
	ts.post(pathToken, request, ts.proof(newKey(t))).refused(errInvalidClient) // D-4-03
}

func TestClientsThatWantBoundTokensGetNoOthers(t *testing.T) {
	t.Parallel()
	for _, g := range grants {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, func(c *Config) {
				c.AllowUnbound = true
				configured(t, c, g.client).DPoPBoundTokens = true
			})
			request := g.make(ts, g.client, newKey(t))
			ts.post(pathToken, request, ts.credentials(g.client, nil)...).refused("invalid_dpop_proof") // D-5.2-02
		})
	}
}

func TestUnboundTokensHaveToBeAllowed(t *testing.T) {
	t.Parallel()
	request := form("grant_type", grantClient, "scope", "read")
	strict := newTestServer(t, nil)
	strict.post(pathToken, request, as(webID)).refused("invalid_dpop_proof")

	lax := newTestServer(t, func(c *Config) { c.AllowUnbound = true })
	r := lax.post(pathToken, request, as(webID)).ok()                                                                // D-5.2-01
	if r.text("token_type") != "Bearer" || r.claims()["cnf"] != nil || r.header.Get("Cache-Control") != "no-store" { // B-4-01
		t.Errorf("token_type is %s, cnf %v and header %v, want Bearer, none and no-store", r.text("token_type"), r.claims()["cnf"], r.header)
	}
	if r := lax.post(pathToken, request, as(webID), lax.proof(newKey(t))).ok(); r.text("token_type") != "DPoP" {
		t.Errorf("with a proof token_type is %s, want DPoP", r.text("token_type"))
	}
}

const openID = "https://open.example" // a resource for unbound tokens

func withOpen(c *Config) {
	c.Resources = append(c.Resources, Resource{ID: openID, Scopes: []string{"read"}, Unbound: true})
}

func TestAResourceMayWantUnboundTokens(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, withOpen)
	key := newKey(t)
	r := ts.tokens(appID, key, "resource", openID)
	if r.text("token_type") != "Bearer" || r.claims()["cnf"] != nil { // D-5-09
		t.Errorf("token_type is %s and cnf %v, want Bearer and none", r.text("token_type"), r.claims()["cnf"])
	}
	ts.refreshed(r, appID, nil).refused("invalid_dpop_proof") // D-5-09
	ts.refreshed(r, appID, newKey(t)).refused(errInvalidGrant)
	ts.refreshed(r, appID, key).ok()
	// A confidential client has nothing that a proof would bind.
	ts.post(pathToken, form("grant_type", grantClient, "resource", openID, "scope", "read"), as(webID)).ok()
	// A public one does.
	ts.post(pathToken, ts.approvedCode(appID, "resource", openID)).refused("invalid_dpop_proof")
}

func TestATokenIsForOneResource(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	both := []string{"resource", apiID, "resource", filesID, "scope", "read write files"}
	for _, tt := range []struct {
		name, resource, aud, scope string
	}{
		{"the first by default", "", apiID, "read write"}, // AT-3-01
		{"one by name", apiID, apiID, "read write"},       // RI-2.2-01 BCP-2.3-01
		{"the other by name", filesID, filesID, "read files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			request := ts.approvedCode(webID, both...)
			if tt.resource != "" {
				request.Set("resource", tt.resource)
			}
			r := ts.post(pathToken, request, ts.credentials(webID, key)...).ok()
			got := ts.access(r)
			if got.Resource != tt.aud || r.text("scope") != tt.scope || strings.Join(got.Scope, " ") != tt.scope {
				t.Errorf("the token is for %s with %v (%s), want %s with %s", got.Resource, got.Scope, r.text("scope"), tt.aud, tt.scope)
			}
		})
	}
	request := ts.approvedCode(webID, "resource", apiID, "scope", "read")
	for _, resource := range [][]string{{filesID}, {"https://unknown.example"}, {apiID, filesID}, {"", apiID}} {
		request["resource"] = resource
		ts.post(pathToken, request, ts.credentials(webID, key)...).refused(errInvalidTarget).names("resource") // RI-2.2-01
	}
	request["resource"] = []string{apiID}
	request.Set("scope", "read write")
	ts.post(pathToken, request, ts.credentials(webID, key)...).refused(errInvalidScope).names("scope")
}

func TestWhatAClientMayNoLongerHaveIsNotIssued(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	c, err := ts.clients.find(context.Background(), webID)
	if err != nil {
		t.Fatal(err)
	}
	less := *c
	less.Scope, less.Resources = "read", []string{apiID}
	k := &call{client: &less, form: url.Values{}}
	if _, scope, err := ts.target(k, []string{apiID, filesID}, []string{"read", "write"}); err != nil || !slices.Equal(scope, []string{"read"}) {
		t.Errorf("scope is %v, %v, want read", scope, err)
	}
	k.form.Set("resource", filesID)
	_, _, err = ts.target(k, []string{apiID, filesID}, []string{"read"})
	wantRefusal(t, err, errInvalidTarget, "resource")
}

func TestGrantTypesAreRefusedByName(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { configured(t, c, otherID).GrantTypes = []string{grantCode} })
	for _, tt := range []struct{ name, client, grant, code string }{
		{"none", webID, "", errInvalidRequest},
		{"the password grant", webID, "password", errUnsupportedGrant}, // BCP-2.4-01
		{"an unknown one", webID, "urn:example:mine", errUnsupportedGrant},
		{"one that the client is not registered for", otherID, grantClient, errUnauthorizedClient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := form("username", "alice", "password", "secret", "scope", "read")
			if tt.grant != "" {
				f.Set("grant_type", tt.grant)
			}
			ts.post(pathToken, f, as(tt.client), ts.proof(newKey(t))).refused(tt.code).names("grant_type")
		})
	}
	ts.post(pathToken, form("grant_type", grantClient, "client_id", appID), ts.proof(newKey(t))).refused(errUnauthorizedClient)
}

func TestNothingSecretIsAudited(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	request := ts.approvedCode(webID)
	r := ts.post(pathToken, request, ts.credentials(webID, key)...).ok()
	ts.post(pathToken, request, ts.credentials(webID, key)...).refused(errInvalidGrant)
	ts.post(pathToken, request, append(ts.credentials(webID, nil), ts.proof(key, func(p *holdfast.ProofClaims) { p.Nonce = "" }))...)
	events := ts.audited()
	if len(events) != 3 {
		t.Fatalf("there are %d events, want 3", len(events))
	}
	all := fmt.Sprintf("%+v", events)
	for _, secret := range []string{request.Get("code"), request.Get("code_verifier"), r.text("access_token"), r.text("refresh_token"), secretOf(webID).Reveal()} {
		if strings.Contains(all, secret) {
			t.Error("a secret is in the audit log")
		}
	}
	granted := events[0]
	// D-11.11-01: the key of the proof and that of the client, separately.
	if granted.Decision != "granted" || granted.Client != webID || granted.Subject != "alice" || granted.Grant != grantCode || granted.Holder != key.Thumbprint() {
		t.Errorf("the first event is %+v", granted)
	}
	if events[1].Decision != "refused" || events[1].Error != errInvalidGrant || events[2].Decision != "challenged" {
		t.Errorf("the other events are %+v", events[1:])
	}
}
