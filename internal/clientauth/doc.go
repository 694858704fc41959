// Package clientauth is how an OAuth client proves who it is to an authorization
// server: by a shared secret (RFC 6749 section 2.3.1), a signed assertion (RFC
// 7523) or its TLS certificate (RFC 8705 section 2).
//
// [New] checks a [Config] and gives an [Authenticator], whose Apply puts the
// proof into one request.
//
// It sends nothing and has no TLS settings: whoever sends the request presents
// the certificate. A DPoP proof is not client authentication (RFC 9449 section 4)
// and is none of its business either.
//
// An assertion is good for one request: apply again before every retry.
package clientauth
