package examples_test

import (
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/token"
)

// Accept opaque tokens: the issuer is asked about each (RFC 7662), and an answer
// is believed for some seconds. That is how long a revocation can go unnoticed.
func Example_opaqueTokens() {
	s := &scene{}
	defer s.end()
	as := s.authorizationServer(holdfasttest.ServerConfig{Opaque: true})
	srv, mux := s.resource()

	introspector, err := token.NewIntrospector(token.IntrospectorConfig{
		Endpoint:     as.Metadata().IntrospectionEndpoint,
		Issuer:       as.URL,
		Authenticate: token.BasicAuth("orders-app", holdfast.NewSecret("a-secret-of-the-client")),
		HTTP:         as.Client(), // trusts the certificates of the test; leave it out
	})
	s.check(err)
	tokens, err := token.NewCache(token.CacheConfig{Tokens: introspector})
	s.check(err)
	guard, err := resource.New(resource.Config{
		PublicURL: srv.URL,
		Verify:    holdfast.Config{Tokens: tokens, Issuers: []string{as.URL}, Audience: []string{srv.URL}},
		Log:       quiet(),
	})
	s.check(err)
	orders, err := guard.Protect(holdfast.Requirement{}, http.HandlerFunc(hello))
	s.check(err)
	mux.Handle("/orders", orders)

	key := holdfasttest.NewKey(s)
	issue := func() *http.Client {
		opaque := as.Issue(holdfasttest.TokenSpec{Key: key, ClientID: "orders-app", Audience: []string{srv.URL}})
		return &http.Client{Transport: &client.Transport{
			Tokens: fixed{opaque, key}, Origins: []string{srv.URL}, Base: srv.Client().Transport,
		}}
	}
	s.get(issue(), srv.URL+"/orders")
	revoked := issue()
	as.RevokeAll()
	s.get(revoked, srv.URL+"/orders")
	// Output:
	// 200 hello orders-app, holder of a key: true
	// 401 token.active.inactive
}
