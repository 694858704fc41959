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

// notAuthentic is the answer to a client that was not authenticated. A 401,
// which has to name a scheme, is for one that used the Authorization field (RFC
// 6749 section 5.2), and for whoever introspects (RFC 7662 section 2.3).
func (s *Server) notAuthentic(c *call, err error) error {
	var r *clientauth.Refusal
	if !errors.As(err, &r) {
		return unavailable(err)
	}
	f := refuse(errInvalidClient, r.Public())
	f.why = err
	introspects := c.event.Endpoint == "introspect" && c.form.Get("client_id") == ""
	switch fields := len(c.Header.Values("Authorization")); {
	case r.InvalidRequest() && (!introspects || fields > 0):
		f.code = errInvalidRequest
	case fields > 0 || introspects:
		f.status = http.StatusUnauthorized
		f.header = http.Header{"WWW-Authenticate": {holdfast.Challenge{Scheme: "Basic", Realm: s.config.Issuer}.String()}}
	}
	return f
}
