package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// How expired entries are removed.
const (
	sweepEvery   = 10 * time.Second
	sweepTimeout = 5 * time.Second
)

// sweeper removes regularly what has expired. A sweep that fails is made up for
// by the next: what has expired is not served in the meantime.
type sweeper struct {
	failed atomic.Pointer[error] // why the last sweep failed
	stop   context.CancelFunc
	run    sync.WaitGroup
}

func (s *sweeper) start(ctx context.Context, sweep func(context.Context) error) {
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.run.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			if err := sweep(ctx); err != nil {
				s.failed.Store(&err)
			} else {
				s.failed.Store(nil)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// close waits for the sweep under way.
func (s *sweeper) close() {
	s.stop()
	s.run.Wait()
}
