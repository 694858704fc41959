package holdfast_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/token"
)

// BenchmarkVerifyReturningClient is proof plus JWT access token of a client that
// was seen before, over the memories that a server has: of headers in the
// engine, of tokens in a token.Cache. Without the second one the token's
// signature is verified each time.
func BenchmarkVerifyReturningClient(b *testing.B) {
	for _, tt := range []struct {
		name   string
		cached bool
	}{{"cached", true}, {"token-not-cached", false}} {
		b.Run(tt.name, func(b *testing.B) { returningClient(b, tt.cached) })
	}
}

func returningClient(b *testing.B, cached bool) {
	const issuer, audience, target = "https://as.example", "https://api.example", "https://api.example/orders/81"
	now := time.Now()
	key, err := holdfast.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	raw, keys := benchToken(b, issuer, audience, key.Thumbprint(), now)
	var tokens holdfast.TokenReader = token.NewJWT([]token.KeySet{keys})
	if cached {
		if tokens, err = token.NewCache(token.CacheConfig{Tokens: tokens}); err != nil {
			b.Fatal(err)
		}
	}
	started := now.Add(-time.Hour)
	clock := &started
	v, err := holdfast.NewVerifier(holdfast.Config{
		Tokens: tokens, Issuers: []string{issuer}, Audience: []string{audience},
		Proof: holdfast.ProofPolicy{Now: func() time.Time { return *clock }},
	})
	if err != nil {
		b.Fatal(err)
	}
	clock = &now
	u, err := url.Parse(target)
	if err != nil {
		b.Fatal(err)
	}
	need := holdfast.Requirement{Scope: []string{"read"}}
	ps := make([]*holdfast.Presentation, 4096)
	made := func() *holdfast.Presentation {
		proof, err := key.Prove(holdfast.ProofClaims{Method: "GET", URL: u, Token: raw, Time: now})
		if err != nil {
			b.Fatal(err)
		}
		return &holdfast.Presentation{
			Method: "GET", URL: target,
			Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP " + raw.Reveal())}, Proofs: []holdfast.Secret{holdfast.NewSecret(proof)},
		}
	}
	for i := range ps {
		ps[i] = made()
	}
	i := 0
	holdfast.Against(b, 1, func() {
		if i == len(ps) { // proofs are used once: make new ones, outside of the typical call that the median is
			for k := range ps {
				ps[k] = made()
			}
			i = 0
		}
		if _, err := v.Verify(b.Context(), ps[i], need); err != nil {
			b.Fatal(err)
		}
		i++
	})
}

// benchToken makes an RFC 9068 token bound to a key, and the key set of its issuer.
func benchToken(b *testing.B, issuer, audience string, jkt holdfast.Thumbprint, now time.Time) (holdfast.Secret, token.KeySet) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	public, err := jose.NewPublicKey(private.Public())
	if err != nil {
		b.Fatal(err)
	}
	set, err := token.ParseJWKS([]byte(`{"keys":[` + public.JWK() + `]}`))
	if err != nil {
		b.Fatal(err)
	}
	set.Issuer = issuer
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	claims := `{"iss":"` + issuer + `","aud":"` + audience + `","sub":"user-7","client_id":"app","scope":"read write","jti":"k1",` +
		`"iat":` + unix(now) + `,"exp":` + unix(now.Add(time.Hour)) + `,"cnf":{"jkt":"` + jkt.String() + `"}}`
	compact, err := jose.Sign(private, jose.ES256, `{"typ":"at+jwt","alg":"ES256","kid":"1"}`, claims)
	if err != nil {
		b.Fatal(err)
	}
	return holdfast.NewSecret(compact), set
}
