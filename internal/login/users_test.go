package login

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/store"
)

var _ authserver.Directory = (*Users)(nil)

const (
	rightPassword = "a password of alice"
	wrongPassword = "a password of nobody"
)

var testCost = cost{memory: 64, passes: 2}

// clock is a clock that a test moves.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// books is a store that counts and can fail.
type books struct {
	store.Store
	reads, writes  atomic.Int64
	failRead, fail atomic.Bool
	conflict       atomic.Bool // somebody else is always first
}

var errStore = errors.New("the store is away")

func (b *books) Get(ctx context.Context, k store.Kind, key [32]byte) (store.Record, error) {
	b.reads.Add(1)
	if b.failRead.Load() {
		return store.Record{}, errStore
	}
	return b.Store.Get(ctx, k, key)
}

func (b *books) Create(ctx context.Context, r store.Record) error {
	b.writes.Add(1)
	if b.fail.Load() {
		return errStore
	}
	return b.Store.Create(ctx, r)
}

func (b *books) Swap(ctx context.Context, r store.Record) error {
	b.writes.Add(1)
	switch {
	case b.fail.Load():
		return errStore
	case b.conflict.Load():
		return store.ErrConflict
	}
	return b.Store.Swap(ctx, r)
}

func (b *books) Delete(ctx context.Context, k store.Kind, key [32]byte) error {
	b.writes.Add(1)
	if b.fail.Load() {
		return errStore
	}
	return b.Store.Delete(ctx, k, key)
}

func (b *books) List(ctx context.Context, k store.Kind, owner string) iter.Seq2[store.Record, error] {
	if b.failRead.Load() {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errStore) }
	}
	return b.Store.List(ctx, k, owner)
}

// meter counts hashes and the work in them.
type meter struct{ hashes, work atomic.Int64 }

// derive stands in for argon2id: as far as who is let in is concerned, any hash
// does.
func (m *meter) derive(password string, salt []byte, c cost) []byte {
	m.hashes.Add(1)
	m.work.Add(int64(c.work()))
	sum := sha256.Sum256(fmt.Appendf(slices.Clone(salt), "%d %d %s", c.memory, c.passes, password))
	return sum[:]
}

