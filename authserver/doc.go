// Package authserver is an OAuth authorization server that binds tokens to
// their holder: to a proof key (DPoP, RFC 9449) or to a client certificate
// (mTLS, RFC 8705), under the advice of RFC 9700.
//
// [New] checks a [Config] and gives a [Server]; its Handler serves the endpoints.
// People log in through a [Directory] of their passwords or an [Upstream]
// identity provider, which others implement; records are kept in a store.Store.
//
//	server, err := authserver.New(ctx, authserver.Config{
//		Issuer:      "https://as.example",
//		Store:       records,
//		SealingKeys: []holdfast.Secret{key},
//		Resources:   []authserver.Resource{{ID: "https://api.example", Scopes: []string{"read"}}},
//	})
//	http.ListenAndServeTLS(":443", cert, certKey, server.Handler())
//
// There is no implicit grant, no password grant, no PKCE method but S256 and no
// redirect to an address that was not registered. A proof is checked before a
// code, a refresh token, a pushed request or a device code is consumed.
//
// It is not an OpenID Connect provider: it issues no ID tokens. It does not
// terminate TLS. A bound token does not help against somebody who can use the
// key, such as malware in the client's process; revocation by key does.
package authserver
