package holdfast

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// decodedProof is a proof read with encoding/json, independently of the engine.
type decodedProof struct {
	header, claims map[string]any
	segments       []string
}

func decodeProof(t testing.TB, proof string) decodedProof {
	t.Helper()
	d := decodedProof{segments: strings.Split(proof, ".")}
	for i, into := range []*map[string]any{&d.header, &d.claims} {
		b, err := base64.RawURLEncoding.DecodeString(d.segments[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestProveForEveryKindOfKey(t *testing.T) { // D-4.2-01 D-4.2-02 D-4.2-03 D-4.2-04 D-4.2-14
	for name, alg := range map[string]string{"k1": "ES256", "p384": "ES384", "p521": "ES512", "ed25519": "EdDSA", "rsa2048": "PS256"} {
		t.Run(name, func(t *testing.T) {
			key := readTestKey(t, name)
			proof, err := key.Prove(ProofClaims{Method: "GET", URL: mustURL(t, "https://api.example/a"), Time: testTime})
			if err != nil {
				t.Fatal(err)
			}
			d := decodeProof(t, proof)
			jwk, _ := d.header["jwk"].(map[string]any)
			if d.header["typ"] != "dpop+jwt" || d.header["alg"] != alg || len(jwk) < 3 || len(d.header) != 3 {
				t.Errorf("header is %v", d.header)
			}
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
				if _, ok := jwk[private]; ok {
					t.Errorf("jwk has the private member %s", private)
				}
			}
			v, err := NewProofVerifier(ProofPolicy{Nonce: NonceOptional, Algs: []Alg{Alg(alg)}, Replays: stubReplays{}, Now: func() time.Time { return testTime }})
			if err != nil {
				t.Fatal(err)
			}
			holder, err := v.Verify(t.Context(), &Presentation{Method: "GET", URL: "https://api.example/a", Proofs: []Secret{NewSecret(proof)}}, ProofNeed{})
			if err != nil || holder != key.Thumbprint() {
				t.Errorf("holder %v, %v, want %v", holder, err, key.Thumbprint())
			}
		})
	}
}

func TestProveWritesTheClaims(t *testing.T) { // D-4.2-07 D-4.2-08 D-4.2-09 D-4.2-10 D-4.2-11 D-4.2-12 D-8-06
	key, _ := GenerateKey()
	ath := readPublished(t, "ath")[0]
	allNonce := ""
	for c := byte(0x21); c <= 0x7e; c++ {
		if isQuotable(c) {
			allNonce += string([]byte{c})
		}
	}
	for _, tt := range []struct {
		name string
		c    ProofClaims
		want map[string]any
	}{
		{"query and fragment are left out", ProofClaims{Method: "PATCH", URL: mustURL(t, "https://api.example/a/b?x=1#f")}, map[string]any{"htm": "PATCH", "htu": "https://api.example/a/b"}},
		{"an empty path", ProofClaims{Method: "FOO", URL: mustURL(t, "https://api.example")}, map[string]any{"htm": "FOO", "htu": "https://api.example/"}},
		{"user information is left out", ProofClaims{Method: "GET", URL: mustURL(t, "https://a:b@api.example:8443/%2F")}, map[string]any{"htm": "GET", "htu": "https://api.example:8443/%2F"}},
		{"a token", ProofClaims{Method: "GET", URL: mustURL(t, "https://h/"), Token: NewSecret(ath.AccessToken)}, map[string]any{"htm": "GET", "htu": "https://h/", "ath": ath.Ath}},
		{"a nonce of every character", ProofClaims{Method: "GET", URL: mustURL(t, "https://h/"), Nonce: allNonce}, map[string]any{"htm": "GET", "htu": "https://h/", "nonce": allNonce}},
		{"a long nonce", ProofClaims{Method: "GET", URL: mustURL(t, "https://h/"), Nonce: strings.Repeat("a", MaxNonceBytes)}, map[string]any{"htm": "GET", "htu": "https://h/", "nonce": strings.Repeat("a", MaxNonceBytes)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Time = testTime
			proof, err := key.Prove(tt.c)
			if err != nil {
				t.Fatal(err)
			}
			got := decodeProof(t, proof).claims
			jti, _ := got["jti"].(string)
			if raw, err := base64.RawURLEncoding.DecodeString(jti); err != nil || len(raw) < 12 { // D-4.2-06
				t.Errorf("jti %q", jti)
			}
			delete(got, "jti")
			tt.want["iat"] = float64(testTime.Unix())
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	proof, _ := key.Prove(ProofClaims{Method: "GET", URL: mustURL(t, "https://h/")})
	if iat, _ := decodeProof(t, proof).claims["iat"].(float64); time.Since(time.Unix(int64(iat), 0)).Abs() > 5*time.Second {
		t.Errorf("without a time iat is %v", iat)
	}
}

func TestANewTokenNeedsANewProof(t *testing.T) { // D-7-02
	f := newFixture(t, nil)
	p := f.present(t, f.claims())
	p.Authorization = []Secret{NewSecret("DPoP another." + fixtureToken)}
	refused(t, f, p, Requirement{}, CodeProofAthMismatch)
	c := f.claims()
	c.Token = NewSecret("another." + fixtureToken)
	again := f.present(t, c)
	again.Authorization = p.Authorization
	if _, err := f.v.Verify(t.Context(), again, Requirement{}); err != nil {
		t.Error(err)
	}
}

func TestProveRefuses(t *testing.T) {
	key, _ := GenerateKey()
	ok := mustURL(t, "https://h/")
	for _, tt := range []struct {
		name string
		k    *Key
		c    ProofClaims
	}{
		{"no claims", key, ProofClaims{}},
		{"no key", nil, ProofClaims{Method: "GET", URL: ok}},
		{"the zero key", &Key{}, ProofClaims{Method: "GET", URL: ok}},
		{"no method", key, ProofClaims{URL: ok}},
		{"a method that is no token", key, ProofClaims{Method: "GET\"", URL: ok}},
		{"no URL", key, ProofClaims{Method: "GET"}},
		{"a relative URL", key, ProofClaims{Method: "GET", URL: mustURL(t, "/a")}},
		{"an opaque URL", key, ProofClaims{Method: "GET", URL: mustURL(t, "mailto:a@b")}},
		{"a host that is no ASCII", key, ProofClaims{Method: "GET", URL: mustURL(t, "https://\u00e9.example/")}},
		{"a nonce with a quote", key, ProofClaims{Method: "GET", URL: ok, Nonce: `a"b`}},
		{"a nonce with a space", key, ProofClaims{Method: "GET", URL: ok, Nonce: "a b"}},
		{"a nonce that is too long", key, ProofClaims{Method: "GET", URL: ok, Nonce: strings.Repeat("a", MaxNonceBytes+1)}},
	} {
		if proof, err := tt.k.Prove(tt.c); err == nil || proof != "" {
			t.Errorf("%s: got %q, %v", tt.name, proof, err)
		}
	}
}

// cheapSigner signs without work: here the jti counts, not the signature.
type cheapSigner struct{ crypto.Signer }

func (s cheapSigner) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return make([]byte, ed25519.SignatureSize), nil
}

func TestEveryProofHasItsOwnJTI(t *testing.T) { // D-4.2-05 D-4-01
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewKey(cheapSigner{private})
	if err != nil {
		t.Fatal(err)
	}
	const workers = 16
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 100_000
	}
	c := ProofClaims{Method: "GET", URL: mustURL(t, "https://h/"), Time: testTime}
	seen := make([]map[[16]byte]bool, workers)
	var wg sync.WaitGroup
	for w := range workers {
		seen[w] = make(map[[16]byte]bool, n/workers)
		wg.Go(func() {
			for range n / workers {
				proof, err := key.Prove(c)
				if err != nil {
					t.Error(err)
					return
				}
				payload, _ := jose.DecodeSegment(strings.Split(proof, ".")[1])
				jti, err := jose.DecodeSegment(string(payload[len(`{"jti":"`):][:22]))
				if err != nil {
					t.Error(err)
					return
				}
				id := [16]byte(jti)
				if seen[w][id] {
					t.Errorf("jti %x was made twice", id)
				}
				seen[w][id] = true
			}
		})
	}
	wg.Wait()
	all := make(map[[16]byte]bool, n)
	for _, m := range seen {
		for id := range m {
			if all[id] {
				t.Fatalf("jti %x was made twice", id)
			}
			all[id] = true
		}
	}
	if len(all) != n/workers*workers {
		t.Errorf("%d jti, want %d", len(all), n)
	}
}

func TestKeysPrintTheirThumbprintOnly(t *testing.T) {
	signer := readTestSigner(t, "k1").(*ecdsa.PrivateKey)
	key := readTestKey(t, "k1")
	secret, _ := signer.Bytes()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{key, *key} {
			if got := fmt.Sprintf(verb, value); got != "ES256 "+key.Thumbprint().String() || strings.Contains(got, string(secret)) {
				t.Errorf("%s of %T prints %q", verb, value, got)
			}
		}
	}
}

func TestKeysAreRefused(t *testing.T) {
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	weak := readTestSigner(t, "rsa1024")
	good := readTestSigner(t, "k1")
	for name, s := range map[string]crypto.Signer{"none": nil, "P-224": p224, "RSA of 1024 bits": weak} {
		if k, err := NewKey(s); err == nil || k != nil {
			t.Errorf("%s: got %v, %v", name, k, err)
		}
		if k, err := NewKeyAlg(s, ES256); err == nil || k != nil {
			t.Errorf("%s: got %v, %v", name, k, err)
		}
	}
	for _, a := range []Alg{"none", "HS256", "ES384", "ES256K", "EdDSA", "", "es256"} { // D-4.2-02
		if k, err := NewKeyAlg(good, a); err == nil || k != nil {
			t.Errorf("%s: got %v, %v", a, k, err)
		}
	}
	if k, err := NewKeyAlg(readTestSigner(t, "rsa2048"), RS256); err != nil || k.Alg() != RS256 {
		t.Errorf("RS256: got %v, %v", k, err)
	}
}
