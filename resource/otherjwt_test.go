package resource

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// D-11.5-01: JWTs that the holder's own key signed for something else are no
// proofs. Each has every claim of a proof and the key in its header, so that
// nothing but its kind is left to refuse it for; the last row shows that.
func TestJWTsOfTheHolderForOtherPurposesAreNoProofs(t *testing.T) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := holdfast.NewKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.NewPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, typ string
		claims    map[string]any
		want      holdfast.Code
	}{
		{"a client assertion", "JWT", map[string]any{"iss": "app", "sub": "app", "aud": issuer}, holdfast.CodeProofTypWrong},
		{"a client assertion with a typ of its own", "client-authentication+jwt", map[string]any{"iss": "app", "sub": "app", "aud": issuer}, holdfast.CodeProofTypWrong},
		{"an ID token", "JWT", map[string]any{"iss": issuer, "sub": "user-1", "aud": "app", "nonce": "n"}, holdfast.CodeProofTypWrong},
		{"an access token", "at+jwt", map[string]any{"iss": issuer, "sub": "user-1", "aud": audience, "client_id": "app"}, holdfast.CodeProofTypWrong},
		{"a logout token", "logout+jwt", map[string]any{"iss": issuer, "sub": "user-1", "aud": "app"}, holdfast.CodeProofTypWrong},
		{"a proof with the claims of all of them", "dpop+jwt", map[string]any{"iss": issuer, "sub": "user-1", "aud": audience}, holdfast.CodeOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.key = key
			c := w.good()
			var claims map[string]any
			part, err := jose.Parse(w.proof(c), holdfast.MaxProofBytes)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(part.Payload), &claims); err != nil {
				t.Fatal(err)
			}
			for name, v := range tt.claims {
				claims[name] = v
			}
			claims["exp"] = startTime.Unix() + 60
			payload, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			jwt, err := jose.Sign(signer, jose.ES256, `{"typ":"`+tt.typ+`","alg":"ES256","jwk":`+public.JWK()+`}`, string(payload))
			if err != nil {
				t.Fatal(err)
			}
			c.proofs = []string{jwt}
			a := w.do(c)
			if tt.want == holdfast.CodeOK {
				w.accepted(a)
				return
			}
			w.refused(a, tt.want)
			if ch, _ := a.challenge(t, "DPoP"); ch.Error != "invalid_dpop_proof" {
				t.Errorf("error %q, want invalid_dpop_proof", ch.Error)
			}
		})
	}
}
