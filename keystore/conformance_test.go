package keystore

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

var (
	_ Keys   = (*Store)(nil)
	_ Values = (*Store)(nil)
)

const testPassphrase = "correct horse battery staple"

// always is a source of one passphrase.
func always(p string) func(context.Context, bool) (holdfast.Secret, error) {
	return func(context.Context, bool) (holdfast.Secret, error) { return holdfast.NewSecret(p), nil }
}

func openCheap(t *testing.T, path, passphrase string) *Store {
	t.Helper()
	s, err := Open(path, Config{Passphrase: always(passphrase), Light: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openPlain(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenDangerouslyPlain(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every kind of store behaves in the same way. Each call of open gives a store
// that sees the same contents, as another process would.
func TestConformance(t *testing.T) {
	kinds := map[string]func(t *testing.T) (open func() *Store){
		"memory": func(*testing.T) func() *Store {
			s := NewMemory()
			return func() *Store { return s }
		},
		"sealed file": func(t *testing.T) func() *Store {
			path := filepath.Join(t.TempDir(), "new folder", "keys.sealed")
			return func() *Store { return openCheap(t, path, testPassphrase) }
		},
		"plain folder": func(t *testing.T) func() *Store {
			dir := filepath.Join(t.TempDir(), "keys")
			return func() *Store { return openPlain(t, dir) }
		},
	}
	rules := map[string]func(t *testing.T, open func() *Store){
		"an empty store has nothing":                      testEmpty,
		"a generated key is found by name and print":      testGenerate,
		"every algorithm is kept as it was asked for":     testAlgorithms,
		"an imported key stays the same key":              testImport,
		"rotation keeps the old key for its tokens":       testRotate,
		"a deleted key is gone":                           testDelete,
		"names are checked":                               testNames,
		"values are kept, changed and deleted":            testValues,
		"a failed change changes nothing":                 testFailedUpdate,
		"updates of one name run one at a time":           testSerialUpdates,
		"updates of two names do not wait for each other": testIndependentUpdates,
		"keys can be changed during an update":            testKeysDuringUpdate,
		"who waits gives up with its context":             testWaitingHonoursContext,
		"a result is kept although the context ended":     testKeptAfterCancel,
		"concurrent changes are all kept":                 testConcurrentChanges,
		"limits refuse and drop nothing":                  testLimits,
	}
	for kind, setup := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for rule, test := range rules {
				t.Run(rule, func(t *testing.T) { test(t, setup(t)) })
			}
		})
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// proves checks that k signs: the private part is there and fits.
func proves(t *testing.T, k *holdfast.Key) {
	t.Helper()
	if _, err := k.Prove(holdfast.ProofClaims{Method: "GET", URL: &url.URL{Scheme: "https", Host: "api.example"}}); err != nil {
		t.Fatal(err)
	}
}

func testEmpty(t *testing.T, open func() *Store) {
	s, ctx := open(), t.Context()
	_, err := s.Current(ctx, "default")
	wantErr(t, err, ErrNotFound)
	_, err = s.ByThumbprint(ctx, holdfast.Thumbprint{1})
	wantErr(t, err, ErrNotFound)
	_, err = s.Rotate(ctx, "default")
	wantErr(t, err, ErrNotFound)
	wantErr(t, s.Delete(ctx, "default"), ErrNotFound)
	wantErr(t, s.DeleteKey(ctx, holdfast.Thumbprint{1}), ErrNotFound)
	_, err = s.Value(ctx, "grant")
	wantErr(t, err, ErrNotFound)
	if list := must(s.List(ctx))(t); len(list) != 0 {
		t.Errorf("list %v, want none", list)
	}
}

func testGenerate(t *testing.T, open func() *Store) {
	ctx := t.Context()
	k := must(open().Generate(ctx, "default", ""))(t)
	if k.Alg() != holdfast.ES256 {
		t.Errorf("algorithm %s, want ES256", k.Alg())
	}
	s := open()
	byName, byPrint := must(s.Current(ctx, "default"))(t), must(s.ByThumbprint(ctx, k.Thumbprint()))(t)
	if byName.Thumbprint() != k.Thumbprint() || byPrint.Thumbprint() != k.Thumbprint() {
		t.Errorf("got %v and %v, want %v", byName, byPrint, k)
	}
	proves(t, byName)
	_, err := s.Generate(ctx, "default", "")
	wantErr(t, err, ErrExists)
	must(s.Generate(ctx, "another", ""))(t)
	list := must(open().List(ctx))(t)
	if len(list) != 2 || list[0].Name != "another" || list[1].Thumbprint != k.Thumbprint() || list[1].Created.IsZero() || !list[1].Retired.IsZero() {
		t.Errorf("list %+v", list)
	}
}

func testAlgorithms(t *testing.T, open func() *Store) {
	ctx := t.Context()
	for _, alg := range []holdfast.Alg{holdfast.ES256, holdfast.ES384, holdfast.ES512, holdfast.EdDSA, holdfast.Ed25519, holdfast.RS256} {
		name := strings.ToLower(string(alg))
		must(open().Generate(ctx, name, alg))(t)
		k := must(open().Current(ctx, name))(t)
		if k.Alg() != alg {
			t.Errorf("algorithm %s, want %s", k.Alg(), alg)
		}
		proves(t, k)
	}
	if _, err := open().Generate(ctx, "none", "none"); err == nil {
		t.Error("a key for alg none was made")
	}
	if _, err := open().Generate(ctx, "hmac", "HS256"); err == nil {
		t.Error("a key for HMAC was made")
	}
}

func testImport(t *testing.T, open func() *Store) {
	ctx := t.Context()
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := must(open().Import(ctx, "mine", signer))(t)
	if got := must(open().Current(ctx, "mine"))(t); got.Thumbprint() != k.Thumbprint() {
		t.Errorf("got %v, want %v", got, k)
	}
	_, err = open().Import(ctx, "twice", signer)
	wantErr(t, err, ErrExists)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open().Import(ctx, "mine", other)
	wantErr(t, err, ErrExists)
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open().Import(ctx, "weak", weak); err == nil {
		t.Error("a P-224 key was taken")
	}
	if _, err := open().Import(ctx, "none", nil); err == nil {
		t.Error("no signer was taken")
	}
}

func testRotate(t *testing.T, open func() *Store) {
	ctx := t.Context()
	old := must(open().Generate(ctx, "default", holdfast.ES384))(t)
	next := must(open().Rotate(ctx, "default"))(t)
	if next.Thumbprint() == old.Thumbprint() || next.Alg() != old.Alg() {
		t.Fatalf("rotated from %v to %v", old, next)
	}
	if got := must(open().Current(ctx, "default"))(t); got.Thumbprint() != next.Thumbprint() {
		t.Errorf("current is %v, want %v", got, next)
	}
	proves(t, must(open().ByThumbprint(ctx, old.Thumbprint()))(t))
	list := must(open().List(ctx))(t)
	if len(list) != 2 || list[0].Retired.IsZero() || !list[1].Retired.IsZero() {
		t.Errorf("list %+v, want the old key retired and the new one not", list)
	}
}

func testDelete(t *testing.T, open func() *Store) {
	ctx := t.Context()
	first := must(open().Generate(ctx, "default", ""))(t)
	second := must(open().Rotate(ctx, "default"))(t)
	if err := open().DeleteKey(ctx, second.Thumbprint()); err != nil {
		t.Fatal(err)
	}
	_, err := open().Current(ctx, "default")
	wantErr(t, err, ErrNotFound) // a retired key does not come back by itself
	must(open().ByThumbprint(ctx, first.Thumbprint()))(t)
	must(open().Generate(ctx, "default", ""))(t)
	if err := open().Delete(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	_, err = open().ByThumbprint(ctx, first.Thumbprint())
	wantErr(t, err, ErrNotFound)
	if list := must(open().List(ctx))(t); len(list) != 0 {
		t.Errorf("list %v, want none", list)
	}
}

func testNames(t *testing.T, open func() *Store) {
	ctx, s := t.Context(), open()
	for _, name := range []string{"", ".", "..", ".hidden", "-flag", "_x", "Default", "a/b", `a\b`, "a b", "a\x00", "ä", "nul\n", strings.Repeat("a", MaxNameBytes+1)} {
		if _, err := s.Generate(ctx, name, ""); err == nil {
			t.Errorf("a key named %q was made", name)
		}
		if err := s.Update(ctx, name, set("x")); err == nil {
			t.Errorf("a value named %q was kept", name)
		}
	}
	long := strings.Repeat("a", MaxNameBytes)
	must(s.Generate(ctx, long, ""))(t)
	if err := s.Update(ctx, long, set("x")); err != nil {
		t.Error(err)
	}
}

// set returns a change to a fixed value.
func set(v string) func(holdfast.Secret) (holdfast.Secret, error) {
	return func(holdfast.Secret) (holdfast.Secret, error) { return holdfast.NewSecret(v), nil }
}

func value(t *testing.T, s *Store, name string) string {
	t.Helper()
	return must(s.Value(t.Context(), name))(t).Reveal()
}

func testValues(t *testing.T, open func() *Store) {
	ctx := t.Context()
	binary := "grant \x00\xff \"quoted\""
	err := open().Update(ctx, "grant", func(old holdfast.Secret) (holdfast.Secret, error) {
		if !old.IsZero() {
			t.Error("a value before the first")
		}
		return holdfast.NewSecret(binary), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, open(), "grant"); got != binary {
		t.Errorf("value %q, want %q", got, binary)
	}
	err = open().Update(ctx, "grant", func(old holdfast.Secret) (holdfast.Secret, error) {
		return holdfast.NewSecret(old.Reveal() + "!"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, open(), "grant"); got != binary+"!" {
		t.Errorf("value %q, want %q", got, binary+"!")
	}
	if err := open().Update(ctx, "grant", set("")); err != nil {
		t.Fatal(err)
	}
	_, err = open().Value(ctx, "grant")
	wantErr(t, err, ErrNotFound)
}

func testFailedUpdate(t *testing.T, open func() *Store) {
	ctx, s := t.Context(), open()
	if err := s.Update(ctx, "grant", set("kept")); err != nil {
		t.Fatal(err)
	}
	err := s.Update(ctx, "grant", func(holdfast.Secret) (holdfast.Secret, error) {
		return holdfast.NewSecret("dropped"), io.ErrUnexpectedEOF
	})
	if err != io.ErrUnexpectedEOF {
		t.Errorf("error %v, want that of the change, as it is", err)
	}
	if got := value(t, open(), "grant"); got != "kept" {
		t.Errorf("value %q, want %q", got, "kept")
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Update(ctx, "grant", func(holdfast.Secret) (holdfast.Secret, error) { panic("in change") })
	}()
	if err := s.Update(ctx, "grant", set("after a panic")); err != nil {
		t.Error(err)
	}
}

func testSerialUpdates(t *testing.T, open func() *Store) {
	ctx := t.Context()
	var inside atomic.Int32
	var all sync.WaitGroup
	stores := []*Store{open(), open()} // two stores contend as two processes do
	const each = 8
	for i := range 2 * each {
		all.Go(func() {
			err := stores[i%2].Update(ctx, "counter", func(old holdfast.Secret) (holdfast.Secret, error) {
				if inside.Add(1) != 1 {
					t.Error("two changes at once")
				}
				defer inside.Add(-1)
				n, _ := strconv.Atoi(old.Reveal())
				return holdfast.NewSecret(strconv.Itoa(n + 1)), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := value(t, open(), "counter"); got != strconv.Itoa(2*each) {
		t.Errorf("counted %s, want %d", got, 2*each)
	}
}

func testIndependentUpdates(t *testing.T, open func() *Store) {
	ctx, s := t.Context(), open()
	err := s.Update(ctx, "one", func(holdfast.Secret) (holdfast.Secret, error) {
		if err := s.Update(ctx, "two", set("2")); err != nil {
			t.Error(err)
		}
		return holdfast.NewSecret("1"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if one, two := value(t, s, "one"), value(t, s, "two"); one != "1" || two != "2" {
		t.Errorf("values %q and %q", one, two)
	}
}

func testKeysDuringUpdate(t *testing.T, open func() *Store) {
	ctx, s := t.Context(), open()
	err := s.Update(ctx, "grant", func(holdfast.Secret) (holdfast.Secret, error) {
		k, err := s.Generate(ctx, "default", "")
		if err != nil {
			return holdfast.Secret{}, err
		}
		return holdfast.NewSecret(k.Thumbprint().String()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	k := must(s.Current(ctx, "default"))(t)
	if got := value(t, s, "grant"); got != k.Thumbprint().String() {
		t.Errorf("value %q, want %s", got, k.Thumbprint())
	}
}

func testWaitingHonoursContext(t *testing.T, open func() *Store) {
	s, other := open(), open()
	err := s.Update(t.Context(), "grant", func(holdfast.Secret) (holdfast.Secret, error) {
		for _, waiting := range []*Store{s, other} {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := waiting.Update(ctx, "grant", func(holdfast.Secret) (holdfast.Secret, error) {
				t.Error("entered while another change runs")
				return holdfast.Secret{}, nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		}
		return holdfast.NewSecret("1"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testKeptAfterCancel(t *testing.T, open func() *Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := open().Update(ctx, "grant", func(holdfast.Secret) (holdfast.Secret, error) {
		cancel()
		return holdfast.NewSecret("rotated"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, open(), "grant"); got != "rotated" {
		t.Errorf("value %q, want %q", got, "rotated")
	}
}

func testConcurrentChanges(t *testing.T, open func() *Store) {
	ctx := t.Context()
	stores := []*Store{open(), open()}
	var all sync.WaitGroup
	const keys = 12
	for i := range keys {
		all.Go(func() {
			if _, err := stores[i%2].Generate(ctx, "key"+strconv.Itoa(i), ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list := must(open().List(ctx))(t); len(list) != keys {
		t.Errorf("%d keys, want %d", len(list), keys)
	}
}

func testLimits(t *testing.T, open func() *Store) {
	ctx, s := t.Context(), open()
	if err := s.Update(ctx, "grant", set("kept")); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(ctx, "grant", set(strings.Repeat("x", MaxValueBytes+1))); err == nil {
		t.Error("a value beyond the limit was kept")
	}
	if got := value(t, open(), "grant"); got != "kept" {
		t.Errorf("value of %d bytes, want the one before", len(got))
	}
	if err := s.Update(ctx, "long", set(strings.Repeat("x", MaxValueBytes))); err != nil {
		t.Error(err)
	}
}

// opaque is a signer that does not give out its private part, as hardware.
type opaque struct{ crypto.Signer }

func TestOnlyMemoryTakesKeysThatCannotBeExported(t *testing.T) { // D-11.4-01
	inner, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory()
	k := must(m.Import(t.Context(), "device", opaque{inner}))(t)
	proves(t, must(m.ByThumbprint(t.Context(), k.Thumbprint()))(t))
	_, err = openPlain(t, filepath.Join(t.TempDir(), "keys")).Import(t.Context(), "device", opaque{inner})
	if err == nil || !strings.Contains(err.Error(), "does not give out its private part") {
		t.Errorf("error %v", err)
	}
}

func TestContentsAreHeldToTheRules(t *testing.T) {
	a := entry{Info: Info{Name: "a", Thumbprint: holdfast.Thumbprint{1}}}
	twice := entry{Info: Info{Name: "a", Thumbprint: holdfast.Thumbprint{2}}}
	many, values := make([]entry, MaxKeys+1), make(map[string]holdfast.Secret)
	for i := range many {
		many[i] = entry{Info: Info{Name: "k" + strconv.Itoa(i), Thumbprint: holdfast.Thumbprint{byte(i), byte(i >> 8)}}}
	}
	for i := range MaxValues + 1 {
		values["v"+strconv.Itoa(i)] = holdfast.NewSecret("x")
	}
	for name, tt := range map[string]struct {
		c    contents
		want string
	}{
		"fine":              {contents{keys: []entry{a}}, ""},
		"two current keys":  {contents{keys: []entry{a, twice}}, "two current keys"},
		"one key twice":     {contents{keys: []entry{a, {Info: Info{Name: "b", Thumbprint: a.Thumbprint}}}}, "is there twice"},
		"a bad key name":    {contents{keys: []entry{{Info: Info{Name: "../x"}}}}, "want lower-case letters"},
		"a bad value name":  {contents{values: map[string]holdfast.Secret{"../x": {}}}, "want lower-case letters"},
		"too many keys":     {contents{keys: many}, "1001 keys"},
		"too many values":   {contents{values: values}, "1001 values"},
		"too long a value":  {contents{values: map[string]holdfast.Secret{"v": holdfast.NewSecret(strings.Repeat("x", MaxValueBytes+1))}}, "at most 262144 are kept"},
		"several at a time": {contents{keys: []entry{a, twice, {}}}, "name has 0 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.c.check()
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestContentsBeyondTheLimitOfAFileAreNotWritten(t *testing.T) {
	c := &contents{values: make(map[string]holdfast.Secret)}
	for i := range MaxFileBytes/MaxValueBytes + 1 {
		c.values["v"+strconv.Itoa(i)] = holdfast.NewSecret(strings.Repeat("x", MaxValueBytes))
	}
	if err := c.check(); err != nil {
		t.Fatalf("each value is within its limit: %v", err)
	}
	if _, err := c.encode(true); err == nil || !strings.Contains(err.Error(), "are kept") {
		t.Errorf("error %v, want that of the limit", err)
	}
}

func TestInfoAsJSON(t *testing.T) {
	s := NewMemory()
	k := must(s.Generate(t.Context(), "default", ""))(t)
	list := must(s.List(t.Context()))(t)
	list[0].Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := `[{"name":"default","thumbprint":"` + k.Thumbprint().String() + `","alg":"ES256","created":"2026-01-02T03:04:05Z"}]`
	if diff := cmp.Diff(want, string(must(json.Marshal(list))(t))); diff != "" {
		t.Error(diff)
	}
}
