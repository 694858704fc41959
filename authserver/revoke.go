package authserver

import (
	"context"

	"github.com/holdfast-oauth/holdfast"
)

// revoke is the revocation endpoint (RFC 7009). A token that is unknown or dead
// is revoked enough: the answer is 200 without a body.
func (s *Server) revoke(c *call) (any, error) {
	raw, err := tokenOf(c)
	if err != nil {
		return nil, err
	}
	subject, err := s.revokeToken(c.Context(), raw, c.client.ClientID, "revoked by its client")
	c.event.Subject = subject
	return nil, err
}

// revokeToken ends an access token, or the grant of a refresh token with all of
// its tokens (RFC 7009 section 2.1), also of one that is spent already. The token
// has to be of that client; "" means any. It returns whose token it was.
func (s *Server) revokeToken(ctx context.Context, raw holdfast.Secret, client, why string) (subject string, err error) {
	e, _, err := s.readRefresh(ctx, raw)
	if err != nil {
		return "", err
	}
	if e != nil {
		if err := ownToken(client, e.Value.Approval.Client); err != nil {
			return "", err
		}
		return e.Value.Approval.Subject, s.revokeGrant(ctx, e.Key, why)
	}
	// Not readAccess: a token of somebody who is blocked has to stay dead when
	// the block is lifted.
	t, err := s.unspent(ctx, raw)
	if t == nil || err != nil {
		return "", err
	}
	if err := ownToken(client, t.Client); err != nil {
		return "", err
	}
	return t.Subject, s.revokeAccess(ctx, raw, t)
}

// ownToken refuses the token of another client (RFC 7009 section 2.1), by the
// error of RFC 6749 section 5.2 for what "was issued to another client".
func ownToken(client, owner string) error {
	if client != "" && client != owner {
		return refuse(errInvalidGrant, "the parameter token is of another client")
	}
	return nil
}
