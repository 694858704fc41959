// Package holdfast proves, verifies and explains sender-constrained OAuth
// requests: DPoP proofs (RFC 9449) and certificate-bound tokens (RFC 8705),
// beside ordinary bearer tokens (RFC 6750).
//
// Most people need three names: [Key.Prove] makes a proof, [Verifier.Verify]
// accepts or refuses a request with a [Code], and [Verifier.Explain] walks the
// same table of checks and reports every outcome. There is one table
// (check.go) and one list of codes (code.go); read those two files first.
//
//	key, _ := holdfast.GenerateKey()
//	proof, _ := key.Prove(holdfast.ProofClaims{Method: "GET", URL: target, Token: token})
//	request.Header.Set("Authorization", "DPoP "+token.Reveal())
//	request.Header.Set("DPoP", proof)
//
// The package does no network I/O, starts no goroutine, imports the standard
// library only and reads the clock only through ProofPolicy.Now. It does not
// fetch keys or metadata, serve HTTP or store anything outside the process:
// packages token, metadata, resource, client and store do.
//
// A proof shows that the sender holds a key. It does not replace TLS, scopes,
// audience checks, refresh-token rotation or control of a compromised client,
// and it covers neither body, query nor other header fields.
package holdfast
