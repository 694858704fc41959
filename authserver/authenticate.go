package authserver

import (
	"errors"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
)

// authenticate says which client a request comes from, and sets ClientKey of
// its event. A proof in the request is not looked at: it authenticates nobody
// (RFC 9449 section 4). A public client is who it says it is, whatever
// certificate the connection has (RFC 8705 section 4).
func (s *Server) authenticate(c *call) (*client, error) {
	p, err := clientauth.Credentials(c.Request, c.form)
	if err != nil {
		return nil, s.notAuthentic(c, err)
	}
	c.event.Client = shown(p.ClientID) // so far only claimed: a refusal says who it was about
	k, err := s.clients.lookup(c.Context(), p.ClientID)
	if err != nil {
		return nil, err
	}
	var auth *clientauth.Client
	if k != nil {
		auth = k.auth
	}
	if c.event.ClientKey, err = s.clients.verifier.Verify(c.Context(), p, auth); err != nil {
		return nil, s.notAuthentic(c, err)
	}
	return k, nil
}

// notAuthentic is the answer to a client that was not authenticated. Only one
// that used the Authorization field gets a 401, which has to name the scheme
// (RFC 6749 section 5.2).
func (s *Server) notAuthentic(c *call, err error) error {
	var r *clientauth.Refusal
	if !errors.As(err, &r) {
		return unavailable(err)
	}
	f := refuse(errInvalidClient, r.Public())
	f.why = err
	if r.InvalidRequest() {
		f.code = errInvalidRequest
		return f
	}
	if len(c.Header.Values("Authorization")) > 0 {
		f.status = http.StatusUnauthorized
		f.header = http.Header{"WWW-Authenticate": {holdfast.Challenge{Scheme: "Basic", Realm: s.config.Issuer}.String()}}
	}
	return f
}
