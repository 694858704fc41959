// Package storetest holds what every store must do, as tests for those who write
// one. [Replays] judges a holdfast.ReplayCache, [Records] a store.Store.
//
// It asserts no times and starts no servers: what it is given must be ready. It
// cannot show that a store survives a crash, or that the space of what has
// expired is used again; a backend has tests of its own for that.
package storetest

import (
	"context"
	"crypto/rand"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// How hard the cache is pressed.
const (
	callers = 32
	ids     = 300
)

// Replays runs the conformance suite of a [holdfast.ReplayCache]. open returns
// a cache that is ready for use, one more for each test; all may be on one
// server, for ids are random. Where the cache is also a [holdfast.ReplayMemory],
// [holdfast.ReplayPeeker] or [io.Closer], that is judged too.
func Replays(t *testing.T, open func(t testing.TB) holdfast.ReplayCache) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, c holdfast.ReplayCache)
	}{
		{"the first use is the first and no other is", onlyTheFirst},
		{"ids that differ in one bit are two ids", oneBit},
		{"of equal concurrent calls exactly one is the first", exactlyOne},
		{"an id whose time has passed is remembered all the same", untilInThePast},
		{"a longer until does not make a second use the first", longerUntil},
		{"a call that was given up is not accepted twice", givenUp},
		{"peeking sees what was used and records nothing", peeking},
		{"since stands still and is not in the future", since},
		{"after closing every call is an error", closing},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func newID() (id holdfast.ReplayID) {
	_, _ = rand.Read(id[:])
	return id
}

// use fails the test unless the answer is the wanted one.
func use(t *testing.T, c holdfast.ReplayCache, id holdfast.ReplayID, until time.Time, want bool) {
	t.Helper()
	first, err := c.Use(t.Context(), id, until)
	if err != nil || first != want {
		t.Errorf("Use(%x) = %v, %v, want %v", id, first, err, want)
	}
}

func soon() time.Time { return time.Now().Add(time.Minute) }

func onlyTheFirst(t *testing.T, c holdfast.ReplayCache) {
	id := newID()
	use(t, c, id, soon(), true)
	for range 3 {
		use(t, c, id, soon(), false)
	}
}

func oneBit(t *testing.T, c holdfast.ReplayCache) {
	id := newID()
	use(t, c, id, soon(), true)
	for i := range id {
		for bit := range 8 {
			other := id
			other[i] ^= 1 << bit
			use(t, c, other, soon(), true)
		}
	}
	use(t, c, id, soon(), false)
}

func exactlyOne(t *testing.T, c holdfast.ReplayCache) {
	names := make([]holdfast.ReplayID, ids)
	for i := range names {
		names[i] = newID()
	}
	firsts := make([]atomic.Int32, ids)
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			for i := range names {
				i = (i + n/4*7) % ids // four callers side by side
				first, err := c.Use(t.Context(), names[i], soon())
				if err != nil {
					t.Errorf("Use = %v", err)
					return
				}
				if first {
					firsts[i].Add(1)
				}
			}
		})
	}
	all.Wait()
	for i := range firsts {
		if n := firsts[i].Load(); n != 1 {
			t.Errorf("id %d was first %d times, want once", i, n)
		}
	}
}

// A proof at the edge of its window is judged a moment later than it expires.
func untilInThePast(t *testing.T, c holdfast.ReplayCache) {
	id := newID()
	past := time.Now().Add(-time.Hour)
	use(t, c, id, past, true)
	use(t, c, id, past, false)
}

func longerUntil(t *testing.T, c holdfast.ReplayCache) {
	id := newID()
	use(t, c, id, time.Now(), true)
	use(t, c, id, soon(), false)
}

// Whether or not the server heard of the first call, at most one of
// the two is accepted.
func givenUp(t *testing.T, c holdfast.ReplayCache) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	id := newID()
	first, err := c.Use(ctx, id, soon())
	if first && err != nil {
		t.Errorf("Use = first and %v, want one of them", err)
	}
	again, err := c.Use(t.Context(), id, soon())
	if err != nil {
		t.Errorf("Use after a call that was given up = %v", err)
	}
	if first && again {
		t.Error("both calls were first")
	}
}

func peeking(t *testing.T, c holdfast.ReplayCache) {
	p, ok := c.(holdfast.ReplayPeeker)
	if !ok {
		t.Skip("the cache does not peek")
	}
	id := newID()
	for range 2 {
		if seen, err := p.Peek(t.Context(), id); err != nil || seen {
			t.Errorf("Peek before use = %v, %v, want not seen", seen, err)
		}
	}
	use(t, c, id, soon(), true)
	if seen, err := p.Peek(t.Context(), id); err != nil || !seen {
		t.Errorf("Peek after use = %v, %v, want seen", seen, err)
	}
	use(t, c, id, soon(), false)
}

func since(t *testing.T, c holdfast.ReplayCache) {
	m, ok := c.(holdfast.ReplayMemory)
	if !ok {
		t.Skip("the cache does not say since when it remembers")
	}
	before, err := m.Since(t.Context())
	if err != nil || before.IsZero() {
		t.Fatalf("Since = %v, %v, want a time", before, err)
	}
	use(t, c, newID(), soon(), true)
	after, err := m.Since(t.Context())
	if err != nil || !after.Equal(before) {
		t.Errorf("Since = %v, %v after a use, %v before it", after, err, before)
	}
	// A minute: the clock of the cache may be another one.
	if after.After(soon()) {
		t.Errorf("Since = %v, which is in the future", after)
	}
}

func closing(t *testing.T, c holdfast.ReplayCache) {
	closer, ok := c.(io.Closer)
	if !ok {
		t.Skip("the cache cannot be closed")
	}
	if err := closer.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if first, err := c.Use(t.Context(), newID(), soon()); err == nil || first {
		t.Errorf("Use after Close = %v, %v, want an error", first, err)
	}
	if p, ok := c.(holdfast.ReplayPeeker); ok {
		if seen, err := p.Peek(t.Context(), newID()); err == nil {
			t.Errorf("Peek after Close = %v, want an error", seen)
		}
	}
	if m, ok := c.(holdfast.ReplayMemory); ok {
		if at, err := m.Since(t.Context()); err == nil {
			t.Errorf("Since after Close = %v, want an error", at)
		}
	}
	if err := closer.Close(); err != nil {
		t.Errorf("Close again = %v", err)
	}
}
