package resource

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

func goodConfig() Config {
	return Config{
		PublicURL: public,
		Verify:    holdfast.Config{Issuers: []string{issuer}, Audience: []string{audience}},
		Log:       slog.New(slog.DiscardHandler),
	}
}

func TestNewAcceptsTheSmallestConfig(t *testing.T) {
	for _, u := range []string{public, "https://api.example.com", "https://api.example.com/", "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1"} {
		c := goodConfig()
		c.PublicURL = u
		if _, err := New(c); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"nothing is given", func(c *Config) { *c = Config{} }, []string{
			"PublicURL is \"\": it is required", "Issuers is required", "Audience is required",
		}},
		{"D-2-01: http", func(c *Config) { c.PublicURL = "http://api.example.com" }, []string{"https is needed"}},
		{"a relative URL", func(c *Config) { c.PublicURL = "/api" }, []string{"not an absolute URL"}},
		{"a query", func(c *Config) { c.PublicURL = public + "?x=1" }, []string{"it has a query"}},
		{"a fragment", func(c *Config) { c.PublicURL = public + "#x" }, []string{"a fragment"}},
		{"user information", func(c *Config) { c.PublicURL = "https://u:p@api.example.com" }, []string{"user information"}},
		{"several at once", func(c *Config) {
			c.PublicURL = "ftp://api.example.com"
			c.Verify.Issuers = []string{"http://as.example.com", "not a url"}
			c.Verify.Audience = nil
			c.Verify.Proof.MaxAge = time.Hour
		}, []string{"PublicURL", `issuer "http://as.example.com"`, `issuer "not a url"`, "Audience is required", "MaxAge is 1h"}},
		{"replicas without a shared memory", func(c *Config) { c.Verify.Replicas = 2 }, []string{"shared Proof.Replays", "shared Proof.Nonces"}},
		{"AT-4-04: a leeway of 10 minutes", func(c *Config) { c.Verify.Leeway = 10 * time.Minute }, []string{"Leeway is 10m"}},
		{"D-11.6-01: a symmetric algorithm", func(c *Config) { c.Verify.Proof.Algs = []holdfast.Alg{"HS256"} }, []string{"HS256"}},
		{"PRM-2-01: a resource with a fragment", func(c *Config) {
			c.Metadata = &metadata.Resource{Resource: public + "#x"}
		}, []string{"metadata: resource", "a fragment"}},
		{"a resource on another host", func(c *Config) {
			c.Metadata = &metadata.Resource{Resource: "https://other.example.com"}
		}, []string{"not that of PublicURL, https://api.example.com"}},
		{"PRM-2-02: metadata that promises something else", func(c *Config) {
			c.Verify.Accept = holdfast.AcceptBearerToo
			c.Metadata = &metadata.Resource{
				AuthorizationServers: []string{"https://other.example.com"}, BearerMethodsSupported: []string{"query"},
				DPoPSigningAlgs: []string{"RS256"}, DPoPBoundRequired: true, ScopesSupported: []string{"a b"},
			}
		}, []string{
			`authorization_servers has "https://other.example.com"`, "bearer_methods_supported is", "dpop_signing_alg_values_supported is",
			"dpop_bound_access_tokens_required is true", `scope "a b"`,
		}},
		{"metadata that is too long", func(c *Config) {
			c.Metadata = &metadata.Resource{Name: strings.Repeat("x", metadata.MaxBytes)}
		}, []string{"protected resource metadata"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := goodConfig()
			tt.change(&c)
			g, err := New(c)
			if err == nil || g != nil {
				t.Fatalf("got %v, %v", g, err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

// An issuer whose keys the guard does not know would refuse every request.
func TestRouteCannotTrustAnIssuerWithoutKeys(t *testing.T) {
	g, err := New(goodConfig())
	if err != nil {
		t.Fatal(err)
	}
	for iss, good := range map[string]bool{issuer: true, "https://other.example.com": false} {
		_, err := g.Protect(holdfast.Requirement{Issuers: []string{iss}}, g.MetadataHandler())
		if (err == nil) != good {
			t.Errorf("%s: %v", iss, err)
		}
	}
}
