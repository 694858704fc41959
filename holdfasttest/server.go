package holdfasttest

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// Lifetimes and limits of the test server.
const (
	DefaultLifetime = 5 * time.Minute  // of an access token
	CodeLifetime    = 60 * time.Second // of an authorization code and of a pushed request
	DeviceLifetime  = 5 * time.Minute  // of a device code
	MaxFormBytes    = 64 << 10         // of one request body
)

// DefaultAudience is the aud of a token for which no resource was named. A
// [Resource] accepts it beside its own URL.
const DefaultAudience = "https://api.example"

// ServerConfig configures [NewServer]. The zero value has no clients.
type ServerConfig struct {
	Clients []Client

	// Nonce says when a proof needs a nonce; the zero value means always.
	Nonce holdfast.NonceMode

	Opaque     bool          // access tokens are references; a resource has to introspect them
	RequirePAR bool          // authorization requests have to be pushed (RFC 9126 section 5)
	Lifetime   time.Duration // of access tokens; 0 means DefaultLifetime

	// DevicePolls is how often a device is told authorization_pending before
	// its user approves. DeviceInterval, in whole seconds and 1 s if zero, is what
	// it is asked to wait; whether it does is not checked.
	DevicePolls    int
	DeviceInterval time.Duration

	Faults Faults           // see Server.Inject
	Now    func() time.Time // nil means time.Now
}

// Server is a running authorization server. It is safe for concurrent use; make
// it with [NewServer].
type Server struct {
	// URL is the issuer identifier: https, a loopback address, no path.
	URL string

	http    *httptest.Server
	base    *url.URL
	config  ServerConfig
	clients map[string]*Client
	nonces  *nonces
	proofs  *holdfast.ProofVerifier

	faults atomic.Pointer[Faults]

	introspecting Client // how a Resource authenticates

	mu         sync.Mutex   // held while a request is answered; guards what follows
	keys       []signingKey // published, the one that signs first
	pushed     map[string]*authorization
	codes      map[string]*authorization
	devices    map[string]*device
	access     map[string]*accessToken
	refresh    map[string]*refreshToken
	tokenCalls int
}

type signingKey struct {
	id     string
	signer crypto.Signer
}

// NewServer starts a server that is closed when the test ends. A configuration
// that cannot work ends the test.
func NewServer(t testing.TB, c ServerConfig) *Server {
	t.Helper()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lifetime == 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.DeviceInterval == 0 {
		c.DeviceInterval = time.Second
	}
	s := &Server{
		config: c, clients: map[string]*Client{},
		pushed: map[string]*authorization{}, codes: map[string]*authorization{}, devices: map[string]*device{},
		access: map[string]*accessToken{}, refresh: map[string]*refreshToken{},
	}
	for _, client := range c.Clients {
		if err := client.check(); err != nil {
			t.Fatal(err)
		}
		s.clients[client.ID] = &client
	}
	s.introspecting = Client{ID: "resource of holdfasttest", Secret: holdfast.NewSecret(handle("secret-"))}
	s.clients[s.introspecting.ID] = &s.introspecting
	s.nonces = &nonces{now: s.now, issued: map[string]time.Time{}}
	s.Inject(c.Faults)
	var err error
	s.proofs, err = holdfast.NewProofVerifier(holdfast.ProofPolicy{
		Nonces: s.nonces, Nonce: c.Nonce, Replays: &replays{seen: map[holdfast.ReplayID]bool{}}, Now: s.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.RotateKeys()
	s.http = httptest.NewUnstartedServer(s.handler())
	s.URL = "https://" + s.http.Listener.Addr().String()
	s.base, _ = url.Parse(s.URL) // an address of our own listener
	startTLS(t, s.http)
	return s
}

// startTLS serves HTTP/1.1 and HTTP/2 and asks for client certificates without
// judging them: what is bound to one compares it.
func startTLS(t testing.TB, h *httptest.Server) {
	h.EnableHTTP2 = true
	h.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	h.Config.ErrorLog = quiet()
	h.StartTLS()
	t.Cleanup(h.Close)
}

// Client returns a client that trusts the server, and any [Resource], and
// presents the given certificates.
func (s *Server) Client(certificates ...tls.Certificate) *http.Client {
	return clientOf(s.http, certificates)
}

func clientOf(h *httptest.Server, certificates []tls.Certificate) *http.Client {
	base := h.Client().Transport.(*http.Transport).Clone()
	base.TLSClientConfig.Certificates = certificates
	base.ForceAttemptHTTP2 = true
	return &http.Client{Transport: base, Timeout: time.Minute}
}

// Inject replaces the faults of the server from now on.
func (s *Server) Inject(f Faults) {
	s.faults.Store(&f)
	s.nonces.inject(f)
}

// ExpireNonces makes every nonce that was handed out so far a stale one.
func (s *Server) ExpireNonces() { s.nonces.expire() }

// TokenRequests returns how many requests the token endpoint has answered,
// refused ones and nonce challenges included.
func (s *Server) TokenRequests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokenCalls
}

func (s *Server) now() time.Time { return s.config.Now().Add(s.faults.Load().ClockOffset) }

// Metadata returns what the server publishes about itself (RFC 8414).
func (s *Server) Metadata() *metadata.Server {
	algs := make([]string, 0, 8)
	for _, a := range s.proofs.Algs() {
		algs = append(algs, string(a))
	}
	return &metadata.Server{
		Issuer:                      s.URL,
		AuthorizationEndpoint:       s.URL + "/authorize",
		TokenEndpoint:               s.URL + "/token",
		JWKSURI:                     s.URL + "/jwks",
		RevocationEndpoint:          s.URL + "/revoke",
		IntrospectionEndpoint:       s.URL + "/introspect",
		PAREndpoint:                 s.URL + "/par",
		DeviceAuthorizationEndpoint: s.URL + "/device",

		ResponseTypesSupported: []string{"code"},
		GrantTypesSupported:    []string{grantCode, grantRefresh, grantClient, grantDevice, grantExchange},
		AuthMethodsSupported:   []string{"none", "client_secret_basic", "client_secret_post", "self_signed_tls_client_auth"},
		CodeChallengeMethods:   []string{"S256"},
		DPoPSigningAlgs:        algs,

		RequirePAR: s.config.RequirePAR, CertificateBoundTokens: true, IssParameterSupported: true,
	}
}

func (s *Server) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Metadata())
	})
	m.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.jwks()) })
	m.HandleFunc("GET /authorize", s.authorize)
	m.Handle("POST /par", s.form(http.StatusCreated, s.push))
	m.Handle("POST /token", s.form(http.StatusOK, s.token))
	m.Handle("POST /device", s.form(http.StatusOK, s.startDevice))
	m.Handle("POST /introspect", s.form(http.StatusOK, s.introspect))
	m.Handle("POST /revoke", s.form(http.StatusOK, s.revoke))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		if s.faults.Load().HugeResponse {
			writeHuge(w)
			return
		}
		m.ServeHTTP(w, r)
	})
}

