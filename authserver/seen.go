package authserver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// Times and limits of what is remembered of the keys of clients.
const (
	SeenLifetime = 180 * 24 * time.Hour // after the last use
	SeenEvery    = time.Minute          // how often a use is written down at most

	// maxSeenRecent is how many keys a process remembers to have noted. Beyond
	// that it forgets them all, which costs a read each and nothing else.
	maxSeenRecent = 1 << 16
)

// seenKeys remembers which keys each client has used, first and last.
type seenKeys struct {
	store store.Store
	now   func() time.Time

	mu     sync.Mutex // guards recent
	recent map[[32]byte]time.Time
}

// seenRecord is one key of one client.
type seenRecord struct {
	Kind       string              `json:"kind"` // jkt or x5t#S256
	Thumbprint holdfast.Thumbprint `json:"thumbprint"`
	First      time.Time           `json:"first"`
	Last       time.Time           `json:"last"`
}

func newSeenKeys(s *Server) *seenKeys {
	return &seenKeys{store: s.store, now: s.now, recent: map[[32]byte]time.Time{}}
}

// note records that a client used a key. The first use is durable before it
// returns; later ones are written at most once a minute.
func (k *seenKeys) note(ctx context.Context, clientID string, b binding) error {
	if !b.JKT.IsZero() {
		if err := k.noteOne(ctx, clientID, "jkt", b.JKT); err != nil {
			return err
		}
	}
	if !b.X5T.IsZero() {
		return k.noteOne(ctx, clientID, "x5t#S256", b.X5T)
	}
	return nil
}

func (k *seenKeys) noteOne(ctx context.Context, clientID, kind string, t holdfast.Thumbprint) error {
	now := k.now().UTC()
	key := keyOf(kind, string(t[:]), clientID)
	k.mu.Lock()
	last, known := k.recent[key]
	k.mu.Unlock()
	if known && now.Sub(last) < SeenEvery {
		return nil
	}
	if err := k.write(ctx, key, clientID, seenRecord{kind, t, now, now}); err != nil {
		return fmt.Errorf("note the key of a client: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.recent) >= maxSeenRecent {
		clear(k.recent)
	}
	k.recent[key] = now
	return nil
}

// write creates the record, or moves the last use. That somebody else moved it at
// the same time is as good.
func (k *seenKeys) write(ctx context.Context, key [32]byte, clientID string, v seenRecord) error {
	e, err := load[seenRecord](ctx, k.store, kindSeen, key)
	if missing(err) {
		err = create(ctx, k.store, kindSeen, key, clientID, v.Last.Add(SeenLifetime), v)
	} else if err == nil && v.Last.Sub(e.Value.Last) >= SeenEvery {
		e.Value.Last, e.Expires = v.Last, v.Last.Add(SeenLifetime)
		err = e.swap(ctx, k.store)
	}
	if contended(err) {
		return nil
	}
	return err
}
