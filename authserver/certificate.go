package authserver

import (
	"crypto/sha256"

	"github.com/holdfast-oauth/holdfast"
)

// certificate is the thumbprint of the certificate that the peer has shown in
// the TLS handshake (RFC 8705 section 3.1); zero without one, or if the server
// has no mTLS. Who signed it does not matter for binding: the handshake has
// proved possession of its key.
func (s *Server) certificate(c *call) holdfast.Thumbprint {
	if s.mtls == nil || c.TLS == nil || len(c.TLS.PeerCertificates) == 0 {
		return holdfast.Thumbprint{}
	}
	return sha256.Sum256(c.TLS.PeerCertificates[0].Raw)
}

// bind says whom the tokens of a request are bound to: the key of its proof,
// which has to be there unless something else binds or nothing has to; otherwise
// its certificate, for a client that wants that (RFC 8705 section 3.4) and
// wherever unbound tokens are not allowed. A token is bound once.
func (s *Server) bind(c *call, need holdfast.ProofNeed, to *Resource) (binding, error) {
	x5t := s.certificate(c)
	if c.client.CertificateBoundTokens && x5t.IsZero() {
		return binding{}, refuse(errInvalidRequest, "the client has tls_client_certificate_bound_access_tokens: the connection has to show a certificate")
	}
	// A resource for unbound tokens needs no holder, but the refresh token of a
	// public client does (RFC 9449 section 5).
	unbound := s.config.AllowUnbound || to.Unbound && !c.client.public()
	need.Required = c.client.DPoPBoundTokens || x5t.IsZero() && !unbound
	jkt, err := s.prove(c, need)
	if err == nil && !x5t.IsZero() { // also if something else binds
		err = s.unblocked(c.Context(), "", binding{X5T: x5t})
	}
	switch {
	case err != nil:
		return binding{}, err
	case !jkt.IsZero():
		return binding{JKT: jkt}, nil
	case x5t.IsZero(), s.config.AllowUnbound && !c.client.CertificateBoundTokens:
		return binding{}, nil
	}
	c.event.Holder = x5t
	return binding{X5T: x5t}, nil
}
