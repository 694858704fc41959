package authserver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// exchanging is a token exchange request for the access token of an answer.
func exchanging(r *reply, pairs ...string) url.Values {
	return form(append(pairs, "grant_type", grantExchange, "subject_token", r.text("access_token"), "subject_token_type", typeAccessToken)...)
}

func TestAListedClientExchangesTokensOfOthers(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	user := ts.tokens(appID, k1, "scope", "read write")
	ts.clock.Advance(9 * time.Minute)
	// TX-2-01 D-5-02
	r := ts.post(pathToken, exchanging(user, "resource", filesID), ts.credentials(backendID, k2)...).ok()
	if r.text("token_type") != "DPoP" || r.text("issued_token_type") != typeAccessToken || r.body["refresh_token"] != nil {
		t.Errorf("answer is %v, want a bound access token alone", r.shown())
	}
	got := ts.access(r)
	if got.Subject != "alice" || got.Client != backendID || got.Actor != backendID || got.Holder.JKT != k2.Thumbprint() || got.Resource != filesID {
		t.Errorf("the token is %+v, want one of alice that %s holds", got, backendID)
	}
	if strings.Join(got.Scope, " ") != "read" { // of read and write, what the resource offers
		t.Errorf("scope is %v, want read", got.Scope)
	}
	if r.body["expires_in"] != 60.0 || got.Expires.After(ts.access(user).Expires) {
		t.Errorf("the token ends at %v, after the one it was made of", got.Expires)
	}
	// Ending the grant of the person ends what was made of it.
	ts.clock.Advance(time.Second)
	if err := ts.revokeGrant(context.Background(), *got.Grant, "test"); err != nil {
		t.Fatal(err)
	}
	if ts.access(r) != nil {
		t.Error("the token outlives the grant")
	}
	ts.post(pathToken, exchanging(user), ts.credentials(backendID, k2)...).refused(errInvalidRequest).names("subject_token")
}

func TestTheHolderOfATokenExchangesItForOneOfTheSameGrant(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	mine := ts.tokens(webID, k1, "scope", "read files", "resource", apiID, "resource", filesID)
	r := ts.post(pathToken, exchanging(mine, "audience", filesID), ts.credentials(webID, k1)...).ok()
	if got := ts.access(r); got.Resource != filesID || got.Actor != "" || got.Subject != "alice" {
		t.Errorf("the token is %+v, want one of alice for %s", got, filesID)
	}
	// TX-2-02: not with another key.
	ts.post(pathToken, exchanging(mine), ts.credentials(webID, k2)...).refused(errInvalidRequest).names("subject_token")
	// Not beyond the grant.
	small := ts.tokens(webID, k1)
	ts.post(pathToken, exchanging(small, "resource", filesID), ts.credentials(webID, k1)...).refused(errInvalidTarget)
	ts.post(pathToken, exchanging(small, "scope", "read write"), ts.credentials(webID, k1)...).refused(errInvalidScope)
	// Nor one that was made by an exchange.
	made := ts.post(pathToken, exchanging(small), ts.credentials(backendID, k2)...).ok()
	ts.post(pathToken, exchanging(made), ts.credentials(webID, k2)...).refused(errInvalidRequest)
}

func TestAnUnboundTokenIsNoWayToOtherResources(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		withOpen(c)
		app := configured(t, c, appID)
		app.GrantTypes = append(app.GrantTypes, grantExchange)
	})
	bearer := ts.tokens(appID, newKey(t), "resource", openID, "resource", apiID)
	thief := ts.proof(newKey(t))
	ts.post(pathToken, exchanging(bearer, "client_id", appID, "resource", apiID), thief).refused(errInvalidTarget)
	ts.post(pathToken, exchanging(bearer, "client_id", appID), ts.proof(newKey(t))).ok() // what it is good for already
}

func TestExchangesAreRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	mine, theirs := ts.tokens(webID, key), ts.tokens(otherID, key)
	for _, tt := range []struct {
		name, code, names string
		change            func(url.Values)
	}{
		{"no subject token", errInvalidRequest, "subject_token", func(f url.Values) { f.Del("subject_token") }},
		{"no type", errInvalidRequest, "subject_token_type", func(f url.Values) { f.Del("subject_token_type") }},
		{"a SAML assertion", errInvalidRequest, "subject_token_type", func(f url.Values) {
			f.Set("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")
		}},
		{"an actor token", errInvalidRequest, "actor_token", func(f url.Values) { f.Set("actor_token", "x") }},
		{"a refresh token is wanted", errInvalidRequest, "requested_token_type", func(f url.Values) {
			f.Set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")
		}},
		{"rubbish", errInvalidRequest, "subject_token", func(f url.Values) { f.Set("subject_token", "rubbish") }}, // TX-2-02
		{"a huge token", errInvalidRequest, "subject_token", func(f url.Values) { f.Set("subject_token", strings.Repeat("x", maxSubjectBytes+1)) }},
		{"a refresh token of ours", errInvalidRequest, "subject_token", func(f url.Values) { f.Set("subject_token", mine.text("refresh_token")) }},
		{"an access token said to be an ID token", errInvalidRequest, "subject_token", func(f url.Values) { f.Set("subject_token_type", typeID) }},
		{"the token of another client", errInvalidRequest, "another client", func(f url.Values) { f.Set("subject_token", theirs.text("access_token")) }},
		{"two resources", errInvalidTarget, "resource", func(f url.Values) { f["resource"] = []string{apiID, filesID} }},
		{"a resource and an audience", errInvalidTarget, "resource", func(f url.Values) { f.Set("resource", apiID); f.Set("audience", filesID) }},
		{"an unknown audience", errInvalidTarget, "resource", func(f url.Values) { f.Set("audience", "https://unknown.example") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := exchanging(mine)
			tt.change(f)
			ts.post(pathToken, f, ts.credentials(webID, key)...).refused(tt.code).names(tt.names)
		})
	}
}

func TestAnExpiredSubjectTokenIsRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	mine := ts.tokens(webID, key)
	ts.clock.Advance(DefaultAccessLifetime + time.Minute)
	ts.post(pathToken, exchanging(mine), ts.credentials(webID, key)...).refused(errInvalidRequest).names("subject_token") // TX-2-02
}

// fakeUpstream is an upstream whose answer the test decides.
type fakeUpstream struct {
	name string // "" means provider
	Upstream
	answer func(issuer, kind, raw string) (*Person, error)
}

func (p fakeUpstream) Exchange(_ context.Context, issuer, kind string, raw holdfast.Secret) (*Person, error) {
	return p.answer(issuer, kind, raw.Reveal())
}

func (f fakeUpstream) Name() string { return cmp.Or(f.name, "provider") }

func (fakeUpstream) Title() string { return "Provider" }

func TestATokenOfAnUpstreamProviderIsExchanged(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		c.Upstreams = []Upstream{
			fakeUpstream{name: "another", answer: func(string, string, string) (*Person, error) { return nil, nil }},
			fakeUpstream{answer: func(issuer, kind, raw string) (*Person, error) {
				switch raw {
				case "of alice":
					if issuer != c.Issuer {
						t.Errorf("issuer is %s, want ours", issuer)
					}
					return &Person{Subject: "p:alice", Scopes: []string{"read"}, ACR: "gold"}, nil
				case "of bob":
					return &Person{Subject: "p:bob"}, nil
				case "refused":
					return nil, &Denied{Reason: "the reason is for the operator"}
				case "broken":
					return nil, errors.New("nobody knows")
				}
				return nil, nil
			}},
		}
		app := configured(t, c, appID)
		app.GrantTypes, app.MayExchange = append(app.GrantTypes, grantExchange), true
	})
	key := newKey(t)
	ask := func(raw, kind string, pairs ...string) *reply {
		return ts.post(pathToken, form(append(pairs, "grant_type", grantExchange, "client_id", appID, "subject_token", raw, "subject_token_type", kind)...), ts.proof(key))
	}
	for _, kind := range []string{typeID, typeJWT, typeAccessToken} {
		r := ask("of alice", kind).ok() // TX-2-01
		if got := ts.access(r); got.Subject != "p:alice" || got.Client != appID || got.Holder.JKT != key.Thumbprint() || got.ACR != "gold" || r.text("scope") != "read" {
			t.Errorf("the token is %+v", got)
		}
	}
	if r := ask("of bob", typeID).ok(); r.text("scope") != "read write" {
		t.Errorf("scope is %q, want all of the resource", r.text("scope"))
	}
	ask("of alice", typeID, "scope", "write").refused(errInvalidScope)
	ask("of alice", typeID, "resource", "https://unknown.example").refused(errInvalidTarget)
	ask("unknown", typeID).refused(errInvalidRequest).names("subject_token")
	if r := ask("refused", typeID).refused(errInvalidRequest); strings.Contains(string(r.raw), "operator") {
		t.Error("the reason of the provider is told to the client")
	}
	if r := ask("broken", typeID); r.status != http.StatusServiceUnavailable {
		t.Errorf("answer is %d, want 503", r.status)
	}
	// Without a proof there is nothing to bind to.
	ts.post(pathToken, form("grant_type", grantExchange, "client_id", appID, "subject_token", "of alice", "subject_token_type", typeID)).refused("invalid_dpop_proof")
}
