package authserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// The parties of the tests. Their secrets are the name followed by "-secret-" and
// padding, see secretOf.
const (
	appID        = "app"     // public, code and device grants
	webID        = "web"     // confidential, every grant
	otherID      = "other"   // confidential, every grant
	backendID    = "backend" // the API as a client: introspects, exchanges tokens of others
	certID       = "cert"    // public, wants tokens that are bound to a certificate
	apiID        = "https://api.example"
	filesID      = "https://files.example" // its tokens are opaque
	testCallback = "https://app.example/cb"
	testLoopback = "http://127.0.0.1/cb"
)

// testServer is a running server with everything that a test wants to reach.
type testServer struct {
	*Server
	t     testing.TB
	clock *holdfasttest.Clock
	front *httptest.Server // public listener
	back  *httptest.Server // mTLS listener
	http  *http.Client     // to both; follows no redirects

	mu     sync.Mutex // guards events
	events []Event
}

// newTestServer starts a server over TLS with a memory store and a clock that
// only the test moves. edit may change the configuration before.
func newTestServer(t testing.TB, edit func(*Config)) *testServer {
	t.Helper()
	return newTestServerAt(t, time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), edit)
}

// newTestServerAt is newTestServer at another time.
func newTestServerAt(t testing.TB, at time.Time, edit func(*Config)) *testServer {
	t.Helper()
	ts := &testServer{t: t, clock: holdfasttest.NewClock(at)}
	start := func(ask bool) *httptest.Server {
		h := httptest.NewUnstartedServer(nil)
		h.Config.ErrorLog = log.New(io.Discard, "", 0)
		h.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if ask {
			h.TLS.ClientAuth = tls.RequestClientCert
		}
		h.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if ask {
				ts.MTLSHandler().ServeHTTP(w, r)
			} else {
				ts.Handler().ServeHTTP(w, r)
			}
		})
		h.StartTLS()
		t.Cleanup(h.Close)
		return h
	}
	ts.front, ts.back = start(false), start(true)
	ts.http = ts.with()

	c := testConfig(ts)
	if edit != nil {
		edit(&c)
	}
	var err error
	if ts.Server, err = New(context.Background(), c); err != nil {
		t.Fatalf("new server: %v", err)
	}
	t.Cleanup(func() { _ = ts.Close() })
	return ts
}

// testConfig is what every test starts from: binding is not optional, secrets
// are allowed for the sake of short tests.
func testConfig(ts *testServer) Config {
	every := []string{grantCode, grantRefresh, grantClient, grantDevice, grantExchange}
	confidential := func(id string) Client {
		return Client{
			Client: metadata.Client{
				ClientID: id, AuthMethod: "client_secret_basic", GrantTypes: every,
				ResponseTypes: []string{"code"}, RedirectURIs: []string{testCallback},
			},
			Secrets: []holdfast.Secret{secretOf(id)},
		}
	}
	public := func(id string) Client {
		return Client{Client: metadata.Client{
			ClientID: id, AuthMethod: "none", GrantTypes: []string{grantCode, grantRefresh, grantDevice},
			ResponseTypes: []string{"code"}, RedirectURIs: []string{testCallback, testLoopback},
		}}
	}
	backend := confidential(backendID)
	backend.Introspects, backend.MayExchange = []string{apiID, filesID}, true
	cert := public(certID)
	cert.CertificateBoundTokens = true
	return Config{
		Issuer:      ts.front.URL,
		MTLSURL:     ts.back.URL,
		Store:       store.NewMemory(ts.clock.Now),
		SealingKeys: []holdfast.Secret{holdfast.NewSecret(strings.Repeat("k", 32))},
		Resources: []Resource{
			{ID: apiID, Scopes: []string{"read", "write"}},
			{ID: filesID, Scopes: []string{"read", "files"}, Opaque: true},
		},
		Clients:      []Client{public(appID), cert, confidential(webID), confidential(otherID), backend},
		AllowSecrets: true,
		Audit: func(_ context.Context, e Event) {
			ts.mu.Lock()
			defer ts.mu.Unlock()
			ts.events = append(ts.events, e)
		},
		Now: ts.clock.Now,
	}
}

// secretOf is the secret of a confidential client of testConfig.
func secretOf(id string) holdfast.Secret {
	return holdfast.NewSecret(id + "-secret-0123456789abcdef")
}

// configured returns the client of that name in c, to change it.
func configured(t testing.TB, c *Config, id string) *Client {
	t.Helper()
	for i := range c.Clients {
		if c.Clients[i].ClientID == id {
			return &c.Clients[i]
		}
	}
	t.Fatalf("no client %s", id)
	return nil
}

