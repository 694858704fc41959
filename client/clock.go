package client

import (
	"net/http"
	"sync"
	"time"
)

// MaxCorrection is the largest difference of clocks that is corrected. A server
// that is further off cannot make us sign proofs for another day.
const MaxCorrection = 10 * time.Minute

// clocks are the corrections learned per origin. The zero value corrects nothing.
type clocks struct {
	mu      sync.Mutex
	offsets map[string]time.Duration // server's time less ours
}

// offset returns the correction for an origin.
func (c *clocks) offset(origin string) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offsets[origin]
}

// correct sets the correction for an origin and reports whether that changes
// anything. One beyond [MaxCorrection] is not taken.
func (c *clocks) correct(origin string, by time.Duration) bool {
	if by > MaxCorrection || by < -MaxCorrection {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.offsets[origin] - by; d < time.Second && d > -time.Second {
		return false
	}
	if c.offsets == nil {
		c.offsets = make(map[string]time.Duration)
	}
	if len(c.offsets) >= MaxNonceOrigins {
		clear(c.offsets) // relearned where it matters
	}
	c.offsets[origin] = by
	return true
}

// clockDifference returns the server's time less ours, and whether that is so
// far from the offset in use that the proof could have been refused for it. The
// server's time is at or, if that is zero, the Date of the answer. It was read
// between sending and receiving: only what lies outside of that span counts. A
// difference that is too small makes proofs a little old, which servers forgive
// sooner than proofs from the future.
func (a *attempt) clockDifference(at time.Time) (by time.Duration, off bool) {
	if at.IsZero() {
		var err error
		if at, err = http.ParseTime(a.response.Header.Get("Date")); err != nil {
			return 0, false
		}
	}
	least := at.Sub(a.received)
	most := at.Add(time.Second).Sub(a.sent) // Date has whole seconds
	return least, a.offset < least-minCorrection || a.offset > most+minCorrection
}
