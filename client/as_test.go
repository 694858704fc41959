package client_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// authServer is a strict authorization server over TLS: it verifies every proof,
// demands nonces, and binds codes, pushed requests and refresh tokens.
type authServer struct {
	*httptest.Server
	url   *url.URL
	meta  metadata.Server
	proof *holdfast.ProofVerifier

	mu       sync.Mutex
	now      func() time.Time
	asked    []asked // every request but those for metadata
	codes    map[string]codeFacts
	pushed   map[string]url.Values
	refresh  map[string]holdfast.Thumbprint // live refresh tokens
	lifetime int                            // expires_in; 0: left out
	bearer   bool                           // access tokens are Bearer
	polls    []time.Time                    // of the device flow, nonce challenges apart
	pending  []string                       // errors for polls, then success
	serial   int
	override func(w http.ResponseWriter, r *http.Request, nth int) bool // true: answered
	edit     func(answer map[string]any)                                // of token responses
}

// asked is a request as it arrived.
type asked struct {
	path   string
	form   url.Values
	header http.Header
	cert   string // hash of the client certificate
	nonce  string // in the proof
	jti    string
	iat    int64
	htm    string
	htu    string
	ath    bool
	jkt    holdfast.Thumbprint // of an accepted proof
}

type codeFacts struct{ challenge, redirect, jkt, state string }

func newAuthServer(t testing.TB, change func(*authServer, *holdfast.ProofPolicy)) *authServer {
	t.Helper()
	s := &authServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.handle))
	s.Server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.Server.EnableHTTP2 = true
	s.Server.StartTLS()
	t.Cleanup(s.Server.Close)
	s.settle(t, change)
	return s
}

// inMemory is a server without a network, for tests whose time is not the real one.
func inMemory(t testing.TB, change func(*authServer, *holdfast.ProofPolicy)) *authServer {
	t.Helper()
	s := &authServer{Server: &httptest.Server{URL: "https://as.example"}}
	s.settle(t, change)
	return s
}

// RoundTrip implements http.RoundTripper for a server in memory.
func (s *authServer) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.TLS = r.URL.RequestURI(), &tls.ConnectionState{}
	w := httptest.NewRecorder()
	s.handle(w, in)
	return w.Result(), r.Context().Err()
}

func (s *authServer) settle(t testing.TB, change func(*authServer, *holdfast.ProofPolicy)) {
	t.Helper()
	s.codes, s.pushed, s.refresh = map[string]codeFacts{}, map[string]url.Values{}, map[string]holdfast.Thumbprint{}
	s.lifetime, s.now = 300, time.Now
	s.url, _ = url.Parse(s.URL)
	s.meta = metadata.Server{
		Issuer: s.URL, AuthorizationEndpoint: s.URL + "/authorize", TokenEndpoint: s.URL + "/token",
		RevocationEndpoint: s.URL + "/revoke", PAREndpoint: s.URL + "/par", DeviceAuthorizationEndpoint: s.URL + "/device",
		DPoPSigningAlgs: []string{"ES256", "EdDSA"}, CodeChallengeMethods: []string{"S256"},
		ResponseTypesSupported: []string{"code"}, IssParameterSupported: true,
	}
	nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: "as", Now: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	policy := holdfast.ProofPolicy{Nonces: nonces, Now: s.clock}
	if change != nil {
		change(s, &policy)
	}
	if s.proof, err = holdfast.NewProofVerifier(policy); err != nil {
		t.Fatal(err)
	}
}

// withoutNonces makes a server that demands none, not even after its start: a
// replay cache that says since when it remembers would make it ask.
func withoutNonces(t testing.TB, p *holdfast.ProofPolicy) {
	t.Helper()
	replays, err := holdfast.NewReplays(holdfast.ReplayConfig{Now: p.Now})
	if err != nil {
		t.Fatal(err)
	}
	p.Nonces, p.Nonce, p.Replays = nil, holdfast.NonceOptional, struct{ holdfast.ReplayCache }{replays}
}

func (s *authServer) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// config is that of a public client of the server.
func (s *authServer) config(t testing.TB) client.Config {
	t.Helper()
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return client.Config{
		Issuer: s.URL, ClientID: "app", Key: key, Scope: []string{"read", "write"},
		RedirectURL: "https://app.example/cb", HTTP: s.http(),
	}
}

func (s *authServer) http() *http.Client {
	if s.Listener == nil {
		return &http.Client{Transport: s}
	}
	return s.Client()
}

