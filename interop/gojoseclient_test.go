package interop

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	mathrand "math/rand/v2"
	"net/http"
	"testing"
	"time"

	gojose "github.com/go-jose/go-jose/v4"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/token"
)

// goJoseIssuer issues access tokens with go-jose.
type goJoseIssuer struct {
	name string
	key  crypto.Signer
}

// jwks is the public key as a key set of go-jose writes it.
func (i goJoseIssuer) jwks(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(gojose.JSONWebKeySet{Keys: []gojose.JSONWebKey{
		{Key: i.key.Public(), KeyID: "issuer", Algorithm: "ES256", Use: "sig"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// token issues an access token that is bound to a holder.
func (i goJoseIssuer) token(t *testing.T, audience string, holder crypto.PublicKey) string {
	t.Helper()
	jkt, err := (&gojose.JSONWebKey{Key: holder}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	opts := (&gojose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "issuer")
	s, err := gojose.NewSigner(gojose.SigningKey{Algorithm: gojose.ES256, Key: i.key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	j, err := s.Sign(must(json.Marshal(map[string]any{
		"iss": i.name, "aud": audience, "sub": "person", "client_id": "app", "scope": "read", "jti": rand.Text(),
		"iat": now, "exp": now + 300, "cnf": map[string]string{"jkt": encode(jkt)},
	})))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := j.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// TestGuardJudgesWhatGoJoseMinted is the Go counterpart of the table over npm's
// jose: keys and thumbprints as another Go library writes them.
func TestGuardJudgesWhatGoJoseMinted(t *testing.T) {
	rng := mathrand.New(mathrand.NewPCG(1, 2))
	as := goJoseIssuer{"https://as.example", newSigner(t, rng, "ES256")}

	api := newSite(t).protect(t, "/api", func(c *resource.Config, _ string) {
		keys, err := token.ParseJWKS(as.jwks(t))
		if err != nil {
			t.Fatal(err)
		}
		c.Verify.Tokens = token.NewJWT([]token.KeySet{keys})
		c.Verify.Issuers = []string{as.name}
	})
	stranger := newSigner(t, rng, "ES256")
	for _, c := range []struct {
		name   string
		alg    string
		signer crypto.Signer // nil: the holder of the token
		change func(claims map[string]any)
		want   holdfast.Code
	}{
		{name: "ES256", alg: "ES256"},
		{name: "ES384", alg: "ES384"},
		{name: "PS256", alg: "PS256"},
		{name: "EdDSA", alg: "EdDSA"},
		{name: "ES512 is not among the defaults", alg: "ES512", want: holdfast.CodeProofAlgRefused},
		{name: "RS256 is not among the defaults", alg: "RS256", want: holdfast.CodeProofAlgRefused},
		{
			name: "the key of a stranger", alg: "ES256", signer: stranger,
			want: holdfast.CodeBindingJKTMismatch,
		},
		{
			name: "a proof for another host", alg: "ES256",
			change: func(claims map[string]any) { claims["htu"] = "https://api.example/api" },
			want:   holdfast.CodeProofHTUMismatch,
		},
		{
			name: "a proof without ath", alg: "ES256",
			change: func(claims map[string]any) { delete(claims, "ath") },
			want:   holdfast.CodeProofAthMissing,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			holder := newSigner(t, rng, c.alg)
			access := as.token(t, api, holder.Public())
			sum := sha256.Sum256([]byte(access))
			claims := map[string]any{
				"jti": rand.Text(), "htm": http.MethodGet, "htu": api, "iat": time.Now().Unix(), "ath": encode(sum[:]),
			}
			if c.change != nil {
				c.change(claims)
			}
			signer := holder
			if c.signer != nil {
				signer = c.signer
			}
			proof, err := signGoJose(signer, c.alg, string(must(json.Marshal(claims))))
			if err != nil {
				t.Fatal(err)
			}
			status, code := send(t, api, [][2]string{{"Authorization", "DPoP " + access}, {"DPoP", proof}})
			want, wantStatus := "", http.StatusOK
			if c.want != holdfast.CodeOK {
				want, wantStatus = c.want.String(), c.want.Status()
			}
			if code != want || status != wantStatus {
				t.Errorf("status %d with code %q, want %d with %q", status, code, wantStatus, want)
			}
		})
	}
}
