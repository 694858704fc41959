package interop

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
	"github.com/holdfast-oauth/holdfast/store"
)

const (
	replayCallers = 512
	replayRound   = 40_000 // uses in one measurement
)

// BenchmarkSharedReplays compares the shared replay cache with what one writes
// first: a SET NX PX by go-redis for each proof. x-go-redis is how many times
// as many uses of the cache fit into the same time; each of them asks the
// server for its epoch as well.
func BenchmarkSharedReplays(b *testing.B) {
	s := testservers.Redis(b)
	ours, err := store.OpenReplays(b.Context(), "redis://"+s.Address+"/0?timeout=5s")
	if err != nil {
		b.Fatal(err)
	}
	defer ours.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // after a cold start it accepts nothing at first
		if _, err := ours.Use(b.Context(), newReplayID(), time.Now()); err == nil {
			break
		} else if time.Now().After(end) {
			b.Fatal(err)
		}
	}
	theirs := redis.NewClient(&redis.Options{Addr: s.Address})
	defer theirs.Close()

	var t1, t2 time.Duration
	b.ResetTimer()
	for range b.N {
		t1 += crowd(b, func(ctx context.Context, id holdfast.ReplayID) (bool, error) {
			return ours.Use(ctx, id, time.Now().Add(70*time.Second))
		})
		t2 += crowd(b, func(ctx context.Context, id holdfast.ReplayID) (bool, error) {
			return theirs.SetNX(ctx, "jti:"+hex.EncodeToString(id[:]), 1, 72*time.Second).Result()
		})
	}
	b.ReportMetric(float64(t2)/float64(t1), "x-go-redis")
	b.ReportMetric(float64(t1.Nanoseconds())/float64(b.N*replayRound), "ns/use")
	b.ReportMetric(float64(t2.Nanoseconds())/float64(b.N*replayRound), "ns/go-redis")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

func newReplayID() (id holdfast.ReplayID) {
	_, _ = rand.Read(id[:])
	return id
}

// crowd lets all callers use fresh ids until the round is over.
func crowd(b *testing.B, use func(context.Context, holdfast.ReplayID) (bool, error)) time.Duration {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range replayCallers {
		all.Go(func() {
			ctx, cancel := context.WithCancel(b.Context()) // as a request has
			defer cancel()
			for next.Add(1) <= replayRound {
				if first, err := use(ctx, newReplayID()); err != nil || !first {
					b.Errorf("use of a fresh id = %v, %v", first, err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}
