package issuer

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/ops"
)

func TestForwardedAddressesAreBelievedOfProxiesOnly(t *testing.T) {
	plain := public{Endpoint: ops.Endpoint{Address: ":80"}, Proxies: []string{"10.0.0.0/8", "2001:db8::/32"}}
	encrypted, socket, direct := plain, plain, plain
	encrypted.Certificate = "x"
	socket.Address, socket.Proxies = "unix:/run/as.sock", nil
	direct.Proxies = nil
	for _, c := range []struct {
		name      string
		p         public
		peer      string
		forwarded []string
		want      string // "" means that it is refused
	}{
		{"a client of a proxy", plain, "10.0.0.1:5000", []string{"192.0.2.7"}, "192.0.2.7:0"},
		{"a client that claims to be forwarded itself", plain, "10.0.0.1:5000", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7:0"},
		{"two proxies", plain, "10.0.0.1:5000", []string{"198.51.100.1, 192.0.2.7, 10.0.0.2"}, "192.0.2.7:0"},
		{"several fields", plain, "10.0.0.1:5000", []string{"198.51.100.1", "192.0.2.7"}, "192.0.2.7:0"},
		{"an address of IPv6", plain, "[2001:db8::1]:5000", []string{"2001:db9::7"}, "[2001:db9::7]:0"},
		{"an IPv4 address in IPv6", plain, "[::ffff:10.0.0.1]:5000", []string{"192.0.2.7"}, "192.0.2.7:0"},
		{"a proxy that says the port", plain, "10.0.0.1:5000", []string{"198.51.100.1, 192.0.2.7:4711"}, "192.0.2.7:0"},
		{"a proxy that says the port of IPv6", plain, "10.0.0.1:5000", []string{"[2001:db9::7]:4711, [2001:db8::2]"}, "[2001:db9::7]:0"},
		{"a proxy that says nothing", plain, "10.0.0.1:5000", nil, "10.0.0.1:5000"},
		{"a proxy that says nonsense", plain, "10.0.0.1:5000", []string{"192.0.2.7, unknown"}, "10.0.0.1:5000"},
		{"a stranger at a listener without TLS", plain, "192.0.2.9:5000", []string{"10.0.0.1"}, ""},
		{"a stranger at a listener with TLS", encrypted, "192.0.2.9:5000", []string{"10.0.0.1"}, "192.0.2.9:5000"},
		{"somebody at the socket", socket, "@", []string{"192.0.2.7"}, "192.0.2.7:0"},
		{"no proxies", direct, "192.0.2.9:5000", []string{"10.0.0.1"}, "192.0.2.9:5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			networks, err := c.p.networks()
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			h := c.p.behind(networks, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got != c.want || (c.want == "") != (w.Code == http.StatusForbidden) {
				t.Errorf("the client is %q with %d, want %q", got, w.Code, c.want)
			}
		})
	}
}
