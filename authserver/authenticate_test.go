package authserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// keyHolder is a client that holds a key, with a certificate of it.
type keyHolder struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	pub  *jose.PublicKey
	cert tls.Certificate // signed by ca, or by itself
}

// newKeyHolder makes a key and a certificate for it; ca may be nil.
func newKeyHolder(t testing.TB, name string, ca *keyHolder) *keyHolder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := &keyHolder{t: t, key: key}
	if h.pub, err = jose.NewPublicKey(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name + ".example"},
		NotBefore: day, NotAfter: day.AddDate(0, 0, 2), IsCA: true, BasicConstraintsValid: true,
	}
	parent, by := template, key
	if ca != nil {
		parent, by = ca.cert.Leaf, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	h.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if h.cert.Leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return h
}

// jwks is the key set of the client, with the certificate.
func (h *keyHolder) jwks() json.RawMessage {
	member := `"x5c":["` + base64.StdEncoding.EncodeToString(h.cert.Certificate[0]) + `"],`
	return json.RawMessage(`{"keys":[` + strings.Replace(h.pub.JWK(), "{", "{"+member, 1) + `]}`)
}

// assert adds an assertion for an audience to a form.
func (h *keyHolder) assert(form url.Values, id, audience string, at time.Time) url.Values {
	h.t.Helper()
	a, err := clientauth.New(clientauth.Config{Method: clientauth.PrivateKeyJWT, ClientID: id, Signer: h.key, Issuer: audience})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := a.Apply(form, http.Header{}, at); err != nil {
		h.t.Fatal(err)
	}
	return form
}

// byMethod is a confidential client without a shared secret.
func byMethod(id string, m clientauth.Method, edit func(*metadata.Client)) Client {
	c := Client{Client: metadata.Client{
		ClientID: id, AuthMethod: string(m), GrantTypes: []string{grantCode, grantClient}, ResponseTypes: []string{"code"},
		RedirectURIs: []string{testCallback},
	}}
	if edit != nil {
		edit(&c.Client)
	}
	return c
}

const signerID = "signer"

// addSigner adds a client with private_key_jwt to a configuration.
func addSigner(h *keyHolder) func(*Config) {
	return func(c *Config) {
		c.Clients = append(c.Clients, byMethod(signerID, clientauth.PrivateKeyJWT, func(m *metadata.Client) { m.JWKS = h.jwks() }))
	}
}

func serviceForm(more ...string) url.Values {
	return form(append([]string{"grant_type", grantClient, "scope", "read"}, more...)...)
}

// J-6749-5.2: what a client gets that did not prove who it is.
func TestClientsThatAreNotAuthenticated(t *testing.T) {
	h, stranger := newKeyHolder(t, signerID, nil), newKeyHolder(t, "stranger", nil)
	ts := newTestServer(t, addSigner(h))
	key := newKey(t)
	now := ts.clock.Now()
	for _, tt := range []struct {
		name      string
		form      url.Values
		options   []option
		status    int
		code      string
		challenge bool
	}{
		{"a wrong secret", serviceForm(), []option{bySecret(webID, "s3cr3t-that-is-wrong")}, 401, errInvalidClient, true}, // J-6749-5.2
		{"an unknown client with a secret", serviceForm(), []option{bySecret("nobody", "s3cr3t-that-is-wrong")}, 401, errInvalidClient, true},
		{"another scheme", serviceForm(), []option{withField("Authorization", "Bearer s3cr3t")}, 401, errInvalidClient, true},
		{"a wrong secret in the form", serviceForm("client_id", webID, "client_secret", "s3cr3t-that-is-wrong"), nil, 400, errInvalidClient, false},
		{"an unknown client", serviceForm("client_id", "nobody"), nil, 400, errInvalidClient, false},
		{"nobody", serviceForm(), nil, 400, errInvalidClient, false},
		{"a proof and nothing else", serviceForm("client_id", webID), nil, 400, errInvalidClient, false},                                // D-4-03
		{"an assertion by another key", stranger.assert(serviceForm(), signerID, ts.front.URL, now), nil, 400, errInvalidClient, false}, // J-6749-5.2, PKJ-3-02
		{"an assertion for another server", h.assert(serviceForm(), signerID, "https://other.example", now), nil, 400, errInvalidClient, false},
		{"a secret of a client with a key", serviceForm(), []option{bySecret(signerID, "s3cr3t-that-is-wrong")}, 401, errInvalidClient, true},
		{"two methods", h.assert(serviceForm("client_secret", "s3cr3t"), signerID, ts.front.URL, now), nil, 400, errInvalidRequest, false}, // PKJ-3-04
		{"two assertions", assertedTwice(h.assert(serviceForm(), signerID, ts.front.URL, now)), nil, 400, errInvalidRequest, false},        // PKJ-3-04
		{"no base64", serviceForm(), []option{withField("Authorization", "Basic ???")}, 400, errInvalidRequest, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts.audited()
			r := ts.post(pathToken, tt.form, append(tt.options, ts.proof(key))...)
			if r.status != tt.status || r.body["error"] != tt.code {
				t.Fatalf("got %d %s, want %d %s", r.status, r.raw, tt.status, tt.code)
			}
			challenges := holdfast.ParseChallenges(r.header.Values("WWW-Authenticate"))
			if got := len(challenges) == 1 && challenges[0].Is("Basic"); got != tt.challenge {
				t.Errorf("WWW-Authenticate is %q", r.header.Values("WWW-Authenticate"))
			}
			if r.header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
			events := ts.audited()
			if len(events) != 1 || events[0].Decision != "refused" || events[0].Reason == "" {
				t.Errorf("audited: %+v", events)
			}
			for _, text := range []string{string(r.raw), events[0].Reason, events[0].Client} {
				if strings.Contains(text, "s3cr3t") {
					t.Errorf("the secret is in %q", text)
				}
			}
		})
	}
}

