package store_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/store/storetest"
)

func TestRecordsInMemoryConform(t *testing.T) {
	now, advance := store.NewClock()
	storetest.Records(t, func(testing.TB) store.Store { return store.NewMemory(now) }, advance)
}

func TestRecordsThatAreSealedConform(t *testing.T) {
	now, advance := store.NewClock()
	storetest.Records(t, func(t testing.TB) store.Store { return sealed(t, store.NewMemory(now), keyA) }, advance)
}

func TestRecordsInAFileConform(t *testing.T) {
	now, advance := store.NewClock()
	storetest.Records(t, func(t testing.TB) store.Store {
		return opened(t, "bbolt://"+filepath.Join(t.TempDir(), "as.db"), now)
	}, advance)
}

// opened opens a store, and closes it when the test ends.
func opened(t testing.TB, dsn string, now func() time.Time) store.Store {
	t.Helper()
	s, err := store.OpenAt(context.WithoutCancel(t.Context()), dsn, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

const (
	keyA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	keyB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// sealed puts a seal before a store.
func sealed(t testing.TB, s store.Store, keys ...string) store.Store {
	t.Helper()
	var secrets []holdfast.Secret
	for _, k := range keys {
		secrets = append(secrets, holdfast.NewSecret(k))
	}
	out, err := store.Seal(s, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRecordsInPostgresConform(t *testing.T) {
	s := testservers.Postgres(t)
	now, advance := store.NewClock()
	storetest.Records(t, func(t testing.TB) store.Store {
		return opened(t, store.PostgresDSN(s)+"&prefix="+newPrefix(), now)
	}, advance)
}

func TestRecordsInRedisConform(t *testing.T) {
	s := testservers.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	now, advance := store.NewClock()
	storetest.Records(t, func(t testing.TB) store.Store {
		return opened(t, store.RedisDSN(s)+"&prefix="+newPrefix(), now)
	}, advance)
}

// newPrefix keeps the stores of one server apart.
func newPrefix() string { return "t" + strings.ToLower(rand.Text())[:8] }

// BenchmarkRecords creates and swaps, as issuing and spending a code does, from
// many goroutines.
func BenchmarkRecords(b *testing.B) {
	for name, open := range map[string]func() store.Store{
		"memory": func() store.Store { return store.NewMemory(nil) },
		"sealed": func() store.Store { return sealed(b, store.NewMemory(nil), keyA) },
		"bbolt":  func() store.Store { return opened(b, "bbolt://"+filepath.Join(b.TempDir(), "as.db"), time.Now) },
	} {
		b.Run(name, func(b *testing.B) {
			s := open()
			b.SetParallelism(32)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					r := store.Record{Kind: "bench", Owner: "alice", Body: make([]byte, 500), Expires: time.Now().Add(time.Minute)}
					_, _ = rand.Read(r.Key[:])
					err := s.Create(b.Context(), r)
					if err == nil {
						r.Version = 1
						err = s.Swap(b.Context(), r)
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
