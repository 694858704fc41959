//go:build unix

package interop

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// exchanged takes tokens of the identity provider to our token endpoint: what is
// for us comes back bound, for the person with that subject, and nothing else.
func exchanged(t *testing.T, w *town, up *npmUpstream, subject, back string, arrived <-chan url.Values) {
	own := newClient(t, client.Config{
		Issuer: up.Issuer, ClientID: "holdfast", Scope: []string{"openid", "profile", "groups"}, RedirectURL: back, AllowBearer: true,
		Auth: client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret(up.Secret)},
	})
	begun, err := own.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := visit(t.Context(), begun.URL()); err != nil { // as alice, whose name is in the field
		t.Fatal(err)
	}
	ours, err := begun.Finish(t.Context(), <-arrived)
	if err != nil {
		t.Fatal(err)
	}
	app := func(resource string) *client.Grant {
		return login(t, newClient(t, client.Config{
			Issuer: up.Issuer, ClientID: "app", Scope: []string{"openid", "read"}, Resource: []string{resource},
			RedirectURL: "http://127.0.0.1/callback", AllowBearer: true,
		}))
	}
	forUs, forOthers := app(w.issuer), app(w.site.URL)

	gate := newClient(t, client.Config{
		Issuer: w.issuer, ClientID: "gate", Key: newProofKey(t), Scope: []string{"read"}, Resource: []string{w.site.URL}, HTTP: w.trust,
		Auth: client.Auth{Method: client.AuthSecretBasic, Secret: w.gateSecret},
	})
	const idToken, accessToken = "urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:access_token"
	for _, c := range []struct {
		name   string
		r      client.ExchangeRequest
		refuse string // OAuth error; "" means accepted
	}{
		{"an ID token of our client", client.ExchangeRequest{Subject: ours.IDToken, SubjectType: idToken}, ""},
		{"an access token for us", client.ExchangeRequest{Subject: forUs.Token.Value, SubjectType: accessToken}, ""},
		{"an ID token of another client", client.ExchangeRequest{Subject: forUs.IDToken, SubjectType: idToken}, "invalid_request"},
		{"an access token for another resource", client.ExchangeRequest{Subject: forOthers.Token.Value, SubjectType: accessToken}, "invalid_request"},
		{"an ID token called an access token", client.ExchangeRequest{Subject: ours.IDToken, SubjectType: accessToken}, "invalid_request"},
		{"a scope that the group does not give", client.ExchangeRequest{Subject: ours.IDToken, SubjectType: idToken, Scope: []string{"write"}}, "invalid_scope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.in(t)
			g, err := gate.Exchange(t.Context(), c.r)
			if c.refuse != "" {
				wantCode(t, "the exchange", err, c.refuse) // TX-2-02
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			read := w.read(g.Token.Value) // TX-2-01
			if g.Token.Type != "DPoP" || read.Subject != subject || read.Confirmation.JKT != g.Token.Key.Thumbprint() || read.ClientID != "gate" || !g.Refresh.IsZero() {
				t.Errorf("the token is of %q, of client %q, bound to %s", read.Subject, read.ClientID, read.Confirmation.JKT)
			}
			if body := w.callWith(g.Token); body != subject {
				t.Errorf("the call answers %q", body)
			}
			if status := w.bearer(g.Token.Value); status != http.StatusUnauthorized {
				t.Errorf("without its key the token gets status %d", status)
			}
		})
	}
}
