// Package resource protects HTTP handlers with sender-constrained access tokens.
//
// [New] makes a [Guard] of a [Config] and [Guard.Protect] wraps a handler, which
// then finds who is calling with [AccessFrom]. What is refused is answered with
// the challenges of RFC 6750, RFC 9449, RFC 9470 and RFC 9728 and a body that
// says which rule failed. [Guard.MetadataHandler] publishes the protected
// resource metadata (RFC 9728) by which clients find the authorization server.
//
//	guard, err := resource.New(resource.Config{
//		PublicURL: "https://api.example.com",
//		Verify: holdfast.Config{
//			Issuers:  []string{"https://as.example.com"},
//			Audience: []string{"https://api.example.com"},
//		},
//	})
//	orders, err := guard.Protect(holdfast.Requirement{Scope: []string{"orders:read"}}, handler)
//	mux.Handle("/orders", orders)
//	mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
//
// The package does not terminate TLS, answer CORS preflights or limit rates: a
// preflight carries no credentials, so the CORS middleware goes around the
// protected handler. For certificate-bound tokens (RFC 8705) the listener has to
// ask for a certificate: tls.Config.ClientAuth of at least RequestClientCert.
// The URL in a proof is compared with Config.PublicURL, never with Host or a
// forwarding header, which the peer can choose.
//
// A proof says which key the sender holds. It does not cover the body, the query
// or other header fields, and it replaces neither scopes nor audience.
package resource
