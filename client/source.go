package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Times of a renewing source.
const (
	// RenewMargin is how long before its end an access token is renewed; of a token
	// that lives shortly a fifth of its life.
	RenewMargin = 30 * time.Second
	// RenewTimeout is how long one renewal may take, waiting for the store included.
	RenewTimeout = time.Minute

	renewAgain = 10 * time.Second // after a failure, while the token is still good
)

// GrantStore keeps one grant. Update calls fn with the grant as it is now, nil if
// there is none, and stores what fn returns; if fn returns an error, that error
// is returned and nothing is stored. It calls fn at most once, under a lock that
// holds between processes, because fn spends the refresh token. Update must be
// safe for concurrent use and stop waiting for the lock when ctx is done.
type GrantStore interface {
	Update(ctx context.Context, fn func(current *Grant) (*Grant, error)) error
}

// NewMemoryStore returns a [GrantStore] for one process. Its grant is gone when
// the process ends.
func NewMemoryStore(g *Grant) GrantStore {
	return &memoryStore{lock: make(chan struct{}, 1), grant: g}
}

type memoryStore struct {
	lock  chan struct{}
	grant *Grant
}

func (m *memoryStore) Update(ctx context.Context, fn func(*Grant) (*Grant, error)) error {
	select {
	case m.lock <- struct{}{}:
		defer func() { <-m.lock }()
	case <-ctx.Done():
		return ctx.Err()
	}
	g, err := fn(m.grant)
	if err == nil {
		m.grant = g
	}
	return err
}

// Source returns a [TokenSource] and [Renewer] over a stored grant. It renews the
// access token shortly before it expires: by the refresh token, or by asking
// again for client credentials. One renewal runs at a time in this process, and
// through the store's lock between processes: whoever gets the lock first looks
// whether another one has renewed already. A token that is still good is given
// out even if it could not be renewed.
func (c *Client) Source(store GrantStore) TokenSource { return &source{c: c, store: store} }

type source struct {
	c     *Client
	store GrantStore

	mu      sync.Mutex
	grant   *Grant    // latest seen in the store
	unsaved *Grant    // renewed, and the store did not take it
	running *renewal  // nil if none
	retry   time.Time // no renewal before, as long as grant is good
}

// renewal is one look into the store, with a renewal if need be. Whoever waits
// for it shares the outcome.
type renewal struct {
	done  chan struct{}
	grant *Grant
	err   error
}

// Token implements [TokenSource].
func (s *source) Token(ctx context.Context) (*Token, error) { return s.token(ctx, nil) }

// Renew implements [Renewer].
func (s *source) Renew(ctx context.Context, spent *Token) (*Token, error) {
	if spent == nil {
		return nil, &Error{Op: opRefresh, Err: errors.New("there is no spent token")}
	}
	return s.token(ctx, spent)
}

// token gives a token other than the spent one.
func (s *source) token(ctx context.Context, spent *Token) (*Token, error) {
	for {
		s.mu.Lock()
		now := s.c.now()
		if g := s.grant; s.c.good(g, now, spent) && (!s.c.due(g, now) || now.Before(s.retry)) {
			s.mu.Unlock()
			return g.Token, nil
		}
		r, own := s.running, false
		if r == nil {
			r, own = s.start(ctx, spent), true
		}
		s.mu.Unlock()
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, &Error{Op: opRefresh, Err: ctx.Err()}
		}
		switch {
		case s.c.good(r.grant, now, spent):
			return r.grant.Token, nil
		case r.err != nil:
			return nil, r.err
		case own:
			return nil, &Error{Op: opRefresh, Err: errors.New("the renewed access token is of no use: it has expired or is the spent one")}
		}
		// A renewal that others began did not know that this token is spent.
	}
}

// start begins a renewal; s.mu is held. It outlives the caller, so that a caller
// who gives up does not lose a refresh token that the server has just rotated,
// and is bounded by [RenewTimeout].
func (s *source) start(ctx context.Context, spent *Token) *renewal {
	r := &renewal{done: make(chan struct{})}
	s.running = r
	unsaved := s.unsaved
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), RenewTimeout)
		defer cancel()
		var fresh *Grant
		r.grant, fresh, r.err = s.renew(ctx, spent, unsaved)
		s.mu.Lock()
		defer s.mu.Unlock()
		defer close(r.done)
		s.running, s.unsaved, s.retry = nil, nil, time.Time{}
		if r.grant != nil {
			s.grant = r.grant
		}
		if r.err != nil {
			s.unsaved, s.retry = fresh, s.c.now().Add(renewAgain)
		}
	}()
	return r
}

// renew looks into the store and renews the grant there unless somebody has done
// so. On an error it returns the stored grant if that is good all the same, and
// the renewed one that the store did not take: the server may have rotated the
// refresh token, so the next renewal tries to store it again.
func (s *source) renew(ctx context.Context, spent *Token, unsaved *Grant) (grant, fresh *Grant, err error) {
	fresh = unsaved
	var stored *Grant
	err = s.store.Update(ctx, func(current *Grant) (*Grant, error) {
		// One that is gone was taken away, by a logout: it is not brought back.
		if fresh != nil && current != nil && !current.Obtained.After(fresh.Obtained) {
			current = fresh
		} else {
			fresh = nil
		}
		if err := s.c.owns(current); err != nil {
			return nil, &Error{Op: opRefresh, Err: err, Hint: "run the flow again"}
		}
		now := s.c.now()
		if stored = current; s.c.good(current, now, spent) && !s.c.due(current, now) {
			return current, nil
		}
		next, err := s.c.renewed(ctx, current)
		if err != nil {
			return nil, err
		}
		fresh, stored = next, next
		return next, nil
	})
	if err == nil {
		return stored, nil, nil
	}
	if fresh == nil && s.c.good(stored, s.c.now(), spent) {
		grant = stored
	}
	var e *Error
	if !errors.As(err, &e) {
		err = &Error{Op: opRefresh, Err: fmt.Errorf("the grant store: %w", err)}
	}
	return grant, fresh, err
}

// renewed gets the successor of a grant.
func (c *Client) renewed(ctx context.Context, g *Grant) (*Grant, error) {
	if g.Refresh.IsZero() && g.Type == grantCredentials {
		return c.ClientCredentials(ctx)
	}
	return c.Refresh(ctx, g)
}

// good reports whether a grant's access token can be used. One that was got with
// another certificate cannot (RFC 8705 section 6.3).
func (c *Client) good(g *Grant, now time.Time, spent *Token) bool {
	if g == nil || g.Token == nil || g.Certificate != c.cert {
		return false
	}
	if spent != nil && spent.Value.Reveal() == g.Token.Value.Reveal() {
		return false
	}
	return g.Token.Expires.IsZero() || now.Before(g.Token.Expires)
}

// due reports whether a good grant should be renewed now.
func (c *Client) due(g *Grant, now time.Time) bool {
	if g.Token.Expires.IsZero() {
		return false
	}
	margin := min(RenewMargin, g.Token.Expires.Sub(g.Obtained)/5)
	return !now.Before(g.Token.Expires.Add(-margin))
}
