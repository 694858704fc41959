package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// The length of a code_verifier (RFC 7636 section 4.1).
const (
	minVerifierBytes = 43
	maxVerifierBytes = 128
)

// issueCode spends the pushed request, if there is one (a *refusal
// invalid_request_uri if it was spent before), and issues an authorization code
// for what the person approved. In this order: a crash between the two costs a
// login, and never makes two codes of one request.
func (s *Server) issueCode(ctx context.Context, q *authorizationRequest, a approval) (holdfast.Secret, error) {
	if q.Pushed != nil {
		if err := s.spend(ctx, *q.Pushed); err != nil {
			return holdfast.Secret{}, err
		}
	}
	code := newHandle()
	r := codeRecord{
		Approval: a, RedirectURI: q.RedirectURI, RedirectImplied: q.RedirectImplied,
		Challenge: q.Challenge, JKT: q.JKT, Until: s.now().Add(s.config.CodeLifetime),
	}
	if err := create(ctx, s.store, kindCode, keyOf(code.Reveal()), "", r.Until, r); err != nil {
		return holdfast.Secret{}, unavailable(err)
	}
	return code, nil
}

// redeem is the authorization code grant (RFC 6749 section 4.1.3).
func (s *Server) redeem(c *call) (any, error) {
	e, err := s.readCode(c)
	if err != nil {
		return nil, err
	}
	r := &e.Value
	to, scope, err := s.target(c, r.Approval.Resources, r.Approval.Scope)
	if err != nil {
		return nil, err
	}
	var need holdfast.ProofNeed
	if !r.JKT.IsZero() {
		need.Code = &r.JKT
	}
	holder, err := s.bind(c, need, to)
	if err != nil {
		return nil, err
	}
	if err := s.stillApproved(c, &r.Approval, holder); err != nil {
		return nil, err
	}
	g, err := spendOn(s, c, e, r.Approval, holder, "code")
	if err != nil {
		return nil, err
	}
	return s.issue(c, g.access(to, scope), to, holder, g.refreshToken())
}

// readCode returns the record of the code in a request that may redeem it, spent
// or not.
func (s *Server) readCode(c *call) (*entry[codeRecord], error) {
	code := c.form.Get("code")
	if code == "" {
		return nil, refuse(errInvalidRequest, "the parameter code is missing")
	}
	unknown := refuse(errInvalidGrant, "the parameter code is unknown, expired or of another client")
	if !isHandle(code) {
		return nil, unknown
	}
	e, err := load[codeRecord](c.Context(), s.store, kindCode, keyOf(code))
	switch {
	case missing(err):
		return nil, unknown
	case err != nil:
		return nil, unavailable(err)
	}
	r := &e.Value
	if r.Approval.Client != c.client.ClientID || !r.Spent && !s.now().Before(r.Until) {
		return nil, unknown
	}
	if uri := c.form.Get("redirect_uri"); uri != r.RedirectURI && (uri != "" || !r.RedirectImplied) {
		return nil, refuse(errInvalidGrant, "the parameter redirect_uri is not that of the authorization request")
	}
	if !verifies(c.form.Get("code_verifier"), r.Challenge) {
		return nil, refuse(errInvalidGrant, "the parameter code_verifier does not belong to the code")
	}
	return e, nil
}

// verifies reports whether a code_verifier belongs to an S256 challenge (RFC
// 7636 section 4.6). A code without a challenge has no verifier at all (RFC 9700
// section 2.1.1).
func verifies(verifier, challenge string) bool {
	if len(verifier) < minVerifierBytes || len(verifier) > maxVerifierBytes {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(jose.EncodeSegment(sum[:])), []byte(challenge)) == 1
}

func (r *codeRecord) spend(grant [32]byte) { r.Spent, r.Grant = true, grant }

func (r *codeRecord) spentOn() (grant [32]byte, spent bool) { return r.Grant, r.Spent }
