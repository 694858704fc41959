package authserver

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits of guessing user codes (RFC 8628 section 5.1): so many wrong ones in a
// window from one source, counted in so many slots.
const (
	maxWrongCodes   = 5
	wrongCodeWindow = 10 * time.Minute
	wrongCodeSlots  = 4096
)

// wrongCodes counts wrong user codes per source in a table of fixed size: no
// number of sources fills the memory or pushes a counter out. Sources that meet
// in a slot share its count. Safe for concurrent use.
type wrongCodes struct {
	seed maphash.Seed // nobody can look for sources that meet

	mu    sync.Mutex // guards what follows
	slots [wrongCodeSlots]struct {
		from  time.Time // of the first wrong code of the window
		count int
	}
}

func newWrongCodes() *wrongCodes { return &wrongCodes{seed: maphash.MakeSeed()} }

// wait is how long a source has to wait; 0 means not at all. A wrong code is
// counted before it is known to be wrong, so that parallel guesses do not slip
// through; right takes it back.
func (w *wrongCodes) wait(source string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	slot := &w.slots[w.slot(source)]
	if now.Sub(slot.from) >= wrongCodeWindow || now.Before(slot.from) {
		slot.from, slot.count = now, 0
	}
	if slot.count >= maxWrongCodes {
		return slot.from.Add(wrongCodeWindow).Sub(now)
	}
	slot.count++
	return 0
}

// right takes back what wait counted.
func (w *wrongCodes) right(source string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slot := &w.slots[w.slot(source)]; slot.count > 0 {
		slot.count--
	}
}

func (w *wrongCodes) slot(source string) uint64 {
	return maphash.String(w.seed, source) % wrongCodeSlots
}

// source is whom guesses are counted for: an address, or the network that one
// subscriber has with IPv6.
func source(host string) string {
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

// askCode shows the form for a user code. A code in the address fills the form
// in and no more (RFC 8628 section 3.3.1): the person compares it with the
// device.
func (v *visit) askCode() error {
	form, err := v.query()
	if err == nil {
		err = once(form)
	}
	if err != nil {
		return err
	}
	code, ok := readUserCode(form.Get("user_code"))
	if ok {
		code = shownCode(code)
	} else {
		code = ""
	}
	v.showActivate(v.newTicket(), http.StatusOK, code, "")
	return nil
}

// enterCode takes a user code.
func (v *visit) enterCode() error {
	form, t, err := v.submitted()
	if err != nil {
		return err
	}
	if t.Request != nil || t.Device != nil {
		return refuse(errInvalidRequest, "the ticket is for another page")
	}
	from, counter := source(v.remoteHost()), v.server.pages.wrong
	if wait := counter.wait(from, v.server.now()); wait > 0 {
		f := refuse(errAccessDenied, "there were too many wrong codes")
		f.status = http.StatusTooManyRequests
		v.done(f)
		v.w.Header().Set("Retry-After", retryAfter(wait))
		v.showActivate(t, f.status, "", "Too many wrong codes. Try again in "+wait.Round(time.Second).String()+".")
		return nil
	}
	code, ok := readUserCode(form.Get("user_code"))
	if !ok {
		// It cannot be a guess, so it is not counted as one.
		counter.right(from)
		v.showActivate(t, http.StatusUnprocessableEntity, "", "Enter the 8 letters that the device shows.")
		return nil
	}
	d, err := v.server.findUserCode(v.Context(), code)
	if f, wrong := isRefusal(err); wrong {
		v.done(f)
		v.showActivate(t, http.StatusUnprocessableEntity, shownCode(code), "This code is not known, was used or has expired. Compare it with the device.")
		return nil
	}
	counter.right(from)
	if err != nil {
		return err
	}
	t.Device = &deviceTicket{Key: d.Key, Code: shownCode(code)}
	return v.resumeAt(t)
}
