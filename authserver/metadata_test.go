package authserver

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// published reads the metadata as a client does.
func (ts *testServer) published() (*metadata.Server, map[string]any) {
	ts.t.Helper()
	answer := ts.document("/.well-known/oauth-authorization-server" + strings.TrimSuffix(ts.issuer.Path, "/"))
	if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/json" || answer.header.Get("Access-Control-Allow-Origin") != "*" {
		ts.t.Fatalf("answer is %d %v", answer.status, answer.header)
	}
	m, err := metadata.ParseServer(answer.raw)
	if err != nil {
		ts.t.Fatal(err)
	}
	return m, answer.body
}

func wantList(t *testing.T, name string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

func TestMetadataSaysWhatTheServerCan(t *testing.T) {
	ts := newTestServer(t, nil)
	m, all := ts.published()
	iss := ts.config.Issuer
	if m.Issuer != iss { // ASM-2-01
		t.Errorf("issuer is %s", m.Issuer)
	}
	for name, address := range map[string]string{
		pathAuthorize: m.AuthorizationEndpoint, pathToken: m.TokenEndpoint, pathJWKS: m.JWKSURI, pathRevoke: m.RevocationEndpoint,
		pathIntrospect: m.IntrospectionEndpoint, pathPAR: m.PAREndpoint, pathDevice: m.DeviceAuthorizationEndpoint,
	} {
		if address != iss+name {
			t.Errorf("address is %s, want %s", address, iss+name)
		}
	}
	wantList(t, "response types", m.ResponseTypesSupported, "code") // ASM-2-01, BCP-2.1.2-01
	wantList(t, "response modes", m.ResponseModesSupported, "query", "form_post")
	wantList(t, "challenge methods", m.CodeChallengeMethods, "S256") // BCP-2.1.1-04
	wantList(t, "scopes", m.ScopesSupported, "read", "write", "files")
	wantList(t, "resources", m.ProtectedResources, apiID, filesID)
	if slices.Contains(m.GrantTypesSupported, "password") || slices.Contains(m.GrantTypesSupported, "implicit") || !slices.Contains(m.GrantTypesSupported, grantCode) {
		t.Errorf("grant types are %v", m.GrantTypesSupported)
	}
	if !m.IssParameterSupported { // ISS-2-01
		t.Error("the iss parameter is not announced")
	}
	if m.RegistrationEndpoint != "" || m.RequirePAR || all["require_pushed_authorization_requests"] != nil {
		t.Error("what is not configured is announced")
	}
	noEmptyArrays(t, all)
}

// ASM-2-01: members without a value are left out.
func noEmptyArrays(t *testing.T, all map[string]any) {
	t.Helper()
	for name, value := range all {
		if list, ok := value.([]any); ok && len(list) == 0 || value == nil || value == "" {
			t.Errorf("%s is empty", name)
		}
	}
}

func TestMetadataNamesTheAlgorithmsThatAreAccepted(t *testing.T) {
	ts := newTestServer(t, nil)
	m, _ := ts.published()
	if len(m.DPoPSigningAlgs) == 0 {
		t.Error("DPoP is not announced") // D-5.1-01
	}
	for _, a := range ts.proofs.Algs() {
		if !slices.Contains(m.DPoPSigningAlgs, string(a)) {
			t.Errorf("%s is accepted and not announced", a) // D-5.1-01
		}
	}
	if len(m.DPoPSigningAlgs) != len(ts.proofs.Algs()) {
		t.Error("more is announced than is accepted") // D-5.1-01
	}
	if len(m.AuthAlgsSupported) == 0 || len(m.IntrospectionAuthAlgsSupported) == 0 || len(m.RevocationAuthAlgsSupported) == 0 {
		t.Error("algorithms of client assertions are not announced") // ASM-2-02
	}
	for _, a := range slices.Concat(m.DPoPSigningAlgs, m.AuthAlgsSupported, m.IntrospectionAuthAlgsSupported, m.RevocationAuthAlgsSupported) {
		if a == "none" || strings.HasPrefix(a, "HS") {
			t.Errorf("%s is announced", a) // D-5.1-02, ASM-2-02
		}
	}
	only := newTestServer(t, func(c *Config) { c.Proof.Algs = []holdfast.Alg{holdfast.ES256} })
	m, _ = only.published()
	wantList(t, "proof algorithms", m.DPoPSigningAlgs, "ES256") // D-5.1-01
}

func TestMetadataFollowsTheConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(*Config)
		check func(*testing.T, *testServer, *metadata.Server)
	}{
		{"mTLS with a CA", func(c *Config) { c.ClientCAs = x509.NewCertPool() }, func(t *testing.T, ts *testServer, m *metadata.Server) {
			if !m.CertificateBoundTokens { // M-3.3-01
				t.Error("certificate-bound tokens are not announced")
			}
			for _, name := range []string{"token_endpoint", "pushed_authorization_request_endpoint", "introspection_endpoint", "revocation_endpoint", "device_authorization_endpoint"} {
				if !strings.HasPrefix(m.MTLSEndpointAliases[name], ts.config.MTLSURL+"/") {
					t.Errorf("alias of %s is %q", name, m.MTLSEndpointAliases[name])
				}
			}
			wantList(t, "methods", m.AuthMethodsSupported, "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic", "client_secret_post", "none")
			wantList(t, "methods of introspection", m.IntrospectionAuthMethodsSupported, "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic", "client_secret_post")
		}},
		{"no mTLS and no secrets", func(c *Config) { withoutSecrets(c); c.MTLSURL = "" }, func(t *testing.T, _ *testServer, m *metadata.Server) {
			if m.CertificateBoundTokens || m.MTLSEndpointAliases != nil { // M-3.3-01
				t.Error("mTLS is announced")
			}
			wantList(t, "methods", m.AuthMethodsSupported, "private_key_jwt", "none") // BCP-2.5-01
		}},
		{"FAPI 2.0", func(c *Config) { withoutSecrets(c); c.Clients = nil; c.Profile = ProfileFAPI2 }, func(t *testing.T, _ *testServer, m *metadata.Server) {
			if !m.RequirePAR { // PAR-5-01
				t.Error("pushed requests are not demanded")
			}
			if slices.Contains(m.AuthMethodsSupported, "none") || slices.Contains(m.AuthAlgsSupported, "RS256") {
				t.Errorf("methods are %v, algorithms %v", m.AuthMethodsSupported, m.AuthAlgsSupported)
			}
		}},
		{"registration", func(c *Config) { c.Registration = RegistrationOpen }, func(t *testing.T, ts *testServer, m *metadata.Server) {
			if m.RegistrationEndpoint != ts.config.Issuer+pathRegister {
				t.Errorf("registration is at %q", m.RegistrationEndpoint)
			}
		}},
		{"an issuer with a path", func(c *Config) { c.Issuer += "/t1" }, func(t *testing.T, ts *testServer, m *metadata.Server) {
			if m.Issuer != ts.front.URL+"/t1" || m.TokenEndpoint != ts.front.URL+"/t1/token" || m.MTLSEndpointAliases["token_endpoint"] != ts.back.URL+"/t1/token" { // ASM-3-01
				t.Errorf("issuer %s, token endpoint %s and %s", m.Issuer, m.TokenEndpoint, m.MTLSEndpointAliases["token_endpoint"])
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := newTestServer(t, tt.edit)
			m, all := ts.published()
			tt.check(t, ts, m)
			noEmptyArrays(t, all)
		})
	}
}

// withoutSecrets removes the clients that need secrets.
func withoutSecrets(c *Config) {
	c.AllowSecrets = false
	c.Clients = slices.DeleteFunc(c.Clients, func(k Client) bool { return len(k.Secrets) > 0 || k.CertificateBoundTokens })
}

func TestTheMetadataIsWhereItsIssuerSays(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Issuer += "/t1" })
	ts.published()
	for _, wrong := range []string{ // ASM-3-01
		"/.well-known/oauth-authorization-server", "/t1/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/t1/",
	} {
		if answer := ts.document(wrong); answer.status != http.StatusNotFound {
			t.Errorf("%s is answered with %d", wrong, answer.status)
		}
	}
	f := metadata.Fetcher{HTTP: ts.http}
	got, err := f.Server(t.Context(), ts.config.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(ts.metadata())
	if string(a) != string(b) {
		t.Errorf("our own client reads %s", a)
	}
}
