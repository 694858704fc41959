// Package client gets sender-constrained tokens and calls APIs with them.
//
// [Transport] is an http.RoundTripper that adds the token and a fresh DPoP
// proof (RFC 9449) to requests for the origins it was given. [New] makes a
// [Client] of an authorization server, which runs the flows: authorization
// code, client credentials, device code, token exchange, refresh, revocation.
//
// It deliberately does not fall back to Bearer, does not keep keys (package
// keystore does) and does not explain failures: an [*Error] carries the
// redacted exchange for package explain.
//
// A proof binds a token to a key. Whoever can use the key, such as malware in
// the process, can use the token.
package client
