package authserver

import "context"

// push is the pushed authorization request endpoint (RFC 9126).
func (s *Server) push(c *call) (any, error) { return nil, unavailable(nil) }

// pushed returns the request behind a request_uri without spending it; a
// *refusal invalid_request_uri if it is unknown, spent, expired or of another
// client.
func (s *Server) pushed(ctx context.Context, c *client, requestURI string) (*authorizationRequest, error) {
	return nil, unavailable(nil)
}
