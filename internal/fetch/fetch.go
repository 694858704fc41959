// Package fetch is how this module talks to servers that hand out small
// documents: metadata, key sets, introspection and token responses.
//
// [Secure] checks an address, [Client] gives an HTTP client with a deadline
// that follows no redirects, [ReadAll] reads a body up to a named limit.
//
// It has no cache and no retry: whoever calls knows what may be asked twice.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Timeout is how long one request may take, body included, where the caller
// brings no client of its own.
const Timeout = 15 * time.Second

// MaxURLBytes is the longest address that is used.
const MaxURLBytes = 2048

// Loopback reports whether host, without a port, can only mean this machine:
// localhost or an address of 127.0.0.0/8 or ::1 (RFC 8252 section 7.3).
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}

// Secure reads an absolute URL that secrets may be sent to: https, or http on
// the loopback interface; no user information and no fragment. The error says
// what was seen, without a query.
func Secure(raw string) (*url.URL, error) {
	if len(raw) > MaxURLBytes {
		return nil, fmt.Errorf("a URL of %d bytes, at most %d are allowed", len(raw), MaxURLBytes)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("not an absolute URL such as https://api.example.com/orders")
	case strings.IndexFunc(u.Host, func(c rune) bool { return c > unicode.MaxASCII }) >= 0:
		// net/http maps it to an ASCII name: some digits and dots to 127.0.0.1.
		return nil, errors.New("a URL whose host is not ASCII: its A-label (xn--) is needed")
	case u.User != nil:
		return nil, errors.New("a URL with user information")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, errors.New("a URL with a fragment")
	case u.Scheme == "https", u.Scheme == "http" && Loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("the URL begins with %.20q: https is needed (http on loopback only)", u.Scheme+"://")
}

// Origin returns scheme, host and port of u in one spelling: lower case, the
// default port left out (RFC 6454 section 6.2).
func Origin(u *url.URL) string {
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Client returns c, or a client with [Timeout] if c is nil; either way one that
// does not follow redirects: an answer from somewhere else is not an answer of
// the server that was asked.
func Client(c *http.Client) *http.Client {
	out := &http.Client{Timeout: Timeout}
	if c != nil {
		*out = *c
		if out.Timeout == 0 {
			out.Timeout = Timeout
		}
	}
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}

// TooLargeError says that a body was longer than the limit.
type TooLargeError struct{ Limit int64 } // bytes

// Error says how much would have been read.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the answer is longer than %d bytes", e.Limit)
}

// ReadAll reads body to its end, at most limit bytes; a longer one is a
// [*TooLargeError]. It does not close body.
func ReadAll(body io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &TooLargeError{Limit: limit}
	}
	return b, nil
}

// Get asks for a document with c, which should come from [Client], and reads at
// most limit bytes of the answer, whatever its status. The caller has checked
// the address with [Secure].
func Get(ctx context.Context, c *http.Client, address, accept string, limit int64) (body []byte, answer *http.Response, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", accept)
	answer, err = c.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err = ReadAll(answer.Body, limit)
	return body, answer, err
}