func bySecret(id, secret string) option {
	return func(r *http.Request) { r.SetBasicAuth(id, secret) }
}

func withField(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func assertedTwice(f url.Values) url.Values {
	f.Add("client_assertion", f.Get("client_assertion"))
	return f
}

// D-11.11-01: an assertion and a proof in one request are two things.
func TestAssertionAndProofDoNotVouchForEachOther(t *testing.T) {
	h, key := newKeyHolder(t, signerID, nil), newKey(t)
	ts := newTestServer(t, addSigner(h))
	answer := ts.post(pathToken, h.assert(serviceForm(), signerID, ts.front.URL, ts.clock.Now()), ts.proof(key)).ok()
	if cnf, _ := answer.claims()["cnf"].(map[string]any); cnf["jkt"] != key.Thumbprint().String() {
		t.Errorf("the token is bound to %v, want %s", cnf, key.Thumbprint())
	}
	events := ts.audited()
	own := holdfast.Thumbprint(h.pub.Thumbprint()).String()
	if len(events) != 1 || events[0].Client != signerID || events[0].ClientKey != own || events[0].Holder != key.Thumbprint() {
		t.Errorf("audited: %+v, want both keys separately", events)
	}
}

func TestAssertionsAreGoodForOneUse(t *testing.T) { // PKJ-3-03
	h, key := newKeyHolder(t, signerID, nil), newKey(t)
	ts := newTestServer(t, addSigner(h))
	f := h.assert(serviceForm(), signerID, ts.front.URL, ts.clock.Now())
	ts.post(pathToken, f, ts.proof(key)).ok()
	for _, path := range []string{pathToken, pathPAR} {
		if r := ts.post(path, f, ts.proof(key)); r.status != 400 || r.body["error"] != errInvalidClient {
			t.Errorf("%s: got %d %s", path, r.status, r.raw)
		}
	}
}

func TestAudiencesOfAssertions(t *testing.T) {
	h := newKeyHolder(t, signerID, nil)
	push := func(ts *testServer, audience string) *reply {
		_, challenge := pkce()
		f := form("response_type", "code", "redirect_uri", testCallback, "code_challenge", challenge, "code_challenge_method", "S256", "scope", "read", "state", "x")
		return ts.post(pathPAR, h.assert(f, signerID, audience, ts.clock.Now()), ts.proof(newKey(t)))
	}
	ts := newTestServer(t, addSigner(h))
	for _, audience := range []string{ts.config.Issuer, ts.endpointURL(pathToken), ts.endpointURL(pathPAR), ts.back.URL + pathToken} { // PAR-2-02
		if r := push(ts, audience); r.body["error"] == errInvalidClient {
			t.Errorf("%s: got %d %s", audience, r.status, r.raw)
		}
	}
	push(ts, ts.endpointURL("/elsewhere")).wants(t, 400, errInvalidClient)

	fapi := newTestServer(t, func(c *Config) { fapiConfig(c); addSigner(h)(c) })
	if r := push(fapi, fapi.config.Issuer); r.body["error"] == errInvalidClient { // F2-5.3.2.1-06
		t.Errorf("the issuer: got %d %s", r.status, r.raw)
	}
	push(fapi, fapi.endpointURL(pathPAR)).wants(t, 400, errInvalidClient)
}

// wants fails unless the answer has that status and OAuth error.
func (r *reply) wants(t testing.TB, status int, code string) {
	t.Helper()
	if r.status != status || r.body["error"] != code {
		t.Errorf("got %d %s, want %d %s", r.status, r.raw, status, code)
	}
}

// fapiConfig is the FAPI 2.0 profile without clients.
func fapiConfig(c *Config) {
	c.Profile, c.AllowSecrets, c.Clients = ProfileFAPI2, false, nil
}

// F2-5.3.2.1-01
func TestFAPIHasConfidentialClientsWithKeysOnly(t *testing.T) {
	h := newKeyHolder(t, signerID, nil)
	for _, m := range []clientauth.Method{clientauth.None, clientauth.SecretBasic, clientauth.SecretPost} {
		c := testConfig(newTestServer(t, nil))
		fapiConfig(&c)
		c.Clients = []Client{byMethod("x", m, nil)}
		if m != clientauth.None {
			c.Clients[0].Secrets = []holdfast.Secret{secretOf("x")}
		}
		if _, err := New(context.Background(), c); err == nil || !strings.Contains(err.Error(), string(m)+" is not offered") {
			t.Errorf("%s: got %v", m, err)
		}
	}
	ts := newTestServer(t, func(c *Config) { fapiConfig(c); addSigner(h)(c) })
	now := ts.clock.Now()
	ts.post(pathToken, serviceForm(), bySecret(signerID, "s3cr3t-that-is-wrong"), ts.proof(newKey(t))).wants(t, 401, errInvalidClient)
	if r := ts.post(pathToken, h.assert(serviceForm(), signerID, ts.front.URL, now)); r.status != 400 || r.body["access_token"] != nil {
		t.Errorf("without a proof: %d %s", r.status, r.raw)
	}
	ts.post(pathToken, h.assert(serviceForm(), signerID, ts.front.URL, now.Add(10*time.Second)), ts.proof(newKey(t))).ok()                            // F2-5.3.2.1-04
	ts.post(pathToken, h.assert(serviceForm(), signerID, ts.front.URL, now.Add(61*time.Second)), ts.proof(newKey(t))).wants(t, 400, errInvalidClient) // F2-5.3.2.1-04
	if slices.ContainsFunc(ts.assertionAlgs(), func(alg string) bool { return alg != "PS256" && alg != "ES256" && alg != "EdDSA" && alg != "Ed25519" }) {
		t.Errorf("algorithms of assertions are %v", ts.assertionAlgs())
	}
}

func TestCertificatesAuthenticateClients(t *testing.T) {
	ca, strangers := newKeyHolder(t, "ca", nil), newKeyHolder(t, "strangers", nil)
	alice, bob, own := newKeyHolder(t, "alice", ca), newKeyHolder(t, "bob", ca), newKeyHolder(t, "own", nil)
	ts := newTestServer(t, func(c *Config) {
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AddCert(ca.cert.Leaf)
		c.Clients = append(c.Clients,
			byMethod("alice", clientauth.TLS, func(m *metadata.Client) { m.SubjectDN = "cn=Alice" }),
			byMethod("bob", clientauth.TLS, func(m *metadata.Client) { m.SubjectDNS = "bob.example" }),
			byMethod("own", clientauth.SelfSignedTLS, func(m *metadata.Client) { m.JWKS = own.jwks() }),
		)
	})
	for _, tt := range []struct {
		name, id string
		with     *keyHolder
		refused  bool
	}{
		{"the certificate of the client", "alice", alice, false},                                    // M-2.1-01
		{"the certificate of another client", "alice", bob, true},                                   // M-2-03
		{"the certificate of another client, the other way", "bob", alice, true},                    // M-2-03
		{"the subject signed by somebody else", "alice", newKeyHolder(t, "alice", strangers), true}, // M-2.1-01
		{"the same subject in a new certificate", "alice", newKeyHolder(t, "alice", ca), false},     // M-2.1-01
		{"no certificate", "alice", nil, true},                                                      // M-2-01
		{"no client_id", "", alice, true},                                                           // M-2-04
		{"a client that is not known", "nobody", alice, true},                                       // M-2-04
		{"a self-signed certificate that is registered", "own", own, false},                         // M-2.2-01
		{"a self-signed certificate that is not", "own", newKeyHolder(t, "own", nil), true},         // M-2.2-01
		{"a certificate of a client with a secret", webID, alice, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var certificates []tls.Certificate
			if tt.with != nil {
				certificates = append(certificates, tt.with.cert)
			}
			ts.audited()
			f := serviceForm()
			if tt.id != "" {
				f.Set("client_id", tt.id)
			}
			r := ts.postMTLS(ts.with(certificates...), pathToken, f)
			if tt.refused {
				r.wants(t, 400, errInvalidClient)
				return
			}
			want := holdfast.Thumbprint(sha256.Sum256(tt.with.cert.Certificate[0])).String()
			if events := ts.audited(); r.status != 200 || len(events) != 1 || events[0].ClientKey != want {
				t.Errorf("got %d %s, audited: %+v, want the certificate %s", r.status, r.raw, events, want)
			}
		})
	}
	ts.audited()
	// M-4-01: a public client is no other with a certificate than without.
	r := ts.postMTLS(ts.with(newKeyHolder(t, "any", strangers).cert), pathRevoke, form("client_id", appID, "token", "x")).ok()
	if events := ts.audited(); r.status != 200 || len(events) != 1 || events[0].ClientKey != "" {
		t.Errorf("audited: %+v", events)
	}
	// M-2-01: a listener that asks for no certificate sees none.
	ts.post(pathToken, serviceForm("client_id", "alice"), withField("Client-Cert", ":"+base64.StdEncoding.EncodeToString(alice.cert.Certificate[0])+":")).wants(t, 400, errInvalidClient)
}

