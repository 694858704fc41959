package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// errClosed is what every call after Close returns.
var errClosed = errors.New("closed")

// calls limits how long calls take, and ends them for good.
type calls struct {
	timeout time.Duration // 0: the backend is this process, which does not hang
	closed  atomic.Bool
}

// begin returns the context of one call. It ends in time, but not because the
// peer of a request hung up: a call that is broken off costs PostgreSQL the
// connection, and peers would decide how often.
func (c *calls) begin(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if c.closed.Load() {
		return nil, nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if c.timeout == 0 {
		return ctx, func() {}, nil
	}
	end := time.Now().Add(c.timeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(end) {
		end = sooner
	}
	call, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	return call, cancel, nil
}
