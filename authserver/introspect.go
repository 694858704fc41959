package authserver

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// inactive is the whole answer about a token that is not active, unknown, or
// none of the caller's business (RFC 7662 section 2.2).
type inactive struct {
	Active bool `json:"active"`
}

// introspection is the answer about an active token (RFC 7662 section 2.2), with
// the members of RFC 9449 section 6.2, RFC 8705 section 3.2 and RFC 9470 section
// 6.2. There is no username: the subject is enough for a resource.
type introspection struct {
	Active    bool             `json:"active"`
	TokenType string           `json:"token_type,omitempty"` // of access tokens
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Client    string           `json:"client_id"`
	Audience  string           `json:"aud,omitempty"`
	Scope     string           `json:"scope,omitempty"`
	ID        string           `json:"jti,omitempty"`
	Issued    int64            `json:"iat,omitempty"`
	Expires   int64            `json:"exp"`
	CNF       *confirmation    `json:"cnf,omitempty"`
	AuthTime  int64            `json:"auth_time,omitempty"`
	ACR       string           `json:"acr,omitempty"`
	Actor     *introspectActor `json:"act,omitempty"` // RFC 8693 section 4.1
}

type introspectActor struct {
	Subject string `json:"sub"`
}

// confirmation is a cnf with exactly one method (RFC 7800 section 3.1).
type confirmation struct {
	JKT holdfast.Thumbprint `json:"jkt,omitzero"`      // RFC 9449 section 6.1
	X5T holdfast.Thumbprint `json:"x5t#S256,omitzero"` // RFC 8705 section 3.1
}

// introspect is the introspection endpoint (RFC 7662). A resource learns about
// tokens that are for it, a client about its own refresh tokens, nobody about
// anything else. Public clients cannot say who they are, so they learn nothing.
func (s *Server) introspect(c *call) (any, error) {
	if c.client.public() {
		return nil, refuse(errInvalidClient, "introspection needs a client with credentials")
	}
	raw, err := tokenOf(c)
	if err != nil {
		return nil, err
	}
	// Whoever has the credentials of a blocked client must not learn what the
	// tokens are good for that came with them.
	if err := s.unblocked(c.Context(), c.client.ClientID, binding{}); err != nil {
		return nil, err
	}
	t, err := s.readAccess(c.Context(), raw)
	var a *introspection
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		a, err = s.introspectRefresh(c, raw)
	case slices.Contains(c.client.Introspects, t.Resource):
		a = s.introspection(t)
	}
	if err != nil {
		return nil, err
	}
	if a == nil {
		c.event.Reason = "inactive"
		return inactive{}, nil
	}
	c.event.Subject, c.event.Reason = a.Subject, "active"
	return a, nil
}

// tokenOf returns the parameter token of an introspection or revocation request.
// The hint is not needed: the forms of tokens differ (RFC 7009 section 2.1).
func tokenOf(c *call) (holdfast.Secret, error) {
	raw := holdfast.NewSecret(c.form.Get("token"))
	if raw.IsZero() {
		return raw, refuse(errInvalidRequest, "the parameter token is missing")
	}
	return raw, nil
}

// introspection describes an active access token.
func (s *Server) introspection(t *accessToken) *introspection {
	a := &introspection{
		Active: true, TokenType: "Bearer", Issuer: s.config.Issuer, Subject: t.Subject, Client: t.Client,
		Audience: t.Resource, Scope: strings.Join(t.Scope, " "), ID: t.ID,
		Issued: t.Issued.Unix(), Expires: t.Expires.Unix(), ACR: t.ACR,
	}
	if t.Holder.bound() {
		a.CNF = &confirmation{t.Holder.JKT, t.Holder.X5T}
	}
	if !t.Holder.JKT.IsZero() {
		a.TokenType = "DPoP" // RFC 9449 section 5; RFC 8705 has no type of its own
	}
	if !t.AuthTime.IsZero() {
		a.AuthTime = t.AuthTime.Unix()
	}
	if t.Actor != "" {
		a.Actor = &introspectActor{t.Actor}
	}
	return a
}

// introspectRefresh describes an active refresh token of the client that asks;
// nil if it is none.
func (s *Server) introspectRefresh(c *call, raw holdfast.Secret) (*introspection, error) {
	e, generation, err := s.readRefresh(c.Context(), raw)
	if e == nil || err != nil || e.Value.Approval.Client != c.client.ClientID {
		return nil, err
	}
	g := &e.Value
	if lives, err := s.refreshable(c.Context(), g, generation); !lives {
		return nil, err
	}
	a := &introspection{
		Active: true, Issuer: s.config.Issuer, Subject: g.Approval.Subject, Client: g.Approval.Client,
		Scope: strings.Join(g.Approval.Scope, " "), Expires: g.Until.Unix(),
	}
	if g.Holder.bound() {
		a.CNF = &confirmation{g.Holder.JKT, g.Holder.X5T}
	}
	return a, nil
}

// refreshable makes all state checks of a refresh token.
func (s *Server) refreshable(ctx context.Context, g *grantRecord, generation uint32) (bool, error) {
	now := s.now()
	if g.Revoked != "" || generation != g.Generation || !now.Before(g.Until) || !now.Before(g.Used.Add(s.config.RefreshIdle)) {
		return false, nil
	}
	return alive(s.standing(ctx, party{
		Client: g.Approval.Client, Subject: g.Approval.Subject, Session: g.Approval.Session,
		Holder: g.Holder, At: g.Approval.At,
	}))
}

// alive tells a refusal of standing, which says that something is dead, from a
// failure to find out.
func alive(standing error) (bool, error) {
	var dead *refusal
	if errors.As(standing, &dead) && dead.status < http.StatusInternalServerError {
		return false, nil
	}
	return standing == nil, standing
}
