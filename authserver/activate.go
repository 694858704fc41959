package authserver

import (
	"net/http"
	"time"
)

// Limits of guessing user codes (RFC 8628 section 5.1): so many wrong ones in a
// window from one source.
const (
	maxWrongCodes   = 5
	wrongCodeWindow = 10 * time.Minute
)

// newWrongCodes counts wrong user codes. One is counted before it is known to be
// wrong, so that parallel guesses do not slip through.
func newWrongCodes() *sourceCounter { return newSourceCounter(maxWrongCodes, wrongCodeWindow) }

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
	from, counter := source(v.RemoteAddr), v.server.pages.wrong
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
