package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/store"
)

// How hard the store is pressed.
const (
	rivals  = 64  // of one record
	rounds  = 8   // of their contest
	crowded = 700 // records of one owner: more than a backend reads at once
)

// Records runs the conformance suite of a [store.Store]. open returns a store
// that is ready for use, one more for each test; all may be on one server, for
// keys and owners are random. Kinds that begin with "test" have to be empty.
//
// advance sets the clock of all these stores forward, which the suite needs to
// see records expire; with nil that is not judged.
func Records(t *testing.T, open func(t testing.TB) store.Store, advance func(time.Duration)) {
	t.Helper()
	clock := &movable{advance: advance}
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"what was created is read back", readBack},
		{"what is too large or misnamed is refused", refused},
		{"a record is created once", createOnce},
		{"swapping wants the version and the owner that were read", swapping},
		{"a deleted record is gone", deleting},
		{"kinds and keys that differ in one bit are apart", keysApart},
		{"caller and store share no memory", noSharing},
		{"of rivals that create a record exactly one succeeds", rivalsCreate},
		{"of rivals that swap a version exactly one succeeds", rivalsSwap},
		{"no increment of many writers is lost", increments},
		{"a list has the records of its owner, each once", listing},
		{"owners that begin alike are apart", ownersApart},
		{"a list has what is not touched while others write", listWhileWriting},
		{"a loop over a list may change and stop it", listAndChange},
		{"a call that was given up is an error", recordGivenUp},
		{"what has expired is gone at once", func(t *testing.T, s store.Store) { expiring(t, s, clock) }},
		{"it does what a map would do", func(t *testing.T, s store.Store) { likeAMap(t, s, clock) }},
		{"after closing every call of a store is an error", recordsClosing},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// movable is the clock of the stores.
type movable struct {
	advance func(time.Duration) // nil: it cannot be set
	ahead   time.Duration       // of the time of day
}

func (m *movable) now() time.Time { return time.Now().Add(m.ahead) }

func (m *movable) pass(d time.Duration) {
	m.advance(d)
	m.ahead += d
}

const (
	kind  store.Kind = "test"
	other store.Kind = "tests" // begins like kind
)

func newKey() (key [32]byte) {
	_, _ = rand.Read(key[:])
	return key
}

func newOwner() string { return rand.Text() }

// create fails the test unless the record could be created.
func create(t *testing.T, s store.Store, r store.Record) store.Record {
	t.Helper()
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatalf("Create = %v", err)
	}
	r.Version = 1
	return r
}

// wantRecord fails the test unless the store holds exactly this record.
func wantRecord(t *testing.T, s store.Store, want store.Record) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Kind, want.Key)
	if err != nil {
		t.Errorf("Get = %v", err)
		return
	}
	if d := difference(want, got); d != "" {
		t.Errorf("Get: %s", d)
	}
}

// difference is empty if the records are the same.
func difference(want, got store.Record) string {
	want.Expires = want.Expires.Truncate(time.Millisecond)
	if want.Kind == got.Kind && want.Key == got.Key && want.Owner == got.Owner && want.Version == got.Version &&
		want.Expires.Equal(got.Expires) && bytes.Equal(want.Body, got.Body) {
		return ""
	}
	return "got " + shown(got) + ", want " + shown(want)
}

// shown is a record as text, with the beginning of its body.
func shown(r store.Record) string {
	return fmt.Sprintf("%s %x, owner %q, version %d, expires %v, body of %d bytes %.40q",
		r.Kind, r.Key[:4], r.Owner, r.Version, r.Expires, len(r.Body), r.Body)
}

