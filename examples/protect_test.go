package examples_test

import (
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/resource"
)

// Protect a handler: only holders of a key with a token that is bound to it get
// in. Keys of the issuer are found through its metadata.
func Example_protectAHandler() {
	s := &scene{}
	defer s.end()
	as := s.authorizationServer(holdfasttest.ServerConfig{})
	srv, mux := s.resource()

	guard, err := resource.New(resource.Config{
		PublicURL: srv.URL, // what clients call; https://api.example.com, say
		Verify: holdfast.Config{
			Issuers:  []string{as.URL},
			Audience: []string{srv.URL},
		},
		HTTP: as.Client(), // trusts the certificates of the test; leave it out
		Log:  quiet(),
	})
	s.check(err)
	orders, err := guard.Protect(holdfast.Requirement{Scope: []string{"orders:read"}}, http.HandlerFunc(hello))
	s.check(err)
	mux.Handle("/orders", orders)
	mux.Handle(guard.MetadataPath(), guard.MetadataHandler()) // where clients learn all of this (RFC 9728)

	caller := func(scope string) *http.Client {
		key := holdfasttest.NewKey(s)
		token := as.Issue(holdfasttest.TokenSpec{Key: key, ClientID: "orders-app", Scope: scope, Audience: []string{srv.URL}})
		return &http.Client{Transport: &client.Transport{
			Tokens: fixed{token, key}, Origins: []string{srv.URL}, Base: srv.Client().Transport,
		}}
	}
	s.get(caller("orders:read"), srv.URL+"/orders")
	s.get(caller("orders:write"), srv.URL+"/orders")
	s.get(srv.Client(), srv.URL+"/orders")
	// Output:
	// 200 hello orders-app, holder of a key: true
	// 403 access.scope.insufficient
	// 401 request.auth.missing
}
