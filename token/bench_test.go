package token

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

func BenchmarkReadToken(b *testing.B) {
	claims := `{"iss":"https://as.example.com","exp":1700000600,"x":"` + strings.Repeat("a", 8000) + `"}`
	many := make([]string, MaxKeys)
	for i := range many {
		many[i] = jwk(b, "other", fmt.Sprintf(`,"kid":"k%d"`, i))
	}
	for _, bm := range []struct {
		name string
		sets []KeySet
		raw  string
	}{
		{"one key", []KeySet{keySet(b, testIssuer, jwk(b, "es", `,"kid":"k1"`))}, sign(b, "es", jose.ES256, `,"kid":"k1"`, goodClaims)},
		{"a full key set, no kid, no key fits", []KeySet{keySet(b, testIssuer, many...)}, sign(b, "es", jose.ES256, "", goodClaims)},
		{"a large token under an unknown kid", []KeySet{keySet(b, testIssuer, many...)}, sign(b, "es", jose.ES256, `,"kid":"x"`, claims)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			r, raw := NewJWT(bm.sets), holdfast.NewSecret(bm.raw)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadToken(context.Background(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
