package client

import (
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
