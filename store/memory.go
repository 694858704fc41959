package store

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// NewMemory returns a [Store] in the memory of this process, for tests and for
// trying things out: it forgets everything when the process ends. It reads the
// clock through now; nil means time.Now.
func NewMemory(now func() time.Time) Store {
	if now == nil {
		now = time.Now
	}
	return &records{now: now, backend: &memoryRecords{held: map[place]Record{}}}
}

// place is where a record is.
type place struct {
	kind Kind
	key  [32]byte
}

type memoryRecords struct {
	mu     sync.RWMutex // guards what follows
	held   map[place]Record
	writes int // since the last sweep
}

// sweepAfter is how many writes there are between two searches for expired
// records, at least: as many as there are records, so that a write costs O(1).
const sweepAfter = 1024

func (m *memoryRecords) live(p place, now int64) (Record, bool) {
	r, ok := m.held[p]
	return r, ok && now < r.expiry()
}

func (m *memoryRecords) get(_ context.Context, k Kind, key [32]byte, now int64) (Record, error) {
	m.mu.RLock()
	r, ok := m.live(place{k, key}, now)
	m.mu.RUnlock()
	if !ok {
		return Record{}, ErrNotFound
	}
	r.Body = bytes.Clone(r.Body) // what is held is replaced, never changed
	return r, nil
}

func (m *memoryRecords) create(_ context.Context, r Record, now int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live(place{r.Kind, r.Key}, now); ok {
		return ErrExists
	}
	m.put(r, now)
	return nil
}

func (m *memoryRecords) swap(_ context.Context, r Record, now int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.live(place{r.Kind, r.Key}, now)
	if !ok || old.Version != r.Version || old.Owner != r.Owner {
		return ErrConflict
	}
	r.Version++
	m.put(r, now)
	return nil
}

// put keeps a copy. The caller holds mu.
func (m *memoryRecords) put(r Record, now int64) {
	if m.writes++; m.writes > max(sweepAfter, len(m.held)) {
		m.writes = 0
		for p, old := range m.held {
			if now >= old.expiry() {
				delete(m.held, p)
			}
		}
	}
	r.Expires = expiryTime(r.expiry())
	r.Body = append([]byte(nil), r.Body...)
	m.held[place{r.Kind, r.Key}] = r
}

func (m *memoryRecords) remove(_ context.Context, k Kind, key [32]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.held, place{k, key})
	return nil
}

// pages returns everything at once: it is a copy of what is in memory anyway.
func (m *memoryRecords) pages(k Kind, owner string) func(context.Context, int64) ([]Record, bool, error) {
	return func(_ context.Context, now int64) ([]Record, bool, error) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		var found []Record
		for p := range m.held {
			if r, ok := m.live(p, now); ok && p.kind == k && (owner == "" || r.Owner == owner) {
				r.Body = bytes.Clone(r.Body)
				found = append(found, r)
			}
		}
		return found, false, nil
	}
}

func (m *memoryRecords) close() error { return nil }
