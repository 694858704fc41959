package holdfast

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"
)

// ReplayID names one proof to a replay cache: the truncated SHA-256 of realm,
// thumbprint and jti. A collision can only refuse, never accept.
type ReplayID [16]byte

// ReplayCache remembers which proofs were used (RFC 9449 section 11.1).
//
// Use is atomic: of two equal concurrent calls, also on different replicas,
// exactly one gets first == true. An error refuses the request with 503; a full
// cache returns CodeServerReplayFull. Nothing is evicted before until. Use must
// be safe for concurrent use.
type ReplayCache interface {
	Use(ctx context.Context, id ReplayID, until time.Time) (first bool, err error)
}

// ReplayMemory is an optional ability of a ReplayCache: since when it
// remembers. A proof with an older iat, and no nonce issued after that time,
// is challenged for a nonce: it may have been used before a cold start.
type ReplayMemory interface {
	Since(ctx context.Context) (time.Time, error)
}

// ReplayPeeker is an optional ability of a ReplayCache: to look without
// recording. Explain uses it; without it the replay check is Unknown there.
type ReplayPeeker interface {
	Peek(ctx context.Context, id ReplayID) (seen bool, err error)
}

// newReplayID hashes the parts with their lengths, so that no two different
// triples give the same input.
func newReplayID(realm string, key Thumbprint, jti string) ReplayID {
	var buf [512]byte
	b := append(buf[:0], byte(len(realm)>>8), byte(len(realm)))
	b = append(b, realm...)
	b = append(b, key[:]...)
	b = append(b, jti...)
	sum := sha256.Sum256(b)
	return ReplayID(sum[:16])
}

// Defaults and limits of [Replays].
const (
	DefaultReplayMax    = 1 << 20         // live ids, about 16 MiB
	DefaultReplayWindow = 7 * time.Minute // longest time an id has to be remembered: enough for DefaultNonceLifetime

	replayShards  = 256
	replayBuckets = 6 // of one window; an id lives at most a sixth of the window too long
	replayRing    = replayBuckets + 2
)

// ReplayConfig configures [NewReplays].
type ReplayConfig struct {
	Max    int              // live ids at most, expired ones included until their bucket ends; 0 means DefaultReplayMax
	Window time.Duration    // how far in the future until may lie; 0 means DefaultReplayWindow
	Now    func() time.Time // nil means time.Now
}

// Replays is an in-process [ReplayCache]. It keeps 8-byte fingerprints under a
// per-process secret in time buckets, and refuses when full instead of
// forgetting. With ten million live ids an honest proof is refused by a
// collision with a probability of about 5e-13. Safe for concurrent use; there
// is no usable zero value.
type Replays struct {
	seed   maphash.Seed
	now    func() time.Time
	since  time.Time
	width  time.Duration // of one bucket
	window time.Duration
	limit  int // ids per shard
	shards [replayShards]replayShard
}

type replayShard struct {
	mu     sync.Mutex
	live   int   // ids in all buckets of ring
	oldest int64 // first stretch of time of which nothing was forgotten yet
	ring   [replayRing]replayBucket
	spare  []uint64 // all free: the table of the last stretch that ended, for the next that begins
	_      [16]byte // keep neighbours off this cache line
}

// replayBucket holds the ids that expire within one stretch of time, as an
// open-addressing table in which 0 is free.
type replayBucket struct {
	epoch int64 // number of the stretch: until / width
	count int
	slots []uint64
}

