package authserver

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Types of tokens besides typeAccessToken (RFC 8693 section 3).
const (
	typeJWT = "urn:ietf:params:oauth:token-type:jwt"
	typeID  = "urn:ietf:params:oauth:token-type:id_token"
)

// maxSubjectBytes is the largest subject_token.
const maxSubjectBytes = 16 << 10

// subject is whom a token stands for that is exchanged, and what can be had for it.
type subject struct {
	accessToken           // the token to issue, as far as it follows from the one that is exchanged
	reach       []string  // resources, the default first
	at          time.Time // when what it stands for was issued
}

// exchange is the token exchange grant (RFC 8693): a token of ours, or of an
// upstream provider, for one that is bound to the holder who asks. There is no
// refresh token.
func (s *Server) exchange(c *call) (any, error) {
	raw, kind, err := readExchange(c)
	if err != nil {
		return nil, err
	}
	held, err := s.subjectOf(c, raw, kind)
	if err != nil {
		return nil, err
	}
	to, scope, err := s.target(c, held.reach, held.Scope)
	if err != nil {
		return nil, err
	}
	holder, err := s.bind(c, holdfast.ProofNeed{}, to)
	if err != nil {
		return nil, err
	}
	// A bound token is worth nothing without its key; a listed client, such as an
	// API that calls the next, holds it because it was presented there.
	if held.Holder.bound() && held.Holder != holder && !c.client.actsForOthers() {
		return nil, refuse(errInvalidRequest, "the parameter subject_token is bound to a key that was not proved")
	}
	p := party{Client: c.client.ClientID, Subject: held.Subject, Session: held.Session, Holder: holder, At: held.at}
	if err := s.standing(c.Context(), p); err != nil {
		return nil, err
	}
	t := held.accessToken
	t.Scope, t.Resource, t.Holder = scope, to.ID, binding{}
	a, err := s.issue(c, &t, to, holder, holdfast.Secret{})
	if err != nil {
		return nil, err
	}
	a.IssuedType = typeAccessToken
	return a, nil
}

// readExchange reads the parameters of RFC 8693 section 2.1 that say what is
// exchanged. An audience is the identifier of a resource here.
func readExchange(c *call) (raw holdfast.Secret, kind string, err error) {
	raw, kind = holdfast.NewSecret(c.form.Get("subject_token")), c.form.Get("subject_token_type")
	switch {
	case raw.IsZero():
		err = refuse(errInvalidRequest, "the parameter subject_token is missing")
	case raw.Len() > maxSubjectBytes:
		err = refuse(errInvalidRequest, "the parameter subject_token is too long")
	case !slices.Contains([]string{typeAccessToken, typeJWT, typeID}, kind):
		err = refuse(errInvalidRequest, "the parameter subject_token_type is none of access_token, jwt and id_token")
	case c.form.Has("actor_token") || c.form.Has("actor_token_type"):
		err = refuse(errInvalidRequest, "the parameter actor_token is not supported: the client that asks is the actor")
	case c.form.Has("requested_token_type") && c.form.Get("requested_token_type") != typeAccessToken:
		err = refuse(errInvalidRequest, "the parameter requested_token_type is not access_token, the only one here")
	default:
		c.form["resource"] = append(c.form["resource"], c.form["audience"]...)
	}
	return raw, kind, err
}

// actsForOthers reports whether the client may exchange what was issued here to
// other clients and holders. Anybody can say to be a public one: for a stolen
// token that would be a way to another key (RFC 8693 section 2.1).
func (c *client) actsForOthers() bool { return c.MayExchange && !c.public() }

// subjectOf reads the subject token: ours, or that of the provider which says
// that it is its own. The latter is a bearer token, so that a client which does
// not authenticate needs leave to bind it to a key.
func (s *Server) subjectOf(c *call, raw holdfast.Secret, kind string) (*subject, error) {
	if kind != typeID {
		t, err := s.readAccess(c.Context(), raw)
		if err != nil {
			return nil, err
		}
		if t != nil {
			return s.ownSubject(c, t)
		}
	}
	if len(s.config.Upstreams) > 0 && c.client.public() && !c.client.MayExchange {
		return nil, refuse(errUnauthorizedClient, "the client does not authenticate, and may not exchange a subject_token of others")
	}
	for _, u := range s.config.Upstreams {
		p, err := u.Exchange(c.Context(), s.config.Issuer, kind, raw)
		var denied *Denied
		switch {
		case errors.As(err, &denied):
			f := refuse(errInvalidRequest, "the parameter subject_token was not accepted")
			f.why = err
			return nil, f
		case err != nil:
			return nil, unavailable(err)
		case p != nil:
			return s.upstreamSubject(c, p)
		}
	}
	return nil, refuse(errInvalidRequest, "the parameter subject_token is not active, or of nobody known here")
}

// ownSubject says what a token of ours can be exchanged for. The holder of a
// token gets no more than its grant gives; a listed client acts for the subject,
// within the scope of the token, at any resource of its own.
func (s *Server) ownSubject(c *call, t *accessToken) (*subject, error) {
	out := &subject{accessToken: *t, reach: []string{t.Resource}, at: t.Issued}
	out.ID, out.Client = "", c.client.ClientID // Expires stays: the new token ends no later
	switch {
	case c.client.actsForOthers():
		if t.Client != c.client.ClientID {
			out.Actor = c.client.ClientID
		}
		out.reach = append(out.reach, s.reach(c.client)...)
	case t.Client != c.client.ClientID:
		return nil, refuse(errInvalidRequest, "the parameter subject_token is of another client")
	case t.Actor != "":
		return nil, refuse(errInvalidRequest, "the parameter subject_token comes from an exchange")
	case !t.Holder.bound():
		// Whoever found it could ask, with a key of their own: what it is good for
		// already is all that they get.
	case t.Grant != nil:
		g, err := load[grantRecord](c.Context(), s.store, kindGrant, *t.Grant)
		if missing(err) {
			return nil, refuse(errInvalidRequest, "the parameter subject_token is not active")
		} else if err != nil {
			return nil, unavailable(err)
		}
		out.reach = append(out.reach, g.Value.Approval.Resources...)
	}
	return out, nil
}

// upstreamSubject says what a token of an upstream provider can be exchanged
// for: what the person may have and the client asks for, no longer than the
// token lives, and nothing if the person was cut off since it was issued.
func (s *Server) upstreamSubject(c *call, p *Person) (*subject, error) {
	if err := p.check(); err != nil {
		return nil, unavailable(fmt.Errorf("the subject_token: %w", err))
	}
	if !p.Expires.IsZero() && !s.now().Before(p.Expires) {
		return nil, refuse(errInvalidRequest, "the parameter subject_token has expired")
	}
	out := &subject{reach: s.reach(c.client), at: c.event.Time}
	if !p.Issued.IsZero() && p.Issued.Before(out.at) {
		out.at = p.Issued
	}
	out.Client, out.Subject, out.AuthTime, out.ACR, out.Expires = c.client.ClientID, p.Subject, p.AuthTime, p.ACR, p.Expires
	out.Scope = p.Scopes
	if p.Scopes == nil {
		out.Scope = s.scopesOffered()
	}
	return out, nil
}
