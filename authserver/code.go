package authserver

import (
	"context"

	"github.com/holdfast-oauth/holdfast"
)

// issueCode spends the pushed request, if there is one (a *refusal
// invalid_request_uri if it was spent before), and issues an authorization code
// for what the person approved.
func (s *Server) issueCode(ctx context.Context, q *authorizationRequest, a approval) (holdfast.Secret, error) {
	return holdfast.Secret{}, unavailable(nil)
}
