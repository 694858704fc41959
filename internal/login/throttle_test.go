package login

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-oauth/holdfast/authserver"
)

// judged reports whether an attempt was judged, and how long to wait if not.
func judged(t *testing.T, err error) (bool, time.Duration) {
	t.Helper()
	if tooMany := (*authserver.TooManyAttempts)(nil); errors.As(err, &tooMany) {
		if tooMany.RetryAfter <= 0 {
			t.Fatalf("to be tried again after %v", tooMany.RetryAfter)
		}
		return false, tooMany.RetryAfter
	}
	if err != nil && !errors.Is(err, authserver.ErrWrongPassword) {
		t.Fatal(err)
	}
	return true, 0
}

// TestTenThousandWrongPasswords: they are slowed, and alice gets in.
func TestTenThousandWrongPasswords(t *testing.T) {
	const attempts = 10_000
	for _, c := range []struct {
		name  string
		who   func(i int) string
		from  func(i int) string
		known bool
		most  int // judged, at one attempt per second
	}{
		{
			"for one name from one address",
			func(int) string { return "alice" },
			func(int) string { return "192.0.2.1" },
			false, FreeFailures + 7 + attempts/60,
		},
		{
			"for one name from an address each",
			func(int) string { return "alice" },
			func(i int) string { return fmt.Sprintf("192.0.%d.%d", i/250, i%250) },
			false, FreeFailures + 7 + attempts/60,
		},
		{
			"for one name from a known browser",
			func(int) string { return "alice" },
			func(i int) string { return fmt.Sprintf("192.0.%d.%d", i/250, i%250) },
			true, FreeFailures + 7 + attempts/60,
		},
		{
			"for a name each from one address",
			func(i int) string { return fmt.Sprint("stranger", i) },
			func(int) string { return "192.0.2.1" },
			false, FreeAddressFailures + 8 + attempts/120,
		},
		{
			"for a name each from one IPv6 network",
			func(i int) string { return fmt.Sprint("stranger", i) },
			func(i int) string { return fmt.Sprintf("2001:db8:1:2:%x::1", i) },
			false, FreeAddressFailures + 8 + attempts/120,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			hashes := h.meter.hashes.Load()
			for i := range attempts {
				_, err := h.try(t, c.who(i), wrongPassword, c.from(i), c.known)
				judged(t, err)
				h.clock.advance(time.Second)
			}
			n := int(h.meter.hashes.Load() - hashes)
			if n > c.most || n < FreeFailures {
				t.Errorf("%d of %d attempts were judged, want at most %d", n, attempts, c.most)
			}
			// At a known browser alice gets in at once, unless that was what
			// attacked; then she does at any other.
			if _, err := h.try(t, "alice", rightPassword, "198.51.100.1", !c.known); err != nil {
				t.Errorf("alice at a browser of another kind than that of the attack: %v", err)
			}
			_, err := h.try(t, "alice", rightPassword, "198.51.100.1", c.known)
			if ok, wait := judged(t, err); !ok {
				if wait > MaxDelay {
					t.Fatalf("alice at the kind of browser that was attacked has to wait %v, want at most %v", wait, MaxDelay)
				}
				h.clock.advance(wait)
				_, err = h.try(t, "alice", rightPassword, "198.51.100.1", c.known)
			}
			if err != nil {
				t.Errorf("alice at the kind of browser that was attacked, after the wait: %v", err)
			}
		})
	}
}

// TestOneAttackerLeavesTurns: whoever tries as often as possible from one address
// cannot keep the person out from another one.
func TestOneAttackerLeavesTurns(t *testing.T) {
	h := newHouse(t)
	for range 1000 {
		_, err := h.try(t, "alice", wrongPassword, "192.0.2.1", false)
		if ok, wait := judged(t, err); !ok {
			h.clock.advance(wait)
		}
	}
	start := h.clock.now()
	for h.clock.now().Sub(start) <= MaxDelay {
		_, err := h.try(t, "alice", wrongPassword, "192.0.2.1", false) // always first
		judged(t, err)
		if _, err = h.try(t, "alice", rightPassword, "198.51.100.1", false); err == nil {
			return
		}
		h.clock.advance(time.Second)
	}
	t.Errorf("alice did not get in within %v", MaxDelay)
}

func TestParallelAttemptsAreAllCounted(t *testing.T) {
	h := newHouse(t)
	hashes := h.meter.hashes.Load()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() { _, _ = h.try(t, "alice", wrongPassword, "192.0.2.1", false) })
	}
	all.Wait()
	if n := h.meter.hashes.Load() - hashes; n != FreeFailures {
		t.Errorf("%d of 64 attempts at the same time were judged, want %d", n, FreeFailures)
	}
}