func (s *authServer) client(t testing.TB, change func(*client.Config)) *client.Client {
	t.Helper()
	conf := s.config(t)
	if change != nil {
		change(&conf)
	}
	c, err := client.New(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// confidential makes a client that authenticates with a signed assertion.
func confidential(t testing.TB) func(*client.Config) {
	signer := newSigner(t)
	return func(c *client.Config) {
		c.Auth = client.Auth{Method: client.AuthPrivateKeyJWT, Signer: signer, KeyID: "k1"}
	}
}

// requests returns what arrived at a path, all if it is "".
func (s *authServer) requests(path string) []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []asked
	for _, a := range s.asked {
		if path == "" || a.path == path {
			out = append(out, a)
		}
	}
	return out
}

func (s *authServer) handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
	if r.URL.Path == "/.well-known/oauth-authorization-server" {
		_ = json.NewEncoder(w).Encode(s.meta)
		return
	}
	_ = r.ParseForm()
	a := asked{path: r.URL.Path, form: r.PostForm, header: r.Header.Clone()}
	if len(r.TLS.PeerCertificates) > 0 {
		a.cert = thumbprintOf(r.TLS.PeerCertificates[0].Raw)
	}
	if j, err := jose.Parse(r.Header.Get("DPoP"), 2*holdfast.MaxProofBytes); err == nil {
		var c struct {
			JTI, Nonce, HTM, HTU, ATH string
			IAT                       int64
		}
		_ = json.Unmarshal([]byte(j.Payload), &c)
		a.nonce, a.jti, a.iat, a.htm, a.htu, a.ath = c.Nonce, c.JTI, c.IAT, c.HTM, c.HTU, c.ATH != ""
	}
	s.mu.Lock()
	nth := 0
	for _, b := range s.asked {
		if b.path == a.path {
			nth++
		}
	}
	at := len(s.asked)
	s.asked = append(s.asked, a)
	override := s.override
	s.mu.Unlock()
	if override != nil && override(w, r, nth) {
		return
	}
	switch r.URL.Path {
	case "/authorize":
		s.authorize(w, r)
	case "/par", "/token":
		holder, ok := s.prove(w, r)
		if !ok {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked[at].jkt = holder
		if r.URL.Path == "/par" {
			s.push(w, r)
		} else {
			s.token(w, r, holder)
		}
	case "/device":
		answer(w, http.StatusOK, map[string]any{
			"device_code": "device-code-1", "user_code": "WDJB-MJHT", "verification_uri": "https://as.example/device", "expires_in": 1800,
		})
	case "/revoke":
		w.WriteHeader(http.StatusOK)
	default:
		http.NotFound(w, r)
	}
}

// prove judges the proof, if there is one, with what it has to be bound to.
func (s *authServer) prove(w http.ResponseWriter, r *http.Request) (holdfast.Thumbprint, bool) {
	if r.Header.Get("DPoP") == "" {
		return holdfast.Thumbprint{}, true
	}
	p, err := holdfast.Present(r, s.url)
	if err != nil {
		deny(w, "server_error")
		return holdfast.Thumbprint{}, false
	}
	var need holdfast.ProofNeed
	s.mu.Lock()
	if jkt, err := holdfast.ParseThumbprint(s.codes[r.PostForm.Get("code")].jkt); err == nil {
		need.Code = &jkt
	}
	if jkt := s.refresh[r.PostForm.Get("refresh_token")]; !jkt.IsZero() {
		need.Refresh = &jkt
	}
	if jkt, err := holdfast.ParseThumbprint(r.PostForm.Get("dpop_jkt")); err == nil {
		need.Pushed = &jkt
	}
	s.mu.Unlock()
	holder, err := s.proof.Verify(r.Context(), p, need)
	if code := holdfast.CodeOf(err); code != holdfast.CodeOK {
		if code.OAuthError() == "use_dpop_nonce" {
			nonce, _ := s.proof.Nonce(r.Context())
			w.Header().Set("DPoP-Nonce", nonce)
		}
		deny(w, code.OAuthError())
		return holder, false
	}
	return holder, true
}

func (s *authServer) push(w http.ResponseWriter, r *http.Request) {
	s.serial++
	uri := fmt.Sprintf("urn:ietf:params:oauth:request_uri:%d", s.serial)
	s.pushed[uri] = r.PostForm
	answer(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 60})
}

