package store

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// MaxReplayWindow is how far in the future the until of a Use may lie.
const MaxReplayWindow = 24 * time.Hour

// Replays is a [holdfast.ReplayCache] on a server that replicas share. It is
// also a [holdfast.ReplayMemory] and a [holdfast.ReplayPeeker].
//
// A proof used on one replica is a replay on all (RFC 9449 section 11.1). A
// call that could not be made, or whose answer was lost, is an error: a first
// use is one that the server has confirmed. After the server lost its memory,
// calls fail for [ClockTolerance]; then proofs made before that are challenged.
// It recovers without a restart.
//
// Safe for concurrent use; there is no usable zero value.
type Replays struct {
	memory
	calls
	backend replayBackend
}

// replayBackend is one kind of server. All times that it is given are spans:
// the server's clock counts them, so it need not agree with ours.
type replayBackend interface {
	// use records id for that long unless it is there, and then reads the mark.
	use(ctx context.Context, id holdfast.ReplayID, ttl time.Duration) (first bool, m mark, err error)
	peek(ctx context.Context, id holdfast.ReplayID) (seen bool, m mark, err error)
	look(ctx context.Context, fresh string) (mark, error)
	close()
}

// OpenReplays connects to the server that dsn names (see the package comment),
// checks that it can be trusted to remember, and returns the shared cache. It
// fails if the server cannot be reached. Close it after use.
func OpenReplays(ctx context.Context, dsn string) (*Replays, error) {
	return openReplays(ctx, dsn, time.Now)
}

func openReplays(ctx context.Context, dsn string, now func() time.Time) (*Replays, error) {
	s, err := parseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("replays: %w", err)
	}
	var b replayBackend
	if s.postgres {
		b, err = openPostgresReplays(ctx, s)
	} else {
		b, err = openValkey(s)
	}
	if err != nil {
		return nil, fmt.Errorf("replays: %w", err)
	}
	r := &Replays{backend: b}
	r.timeout = s.timeout
	r.memory.now, r.memory.look, r.memory.limit = now, b.look, s.timeout
	if err := r.refresh(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("replays: %w", err)
	}
	return r, nil
}

// Use records id until that time by the clocks of all replicas, and reports
// whether it is the first to do so. An error means that nobody knows; it wraps
// [holdfast.CodeServerReplayFull] if the server has no room.
func (r *Replays) Use(ctx context.Context, id holdfast.ReplayID, until time.Time) (bool, error) {
	ttl := max(until.Sub(r.now()), 0) + ClockTolerance
	if ttl > MaxReplayWindow+ClockTolerance {
		return false, fmt.Errorf("replays: an id was to be kept for %v, at most %v", ttl, MaxReplayWindow)
	}
	ctx, cancel, err := r.begin(ctx)
	if err != nil {
		return false, fmt.Errorf("replays: %w", err)
	}
	defer cancel()
	first, m, err := r.backend.use(ctx, id, ttl)
	if err != nil {
		return false, fmt.Errorf("replays: %w", err)
	}
	if !first {
		return false, nil // it is there: whatever else was lost
	}
	if err := r.confirm(ctx, m); err != nil {
		return false, fmt.Errorf("replays: %w", err)
	}
	return true, nil
}

// Peek reports whether id was used, without recording it. Errors as in
// [Replays.Use].
func (r *Replays) Peek(ctx context.Context, id holdfast.ReplayID) (bool, error) {
	ctx, cancel, err := r.begin(ctx)
	if err != nil {
		return false, fmt.Errorf("replays: %w", err)
	}
	defer cancel()
	seen, m, err := r.backend.peek(ctx, id)
	if err == nil && !seen {
		err = r.confirm(ctx, m)
	}
	if err != nil {
		return false, fmt.Errorf("replays: %w", err)
	}
	return seen, nil
}

// Since returns since when the server remembers, as far as this process has
// noticed: Use notices, and fails then. It asks nobody.
func (r *Replays) Since(context.Context) (time.Time, error) {
	if r.closed.Load() {
		return time.Time{}, fmt.Errorf("replays: %w", errClosed)
	}
	return r.since(), nil
}

// Close ends the connections and what runs in the background. Calls under way
// fail, later ones as well. It may be called twice.
func (r *Replays) Close() error {
	if !r.closed.Swap(true) {
		r.backend.close()
	}
	return nil
}
