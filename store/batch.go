package store

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// How concurrent uses are gathered.
const (
	batchMax     = 256 // uses in one round trip
	batchSenders = 2   // one batch is filled while another is answered
)

// batcher gathers the uses of concurrent callers into round trips: one question
// for the epoch then serves them all.
type batcher struct {
	send    func(ctx context.Context, calls []*useCall)
	timeout time.Duration
	queue   chan *useCall
	stopped chan struct{}
	senders sync.WaitGroup
}

// useCall is one use with its answer, which is there once done is closed.
type useCall struct {
	id    holdfast.ReplayID
	ttl   time.Duration
	first bool
	mark  mark
	err   error
	done  chan struct{}
}

func newBatcher(timeout time.Duration, send func(context.Context, []*useCall)) *batcher {
	b := &batcher{send: send, timeout: timeout, queue: make(chan *useCall, batchMax), stopped: make(chan struct{})}
	for range batchSenders {
		b.senders.Go(b.run)
	}
	return b
}

// use waits for the answer. A caller that gives up leaves the use to be
// recorded: that can only refuse.
func (b *batcher) use(ctx context.Context, id holdfast.ReplayID, ttl time.Duration) (bool, mark, error) {
	c := &useCall{id: id, ttl: ttl, done: make(chan struct{})}
	select {
	case b.queue <- c:
	case <-ctx.Done():
		return false, mark{}, ctx.Err()
	case <-b.stopped:
		return false, mark{}, errClosed
	}
	select {
	case <-c.done:
		return c.first, c.mark, c.err
	case <-ctx.Done():
		return false, mark{}, ctx.Err()
	case <-b.stopped:
		return false, mark{}, errClosed
	}
}

func (b *batcher) run() {
	calls := make([]*useCall, 0, batchMax)
	for {
		select {
		case c := <-b.queue:
			calls = append(calls[:0], c)
		case <-b.stopped:
			return
		}
		for more := true; more && len(calls) < batchMax; {
			select {
			case c := <-b.queue:
				calls = append(calls, c)
			default:
				more = false
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
		b.send(ctx, calls)
		cancel()
		for i, c := range calls {
			close(c.done)
			calls[i] = nil
		}
	}
}

// close waits for the senders; whoever is still waiting gets an error.
func (b *batcher) close() {
	close(b.stopped)
	b.senders.Wait()
}
