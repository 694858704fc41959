package examples_test

import (
	"context"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// Call an API: get a token that is bound to a key, keep it fresh, and send every
// request with a proof of its own. Nonces are handled on the way.
func Example_callAnAPI() {
	s := &scene{}
	defer s.end()
	as := s.authorizationServer(holdfasttest.ServerConfig{})
	api := holdfasttest.NewResource(s, holdfasttest.ResourceConfig{Server: as, Handler: http.HandlerFunc(hello)})
	ctx := context.Background()

	key, err := holdfast.GenerateKey() // package keystore keeps one
	s.check(err)
	app, err := client.New(ctx, client.Config{
		Issuer:   as.URL,
		ClientID: "orders-app",
		Auth:     client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret("a-secret-of-the-client")},
		Key:      key,
		Resource: []string{api.URL},
		HTTP:     as.Client(), // trusts the certificates of the test; leave it out
	})
	s.check(err)
	grant, err := app.ClientCredentials(ctx)
	s.check(err)
	calls := &http.Client{Transport: &client.Transport{
		Tokens:  app.Source(client.NewMemoryStore(grant)),
		Origins: []string{api.URL}, // nobody else gets the token
		Base:    api.Client().Transport,
	}}
	s.get(calls, api.URL+"/orders")
	s.get(calls, api.URL+"/orders?page=2")
	// Output:
	// 200 hello orders-app, holder of a key: true
	// 200 hello orders-app, holder of a key: true
}

// A token is worth nothing to somebody who has only seen it.
func Example_stolenToken() {
	s := &scene{}
	defer s.end()
	as := s.authorizationServer(holdfasttest.ServerConfig{})
	api := holdfasttest.NewResource(s, holdfasttest.ResourceConfig{Server: as, Handler: http.HandlerFunc(hello)})
	stolen := as.Issue(holdfasttest.TokenSpec{Key: holdfasttest.NewKey(s), Audience: []string{api.URL}})

	thief := &http.Client{Transport: &client.Transport{
		Tokens: fixed{stolen, holdfasttest.NewKey(s)}, Origins: []string{api.URL}, Base: api.Client().Transport,
	}}
	s.get(thief, api.URL+"/orders")

	r, err := http.NewRequest(http.MethodGet, api.URL+"/orders", nil)
	s.check(err)
	r.Header.Set("Authorization", "Bearer "+stolen.Reveal())
	resp, err := api.Client().Do(r)
	s.check(err)
	s.print(resp)
	// Output:
	// 401 binding.jkt.mismatch
	// 401 binding.scheme.downgrade
}

// fixed is a token that came from elsewhere, with the key that it is bound to.
type fixed struct {
	token holdfast.Secret
	key   *holdfast.Key // nil if it is bound to a certificate
}

func (f fixed) Token(context.Context) (*client.Token, error) {
	if f.key == nil {
		return &client.Token{Value: f.token, Type: "Bearer"}, nil
	}
	return &client.Token{Value: f.token, Type: "DPoP", Key: f.key}, nil
}
