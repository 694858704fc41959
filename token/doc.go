// Package token turns access tokens into facts.
//
// [NewJWT] makes a [holdfast.TokenReader] for JWT access tokens (RFC 9068) over
// key sets that [ParseJWKS] has read; [Introspected] reads an introspection
// response (RFC 7662). What they return is a [holdfast.Token]: facts with a
// State that says how far they can be believed. Whether the token is good
// enough for a request is judged by the check table of package holdfast and
// nowhere else.
//
// The package does no network I/O. It does not look at expiry, audience or
// scope, and it never takes a key, or the place of a key, from a token.
//
// A Token holds the claims of a person. Do not log it.
package token
