package authserver

import "github.com/holdfast-oauth/holdfast"

// clientCredentials is the client credentials grant (RFC 6749 section 4.4). The
// subject is the client_id, which the server chose and which is none of a person
// (RFC 9700 section 4.15). There is no refresh token and no record.
func (s *Server) clientCredentials(c *call) (any, error) {
	if c.client.public() {
		return nil, refuse(errUnauthorizedClient, "a client without credentials may not use this grant_type")
	}
	if n := len(c.form["resource"]); n > 1 {
		return nil, oneResource(n)
	}
	scope, resources, err := s.asked(c.client, c.form)
	if err != nil {
		return nil, err
	}
	to, _ := s.resource(resources[0])
	holder, err := s.bind(c, holdfast.ProofNeed{}, to)
	if err != nil {
		return nil, err
	}
	if err := s.standing(c.Context(), party{Client: c.client.ClientID, Holder: holder, At: s.now()}); err != nil {
		return nil, err
	}
	t := &accessToken{Client: c.client.ClientID, Subject: c.client.ClientID, Scope: scope, Resource: to.ID}
	return s.issue(c, t, to, holder, holdfast.Secret{})
}
