package authserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/store"
)

// Paths of the endpoints, below the issuer.
const (
	pathAuthorize  = "/authorize"
	pathPAR        = "/par"
	pathToken      = "/token"
	pathIntrospect = "/introspect"
	pathRevoke     = "/revoke"
	pathRegister   = "/register"
	pathDevice     = "/device_authorization"
	pathJWKS       = "/jwks"
	pathBlocks     = "/blocks"
	pathLogin      = "/login"    // and below it, one path per upstream
	pathCallback   = "/callback" // below it, one path per upstream
	pathConsent    = "/consent"
	pathActivate   = "/activate" // where people enter user codes
	pathStyle      = "/style.css"
)

// Server is an authorization server. Safe for concurrent use; make it with
// [New].
type Server struct {
	config Config
	issuer *url.URL
	origin *url.URL // of the issuer: what requests are judged against
	mtls   *url.URL // origin of the mTLS listener; nil without
	store  store.Store
	proofs *holdfast.ProofVerifier
	now    func() time.Time

	clients *clients
	signing *keyRing
	sealer  *sealer
	seen    *seenKeys
	pages   *pages

	anonymous *sourceCounter // requests of clients without credentials

	handler  http.Handler
	mtlsOnly http.Handler
}

// New checks the configuration, reports every mistake at once, and makes the
// first signing key if there is none. It does not listen and starts nothing in
// the background but what Close ends.
func New(ctx context.Context, c Config) (*Server, error) {
	if err := c.settle(); err != nil {
		return nil, err
	}
	s := &Server{config: c, now: c.Now}
	s.issuer, _ = url.Parse(c.Issuer) // settle has checked both
	s.origin = &url.URL{Scheme: s.issuer.Scheme, Host: s.issuer.Host}
	if c.MTLSURL != "" {
		s.mtls, _ = url.Parse(c.MTLSURL)
	}
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	s.store, err = store.Seal(c.Store, c.SealingKeys...)
	keep(err)
	s.proofs, err = holdfast.NewProofVerifier(c.Proof)
	keep(err)
	s.sealer, err = newSealer(c.SealingKeys)
	keep(err)
	s.clients, err = newClients(s)
	keep(err)
	s.pages, err = newPages(c.Templates)
	keep(err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("authorization server: %w", err)
	}
	if err := s.opens(ctx); err != nil {
		return nil, fmt.Errorf("authorization server: sealing keys: %w", err)
	}
	s.seen = newSeenKeys(s)
	s.anonymous = newSourceCounter(AnonymousPerMinute, time.Minute)
	if s.signing, err = newKeyRing(ctx, s); err != nil {
		return nil, fmt.Errorf("authorization server: %w", err)
	}
	s.handler, s.mtlsOnly = s.routes()
	return s, nil
}