// house is a directory with the user alice.
type house struct {
	*Users
	clock *clock
	books *books
	meter *meter
	alice Account
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{clock: newClock(), meter: &meter{}}
	h.books = &books{Store: store.NewMemory(h.clock.now)}
	h.Users = newUsers(h.books, h.clock.now, testCost, h.meter.derive)
	var err error
	h.alice, err = h.Add(t.Context(), Account{Name: "Alice", DisplayName: "Alice A.", Scopes: []string{"read"}, ACR: "pwd"}, holdfast.NewSecret(rightPassword))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// try is one attempt.
func (h *house) try(t *testing.T, name, password, remote string, known bool) (authserver.Person, error) {
	t.Helper()
	return h.Authenticate(t.Context(), authserver.Attempt{Name: name, Password: holdfast.NewSecret(password), Remote: remote, Known: known})
}

func TestNewUsersReportsEveryMistake(t *testing.T) {
	_, err := NewUsers(UsersConfig{Memory: 8 << 10, Passes: 65})
	for _, want := range []string{"Store is required", "Memory is 8192 KiB", "Passes is 65"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

// TestPasswordsWithArgon2id uses the real hash at its real cost.
func TestPasswordsWithArgon2id(t *testing.T) {
	records := store.NewMemory(nil)
	u, err := NewUsers(UsersConfig{Store: records})
	if err != nil {
		t.Fatal(err)
	}
	added, err := u.Add(t.Context(), Account{Name: "alice"}, holdfast.NewSecret(rightPassword))
	if err != nil {
		t.Fatal(err)
	}
	stored, who, err := u.read(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(who.Hash, "$argon2id$v=19$m=19456,t=2,p=1$") || bytes.Contains(stored.Body, []byte(rightPassword)) {
		t.Errorf("the stored hash begins %.40q, want argon2id with 19 MiB and 2 passes", who.Hash)
	}
	p, err := u.Authenticate(t.Context(), authserver.Attempt{Name: "ALICE", Password: holdfast.NewSecret(rightPassword)})
	if err != nil || p.Subject != added.Subject || p.Name != "alice" || p.Scopes != nil {
		t.Errorf("person %+v, error %v", p, err)
	}
	_, err = u.Authenticate(t.Context(), authserver.Attempt{Name: "alice", Password: holdfast.NewSecret(wrongPassword)})
	if !errors.Is(err, authserver.ErrWrongPassword) {
		t.Errorf("error %v, want ErrWrongPassword", err)
	}
}

func TestAuthenticate(t *testing.T) {
	h := newHouse(t)
	want := authserver.Person{Subject: h.alice.Subject, Name: "Alice A.", Scopes: []string{"read"}, ACR: "pwd", AuthTime: h.clock.now()}
	for _, c := range []struct {
		name, who, password string
		right               bool
	}{
		{"the right password", "alice", rightPassword, true},
		{"the name in other letter case", "aLiCe", rightPassword, true},
		{"a wrong password", "alice", wrongPassword, false},
		{"the password in other letter case", "alice", strings.ToUpper(rightPassword), false},
		{"the password with a space after it", "alice", rightPassword + " ", false},
		{"an empty password", "alice", "", false},
		{"a password of a megabyte", "alice", strings.Repeat("x", 1<<20), false},
		{"a name that does not exist", "bob", rightPassword, false},
		{"a name with a space before it", " alice", rightPassword, false},
		{"an empty name", "", rightPassword, false},
		{"a name of a megabyte", strings.Repeat("a", 1<<20), rightPassword, false},
		{"a name that only looks the same", "аlice", rightPassword, false}, // Cyrillic
		{"a name that folds to ASCII in Unicode", "aliKce", rightPassword, false},
		{"a name with a control character", "alice\x00", rightPassword, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.clock.advance(time.Hour) // nothing is slowed here
			want.AuthTime = h.clock.now()
			got, err := h.try(t, c.who, c.password, "", false)
			if c.right {
				if d := cmp.Diff(want, got); err != nil || d != "" {
					t.Errorf("error %v, person (-want +got):\n%s", err, d)
				}
				return
			}
			if err != authserver.ErrWrongPassword || got.Subject != "" {
				t.Errorf("person %+v, error %v, want nobody and exactly ErrWrongPassword", got, err)
			}
		})
	}
}

// TestRefusalsCostTheSame: neither work nor text tells whether a name exists.
func TestRefusalsCostTheSame(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for name, state := range map[string]func(u *Users) error{
		"disabled": func(u *Users) error { _, err := u.Disable(ctx, "disabled"); return err },
		"outdated": func(*Users) error { return nil },
	} {
		u := newUsers(h.books, h.clock.now, cost{memory: 16, passes: 1}, h.meter.derive)
		if _, err := u.Add(ctx, Account{Name: name}, holdfast.NewSecret(rightPassword)); err != nil {
			t.Fatal(err)
		}
		if err := state(u); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, who, password string }{
		{"a wrong password", "alice", wrongPassword},
		{"a password that is too short for anybody", "alice", "short"},
		{"a name that does not exist", "bob", wrongPassword},
		{"a name that cannot exist", "no such name", wrongPassword},
		{"a disabled name with its right password", "disabled", rightPassword},
		{"a disabled name with a wrong password", "disabled", wrongPassword},
		{"a name whose hash was made at a lower cost", "outdated", wrongPassword},
	} {
		t.Run(c.name, func(t *testing.T) {
			reads, writes, work := h.books.reads.Load(), h.books.writes.Load(), h.meter.work.Load()
			_, err := h.try(t, c.who, c.password, "", false)
			if err != authserver.ErrWrongPassword {
				t.Errorf("error %v, want exactly ErrWrongPassword", err)
			}
			if n := h.books.reads.Load() - reads; n != 1 {
				t.Errorf("%d reads of the store, want 1", n)
			}
			if n := h.books.writes.Load() - writes; n != 0 {
				t.Errorf("%d writes, want none", n)
			}
			if n := h.meter.work.Load() - work; n != int64(testCost.work()) {
				t.Errorf("hashes cost %d KiB, want %d", n, testCost.work())
			}
		})
	}
}

func TestHashIsMadeAnewWhenTheCostChanges(t *testing.T) {
	h := newHouse(t)
	h.cost = cost{memory: 128, passes: 3}
	login := func() string {
		t.Helper()
		if _, err := h.try(t, "alice", rightPassword, "", false); err != nil {
			t.Fatal(err)
		}
		_, who, err := h.read(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		return who.Hash
	}
	_, before, err := h.read(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	h.books.fail.Store(true)
	if login() != before.Hash {
		t.Error("the hash has changed although the store took no write")
	}
	h.books.fail.Store(false)
	after := login()
	if !strings.Contains(after, "m=128,t=3,") {
		t.Errorf("the hash begins %.40q, want the cost of the configuration", after)
	}
	if login() != after {
		t.Error("the hash was made anew although the cost is the same")
	}
}

// TestUnjudgedAttempts: what could not be judged is neither a wrong password nor
// counted as one.
func TestUnjudgedAttempts(t *testing.T) {
	h := newHouse(t)
	h.books.failRead.Store(true)
	for range 20 {
		if _, err := h.try(t, "alice", rightPassword, "192.0.2.1", false); !errors.Is(err, errStore) {
			t.Fatalf("error %v, want that of the store", err)
		}
	}
	h.books.failRead.Store(false)
	if _, err := h.try(t, "alice", rightPassword, "192.0.2.1", false); err != nil {
		t.Errorf("when the store is back: %v", err)
	}

	stored, who, err := h.read(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"{", `{"name":"alice","hash":"$argon2id$v=19$m=99999999,t=1,p=1$c2FsdA$c3Vt"}`} {
		if stored.Body = []byte(body); h.books.Swap(t.Context(), stored) != nil {
			t.Fatal("the record cannot be changed")
		}
		stored.Version++
		_, err = h.try(t, "alice", rightPassword, "", false)
		if err == nil || errors.Is(err, authserver.ErrWrongPassword) || strings.Contains(err.Error(), who.Hash) {
			t.Errorf("error %v for a broken record, want one that blames nobody", err)
		}
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	h := newHouse(t)
	var mu sync.Mutex
	running, most := 0, 0
	inside, open := make(chan struct{}, 1000), make(chan struct{})
	h.derive = func(p string, salt []byte, c cost) []byte {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		inside <- struct{}{}
		<-open
		mu.Lock()
		running--
		mu.Unlock()
		return h.meter.derive(p, salt, c)
	}
	const flood = MaxHashes + MaxWaiting + 30
	answers := make(chan error, flood)
	for i := range flood {
		go func() {
			_, err := h.Authenticate(context.WithoutCancel(t.Context()), authserver.Attempt{Name: fmt.Sprint("stranger", i), Password: holdfast.NewSecret(wrongPassword)})
			answers <- err
		}()
	}
	for range MaxHashes {
		<-inside
	}
	for range 30 { // those who find no place to wait
		tooMany := (*authserver.TooManyAttempts)(nil)
		if err := <-answers; !errors.As(err, &tooMany) || tooMany.RetryAfter <= 0 {
			t.Fatalf("error %v, want TooManyAttempts", err)
		}
	}
	known := make(chan error, 1)
	go func() {
		_, err := h.Authenticate(context.WithoutCancel(t.Context()), authserver.Attempt{Name: "alice", Password: holdfast.NewSecret(rightPassword), Known: true})
		known <- err
	}()
	<-inside // although strangers have all other places
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	// The queue of strangers is full, that of the known is not: the second one
	// waits there until its request ends.
	for range MaxKnownHashes - 1 {
		if err := h.known.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.known.enter(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of an attempt whose request has ended, want that of its context", err)
	}
	close(open)
	if err := <-known; err != nil {
		t.Errorf("alice at a known browser: %v", err)
	}
	for range MaxHashes + MaxWaiting {
		if err := <-answers; !errors.Is(err, authserver.ErrWrongPassword) {
			t.Fatalf("error %v of an attempt that waited, want ErrWrongPassword", err)
		}
	}
	if limit := MaxHashes + 1; most > limit { // one of the known
		t.Errorf("%d hashes at once, want at most %d", most, limit)
	}
}

func TestEnrolment(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	can := func(name, password string) bool {
		t.Helper()
		h.clock.advance(time.Hour)
		_, err := h.try(t, name, password, "", false)
		if err != nil && !errors.Is(err, authserver.ErrWrongPassword) {
			t.Fatal(err)
		}
		return err == nil
	}
	if _, err := h.Add(ctx, Account{Name: "aLICE"}, holdfast.NewSecret(rightPassword)); !errors.Is(err, ErrExists) {
		t.Errorf("adding a name twice: error %v, want ErrExists", err)
	}
	got, err := h.Disable(ctx, "ALICE")
	if err != nil || !got.Disabled || got.Subject != h.alice.Subject || can("alice", rightPassword) {
		t.Errorf("disabling gives %+v, error %v, and the password must not be of use", got, err)
	}
	if got, err = h.Enable(ctx, "alice"); err != nil || got.Disabled || !can("alice", rightPassword) {
		t.Errorf("enabling gives %+v, error %v, and the password has to be of use", got, err)
	}
	const next = "another password"
	if got, err = h.SetPassword(ctx, "alice", holdfast.NewSecret(next)); err != nil || can("alice", rightPassword) || !can("alice", next) {
		t.Errorf("setting a password gives %+v, error %v, and only the new one may be of use", got, err)
	}
	if !got.PasswordChanged.After(got.Created) {
		t.Errorf("the password was changed at %v, the account was made at %v", got.PasswordChanged, got.Created)
	}
	if got, err = h.Remove(ctx, "alice"); err != nil || got.Subject != h.alice.Subject || can("alice", next) {
		t.Errorf("removing gives %+v, error %v, and the password must not be of use", got, err)
	}
	for what, err := range map[string]error{
		"Disable": second(h.Disable(ctx, "alice")), "Enable": second(h.Enable(ctx, "alice")),
		"Remove": second(h.Remove(ctx, "alice")), "SetPassword": second(h.SetPassword(ctx, "alice", holdfast.NewSecret(next))),
	} {
		if !errors.Is(err, ErrNoUser) {
			t.Errorf("%s without a user: error %v, want ErrNoUser", what, err)
		}
	}
	again, err := h.Add(ctx, Account{Name: "alice"}, holdfast.NewSecret(next))
	if err != nil || again.Subject == h.alice.Subject || !strings.HasPrefix(again.Subject, localSubject) {
		t.Errorf("the same name again has the subject %q, the first one had %q; error %v", again.Subject, h.alice.Subject, err)
	}
}

// second drops what a call gave besides its error.
func second[T any](_ T, err error) error { return err }

// TestEnrolmentThatCannotBeStored: an operator is never told that it was done.
func TestEnrolmentThatCannotBeStored(t *testing.T) {
	h := newHouse(t)
	ctx, password := t.Context(), holdfast.NewSecret("another password")
	all := func() map[string]error {
		return map[string]error{
			"Add":         second(h.Add(ctx, Account{Name: "bob"}, password)),
			"SetPassword": second(h.SetPassword(ctx, "alice", password)),
			"Disable":     second(h.Disable(ctx, "alice")),
			"Remove":      second(h.Remove(ctx, "alice")),
		}
	}
	h.books.fail.Store(true)
	for what, err := range all() {
		if !errors.Is(err, errStore) {
			t.Errorf("%s while the store takes no write: error %v, want that of the store", what, err)
		}
	}
	h.books.fail.Store(false)
	h.books.conflict.Store(true)
	if _, err := h.Disable(ctx, "alice"); err == nil || !strings.Contains(err.Error(), "others changed it") {
		t.Errorf("while others are always first: error %v, want one that says so", err)
	}
	h.books.conflict.Store(false)
	var cancel context.CancelFunc
	ctx, cancel = context.WithCancel(ctx)
	cancel()
	for range MaxKnownHashes {
		if err := h.known.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"Add": second(h.Add(ctx, Account{Name: "bob"}, password)), "SetPassword": second(h.SetPassword(ctx, "alice", password)),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s whose caller has gone: error %v, want that of its context", what, err)
		}
	}
	if _, err := h.try(t, "alice", rightPassword, "", false); err != nil {
		t.Errorf("alice after all of that: %v", err)
	}
}

func TestAddReportsEveryMistake(t *testing.T) {
	h := newHouse(t)
	const secret = "short"
	_, err := h.Add(t.Context(), Account{
		Name: "alice smith", DisplayName: "a\u202eb", Scopes: []string{"read write"}, ACR: strings.Repeat("x", 256),
	}, holdfast.NewSecret(secret))
	for _, want := range []string{"name:", "display name:", "scopes:", "acr:", "password: 5 bytes, 8 to 1024 are needed"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Error("the error holds the password")
	}
	for what, err := range map[string]error{
		"a password of 1025 bytes": second(h.SetPassword(t.Context(), "alice", holdfast.NewSecret(strings.Repeat("x", MaxPasswordBytes+1)))),
		"too many scopes":          second(h.Add(t.Context(), Account{Name: "bob", Scopes: make([]string, MaxScopes+1)}, holdfast.NewSecret(rightPassword))),
		"a name of 129 bytes":      second(h.Disable(t.Context(), strings.Repeat("a", MaxNameBytes+1))),
		"a broken name":            second(h.Remove(t.Context(), "a/b")),
	} {
		if err == nil || errors.Is(err, ErrNoUser) {
			t.Errorf("%s: error %v, want one that says so", what, err)
		}
	}
}

func TestList(t *testing.T) {
	h := newHouse(t)
	bob, err := h.Add(t.Context(), Account{Name: "bob", Scopes: []string{}}, holdfast.NewSecret(rightPassword))
	if err != nil {
		t.Fatal(err)
	}
	var got []Account
	for a, err := range h.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	byName := cmpopts.SortSlices(func(a, b Account) bool { return a.Name < b.Name })
	if d := cmp.Diff([]Account{h.alice, bob}, got, byName); d != "" {
		t.Errorf("accounts (-want +got):\n%s", d)
	}
	if bob.Scopes == nil {
		t.Error("an empty list of scopes, which means none, came back as nil, which means all")
	}
	h.books.failRead.Store(true)
	for _, err := range h.List(t.Context()) {
		if !errors.Is(err, errStore) {
			t.Errorf("error %v, want that of the store", err)
		}
	}
}

func TestConcurrentChangesAreAllMade(t *testing.T) {
	h := newHouse(t)
	var all sync.WaitGroup
	errs := make(chan error, 4)
	for range 2 {
		all.Go(func() { errs <- second(h.Disable(t.Context(), "alice")) })
		all.Go(func() { errs <- second(h.SetPassword(t.Context(), "alice", holdfast.NewSecret(wrongPassword))) })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	got, err := h.Enable(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.try(t, "alice", wrongPassword, "", false); err != nil || got.Subject != h.alice.Subject {
		t.Errorf("after concurrent changes the new password is refused: %v", err)
	}
}
