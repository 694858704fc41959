package interop

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

const target = "https://api.example/orders"

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rsaKeys are made once: they are the slow ones.
var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	var out []*rsa.PrivateKey
	for _, bits := range []int{2048, 2048, 3072} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		out = append(out, k)
	}
	return out
})

// newSigner returns a new key for an algorithm, or one of a few for RSA.
func newSigner(t testing.TB, rng *mathrand.Rand, alg string) crypto.Signer {
	t.Helper()
	curves := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}
	var err error
	var k crypto.Signer
	switch c := curves[alg]; {
	case c != nil:
		k, err = ecdsa.GenerateKey(c, rand.Reader)
	case alg == "EdDSA":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		k = rsaKeys()[rng.IntN(len(rsaKeys()))]
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// randomClaims are the claims of a proof and some that nobody knows.
func randomClaims(t testing.TB, rng *mathrand.Rand) string {
	t.Helper()
	claims := map[string]any{
		"jti": randomText(rng), "htm": "POST", "htu": target, "iat": testTime.Unix() + rng.Int64N(9),
	}
	for range rng.IntN(4) {
		claims["x"+randomText(rng)] = []any{randomText(rng), rng.Int64N(1 << 50), nil, true, map[string]any{"k": rng.Float64()}}
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// randomText is never empty and has escapes and characters of every length.
func randomText(rng *mathrand.Rand) string {
	alphabet := []rune("abcXYZ019-_.~ \"\\/\n\t<>&\u00e9\u2028\ufffd\U0001f600")
	var b strings.Builder
	for range 1 + rng.IntN(40) {
		b.WriteRune(alphabet[rng.IntN(len(alphabet))])
	}
	return b.String()
}

// newProofVerifier accepts every algorithm and asks for no nonce.
func newProofVerifier(t testing.TB) *holdfast.ProofVerifier {
	t.Helper()
	clock, run := startedEarlier()
	v, err := holdfast.NewProofVerifier(holdfast.ProofPolicy{
		Algs: []holdfast.Alg{
			holdfast.ES256, holdfast.ES384, holdfast.ES512, holdfast.PS256, holdfast.PS384, holdfast.PS512,
			holdfast.RS256, holdfast.RS384, holdfast.RS512, holdfast.EdDSA,
		},
		Nonce: holdfast.NonceOptional,
		Now:   clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	run()
	return v
}

// judge is the whole of ours: what an endpoint does with a proof.
func judge(v *holdfast.ProofVerifier, proof string) (holdfast.Thumbprint, error) {
	return v.Verify(context.Background(), &holdfast.Presentation{
		Method: "POST", URL: target, Proofs: []holdfast.Secret{holdfast.NewSecret(proof)},
	}, holdfast.ProofNeed{Required: true})
}

// rounds is how many keys, or RSA signatures, are tried for an algorithm.
func rounds(alg string) int {
	switch {
	case alg == "ES512":
		return 60 // the slowest curve
	case strings.HasSuffix(alg, "S256") && alg[0] == 'E', alg == "EdDSA":
		return 300
	case alg[0] == 'E':
		return 100
	}
	return 12
}

// forEachAlgorithm runs f with randomness that is the same in every run.
func forEachAlgorithm(t *testing.T, f func(t *testing.T, rng *mathrand.Rand, alg string)) {
	for i, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(i))
			f(t, mathrand.New(mathrand.NewPCG(1, uint64(i))), alg)
		})
	}
}

func TestOurProofsVerifyEverywhere(t *testing.T) {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	forEachAlgorithm(t, func(t *testing.T, rng *mathrand.Rand, alg string) {
		v := newProofVerifier(t)
		for range rounds(alg) {
			key, err := holdfast.NewKeyAlg(newSigner(t, rng, alg), holdfast.Alg(alg))
			if err != nil {
				t.Fatal(err)
			}
			c := holdfast.ProofClaims{Method: "POST", URL: u, Time: testTime.Add(time.Second)}
			if rng.IntN(2) == 0 {
				c.Token = holdfast.NewSecret(fmt.Sprint("token-", rng.Uint64()))
			}
			proof, err := key.Prove(c)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range everybody() {
				if err := p.verify(proof); err != nil {
					t.Errorf("%s refuses %s: %v", p.name, proof, err)
				}
			}
			if got, err := judge(v, proof); err != nil || got != key.Thumbprint() {
				t.Errorf("Verify = %v, %v, want %v: %s", got, err, key.Thumbprint(), proof)
			}
		}
	})
}

func TestTheirSignaturesVerifyWithOurs(t *testing.T) {
	forEachAlgorithm(t, func(t *testing.T, rng *mathrand.Rand, alg string) {
		v := newProofVerifier(t)
		for range rounds(alg) {
			key := newSigner(t, rng, alg)
			for _, maker := range others() {
				compact, err := maker.sign(key, alg, randomClaims(t, rng))
				if err != nil {
					t.Fatalf("%s: %v", maker.name, err)
				}
				if err := verifyOurs(compact); err != nil {
					t.Errorf("made by %s, refused: %v\n%s", maker.name, err, compact)
				}
				if _, err := judge(v, compact); err != nil {
					t.Errorf("made by %s, Verify: %v\n%s", maker.name, err, compact)
				}
			}
		}
	})
}

// Bits are flipped in the octets, not in the text: what a text may look like is
// the matter of the strictness table.
func TestAnyFlippedBitIsRefusedByAll(t *testing.T) {
	forEachAlgorithm(t, func(t *testing.T, rng *mathrand.Rand, alg string) {
		v := newProofVerifier(t)
		compact, err := signGoJose(newSigner(t, rng, alg), alg, randomClaims(t, rng))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range everybody() {
			if err := p.verify(compact); err != nil {
				t.Fatalf("%s refuses what nobody changed: %v", p.name, err)
			}
		}
		for _, segment := range []int{1, 2} {
			for _, bit := range chosenBits(rng, alg, len(decodeSegment(t, compact, segment))*8) {
				changed := flip(t, compact, segment, bit)
				for _, p := range everybody() {
					if p.verify(changed) == nil {
						t.Errorf("%s accepts with bit %d of segment %d flipped: %s", p.name, bit, segment, changed)
					}
				}
				if _, err := judge(v, changed); err == nil {
					t.Errorf("Verify accepts with bit %d of segment %d flipped: %s", bit, segment, changed)
				}
			}
		}
	})
}

// chosenBits are all n bits of a signature or payload where verifying is cheap,
// otherwise the first, the last and some at random.
func chosenBits(rng *mathrand.Rand, alg string, n int) []int {
	if alg == "ES256" || alg == "EdDSA" {
		return rng.Perm(n)
	}
	return append(rng.Perm(n)[:60], 0, 1, 7, 8, n-8, n-2, n-1)
}

func decodeSegment(t testing.TB, compact string, segment int) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[segment])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func flip(t testing.TB, compact string, segment, bit int) string {
	t.Helper()
	b := decodeSegment(t, compact, segment)
	b[bit/8] ^= 0x80 >> (bit % 8)
	parts := strings.Split(compact, ".")
	parts[segment] = base64.RawURLEncoding.EncodeToString(b)
	return strings.Join(parts, ".")
}
