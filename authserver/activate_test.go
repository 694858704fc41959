package authserver

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestGuessingUserCodesIsSlow(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	code := ts.startsDevice(appID, nil).ok().text("user_code")
	alice := ts.person(t)
	for range 20 { // typing errors that cannot be codes are no guesses
		alice.enters("BCDF").shows(http.StatusUnprocessableEntity, "8 letters", `aria-describedby="hint problem"`)
	}
	for range maxWrongCodes {
		alice.enters("BBBB-BBBB").shows(http.StatusUnprocessableEntity, "not known")
	}
	got := alice.enters("BBBB-BBBB").shows(http.StatusTooManyRequests, "Too many wrong codes. Try again in 10m0s.") // DEV-5-01
	if after := got.header.Get("Retry-After"); after != "600" {
		t.Errorf("Retry-After is %s, want 600", after)
	}
	ts.person(t).enters(code).shows(http.StatusTooManyRequests) // another browser, the same source
	ts.clock.Advance(wrongCodeWindow - time.Second)
	alice.enters(code).shows(http.StatusTooManyRequests)
	ts.clock.Advance(time.Second)
	alice.enters("BBBB-BBBB").shows(http.StatusUnprocessableEntity)
}

func TestRightCodesAreNotCounted(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	for range 3 * maxWrongCodes {
		alice.enters(ts.startsDevice(appID, nil).ok().text("user_code")).shows(http.StatusOK)
	}
}

func TestWrongCodesAreCountedPerSource(t *testing.T) {
	t.Parallel()
	w, now := newWrongCodes(), time.Date(2026, 3, 14, 15, 0, 0, 0, time.UTC)
	for range maxWrongCodes {
		if wait := w.wait("192.0.2.1", now); wait != 0 {
			t.Fatalf("a wait of %v for the first", wait)
		}
	}
	if wait := w.wait("192.0.2.1", now.Add(time.Minute)); wait != wrongCodeWindow-time.Minute {
		t.Errorf("the wait is %v, want the rest of the window", wait)
	}
	// Some other source does not meet it: a single one may, in one of many slots.
	free := 0
	for i := range 10 {
		if w.wait(fmt.Sprintf("198.51.100.%d", i), now) == 0 {
			free++
		}
	}
	if free == 0 {
		t.Error("no other source may try")
	}
	if wait := w.wait("192.0.2.1", now.Add(wrongCodeWindow)); wait != 0 {
		t.Errorf("after the window the wait is %v", wait)
	}
	if wait := w.wait("192.0.2.1", now.Add(-time.Hour)); wait != 0 {
		t.Errorf("a clock that was set back gives a wait of %v", wait)
	}
}

func TestASourceIsAnAddressOrAnIPv6Network(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::1": "2001:db8:1:2::/64",
		"::ffff:192.0.2.1": "::ffff:192.0.2.1", "fe80::1%eth0": "fe80::/64", "@": "@", "": "",
	} {
		if got := source(host); got != want {
			t.Errorf("%q is %q, want %q", host, got, want)
		}
	}
}

func TestACodeInAnAddressIsShownOnlyIfItIsOne(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	alice.open(pathActivate+"?user_code=bcdfghjk").shows(http.StatusOK, `value="BCDF-GHJK"`)
	alice.open(pathActivate+"?user_code=%22%3E%3Cscript%3E").shows(http.StatusOK, `value=""`)
	alice.open(pathActivate+"?user_code=a&user_code=b").shows(http.StatusBadRequest, "given 2 times")
}
