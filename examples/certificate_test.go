package examples_test

import (
	"crypto/tls"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
)

// Accept tokens that are bound to a client certificate (RFC 8705). The listener
// has to ask for one: tls.Config.ClientAuth of RequestClientCert is enough,
// because the token names the very certificate.
func Example_certificateBoundTokens() {
	s := &scene{}
	defer s.end()
	as := s.authorizationServer(holdfasttest.ServerConfig{})
	srv, mux := s.resource()

	guard, err := resource.New(resource.Config{
		PublicURL: srv.URL,
		Verify:    holdfast.Config{Issuers: []string{as.URL}, Audience: []string{srv.URL}},
		Metadata:  &metadata.Resource{CertificateBoundTokens: true},
		HTTP:      as.Client(), // trusts the certificates of the test; leave it out
		Log:       quiet(),
	})
	s.check(err)
	orders, err := guard.Protect(holdfast.Requirement{}, http.HandlerFunc(hello))
	s.check(err)
	mux.Handle("/orders", orders)

	certificate := holdfasttest.NewCertificate(s, "orders-app")
	token := as.Issue(holdfasttest.TokenSpec{Certificate: certificate.Leaf, ClientID: "orders-app", Audience: []string{srv.URL}})
	caller := func(certificates ...tls.Certificate) *http.Client {
		return &http.Client{Transport: &client.Transport{
			Tokens: fixed{token, nil}, Origins: []string{srv.URL}, AllowBearer: true, // bound by TLS, so without a key
			Base: as.Client(certificates...).Transport,
		}}
	}
	s.get(caller(certificate), srv.URL+"/orders")
	s.get(caller(holdfasttest.NewCertificate(s, "orders-app")), srv.URL+"/orders")
	s.get(caller(), srv.URL+"/orders")
	// Output:
	// 200 hello orders-app, holder of a key: true
	// 401 binding.x5t.mismatch
	// 401 binding.x5t.missing
}
