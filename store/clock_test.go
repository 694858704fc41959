package store

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// clock is the time of day, set forward by hand: servers count spans by their
// own clocks, so that only what replicas compare with theirs is moved.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// settled opens a cache and passes the time in which nothing is accepted.
func settled(t testing.TB, c *clock, dsn string) *Replays {
	t.Helper()
	r, err := openReplays(t.Context(), dsn, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if at := r.era.Load().since; c.now().Before(at) {
		c.advance(at.Sub(c.now()))
	}
	return r
}

func redisDSN(s *testservers.RedisServer) string { return "redis://" + s.Address + "/0?timeout=5s" }

func postgresDSN(s *testservers.PostgresServer) string {
	return "postgres://postgres@" + s.Address + "/postgres?timeout=5s"
}
