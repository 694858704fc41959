package login

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
)

// How guessing is slowed. Up to so many failures cost nothing, the next attempt
// waits FirstDelay, and each further failure doubles that up to the longest. A
// quiet time forgives one failure.
const (
	FirstDelay = time.Second

	// By name, and by name for browsers that are known.
	FreeFailures = 5
	MaxDelay     = time.Minute
	forgiveName  = 10 * time.Minute

	// By address, which may be that of a whole office. Longer than MaxDelay, so
	// that whoever attacks a name from one address leaves every other turn to
	// the person.
	FreeAddressFailures = 20
	MaxAddressDelay     = 2 * time.Minute
	forgiveAddress      = 5 * time.Minute
)

// counterSlots is how many counters of a kind there are. Names and addresses
// share them by a hash that nobody outside can compute: a stranger can neither
// choose with whom to share nor push anybody's counter out. Who shares a slot
// with a name that is under attack waits like that name, MaxDelay at most.
const counterSlots = 1 << 16

// throttle counts failures in memory of fixed size.
type throttle struct {
	seed maphash.Seed

	mu        sync.Mutex // guards the counters
	names     counters
	known     counters
	addresses counters
}

// counters count one kind of thing.
type counters struct {
	free    int
	longest time.Duration
	forgive time.Duration
	slots   []counter
}

// counter is what is remembered. An attempt counts as a failure until it has
// succeeded: parallel attempts cannot all pass before the first one is counted.
type counter struct {
	failures int32
	last     int64 // when an attempt was counted, in Unix nanoseconds
}

func newThrottle() *throttle {
	kind := func(free int, longest, forgive time.Duration) counters {
		return counters{free, longest, forgive, make([]counter, counterSlots)}
	}
	return &throttle{
		seed:      maphash.MakeSeed(),
		names:     kind(FreeFailures, MaxDelay, forgiveName),
		known:     kind(FreeFailures, MaxDelay, forgiveName),
		addresses: kind(FreeAddressFailures, MaxAddressDelay, forgiveAddress),
	}
}

// delay is how long after a number of failures the next attempt may be.
func (k *counters) delay(failures int32) time.Duration {
	if int(failures) < k.free {
		return 0
	}
	d := FirstDelay
	for n := int(failures); n > k.free && d < k.longest; n-- {
		d *= 2
	}
	return min(d, k.longest)
}

// worst is the number of failures after which the delay does not grow.
func (k *counters) worst() int32 {
	n := int32(k.free)
	for k.delay(n) < k.longest {
		n++
	}
	return n
}

// charge is an attempt that was counted.
type charge struct {
	t       *throttle
	own     *counted
	address *counted // nil if it is not known
}

// counted is one counter of a charge, with what it was before and after.
type counted struct {
	*counter
	kind          *counters
	at            int64
	before, after counter
}

// charge counts an attempt, or refuses it with a *[authserver.TooManyAttempts].
// A known browser is counted apart from all others.
func (t *throttle) charge(now time.Time, name, remote string, known bool) (*charge, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &charge{t: t}
	switch {
	case known:
		c.own = t.find(&t.known, name, now)
	default:
		c.own = t.find(&t.names, name, now)
		if remote != "" {
			c.address = t.find(&t.addresses, network(remote), now)
		}
	}
	wait := c.own.wait()
	if c.address != nil {
		wait = max(wait, c.address.wait())
	}
	if wait > 0 {
		// In whole seconds, so that whoever shows them does not say too little.
		wait = (wait + time.Second - 1).Truncate(time.Second)
		return nil, &authserver.TooManyAttempts{RetryAfter: wait}
	}
	c.own.count()
	if c.address != nil {
		c.address.count()
	}
	return c, nil
}

func (t *throttle) find(k *counters, what string, now time.Time) *counted {
	s := &k.slots[maphash.String(t.seed, what)%counterSlots]
	at := now.UnixNano()
	s.last = min(s.last, at) // a clock that was set back must not lock anybody out
	return &counted{counter: s, kind: k, at: at, before: *s}
}

func (c *counted) wait() time.Duration {
	return c.kind.delay(c.failures) - time.Duration(c.at-c.last)
}

func (c *counted) count() {
	forgiven := (c.at - c.last) / int64(c.kind.forgive)
	left := max(0, int64(c.failures)-forgiven)
	c.after = counter{failures: min(int32(left)+1, c.kind.worst()), last: c.at}
	*c.counter = c.after
}

// undo takes one attempt back, and what the quiet time before it forgave: that
// is forgiven once, not with every attempt.
func (c *counted) undo() {
	if *c.counter == c.after {
		*c.counter = c.before
		return
	}
	c.failures = max(0, c.failures-1) // others were counted meanwhile
}

// succeeded forgives the failures by name, which were the person's or could not
// keep the person out. Those by address stay: an attacker with a name of his own
// would forgive himself.
func (c *charge) succeeded() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	c.own.failures = 0
	if c.address != nil {
		c.address.undo()
	}
}

// notJudged takes the attempt back: nobody learned anything from it.
func (c *charge) notJudged() {
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	c.own.undo()
	if c.address != nil {
		c.address.undo()
	}
}

// network returns what is counted of an address: of IPv6 the first 64 bits,
// since whoever has one of these networks has all of its addresses.
func network(remote string) string {
	a, err := netip.ParseAddr(remote)
	if err != nil {
		p, err := netip.ParseAddrPort(remote)
		if err != nil {
			return remote
		}
		a = p.Addr()
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, _ := a.Prefix(64) // fails for more bits than there are
	return p.String()
}
