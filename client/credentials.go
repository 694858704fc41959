package client

import (
	"context"
	"errors"
)

// ClientCredentials asks for a token of the client's own (RFC 6749 section 4.4).
// It needs a client that authenticates.
func (c *Client) ClientCredentials(ctx context.Context) (*Grant, error) {
	if c.public() {
		return nil, &Error{Op: opToken, Err: errors.New("a public client has no credentials: Auth.Method is needed")}
	}
	return c.request(ctx, tokenCall{op: opToken, form: c.ask(grantCredentials), key: c.key, scope: c.scope})
}
