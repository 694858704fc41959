package authserver

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// requestURIPrefix begins the request URIs of this server (RFC 9126 section 2.2).
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// loginTime is how long a person may take from the start of an authorization to
// its end: the record of a pushed request is kept that much longer, so that it
// can be spent once only.
const loginTime = 30 * time.Minute

// pushAnswer is a pushed authorization response (RFC 9126 section 2.2).
type pushAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"`
}

// push is the pushed authorization request endpoint (RFC 9126). The request is
// checked as at the authorization endpoint, and bound to the key of a proof that
// comes with it (RFC 9449 section 10.1).
func (s *Server) push(c *call) (any, error) {
	if err := s.notTooMany(c); err != nil {
		return nil, err
	}
	if c.form.Has("request_uri") {
		return nil, refuse(errInvalidRequest, "the parameter request_uri is not allowed in a pushed request")
	}
	q, err := s.readRequest(c.Context(), c.client, c.form)
	if err != nil {
		return nil, err
	}
	var need holdfast.ProofNeed
	if !q.JKT.IsZero() {
		need.Pushed = &q.JKT
	}
	jkt, err := s.prove(c, need)
	if err != nil {
		return nil, err
	}
	if !jkt.IsZero() {
		q.JKT = jkt // as if dpop_jkt had been given
	}
	now := s.now()
	if err := s.standing(c.Context(), party{Client: c.client.ClientID, Holder: binding{JKT: q.JKT}, At: now}); err != nil {
		return nil, err
	}
	handle := newHandle()
	p := pushedRecord{Request: *q, Until: now.Add(s.config.PushLifetime)}
	if err := create(c.Context(), s.store, kindPushed, keyOf(handle.Reveal()), "", p.Until.Add(loginTime), p); err != nil {
		return nil, unavailable(err)
	}
	return pushAnswer{requestURIPrefix + handle.Reveal(), int(s.config.PushLifetime / time.Second)}, nil
}

// pushed returns the request behind a request_uri without spending it; a
// *refusal invalid_request_uri if it is unknown, spent, expired or of another
// client.
func (s *Server) pushed(ctx context.Context, c *client, requestURI string) (*authorizationRequest, error) {
	refused := refuse(errInvalidRequestURI, "the parameter request_uri is unknown, expired, used or of another client")
	handle, ok := strings.CutPrefix(requestURI, requestURIPrefix)
	if !ok || !isHandle(handle) {
		return nil, refused
	}
	key := keyOf(handle)
	e, err := load[pushedRecord](ctx, s.store, kindPushed, key)
	switch {
	case missing(err):
		return nil, refused
	case err != nil:
		return nil, unavailable(err)
	case e.Value.Spent || e.Value.Request.Client != c.ClientID || !s.now().Before(e.Value.Until):
		return nil, refused
	}
	q := e.Value.Request
	q.Pushed = &key
	return &q, nil
}

// spend ends a pushed request, once.
func (s *Server) spend(ctx context.Context, key [32]byte) error {
	refused := refuse(errInvalidRequestURI, "the parameter request_uri was used before")
	e, err := load[pushedRecord](ctx, s.store, kindPushed, key)
	switch {
	case missing(err):
		return refused
	case err != nil:
		return unavailable(err)
	case e.Value.Spent:
		return refused
	}
	e.Value.Spent = true
	switch err := e.swap(ctx, s.store); {
	case conflicting(err):
		return refused
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// isHandle reports whether text has the form of a handle.
func isHandle(text string) bool {
	b, err := jose.DecodeSegment(text)
	return err == nil && len(b) == handleBytes
}