// differences compares lists.
func differences(want, got map[[32]byte]store.Record) string {
	for key, r := range want {
		if d := difference(r, got[key]); d != "" {
			return d
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("got %d records, want %d", len(got), len(want))
	}
	return ""
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func wantGone(t *testing.T, s store.Store, k store.Kind, key [32]byte) {
	t.Helper()
	r, err := s.Get(t.Context(), k, key)
	wantError(t, "Get", err, store.ErrNotFound)
	if d := difference(store.Record{}, r); d != "" {
		t.Errorf("Get with an error: %s", d)
	}
}

func readBack(t *testing.T, s store.Store) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, c := range []struct {
		name string
		r    store.Record
	}{
		{"nothing but a kind and a key", store.Record{}},
		{"a body with every byte", store.Record{Body: every}},
		{"the largest body", store.Record{Body: bytes.Repeat(every, store.MaxBodyBytes/len(every))}},
		{"the longest owner, of every byte", store.Record{Owner: string(every)}},
		{"an owner of one NUL", store.Record{Owner: "\x00", Body: []byte{0}}},
		{"an expiry in microseconds", store.Record{Expires: time.Now().Add(time.Hour + 1234567*time.Nanosecond)}},
		{"an expiry in another zone", store.Record{Expires: time.Now().Add(time.Hour).In(time.FixedZone("", 12345))}},
		{"the last expiry", store.Record{Expires: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Kind, c.r.Key = kind, newKey()
			r := create(t, s, c.r)
			wantRecord(t, s, r)
			r.Body = append([]byte("more: "), r.Body[:min(len(r.Body), 100)]...)
			r.Expires = time.Now().Add(2 * time.Hour)
			if err := s.Swap(t.Context(), r); err != nil {
				t.Fatalf("Swap = %v", err)
			}
			r.Version++
			wantRecord(t, s, r)
		})
	}
}

func refused(t *testing.T, s store.Store) {
	for _, c := range []struct {
		name string
		r    store.Record
		want string
	}{
		{"a body that is too large", store.Record{Kind: kind, Body: make([]byte, store.MaxBodyBytes+store.SealOverhead+1)}, "body"},
		{"an owner that is too long", store.Record{Kind: kind, Owner: strings.Repeat("o", store.MaxOwnerBytes+1)}, "owner"},
		{"no kind", store.Record{}, "kind"},
		{"a kind of 17 letters", store.Record{Kind: "abcdefghijklmnopq"}, "kind"},
		{"a kind with a colon", store.Record{Kind: "a:b"}, "kind"},
		{"a kind in upper case", store.Record{Kind: "Test"}, "kind"},
		{"an expiry that has no milliseconds", store.Record{Kind: kind, Expires: time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC)}, "year"},
		{"an expiry before 1970", store.Record{Kind: kind, Expires: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)}, "year"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Key = newKey()
			if err := s.Create(t.Context(), c.r); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Create = %v, want an error about the %s", err, c.want)
			}
			c.r.Version = 1
			if err := s.Swap(t.Context(), c.r); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Swap = %v, want an error about the %s", err, c.want)
			}
			if _, err := s.Get(t.Context(), c.r.Kind, c.r.Key); err == nil {
				t.Error("it was written")
			}
		})
	}
}

func createOnce(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: newOwner(), Body: []byte("first")})
	second := r
	second.Owner, second.Body = newOwner(), []byte("second")
	wantError(t, "Create again", s.Create(t.Context(), second), store.ErrExists)
	wantRecord(t, s, r)
	second.Key, second.Version = newKey(), 77
	create(t, s, second) // whatever its version says
	second.Version = 1
	wantRecord(t, s, second)
}

func swapping(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: newOwner(), Body: []byte("1")})
	for _, c := range []struct {
		name   string
		change func(*store.Record)
	}{
		{"an earlier version", func(r *store.Record) { r.Version = 0 }},
		{"a later version", func(r *store.Record) { r.Version = 2 }},
		{"the last version of all", func(r *store.Record) { r.Version = 1<<64 - 1 }},
		{"another owner", func(r *store.Record) { r.Owner = newOwner() }},
		{"no owner", func(r *store.Record) { r.Owner = "" }},
		{"another key", func(r *store.Record) { r.Key = newKey() }},
		{"another kind", func(r *store.Record) { r.Kind = other }},
	} {
		next := r
		next.Body = []byte(c.name)
		c.change(&next)
		wantError(t, "Swap with "+c.name, s.Swap(t.Context(), next), store.ErrConflict)
	}
	wantRecord(t, s, r)
	for n := range 20 {
		r.Body = fmt.Append(nil, n)
		if err := s.Swap(t.Context(), r); err != nil {
			t.Fatalf("Swap = %v", err)
		}
		wantError(t, "Swap of the version before", s.Swap(t.Context(), r), store.ErrConflict)
		r.Version++
		wantRecord(t, s, r)
	}
}

