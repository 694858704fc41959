package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/metadata"
)

func asError(err error) *client.Error {
	var e *client.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

func newSigner(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newCertificate(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	k := newSigner(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
	}, &x509.Certificate{SerialNumber: big.NewInt(1)}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
}

func TestNewReportsEveryMistakeBeforeItSendsAnything(t *testing.T) {
	negative := -1
	_, err := client.New(t.Context(), client.Config{
		Issuer: "http://as.example", RedirectURL: "http://app.example/cb", Scope: []string{"a b"}, ACR: []string{"\""},
		Resource: []string{"/relative", "https://api.example/#x"}, MaxAge: &negative,
		Auth: client.Auth{Method: client.AuthTLS},
		HTTP: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("a request was sent")
			return nil, errors.New("no")
		})},
	})
	// D-2-01, B-5.3-02, RI-2-01
	wantError(t, err, "issuer: the URL begins with", "RedirectURL", `scope has the value "a b"`, "acr_values has", "absolute URI without fragment",
		"MaxAge is -1", "Auth.Certificate is needed for tls_client_auth", "a Key or an Auth.Certificate is needed")
	if got := strings.Count(err.Error(), "resource indicator"); got != 2 {
		t.Errorf("%d resource indicators are reported, want 2", got)
	}
}

func TestNewComparesTheConfigurationWithTheServer(t *testing.T) {
	for _, row := range []struct {
		name   string
		meta   func(*metadata.Server)
		conf   func(*client.Config)
		want   []string
		accept bool
	}{
		{ // D-5.1-03
			"a key that the server does not list",
			func(m *metadata.Server) { m.DPoPSigningAlgs = []string{"ES384"} }, nil,
			[]string{"the Key signs with ES256, the server takes proofs with ES384"},
			false,
		},
		{ // D-5.1-04
			"a server that lists no algorithms has no DPoP",
			func(m *metadata.Server) { m.DPoPSigningAlgs = nil }, nil,
			[]string{"it does not support DPoP"},
			false,
		},
		{
			"a server without DPoP is tried all the same if bearer tokens are allowed",
			func(m *metadata.Server) { m.DPoPSigningAlgs = nil }, func(c *client.Config) { c.AllowBearer = true }, nil, true,
		},
		{
			"an authentication method that the server does not list",
			func(m *metadata.Server) { m.AuthMethodsSupported = []string{"private_key_jwt"} },
			func(c *client.Config) {
				c.Auth = client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret("s3cr3t")}
			},
			[]string{"client_secret_basic", "private_key_jwt"},
			false,
		},
		{
			"a public client of a server that does not list none", func(m *metadata.Server) { m.AuthMethodsSupported = []string{"private_key_jwt"} },
			nil, nil, true,
		},
		{
			"endpoints without TLS, every one reported",
			func(m *metadata.Server) { m.TokenEndpoint, m.PAREndpoint = "http://as.example/token", "ftp://x" }, nil,
			[]string{"token_endpoint: the URL begins with", "pushed_authorization_request_endpoint: the URL"},
			false,
		},
		{
			"an endpoint without TLS hidden in the aliases",
			func(m *metadata.Server) {
				m.MTLSEndpointAliases = map[string]string{"token_endpoint": "http://as.example/token"}
			},
			func(c *client.Config) { c.Auth.Certificate = newCertificate(t, "app.example") },
			[]string{"token_endpoint: the URL begins with"},
			false,
		},
		{
			"no token endpoint", func(m *metadata.Server) { m.TokenEndpoint = "" }, nil,
			[]string{"token_endpoint is needed"},
			false,
		},
		{
			"pushed requests required and nowhere to push", func(m *metadata.Server) { m.RequirePAR, m.PAREndpoint = true, "" }, nil,
			[]string{"pushed requests are required"},
			false,
		},
		{
			"a certificate alone, and a server that does not bind to it", func(*metadata.Server) {},
			func(c *client.Config) { c.Key, c.Auth.Certificate = nil, newCertificate(t, "app.example") },
			[]string{"tls_client_certificate_bound_access_tokens"},
			false,
		},
		{
			"a certificate alone, and a server that binds to it", func(m *metadata.Server) { m.CertificateBoundTokens = true },
			func(c *client.Config) { c.Key, c.Auth.Certificate = nil, newCertificate(t, "app.example") }, nil, true,
		},
		{ // ASM-3.3-01, BCP-2.1-05
			"metadata of another issuer", func(m *metadata.Server) { m.Issuer += "/" }, nil,
			[]string{"the metadata is of issuer"},
			false,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, nil)
			conf := s.config(t)
			meta := s.meta
			row.meta(&meta)
			conf.Metadata = &meta
			if row.conf != nil {
				row.conf(&conf)
			}
			c, err := client.New(t.Context(), conf)
			if row.accept {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, row.want...)
			if c != nil || len(s.requests("")) != 0 {
				t.Error("there is a client, or something was sent")
			}
		})
	}
}

// ASM-3.3-01
func TestFetchedMetadataOfAnotherIssuerIsNotUsed(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.meta.Issuer = "https://evil.example" })
	_, err := client.New(t.Context(), s.config(t))
	wantError(t, err, "new client", "evil.example")
	if !errors.Is(err, metadata.Mismatch) {
		t.Errorf("got %v, want that it is a mismatch", err)
	}
	if n := len(s.requests("")); n != 0 {
		t.Errorf("%d endpoints were called", n)
	}
}

