package store_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

func TestSealRefusesWhatCannotSeal(t *testing.T) {
	secret := holdfast.NewSecret
	nine := slices.Repeat([]holdfast.Secret{secret(keyA)}, store.MaxSealingKeys+1)
	for _, c := range []struct {
		name  string
		store store.Store
		keys  []holdfast.Secret
		want  []string
	}{
		{"no keys", store.NewMemory(nil), nil, []string{"0 keys are given"}},
		{"nine keys", store.NewMemory(nil), nine, []string{"9 keys are given", "keys 1 and 2 are the same"}},
		{"a short one and no store", nil, []holdfast.Secret{secret(keyA), secret("short")}, []string{"no store", "key 2: it has 5 bytes"}},
		{"an empty one", store.NewMemory(nil), []holdfast.Secret{{}}, []string{"key 1: it has 0 bytes"}},
		{"the same twice", store.NewMemory(nil), []holdfast.Secret{secret(keyA), secret(keyB), secret(keyA)}, []string{"keys 1 and 3 are the same"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := store.Seal(c.store, c.keys...)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want an error with %q", err, want)
				}
			}
		})
	}
}

func secretRecord() store.Record {
	return store.Record{
		Kind: "test", Key: [32]byte{1}, Owner: "alice@app.example", Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond),
		Body: []byte("refresh token of alice"),
	}
}

func TestSealedRecordsTellNothing(t *testing.T) {
	inner := store.NewMemory(nil)
	s := sealed(t, inner, keyA)
	first, second, third := secretRecord(), secretRecord(), secretRecord()
	second.Key, third.Key, third.Kind = [32]byte{2}, [32]byte{3}, "other"
	for _, r := range []store.Record{first, second, third} {
		if err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	get := func(r store.Record) store.Record {
		got, err := inner.Get(t.Context(), r.Kind, r.Key)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	a, b, c := get(first), get(second), get(third)
	for _, r := range []store.Record{a, b, c} {
		for _, clear := range []string{"alice", "refresh", "token"} {
			if bytes.Contains(r.Body, []byte(clear)) || strings.Contains(r.Owner, clear) {
				t.Errorf("the stored record shows %q", clear)
			}
		}
	}
	if bytes.Equal(a.Body, b.Body) {
		t.Error("equal bodies are equal when sealed")
	}
	if a.Owner != b.Owner {
		t.Error("one owner has two names: it could not be listed")
	}
	if a.Owner == c.Owner {
		t.Error("an owner has the same name in two kinds")
	}
}

// Whatever somebody who can write to the store does to a sealed body, but for
// putting back an older record as a whole, is seen.
func TestSealedBodiesOpenOnlyWhereTheyWere(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *store.Record)
		want   string
	}{
		{"another key", func(r *store.Record) { r.Key[31]++ }, "does not open"},
		{"another kind", func(r *store.Record) { r.Kind = "tests" }, "does not open"},
		{"another owner", func(r *store.Record) { r.Owner = strings.Repeat("x", len(r.Owner)) }, "does not open"},
		{"no owner", func(r *store.Record) { r.Owner = "" }, "does not open"},
		{"a later expiry", func(r *store.Record) { r.Expires = r.Expires.Add(time.Millisecond) }, "does not open"},
		{"no expiry", func(r *store.Record) { r.Expires = time.Time{} }, "does not open"},
		{"one bit of the tag", func(r *store.Record) { r.Body[len(r.Body)-1] ^= 1 }, "does not open"},
		{"one bit of the nonce", func(r *store.Record) { r.Body[5] ^= 1 }, "does not open"},
		{"the name of the key", func(r *store.Record) { r.Body[1] ^= 1 }, "another key"},
		{"the format", func(r *store.Record) { r.Body[0] ^= 1 }, "another key"},
		{"nothing behind the name", func(r *store.Record) { r.Body = r.Body[:5] }, "does not open"},
		{"nothing at all", func(r *store.Record) { r.Body = nil }, "another key, or not at all"},
		{"a body that was never sealed", func(r *store.Record) { r.Body = []byte(`{"spent":false}`) }, "another key, or not at all"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := store.NewMemory(nil)
			s := sealed(t, inner, keyB, keyA)
			r := secretRecord()
			if err := s.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			stored, err := inner.Get(t.Context(), r.Kind, r.Key)
			if err != nil {
				t.Fatal(err)
			}
			c.change(&stored)
			if err := errors.Join(inner.Delete(t.Context(), stored.Kind, stored.Key), inner.Create(t.Context(), stored)); err != nil {
				t.Fatal(err)
			}
			_, err = s.Get(t.Context(), stored.Kind, stored.Key)
			if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), string(stored.Kind)) {
				t.Errorf("Get = %v, want an error with %q that names the kind", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "alice") || strings.Contains(err.Error(), "spent")) {
				t.Errorf("the error shows what was stored: %v", err)
			}
			listed := false
			for _, err := range s.List(t.Context(), stored.Kind, "") {
				listed = listed || err != nil
			}
			if !listed {
				t.Error("the list has no error")
			}
		})
	}
}

func TestAnOlderBodyDoesNotOpenAtALaterVersion(t *testing.T) {
	inner := store.NewMemory(nil)
	s := sealed(t, inner, keyA)
	r := secretRecord()
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	unspent, err := inner.Get(t.Context(), r.Kind, r.Key)
	if err != nil {
		t.Fatal(err)
	}
	r.Version, r.Body = 1, []byte("spent")
	if err := s.Swap(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	unspent.Version = 2
	if err := inner.Swap(t.Context(), unspent); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), r.Kind, r.Key); err == nil {
		t.Error("the unspent body opened where the spent one was")
	}
}

