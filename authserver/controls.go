package authserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// cutoffLifetime is how long a cut-off is kept: longer than anything lives that
// was issued before it.
const cutoffLifetime = 367 * 24 * time.Hour

// dimension is what a cut-off or a block is about.
type dimension string

const (
	byUser       dimension = "user"
	byClient     dimension = "client"
	bySession    dimension = "session"
	byThumbprint dimension = "thumbprint"
)

// order is who wants something and why.
type order struct {
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// cutoffRecord says that everything issued before a time to a user, client,
// session or holder is dead. There is one record for each, read at every use: no
// list of what was issued has to be walked.
type cutoffRecord struct {
	Dimension dimension `json:"dimension"`
	Value     string    `json:"value"`
	Before    time.Time `json:"before"`
	order
}

// blockRecord says that a holder or client is no longer served. That there is a
// record is what counts: resource servers that share the store cannot read it.
type blockRecord struct {
	Dimension dimension `json:"dimension"`
	Value     string    `json:"value"`
	At        time.Time `json:"at"`
	order
}

// party is everybody whom a revocation may be about.
type party struct {
	Client, Subject, Session string
	Holder                   binding
	At                       time.Time // when what is judged was issued or allowed
}

// standing judges cut-offs (everything issued before T is dead) and blocks of
// client and holder. The error is nil, a *refusal (invalid_grant, or
// invalid_client for a blocked client), or a failure of ours.
func (s *Server) standing(ctx context.Context, p party) error {
	if err := s.unblocked(ctx, p.Client, p.Holder); err != nil {
		return err
	}
	for _, about := range [...]struct {
		dimension
		value string
	}{
		{byClient, p.Client},
		{byUser, p.Subject},
		{bySession, p.Session},
		{byThumbprint, thumbprintText(p.Holder.JKT)},
		{byThumbprint, thumbprintText(p.Holder.X5T)},
	} {
		if about.value == "" {
			continue
		}
		dead, err := s.cutOffBefore(ctx, about.dimension, about.value, p.At)
		if err != nil {
			return err
		}
		if dead {
			return refuse(errInvalidGrant, "what was issued for this "+string(about.dimension)+" was revoked")
		}
	}
	return nil
}

// thumbprintText is "" for no thumbprint.
func thumbprintText(t holdfast.Thumbprint) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

// cutOffBefore reports whether what was issued at that time is dead. The iat of a
// JWT is rounded down to whole seconds, so that one of the second of the cut-off
// counts as before.
func (s *Server) cutOffBefore(ctx context.Context, d dimension, value string, at time.Time) (bool, error) {
	e, err := load[cutoffRecord](ctx, s.store, kindCutoff, keyOf(string(d), value))
	switch {
	case missing(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a cut-off: %w", err)
	}
	return !at.After(e.Value.Before), nil
}

// unblocked refuses a blocked client and a blocked holder.
func (s *Server) unblocked(ctx context.Context, client string, holder binding) error {
	list := store.NewBlockList(s.store)
	blocked, err := list.Blocked(ctx, holdfast.Thumbprint{}, client)
	f := refuse(errInvalidClient, "the client is blocked")
	for _, t := range [...]holdfast.Thumbprint{holder.JKT, holder.X5T} {
		if err != nil || blocked {
			break
		}
		f = refuse(errInvalidGrant, "the key of the holder is blocked")
		blocked, err = list.Blocked(ctx, t, "")
	}
	if err != nil {
		return fmt.Errorf("look for a block: %w", err)
	}
	if !blocked {
		return nil
	}
	f.check = holdfast.CodeAccessBlockedBlocked
	return f
}

// cutOff makes everything dead that was issued until now. A later cut-off of the
// same wins; an earlier one changes nothing.
func (s *Server) cutOff(ctx context.Context, d dimension, value string, o order) (cutoffRecord, error) {
	now := s.now().UTC()
	key := keyOf(string(d), value)
	for range casTries {
		next := cutoffRecord{Dimension: d, Value: value, Before: now, order: o}
		e, err := load[cutoffRecord](ctx, s.store, kindCutoff, key)
		switch {
		case missing(err):
			err = create(ctx, s.store, kindCutoff, key, string(d), now.Add(cutoffLifetime), next)
		case err == nil && e.Value.Before.After(now):
			return e.Value, nil // by a replica whose clock is ahead
		case err == nil:
			e.Value, e.Expires = next, now.Add(cutoffLifetime)
			err = e.swap(ctx, s.store)
		}
		if !contended(err) {
			return next, err
		}
	}
	return cutoffRecord{}, errContended
}

// casTries is how often a change is tried against others.
const casTries = 8

var errContended = errors.New("others kept changing the record")

// contended reports whether somebody else was faster.
func contended(err error) bool {
	return errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict)
}
