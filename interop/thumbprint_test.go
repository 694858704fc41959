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
		if strings.HasSuffix(alg, "S384") && alg[0] != 'E' || strings.HasSuffix(alg, "S512") && alg[0] != 'E' {
			t.Skip("the keys are those of the other RSA algorithms")
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
