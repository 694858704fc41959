package client

import (
	"context"
	"errors"
	"net/url"
)

// Revoke ends a grant at the server (RFC 7009): the refresh token first, because
// it makes new access tokens, then the access token. Both are tried, and the
// error joins what went wrong. A server that cannot revoke access tokens has done
// enough if there was a refresh token.
func (c *Client) Revoke(ctx context.Context, g *Grant) error {
	if err := c.owns(g); err != nil {
		return &Error{Op: opRevoke, Err: err}
	}
	var errs []error
	if !g.Refresh.IsZero() {
		errs = append(errs, c.revoke(ctx, g.Refresh.Reveal(), "refresh_token"))
	}
	err := c.revoke(ctx, g.Token.Value.Reveal(), "access_token")
	var e *Error
	if errors.As(err, &e) && e.Code == "unsupported_token_type" && !g.Refresh.IsZero() { // RFC 7009 section 2.2.1
		err = nil
	}
	return errors.Join(append(errs, err)...)
}

// revoke revokes one token. No proof is sent: RFC 7009 has no use for one. An
// unknown token is a success there (RFC 7009 section 2.2).
func (c *Client) revoke(ctx context.Context, token, kind string) error {
	_, err := c.post(ctx, call{op: opRevoke, to: revocationEndpoint, form: url.Values{"token": {token}, "token_type_hint": {kind}}})
	return err
}
