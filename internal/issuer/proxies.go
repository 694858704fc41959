package issuer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// behind takes the address of the client from X-Forwarded-For, as far as it was
// written by proxies of ours. Requests from elsewhere are refused if TLS ends at
// the proxies. Whoever can open the socket is one.
func (p *public) behind(proxies []netip.Prefix, h http.Handler) http.Handler {
	if len(proxies) == 0 && !strings.HasPrefix(p.Address, "unix:") {
		return h
	}
	ours := func(address string) bool {
		a, err := netip.ParseAddr(address)
		return err == nil && slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err == nil && !ours(peer.Addr().String()) {
			if p.Certificate == "" {
				http.Error(w, "requests are taken from the proxies of this server only", http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
			return
		}
		// The last entry was written by the peer, those before by the ones in
		// front of it: what the first stranger says of others is not believed.
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for i := len(hops) - 1; i >= 0; i-- {
			a, ok := addressOfHop(strings.TrimSpace(hops[i]))
			if !ok {
				break
			}
			r.RemoteAddr = netip.AddrPortFrom(a, 0).String()
			if !ours(a.String()) {
				break
			}
		}
		h.ServeHTTP(w, r)
	})
}

// addressOfHop reads an entry of X-Forwarded-For. Some proxies add the port.
func addressOfHop(hop string) (netip.Addr, bool) {
	if p, err := netip.ParseAddrPort(hop); err == nil {
		return p.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return a.Unmap(), err == nil
}
