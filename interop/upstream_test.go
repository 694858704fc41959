package interop

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	people "github.com/holdfast-oauth/holdfast/internal/login"
)

// npmUpstream is what node/upstream.mjs says about its server.
type npmUpstream struct {
	Issuer string `json:"issuer"`
	Secret string `json:"secret"` // of our client there, "holdfast"
}

// startUpstream runs oidc-provider as an identity provider until the test is
// over. Its login page has the given name in its field at first; an empty one
// means that the person goes back. Our client is sent back to the redirect URIs.
func startUpstream(t *testing.T, name string, redirectURIs ...string) *npmUpstream {
	t.Helper()
	u := &npmUpstream{}
	startScript(t, "upstream.mjs", map[string]any{"redirectURIs": append([]string{}, redirectURIs...), "name": name}, u)
	return u
}

// provider is our side of it.
func (u *npmUpstream) provider(t *testing.T) *people.Provider {
	t.Helper()
	p, err := people.NewProvider(t.Context(), people.ProviderConfig{
		Name: "work", Title: "Work account", Issuer: u.Issuer, Scopes: []string{"profile", "groups"},
		Client: clientauth.Config{Method: clientauth.SecretBasic, ClientID: "holdfast", Secret: holdfast.NewSecret(u.Secret)},
		Rules: []people.ScopeRule{
			{Claim: []string{"groups"}, Values: []string{"admins"}, Scopes: []string{"read", "write"}},
			{Scopes: []string{"read"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// landing is a page that browsers are sent back to.
func landing(t *testing.T) (address string, arrived <-chan url.Values) {
	t.Helper()
	queries := make(chan url.Values, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { queries <- r.URL.Query() }))
	t.Cleanup(s.Close)
	return s.URL + "/back", queries
}

func TestLoginAtNPMProvider(t *testing.T) {
	for _, c := range []struct {
		name, who string
		scopes    []string // nil: not let in
	}{
		{"somebody", "alice", []string{"read"}},
		{"somebody of a group", "admin", []string{"read", "write"}},
		{"somebody who goes back", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			redirect, arrived := landing(t)
			up := startUpstream(t, c.who, redirect)
			p := up.provider(t)
			address, keep, err := p.Begin(t.Context(), redirect)
			if err != nil {
				t.Fatal(err)
			}
			if err := visit(t.Context(), address); err != nil {
				t.Fatal(err)
			}
			query := <-arrived
			person, err := p.Finish(t.Context(), redirect, keep, query)
			if c.scopes == nil {
				if denied := (*authserver.Denied)(nil); !errors.As(err, &denied) {
					t.Errorf("error %v, want a denial", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if person.Subject == "" || person.Name != c.who+" at work" || !slices.Equal(person.Scopes, c.scopes) ||
				!person.AuthTime.IsZero() && person.AuthTime.Before(time.Now().Add(-programTimeout)) {
				t.Errorf("person %+v", person)
			}
			_, err = p.Finish(t.Context(), redirect, keep, query)
			if denied := (*authserver.Denied)(nil); !errors.As(err, &denied) {
				t.Errorf("the same answer again: error %v, want a denial", err)
			}
		})
	}
}

// TestExchangeOfNPMTokens: real tokens of another program, of which only those
// for us are taken.
func TestExchangeOfNPMTokens(t *testing.T) {
	const issuer = "https://as.example"
	up := startUpstream(t, "alice")
	p := up.provider(t)
	grant := func(c client.Config) *client.Grant {
		t.Helper()
		c.Issuer, c.RedirectURL, c.AllowBearer = up.Issuer, "http://127.0.0.1/callback", true
		return login(t, newClient(t, c))
	}
	app := client.Config{ClientID: "app", Scope: []string{"openid", "read"}}
	forUs, forOthers := app, app
	forUs.Resource, forOthers.Resource = []string{issuer}, []string{"https://api.example"}
	ours := client.Config{
		ClientID: "holdfast", Scope: []string{"openid", "profile"},
		Auth: client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret(up.Secret)},
	}
	access, other, own := grant(forUs), grant(forOthers), grant(ours)
	const prefix = "urn:ietf:params:oauth:token-type:"
	for _, c := range []struct {
		name, kind string
		raw        holdfast.Secret
		accepted   bool
	}{
		{"an access token for us", "access_token", access.Token.Value, true},
		{"an ID token of our client", "id_token", own.IDToken, true},
		{"an access token for another resource", "access_token", other.Token.Value, false},
		{"an ID token of another client", "id_token", access.IDToken, false},
		{"an access token called an ID token", "id_token", access.Token.Value, false},
		{"an ID token called an access token", "access_token", own.IDToken, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			person, err := p.Exchange(t.Context(), issuer, prefix+c.kind, c.raw)
			if denied := (*authserver.Denied)(nil); !c.accepted {
				if !errors.As(err, &denied) || person != nil {
					t.Errorf("person %v, error %v, want a denial", person, err)
				}
				return
			}
			if err != nil || person == nil || person.Subject == "" || !slices.Equal(person.Scopes, []string{"read"}) {
				t.Errorf("person %+v, error %v", person, err)
			}
		})
	}
}