// NewReplays returns an empty cache.
func NewReplays(c ReplayConfig) (*Replays, error) {
	if c.Max == 0 {
		c.Max = DefaultReplayMax
	}
	if c.Window == 0 {
		c.Window = DefaultReplayWindow
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Max < 0 || c.Window < time.Second {
		return nil, fmt.Errorf("replays: max is %d and window %v, want more than 0 and at least one second", c.Max, c.Window)
	}
	perShard := c.Max / replayShards
	return &Replays{
		seed: maphash.MakeSeed(), now: c.Now, since: c.Now(), window: c.Window,
		width: max(c.Window/replayBuckets, time.Second/replayBuckets),
		// Hashing spreads ids unevenly; the slack keeps a shard from filling before the whole does.
		limit: perShard + perShard/16 + 16,
	}, nil
}

// Since returns when the cache was made: before that it knows nothing.
func (r *Replays) Since(context.Context) (time.Time, error) { return r.since, nil }

func (r *Replays) fingerprint(id ReplayID) uint64 {
	if f := maphash.Bytes(r.seed, id[:]); f != 0 {
		return f
	}
	return 1
}

// Use records id until the given time, unless it is there already.
func (r *Replays) Use(_ context.Context, id ReplayID, until time.Time) (bool, error) {
	now := r.now()
	if until.After(now.Add(r.window)) {
		return false, fmt.Errorf("replays: an id was to be kept for %v, the window is %v", until.Sub(now), r.window)
	}
	if until.Before(now) {
		until = now
	}
	f := r.fingerprint(id)
	s := &r.shards[f>>56]
	epoch := until.UnixNano() / int64(r.width)

	s.mu.Lock()
	defer s.mu.Unlock()
	// A clock that was set back does not bring back what was forgotten.
	s.oldest = max(s.oldest, now.UnixNano()/int64(r.width))
	for i := range s.ring {
		b := &s.ring[i]
		if b.count > 0 && b.epoch < s.oldest {
			s.live -= b.count
			s.reset(b)
		}
		if b.has(f) {
			return false, nil
		}
	}
	if epoch < s.oldest {
		return false, fmt.Errorf("replays: the clock was set back, ids until %v are forgotten already", until)
	}
	if s.live >= r.limit {
		return false, CodeServerReplayFull
	}
	b := &s.ring[uint64(epoch)%replayRing] // uint64: a clock before 1970 is no reason to panic
	b.epoch = epoch                        // all epochs lie in replayRing stretches from s.oldest, so no other one is here
	if b.slots == nil {
		b.slots, s.spare = s.spare, nil
	}
	b.add(f)
	s.live++
	return true, nil
}

// Peek reports whether id was used, without recording it. Like Use it returns
// CodeServerReplayFull where a new id would find no room.
func (r *Replays) Peek(_ context.Context, id ReplayID) (bool, error) {
	f := r.fingerprint(id)
	s := &r.shards[f>>56]
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest, live := max(s.oldest, r.now().UnixNano()/int64(r.width)), 0
	for i := range s.ring {
		b := &s.ring[i]
		if b.count == 0 || b.epoch < oldest {
			continue
		}
		if b.has(f) {
			return true, nil
		}
		live += b.count
	}
	if live >= r.limit {
		return false, CodeServerReplayFull
	}
	return false, nil
}

// Len returns how many ids are held, those included whose bucket has not ended.
func (r *Replays) Len() int {
	n := 0
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += s.live
		s.mu.Unlock()
	}
	return n
}

// reset forgets the ids of a bucket. One table is kept for the next stretch,
// unless it was far larger than needed: traffic is alike from one to the next.
func (s *replayShard) reset(b *replayBucket) {
	if b.count*4 >= len(b.slots) && len(b.slots) > len(s.spare) {
		clear(b.slots)
		s.spare = b.slots
	}
	b.slots, b.count = nil, 0
}

// home is where the search for f begins: f scaled to the table, with the byte
// that chose the shard shifted out.
func (b *replayBucket) home(f uint64) int {
	hi, _ := bits.Mul64(f<<8, uint64(len(b.slots)))
	return int(hi)
}

func (b *replayBucket) has(f uint64) bool {
	if b.count == 0 {
		return false
	}
	for i := b.home(f); ; {
		switch b.slots[i] {
		case f:
			return true
		case 0:
			return false
		}
		if i++; i == len(b.slots) {
			i = 0
		}
	}
}

// add inserts f, which is not there. Tables grow by a quarter, so that between
// two thirds and four fifths of the slots are in use.
func (b *replayBucket) add(f uint64) {
	if (b.count+1)*5 > len(b.slots)*4 {
		old := b.slots
		b.slots = make([]uint64, max(16, len(old)+len(old)/4))
		for _, g := range old {
			if g != 0 {
				b.put(g)
			}
		}
	}
	b.put(f)
	b.count++
}

func (b *replayBucket) put(f uint64) {
	i := b.home(f)
	for b.slots[i] != 0 {
		if i++; i == len(b.slots) {
			i = 0
		}
	}
	b.slots[i] = f
}