// with returns a client that presents certificates and follows no redirects.
func (ts *testServer) with(certificates ...tls.Certificate) *http.Client {
	transport := ts.front.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs.AddCert(ts.back.Certificate())
	transport.TLSClientConfig.Certificates = certificates
	transport.MaxIdleConnsPerHost = 64
	ts.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// audit returns the events so far and forgets them.
func (ts *testServer) audited() []Event {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	out := ts.events
	ts.events = nil
	return out
}

// reply is an answer with its body read.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	raw    []byte
	body   map[string]any // of a JSON answer
}

// option changes a request before it is sent.
type option func(*http.Request)

// post sends a form to an endpoint of the public listener.
func (ts *testServer) post(path string, form url.Values, options ...option) *reply {
	ts.t.Helper()
	return ts.send(ts.http, ts.request(ts.front.URL+path, form, options...))
}

// postMTLS sends a form to the mTLS listener.
func (ts *testServer) postMTLS(c *http.Client, path string, form url.Values, options ...option) *reply {
	ts.t.Helper()
	return ts.send(c, ts.request(ts.back.URL+path, form, options...))
}

func (ts *testServer) request(address string, form url.Values, options ...option) *http.Request {
	ts.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		ts.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, o := range options {
		o(r)
	}
	return r
}

func (ts *testServer) send(c *http.Client, r *http.Request) *reply {
	ts.t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		ts.t.Fatal(err)
	}
	defer answer.Body.Close()
	out := &reply{t: ts.t, status: answer.StatusCode, header: answer.Header}
	if out.raw, err = io.ReadAll(answer.Body); err != nil {
		ts.t.Fatal(err)
	}
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(bytes.NewReader(out.raw)).Decode(&out.body); err != nil {
			ts.t.Fatalf("body is no JSON object: %v", err)
		}
	}
	return out
}

// as authenticates a confidential client of testConfig.
func as(id string) option {
	return func(r *http.Request) { r.SetBasicAuth(id, secretOf(id).Reveal()) }
}

// proof adds a proof with a current nonce; change may spoil it before.
func (ts *testServer) proof(key *holdfast.Key, change ...func(*holdfast.ProofClaims)) option {
	return func(r *http.Request) {
		ts.t.Helper()
		nonce, err := ts.proofs.Nonce(r.Context())
		if err != nil {
			ts.t.Fatal(err)
		}
		claims := holdfast.ProofClaims{Method: r.Method, URL: r.URL, Nonce: nonce, Time: ts.clock.Now()}
		for _, c := range change {
			c(&claims)
		}
		proof, err := key.Prove(claims)
		if err != nil {
			ts.t.Fatal(err)
		}
		r.Header.Add("DPoP", proof)
	}
}

// refused fails unless the answer is that OAuth error with status 400, or 401
// for invalid_client.
func (r *reply) refused(code string) *reply {
	r.t.Helper()
	if r.status != http.StatusBadRequest && (r.status != http.StatusUnauthorized || code != errInvalidClient) || r.body["error"] != code {
		r.t.Fatalf("answer is %d %s, want 400 %s", r.status, r.shown(), code)
	}
	if r.body["access_token"] != nil || r.body["refresh_token"] != nil || r.body["request_uri"] != nil {
		r.t.Fatalf("a refusal of %s gives something away", code)
	}
	return r
}

// shown is the answer without what is secret.
func (r *reply) shown() string {
	out := maps.Clone(r.body)
	for _, name := range []string{"access_token", "refresh_token", "request_uri", "device_code"} {
		if out[name] != nil {
			out[name] = holdfast.Secret{}
		}
	}
	return fmt.Sprint(out)
}

// names fails unless the description of the error names something.
func (r *reply) names(what string) *reply {
	r.t.Helper()
	if !strings.Contains(r.text("error_description"), what) {
		r.t.Errorf("error_description is %q, want it to name %s", r.body["error_description"], what)
	}
	return r
}

// ok fails unless the answer is a success.
func (r *reply) ok() *reply {
	r.t.Helper()
	if r.status/100 != 2 {
		r.t.Fatalf("answer is %d %s, want a success", r.status, r.shown())
	}
	return r
}

// text returns a member of the body that has to be text.
func (r *reply) text(name string) string {
	r.t.Helper()
	s, ok := r.body[name].(string)
	if !ok {
		r.t.Fatalf("answer %d has no text %s", r.status, name)
	}
	return s
}

