package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/internal/up"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

// issuerWorld is the authorization server of this module, both of its listeners
// over TLS, two resources that trust it, and the clients of this module.
type issuerWorld struct {
	t      *testing.T
	clock  *holdfasttest.Clock
	front  *httptest.Server
	back   *httptest.Server // asks for client certificates
	api    *httptest.Server // takes JWT access tokens
	vault  *httptest.Server // introspects its tokens
	tape   *tape
	key    *holdfast.Key
	signer *ecdsa.PrivateKey // of the client "signer"
	signed tls.Certificate   // of the client "signed", which the authority of clients vouches for
	self   tls.Certificate   // of the client "self"
}

// The person who logs in, and the secrets of clients.
const personName = "alice"

func secretOf(name string) holdfast.Secret {
	return holdfast.NewSecret("the secret of " + name + " in this test")
}

// people is a directory of one person.
type people struct{}

func (people) Authenticate(_ context.Context, a authserver.Attempt) (authserver.Person, error) {
	if a.Name != personName || a.Password != secretOf(personName) {
		return authserver.Person{}, authserver.ErrWrongPassword
	}
	return authserver.Person{Subject: "subject-1", Name: personName}, nil
}

func newIssuerWorld(t *testing.T, edit func(*authserver.Config)) *issuerWorld {
	t.Helper()
	w := &issuerWorld{
		t: t, clock: holdfasttest.NewClock(time.Now().Truncate(time.Second)), tape: &tape{}, key: holdfasttest.NewKey(t),
		signed: holdfasttest.NewCertificate(t, "signed"), self: holdfasttest.NewCertificate(t, "self"),
	}
	var err error
	if w.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	var server *authserver.Server
	serve := func(ask bool, h http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if ask {
			s.TLS.ClientAuth = tls.RequestClientCert
		}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	w.front = serve(false, func(rw http.ResponseWriter, r *http.Request) { server.Handler().ServeHTTP(rw, r) })
	w.back = serve(true, func(rw http.ResponseWriter, r *http.Request) { server.MTLSHandler().ServeHTTP(rw, r) })
	var api, vault http.Handler
	w.api = serve(true, func(rw http.ResponseWriter, r *http.Request) { api.ServeHTTP(rw, r) })
	w.vault = serve(true, func(rw http.ResponseWriter, r *http.Request) { vault.ServeHTTP(rw, r) })

	c := w.config()
	if edit != nil {
		edit(&c)
	}
	if server, err = authserver.New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	api = w.protect(w.api.URL, nil)
	introspector, err := token.NewIntrospector(token.IntrospectorConfig{
		Endpoint: w.front.URL + "/introspect", Authenticate: token.BasicAuth("vault", secretOf("vault")), Issuer: w.front.URL, HTTP: w.front.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	vault = w.protect(w.vault.URL, introspector)
	return w
}

// config is the authorization server with every kind of client.
func (w *issuerWorld) config() authserver.Config {
	every := []string{
		"authorization_code", "refresh_token", "client_credentials",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange",
	}
	add := func(id, method string, edit func(*authserver.Client)) authserver.Client {
		k := authserver.Client{Client: metadata.Client{
			ClientID: id, AuthMethod: method, GrantTypes: every,
			ResponseTypes: []string{"code"}, RedirectURIs: []string{redirectURL, "http://127.0.0.1/callback"},
		}}
		if method == "none" {
			k.GrantTypes = slices.DeleteFunc(slices.Clone(every), func(g string) bool {
				return g == "client_credentials" || strings.HasSuffix(g, "token-exchange")
			})
		}
		edit(&k)
		return k
	}
	secret := func(k *authserver.Client) { k.Secrets = []holdfast.Secret{secretOf(k.ClientID)} }
	cas := x509.NewCertPool()
	cas.AddCert(w.signed.Leaf)
	return authserver.Config{
		Issuer: w.front.URL, MTLSURL: w.back.URL, ClientCAs: cas, Now: w.clock.Now, AllowSecrets: true,
		Store: store.NewMemory(w.clock.Now), SealingKeys: []holdfast.Secret{holdfast.NewSecret(strings.Repeat("k", 32))},
		Resources: []authserver.Resource{
			{ID: w.api.URL, Scopes: []string{"read", "write"}},
			{ID: w.vault.URL, Scopes: []string{"read"}, Opaque: true},
		},
		Clients: []authserver.Client{
			add("native", "none", func(*authserver.Client) {}),
			add("web", "client_secret_basic", secret),
			add("poster", "client_secret_post", secret),
			add("signer", "private_key_jwt", func(k *authserver.Client) { k.JWKS = w.keySet(&w.signer.PublicKey, "key-1", nil) }),
			add("signed", "tls_client_auth", func(k *authserver.Client) {
				k.SubjectDN, k.CertificateBoundTokens = w.signed.Leaf.Subject.String(), true
			}),
			add("self", "self_signed_tls_client_auth", func(k *authserver.Client) {
				k.JWKS, k.CertificateBoundTokens = w.keySet(w.self.Leaf.PublicKey.(*ecdsa.PublicKey), "", w.self.Leaf), true
			}),
			add("vault", "client_secret_basic", func(k *authserver.Client) {
				secret(k)
				k.Introspects, k.MayExchange = []string{w.vault.URL}, true
			}),
		},
		Directory: people{},
	}
}

// keySet writes the keys of a client.
func (w *issuerWorld) keySet(public *ecdsa.PublicKey, kid string, certificate *x509.Certificate) json.RawMessage {
	w.t.Helper()
	point, err := public.Bytes()
	if err != nil {
		w.t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
	if kid != "" {
		jwk["kid"], jwk["alg"], jwk["use"] = kid, "ES256", "sig"
	}
	if certificate != nil {
		jwk["x5c"] = []string{base64.StdEncoding.EncodeToString(certificate.Raw)}
	}
	text, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// protect is a resource that takes bound tokens of the server.
func (w *issuerWorld) protect(address string, tokens holdfast.TokenReader) http.Handler {
	w.t.Helper()
	nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: address, Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	guard, err := resource.New(resource.Config{
		PublicURL: address, HTTP: w.front.Client(), Log: slog.New(slog.DiscardHandler),
		Verify: holdfast.Config{
			Tokens: tokens, Issuers: []string{w.front.URL}, Audience: []string{address},
			Proof: holdfast.ProofPolicy{Nonces: nonces, Nonce: holdfast.NonceRequired, Now: w.clock.Now},
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := guard.Protect(holdfast.Requirement{Scope: []string{"read"}}, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		access, _ := resource.AccessFrom(r.Context())
		_, _ = io.WriteString(rw, access.Token.Subject)
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// client makes a client of the server whose requests are on the tape, unless
// it presents a certificate.
func (w *issuerWorld) client(id string, edit func(*client.Config)) *client.Client {
	w.t.Helper()
	c := client.Config{
		Issuer: w.front.URL, ClientID: id, Key: w.key, Scope: []string{"read"}, Resource: []string{w.api.URL},
		RedirectURL: redirectURL, Now: w.clock.Now, HTTP: w.http(),
	}
	switch id {
	case "native":
	case "poster":
		c.Auth = client.Auth{Method: client.AuthSecretPost, Secret: secretOf(id)}
	case "signer":
		c.Auth = client.Auth{Method: client.AuthPrivateKeyJWT, Signer: w.signer, KeyID: "key-1"}
	case "signed":
		c.Auth, c.Key, c.HTTP = client.Auth{Method: client.AuthTLS, Certificate: &w.signed}, nil, w.front.Client()
	case "self":
		c.Auth, c.Key, c.HTTP = client.Auth{Method: client.AuthSelfSignedTLS, Certificate: &w.self}, nil, w.front.Client()
	default:
		c.Auth = client.Auth{Method: client.AuthSecretBasic, Secret: secretOf(id)}
	}
	if edit != nil {
		edit(&c)
	}
	out, err := client.New(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// http is an HTTP client for both servers, on the tape.
func (w *issuerWorld) http() *http.Client {
	return &http.Client{Transport: &recorder{base: w.front.Client().Transport, tape: w.tape, now: w.clock.Now}}
}

// person is somebody at a browser who agrees to everything.
func (w *issuerWorld) person() *up.Person {
	return &up.Person{Name: personName, Password: secretOf(personName), HTTP: &http.Client{
		Transport:     w.front.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// login runs the code flow of a program on this machine.
func (w *issuerWorld) login(c *client.Client) *client.Grant {
	w.t.Helper()
	g, err := c.LoginLoopback(w.t.Context(), func(address string) error { return w.person().Visit(w.t.Context(), address) })
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func loopback(c *client.Config) { c.RedirectURL = "http://127.0.0.1/callback" }

// transport presents a token to the resources; with a certificate, over it.
func (w *issuerWorld) transport(tokens client.TokenSource, certificate *tls.Certificate) *client.Transport {
	tr := &client.Transport{Tokens: tokens, Origins: []string{w.api.URL, w.vault.URL}, Base: w.front.Client().Transport, Now: w.clock.Now, OnExchange: w.tape.add}
	if certificate != nil {
		base := w.front.Client().Transport.(*http.Transport).Clone()
		base.TLSClientConfig.Certificates = []tls.Certificate{*certificate}
		tr.Base, tr.AllowBearer = base, true
	}
	return tr
}

// wantServed calls a resource and wants its answer to name the subject.
func (w *issuerWorld) wantServed(tr *client.Transport, address, subject string) {
	w.t.Helper()
	r := do(w.t, &http.Client{Transport: tr}, http.MethodGet, address, nil)
	wantStatus(w.t, r, http.StatusOK)
	if got := bodyOf(w.t, r); got != subject {
		w.t.Errorf("the subject is %q, want %q", got, subject)
	}
}

func wantRefused(t *testing.T, what string, err error, code string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: error %v, want %s", what, err, code)
	}
}

// Every way to a token ends in a call that the resource serves.
func TestIssuerFlows(t *testing.T) {
	tests := []struct {
		name, client, subject string
		config                func(*client.Config)
		run                   func(w *issuerWorld, c *client.Client) (*client.Grant, error)
	}{
		{"a code for a program on this machine", "native", "subject-1", loopback, func(w *issuerWorld, c *client.Client) (*client.Grant, error) {
			return w.login(c), nil
		}},
		{"a code for a web application", "web", "subject-1", nil, codeByHand},
		{"a code for an application that signs", "signer", "subject-1", nil, codeByHand},
		{"client_secret_basic", "web", "web", nil, byItself},
		{"client_secret_post", "poster", "poster", nil, byItself},
		{"private_key_jwt", "signer", "signer", nil, byItself}, // PKJ-3-01: the nonce challenge costs an assertion
		{"tls_client_auth", "signed", "signed", nil, byItself},
		{"self_signed_tls_client_auth", "self", "self", nil, byItself},
		{"token exchange", "vault", "subject-1", nil, func(w *issuerWorld, c *client.Client) (*client.Grant, error) {
			// RFC 8693: an API acts on for the person who called it.
			g := w.login(w.client("native", func(c *client.Config) {
				loopback(c)
				c.Key = holdfasttest.NewKey(w.t)
			}))
			return c.Exchange(w.t.Context(), client.ExchangeRequest{Subject: g.Token.Value})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newIssuerWorld(t, nil)
			g, err := tt.run(w, w.client(tt.client, tt.config))
			if err != nil {
				t.Fatal(err)
			}
			var certificate *tls.Certificate
			switch tt.client {
			case "signed":
				certificate = &w.signed
			case "self":
				certificate = &w.self
			default:
				if g.Token.Type != "DPoP" || g.Token.Key != w.key { // D-5-02
					t.Errorf("token type %q", g.Token.Type)
				}
			}
			if !slices.Equal(g.Scope, []string{"read"}) || len(g.Warnings) > 0 {
				t.Errorf("scope %q, warnings %q", g.Scope, g.Warnings)
			}
			w.wantServed(w.transport(given{g.Token}, certificate), w.api.URL, tt.subject)
			w.tape.wantDistinctProofs(t)

			// D-6.1-01, M-3-01: nobody else can use it.
			thief := w.transport(given{&client.Token{Value: g.Token.Value, Type: g.Token.Type, Key: holdfasttest.NewKey(t)}}, nil)
			if certificate != nil {
				other := holdfasttest.NewCertificate(t, tt.client)
				thief = w.transport(given{g.Token}, &other)
			}
			wantStatus(t, do(t, &http.Client{Transport: thief}, http.MethodGet, w.api.URL, nil), http.StatusUnauthorized)
		})
	}
}

func byItself(w *issuerWorld, c *client.Client) (*client.Grant, error) {
	return c.ClientCredentials(w.t.Context())
}

// codeByHand runs the code flow as a web application does: the callback comes
// to another server.
func codeByHand(w *issuerWorld, c *client.Client) (*client.Grant, error) {
	a, err := c.Begin(w.t.Context())
	if err != nil {
		return nil, err
	}
	var back *url.URL
	p := w.person()
	p.HTTP.Transport = redirected(func(r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(r.URL.String(), redirectURL) {
			return w.front.Client().Transport.RoundTrip(r)
		}
		back = r.URL
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	})
	if err := p.Visit(w.t.Context(), a.URL()); err != nil {
		return nil, err
	}
	if back == nil {
		return nil, fmt.Errorf("the browser did not come back to the application")
	}
	return a.Finish(w.t.Context(), back.Query())
}

// redirected is an http.RoundTripper.
type redirected func(*http.Request) (*http.Response, error)

func (f redirected) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestIssuerDeviceFlow(t *testing.T) {
	t.Parallel() // it waits for the interval of the server
	w := newIssuerWorld(t, nil)
	g, err := w.client("native", nil).Device(t.Context(), func(d client.DeviceCode) error {
		return w.person().Visit(t.Context(), d.VerificationURIComplete)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantServed(w.transport(given{g.Token}, nil), w.api.URL, "subject-1")
}

// A source over a stored grant refreshes when the access token ends: once for
// all callers, and the rotated refresh token is kept.
func TestIssuerRefreshesUnderAStore(t *testing.T) {
	w := newIssuerWorld(t, nil)
	c := w.client("native", loopback)
	first := w.login(c)
	if !first.RefreshBound { // D-5-06
		t.Error("the refresh token is not bound")
	}
	source := c.Source(client.NewMemoryStore(first))
	for range 3 {
		w.clock.Advance(authserver.DefaultAccessLifetime)
		const callers = 20
		values := make([]string, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				if token, err := source.Token(t.Context()); err != nil {
					t.Error(err)
				} else {
					values[i] = token.Value.Reveal()
				}
			})
		}
		all.Wait()
		if slices.Sort(values); values[0] != values[callers-1] {
			t.Error("two callers got two tokens")
		}
		w.wantServed(w.transport(source, nil), w.api.URL, "subject-1")
	}

	// D-5-08: with another key the refresh token is of no use, and nothing of it is spent.
	fresh := w.login(c)
	stolen := *fresh
	stolen.Key = holdfasttest.NewKey(t)
	_, err := c.Refresh(t.Context(), &stolen)
	wantRefused(t, "refreshing with another key", err, "invalid_grant")
	w.tape.wantCause(t, "refresh-key-mismatch")
	if _, err := c.Refresh(t.Context(), fresh); err != nil {
		t.Errorf("refreshing with the right key after that: %v", err)
	}

	// BCP-4.14-04: the first refresh token was spent long ago: everything that
	// came from it ends.
	_, err = c.Refresh(t.Context(), first)
	wantRefused(t, "refreshing with a spent token", err, "invalid_grant")
	w.clock.Advance(authserver.DefaultAccessLifetime)
	_, err = source.Token(t.Context())
	wantRefused(t, "refreshing with its latest successor", err, "invalid_grant")
}

func TestIssuerRevocation(t *testing.T) {
	w := newIssuerWorld(t, nil)
	c := w.client("native", func(c *client.Config) {
		loopback(c)
		c.Resource = []string{w.vault.URL}
	})
	g := w.login(c)
	tr := w.transport(given{g.Token}, nil)
	w.wantServed(tr, w.vault.URL, "subject-1") // D-6.2-04: the binding comes with the introspection response
	if err := c.Revoke(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, do(t, &http.Client{Transport: tr}, http.MethodGet, w.vault.URL, nil), http.StatusUnauthorized) // REV-2-01
	w.tape.wantCause(t, "token-revoked")
	_, err := c.Refresh(t.Context(), g)
	wantRefused(t, "refreshing after the revocation", err, "invalid_grant")
}

// A nonce that has expired costs one attempt, at every endpoint.
func TestIssuerNonces(t *testing.T) {
	w := newIssuerWorld(t, nil)
	c := w.client("web", nil)
	count := func() (challenged, granted int) {
		for _, x := range w.tape.all() {
			if strings.HasSuffix(x.Request.URL, "/token") {
				if x.Status == http.StatusOK {
					granted++
				} else if strings.Contains(string(x.Body), "use_dpop_nonce") { // D-8-01
					challenged++
				}
				if x.Header.Get("DPoP-Nonce") == "" {
					t.Error("an answer of the token endpoint brings no nonce")
				}
			}
		}
		return challenged, granted
	}
	for i, want := range []struct {
		wait                time.Duration
		challenged, granted int
	}{{0, 1, 1}, {time.Minute, 1, 2}, {time.Hour, 2, 3}} {
		w.clock.Advance(want.wait)
		if _, err := c.ClientCredentials(t.Context()); err != nil {
			t.Fatal(err)
		}
		if challenged, granted := count(); challenged != want.challenged || granted != want.granted {
			t.Errorf("after request %d: %d challenges and %d tokens, want %d and %d", i+1, challenged, granted, want.challenged, want.granted)
		}
	}
	w.tape.wantDistinctProofs(t)
	w.tape.wantCause(t, "")
}

// A store that is down is no fault of the client.
func TestIssuerWithoutItsStore(t *testing.T) {
	broken := &brokenStore{}
	w := newIssuerWorld(t, func(c *authserver.Config) {
		broken.Store = c.Store
		c.Store = broken
	})
	c := w.client("native", loopback)
	g := w.login(c)
	broken.set(true)
	_, err := c.Refresh(t.Context(), g)
	var e *client.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable {
		t.Errorf("error %v, want status 503", err)
	}
	broken.set(false)
	if _, err := c.Refresh(t.Context(), g); err != nil {
		t.Errorf("with the store: %v", err)
	}
	wantDiagnosis(t, w.tape.all(), explain.Knowledge{}, explain.NoFailure, "")
}

// brokenStore fails while it is told to.
type brokenStore struct {
	store.Store
	mu   sync.Mutex
	down bool
}

func (s *brokenStore) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *brokenStore) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("the store is down")
	}
	return nil
}

func (s *brokenStore) Get(ctx context.Context, k store.Kind, key [32]byte) (store.Record, error) {
	if err := s.err(); err != nil {
		return store.Record{}, err
	}
	return s.Store.Get(ctx, k, key)
}

func (s *brokenStore) Create(ctx context.Context, r store.Record) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Create(ctx, r)
}

func (s *brokenStore) Swap(ctx context.Context, r store.Record) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Store.Swap(ctx, r)
}
