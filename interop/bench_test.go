package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// The figure that matters is x-verify, the ratio to a bare ecdsa.VerifyASN1 that
// is measured in the same run and in turns; every proof has a key that the
// verifier has never seen:
//
//	go test -run '^$' -bench Proof .

func targetURL(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// newProof makes a proof with a new key; method and target are those of all tests.
func newProof(t testing.TB, c holdfast.ProofClaims) (*holdfast.Key, string) {
	t.Helper()
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c.Method, c.URL = "POST", targetURL(t)
	proof, err := key.Prove(c)
	if err != nil {
		t.Fatal(err)
	}
	return key, proof
}

// bareVerify returns one verification of the standard library.
func bareVerify(b *testing.B) func() {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	h := sha256.Sum256([]byte("x"))
	sig, err := ecdsa.SignASN1(rand.Reader, k, h[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if !ecdsa.VerifyASN1(&k.PublicKey, h[:], sig) {
			b.Fatal("a good signature is refused")
		}
	}
}

// against runs op in turns with the bare verification and reports the ratio of
// the median times. The time of the benchmark itself is that of both.
func against(b *testing.B, op func()) {
	b.Helper()
	bare := bareVerify(b)
	allocs := testing.AllocsPerRun(100, op)
	ours, theirs := make([]time.Duration, b.N), make([]time.Duration, b.N)
	b.ResetTimer()
	for i := range b.N {
		t0 := time.Now()
		op()
		t1 := time.Now()
		bare()
		ours[i], theirs[i] = t1.Sub(t0), time.Since(t1)
	}
	b.StopTimer()
	slices.Sort(ours)
	slices.Sort(theirs)
	mine, bareTime := ours[b.N/2], theirs[b.N/2]
	b.ReportMetric(float64(mine)/float64(bareTime), "x-verify")
	b.ReportMetric(float64(mine.Nanoseconds()), "ns/op")
	b.ReportMetric(allocs, "allocs")
}

// proofs are made once per benchmark; each is used once per verifier.
const proofs = 2048

// inTurn calls use with one after the other of the proofs, and renew before the
// first of each round, because a replay is refused.
func inTurn(b *testing.B, renew func(), use func(i int)) {
	i := 0
	against(b, func() {
		if i%proofs == 0 {
			renew()
		}
		use(i % proofs)
		i++
	})
}

func benchNow() time.Time { return testTime }

// startedEarlier is a clock that stands at testTime once a verifier has been made
// with it, and an hour earlier before: a verifier that has just begun to
// remember what was used asks for a nonce.
func startedEarlier() (clock func() time.Time, run func()) {
	now := testTime.Add(-time.Hour)
	return func() time.Time { return now }, func() { now = testTime }
}

// BenchmarkProof is a proof without a token, as at a token endpoint.
func BenchmarkProof(b *testing.B) {
	texts := make([]string, proofs)
	for i := range texts {
		_, texts[i] = newProof(b, holdfast.ProofClaims{Time: testTime})
	}
	b.Run("holdfast", func(b *testing.B) {
		var v *holdfast.ProofVerifier
		renew := func() {
			clock, run := startedEarlier()
			var err error
			if v, err = holdfast.NewProofVerifier(holdfast.ProofPolicy{Nonce: holdfast.NonceOptional, Now: clock}); err != nil {
				b.Fatal(err)
			}
			run()
		}
		inTurn(b, renew, func(i int) {
			if _, err := judge(v, texts[i]); err != nil {
				b.Fatal(err)
			}
		})
	})
	benchHandMade(b, texts, "")
}

// BenchmarkProofWithToken is a proof for a token, as at a resource: ours checks
// issuer, audience, times and binding of a token that costs nothing to read as
// well, the others check ath only.
func BenchmarkProofWithToken(b *testing.B) {
	const token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	texts, keys := make([]string, proofs), make([]*holdfast.Key, proofs)
	for i := range texts {
		keys[i], texts[i] = newProof(b, holdfast.ProofClaims{Token: holdfast.NewSecret(token), Time: testTime})
	}
	b.Run("holdfast", func(b *testing.B) {
		reader := &tokenReader{holdfast.Token{
			State: holdfast.TokenAuthentic, Typed: true, Type: "at+jwt", Issuer: "https://as.example", ClientID: "app",
			Audience: []string{"https://api.example"}, Expires: testTime.Add(time.Hour),
		}}
		var v *holdfast.Verifier
		renew := func() {
			clock, run := startedEarlier()
			var err error
			if v, err = holdfast.NewVerifier(holdfast.Config{
				Tokens: reader, Issuers: []string{"https://as.example"}, Audience: []string{"https://api.example"},
				Proof: holdfast.ProofPolicy{Now: clock},
			}); err != nil {
				b.Fatal(err)
			}
			run()
		}
		inTurn(b, renew, func(i int) {
			reader.token.Confirmation.JKT = keys[i].Thumbprint()
			_, err := v.Verify(context.Background(), &holdfast.Presentation{
				Method: "POST", URL: target,
				Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP " + token)},
				Proofs:        []holdfast.Secret{holdfast.NewSecret(texts[i])},
			}, holdfast.Requirement{})
			if err != nil {
				b.Fatal(err)
			}
		})
	})
	benchHandMade(b, texts, token)
}

// tokenReader gives every token the same facts.
type tokenReader struct{ token holdfast.Token }

func (r *tokenReader) ReadToken(context.Context, holdfast.Secret) (*holdfast.Token, error) {
	return &r.token, nil
}

func benchHandMade(b *testing.B, texts []string, token string) {
	for _, by := range []struct {
		name  string
		maker func() handMade
	}{
		{golangJWT, func() handMade { return newOverGolangJWT(benchNow) }},
		{goJose, func() handMade { return newOverGoJose(benchNow) }},
	} {
		b.Run(by.name, func(b *testing.B) {
			var v handMade
			inTurn(b, func() { v = by.maker() }, func(i int) {
				if _, err := v.verify(texts[i], "POST", target, token); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
