package metadata

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// notInURIs are printable characters that RFC 3986 does not have, and that
// readers of URLs disagree about.
const notInURIs = "\"<>\\^`{|}"

// checkRedirect reports why a redirect URI must not be registered. The host
// localhost is admitted but compared with its port: it may resolve elsewhere,
// and RFC 8252 section 8.3 advises against it.
func checkRedirect(uri string) error {
	if len(uri) > fetch.MaxURLBytes {
		return fmt.Errorf("a URI of %d bytes, at most %d are allowed", len(uri), fetch.MaxURLBytes)
	}
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(notInURIs, r) }) {
		return errors.New("a character that a URI must not have")
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return errors.New("not an absolute URI")
	case strings.Contains(uri, "#"):
		return errors.New("a fragment (RFC 6749 section 3.1.2)")
	case strings.Contains(uri, "*"):
		return errors.New("a wildcard: every address has to be registered as it is used")
	case u.Scheme == "https" || u.Scheme == "http":
		_, err := fetch.Secure(uri)
		return err
	case !strings.Contains(u.Scheme, "."):
		return fmt.Errorf("the scheme is %.20q: https is needed, or a private-use scheme with a dot, such as com.example.app (RFC 8252 section 7.1)", u.Scheme)
	case u.Opaque != "" || u.User != nil || u.Host == "" && u.Path == "":
		return errors.New("a private-use scheme is followed by a path, such as com.example.app:/callback (RFC 8252 section 7.1)")
	}
	return nil
}

// AllowsRedirect reports whether uri is a registered redirect URI, compared as a
// string (RFC 9700 section 2.1). The one exception is the port of an http URL
// whose host is an IP literal of the loopback interface: native apps get
// another one each time (RFC 8252 section 7.3).
func (c *Client) AllowsRedirect(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	asked, ok := withoutPort(uri)
	return ok && slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		stripped, ok := withoutPort(registered)
		return ok && stripped == asked
	})
}

// withoutPort returns an http URL to a loopback IP literal without its port,
// everything else as it was written; not ok for other URLs.
func withoutPort(uri string) (string, bool) {
	const scheme = "http://"
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok || len(uri) > fetch.MaxURLBytes {
		return "", false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, port := rest[:end], ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host, port = host[:i], host[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", false
		}
	}
	literal := host
	if inner, ok := strings.CutPrefix(host, "["); ok {
		literal, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(literal, ":") {
			return "", false
		}
	} else if strings.Contains(host, ":") {
		return "", false
	}
	a, err := netip.ParseAddr(literal)
	if err != nil || !a.IsLoopback() {
		return "", false
	}
	return scheme + host + rest[end:], true
}
