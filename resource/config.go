package resource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// Config configures [New]. PublicURL, Verify.Issuers and Verify.Audience are
// required; every other field has a safe zero value.
type Config struct {
	// PublicURL is the base under which clients address this resource: https,
	// or http on the loopback interface. Its path, if any, is what a proxy
	// removed before the request arrives here.
	PublicURL string

	// Verify says which requests are accepted. Tokens nil means JWT access
	// tokens (RFC 9068) of Issuers: their key sets are found through their
	// metadata (RFC 8414) when first needed, and verified tokens are cached.
	// A TokenReader that is given is used as it is; package token has a cache
	// to put in front of one.
	Verify holdfast.Config

	// Metadata is what [Guard.MetadataHandler] publishes; nil publishes what
	// follows from PublicURL and Verify. Resource may be left empty and is then
	// PublicURL; AuthorizationServers are then all of Verify.Issuers. That the
	// listener asks for client certificates is said by CertificateBoundTokens.
	// Other members that follow from Verify are written by the Guard and may
	// only be given with the same value.
	Metadata *metadata.Resource

	// HTTP fetches metadata and key sets if Verify.Tokens is nil. Nil means a
	// client with a deadline; redirects are never followed.
	HTTP *http.Client

	// KeepCredentials leaves Authorization and DPoP in the request that the
	// handler gets, for one that exchanges the token (RFC 8693). Otherwise they
	// are removed: what a handler does not have it cannot log or forward.
	KeepCredentials bool

	// Log gets one line per refusal, without credentials and query; the
	// context is that of the request. Nil means [slog.Default].
	Log *slog.Logger

	// OnDeny gets a report of a refused request: the outcome of every check,
	// for operators. Making one costs as much as judging the request and may ask
	// Verify.Tokens again, so there are at most [MaxReportsPerSecond], and each
	// takes [ReportTimeout] at most: what is not known by then is Unknown in it.
	// OnDeny is called in the goroutine of the request, before the answer, and
	// has to be quick and safe for concurrent use.
	OnDeny func(context.Context, *holdfast.Report)
}

// Guard accepts or refuses requests and answers those it refuses. It is
// immutable and safe for concurrent use; there is no usable zero value.
type Guard struct {
	verifier  *holdfast.Verifier
	publicURL *url.URL
	accept    holdfast.Acceptance
	issuers   []string // whose keys are known; nil if the configured reader decides
	algs      []string // of the challenge
	renews    bool     // a nonce source is configured, so clients are kept supplied
	keep      bool
	now       func() time.Time
	log       *slog.Logger
	onDeny    func(context.Context, *holdfast.Report)
	reports   *reportLimit
	checks    map[holdfast.Code]holdfast.CheckInfo

	metadata     metadata.Resource
	metadataText []byte
	metadataURL  *url.URL
}

// New checks the whole configuration and reports every mistake at once. It does
// no network I/O: an authorization server that is down does not keep a resource
// from starting.
func New(c Config) (*Guard, error) {
	g := &Guard{
		accept: c.Verify.Accept, renews: c.Verify.Proof.Nonces != nil, keep: c.KeepCredentials,
		now: c.Verify.Proof.Now, log: c.Log, onDeny: c.OnDeny, reports: &reportLimit{}, checks: checksByCode(),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	var errs []error
	var err error
	if g.publicURL, err = publicURL(c.PublicURL); err != nil {
		errs = append(errs, fmt.Errorf("guard: PublicURL is %q: %w", c.PublicURL, err))
	}
	if c.Verify.Tokens == nil {
		g.issuers = append([]string{}, c.Verify.Issuers...)
		if c.Verify.Tokens, err = remoteTokens(&c); err != nil {
			errs = append(errs, err)
		}
	}
	if g.verifier, err = holdfast.NewVerifier(c.Verify); err != nil {
		errs = append(errs, err)
	} else {
		for _, a := range g.verifier.Algs() {
			g.algs = append(g.algs, string(a))
		}
	}
	if g.publicURL != nil {
		errs = append(errs, g.describe(c.Metadata, c.Verify.Issuers)...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return g, nil
}

// publicURL reads the base URL. One with a query could not be put in front of a path.
func publicURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("it is required: the https URL that clients use, such as https://api.example.com")
	}
	u, err := fetch.Secure(raw)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, errors.New("it has a query")
	}
	return u, nil
}