// M-7.4-01: without authorities of its own the server has no tls_client_auth.
func TestCertificatesNeedConfiguredAuthorities(t *testing.T) {
	c := testConfig(newTestServer(t, nil))
	c.Clients = []Client{byMethod("alice", clientauth.TLS, func(m *metadata.Client) { m.SubjectDN = "CN=alice" })}
	if _, err := New(context.Background(), c); err == nil || !strings.Contains(err.Error(), "no certificate authority is configured") {
		t.Errorf("got %v", err)
	}
}

// A client rotates its keys where it publishes them.
func TestKeysElsewhere(t *testing.T) {
	h := newKeyHolder(t, signerID, nil)
	published := h.jwks()
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(published) }))
	defer site.Close()
	ts := newTestServer(t, func(c *Config) {
		c.HTTP = site.Client()
		c.Clients = append(c.Clients, byMethod(signerID, clientauth.PrivateKeyJWT, func(m *metadata.Client) { m.JWKSURI = site.URL }))
	})
	ts.post(pathToken, h.assert(serviceForm(), signerID, ts.front.URL, ts.clock.Now()), ts.proof(newKey(t))).ok()
	site.Close()
	ts.clock.Advance(clientauth.KeysMaxStale)
	r := ts.post(pathToken, h.assert(serviceForm(), signerID, ts.front.URL, ts.clock.Now()), ts.proof(newKey(t)))
	r.wants(t, http.StatusServiceUnavailable, errUnavailable)
}

func TestAStoreThatFailsIsNotTheClientsFault(t *testing.T) {
	h := newKeyHolder(t, signerID, nil)
	for _, kind := range []store.Kind{kindClient, kindAssertion} {
		ts := newTestServer(t, func(c *Config) {
			addSigner(h)(c)
			broken := &faultyStore{Store: c.Store, kind: kind}
			broken.down.Store(true)
			c.Store = broken
		})
		id := signerID
		if kind == kindClient {
			id = "registered" // looked for in the store
		}
		r := ts.post(pathToken, h.assert(serviceForm(), id, ts.front.URL, ts.clock.Now()), ts.proof(newKey(t)))
		r.wants(t, http.StatusServiceUnavailable, errUnavailable)
		if events := ts.audited(); len(events) != 1 || events[0].Decision != "unavailable" {
			t.Errorf("%s: audited %+v", kind, events)
		}
	}
}