// D-11-01, B-5.2-04
func TestAServerWhoseNameIsNotVerifiedGetsNothing(t *testing.T) {
	s := newAuthServer(t, nil)
	conf := s.config(t)
	conf.Metadata = &s.meta
	conf.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	_, err := client.New(t.Context(), conf)
	wantError(t, err, "InsecureSkipVerify")

	other := &tls.Config{RootCAs: pool(s.Server), ServerName: "other.example"}
	conf.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: other}}
	confidential(t)(&conf)
	c, err := client.New(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.ClientCredentials(t.Context())
	e := wantError(t, err, "token request", "other.example")
	if e.Status != 0 || len(s.requests("")) != 0 {
		t.Error("a request arrived")
	}
}

func TestACertificateNeedsATransportToPresentIt(t *testing.T) {
	s := newAuthServer(t, nil)
	conf := s.config(t)
	conf.Metadata = &s.meta
	conf.Auth.Certificate = newCertificate(t, "app.example")
	conf.HTTP = &http.Client{Transport: roundTripper(nil)}
	_, err := client.New(t.Context(), conf)
	wantError(t, err, "an *http.Transport is needed")
	conf.HTTP = nil
	conf.Auth.Certificate = &tls.Certificate{}
	_, err = client.New(t.Context(), conf)
	wantError(t, err, "no certificate or no private key")
	conf.Auth.Certificate = &tls.Certificate{Certificate: [][]byte{{1, 2, 3}}, PrivateKey: newSigner(t)}
	_, err = client.New(t.Context(), conf)
	wantError(t, err, "Auth.Certificate: x509")
}

func TestAuthPrintsNoSecret(t *testing.T) {
	a := client.Auth{Method: client.AuthSecretPost, Secret: holdfast.NewSecret("s3cr3t"), Signer: newSigner(t)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, a); got != "client authentication client_secret_post" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// B-5.3-01
func TestAClientPrintsNoSecret(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, func(conf *client.Config) {
		conf.Auth = client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret("s3cr3t")}
		if text := fmt.Sprintf("%v %+v %#v", *conf, *conf, *conf); strings.Contains(text, "s3cr3t") {
			t.Error("the configuration shows the secret")
		}
	})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); got != `client_secret_basic of "app" at `+s.URL {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if text := fmt.Sprintf("%+v", c.Source(client.NewMemoryStore(s.login(t, c)))); strings.Contains(text, "s3cr3t") || strings.Contains(text, "-token-") {
		t.Error("the source shows a secret")
	}
}

// M-2-02, M-3-02, M-5-01, M-5-02, M-5-03, M-5-04, F2-5.3.3.1-01
func TestACertificateGoesToTheAliases(t *testing.T) {
	s := newAuthServer(t, nil)
	alias := newAuthServer(t, nil)
	s.meta.MTLSEndpointAliases = map[string]string{
		"token_endpoint": alias.URL + "/token", "issuer": "https://evil.example", "authorization_endpoint": "https://evil.example/authorize",
	}
	cert := newCertificate(t, "app.example")
	trust := pool(s.Server)
	trust.AddCert(alias.Certificate())
	c := s.client(t, func(conf *client.Config) {
		conf.Auth = client.Auth{Method: client.AuthSelfSignedTLS, Certificate: cert}
		conf.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true}}
	})
	g, err := c.ClientCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.URL(), s.URL+"/authorize?") {
		t.Error("the browser is sent to an alias")
	}
	if len(s.requests("/token")) != 0 || len(alias.requests("/token")) == 0 || len(s.requests("/revoke")) == 0 || len(s.requests("/par")) == 0 {
		t.Fatal("a request went to the wrong endpoint")
	}
	want := thumbprintOf(cert.Certificate[0])
	for _, r := range append(alias.requests(""), s.requests("")...) {
		if r.cert != want {
			t.Errorf("%s was asked with the certificate %q, want %q", r.path, r.cert, want)
		}
		if r.form.Get("client_id") != "app" || r.header.Get("Authorization") != "" {
			t.Errorf("%s: client_id is %q", r.path, r.form.Get("client_id"))
		}
	}
	for _, r := range alias.requests("/token") {
		if r.htu != alias.URL+"/token" {
			t.Errorf("htu is %s", r.htu)
		}
	}
	if g.Certificate.String() != want || g.Token.Key == nil {
		t.Error("the grant does not say what it is bound to")
	}
}

func TestCertificateBoundTokensNeedNoKey(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.meta.CertificateBoundTokens = true })
	conf := s.config(t)
	conf.Key, conf.Auth.Certificate = nil, newCertificate(t, "app.example") // a public client, RFC 8705 section 4
	c, err := client.New(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	g := s.login(t, c)
	if g.Token.Type != "Bearer" || g.Token.Key != nil || len(g.Warnings) != 0 || g.Certificate.IsZero() {
		t.Errorf("type %q, warnings %q", g.Token.Type, g.Warnings)
	}
	for _, r := range s.requests("") {
		if r.header.Get("DPoP") != "" || r.form.Get("dpop_jkt") != "" {
			t.Error("a proof was sent")
		}
	}
}
