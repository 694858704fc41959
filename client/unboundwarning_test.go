package client_test

import (
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// D-5-10: a token that is bound to nothing is never given out without a warning,
// and no protection is claimed that the server does not know of (RFC 9449 section
// 5.1, RFC 8705 section 3.3).
func TestWhatIsNotBoundIsSaid(t *testing.T) {
	const bearer = "the access token is a bearer token: whoever has it can use it"
	const refresh = "only the refresh token is bound to the proof key"
	for _, row := range []struct {
		name         string
		algs         []string // dpop_signing_alg_values_supported
		certificates bool     // tls_client_certificate_bound_access_tokens
		key, cert    bool
		bound        bool // RefreshBound
		warnings     []string
	}{
		{"a server that knows of proofs and does not bind the token", []string{"ES256"}, false, true, false, true, []string{bearer, refresh}},
		{"a server that knows of no proofs", nil, false, true, false, false, []string{bearer}},
		{"a certificate that the server does not bind to", []string{"ES256"}, false, false, true, false, []string{bearer}},
		{"a certificate that the server binds to", nil, true, false, true, false, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
				withoutNonces(t, p)
				s.bearer, s.meta.DPoPSigningAlgs, s.meta.CertificateBoundTokens = true, row.algs, row.certificates
			})
			c := s.client(t, func(conf *client.Config) {
				conf.AllowBearer = true
				if !row.key {
					conf.Key = nil
				}
				if row.cert {
					conf.Auth.Certificate = newCertificate(t, "app.example")
				}
			})
			g := s.login(t, c)
			if g.Token.Key != nil || g.RefreshBound != row.bound {
				t.Errorf("bound %v, refresh token bound %v", g.Token.Key != nil, g.RefreshBound)
			}
			equalWords(t, "warnings", g.Warnings, row.warnings)
		})
	}
}