func deleting(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: newOwner()})
	for range 2 {
		if err := s.Delete(t.Context(), r.Kind, r.Key); err != nil {
			t.Errorf("Delete = %v", err)
		}
		wantGone(t, s, r.Kind, r.Key)
	}
	wantError(t, "Swap", s.Swap(t.Context(), r), store.ErrConflict)
	if got := list(t, s, kind, r.Owner); len(got) != 0 {
		t.Errorf("the list of the owner has %d records, want none", len(got))
	}
	r.Body = []byte("another one")
	r = create(t, s, r)
	wantRecord(t, s, r)
}

func keysApart(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Body: []byte("this one")})
	wantGone(t, s, other, r.Key)
	another := r
	another.Kind, another.Body = other, []byte("of another kind")
	create(t, s, another)
	for i := range r.Key {
		key := r.Key
		key[i] ^= 1 << (i % 8)
		wantGone(t, s, kind, key)
	}
	if err := s.Delete(t.Context(), other, r.Key); err != nil {
		t.Error(err)
	}
	wantRecord(t, s, r)
}

func noSharing(t *testing.T, s store.Store) {
	body := []byte("as it was")
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Body: bytes.Clone(body)})
	r.Body[0] = 'X'
	got, err := s.Get(t.Context(), kind, r.Key)
	if err != nil {
		t.Fatal(err)
	}
	got.Body[1] = 'X'
	for _, l := range list(t, s, kind, "") {
		if len(l.Body) > 0 {
			l.Body[0] = 'X'
		}
	}
	r.Body = body
	wantRecord(t, s, r)
	swapped := r
	swapped.Body = []byte("changed")
	if err := s.Swap(t.Context(), swapped); err != nil {
		t.Fatal(err)
	}
	swapped.Body[0] = 'X'
	r.Version, r.Body = 2, []byte("changed")
	wantRecord(t, s, r)
}

// contest lets rivals do the same at once, and returns how many succeeded. Each
// of the others must get the answer that it lost.
func contest(t *testing.T, lost error, do func(n int) error) int {
	t.Helper()
	var won atomic.Int32
	var all sync.WaitGroup
	start := make(chan struct{})
	for n := range rivals {
		all.Go(func() {
			<-start
			switch err := do(n); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, lost):
				t.Errorf("got %v, want %v", err, lost)
			}
		})
	}
	close(start)
	all.Wait()
	return int(won.Load())
}

func rivalsCreate(t *testing.T, s store.Store) {
	for range rounds {
		key := newKey()
		n := contest(t, store.ErrExists, func(n int) error {
			return s.Create(t.Context(), store.Record{Kind: kind, Key: key, Owner: newOwner(), Body: []byte{byte(n)}})
		})
		if n != 1 {
			t.Errorf("%d of %d succeeded, want 1", n, rivals)
		}
	}
}

func rivalsSwap(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: newOwner()})
	for range rounds {
		n := contest(t, store.ErrConflict, func(n int) error {
			mine := r
			mine.Body = []byte{byte(n)}
			return s.Swap(t.Context(), mine)
		})
		if n != 1 {
			t.Errorf("%d of %d succeeded, want 1", n, rivals)
		}
		r.Version++
	}
	if got, err := s.Get(t.Context(), kind, r.Key); err != nil || got.Version != r.Version {
		t.Errorf("version %d (%v), want %d", got.Version, err, r.Version)
	}
}

