// Package token turns access tokens into facts.
//
// [Remote] reads the JWT access tokens (RFC 9068) of one issuer with the keys it
// publishes, [Introspector] asks the issuer about a token (RFC 7662), [ByIssuer]
// joins several of them and [Cache] saves work; all are a [holdfast.TokenReader].
// Without a network, [NewJWT] reads JWT over key sets that [ParseJWKS] has read,
// and [Introspected] reads an introspection response.
//
// What they return is a [holdfast.Token]: facts with a State that says how far
// they can be believed. Whether the token is good enough for a request is judged
// by the check table of package holdfast and nowhere else: the package does not
// look at expiry, audience or scope, except that a Cache forgets what has
// expired. It never takes a key, or the place of a key, from a token.
//
// A check that could not be made is an [*Error], which refuses the request and
// is not blamed on the client. A Token holds the claims of a person: do not log
// it.
package token