// authorize plays the user who agrees at once.
func (s *authServer) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	if uri := q.Get("request_uri"); uri != "" {
		q = s.pushed[uri]
		delete(s.pushed, uri)
	}
	if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		http.Error(w, "not a request with PKCE", http.StatusBadRequest)
		return
	}
	s.serial++
	code := fmt.Sprintf("code-number-%d", s.serial)
	s.codes[code] = codeFacts{q.Get("code_challenge"), q.Get("redirect_uri"), q.Get("dpop_jkt"), q.Get("state")}
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {s.URL}}
	w.Header().Set("Location", q.Get("redirect_uri")+"?"+back.Encode())
	w.WriteHeader(http.StatusFound)
}

// token answers a token request whose proof was accepted; s.mu is held.
func (s *authServer) token(w http.ResponseWriter, r *http.Request, holder holdfast.Thumbprint) {
	form := r.PostForm
	switch form.Get("grant_type") {
	case "authorization_code":
		c, ok := s.codes[form.Get("code")]
		delete(s.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !ok || c.redirect != form.Get("redirect_uri") || c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			deny(w, "invalid_grant")
			return
		}
	case "refresh_token":
		if _, ok := s.refresh[form.Get("refresh_token")]; !ok {
			deny(w, "invalid_grant")
			return
		}
		delete(s.refresh, form.Get("refresh_token"))
	case "urn:ietf:params:oauth:grant-type:device_code":
		s.polls = append(s.polls, s.now())
		if len(s.pending) > 0 {
			code := s.pending[0]
			s.pending = s.pending[1:]
			deny(w, code)
			return
		}
	}
	s.serial++
	typ := "DPoP"
	if s.bearer || holder.IsZero() {
		typ = "Bearer"
	}
	out := map[string]any{"access_token": fmt.Sprintf("access-token-%d", s.serial), "token_type": typ}
	if s.lifetime != 0 {
		out["expires_in"] = s.lifetime
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		out["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
	default:
		rt := fmt.Sprintf("refresh-token-%d", s.serial)
		s.refresh[rt] = holder
		out["refresh_token"] = rt
	}
	if s.edit != nil {
		s.edit(out)
	}
	answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, status int, members map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(members)
}

func deny(w http.ResponseWriter, code string) {
	answer(w, http.StatusBadRequest, map[string]any{"error": code})
}

// agree visits the authorization URL as a browser would and returns the callback.
func (s *authServer) agree(t testing.TB, address string) url.Values {
	t.Helper()
	r, err := s.visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	back, err := r.Location()
	if err != nil {
		t.Fatalf("status %d: %v", r.StatusCode, err)
	}
	return back.Query()
}

func (s *authServer) visit(ctx context.Context, address string) (*http.Response, error) {
	browser := *s.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return browser.Do(r)
}

// login runs the whole code flow.
func (s *authServer) login(t testing.TB, c *client.Client) *client.Grant {
	t.Helper()
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := a.Finish(t.Context(), s.agree(t, a.URL()))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func thumbprintOf(der []byte) string {
	return holdfast.Thumbprint(sha256.Sum256(der)).String()
}

// wantError checks what a refusal says and that it holds no secret.
func wantError(t testing.TB, err error, texts ...string) *client.Error {
	t.Helper()
	e := asError(err)
	if e == nil {
		t.Fatalf("got %v (%T), want a *client.Error with %q", err, err, texts)
	}
	all := e.Error() + " | " + e.Hint
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("got %q, want %q in it", all, text)
		}
	}
	shown := all + fmt.Sprintf("%+v", e)
	if e.Exchange != nil {
		shown += fmt.Sprintf("%+v %v %v", e.Exchange, e.Exchange.RequestHeader, e.Exchange.Header)
	}
	for _, secret := range []string{"eyJ", "code-number", "access-token", "refresh-token", "device-code", "s3cr3t"} {
		if strings.Contains(shown, secret) {
			t.Errorf("the error shows a secret: %q", shown)
		}
	}
	return e
}

// distinct reports whether no value comes twice.
func distinct[T comparable](values []T) bool {
	seen := map[T]bool{}
	for _, v := range values {
		if seen[v] {
			return false
		}
		seen[v] = true
	}
	return true
}

func collect[T any](requests []asked, pick func(asked) T) []T {
	var out []T
	for _, r := range requests {
		out = append(out, pick(r))
	}
	return out
}

// pool is the certificate of a server as a trusted root.
func pool(s *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.Certificate())
	return p
}

func equalWords(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
