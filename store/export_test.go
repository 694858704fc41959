package store

import (
	"testing"
	"time"
)

// What the tests outside of the package need: storetest imports the package, so
// that tests inside of it cannot use the suites.
var (
	OpenAt      = open
	RedisDSN    = redisDSN
	PostgresDSN = postgresDSN
)

// SettledReplays opens a cache and passes the time in which nothing is accepted.
func SettledReplays(t testing.TB, dsn string) *Replays { return settled(t, new(clock), dsn) }

// NewClock returns the functions of a clock that is set forward by hand.
func NewClock() (now func() time.Time, advance func(time.Duration)) {
	c := new(clock)
	return c.now, c.advance
}
