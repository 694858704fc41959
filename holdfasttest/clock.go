package holdfasttest

import (
	"sync"
	"time"
)

// Clock is a clock that moves only when it is told to. The zero value stands at
// the zero time; it is safe for concurrent use and must not be copied.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that stands at the given time.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now returns the time of the clock. The method value fits the Now fields of
// this module.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock by d, backwards if d is negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
