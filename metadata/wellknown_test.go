package metadata

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestServerURL(t *testing.T) {
	for _, tt := range []struct{ name, issuer, want string }{
		{"V-wk-8414-1", "https://example.com", "https://example.com/.well-known/oauth-authorization-server"},
		{"V-wk-8414-2", "https://example.com/issuer1", "https://example.com/.well-known/oauth-authorization-server/issuer1"},
		{"ASM-3-01: a slash at the end is dropped", "https://example.com/t1/", "https://example.com/.well-known/oauth-authorization-server/t1"},
		{"a slash is no path", "https://example.com/", "https://example.com/.well-known/oauth-authorization-server"},
		{"a port and an encoded path stay as they are", "https://example.com:8443/a%2Fb/c", "https://example.com:8443/.well-known/oauth-authorization-server/a%2Fb/c"},
		{"loopback", "http://127.0.0.1:8080", "http://127.0.0.1:8080/.well-known/oauth-authorization-server"},
		{"D-2-01: no TLS", "http://example.com", ""},
		{"a query", "https://example.com/?a=b", ""},
		{"an empty query", "https://example.com/?", ""},
		{"a fragment", "https://example.com/#a", ""},
		{"a password", "https://a:b@example.com/", ""},
		{"another scheme", "file:///etc/passwd", ""},
		{"no URL", "example.com", ""},
		{"nothing", "", ""},
		{"too long", "https://example.com/" + strings.Repeat("a", 4000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) { wantURL(t, tt.want)(ServerURL(tt.issuer)) })
	}
}

func TestResourceURL(t *testing.T) {
	for _, tt := range []struct{ name, resource, want string }{
		{"V-wk-9728-1", "https://resource.example.com", "https://resource.example.com/.well-known/oauth-protected-resource"},
		{"V-wk-9728-2", "https://resource.example.com/resource1", "https://resource.example.com/.well-known/oauth-protected-resource/resource1"},
		{"a slash that ends the host is dropped", "https://resource.example.com/", "https://resource.example.com/.well-known/oauth-protected-resource"},
		{"a slash that ends a path is not", "https://resource.example.com/a/", "https://resource.example.com/.well-known/oauth-protected-resource/a/"},
		{"PRM-3-01: a query stays", "https://resource.example.com/a?k=v", "https://resource.example.com/.well-known/oauth-protected-resource/a?k=v"},
		{"a query without a path", "https://resource.example.com/?k=v", "https://resource.example.com/.well-known/oauth-protected-resource?k=v"},
		{"D-2-01: no TLS", "http://resource.example.com", ""},
		{"PRM-2-01: a fragment", "https://resource.example.com/#a", ""},
		{"an empty fragment", "https://resource.example.com/#", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { wantURL(t, tt.want)(ResourceURL(tt.resource)) })
	}
}

// wantURL compares a result; an error is wanted where want is empty.
func wantURL(t *testing.T, want string) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestServerURLs(t *testing.T) {
	for _, tt := range []struct {
		name, issuer string
		want         []string
	}{
		{"two places without a path", "https://as.example", []string{
			"https://as.example/.well-known/oauth-authorization-server",
			"https://as.example/.well-known/openid-configuration",
		}},
		{"three with one", "https://as.example/t1/", []string{
			"https://as.example/.well-known/oauth-authorization-server/t1",
			"https://as.example/.well-known/openid-configuration/t1",
			"https://as.example/t1/.well-known/openid-configuration",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := serverURLs(tt.issuer)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// PRM-3.2-01: what a handler publishes leaves out zero members; only an empty
// list of bearer methods has a meaning (RFC 9728 section 2).
func TestResourceText(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Resource
		want string
	}{
		{"only what is known", Resource{Resource: "https://api.example"}, `{"resource":"https://api.example"}`},
		{
			"no bearer method at all",
			Resource{Resource: "https://api.example", BearerMethodsSupported: []string{}, ScopesSupported: []string{}},
			`{"resource":"https://api.example","bearer_methods_supported":[]}`,
		},
		{
			"bound tokens only",
			Resource{Resource: "https://api.example", DPoPSigningAlgs: []string{"ES256"}, DPoPBoundRequired: true},
			`{"resource":"https://api.example","dpop_signing_alg_values_supported":["ES256"],"dpop_bound_access_tokens_required":true}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.r)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			back, err := ParseResource(got)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := json.Marshal(back); err != nil || string(again) != tt.want {
				t.Errorf("read and written: %s, %v, want %s", again, err, tt.want)
			}
		})
	}
}
