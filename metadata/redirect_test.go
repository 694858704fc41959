package metadata

import (
	"errors"
	"strings"
	"testing"
)

func TestRedirectURIsThatMayBeRegistered(t *testing.T) {
	for _, tt := range []struct{ name, uri, want string }{
		{"https", "https://app.example/cb?x=1", ""},
		{"https with a port", "https://app.example:8443/cb", ""},
		{"http on loopback", "http://127.0.0.1/cb", ""}, // BCP-2.6-01
		{"http on loopback, IPv6", "http://[::1]:4711/cb", ""},
		{"http on localhost", "http://localhost:4711/cb", ""},
		{"a private-use scheme", "com.example.app:/cb", ""},
		{"a private-use scheme with a host", "com.example.app://cb", ""},
		{"http elsewhere", "http://app.example/cb", "https is needed"}, // BCP-2.6-01
		{"a host that begins like loopback", "http://127.0.0.1.example/cb", "https is needed"},
		{"a host that begins like localhost", "http://localhost.evil/cb", "https is needed"},
		{"a scheme without a dot", "myapp:/cb", "with a dot"},
		{"a script", "javascript:alert(1)", "with a dot"},
		{"data", "data:text/html,x", "with a dot"},
		{"a file", "file:///etc/passwd", "with a dot"},
		{"a private-use scheme without a path", "com.example.app:cb", "followed by a path"},
		{"a private-use scheme alone", "com.example.app:", "followed by a path"},
		{"a private-use scheme with user information", "com.example.app://u@cb", "followed by a path"},
		{"a fragment", "https://app.example/cb#x", "fragment"},
		{"an empty fragment", "com.example.app:/cb#", "fragment"},
		{"user information", "https://app.example@evil.example/cb", "user information"},
		{"a wildcard host", "https://*.app.example/cb", "wildcard"},
		{"a wildcard path", "https://app.example/*", "wildcard"},
		{"a backslash", `https://app.example\@evil.example/`, "a character"},
		{"a space", "https://app.example/c b", "a character"},
		{"a line break", "https://app.example/\r\nx", "a character"},
		{"an international host", "https://b\u00fccher.example/", "a character"},
		{"a relative address", "/cb", "not an absolute"},
		{"nothing", "", "not an absolute"},
		{"no host", "https:///cb", "not an absolute"},
		{"very long", "https://app.example/" + strings.Repeat("x", 2048), "at most 2048"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := valid()
			c.RedirectURIs = []string{tt.uri}
			err := c.Check()
			if (tt.want == "") != (err == nil) || err != nil && !(strings.Contains(err.Error(), tt.want) && errors.Is(err, ErrRedirectURI)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRedirectURIsAreComparedAsStrings(t *testing.T) {
	const registered, loopback, loopback6, app = "https://c.example/cb", "http://127.0.0.1/cb?a=1", "http://[::1]:4711/cb", "com.example.app:/cb"
	c := &Client{RedirectURIs: []string{registered, loopback, loopback6, app, "http://localhost/cb", "http://127.0.0.1", "http://192.168.0.1:80/cb"}}
	for _, tt := range []struct {
		name, uri string
		want      bool
	}{
		{"as registered", registered, true},
		{"with a slash more", "https://c.example/cb/", false},        // BCP-2.1-01
		{"with a query", "https://c.example/cb?x=1", false},          // BCP-2.1-01
		{"in upper case", "https://C.example/cb", false},             // BCP-2.1-01
		{"percent-encoded", "https://c.example/%63b", false},         // BCP-2.1-01
		{"with the default port", "https://c.example:443/cb", false}, // BCP-2.1-01
		{"with a fragment", "https://c.example/cb#x", false},
		{"with a space behind", "https://c.example/cb ", false},
		{"through another path", "https://c.example/x/../cb", false},
		{"the private-use scheme", app, true},
		{"the private-use scheme in upper case", "COM.example.app:/cb", false},
		{"loopback as registered", loopback, true},
		{"loopback with a port", "http://127.0.0.1:54321/cb?a=1", true},       // BCP-2.1-02
		{"loopback with another port", "http://[::1]:1/cb", true},             // BCP-2.1-02
		{"loopback without the port", "http://[::1]/cb", true},                // BCP-2.1-02
		{"loopback with another path", "http://127.0.0.1:54321/other", false}, // BCP-2.1-02
		{"loopback with another query", "http://127.0.0.1:54321/cb?a=2", false},
		{"loopback without the query", "http://127.0.0.1:54321/cb", false},
		{"loopback with nothing but a port", "http://127.0.0.1:54321", true},
		{"another loopback address", "http://127.0.0.2:54321/cb?a=1", false},
		{"loopback by name", "http://localhost:54321/cb?a=1", false},
		{"localhost as registered", "http://localhost/cb", true},
		{"localhost with a port", "http://localhost:54321/cb", false},
		{"a host that begins like localhost", "http://localhost.evil/cb", false}, // BCP-2.1-02
		{"a host that begins like loopback", "http://127.0.0.1.evil/cb?a=1", false},
		{"user information that looks like loopback", "http://127.0.0.1:80@evil.example/cb?a=1", false},
		{"https on loopback", "https://127.0.0.1:54321/cb?a=1", false},
		{"a port that is none", "http://127.0.0.1:x/cb?a=1", false},
		{"an empty port", "http://127.0.0.1:/cb?a=1", false},
		{"port 0", "http://127.0.0.1:0/cb?a=1", false},
		{"a port with a zero before it", "http://127.0.0.1:080/cb?a=1", false},
		{"a port that is too large", "http://127.0.0.1:65536/cb?a=1", false},
		{"a port in other digits", "http://127.0.0.1:\uff11/cb?a=1", false},
		{"another spelling of IPv6", "http://[0::1]:4711/cb", false},
		{"IPv6 without brackets", "http://::1:4711/cb", false},
		{"half a bracket", "http://[::1:4711/cb", false},
		{"an IPv4 address in brackets", "http://[127.0.0.1]:4711/cb?a=1", false},
		{"an address in a network", "http://192.168.0.1:81/cb", false},
		{"an empty string", "", false},
	} {
		if got := c.AllowsRedirect(tt.uri); got != tt.want {
			t.Errorf("%s: %q is %v, want %v", tt.name, tt.uri, got, tt.want)
		}
	}
}
