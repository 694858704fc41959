package holdfast

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"
)

// neverSeen verifies proofs of keys that the verifier has never seen, each
// once: the whole path of Verify at an authorization server.
func BenchmarkProofNeverSeenKey(b *testing.B) {
	now := time.Now()
	v, err := NewProofVerifier(ProofPolicy{Nonce: NonceOptional, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	f := newFixture(b, nil)
	const n = 512
	ps := make([]*Presentation, n)
	for i := range ps {
		key, _ := GenerateKey()
		c := f.claims()
		c.Time = now.Add(time.Second)
		proof, _ := key.Prove(c)
		ps[i] = &Presentation{Method: "GET", URL: "https://api.example/orders/81", Proofs: []Secret{NewSecret(proof)}}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		if i%n == 0 { // replays are refused: begin with an empty cache
			b.StopTimer()
			v, _ = NewProofVerifier(ProofPolicy{Nonce: NonceOptional, Now: func() time.Time { return now }})
			b.StartTimer()
		}
		if _, err := v.Verify(b.Context(), ps[i%n], ProofNeed{Required: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBareVerifyASN1(b *testing.B) {
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h := sha256.Sum256([]byte("x"))
	sig, _ := ecdsa.SignASN1(rand.Reader, k, h[:])
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if !ecdsa.VerifyASN1(&k.PublicKey, h[:], sig) {
			b.Fatal("bad")
		}
	}
}
