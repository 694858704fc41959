package examples_test

import (
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/resource"
)

// Accept tokens of several issuers, and of one of them only where it matters.
func Example_severalIssuers() {
	s := &scene{}
	defer s.end()
	staff, partners := s.authorizationServer(holdfasttest.ServerConfig{}), s.authorizationServer(holdfasttest.ServerConfig{})
	srv, mux := s.resource()

	guard, err := resource.New(resource.Config{
		PublicURL: srv.URL,
		Verify:    holdfast.Config{Issuers: []string{staff.URL, partners.URL}, Audience: []string{srv.URL}},
		HTTP:      staff.Client(), // trusts the certificates of the test; leave it out
		Log:       quiet(),
	})
	s.check(err)
	for path, need := range map[string]holdfast.Requirement{
		"/orders": {},
		"/admin":  {Issuers: []string{staff.URL}},
	} {
		h, err := guard.Protect(need, http.HandlerFunc(hello))
		s.check(err)
		mux.Handle(path, h)
	}

	for _, as := range []*holdfasttest.Server{staff, partners} {
		key := holdfasttest.NewKey(s)
		token := as.Issue(holdfasttest.TokenSpec{Key: key, ClientID: "orders-app", Audience: []string{srv.URL}})
		calls := &http.Client{Transport: &client.Transport{
			Tokens: fixed{token, key}, Origins: []string{srv.URL}, Base: srv.Client().Transport,
		}}
		s.get(calls, srv.URL+"/orders")
		s.get(calls, srv.URL+"/admin")
	}
	// Output:
	// 200 hello orders-app, holder of a key: true
	// 200 hello orders-app, holder of a key: true
	// 200 hello orders-app, holder of a key: true
	// 401 token.issuer.mismatch
}
