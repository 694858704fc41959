package client

import (
	"context"
	"sync"
	"time"
)

const (
	// quietFor is after how long without an answer a server is likely to want
	// another nonce.
	quietFor = 30 * time.Second
	// maxPioneerWait is how long others wait for the one that went ahead: an
	// upload or a long poll must not hold them up.
	maxPioneerWait = 500 * time.Millisecond
)

// pioneers let one request go ahead to a server whose nonce may have expired,
// so that many callers cause one refresh and not as many refusals. The zero
// value is ready to use.
type pioneers struct {
	mu      sync.Mutex
	origins map[string]*pioneer
}

type pioneer struct {
	heard time.Time     // when the server last answered
	back  chan struct{} // closed when the one that went ahead is back; nil if nobody is on the way
}

// setOut returns at once, or when the request that went ahead is back. The
// function it returns is to be called with whether there was an answer.
func (p *pioneers) setOut(ctx context.Context, origin string, now func() time.Time, hasNonce bool) (back func(answered bool)) {
	p.mu.Lock()
	o := p.origins[origin]
	if o == nil {
		if p.origins == nil || len(p.origins) >= MaxNonceOrigins {
			p.origins = map[string]*pioneer{}
		}
		o = &pioneer{}
		p.origins[origin] = o
	}
	known := !o.heard.IsZero()
	ahead := o.back
	var mine chan struct{}
	if quiet := now().Sub(o.heard).Abs() > quietFor; !quiet || known && !hasNonce { // one that wants no nonces needs no pioneer
		ahead = nil
	} else if ahead == nil {
		mine = make(chan struct{})
		o.back = mine
	}
	p.mu.Unlock()
	if ahead != nil {
		limit := time.NewTimer(maxPioneerWait)
		defer limit.Stop()
		select {
		case <-ahead:
		case <-limit.C:
		case <-ctx.Done(): // Base will say so
		}
	}
	return func(answered bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if answered {
			o.heard = now()
		}
		if mine != nil {
			o.back = nil
			close(mine)
		}
	}
}
