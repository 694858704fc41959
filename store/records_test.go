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
