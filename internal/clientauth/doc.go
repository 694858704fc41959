// Package clientauth is how an OAuth client proves who it is to an authorization
// server: by a shared secret (RFC 6749 section 2.3.1), a signed assertion (RFC
// 7523) or its TLS certificate (RFC 8705 section 2).
//
// On the side of the client, [New] checks a [Config] and gives an
// [Authenticator], whose Apply puts the proof into one request. On the side of
// the server, [Credentials] reads which one method a request uses, and a
// [Verifier] judges it against the [Client] that is registered.
//
// It sends no requests but those for the key sets of clients (jwks_uri), keeps
// no clients and no used assertions, and has no TLS settings: whoever sends or
// serves the request does. A DPoP proof is not client authentication (RFC 9449
// section 4) and is none of its business either.
//
// An assertion is good for one request: apply again before every retry. What a
// [Refusal] says is for the operator, only its Public text for the peer.
package clientauth
