package interop

import (
	"crypto"
	"encoding/json"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	gojose "github.com/go-jose/go-jose/v4"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/holdfast-oauth/holdfast"
)

// thumbprints are those of the other parties that have them, for a JWK as JSON.
var thumbprints = map[string]func(text string) ([]byte, error){
	goJose: func(text string) ([]byte, error) {
		var k gojose.JSONWebKey
		if err := json.Unmarshal([]byte(text), &k); err != nil {
			return nil, err
		}
		return k.Thumbprint(crypto.SHA256)
	},
	jwx: func(text string) ([]byte, error) {
		k, err := jwk.ParseKey([]byte(text))
		if err != nil {
			return nil, err
		}
		return k.Thumbprint(crypto.SHA256)
	},
}

// writers give the JWK of a key as each party writes it.
var writers = map[string]func(key any) ([]byte, error){
	goJose: func(key any) ([]byte, error) { return json.Marshal(gojose.JSONWebKey{Key: key}) },
	jwx: func(key any) ([]byte, error) {
		k, err := jwk.Import(key)
		if err != nil {
			return nil, err
		}
		return json.Marshal(k)
	},
	"standard library": func(key any) ([]byte, error) {
		if s, ok := key.(crypto.Signer); ok {
			key = s.Public()
		}
		return json.Marshal(plainJWK(key))
	},
}

func TestThumbprintsAgree(t *testing.T) {
	forEachAlgorithm(t, func(t *testing.T, rng *mathrand.Rand, alg string) {
		if alg[0] != 'E' && alg != "RS256" {
			t.Skip("the keys are those of RS256")
		}
		for range rounds(alg) {
			signer := newSigner(t, rng, alg)
			key, err := holdfast.NewKeyAlg(signer, holdfast.Alg(alg))
			if err != nil {
				t.Fatal(err)
			}
			for writer, write := range writers {
				// RFC 7638 section 3.2.1: that of a private key is that of its public key.
				for _, k := range []any{signer, signer.Public()} {
					text, err := write(k)
					if err != nil {
						t.Fatalf("%s: %v", writer, err)
					}
					sameThumbprint(t, key.Thumbprint(), string(text))
					sameThumbprint(t, key.Thumbprint(), withExtraMembers(t, rng, text))
				}
			}
		}
	})
}

func sameThumbprint(t *testing.T, want holdfast.Thumbprint, text string) {
	t.Helper()
	if got, err := holdfast.ThumbprintOf(text); err != nil || got != want {
		t.Errorf("ThumbprintOf = %v, %v, want %v: %s", got, err, want, text)
	}
	for name, thumbprint := range thumbprints {
		if got, err := thumbprint(text); err != nil || string(got) != string(want[:]) {
			t.Errorf("%s says %x, %v, want %x: %s", name, got, err, want[:], text)
		}
	}
}

// withExtraMembers adds members that a thumbprint does not cover, in any order
// and with white space.
func withExtraMembers(t *testing.T, rng *mathrand.Rand, text []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"kid": randomText(rng), "use": "sig", "x-" + randomText(rng): []any{rng.Uint32(), nil, map[string]any{"kty": "RSA"}},
	} {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		members[name] = b
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var b strings.Builder
	sep := "{\n"
	for _, name := range names {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(sep + "\t" + string(quoted) + " : " + string(members[name]))
		sep = ",\r\n"
	}
	return b.String() + " }"
}

// A key that is encoded in another way than the one correct has no thumbprint
// that all agree on: ours hashes the values as given (RFC 7638 section 3.3), the
// others what they read. That is why a proof with such a key is refused.
func TestThumbprintsOfOtherEncodingsDiffer(t *testing.T) {
	for _, tt := range []struct {
		name, alg string
		change    func(f *forge)
	}{
		{"rsa exponent with a leading zero", "RS256", func(f *forge) { f.setMember("e", encode([]byte{0, 1, 0, 1})) }},
		{"rsa modulus with a leading zero", "RS256", func(f *forge) {
			f.setMember("n", encode(append([]byte{0}, f.coordinate("n")...)))
		}},
		{"trailing bits of x", "ES256", func(f *forge) { f.setMember("x", trailingBit(encode(f.coordinate("x")))) }},
		{"trailing bits of x on edwards25519", "EdDSA", func(f *forge) { f.setMember("x", trailingBit(encode(f.coordinate("x")))) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newForge(forgedKeys()[tt.alg], tt.alg)
			want, err := holdfast.ThumbprintOf(f.jwk)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(f)
			if got, err := holdfast.ThumbprintOf(f.jwk); err != nil || got == want {
				t.Errorf("ThumbprintOf = %v, %v, want another than of the correct encoding: %s", got, err, f.jwk)
			}
			if err := verifyOurs(f.compact()); err == nil {
				t.Errorf("accepted in a proof: %s", f.jwk)
			}
			for name, thumbprint := range thumbprints {
				if got, err := thumbprint(f.jwk); err != nil || string(got) != string(want[:]) {
					t.Errorf("%s changed: it gave the thumbprint of the correct encoding, now %x, %v", name, got, err)
				}
			}
		})
	}
}
