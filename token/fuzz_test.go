package token

import (
	"context"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Only what the key signed is ever authentic, and a cnf never gets lost.
func FuzzReadToken(f *testing.F) {
	set := keySet(f, testIssuer, jwk(f, "es", `,"kid":"k1"`), jwk(f, "rs", ``))
	genuine := sign(f, "es", jose.ES256, `,"typ":"at+jwt","kid":"k1"`, goodClaims)
	f.Add(genuine)
	f.Add(unsigned(`{"alg":"none"}`, goodClaims, ""))
	f.Add(unsigned(`{"alg":"ES256","kid":"k1"}`, `{"exp":1,"cnf":null}`, "AAAA"))
	f.Add("opaque")
	r := NewJWT([]KeySet{set})
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := r.ReadToken(context.Background(), holdfast.NewSecret(raw))
		if err != nil {
			if got != nil {
				t.Fatal("a token beside an error")
			}
			return
		}
		if got.State == holdfast.TokenAuthentic && raw[:strings.LastIndexByte(raw, '.')] != genuine[:strings.LastIndexByte(genuine, '.')] {
			t.Fatalf("authentic without a signature: %q", raw)
		}
		checkBound(t, got)
	})
}

func FuzzIntrospected(f *testing.F) {
	f.Add([]byte(`{"active":true,"token_type":"DPoP","cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`))
	f.Add([]byte(`{"active":true,"token_type":"DPoP"}`))
	f.Add([]byte(`{"active":false}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		got, err := Introspected(response)
		if err != nil {
			return
		}
		if got.State != holdfast.TokenAuthentic && got.State != holdfast.TokenInactive {
			t.Fatalf("state %d", got.State)
		}
		checkBound(t, got)
	})
}

// checkBound: a token whose claims have cnf is never unbound.
func checkBound(t *testing.T, got *holdfast.Token) {
	t.Helper()
	if len(got.Claims) == 0 {
		return
	}
	o, err := strictjson.Parse(string(got.Claims), MaxIntrospectionBytes)
	if err != nil {
		t.Fatalf("facts of claims that do not parse: %v", err)
	}
	if _, has := o.Get("cnf"); has && !got.Confirmation.Bound() {
		t.Fatalf("cnf is lost: %q", got.Claims)
	}
}

func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[` + jwk(f, "es", `,"kid":"k1"`) + `,` + jwk(f, "ed", ``) + `]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseJWKS(text)
		if err != nil {
			return
		}
		if s.Len()+len(s.Skipped()) > MaxKeys {
			t.Fatal("more keys than the limit")
		}
	})
}
