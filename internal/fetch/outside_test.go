package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func TestInside(t *testing.T) {
	for _, tt := range []struct {
		address string
		inside  bool
	}{
		{"127.0.0.1", true},
		{"127.9.9.9", true},
		{"::1", true},
		{"::ffff:127.0.0.1", true},
		{"0.0.0.0", true},
		{"0.1.2.3", true},
		{"::", true},
		{"10.1.2.3", true},
		{"172.16.0.1", true},
		{"172.32.0.1", false},
		{"192.168.1.1", true},
		{"::ffff:192.168.1.1", true},
		{"169.254.169.254", true},
		{"fe80::1", true},
		{"fe80::1%eth0", true},
		{"fd00::1", true},
		{"fec0::1", true},
		{"100.64.0.1", true},
		{"100.128.0.1", false},
		{"198.18.0.1", true},
		{"224.0.0.1", true},
		{"255.255.255.255", true},
		{"240.0.0.1", true},
		{"64:ff9b::a00:1", true},
		{"2002:a00:1::1", true},
		{"2001::1", true},
		{"1.1.1.1", false},
		{"2606:4700::1111", false},
	} {
		if got := Inside(netip.MustParseAddr(tt.address)); got != tt.inside {
			t.Errorf("%s: got %v, want %v", tt.address, got, tt.inside)
		}
	}
	if !Inside(netip.Addr{}) {
		t.Error("no address at all counts as public")
	}
}

// DCR-5-01: the address is judged when the connection is made, so a name that
// resolves to this machine is refused like the address itself.
func TestOutsideConnectsToNothingInside(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		_, _, err := Get(context.Background(), Outside(), "http://"+host+port+"/jwks", "application/json", 100)
		if !errors.Is(err, errInside) {
			t.Errorf("%s: got %v, want %v", host, err, errInside)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
}

func TestOutsideUsesNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	if p := Outside().Transport.(*http.Transport).Proxy; p != nil {
		t.Error("a proxy would connect to addresses that are not judged")
	}
}
