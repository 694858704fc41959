package examples_test

import (
	"net/http"

	"golang.org/x/oauth2"

	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// Use a token that golang.org/x/oauth2 has got. The key has to be the one that
// its token request proved: package oauth2 sends no proofs by itself.
func Example_withOAuth2() {
	s := &scene{}
	defer s.end()
	as := s.authorizationServer(holdfasttest.ServerConfig{})
	api := holdfasttest.NewResource(s, holdfasttest.ResourceConfig{Server: as, Handler: http.HandlerFunc(hello)})
	key := holdfasttest.NewKey(s)
	token := as.Issue(holdfasttest.TokenSpec{Key: key, ClientID: "orders-app", Audience: []string{api.URL}})

	var source oauth2.TokenSource = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token.Reveal(), TokenType: "DPoP"})
	calls := &http.Client{Transport: &client.Transport{
		Tokens:  client.FromOAuth2(source, key),
		Origins: []string{api.URL},
		Base:    api.Client().Transport,
	}}
	s.get(calls, api.URL+"/orders")
	// Output:
	// 200 hello orders-app, holder of a key: true
}
