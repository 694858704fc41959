package store_test

import (
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/store/storetest"
)

// The suite covers D-11.1-02 (used ids are stored) and D-11.1-03 (atomic).
func TestTheCacheInRedisConforms(t *testing.T) {
	s := testservers.Redis(t)
	storetest.Replays(t, func(t testing.TB) holdfast.ReplayCache { return store.SettledReplays(t, store.RedisDSN(s)) })
}

func TestTheCacheInPostgresConforms(t *testing.T) {
	s := testservers.Postgres(t)
	storetest.Replays(t, func(t testing.TB) holdfast.ReplayCache { return store.SettledReplays(t, store.PostgresDSN(s)) })
}
