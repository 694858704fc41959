package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// User codes (RFC 8628 section 6.1): letters without vowels, so that no words
// arise, and without digits, which look like letters. 20^8 codes are 34 bits.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
	userCodePurpose = "user code"
	maxUserCodes    = 3 // codes that are drawn until one is free
)

// DeviceInterval is how long a device waits between two polls (RFC 8628 section
// 3.2).
const DeviceInterval = 5 * time.Second

// deviceGrace is how much longer a device code is remembered than it is good:
// whoever still polls learns that it has expired.
const deviceGrace = 10 * time.Minute

// deviceAnswer is RFC 8628 section 3.2.
type deviceAnswer struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int    `json:"expires_in"`
	Interval   int    `json:"interval"`
}

// startDevice is the device authorization endpoint (RFC 8628 section 3.1). A
// proof is optional; with one, the device code is bound to its key.
func (s *Server) startDevice(c *call) (any, error) {
	if !c.client.may(grantDevice) {
		return nil, refuse(errUnauthorizedClient, "the client is not registered for the device grant")
	}
	if err := s.notTooMany(c); err != nil {
		return nil, err
	}
	scope, resources, err := s.asked(c.client, c.form)
	if err != nil {
		return nil, err
	}
	jkt, err := s.prove(c, holdfast.ProofNeed{})
	if err != nil {
		return nil, err
	}
	if err := s.standing(c.Context(), party{Client: c.client.ClientID, Holder: binding{JKT: jkt}, At: s.now()}); err != nil {
		return nil, err
	}
	device := newHandle()
	r := deviceRecord{
		Client: c.client.ClientID, Scope: scope, Resources: resources, JKT: jkt,
		Until: s.now().Add(s.config.DeviceLifetime), Interval: int(DeviceInterval / time.Second),
	}
	key := keyOf(device.Reveal())
	code, err := s.drawUserCode(c.Context(), userCodeRecord{key}, r.Until)
	if err != nil {
		return nil, err
	}
	r.UserCode = s.sealer.hash(userCodePurpose, code)
	if err := create(c.Context(), s.store, kindDevice, key, r.Client, r.Until.Add(deviceGrace), r); err != nil {
		return nil, unavailable(err)
	}
	uri := s.endpointURL(pathActivate)
	return deviceAnswer{
		DeviceCode: device.Reveal(), UserCode: shownCode(code), URI: uri,
		Complete:  uri + "?" + url.Values{"user_code": {shownCode(code)}}.Encode(),
		ExpiresIn: int(s.config.DeviceLifetime / time.Second), Interval: r.Interval,
	}, nil
}

// drawUserCode takes a user code that nobody else has.
func (s *Server) drawUserCode(ctx context.Context, r userCodeRecord, until time.Time) (string, error) {
	for range maxUserCodes {
		code := newUserCode()
		err := create(ctx, s.store, kindUserCode, s.sealer.hash(userCodePurpose, code), "", until, r)
		if err == nil {
			return code, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return "", unavailable(err)
		}
	}
	return "", unavailable(errors.New("there is no free user code"))
}

// newUserCode draws letters. What is above a multiple of their number is drawn
// again, so that all are equally likely.
func newUserCode() string {
	out := make([]byte, 0, userCodeLength)
	var b [1]byte
	for len(out) < userCodeLength {
		_, _ = rand.Read(b[:]) // never fails
		if n := len(userCodeLetters); int(b[0]) < 256/n*n {
			out = append(out, userCodeLetters[int(b[0])%n])
		}
	}
	return string(out)
}

// shownCode is a user code as people read it.
func shownCode(code string) string { return code[:userCodeLength/2] + "-" + code[userCodeLength/2:] }

// readUserCode reads what somebody typed: case, spaces and dashes do not matter
// (RFC 8628 section 6.1).
func readUserCode(typed string) (string, bool) {
	code := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(typed))
	ok := len(code) == userCodeLength && strings.Trim(code, userCodeLetters) == ""
	return code, ok
}

// findUserCode returns the device record of a user code, if it still waits.
func (s *Server) findUserCode(ctx context.Context, code string) (*entry[deviceRecord], error) {
	for _, key := range s.sealer.hashes(userCodePurpose, code) {
		e, err := load[userCodeRecord](ctx, s.store, kindUserCode, key)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, unavailable(err)
		}
		return s.waiting(ctx, e.Value.Device)
	}
	return nil, refuse(errInvalidRequest, "the code is not known")
}

// waiting returns a device record that nobody has decided about.
func (s *Server) waiting(ctx context.Context, key [32]byte) (*entry[deviceRecord], error) {
	d, err := load[deviceRecord](ctx, s.store, kindDevice, key)
	if err != nil && !missing(err) {
		return nil, unavailable(err)
	}
	switch {
	case err != nil || !s.now().Before(d.Value.Until):
		return nil, refuse(errExpired, "the code has expired: ask the device for a new one")
	case d.Value.Decision != "":
		return nil, refuse(errInvalidRequest, "the code was used before: ask the device for a new one")
	}
	return d, nil
}

// decideDevice writes the decision. Others may decide at the same time and the
// device polls: only the first decision counts.
func (v *visit) decideDevice(d *entry[deviceRecord], decision string, a *approval) error {
	for range maxDecisionTries {
		d.Value.Decision, d.Value.Approval = decision, a
		err := d.swap(v.Context(), v.server.store)
		if err == nil {
			return v.showDecided(decision == "approved")
		}
		if !errors.Is(err, store.ErrConflict) {
			return unavailable(err)
		}
		if d, err = v.server.waiting(v.Context(), d.Key); err != nil {
			return err
		}
	}
	return unavailable(errors.New("the device record is being changed by others"))
}

// maxDecisionTries is how often a decision is written while the device polls,
// which changes the record too.
const maxDecisionTries = 5

// showDecided ends a device visit.
func (v *visit) showDecided(approved bool) error {
	if approved {
		v.done(nil)
	} else {
		v.done(&refusal{status: http.StatusForbidden, code: errAccessDenied, text: "the person did not allow it"})
	}
	p := Page{Title: "Device connected", Text: "You can go back to your device: it continues by itself."}
	if !approved {
		p = Page{Title: "Device not connected", Text: "Nothing was allowed. You can close this page."}
	}
	v.show(http.StatusOK, "done", &p)
	return nil
}
