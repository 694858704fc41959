package authserver

import (
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// How far ahead a clock has to be accepted and may be at most under FAPI 2.0
// (section 5.3.2.1), also where a nonce says how old a proof is.
const (
	minAhead = 10 * time.Second
	maxAhead = 60 * time.Second
)

// fapiAlgs are the algorithms of JWTs under FAPI 2.0 (section 5.4.1): of proofs
// and of client assertions.
func fapiAlgs() []holdfast.Alg {
	return []holdfast.Alg{holdfast.PS256, holdfast.ES256, holdfast.EdDSA, holdfast.Ed25519}
}

// prove judges the proof of a request; a missing one is no failure unless it is
// needed. Nothing is consumed before (D-5-13).
func (s *Server) prove(c *call, need holdfast.ProofNeed) (holdfast.Thumbprint, error) {
	base := s.origin
	if s.mtls != nil && c.TLS != nil && c.Host == s.mtls.Host && c.Host != s.origin.Host {
		base = s.mtls
	}
	p, err := holdfast.Present(c.Request, base)
	if err != nil {
		return holdfast.Thumbprint{}, refuse(errInvalidRequest, "the request target cannot be read")
	}
	holder, err := s.proofs.Verify(c.Context(), p, need)
	if err == nil && s.config.Profile == ProfileFAPI2 && !holder.IsZero() && s.tooEarly(p.Proofs[0]) {
		err = holdfast.CodeProofIatFuture
	}
	if err == nil {
		c.event.Holder = holder
		return holder, nil
	}
	code := holdfast.CodeOf(err)
	if code.Family() == holdfast.FamilyServer {
		f := unavailable(err)
		f.check = code
		return holder, f
	}
	f := refuse(code.OAuthError(), code.Public())
	f.check, f.why = code, err
	return holder, f
}

// nextNonce is the nonce of an answer: none if the policy does not use them.
func (s *Server) nextNonce(r *http.Request) (string, error) {
	if s.config.Proof.Nonce == holdfast.NonceOptional {
		return "", nil
	}
	return s.proofs.Nonce(r.Context())
}

// challenge is the nonce that a refused proof has to have, also where the policy
// does not ask for one of every proof; or why there is none.
func (s *Server) challenge(r *http.Request, refused error) (string, error) {
	nonce, err := s.proofs.Nonce(r.Context())
	if err != nil {
		return "", unavailable(err)
	}
	return nonce, refused
}

// tooEarly reads the iat of a proof that was accepted and reports whether FAPI
// 2.0 refuses it. The check table does not: with a nonce of ours the clock of
// the client does not matter (RFC 9449 section 11.1).
func (s *Server) tooEarly(proof holdfast.Secret) bool {
	jws, err := jose.Parse(proof.Reveal(), holdfast.MaxProofBytes)
	if err != nil {
		return true
	}
	claims, err := jws.Claims()
	if err != nil {
		return true
	}
	iat, _ := claims.Get("iat")
	seconds, ok := iat.Seconds()
	return !ok || time.Unix(seconds, 0).After(s.now().Add(maxAhead))
}
