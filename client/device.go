package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Times of the device flow (RFC 8628 sections 3.2 and 3.5).
const (
	DefaultPollInterval = 5 * time.Second
	MaxDeviceLifetime   = time.Hour // of a device code, whatever the server says

	slowDown = 5 * time.Second // added for every slow_down
)

// maxDeviceCode and maxUserCode are the longest codes that are taken, in bytes.
const (
	maxDeviceCode = 4096
	maxUserCode   = 64
)

// DeviceCode is what to show to the user: where to go and what to enter there.
// The texts are checked: https addresses (or loopback) and printable ASCII.
type DeviceCode struct {
	UserCode                string
	VerificationURI         string
	VerificationURIComplete string // with the code in it, for a QR code; may be empty
	Expires                 time.Time
}

// Device runs the device flow (RFC 8628): show gets what the user has to do, on
// another device, and Device waits until that was done, refused or is too late.
func (c *Client) Device(ctx context.Context, show func(DeviceCode) error) (*Grant, error) {
	begun := c.now()
	a, err := c.post(ctx, call{op: opDevice, to: deviceEndpoint, form: c.ask("")})
	if err != nil {
		return nil, err
	}
	o, err := a.object()
	if err != nil {
		return nil, err
	}
	code, interval, err := readDeviceCode(o, begun)
	if err != nil {
		return nil, a.fault(err)
	}
	if err := show(code); err != nil {
		return nil, &Error{Op: opDevice, Err: fmt.Errorf("show the code: %w", err)}
	}
	form := url.Values{"grant_type": {grantDevice}, "device_code": {said(o, "device_code")}}
	if r := c.resource; len(r) > 0 {
		form["resource"] = r
	}
	return c.poll(ctx, tokenCall{op: opDevice, form: form, key: c.key, scope: c.scope}, interval, code.Expires)
}

// readDeviceCode reads a device authorization response (RFC 8628 section 3.2).
func readDeviceCode(o strictjson.Object, begun time.Time) (DeviceCode, time.Duration, error) {
	d := DeviceCode{
		UserCode: said(o, "user_code"), VerificationURI: said(o, "verification_uri"),
		VerificationURIComplete: said(o, "verification_uri_complete"),
	}
	var errs []error
	if n := len(said(o, "device_code")); n == 0 || n > maxDeviceCode {
		errs = append(errs, fmt.Errorf("device_code has %d bytes, 1 to %d are needed", n, maxDeviceCode))
	}
	if n := len(d.UserCode); n == 0 || n > maxUserCode || !printable(d.UserCode) {
		errs = append(errs, fmt.Errorf("user_code has %d bytes, 1 to %d printable ASCII characters are needed", n, maxUserCode))
	}
	if _, err := fetch.Secure(d.VerificationURI); err != nil || !printable(d.VerificationURI) {
		errs = append(errs, errors.New("verification_uri is not an https address"))
	}
	if u := d.VerificationURIComplete; u != "" {
		if _, err := fetch.Secure(u); err != nil || !printable(u) {
			errs = append(errs, errors.New("verification_uri_complete is not an https address"))
		}
	}
	lifetime, ok := seconds(o, "expires_in", MaxDeviceLifetime)
	if !ok {
		errs = append(errs, errors.New("expires_in is not a positive number of seconds"))
	}
	d.Expires = begun.Add(lifetime)
	interval := DefaultPollInterval
	if v, there := o.Get("interval"); there && v.Kind() != strictjson.Null {
		if interval, ok = seconds(o, "interval", MaxDeviceLifetime); !ok {
			errs = append(errs, errors.New("interval is not a positive number of seconds"))
		}
	}
	// The server's interval is never shortened (RFC 8628 section 3.5).
	if lifetime > 0 && interval >= lifetime {
		errs = append(errs, fmt.Errorf("interval is %v, which has to be shorter than expires_in, %v", interval, lifetime))
	}
	return d, interval, errors.Join(errs...)
}

// seconds reads a positive number of seconds, as limit if it is more.
func seconds(o strictjson.Object, name string, limit time.Duration) (time.Duration, bool) {
	v, _ := o.Get(name)
	n, ok := v.Int()
	if !ok || n <= 0 {
		return 0, false
	}
	return time.Duration(min(n, int64(limit/time.Second))) * time.Second, true
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// poll asks for the token until there is an answer. A nonce challenge is answered
// within one poll.
func (c *Client) poll(ctx context.Context, r tokenCall, interval time.Duration, expires time.Time) (*Grant, error) {
	for {
		if !c.now().Add(interval).Before(expires) {
			return nil, &Error{Op: opDevice, Err: errors.New("the code expired before the user answered"), Hint: "run the flow again"}
		}
		if err := sleep(ctx, interval); err != nil {
			return nil, &Error{Op: opDevice, Err: fmt.Errorf("wait for the user: %w", err)}
		}
		g, err := c.request(ctx, r)
		if err == nil {
			return g, nil
		}
		var e *Error
		var network net.Error
		switch {
		case errors.As(err, &e) && e.Code == codePending:
		case errors.As(err, &e) && e.Code == codeSlowDown:
			interval += slowDown
		case ctx.Err() == nil && errors.As(err, &network) && network.Timeout(): // RFC 8628 section 3.5
			interval *= 2
		default:
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
