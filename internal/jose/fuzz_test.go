package jose

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// refusal fails unless err is a well-formed *Error.
func refusal(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason == 0 || e.Reason.String() == "unknown reason" || len(err.Error()) > 3000 {
		t.Fatalf("%#v is no proper refusal", err)
	}
}

// FuzzParse holds that an accepted JWS is the only text of its parts: encoding them again gives it back.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f, "dpop_proof", "jwt_decode", "jws") {
		f.Add(v.JWS)
	}
	for _, seed := range []string{"", "..", "e30..", "e30.e30.AAAA", "e30.e30.AB", "e30=.e30.", "a.b.c.d.e", form(`{"crit":[]}`, ``), form(`{"b64":true}`, ``)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		j, err := Parse(text, 1<<16)
		if err != nil {
			refusal(t, err)
			return
		}
		payload, err := DecodeSegment(strings.TrimPrefix(j.SigningInput, j.HeaderSegment+"."))
		if err != nil || string(payload) != j.Payload {
			t.Fatalf("%q: payload %q, %v", text, j.Payload, err)
		}
		header, err := DecodeSegment(j.HeaderSegment)
		if err != nil {
			t.Fatal(err)
		}
		again := EncodeSegment(header) + "." + EncodeSegment([]byte(j.Payload)) + "." + EncodeSegment(j.Signature)
		if again != text {
			t.Fatalf("%q has a second text %q", text, again)
		}
		if (j.Alg != AlgUnknown) && (j.Class != ClassAsymmetric || j.Alg.String() != j.AlgName) {
			t.Fatalf("%q is %v of class %d", j.AlgName, j.Alg, j.Class)
		}
		if _, err := j.Claims(); err != nil {
			refusal(t, err)
		}
	})
}

// FuzzParseKey holds that an accepted key is public, has one thumbprint however it is reached, and never panics.
func FuzzParseKey(f *testing.F) {
	for _, v := range vectors(f, "jwk_thumbprint") {
		f.Add(string(v.JWK))
	}
	for _, k := range sampleKeys(f) {
		f.Add(k.JWK())
	}
	for _, seed := range []string{`{}`, `{"kty":"oct","k":"AA"}`, jwkWith("EC", with{"d": "AA"}), jwkWith("RSA", with{"e": "AAEAAQ"}), jwkWith("OKP", with{"crv": "X25519"})} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		jwk, err := strictjson.Parse(text, 1<<16)
		if err != nil {
			return
		}
		sum, sumErr := Thumbprint(jwk)
		if sumErr != nil {
			refusal(t, sumErr)
		}
		k, err := ParseKey(jwk)
		if err != nil {
			refusal(t, err)
			return
		}
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
			if _, ok := jwk.Get(name); ok {
				t.Fatalf("%s has %s", text, name)
			}
		}
		again, err := NewPublicKey(k.Public())
		if err != nil || sumErr != nil || k.Thumbprint() != sum || again.Thumbprint() != sum || again.JWK() != k.JWK() {
			t.Fatalf("%s: thumbprints differ: %v, %v", text, err, sumErr)
		}
		for _, a := range k.Algs() {
			refusal(t, k.Verify(a, "e30.e30", make([]byte, 64)))
		}
	})
}
