package fetch

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
)

// insideBlocks are the special-purpose blocks (RFC 6890 and its registries) that
// methods of netip.Addr do not know: nothing public answers there, or what
// answers is an IPv4 address written into an IPv6 one.
func insideBlocks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers; clouds answer there too
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("64:ff9b::/96"), // NAT64
		netip.MustParsePrefix("64:ff9b:1::/48"),
		netip.MustParsePrefix("2001::/23"), // Teredo and others
		netip.MustParsePrefix("2002::/16"), // 6to4
		netip.MustParsePrefix("fec0::/10"), // site-local, out of use
	}
}

// Inside reports whether an address is not one of the public internet: of this
// machine, of a private network, link-local, multicast or reserved.
func Inside(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return true
	}
	for _, block := range insideBlocks() {
		if block.Contains(a) {
			return true
		}
	}
	return false
}

// errInside is what the dialer of [Outside] answers.
var errInside = errors.New("an address inside a network")

// Outside returns an HTTP client for addresses that a stranger chose: it has
// [Timeout], follows no redirects, uses no proxy, and refuses to connect to an
// address that is [Inside]. That is judged when the connection is made, so a
// name that resolves to another address the second time gains nothing.
func Outside() *http.Client {
	dialer := &net.Dialer{Timeout: Timeout, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || Inside(to.Addr()) {
			return fmt.Errorf("%.60q is %w", address, errInside)
		}
		return nil
	}}
	return Client(&http.Client{Transport: &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    Timeout,
		ResponseHeaderTimeout:  Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           16,
		IdleConnTimeout:        Timeout,
		ForceAttemptHTTP2:      true,
	}})
}
