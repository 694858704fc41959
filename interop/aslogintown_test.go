//go:build unix

package interop

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/security"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	people "github.com/holdfast-oauth/holdfast/internal/login"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

// town is everything that a login needs, over TLS: an authorization server of
// ours on a file, with alice's account; an API with our guard; the program
// holdfast; and somebody in front of a browser, which is what house is used for.
type town struct {
	*house
	program *program
	trust   *http.Client // trusts the certificates of the test
	as      *authserver.Server
	server  *metadata.Server // what it publishes
	records store.Store      // as the authorization server was given it, not sealed
	alice   people.Account
	site    *site
	api     string // takes JWT access tokens
	opaque  string // takes references, which it introspects
	ca      string // file with those certificates

	audit *auditLog

	deskSecret string          // file with the secret of the client "desk"
	apiSecret  holdfast.Secret // of the client "api", which introspects
	gateSecret holdfast.Secret // of the client "gate", which exchanges tokens
}

// auditLog is what the authorization server says about its decisions. Safe for
// concurrent use.
type auditLog struct {
	mu     sync.Mutex // guards events
	events []authserver.Event
}

func (l *auditLog) add(_ context.Context, e authserver.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// has reports whether an endpoint decided so.
func (l *auditLog) has(endpoint, decision string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.events, func(e authserver.Event) bool { return e.Endpoint == endpoint && e.Decision == decision })
}

// String is everything that is in it.
func (l *auditLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%+v", l.events)
}

// newTown starts everything; configure, if there is one, changes the
// configuration of the authorization server before.
func newTown(t *testing.T, configure func(*authserver.Config)) *town {
	t.Helper()
	front := httptest.NewUnstartedServer(nil)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // the browser complains about the certificate at first
	front.StartTLS()
	t.Cleanup(front.Close)
	mux := http.NewServeMux()
	s := &site{Server: httptest.NewTLSServer(mux), mux: mux}
	t.Cleanup(s.Close)
	w := &town{
		house: &house{t: t, tab: newBrowser(t), issuer: front.URL}, program: newProgram(t),
		trust: front.Client(), site: s, opaque: s.URL + "/opaque",
		audit: new(auditLog), apiSecret: newSecret(), gateSecret: newSecret(),
	}
	command(w.house, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
	w.ca = w.file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}))
	w.startAS(front, configure)
	w.startAPI()
	return w
}

// in is the town in a part of the test.
func (w *town) in(t *testing.T) *town {
	part, here := *w, *w.house
	here.t, part.house = t, &here
	return &part
}

func newSecret() holdfast.Secret { return holdfast.NewSecret(rand.Text()) }

// file writes a file for the program.
func (w *town) file(name string, content []byte) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func (w *town) startAS(front *httptest.Server, configure func(*authserver.Config)) {
	t := w.t
	t.Helper()
	var err error
	w.records, err = store.Open(t.Context(), "bbolt://"+filepath.Join(t.TempDir(), "as.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.records.Close() })
	key := holdfast.NewSecret(rand.Text() + "123456")
	sealed, err := store.Seal(w.records, key)
	if err != nil {
		t.Fatal(err)
	}
	users, err := people.NewUsers(people.UsersConfig{Store: sealed})
	if err != nil {
		t.Fatal(err)
	}
	w.alice, err = users.Add(t.Context(), people.Account{Name: "alice", DisplayName: "Alice"}, holdfast.NewSecret(personPassword))
	if err != nil {
		t.Fatal(err)
	}
	config := authserver.Config{
		Issuer: w.issuer, Store: w.records, SealingKeys: []holdfast.Secret{key}, Directory: users, AllowSecrets: true,
		Resources: []authserver.Resource{
			{ID: w.site.URL, Scopes: []string{"read", "write"}},
			{ID: w.opaque, Scopes: []string{"read", "write"}, Opaque: true},
		},
		Clients: w.clients(),
		Audit:   w.audit.add,
	}
	if configure != nil {
		configure(&config)
	}
	w.as, err = authserver.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.as.Close() })
	front.Config.Handler = w.as.Handler()
	if w.server, err = (&metadata.Fetcher{HTTP: w.trust}).Server(t.Context(), w.issuer); err != nil {
		t.Fatal(err)
	}
}

// clients are a program on the person's machine without a secret ("tool") and
// one with it ("desk"), the API itself, and one that exchanges tokens.
func (w *town) clients() []authserver.Client {
	const code, refresh, device, exchange = "authorization_code", "refresh_token",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"
	desk := newSecret()
	w.deskSecret = w.file("secret", []byte(desk.Reveal()))
	with := func(id, name, method string, secrets []holdfast.Secret, grants ...string) authserver.Client {
		m := metadata.Client{ClientID: id, Name: name, AuthMethod: method, GrantTypes: grants}
		if grants[0] == code {
			m.RedirectURIs = []string{"http://127.0.0.1/callback"}
		}
		return authserver.Client{Client: m, Secrets: secrets}
	}
	api := with("api", "API", "client_secret_basic", []holdfast.Secret{w.apiSecret}, "client_credentials")
	api.Introspects = []string{w.opaque}
	return []authserver.Client{
		with("tool", "Tool", "none", nil, code, refresh, device),
		with("desk", "Desk", "client_secret_basic", []holdfast.Secret{desk}, code, refresh),
		with("gate", "Gate", "client_secret_basic", []holdfast.Secret{w.gateSecret}, exchange),
		api,
	}
}

// startAPI protects two paths, with a nonce required in every proof. Keys that
// are blocked are known from the records of the authorization server.
func (w *town) startAPI() {
	w.t.Helper()
	w.api = w.site.protect(w.t, "/api", func(c *resource.Config, api string) {
		c.HTTP = w.trust
		c.Verify.Issuers = []string{w.issuer}
		c.Verify.Proof.Nonces, c.Verify.Proof.Nonce = newNonces(w.t, api), holdfast.NonceRequired
		c.Verify.Blocks = store.NewBlockList(w.records)
	})
	w.site.protect(w.t, "/opaque", func(c *resource.Config, api string) {
		c.Verify.Issuers = []string{w.issuer}
		c.Verify.Proof.Nonces, c.Verify.Proof.Nonce = newNonces(w.t, api), holdfast.NonceRequired
		var err error
		c.Verify.Tokens, err = token.NewIntrospector(token.IntrospectorConfig{
			Endpoint: w.server.IntrospectionEndpoint, Issuer: w.issuer, HTTP: w.trust,
			Authenticate: token.BasicAuth("api", w.apiSecret),
		})
		if err != nil {
			w.t.Fatal(err)
		}
	})
}
