package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// Refresh asks for a new access token with the grant's refresh token (RFC 6749
// section 6) and the grant's own proof key, which a bound refresh token demands
// (RFC 9449 section 5). If the server rotates refresh tokens, the old grant is
// spent: store the new one. [Client.Source] does both.
func (c *Client) Refresh(ctx context.Context, g *Grant) (*Grant, error) {
	if err := c.owns(g); err != nil {
		return nil, &Error{Op: opRefresh, Err: err}
	}
	if g.Refresh.IsZero() {
		return nil, &Error{Op: opRefresh, Err: errors.New("the grant has no refresh token"), Hint: "run the flow again"}
	}
	key := g.Key
	if key == nil && !g.RefreshBound {
		key = c.key // from now on bound
	}
	form := url.Values{"grant_type": {grantRefresh}, "refresh_token": {g.Refresh.Reveal()}}
	if len(c.resource) > 0 {
		form["resource"] = slices.Clone(c.resource)
	}
	next, err := c.request(ctx, tokenCall{op: opRefresh, form: form, key: key, scope: g.Scope})
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Code == codeInvalidGrant {
			e.Hint = "the refresh token is spent, expired or revoked: run the flow again"
			if g.RefreshBound {
				e.Hint = fmt.Sprintf("the refresh token is spent, expired or revoked, or bound to another key than %s: it works only with the key it was issued to (RFC 9449 section 5)", key.Thumbprint())
			}
		}
		return nil, err
	}
	next.Type = g.Type
	if next.Refresh.IsZero() { // not rotated
		next.Refresh, next.RefreshBound = g.Refresh, g.RefreshBound
	}
	if next.IDToken.IsZero() {
		next.IDToken = g.IDToken
	}
	return next, nil
}

// owns reports why a grant must not be sent to this server: it is of another
// server or another client.
func (c *Client) owns(g *Grant) error {
	switch {
	case g == nil || g.Token == nil:
		return errors.New("there is no grant")
	case g.Issuer != c.issuer:
		return fmt.Errorf("the grant is of issuer %.200q, this client is for %.200q", g.Issuer, c.issuer)
	case g.ClientID != c.auth.ClientID():
		return fmt.Errorf("the grant is of client %.200q, this client is %.200q", g.ClientID, c.auth.ClientID())
	}
	return nil
}
