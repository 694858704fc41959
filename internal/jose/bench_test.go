package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// benchProof returns an ES256 proof of usual size and, for comparison, its signature and digest in the form of
// crypto/ecdsa.
func benchProof(tb testing.TB) (proof string, pub *ecdsa.PublicKey, digest [32]byte, der []byte) {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := NewPublicKey(&private.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	header := `{"typ":"dpop+jwt","alg":"ES256","jwk":` + key.JWK() + `}`
	payload := `{"jti":"e1j3V_bKic8-LAEB0123","htm":"GET","htu":"https://resource.example.org/protectedresource",` +
		`"iat":1562262618,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo","nonce":"eyJ7S_zG.eyJH0-Z.HX4w-7v"}`
	proof, err = Sign(private, ES256, header, payload)
	if err != nil {
		tb.Fatal(err)
	}
	j, err := Parse(proof, 8192)
	if err != nil {
		tb.Fatal(err)
	}
	der = appendDER(nil, j.Signature[:32], j.Signature[32:])
	return proof, &private.PublicKey, sha256.Sum256([]byte(j.SigningInput)), der
}

// whole does what a resource server does with a proof.
func whole(tb testing.TB, proof string) {
	j, err := Parse(proof, 8192)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err = j.Claims(); err != nil {
		tb.Fatal(err)
	}
	v, _ := j.Header.Get("jwk")
	jwk, _ := v.Object()
	key, err := ParseKey(jwk)
	if err != nil {
		tb.Fatal(err)
	}
	if err := key.Verify(j.Alg, j.SigningInput, j.Signature); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkVerifyASN1(b *testing.B) {
	_, pub, digest, der := benchProof(b)
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsa.VerifyASN1(pub, digest[:], der) {
			b.Fatal("does not verify")
		}
	}
}

func BenchmarkProof(b *testing.B) {
	proof, _, _, _ := benchProof(b)
	b.ReportAllocs()
	for b.Loop() {
		whole(b, proof)
	}
}

// BenchmarkProofOverhead interleaves both, so that a busy machine disturbs them alike.
func BenchmarkProofOverhead(b *testing.B) {
	proof, pub, digest, der := benchProof(b)
	var bare, ours time.Duration
	for b.Loop() {
		t0 := time.Now()
		ecdsa.VerifyASN1(pub, digest[:], der)
		t1 := time.Now()
		whole(b, proof)
		bare += t1.Sub(t0)
		ours += time.Since(t1)
	}
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
	b.ReportMetric(float64(ours-bare)/float64(b.N), "ns-extra/op")
}

func BenchmarkForm(b *testing.B) {
	proof, _, _, _ := benchProof(b)
	b.ReportAllocs()
	for b.Loop() {
		j, err := Parse(proof, 8192)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := j.Claims(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseKey(b *testing.B) {
	for _, k := range sampleKeys(b) {
		jwk := parseObject(b, k.JWK())
		b.Run(strings.TrimSpace(k.Kty()+" "+k.Crv()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseKey(jwk); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	header := EncodeSegment([]byte(`{"alg":"ES256"}`))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SignSegments(private, ES256, header, `{"jti":"1"}`); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostile feeds what costs most per octet within 64 KiB: it must stay linear and cheap.
func BenchmarkHostile(b *testing.B) {
	const size = 64 << 10
	header := func(text string) string { return EncodeSegment([]byte(text)) + ".e30." }
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, `"m%d":0,`, i)
	}
	for _, c := range []struct{ name, text string }{
		{"long payload", "e30." + strings.Repeat("A", size) + "."},
		{"long header member", header(`{"x":"` + strings.Repeat("y", size*3/4-100) + `"}`)},
		{"thousand members", header(`{` + many.String() + `"z":0}`)},
		{"dots", strings.Repeat(".", size)},
		{"bad character last", "e30.e30." + strings.Repeat("A", size-20) + "*"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Parse(c.text, 2*size)
			}
		})
	}
}

func parseObject(tb testing.TB, text string) strictjson.Object {
	tb.Helper()
	o, err := strictjson.Parse(text, len(text))
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return o
}
