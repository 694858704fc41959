package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"
)

// rsaSample is made once: it is the only slow key.
var rsaSample = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// sampleSigners returns one private key of each type and curve.
func sampleSigners(tb testing.TB) []crypto.Signer {
	tb.Helper()
	out := []crypto.Signer{rsaSample()}
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, k)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return append(out, ed)
}

func sampleKeys(tb testing.TB) []*PublicKey {
	tb.Helper()
	var out []*PublicKey
	for _, s := range sampleSigners(tb) {
		out = append(out, mustKey(tb, s))
	}
	return out
}

// mustKey returns the public key of s by way of its JWK, so that tests run over both constructors.
func mustKey(tb testing.TB, s crypto.Signer) *PublicKey {
	tb.Helper()
	k, err := NewPublicKey(s.Public())
	if err != nil {
		tb.Fatal(err)
	}
	parsed, err := ParseKey(parseObject(tb, k.JWK()))
	if err != nil {
		tb.Fatalf("ParseKey(%s): %v", k.JWK(), err)
	}
	if parsed.Thumbprint() != k.Thumbprint() {
		tb.Fatalf("the thumbprint of %s depends on the constructor", k.JWK())
	}
	return parsed
}
