package authserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// listed reads the records of an owner, or of all, at most limit of them. more
// says that there are others.
func listed[T any](ctx context.Context, st store.Store, k store.Kind, owner string, limit int) (out []*entry[T], more bool, err error) {
	for r, err := range st.List(ctx, k, owner) {
		if err != nil {
			return nil, false, fmt.Errorf("list records of a %s: %w", k, err)
		}
		if len(out) == limit {
			return out, true, nil
		}
		e, err := open[T](r)
		if err != nil {
			return nil, false, err
		}
		out = append(out, e)
	}
	return out, false, nil
}

// page is one list of the administration.
func page[T, S any](name string, all []T, more bool, show func(T) S) map[string]any {
	shown := make([]S, len(all))
	for i, v := range all {
		shown[i] = show(v)
	}
	m := map[string]any{name: shown}
	if more {
		m["truncated"] = true
	}
	return m
}

// withStatus is a refusal with a status of its own.
func withStatus(status int, text string) *refusal {
	f := refuse(errInvalidRequest, text)
	f.status = status
	return f
}

// noteOrder completes the event of a change.
func noteOrder(e *Event, d dimension, value string, o order) {
	switch d {
	case byUser:
		e.Subject = value
	case byClient:
		e.Client = value
	case byThumbprint:
		e.Holder, _ = holdfast.ParseThumbprint(value)
	}
	if d != "" {
		e.Reason += " " + string(d)
	}
	if d == bySession {
		e.Reason += fmt.Sprintf(" %.100q", value)
	}
	if o.By != "" {
		e.Reason += ", by " + o.By
	}
	if o.Reason != "" {
		e.Reason += ": " + o.Reason
	}
}

