package holdfasttest

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// nonces hands out one nonce at a time and remembers all: a test that expires
// them sees "expired", not "foreign". It implements [holdfast.NonceSource].
type nonces struct {
	now func() time.Time

	mu      sync.Mutex
	current string
	issued  map[string]time.Time // zero: expired by hand
	stale   bool                 // Faults.StaleNonces
	stuck   bool                 // Faults.NonceNeverChanges
}

// Issue returns the current nonce, or a new one when half of its life is over.
func (n *nonces) Issue(context.Context) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	age := n.now().Sub(n.issued[n.current]).Abs()
	if n.current == "" || !n.stuck && (n.stale || age > holdfast.DefaultNonceLifetime/2) {
		n.current = rand.Text()
		n.issued[n.current] = n.now()
	}
	return n.current, nil
}

// Judge tells whether a nonce was handed out here and is not too old.
func (n *nonces) Judge(_ context.Context, nonce string) (holdfast.Nonce, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	issued, known := n.issued[nonce]
	expires := issued.Add(holdfast.DefaultNonceLifetime)
	switch {
	case !known:
		return holdfast.Nonce{State: holdfast.NonceForeign}, nil
	case n.stale || n.stuck || !n.now().Before(expires):
		return holdfast.Nonce{State: holdfast.NonceExpired, Issued: issued, Expires: expires}, nil
	}
	return holdfast.Nonce{State: holdfast.NonceCurrent, Issued: issued, Expires: expires}, nil
}

// expire makes every nonce so far a stale one.
func (n *nonces) expire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for nonce := range n.issued {
		n.issued[nonce] = time.Time{}
	}
	n.current = ""
}

func (n *nonces) inject(f Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stale, n.stuck = f.StaleNonces, f.NonceNeverChanges
}

// replays remembers every proof of the test, so it needs no cold start and no
// clock. It implements [holdfast.ReplayCache].
type replays struct {
	mu   sync.Mutex
	seen map[holdfast.ReplayID]bool
}

// Use records id.
func (r *replays) Use(_ context.Context, id holdfast.ReplayID, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.seen[id]
	r.seen[id] = true
	return first, nil
}
