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
		return nil, notAuthentic(err)
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
		return nil, notAuthentic(err)
	}
	return k, nil
}

// notAuthentic is the answer to a client that was not authenticated.
func notAuthentic(err error) error {
	var r *clientauth.Refusal
	if !errors.As(err, &r) {
		return unavailable(err)
	}
	f := refuse(errInvalidClient, r.Public())
	if r.InvalidRequest() {
		f.code = errInvalidRequest
	}
	f.why = err
	return f
}

// challenged makes a 401, which has to name a scheme, of an invalid_client, if
// the client used the Authorization field (RFC 6749 section 5.2) or introspects
// (RFC 7662 section 2.3). Any other error stays what it is.
func (s *Server) challenged(c *call, err error) error {
	var f *refusal
	if !errors.As(err, &f) || f.code != errInvalidClient || len(c.Header.Values("Authorization")) == 0 && c.event.Endpoint != "introspect" {
		return err
	}
	out := *f
	out.status = http.StatusUnauthorized
	out.header = http.Header{"WWW-Authenticate": {holdfast.Challenge{Scheme: "Basic", Realm: s.config.Issuer}.String()}}
	return &out
}