// aboutOne returns the one member that says what a request is about.
func aboutOne(values map[string]string, among ...dimension) (dimension, string, error) {
	names := make([]string, len(among))
	var found []dimension
	for i, d := range among {
		names[i] = string(d)
		if values[string(d)] != "" {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		return "", "", refuse(errInvalidRequest, fmt.Sprintf("%d of %s are given, want exactly one", len(found), strings.Join(names, ", ")))
	}
	d, value := found[0], values[string(found[0])]
	if len(value) > MaxAdminValue && d != byToken {
		return "", "", refuse(errInvalidRequest, fmt.Sprintf("the member %s is longer than %d bytes", d, MaxAdminValue))
	}
	if _, err := holdfast.ParseThumbprint(value); d == byThumbprint && err != nil {
		return "", "", refuse(errInvalidRequest, "the member thumbprint is not 43 characters of base64url")
	}
	return d, value, nil
}

// byToken is not a dimension of a cut-off: it ends one token.
const byToken dimension = "token"

func (s *Server) adminRevoke(r *http.Request, e *Event) (any, error) {
	body, o, err := adminBody(r, byUser, byClient, bySession, byThumbprint, byToken)
	if err != nil {
		return nil, err
	}
	d, value, err := aboutOne(body, byUser, byClient, bySession, byThumbprint, byToken)
	if err != nil {
		return nil, err
	}
	noteOrder(e, d, value, o)
	if d != byToken {
		c, err := s.cutOff(r.Context(), d, value, o)
		return c.shown(), err
	}
	why := "revoked by the administration"
	if o.Reason != "" {
		why += ": " + o.Reason
	}
	e.Subject, err = s.revokeToken(r.Context(), holdfast.NewSecret(value), "", why)
	return struct{}{}, err
}

// shown is the CUTOFF of AdminHandler.
func (c cutoffRecord) shown() map[string]any {
	return c.order.shown(map[string]any{string(c.Dimension): c.Value, "before": c.Before})
}

// shown is the BLOCK of AdminHandler.
func (b blockRecord) shown() map[string]any {
	return b.order.shown(map[string]any{string(b.Dimension): b.Value, "at": b.At})
}

func (o order) shown(m map[string]any) map[string]any {
	if o.Reason != "" {
		m["reason"] = o.Reason
	}
	if o.By != "" {
		m["by"] = o.By
	}
	return m
}

func (s *Server) adminCutoffs(r *http.Request, _ *Event) (any, error) {
	all, more, err := listed[cutoffRecord](r.Context(), s.store, kindCutoff, "", MaxAdminEntries)
	return page("cutoffs", all, more, func(c *entry[cutoffRecord]) any { return c.Value.shown() }), err
}

func (s *Server) adminBlocks(r *http.Request, _ *Event) (any, error) {
	all, more, err := listed[blockRecord](r.Context(), s.store, store.KindBlock, "", MaxAdminEntries)
	return page("blocks", all, more, func(b *entry[blockRecord]) any { return b.Value.shown() }), err
}

func (s *Server) adminBlock(r *http.Request, e *Event) (any, error) {
	body, o, err := adminBody(r, byThumbprint, byClient)
	if err != nil {
		return nil, err
	}
	d, value, err := aboutOne(body, byThumbprint, byClient)
	if err != nil {
		return nil, err
	}
	noteOrder(e, d, value, o)
	b, err := s.block(r.Context(), d, value, o)
	return b.shown(), err
}

func (s *Server) adminUnblock(r *http.Request, e *Event) (any, error) {
	body, o, err := adminQuery(r, byThumbprint, byClient)
	if err != nil {
		return nil, err
	}
	d, value, err := aboutOne(body, byThumbprint, byClient)
	if err != nil {
		return nil, err
	}
	noteOrder(e, d, value, o)
	was, err := s.unblock(r.Context(), d, value)
	if err == nil && !was {
		err = withStatus(http.StatusNotFound, "this "+string(d)+" is not blocked")
	}
	return nil, err
}

func (s *Server) adminKeys(r *http.Request, _ *Event) (any, error) {
	keys, err := s.signing.states(r.Context())
	return map[string]any{"keys": keys}, err
}

func (s *Server) adminRotate(r *http.Request, e *Event) (any, error) {
	_, o, err := adminBody(r)
	if err != nil {
		return nil, err
	}
	noteOrder(e, "", "", o)
	return s.changedKeys(r.Context(), s.signing.rotateNow(r.Context()))
}

func (s *Server) adminRetire(r *http.Request, e *Event) (any, error) {
	_, o, err := adminBody(r)
	if err != nil {
		return nil, err
	}
	kid := r.PathValue("kid")
	e.Reason += fmt.Sprintf(" %.100q", kid)
	noteOrder(e, "", "", o)
	return s.changedKeys(r.Context(), s.signing.retire(r.Context(), kid))
}

// changedKeys answers a change of the signing keys.
func (s *Server) changedKeys(ctx context.Context, err error) (any, error) {
	switch {
	case errors.Is(err, errFixedKeys), errors.Is(err, errManyKeys):
		return nil, withStatus(http.StatusConflict, err.Error())
	case errors.Is(err, store.ErrNotFound):
		return nil, withStatus(http.StatusNotFound, "there is no such signing key")
	case err != nil:
		return nil, err
	}
	keys, err := s.signing.states(ctx)
	return map[string]any{"keys": keys}, err
}

func (s *Server) adminSeen(r *http.Request, _ *Event) (any, error) {
	all, more, err := listed[seenRecord](r.Context(), s.store, kindSeen, r.PathValue("id"), MaxAdminEntries)
	return page("keys", all, more, func(k *entry[seenRecord]) any { return k.Value }), err
}

// sessionState is the SESSION of AdminHandler.
type sessionState struct {
	Session string    `json:"session"`
	Subject string    `json:"subject"`
	Through string    `json:"through"`
	Started time.Time `json:"started"`
	Expires time.Time `json:"expires"`
}

func (s *Server) adminSessions(r *http.Request, _ *Event) (any, error) {
	subject := r.URL.Query().Get("subject")
	if subject == "" {
		return nil, refuse(errInvalidRequest, "the parameter subject is missing")
	}
	all, more, err := listed[sessionRecord](r.Context(), s.store, kindSession, subject, MaxAdminEntries)
	if err != nil {
		return nil, err
	}
	states := []sessionState{}
	for _, e := range all {
		v := &e.Value
		lives, err := alive(s.standing(r.Context(), party{Subject: v.Person.Subject, Session: v.ID, At: v.Started}))
		if err != nil {
			return nil, err
		}
		if lives {
			states = append(states, sessionState{v.ID, v.Person.Subject, v.Through, v.Started.UTC(), e.Expires.UTC()})
		}
	}
	return page("sessions", states, more, func(v sessionState) any { return v }), nil
}

// clientState is the CLIENT of AdminHandler.
type clientState struct {
	metadata.Client
	Source string `json:"source"`
}

func (s *Server) adminClients(r *http.Request, _ *Event) (any, error) {
	all, more, err := listed[clientRecord](r.Context(), s.store, kindClient, "", MaxAdminEntries)
	if err != nil {
		return nil, err
	}
	states := make([]clientState, 0, len(s.clients.configured)+len(all))
	for _, id := range slices.Sorted(maps.Keys(s.clients.configured)) {
		states = append(states, clientState{s.clients.configured[id].Client.Client, "configuration"})
	}
	for _, e := range all {
		states = append(states, clientState{e.Value.Metadata, "registration"})
	}
	return page("clients", states, more, func(c clientState) any { return c }), nil
}

func (s *Server) adminRegister(r *http.Request, e *Event) (any, error) {
	text, err := adminText(r)
	if err != nil {
		return nil, err
	}
	m, err := metadata.ParseClient(text)
	if err != nil {
		return nil, badMetadata(err)
	}
	answer, err := s.clients.register(r.Context(), m, 0) // the operator wants it, used or not
	if err != nil {
		return nil, err
	}
	e.Client = answer.ClientID
	return answer, nil
}

func (s *Server) adminDeleteClient(r *http.Request, e *Event) (any, error) {
	ctx, id := r.Context(), r.PathValue("id")
	_, o, err := adminQuery(r)
	if err != nil {
		return nil, err
	}
	noteOrder(e, byClient, id, o)
	if s.clients.configured[id] != nil {
		return nil, withStatus(http.StatusConflict, "the client is in the configuration: remove it there, or block it")
	}
	if _, err := s.store.Get(ctx, kindClient, keyOf(id)); missing(err) {
		return nil, withStatus(http.StatusNotFound, "there is no such client")
	} else if err != nil {
		return nil, err
	}
	// First what was issued: if the rest fails, the request can be repeated.
	if _, err := s.cutOff(ctx, byClient, id, o); err != nil {
		return nil, err
	}
	return nil, s.store.Delete(ctx, kindClient, keyOf(id))
}
