package client_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// D-9-04: what OpenID Connect calls a nonce never becomes the nonce of a proof,
// and a DPoP nonce never becomes a parameter of the authorization request.
func TestTheNonceOfAnIDTokenIsNotThatOfAProof(t *testing.T) {
	const given, oidc = "dpop-nonce-1", "oidc-nonce-1"
	idToken := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"nonce":"`+oidc+`"}`)) + ".AAAA"
	s := newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
		withoutNonces(t, p)
		s.override = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("DPoP-Nonce", given)
			w.Header().Set("Nonce", oidc)
			return false
		}
		s.edit = func(out map[string]any) { out["id_token"], out["nonce"] = idToken, oidc }
	})
	c := s.client(t, nil)
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	callback := s.agree(t, a.URL())
	callback.Set("nonce", oidc)
	g, err := a.Finish(t.Context(), callback)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Refresh(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if g.IDToken.Reveal() != idToken {
		t.Error("the ID token was changed")
	}
	got := append(s.requests("/par"), s.requests("/token")...)
	equalWords(t, "nonces of the proofs", collect(got, func(r asked) string { return r.nonce }), []string{"", given, given})
	for _, r := range got {
		if r.form.Has("nonce") {
			t.Errorf("%s has a parameter nonce", r.path)
		}
	}
}
