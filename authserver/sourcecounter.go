package authserver

import (
	"hash/maphash"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// AnonymousPerMinute is how many requests of clients without credentials may be
// pushed, or begin a device authorization, from one source in one minute: at each
// replica, and not from its own machine. Each is a record and an id in the replay
// memory, and anybody can say to be such a client.
const AnonymousPerMinute = 600

// sourceSlots is the size of the table of a sourceCounter.
const sourceSlots = 4096

// sourceCounter counts what each source does, in windows, in a table of fixed
// size: no number of sources fills the memory or pushes a counter out. Sources
// that meet in a slot share its count. Safe for concurrent use.
type sourceCounter struct {
	max    int
	window time.Duration
	seed   maphash.Seed // nobody can look for sources that meet

	mu    sync.Mutex // guards what follows
	slots [sourceSlots]struct {
		from  time.Time // of the first of the window
		count int
	}
}

func newSourceCounter(most int, window time.Duration) *sourceCounter {
	return &sourceCounter{max: most, window: window, seed: maphash.MakeSeed()}
}

// wait counts one and returns 0, or how long the source has to wait.
func (c *sourceCounter) wait(source string, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := &c.slots[c.slot(source)]
	if now.Sub(slot.from) >= c.window || now.Before(slot.from) {
		slot.from, slot.count = now, 0
	}
	if slot.count >= c.max {
		return slot.from.Add(c.window).Sub(now)
	}
	slot.count++
	return 0
}

// right takes back what wait counted.
func (c *sourceCounter) right(source string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slot := &c.slots[c.slot(source)]; slot.count > 0 {
		slot.count--
	}
}

func (c *sourceCounter) slot(source string) uint64 {
	return maphash.String(c.seed, source) % sourceSlots
}

// source is who is counted: a host, or the network that one subscriber has with
// IPv6. remote is the address of a peer.
func source(remote string) string {
	host := hostOf(remote)
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Unmap().Is4() {
		return host
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}

// hostOf is the address of a peer without its port.
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// notTooMany refuses a client without credentials that has strangers fill the
// store and the replay memory.
func (s *Server) notTooMany(c *call) error {
	if !c.client.public() || fetch.Loopback(hostOf(c.RemoteAddr)) {
		return nil
	}
	wait := s.anonymous.wait(source(c.RemoteAddr), s.now())
	if wait == 0 {
		return nil
	}
	f := refuse(errUnavailable, "there are too many requests of clients without credentials from this address")
	f.status, f.header = http.StatusTooManyRequests, http.Header{"Retry-After": {retryAfter(wait)}}
	return f
}
