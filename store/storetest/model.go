package storetest

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-oauth/holdfast/store"
)

// Few keys and owners, so that operations meet.
const (
	modelKeys  = 4
	modelHours = 6
)

// model is what a store should be: a map. Its time counts in hours, and records
// expire half an hour past one, so that no test depends on how long it takes.
type model struct {
	s     store.Store
	clock *movable
	start time.Time
	hour  int // of the clock since start

	salt   [32]byte
	owners []string
	held   map[[32]byte]store.Record
	left   map[[32]byte]int // hours until a record expires; absent: never
}

// likeAMap compares the answers to random operations with those of a map.
func likeAMap(t *testing.T, s store.Store, clock *movable) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			s: s, clock: clock, start: clock.now(), salt: newKey(), owners: []string{"", newOwner(), newOwner() + "\x00"},
			held: map[[32]byte]store.Record{}, left: map[[32]byte]int{},
		}
		operations := []func(*testing.T, *rapid.T){m.get, m.create, m.create, m.swap, m.swap, m.remove, m.list}
		if clock.advance != nil {
			operations = append(operations, m.pass)
		}
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, len(operations)-1), 1, 16).Draw(rt, "operations") {
			operations[n](t, rt)
		}
		for n := range modelKeys {
			_ = s.Delete(t.Context(), kind, m.key(n))
		}
	})
}

func (m *model) key(n int) [32]byte {
	key := m.salt
	key[31] = byte(n)
	return key
}

func (m *model) anyKey(rt *rapid.T) [32]byte {
	return m.key(rapid.IntRange(0, modelKeys-1).Draw(rt, "key"))
}

// draw returns a record for the key, and in how many hours it expires.
func (m *model) draw(rt *rapid.T, key [32]byte) (r store.Record, hours int, expires bool) {
	r = store.Record{
		Kind: kind, Key: key, Owner: rapid.SampledFrom(m.owners).Draw(rt, "owner"),
		Body: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(rt, "body"),
	}
	if expires = rapid.Bool().Draw(rt, "expires"); expires {
		hours = rapid.IntRange(0, modelHours).Draw(rt, "hours")
		r.Expires = m.start.Add(time.Duration(m.hour+hours)*time.Hour + 30*time.Minute)
	}
	return r, m.hour + hours, expires
}

func (m *model) keep(r store.Record, until int, expires bool) {
	delete(m.left, r.Key)
	if expires {
		m.left[r.Key] = until
	}
	m.held[r.Key] = r
}

func (m *model) want(rt *rapid.T, what string, got, want error) {
	rt.Helper()
	if !errors.Is(got, want) {
		rt.Fatalf("%s = %v, want %v", what, got, want)
	}
}

func (m *model) get(t *testing.T, rt *rapid.T) {
	key := m.anyKey(rt)
	got, err := m.s.Get(t.Context(), kind, key)
	want, ok := m.held[key]
	if !ok {
		m.want(rt, "Get", err, store.ErrNotFound)
		return
	}
	m.want(rt, "Get", err, nil)
	if d := difference(want, got); d != "" {
		rt.Fatalf("Get: %s", d)
	}
}

func (m *model) create(t *testing.T, rt *rapid.T) {
	r, until, expires := m.draw(rt, m.anyKey(rt))
	err := m.s.Create(t.Context(), r)
	if _, ok := m.held[r.Key]; ok {
		m.want(rt, "Create", err, store.ErrExists)
		return
	}
	m.want(rt, "Create", err, nil)
	r.Version = 1
	m.keep(r, until, expires)
}

func (m *model) swap(t *testing.T, rt *rapid.T) {
	r, until, expires := m.draw(rt, m.anyKey(rt))
	old, ok := m.held[r.Key]
	if rapid.IntRange(0, 3).Draw(rt, "right owner") > 0 {
		r.Owner = old.Owner
	}
	r.Version = uint64(max(0, int(old.Version)+rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(rt, "version")))
	err := m.s.Swap(t.Context(), r)
	if !ok || r.Version != old.Version || r.Owner != old.Owner {
		m.want(rt, "Swap", err, store.ErrConflict)
		return
	}
	m.want(rt, "Swap", err, nil)
	r.Version++
	m.keep(r, until, expires)
}

func (m *model) remove(t *testing.T, rt *rapid.T) {
	key := m.anyKey(rt)
	m.want(rt, "Delete", m.s.Delete(t.Context(), kind, key), nil)
	delete(m.held, key)
	delete(m.left, key)
}

func (m *model) list(t *testing.T, rt *rapid.T) {
	owner := rapid.SampledFrom(m.owners).Draw(rt, "list")
	want, got := map[[32]byte]store.Record{}, map[[32]byte]store.Record{}
	for key, r := range m.held {
		if owner == "" || r.Owner == owner {
			want[key] = r
		}
	}
	for r, err := range m.s.List(t.Context(), kind, owner) {
		m.want(rt, "List", err, nil)
		if _, twice := got[r.Key]; twice {
			rt.Fatal("a record is listed twice")
		}
		got[r.Key] = r
	}
	if d := differences(want, got); d != "" {
		rt.Fatalf("List: %s", d)
	}
}

// pass lets some hours pass.
func (m *model) pass(_ *testing.T, rt *rapid.T) {
	hours := rapid.IntRange(1, 3).Draw(rt, "pass")
	m.clock.pass(time.Duration(hours) * time.Hour)
	m.hour += hours
	for key, until := range m.left {
		if until < m.hour {
			delete(m.held, key)
			delete(m.left, key)
		}
	}
}