// opens reports why the sealing keys do not open what is in the store: nothing
// must be written under a wrong one.
func (s *Server) opens(ctx context.Context) error {
	for _, k := range [...]store.Kind{store.KindSealing, kindSigning} {
		for _, err := range s.store.List(ctx, k, "") { // one record, if it was made
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Handler serves the public endpoints and pages.
func (s *Server) Handler() http.Handler { return s.handler }

// MTLSHandler serves, on a listener that asks for client certificates, the
// endpoints that clients authenticate at (RFC 8705 section 5). The listener has
// to verify possession only (tls.RequestClientCert): whom a certificate belongs
// to is judged here.
func (s *Server) MTLSHandler() http.Handler { return s.mtlsOnly }

// Close ends what runs in the background. It does not close the store.
func (s *Server) Close() error { return s.signing.close() }

func (s *Server) routes() (public, mtls http.Handler) {
	base := strings.TrimSuffix(s.issuer.Path, "/")
	m, t := http.NewServeMux(), http.NewServeMux()
	both := func(at string, h http.Handler) {
		m.Handle(base+at, h)
		t.Handle(base+at, h)
	}
	both(pathToken, s.endpoint("token", http.StatusOK, s.token))
	both(pathPAR, s.endpoint("par", http.StatusCreated, s.push))
	both(pathIntrospect, s.endpoint("introspect", http.StatusOK, s.introspect))
	both(pathRevoke, s.endpoint("revoke", http.StatusOK, s.revoke))
	both(pathDevice, s.endpoint("device", http.StatusOK, s.startDevice))
	m.Handle(base+pathRegister, s.cors(http.HandlerFunc(s.register)))

	m.Handle("GET /.well-known/oauth-authorization-server"+base, s.anyOrigin(http.HandlerFunc(s.serveMetadata)))
	m.Handle("GET "+base+pathJWKS, s.anyOrigin(http.HandlerFunc(s.serveJWKS)))
	m.Handle("GET "+base+pathBlocks, s.anyOrigin(http.HandlerFunc(s.serveBlocks)))
	s.routePages(m, base)
	if base != "" {
		m.Handle(base, http.NotFoundHandler())
	}
	return exact(m), exact(t)
}

// exact does not serve paths that are not written as they are. A ServeMux would
// redirect them with 307, which sends the body on, and a password or a secret
// with it (RFC 9700 section 4.12).
func exact(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := path.Clean("/" + r.URL.Path)
		if clean != "/" && strings.HasSuffix(r.URL.Path, "/") {
			clean += "/"
		}
		if clean != r.URL.Path {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// call is one request of a client to an endpoint, read and authenticated.
type call struct {
	*http.Request
	client *client
	form   url.Values
	event  *Event // what is known so far, for the audit log
	answer http.Header
}

// endpoint reads a form, authenticates the client, runs do and writes its
// answer with a nonce for the next proof (RFC 9449 section 8.2) and an event.
// A nil answer has no body.
func (s *Server) endpoint(name string, status int, do func(*call) (any, error)) http.Handler {
	return s.cors(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, event: s.event(r, name), answer: w.Header()}
		// The nonce comes first: without one nothing is consumed.
		nonce, err := s.nextNonce(r)
		var answer any
		if err == nil {
			answer, err = s.run(c, w, do)
			err = s.challenged(c, err)
		}
		if nonce == "" && err != nil && refusalOf(err).code == errUseNonce {
			nonce, err = s.challenge(r, err)
		}
		if nonce != "" {
			w.Header().Set("DPoP-Nonce", nonce)
		}
		s.record(c, err)
		switch {
		case err != nil:
			refusalOf(err).write(w, s.now())
		case answer == nil:
			notKept(w.Header())
			w.WriteHeader(status)
		default:
			writeJSON(w, status, answer)
		}
	}))
}

func (s *Server) run(c *call, w http.ResponseWriter, do func(*call) (any, error)) (any, error) {
	var err error
	if c.form, err = readForm(w, c.Request); err != nil {
		return nil, err
	}
	if c.client, err = s.authenticate(c); err != nil {
		return nil, err
	}
	c.event.Client = c.client.ClientID
	return do(c)
}

// event begins the record of a decision.
func (s *Server) event(r *http.Request, endpoint string) *Event {
	return &Event{Time: s.now(), Endpoint: endpoint, Remote: r.RemoteAddr, Request: shown(r.Header.Get("X-Request-Id"))}
}

// record finishes an event and hands it out.
func (s *Server) record(c *call, err error) { s.audit(c.Context(), c.event, err) }

func (s *Server) audit(ctx context.Context, e *Event, err error) {
	e.Decision = "granted"
	if err != nil {
		f := refusalOf(err)
		e.Decision, e.Error, e.Code, e.Reason = "refused", f.code, f.check, f.Error()
		switch {
		case f.status == http.StatusServiceUnavailable:
			e.Decision = "unavailable"
		case f.code == errUseNonce || f.code == errPending || f.code == errSlowDown:
			e.Decision = "challenged"
		}
	}
	if s.config.Audit != nil {
		s.config.Audit(ctx, *e)
	}
}

// exposed are the fields that scripts of an allowed origin may read (RFC 9449
// section 8).
const exposed = "DPoP-Nonce, WWW-Authenticate, Retry-After"

// cors answers scripts of the configured origins (RFC 9700 section 2.6).
func (s *Server) cors(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Add("Vary", "Origin")
			if slices.Contains(s.config.Origins, origin) {
				w.Header().Set("Access-Control-Allow-Origin", origin)
				w.Header().Set("Access-Control-Expose-Headers", exposed)
				if preflight(w, r, http.MethodPost) {
					return
				}
			}
		}
		h.ServeHTTP(w, r)
	})
}

// anyOrigin answers scripts of every origin: the documents are public.
func (s *Server) anyOrigin(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		h.ServeHTTP(w, r)
	})
}