// TestSuccessForgivesOnlyOnesOwn: an attacker with a name of his own gains
// nothing by logging in with it in between.
func TestSuccessForgivesOnlyOnesOwn(t *testing.T) {
	h := newHouse(t)
	fail := func(name string) bool {
		t.Helper()
		_, err := h.try(t, name, wrongPassword, "192.0.2.1", false)
		ok, _ := judged(t, err)
		return ok
	}
	for i := range FreeAddressFailures {
		if !fail(fmt.Sprint("stranger", i)) {
			t.Fatalf("attempt %d was not judged", i)
		}
		if _, err := h.try(t, "alice", rightPassword, "192.0.2.1", false); err != nil && i < FreeAddressFailures-1 {
			t.Fatalf("alice's own login after %d failures of others: %v", i+1, err)
		}
	}
	if fail("another") {
		t.Error("the address was forgiven by a login in between")
	}

	h.clock.advance(24 * time.Hour)
	for range FreeFailures - 1 {
		fail("alice")
	}
	if _, err := h.try(t, "alice", rightPassword, "", false); err != nil {
		t.Fatal(err)
	}
	for i := range FreeFailures {
		_, err := h.try(t, "alice", wrongPassword, "", false)
		if ok, _ := judged(t, err); !ok {
			t.Errorf("alice's failure %d after a login was not judged", i+1)
		}
	}
}

func TestDelay(t *testing.T) {
	k := &newThrottle().names
	for failures, want := range map[int32]time.Duration{
		0: 0, 4: 0, 5: time.Second, 6: 2 * time.Second, 7: 4 * time.Second, 10: 32 * time.Second, 11: time.Minute, 1 << 30: time.Minute,
	} {
		if got := k.delay(failures); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
}

func TestQuietTimeForgives(t *testing.T) {
	th, c := newThrottle(), newClock()
	spend := func() (n int) {
		for {
			if _, err := th.charge(c.now(), "alice", "", false); err != nil {
				return n
			}
			n++
		}
	}
	if n := spend(); n != FreeFailures {
		t.Fatalf("%d attempts at once, want %d", n, FreeFailures)
	}
	c.advance(2 * forgiveName)
	if n := spend(); n != 2 {
		t.Errorf("%d attempts at once after a time that forgives 2 failures", n)
	}
	c.advance(24 * time.Hour)
	if n := spend(); n != FreeFailures {
		t.Errorf("%d attempts at once after a day, want %d", n, FreeFailures)
	}
}

// TestQuietTimeForgivesOnce: attempts that are taken back, such as the logins of
// an attacker with a name of his own, do not forgive the same time again.
func TestQuietTimeForgivesOnce(t *testing.T) {
	th, c := newThrottle(), newClock()
	for range FreeFailures {
		if _, err := th.charge(c.now(), "alice", "", false); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(forgiveName)
	for range 10 {
		ch, err := th.charge(c.now(), "alice", "", false)
		if err != nil {
			t.Fatal(err)
		}
		ch.notJudged()
	}
	for i := range 2 {
		if _, err := th.charge(c.now(), "alice", "", false); (err == nil) != (i == 0) {
			t.Errorf("attempt %d after a time that forgives 1 failure: %v", i+1, err)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	th, c := newThrottle(), newClock()
	for range FreeFailures {
		if _, err := th.charge(c.now(), "alice", "", false); err != nil {
			t.Fatal(err)
		}
	}
	c.advance(-24 * time.Hour)
	_, err := th.charge(c.now(), "alice", "", false)
	if ok, wait := judged(t, err); ok || wait != FirstDelay {
		t.Errorf("judged %v, to be tried again after %v, want %v", ok, wait, FirstDelay)
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":              "192.0.2.1",
		"192.0.2.1:443":          "192.0.2.1",
		"::ffff:192.0.2.1":       "192.0.2.1",
		"2001:db8:1:2:3::4":      "2001:db8:1:2::/64",
		"[2001:db8:1:2:5::]:443": "2001:db8:1:2::/64",
		"fe80::1%eth0":           "fe80::/64",
		"@":                      "@",
	} {
		if got := network(in); got != want {
			t.Errorf("%s is counted as %s, want %s", in, got, want)
		}
	}
}

// TestThrottleNeverLocksOut: whatever has happened, the wait that is told is at
// most the longest, and after it an attempt is judged.
func TestThrottleNeverLocksOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th, c := newThrottle(), newClock()
		var open []*charge
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			c.advance(time.Duration(rapid.Int64Range(-int64(time.Minute), int64(time.Hour)).Draw(t, "pass")))
			known := rapid.Bool().Draw(t, "known")
			remote := rapid.SampledFrom([]string{"", "192.0.2.1", "192.0.2.2"}).Draw(t, "remote")
			ch, err := th.charge(c.now(), "alice", remote, known)
			if err == nil {
				open = append(open, ch)
			}
			if len(open) > 0 && rapid.Bool().Draw(t, "end one") {
				ch, open = open[0], open[1:]
				if rapid.Bool().Draw(t, "succeeded") {
					ch.succeeded()
				} else {
					ch.notJudged()
				}
			}
		}
		_, err := th.charge(c.now(), "alice", "192.0.2.1", false)
		tooMany := (*authserver.TooManyAttempts)(nil)
		if !errors.As(err, &tooMany) {
			return
		}
		if tooMany.RetryAfter <= 0 || tooMany.RetryAfter > MaxAddressDelay {
			t.Fatalf("to be tried again after %v", tooMany.RetryAfter)
		}
		c.advance(tooMany.RetryAfter)
		if _, err := th.charge(c.now(), "alice", "192.0.2.1", false); err != nil {
			t.Fatalf("after the wait that was told: %v", err)
		}
	})
}
