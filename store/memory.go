package store

import (
	"context"
	"iter"
	"slices"
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
	return &memoryStore{now: now, records: map[place]Record{}}
}

// place is where a record is.
type place struct {
	kind Kind
	key  [32]byte
}

type memoryStore struct {
	now     func() time.Time
	mu      sync.RWMutex // guards what follows
	records map[place]Record
	writes  int // since the last sweep
}

// sweepAfter is how many writes there are between two searches for expired
// records, at least: as many as there are records, so that a write costs O(1).
const sweepAfter = 1024

func (m *memoryStore) live(p place) (Record, bool) {
	r, ok := m.records[p]
	if ok && !r.Expires.IsZero() && !m.now().Before(r.Expires) {
		return Record{}, false
	}
	return r, ok
}

func (m *memoryStore) Get(_ context.Context, k Kind, key [32]byte) (Record, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.live(place{k, key})
	if !ok {
		return Record{}, ErrNotFound
	}
	r.Body = slices.Clone(r.Body)
	return r, nil
}

func (m *memoryStore) Create(_ context.Context, r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.live(place{r.Kind, r.Key}); ok {
		return ErrExists
	}
	r.Version = 1
	m.put(r)
	return nil
}

func (m *memoryStore) Swap(_ context.Context, r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.live(place{r.Kind, r.Key})
	if !ok || old.Version != r.Version {
		return ErrConflict
	}
	r.Owner, r.Version = old.Owner, old.Version+1
	m.put(r)
	return nil
}

// put stores a copy. The caller holds mu.
func (m *memoryStore) put(r Record) {
	if m.writes++; m.writes > max(sweepAfter, len(m.records)) {
		m.writes = 0
		now := m.now()
		for p, old := range m.records {
			if !old.Expires.IsZero() && !now.Before(old.Expires) {
				delete(m.records, p)
			}
		}
	}
	if !r.Expires.IsZero() {
		r.Expires = r.Expires.Truncate(time.Millisecond)
	}
	r.Body = slices.Clone(r.Body)
	m.records[place{r.Kind, r.Key}] = r
}

func (m *memoryStore) Delete(_ context.Context, k Kind, key [32]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, place{k, key})
	return nil
}

func (m *memoryStore) List(_ context.Context, k Kind, owner string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m.mu.RLock()
		var found []Record
		for p := range m.records {
			if r, ok := m.live(p); ok && p.kind == k && (owner == "" || r.Owner == owner) {
				r.Body = slices.Clone(r.Body)
				found = append(found, r)
			}
		}
		m.mu.RUnlock()
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memoryStore) Close() error { return nil }