// preflight answers an OPTIONS request of the Fetch standard.
func preflight(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	w.Header().Set("Access-Control-Allow-Methods", method)
	w.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
	w.Header().Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// endpointURL is the public address of an endpoint.
func (s *Server) endpointURL(path string) string {
	return strings.TrimSuffix(s.config.Issuer, "/") + path
}

// settle fills in the defaults and reports every mistake.
func (c *Config) settle() error {
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("authorization server: "+format, args...))
	}
	if u, err := fetch.Secure(c.Issuer); err != nil {
		problem("issuer: %w", err)
	} else if u.RawQuery != "" || u.ForceQuery || strings.HasSuffix(u.Path, "/") && u.Path != "/" {
		problem("issuer %s: want no query and no slash at the end", fetch.Shown(c.Issuer))
	}
	if c.MTLSURL != "" {
		if u, err := fetch.Secure(c.MTLSURL); err != nil || u.Scheme != "https" || u.Path != "" {
			problem("mTLS URL: want https://host:port and nothing more")
		}
	}
	if c.Store == nil {
		problem("a store is needed")
	}
	if len(c.SealingKeys) == 0 {
		problem("a sealing key is needed")
	}
	c.checkResources(problem)
	c.checkUpstreams(problem)
	for _, origin := range c.Origins {
		if u, err := fetch.Secure(origin); err != nil || fetch.Origin(u) != origin {
			problem("origin %.80q: want scheme://host of a site, without a slash at the end", origin)
		}
	}
	if c.Replicas > 1 && (c.Proof.Nonces == nil && c.Proof.Nonce != holdfast.NonceOptional || c.Proof.Replays == nil) {
		problem("%d replicas need shared nonces and a shared replay cache", c.Replicas)
	}
	for _, d := range []struct {
		name           string
		value          *time.Duration
		otherwise, max time.Duration
	}{
		{"access lifetime", &c.AccessLifetime, DefaultAccessLifetime, MaxAccessLifetime},
		{"code lifetime", &c.CodeLifetime, DefaultCodeLifetime, 10 * time.Minute},
		{"push lifetime", &c.PushLifetime, DefaultPushLifetime, 599 * time.Second},
		{"device lifetime", &c.DeviceLifetime, DefaultDeviceLifetime, time.Hour},
		{"refresh idle time", &c.RefreshIdle, DefaultRefreshIdle, 366 * 24 * time.Hour},
		{"refresh lifetime", &c.RefreshLifetime, DefaultRefreshLifetime, 366 * 24 * time.Hour},
		{"session lifetime", &c.SessionLifetime, DefaultSessionLifetime, 30 * 24 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < time.Second || *d.value > d.max {
			problem("%s is %v, want from 1s to %v", d.name, *d.value, d.max)
		}
	}
	if c.Profile == ProfileFAPI2 {
		c.RequirePAR = true
		if c.AllowUnbound || c.AllowSecrets || c.CodeLifetime > 60*time.Second {
			problem("FAPI 2.0 forbids unbound tokens, client secrets and codes that live longer than 60s")
		}
		if c.Proof.Skew != 0 && c.Proof.Skew < minAhead {
			problem("FAPI 2.0 accepts clocks that are %v ahead, the skew of proofs is %v", minAhead, c.Proof.Skew)
		}
		if len(c.Proof.Algs) == 0 {
			c.Proof.Algs = fapiAlgs()
		}
		for _, alg := range c.Proof.Algs {
			if !slices.Contains(fapiAlgs(), alg) {
				problem("FAPI 2.0 forbids proofs with %.20q", alg)
			}
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Proof.Now == nil {
		c.Proof.Now = c.Now
	}
	if c.Proof.Nonces == nil && c.Proof.Nonce != holdfast.NonceOptional {
		nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: c.Issuer, Now: c.Now})
		if err != nil {
			problem("nonces: %w", err)
		} else {
			c.Proof.Nonces = nonces
		}
	}
	return errors.Join(errs...)
}

// upstreamName is what fits into an address and into the name of a cookie.
var upstreamName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (c *Config) checkUpstreams(problem func(string, ...any)) {
	seen := map[string]bool{}
	for _, u := range c.Upstreams {
		if !upstreamName.MatchString(u.Name()) || seen[u.Name()] {
			problem("upstream %.40q: want a name of 1 to 32 lower-case letters, digits and -, once", u.Name())
		}
		if u.Title() == "" {
			problem("upstream %.40q: want a title for its button", u.Name())
		}
		seen[u.Name()] = true
	}
}

func (c *Config) checkResources(problem func(string, ...any)) {
	if len(c.Resources) == 0 {
		problem("a resource is needed")
	}
	seen := map[string]bool{}
	for i := range c.Resources {
		r := &c.Resources[i]
		if u, err := url.Parse(r.ID); err != nil || !u.IsAbs() || u.Fragment != "" || seen[r.ID] {
			problem("resource %.80q: want an absolute URI without fragment, once (RFC 8707 section 2)", r.ID)
		}
		seen[r.ID] = true
		if len(r.Scopes) == 0 {
			problem("resource %.80q: want at least one scope", r.ID)
		}
		if r.Lifetime < 0 || r.Lifetime > MaxAccessLifetime {
			problem("resource %.80q: lifetime is %v, want at most %v", r.ID, r.Lifetime, MaxAccessLifetime)
		}
		if r.Unbound && c.Profile == ProfileFAPI2 {
			problem("resource %.80q: FAPI 2.0 forbids unbound tokens", r.ID)
		}
	}
}

// resource returns a configured resource.
func (s *Server) resource(id string) (*Resource, bool) {
	i := slices.IndexFunc(s.config.Resources, func(r Resource) bool { return r.ID == id })
	if i < 0 {
		return nil, false
	}
	return &s.config.Resources[i], true
}
