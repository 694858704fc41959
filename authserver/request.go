package authserver

import (
	"context"
	"net/url"
)

// redirectOf returns the redirect URI of a request if the client registered
// it: where other errors may be sent. Without one the error is for a page.
func (s *Server) redirectOf(c *client, form url.Values) (string, error) {
	return "", refuse(errInvalidRequest, "redirect_uri")
}

// readRequest checks the parameters of an authorization request, plain or
// pushed. RedirectURI, State and FormPost are set even if there is an error.
func (s *Server) readRequest(ctx context.Context, c *client, form url.Values) (*authorizationRequest, error) {
	return nil, unavailable(nil)
}
