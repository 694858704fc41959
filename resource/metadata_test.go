package resource

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// PRM-3.2-01: the document over TLS, and that nothing in it is empty.
func TestMetadataDocument(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   metadata.Resource
	}{
		{"what follows from the policy", func(*Config) {}, metadata.Resource{
			Resource: public, AuthorizationServers: []string{issuer}, BearerMethodsSupported: []string{"header"},
			DPoPSigningAlgs: []string{"ES256", "EdDSA", "Ed25519", "ES384", "PS256"}, DPoPBoundRequired: true,
		}},
		{"PRM-2-02: certificates and bearer tokens are admitted", func(c *Config) {
			c.Verify.Accept, c.Verify.Proof.Algs = holdfast.AcceptBearerToo, []holdfast.Alg{holdfast.ES256}
			c.Metadata = &metadata.Resource{
				CertificateBoundTokens: true, ScopesSupported: []string{"read"}, Name: "Orders", Resource: "https://api.example.com/v1/orders",
			}
		}, metadata.Resource{
			Resource: "https://api.example.com/v1/orders", AuthorizationServers: []string{issuer}, BearerMethodsSupported: []string{"header"},
			DPoPSigningAlgs: []string{"ES256"}, CertificateBoundTokens: true, ScopesSupported: []string{"read"}, Name: "Orders",
		}},
		{"an issuer that is not to be named", func(c *Config) {
			c.Verify.Issuers = []string{issuer, "https://internal.example.com"}
			c.Verify.Proof.Algs = []holdfast.Alg{holdfast.ES256}
			c.Metadata = &metadata.Resource{AuthorizationServers: []string{issuer}}
		}, metadata.Resource{
			Resource: public, AuthorizationServers: []string{issuer}, BearerMethodsSupported: []string{"header"},
			DPoPSigningAlgs: []string{"ES256"}, DPoPBoundRequired: true,
		}},
		{"an issuer that is no URL cannot be found by clients", func(c *Config) {
			c.Verify.Tokens, c.Verify.Issuers, c.Verify.Accept = noTokens{}, []string{"urn:as"}, holdfast.AcceptDPoPOnly
			c.Verify.Proof.Algs = []holdfast.Alg{holdfast.ES256}
		}, metadata.Resource{
			Resource: public, BearerMethodsSupported: []string{"header"}, DPoPSigningAlgs: []string{"ES256"}, DPoPBoundRequired: true,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := goodConfig()
			tt.change(&c)
			g, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewTLSServer(g.MetadataHandler())
			defer srv.Close()
			resp, err := srv.Client().Get(srv.URL + g.MetadataPath())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("status %d, header %v", resp.StatusCode, resp.Header)
			}
			got, err := metadata.ParseResource(text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			for _, empty := range []string{`""`, "[]", "null", "false"} {
				if strings.Contains(string(text), empty) {
					t.Errorf("the document has %s: %s", empty, text)
				}
			}
		})
	}
}

// PRM-3-01: the well-known name comes before the path of the resource.
func TestMetadataPath(t *testing.T) {
	for _, tt := range []struct{ public, resource, want string }{
		{"https://api.example.com", "", "/.well-known/oauth-protected-resource"},
		{"https://api.example.com/", "", "/.well-known/oauth-protected-resource"},
		{"https://api.example.com/v1", "", "/.well-known/oauth-protected-resource/v1"},
		{"https://api.example.com", "https://API.example.com:443/mcp", "/.well-known/oauth-protected-resource/mcp"},
		{"https://api.example.com", "https://api.example.com/a%20b?x=1", "/.well-known/oauth-protected-resource/a%20b"},
	} {
		c := goodConfig()
		c.PublicURL, c.Metadata = tt.public, &metadata.Resource{Resource: tt.resource}
		g, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.MetadataPath(); got != tt.want {
			t.Errorf("%s, %s: %s, want %s", tt.public, tt.resource, got, tt.want)
		}
	}
}

func TestMetadataIsReadOnly(t *testing.T) {
	g, err := New(goodConfig())
	if err != nil {
		t.Fatal(err)
	}
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405} {
		rec := httptest.NewRecorder()
		g.MetadataHandler().ServeHTTP(rec, httptest.NewRequest(method, g.MetadataPath(), nil))
		if rec.Code != want || want == 405 && rec.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q, want %d", method, rec.Code, rec.Header().Get("Allow"), want)
		}
	}
}

// PRM-5.1-01: a client that is refused finds the document by the URL in the
// challenge, and it is about the resource that it called.
func TestMetadataIsFoundByTheChallenge(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	c := goodConfig()
	c.PublicURL = srv.URL // https on loopback: the very server
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	h, err := g.Protect(holdfast.Requirement{}, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", h)
	mux.Handle(g.MetadataPath(), g.MetadataHandler())
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	challenges := holdfast.ParseChallenges(resp.Header["Www-Authenticate"])
	if resp.StatusCode != 401 || len(challenges) != 1 {
		t.Fatalf("status %d, challenges %v", resp.StatusCode, challenges)
	}
	f := &metadata.Fetcher{HTTP: srv.Client()}
	r, err := f.ResourceFromChallenge(t.Context(), srv.URL, challenges[0].ResourceMetadata)
	if err != nil {
		t.Fatal(err)
	}
	if r.Resource != srv.URL || !cmp.Equal(r.AuthorizationServers, []string{issuer}) {
		t.Errorf("got %+v", r)
	}
}
