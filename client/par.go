package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// MaxRequestURIBytes is the longest request_uri that is taken from a server.
const MaxRequestURIBytes = 2048

// push sends the authorization request to the server itself (RFC 9126), with a
// proof beside dpop_jkt (RFC 9449 section 10.1), and returns what is left for the
// browser: client_id and request_uri.
func (c *Client) push(ctx context.Context, form url.Values) (url.Values, error) {
	a, err := c.post(ctx, call{op: opPush, to: parEndpoint, form: form, key: c.key})
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK { // RFC 9126 section 2.2 says 201
		return nil, a.fault(fmt.Errorf("the status is %d, %d is needed", a.status, http.StatusCreated))
	}
	o, err := a.object()
	if err != nil {
		return nil, err
	}
	uri := said(o, "request_uri")
	if uri == "" || len(uri) > MaxRequestURIBytes {
		return nil, a.fault(fmt.Errorf("request_uri has %d bytes, 1 to %d are needed", len(uri), MaxRequestURIBytes))
	}
	return url.Values{"client_id": {c.auth.ClientID()}, "request_uri": {uri}}, nil
}