// claims returns what a JWT access token of the answer says.
func (r *reply) claims() map[string]any {
	r.t.Helper()
	parts := strings.Split(r.text("access_token"), ".")
	if len(parts) != 3 {
		r.t.Fatal("the access token is no JWT")
	}
	plain, err := jose.DecodeSegment(parts[1])
	if err != nil {
		r.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(plain, &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// access returns what the access token of the answer says, nil if it is not
// active.
func (ts *testServer) access(r *reply) *accessToken {
	ts.t.Helper()
	t, err := ts.readAccess(context.Background(), holdfast.NewSecret(r.text("access_token")))
	if err != nil {
		ts.t.Fatal(err)
	}
	return t
}

// count returns how many records of a kind there are.
func (ts *testServer) count(k store.Kind) int {
	ts.t.Helper()
	n := 0
	for _, err := range ts.store.List(context.Background(), k, "") {
		if err != nil {
			ts.t.Fatal(err)
		}
		n++
	}
	return n
}

// refreshed uses the refresh token of an answer.
func (ts *testServer) refreshed(r *reply, clientID string, key *holdfast.Key, pairs ...string) *reply {
	ts.t.Helper()
	f := form(append(pairs, "grant_type", grantRefresh, "refresh_token", r.text("refresh_token"), "client_id", clientID)...)
	return ts.post(pathToken, f, ts.credentials(clientID, key)...)
}

// newKey makes a proof key.
func newKey(t testing.TB) *holdfast.Key {
	t.Helper()
	return holdfasttest.NewKey(t)
}

// pkce returns a fresh verifier and its S256 challenge.
func pkce() (verifier, challenge string) {
	verifier = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return verifier, jose.EncodeSegment(sum[:])
}

// form makes a form of names and values in turn.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// approvedCode is a code that alice has allowed, and what its client needs to
// redeem it.
func (ts *testServer) approvedCode(clientID string, pairs ...string) url.Values {
	ts.t.Helper()
	verifier, challenge := pkce()
	q := form("response_type", "code", "client_id", clientID, "redirect_uri", testCallback, "scope", "read",
		"code_challenge", challenge, "code_challenge_method", "S256")
	for name, values := range form(pairs...) {
		q[name] = values
	}
	code := ts.approve(clientID, q)
	return form("grant_type", grantCode, "code", code, "redirect_uri", testCallback, "code_verifier", verifier, "client_id", clientID)
}

// approve has alice allow all of a request, as the consent page does.
func (ts *testServer) approve(clientID string, q url.Values) string {
	ts.t.Helper()
	ctx := context.Background()
	c, err := ts.clients.find(ctx, clientID)
	if err != nil {
		ts.t.Fatal(err)
	}
	request, err := ts.readRequest(ctx, c, q)
	if err != nil {
		ts.t.Fatal(err)
	}
	code, err := ts.issueCode(ctx, request, ts.approvalOf(request))
	if err != nil {
		ts.t.Fatal(err)
	}
	return code.Reveal()
}

func (ts *testServer) approvalOf(q *authorizationRequest) approval {
	return approval{
		Client: q.Client, Subject: "alice", Scope: q.Scope, Resources: q.Resources,
		Session: "session-of-alice", AuthTime: ts.now(), At: ts.now(),
	}
}

// tokens runs the code grant and returns the answer of the token endpoint.
func (ts *testServer) tokens(clientID string, key *holdfast.Key, pairs ...string) *reply {
	ts.t.Helper()
	redeem := ts.approvedCode(clientID, pairs...)
	return ts.post(pathToken, redeem, ts.credentials(clientID, key)...).ok()
}

// credentials are the options of a request of that client with that proof key;
// nil means no proof.
func (ts *testServer) credentials(clientID string, key *holdfast.Key) []option {
	var out []option
	if c := configured(ts.t, &ts.config, clientID); len(c.Secrets) > 0 {
		out = append(out, as(clientID))
	}
	if key != nil {
		out = append(out, ts.proof(key))
	}
	return out
}

func TestAServerStartsAndRefusesWhatItDoesNotServe(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	answer, err := ts.http.Get(ts.front.URL + "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("status is %d, want 404", answer.StatusCode)
	}
}

func TestNewReportsEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(context.Background(), Config{
		Issuer:         "http://as.example",
		MTLSURL:        "https://mtls.as.example/path",
		Resources:      []Resource{{ID: "api", Scopes: []string{"read"}}, {ID: apiID, Lifetime: 2 * MaxAccessLifetime}, {ID: apiID, Scopes: []string{"read"}}},
		Origins:        []string{"https://app.example/"},
		Replicas:       2,
		CodeLifetime:   time.Hour,
		AccessLifetime: time.Millisecond,
		Upstreams:      []Upstream{&elsewhere{name: "One"}, &elsewhere{name: "two"}, &elsewhere{name: "two"}},
	})
	if err == nil {
		t.Fatal("the configuration was accepted")
	}
	for _, want := range []string{
		"issuer", "mTLS URL", "store", "sealing key", `resource "api"`, "at least one scope", "lifetime is 2h", "https://app.example/",
		"2 replicas", "code lifetime", "access lifetime", `upstream "One"`, `upstream "two"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s:\n%v", want, err)
		}
	}
	if _, err := New(context.Background(), Config{}); err == nil || !strings.Contains(err.Error(), "a resource is needed") {
		t.Errorf("the error of an empty configuration is %v", err)
	}
}
