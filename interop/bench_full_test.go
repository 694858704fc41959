package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/token"
)

// BenchmarkReturningClient is all that a resource server does for a client that
// it has seen before: proof, JWT access token and binding. Ours has the caches
// that package resource gives it; over golang-jwt both signatures are verified
// by hand, as its users do. x-holdfast is theirs over ours, measured in turns.
func BenchmarkReturningClient(b *testing.B) {
	const issuer, audience = "https://as.example", "https://api.example"
	key, err := holdfast.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	access := gojwt.NewWithClaims(gojwt.SigningMethodES256, gojwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "user-7", "client_id": "app", "scope": "read write", "jti": "k1",
		"iat": testTime.Unix(), "exp": testTime.Add(time.Hour).Unix(), "cnf": map[string]any{"jkt": key.Thumbprint().String()},
	})
	access.Header["typ"] = "at+jwt"
	raw, err := access.SignedString(signer)
	if err != nil {
		b.Fatal(err)
	}
	texts := make([]string, proofs)
	for i := range texts {
		c := holdfast.ProofClaims{Method: "POST", URL: targetURL(b), Token: holdfast.NewSecret(raw), Time: testTime}
		if texts[i], err = key.Prove(c); err != nil {
			b.Fatal(err)
		}
	}

	public, err := jose.NewPublicKey(signer.Public())
	if err != nil {
		b.Fatal(err)
	}
	set, err := token.ParseJWKS([]byte(`{"keys":[` + public.JWK() + `]}`))
	if err != nil {
		b.Fatal(err)
	}
	set.Issuer = issuer
	cache, err := token.NewCache(token.CacheConfig{Tokens: token.NewJWT([]token.KeySet{set}), Now: benchNow})
	if err != nil {
		b.Fatal(err)
	}
	var v *holdfast.Verifier
	var theirs *overGolangJWT
	renew := func() { // a replay is refused: begin each round with an empty memory
		clock, run := startedEarlier()
		if v, err = holdfast.NewVerifier(holdfast.Config{
			Tokens: cache, Issuers: []string{issuer}, Audience: []string{audience}, Proof: holdfast.ProofPolicy{Now: clock},
		}); err != nil {
			b.Fatal(err)
		}
		run()
		theirs = newOverGolangJWT(benchNow)
	}
	renew()
	ours := func(i int) {
		if _, err := v.Verify(context.Background(), &holdfast.Presentation{
			Method: "POST", URL: target,
			Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP " + raw)},
			Proofs:        []holdfast.Secret{holdfast.NewSecret(texts[i])},
		}, holdfast.Requirement{Scope: []string{"read"}}); err != nil {
			b.Fatal(err)
		}
	}
	byHand := func(i int) {
		thumbprint, err := theirs.verify(texts[i], "POST", target, raw)
		if err == nil {
			err = checkAccess(raw, issuer, audience, thumbprint, &signer.PublicKey)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	bare := bareVerify(b)
	times := [3][]time.Duration{}
	n := 0
	for b.Loop() {
		if n%proofs == 0 {
			renew()
		}
		t0 := time.Now()
		ours(n % proofs)
		t1 := time.Now()
		byHand(n % proofs)
		t2 := time.Now()
		bare()
		t3 := time.Now()
		for i, d := range []time.Duration{t1.Sub(t0), t2.Sub(t1), t3.Sub(t2)} {
			times[i] = append(times[i], d)
		}
		n++
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2])
	}
	mine, hand, verify := median(0), median(1), median(2)
	b.ReportMetric(mine/verify, "holdfast-x-verify")
	b.ReportMetric(hand/verify, "golang-jwt-x-verify")
	b.ReportMetric(hand/mine, "golang-jwt-x-holdfast")
}

// checkAccess verifies an access token by hand over golang-jwt.
func checkAccess(raw, issuer, audience, thumbprint string, key *ecdsa.PublicKey) error {
	var claims struct {
		gojwt.RegisteredClaims
		Scope        string `json:"scope"`
		Confirmation struct {
			JKT string `json:"jkt"`
		} `json:"cnf"`
	}
	parser := gojwt.NewParser(gojwt.WithValidMethods([]string{"ES256"}), gojwt.WithIssuer(issuer), gojwt.WithAudience(audience),
		gojwt.WithExpirationRequired(), gojwt.WithTimeFunc(benchNow), gojwt.WithStrictDecoding())
	t, err := parser.ParseWithClaims(raw, &claims, func(*gojwt.Token) (any, error) { return key, nil })
	switch {
	case err != nil:
		return err
	case t.Header["typ"] != "at+jwt":
		return errors.New("typ is not at+jwt")
	case claims.Confirmation.JKT != thumbprint:
		return errors.New("the token is bound to another key")
	case claims.Scope != "read write":
		return errors.New("scope is missing")
	}
	return nil
}