func increments(t *testing.T, s store.Store) {
	const writers, each = 8, 10
	key := newKey()
	create(t, s, store.Record{Kind: kind, Key: key, Owner: newOwner(), Body: []byte{0}})
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for done := 0; done < each; {
				r, err := s.Get(t.Context(), kind, key)
				if err != nil {
					t.Errorf("Get = %v", err)
					return
				}
				r.Body[0]++
				switch err := s.Swap(t.Context(), r); {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("Swap = %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	r, err := s.Get(t.Context(), kind, key)
	if err != nil || r.Body[0] != writers*each || r.Version != writers*each+1 {
		t.Errorf("counted %v to version %d (%v), want %d", r.Body, r.Version, err, writers*each)
	}
}

// list returns what the list has, and fails the test if a record comes twice.
func list(t testing.TB, s store.Store, k store.Kind, owner string) map[[32]byte]store.Record {
	t.Helper()
	out := map[[32]byte]store.Record{}
	for r, err := range s.List(t.Context(), k, owner) {
		if err != nil {
			t.Fatalf("List = %v", err)
		}
		if _, twice := out[r.Key]; twice {
			t.Error("a record is listed twice")
		}
		out[r.Key] = r
	}
	return out
}

func listing(t *testing.T, s store.Store) {
	owners := []string{newOwner(), newOwner(), ""}
	want := map[string]map[[32]byte]store.Record{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range crowded {
		owner := owners[max(0, i-crowded+len(owners))] // one each, and the rest to the first
		all.Go(func() {
			r := store.Record{Kind: kind, Key: newKey(), Owner: owner, Body: fmt.Append(nil, i)}
			if err := s.Create(t.Context(), r); err != nil {
				t.Errorf("Create = %v", err)
			}
			r.Version = 1
			mu.Lock()
			defer mu.Unlock()
			if want[owner] == nil {
				want[owner] = map[[32]byte]store.Record{}
			}
			want[owner][r.Key] = r
		})
	}
	all.Wait()
	for _, owner := range owners[:2] {
		if d := differences(want[owner], list(t, s, kind, owner)); d != "" {
			t.Errorf("the list of an owner: %s", d)
		}
	}
	everything := list(t, s, kind, "")
	for _, records := range want {
		for key, r := range records {
			if d := difference(r, everything[key]); d != "" {
				t.Fatalf("the list of all: %s", d)
			}
		}
	}
	if got := list(t, s, other, owners[0]); len(got) != 0 {
		t.Errorf("the list of another kind has %d records, want none", len(got))
	}
	if got := list(t, s, kind, newOwner()); len(got) != 0 {
		t.Errorf("the list of an owner of nothing has %d records, want none", len(got))
	}
}

func ownersApart(t *testing.T, s store.Store) {
	base := newOwner()
	for _, owner := range []string{base, base + "\x00", base + "a", base + strings.Repeat("b", 64), base[1:], strings.ToLower(base), "*", base[:3] + "?" + base[4:]} {
		r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: owner})
		got := list(t, s, kind, owner)
		if d := difference(r, got[r.Key]); d != "" || len(got) != 1 {
			t.Errorf("the list of %q has %d records, want one: %s", owner, len(got), d)
		}
	}
}

func listWhileWriting(t *testing.T, s store.Store) {
	const untouched = 300
	owner := newOwner()
	want := map[[32]byte]bool{}
	for range untouched {
		want[create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: owner}).Key] = true
	}
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				r := store.Record{Kind: kind, Key: newKey(), Owner: owner}
				err := s.Create(t.Context(), r)
				if err == nil {
					err = s.Delete(t.Context(), kind, r.Key)
				}
				if err != nil {
					t.Errorf("writing: %v", err)
					return
				}
			}
		})
	}
	for range 10 {
		got := list(t, s, kind, owner)
		for key := range want {
			if _, ok := got[key]; !ok {
				t.Error("a record that nobody touched is missing")
				break
			}
		}
	}
	stop()
	writers.Wait()
}

