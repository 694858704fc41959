package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
)

// This file and the other casesc files hold set C: counterparts. Each looks
// like an easy case of one cause, and one fact makes it another, or none. Like
// set B it is kept for judging.

// setC lists the builders of set C, part by part.
var setC = [][]func() *scene{
	replayCasesC, clockCasesC, nonceCasesC, grantCasesC, bindingCasesC, schemeCasesC, transportCasesC, bearerCasesC, proofCasesC,
	targetCasesC, healthyCasesC, openCasesC,
}

// digest is the base64url SHA-256 of anything.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return b64(sum[:])
}

// pemOf is the public key as a PEM block.
func pemOf(k *key) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(k.signer.Public()))})
}

// boundAs is a cnf claim with any thumbprint.
func boundAs(jkt string) object { return object{{"cnf", object{{"jkt", jkt}}}} }

// lines is a loose member made of lines of text.
func lines(name string, text ...string) member { return member{name, text} }

// copyOf is the same request sent again at another time and place.
func (s *scene) copyOf(e *exchange, seconds float64, target string) *exchange {
	again := call(s.at(seconds), e.method, target, e.body)
	again.headers = slices.Clone(e.headers)
	return again
}

// introspected is the loose member of an introspection answer.
func introspected(endpoint string, response object) member {
	return member{"introspection", object{{"endpoint", endpoint}, {"response", response}}}
}