func TestSealedBodiesHaveTheRoomThatIsPromised(t *testing.T) {
	inner := store.NewMemory(nil)
	s := sealed(t, inner, keyA)
	r := store.Record{Kind: "test", Key: [32]byte{1}, Owner: strings.Repeat("o", store.MaxOwnerBytes), Body: make([]byte, store.MaxBodyBytes)}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	stored, err := inner.Get(t.Context(), r.Kind, r.Key)
	if err != nil || len(stored.Body) != store.MaxBodyBytes+store.SealOverhead {
		t.Errorf("the sealed body has %d bytes (%v), want %d more than before", len(stored.Body), err, store.SealOverhead)
	}
	r.Key, r.Body = [32]byte{2}, make([]byte, store.MaxBodyBytes+1)
	if err := s.Create(t.Context(), r); err == nil {
		t.Error("a body that is too large was sealed")
	}
}

func owned(t *testing.T, s store.Store) (n int) {
	t.Helper()
	for r, err := range s.List(t.Context(), "test", "alice") {
		if err != nil || r.Owner != "alice" || string(r.Body[:5]) != "body " {
			t.Fatalf("List = %+v, %v", r, err)
		}
		n++
	}
	return n
}

// The steps that the documentation of Seal names.
func TestSealingKeysAreReplacedWhileReplicasRun(t *testing.T) {
	const records = 20
	inner := store.NewMemory(nil)
	former := sealed(t, inner, keyA)
	for n := range records {
		if err := former.Create(t.Context(), numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	both, next := sealed(t, inner, keyA, keyB), sealed(t, inner, keyB, keyA)
	if err := next.Create(t.Context(), numbered(records)); err != nil {
		t.Fatal(err)
	}
	if n := owned(t, both); n != records+1 {
		t.Errorf("a replica that has the new key last lists %d records, want %d", n, records+1)
	}
	if _, err := former.Get(t.Context(), "test", numbered(records).Key); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("Get without the new key = %v, want an error about the key", err)
	}

	n, err := store.Reseal(t.Context(), next, "test")
	if err != nil || n != records+1 { // the records, and the key that hides owners
		t.Errorf("Reseal = %d, %v, want %d", n, err, records+1)
	}
	if n, err := store.Reseal(t.Context(), next, "test"); n != 0 || err != nil {
		t.Errorf("Reseal again = %d, %v, want nothing to do", n, err)
	}
	last := sealed(t, inner, keyB)
	if n := owned(t, last); n != records+1 {
		t.Errorf("without the former key %d records are listed, want %d", n, records+1)
	}
	if r, err := last.Get(t.Context(), "test", numbered(3).Key); err != nil || r.Version != 2 || r.Owner != "alice" {
		t.Errorf("Get = %+v, %v, want the record with its owner", r, err)
	}
	if _, err := store.Reseal(t.Context(), inner, "test"); err == nil {
		t.Error("a store that is not sealed was sealed anew")
	}
}

// Replicas that start together agree on the key that hides owners.
func TestReplicasHideOwnersAlike(t *testing.T) {
	inner := store.NewMemory(nil)
	var replicas []store.Store
	for range 8 {
		replicas = append(replicas, sealed(t, inner, keyA))
	}
	var all sync.WaitGroup
	for n, s := range replicas {
		all.Go(func() {
			if err := s.Create(context.Background(), numbered(n)); err != nil {
				t.Errorf("Create = %v", err)
			}
		})
	}
	all.Wait()
	for _, s := range replicas {
		if n := owned(t, s); n != len(replicas) {
			t.Errorf("a replica lists %d records, want %d", n, len(replicas))
		}
	}
}

func TestSealingASecretDoesNotShowIt(t *testing.T) {
	_, err := store.Seal(store.NewMemory(nil), holdfast.NewSecret("not-32-bytes-but-secret"))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the key", err)
	}
}

func BenchmarkSealedGet(b *testing.B) {
	secrets := []holdfast.Secret{holdfast.NewSecret(keyA)}
	s, err := store.Seal(store.NewMemory(nil), secrets...)
	if err != nil {
		b.Fatal(err)
	}
	r := secretRecord()
	r.Body = make([]byte, 500)
	if err := s.Create(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), r.Kind, r.Key); err != nil {
			b.Fatal(err)
		}
	}
}

// Whatever the stored bytes are, they are refused, or are what was sealed here.
func FuzzSealedBody(f *testing.F) {
	inner := store.NewMemory(nil)
	s, err := store.Seal(inner, holdfast.NewSecret(keyA))
	if err != nil {
		f.Fatal(err)
	}
	r := store.Record{Kind: "test", Key: [32]byte{1}, Body: []byte("the body")}
	if err := s.Create(f.Context(), r); err != nil {
		f.Fatal(err)
	}
	stored, err := inner.Get(f.Context(), r.Kind, r.Key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stored.Body)
	f.Add(stored.Body[:5])
	f.Add([]byte{})
	f.Add([]byte(`{"spent":false}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > store.MaxBodyBytes {
			return
		}
		changed := stored
		changed.Body = body
		if err := errors.Join(inner.Delete(t.Context(), r.Kind, r.Key), inner.Create(t.Context(), changed)); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), r.Kind, r.Key)
		if err != nil && bytes.Equal(body, stored.Body) {
			t.Fatalf("the stored body: %v", err)
		}
		if err == nil && string(got.Body) != "the body" {
			t.Fatalf("it opened as %q", got.Body)
		}
	})
}
