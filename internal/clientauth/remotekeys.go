package clientauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// How the key sets of clients (jwks_uri) are fetched.
const (
	KeysMaxAge     = 5 * time.Minute  // how old a set gets before it is fetched again
	KeysMaxStale   = 15 * time.Minute // how old it may be while the client's host does not answer
	KeysMinRefetch = 30 * time.Second // pause between fetches of a set for keys that are not in it
	KeysRetryPause = time.Second      // pause after a failure while there is no set to go on with
	KeysTimeout    = 5 * time.Second  // of one fetch
	MaxKeySets     = 1024             // that are remembered; beyond, the one not used for longest is forgotten

	// How many requests wait for key sets at a time, and how many of them for one:
	// a client whose host does not answer must not take the places of all others
	// at the server.
	MaxKeyWaits    = 512
	MaxKeySetWaits = 128
)

// errCrowded is the answer to whoever would be one too many.
var errCrowded = errors.New("key set of the client: too many requests wait for its host, or for those of others")

// remoteKeys remembers the key sets that clients publish. Safe for concurrent
// use; there are no goroutines but those of the callers.
type remoteKeys struct {
	http *http.Client
	now  func() time.Time

	mu      sync.Mutex
	sets    map[string]*remoteSet
	waiting int // requests that wait for any set
}

// remoteSet is one address. What follows turn belongs to whoever has the turn.
type remoteSet struct {
	used    time.Time // guarded by remoteKeys.mu
	waiting int       // so is this: requests that wait for this set

	turn  chan struct{} // of capacity 1
	keys  *keySet       // what was read last, another value after each fetch; nil before the first
	at    time.Time     // when the fetch that gave keys began
	tried time.Time     // when the last fetch ended
	err   error         // of the last fetch
}

// get returns the key set at an address, a newer one than not if it may be
// asked for again: otherwise not itself. The error is a [*Refusal] if what is
// there is no key set, and a failure otherwise.
func (r *remoteKeys) get(ctx context.Context, address string, not *keySet) (*keySet, error) {
	set := r.set(address)
	keys, fresh := set.peek(r.now(), not)
	if fresh {
		return keys, nil
	}
	if !r.wait(set, 1) {
		if keys != nil {
			return keys, nil
		}
		return nil, errCrowded
	}
	defer r.wait(set, -1)
	select {
	case set.turn <- struct{}{}:
		defer func() { <-set.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("key set of the client: %w", context.Cause(ctx))
	}
	now := r.now()
	if set.keys != nil && set.keys != not && within(now, set.at, KeysMaxAge) {
		return set.keys, nil
	}
	pause := KeysRetryPause
	if set.usable(now) {
		pause = KeysMinRefetch
	}
	if !within(now, set.tried, pause) {
		// Others wait for it: it does not end with the request of the first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), KeysTimeout)
		defer cancel()
		keys, err := r.fetch(ctx, address)
		set.tried, set.err = r.now(), err
		if err == nil {
			set.keys, set.at = keys, now
		}
	}
	// Without an answer nobody can tell whether there is a newer key.
	if set.err != nil && (!set.usable(now) || set.keys == not) {
		return nil, set.err
	}
	return set.keys, nil
}

// peek returns what is remembered and may be used, and whether it is young enough
// to ask nobody. It waits for nobody.
func (s *remoteSet) peek(now time.Time, not *keySet) (keys *keySet, fresh bool) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	default:
		return nil, false
	}
	if !s.usable(now) || s.keys == not {
		return nil, false
	}
	return s.keys, within(now, s.at, KeysMaxAge)
}

// wait takes a place among those who wait, and reports whether there is one, or
// gives it back.
func (r *remoteKeys) wait(s *remoteSet, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > 0 && (r.waiting >= MaxKeyWaits || s.waiting >= MaxKeySetWaits) {
		return false
	}
	r.waiting += n
	s.waiting += n
	return true
}

func (s *remoteSet) usable(now time.Time) bool {
	return s.keys != nil && within(now, s.at, KeysMaxStale)
}

// within reports whether now is less than d after t. A clock that was set back
// makes things old, not young for ever.
func within(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return !t.IsZero() && age >= 0 && age < d
}

// set returns the entry of an address and makes room for a new one.
func (r *remoteKeys) set(address string) *remoteSet {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.sets[address]
	if set == nil {
		if len(r.sets) >= MaxKeySets {
			r.forgetOne()
		}
		set = &remoteSet{turn: make(chan struct{}, 1)}
		r.sets[address] = set
	}
	set.used = r.now()
	return set
}

func (r *remoteKeys) forgetOne() {
	var oldest string
	for address, set := range r.sets {
		if oldest == "" || set.used.Before(r.sets[oldest].used) {
			oldest = address
		}
	}
	delete(r.sets, oldest)
}

func (r *remoteKeys) fetch(ctx context.Context, address string) (*keySet, error) {
	text, answer, err := fetch.Get(ctx, r.http, address, "application/jwk-set+json, application/json", MaxKeysBytes)
	bad := func(why string) error { return refuse(BadKeys, fetch.Shown(address)+": "+why) }
	switch {
	case errors.As(err, new(*fetch.TooLargeError)):
		return nil, bad(err.Error())
	case err != nil:
		return nil, fmt.Errorf("key set of the client at %s: %w", fetch.Shown(address), fetch.Cause(err))
	case answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests:
		return nil, fmt.Errorf("key set of the client at %s: status %d", fetch.Shown(address), answer.StatusCode)
	case answer.StatusCode != http.StatusOK:
		return nil, bad(fmt.Sprintf("status %d, want 200; redirects are not followed", answer.StatusCode))
	}
	set, _, err := readKeys(text) // one broken key does not make the others useless
	if err != nil {
		return nil, bad(err.Error())
	}
	return set, nil
}