func listAndChange(t *testing.T, s store.Store) {
	owner := newOwner()
	for range 10 {
		create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: owner})
	}
	changed := 0
	for r, err := range s.List(t.Context(), kind, owner) {
		if err != nil {
			t.Fatal(err)
		}
		if changed++; changed > 5 {
			break
		}
		r.Body = []byte("changed")
		if err := errors.Join(s.Swap(t.Context(), r), s.Delete(t.Context(), kind, r.Key)); err != nil {
			t.Errorf("in the loop: %v", err)
		}
	}
	if n := len(list(t, s, kind, owner)); n != 5 {
		t.Errorf("%d records are left, want 5", n)
	}
}

func recordGivenUp(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: newOwner()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range everyCall(ctx, s, r) {
		wantError(t, what, err, context.Canceled)
	}
	wantRecord(t, s, r)
}

// everyCall makes one call of each kind and returns the errors.
func everyCall(ctx context.Context, s store.Store, r store.Record) map[string]error {
	_, get := s.Get(ctx, r.Kind, r.Key)
	fresh := r
	fresh.Key = newKey()
	out := map[string]error{
		"Get": get, "Create": s.Create(ctx, fresh), "Swap": s.Swap(ctx, r), "Delete": s.Delete(ctx, r.Kind, r.Key),
		"List": nil, "List of all": nil,
	}
	for _, err := range s.List(ctx, r.Kind, r.Owner) {
		out["List"] = err
	}
	for _, err := range s.List(ctx, r.Kind, "") {
		out["List of all"] = err
	}
	return out
}

func expiring(t *testing.T, s store.Store, clock *movable) {
	if clock.advance == nil {
		t.Skip("the clock of the store cannot be set")
	}
	owner := newOwner()
	day := clock.now().Add(24 * time.Hour)
	add := func(expires time.Time) store.Record {
		return create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: owner, Expires: expires, Body: []byte("x")})
	}
	gone, created, swapped, longer, shorter, kept := add(day), add(day), add(day), add(day), add(time.Time{}), add(time.Time{})
	longer.Expires = day.Add(24 * time.Hour)
	shorter.Expires = day
	for _, r := range []*store.Record{&longer, &shorter} {
		if err := s.Swap(t.Context(), *r); err != nil {
			t.Fatal(err)
		}
		r.Version++
	}
	past := add(clock.now().Add(-time.Minute))
	wantGone(t, s, kind, past.Key)
	create(t, s, past)
	if n := len(list(t, s, kind, owner)); n != 6 {
		t.Errorf("%d records are listed before, want 6", n)
	}

	clock.pass(25 * time.Hour)
	for _, r := range []store.Record{gone, created, swapped, shorter} {
		wantGone(t, s, kind, r.Key)
	}
	wantError(t, "Swap", s.Swap(t.Context(), swapped), store.ErrConflict)
	wantRecord(t, s, kept)
	wantRecord(t, s, longer)
	created.Owner, created.Expires = newOwner(), time.Time{}
	created = create(t, s, created)
	wantRecord(t, s, created)
	got := list(t, s, kind, owner)
	keys := []string{}
	for key := range got {
		keys = append(keys, string(key[:]))
	}
	slices.Sort(keys)
	want := []string{string(kept.Key[:]), string(longer.Key[:])}
	slices.Sort(want)
	if !slices.Equal(keys, want) {
		t.Errorf("%d records are listed, want the 2 that have not expired", len(keys))
	}
	if n := len(list(t, s, kind, created.Owner)); n != 1 {
		t.Errorf("the next owner of a key has %d records, want 1", n)
	}
}

func recordsClosing(t *testing.T, s store.Store) {
	r := create(t, s, store.Record{Kind: kind, Key: newKey(), Owner: newOwner()})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	for what, err := range everyCall(t.Context(), s, r) {
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s after Close = %v, want a failure", what, err)
		}
	}
}
