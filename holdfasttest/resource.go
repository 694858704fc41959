package holdfasttest

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/token"
)

// ResourceConfig configures [NewResource]. Server is required.
type ResourceConfig struct {
	Server *Server // whose tokens are accepted, over its metadata and key set, or introspected if it is opaque
	Need   holdfast.Requirement
	Accept holdfast.Acceptance

	// Nonce says when a proof needs a nonce; the zero value means always.
	Nonce holdfast.NonceMode

	// Handler answers accepted requests; nil answers 200 and the subject.
	Handler http.Handler

	// Around puts something in front of the guard, such as a proxy that
	// misbehaves; nil means nothing.
	Around func(guarded http.Handler) http.Handler

	// OnDeny gets the report of every refusal, see [resource.Config].
	OnDeny func(context.Context, *holdfast.Report)

	Faults Faults           // see Resource.Inject
	Now    func() time.Time // nil means that of the server
}

// Resource is a running protected resource. It is safe for concurrent use; make
// it with [NewResource].
type Resource struct {
	// URL is the base of the resource and accepted as audience, as is
	// DefaultAudience: https, a loopback address, no path.
	URL string

	http     *httptest.Server
	nonces   *nonces
	clock    func() time.Time
	faults   atomic.Pointer[Faults]
	requests atomic.Int64
	accepted atomic.Int64
}

// NewResource starts a resource that is protected by [resource.Guard] and closed
// when the test ends. A configuration that cannot work ends the test.
func NewResource(t testing.TB, c ResourceConfig) *Resource {
	t.Helper()
	if c.Server == nil {
		t.Fatal("holdfasttest: a resource needs a Server whose tokens it accepts")
	}
	rs := &Resource{clock: c.Now}
	if rs.clock == nil {
		rs.clock = c.Server.config.Now
	}
	if c.Nonce == holdfast.NonceByRole {
		c.Nonce = holdfast.NonceRequired
	}
	if c.Handler == nil {
		c.Handler = http.HandlerFunc(sayWho)
	}
	rs.nonces = &nonces{now: rs.now, issued: map[string]time.Time{}}
	rs.Inject(c.Faults)
	rs.http = httptest.NewUnstartedServer(nil)
	rs.URL = "https://" + rs.http.Listener.Addr().String()
	guard, err := resource.New(resource.Config{
		PublicURL: rs.URL,
		Verify: holdfast.Config{
			Tokens: introspector(t, c.Server), Issuers: []string{c.Server.URL}, Audience: []string{rs.URL, DefaultAudience}, Accept: c.Accept,
			Proof: holdfast.ProofPolicy{
				Nonces: rs.nonces, Nonce: c.Nonce, Replays: &replays{seen: map[holdfast.ReplayID]bool{}}, Now: rs.now,
			},
		},
		HTTP: c.Server.Client(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), OnDeny: c.OnDeny,
	})
	if err != nil {
		t.Fatal(err)
	}
	guarded, err := guard.Protect(c.Need, rs.counting(c.Handler))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
	mux.Handle("/", guarded)
	rs.http.Config.Handler = rs.front(mux)
	if c.Around != nil {
		rs.http.Config.Handler = rs.front(c.Around(mux))
	}
	startTLS(t, rs.http)
	return rs
}

// introspector reads the tokens of an opaque server; nil leaves JWT to the guard.
func introspector(t testing.TB, s *Server) holdfast.TokenReader {
	if !s.config.Opaque {
		return nil
	}
	c := s.introspecting
	in, err := token.NewIntrospector(token.IntrospectorConfig{
		Endpoint: s.Metadata().IntrospectionEndpoint, Issuer: s.URL, HTTP: s.Client(),
		Authenticate: token.BasicAuth(c.ID, c.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func sayWho(w http.ResponseWriter, r *http.Request) {
	access, _ := resource.AccessFrom(r.Context())
	writeJSON(w, http.StatusOK, map[string]string{"subject": access.Token.Subject, "path": r.URL.Path})
}

// Client returns a client that trusts the resource, and its server, and presents
// the given certificates.
func (rs *Resource) Client(certificates ...tls.Certificate) *http.Client {
	return clientOf(rs.http, certificates)
}

// Inject replaces the faults of the resource from now on.
func (rs *Resource) Inject(f Faults) {
	rs.faults.Store(&f)
	rs.nonces.inject(f)
}

// ExpireNonces makes every nonce that was handed out so far a stale one.
func (rs *Resource) ExpireNonces() { rs.nonces.expire() }

// Requests returns how many requests have arrived, and how many of them reached
// the handler.
func (rs *Resource) Requests() (arrived, accepted int) {
	return int(rs.requests.Load()), int(rs.accepted.Load())
}

func (rs *Resource) now() time.Time { return rs.clock().Add(rs.faults.Load().ClockOffset) }

// front is what every request meets first.
func (rs *Resource) front(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rs.requests.Add(1)
		w.Header().Set("Date", rs.now().UTC().Format(http.TimeFormat))
		if rs.faults.Load().HugeResponse {
			writeHuge(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (rs *Resource) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rs.accepted.Add(1)
		next.ServeHTTP(w, r)
	})
}