// failure is an error answer of an endpoint (RFC 6749 section 5.2).
type failure struct {
	status     int
	code, text string
}

// Error is the text for whoever reads the answer of a test.
func (f *failure) Error() string { return f.code + ": " + f.text }

func refuse(code, text string) *failure { return &failure{http.StatusBadRequest, code, text} }

// endpoint answers one form post of an authenticated client. It runs while mu
// is held: what it finds stays true until it is done.
type endpoint func(r *http.Request, c *Client, form url.Values) (answer any, err error)

// form reads the request, authenticates the client and writes the answer, always
// with a nonce for the next proof (RFC 9449 section 8.2).
func (s *Server) form(status int, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		form, err := readForm(w, r)
		var answer any
		if err == nil {
			answer, err = s.answer(e, r, form)
		}
		if nonce, fault := s.nonces.Issue(r.Context()); fault == nil && s.config.Nonce != holdfast.NonceOptional {
			w.Header().Set("DPoP-Nonce", nonce)
		}
		var f *failure
		switch {
		case errors.As(err, &f):
			if f.status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
				w.Header().Set("WWW-Authenticate", `Basic realm="holdfasttest"`)
			}
			writeJSON(w, f.status, map[string]string{"error": f.code, "error_description": f.text})
		case answer == nil:
			w.WriteHeader(status)
		default:
			writeJSON(w, status, answer)
		}
	})
}

func (s *Server) answer(e endpoint, r *http.Request, form url.Values) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		s.tokenCalls++
	}
	c, err := s.authenticate(r, form)
	if err != nil {
		return nil, err
	}
	return e(r, c, form)
}

// readForm reads a form body in which no parameter is repeated (RFC 6749 section
// 3.2), save those that may be (RFC 8707 section 2, RFC 8693 section 2.1).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/x-www-form-urlencoded" {
		return nil, refuse("invalid_request", "the body has to be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxFormBytes)
	if err := r.ParseForm(); err != nil {
		return nil, refuse("invalid_request", "the body is not a form, or too long")
	}
	if len(r.URL.RawQuery) > 0 {
		return nil, refuse("invalid_request", "parameters belong into the body, the query has to be empty")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return nil, refuse("invalid_request", "a parameter occurs twice")
		}
	}
	return r.PostForm, nil
}

// prove judges the proof of a request.
func (s *Server) prove(r *http.Request, need holdfast.ProofNeed) (holdfast.Thumbprint, error) {
	if s.faults.Load().IgnoreProofs {
		return holdfast.Thumbprint{}, nil
	}
	p, err := holdfast.Present(r, s.base)
	if err != nil {
		return holdfast.Thumbprint{}, refuse("invalid_request", "the request target cannot be read")
	}
	holder, err := s.proofs.Verify(r.Context(), p, need)
	if err != nil {
		return holder, refusal(err)
	}
	return holder, nil
}

// refusal is the answer to a proof that was refused: the code of the check
// table is in the description, so that a test sees why.
func refusal(err error) *failure {
	code := holdfast.CodeOf(err)
	if code.Area() == holdfast.AreaServer {
		return &failure{http.StatusServiceUnavailable, "server_error", code.String()}
	}
	return refuse(code.OAuthError(), code.String()+": "+code.Public())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that hung up is no fault of the server
}

// handle returns a fresh unguessable value: 130 bits.
func handle(prefix string) string { return prefix + rand.Text() }
