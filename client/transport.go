package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// DefaultMaxBody is how much of a request body a [Transport] keeps for sending
// it again, in bytes.
const DefaultMaxBody = 1 << 20

// Transport is an http.RoundTripper that adds the access token and a fresh DPoP
// proof (RFC 9449 section 7.1) to requests for the origins it was given. Other
// requests pass through as they are: on a redirect to another origin no
// credential leaves.
//
// It answers what a resource refuses with 401 and a known remedy, each remedy
// once and with a new proof: a demand for a nonce, a clock that is off, a spent
// token, a proof that a lower layer sent twice. After a quiet time one request
// goes ahead, so that many callers on a stale nonce cause one refresh; others
// wait for its answer, half a second at most. Any other answer is returned as it
// came; [Failure] makes an error of one. A request that must not be sent is
// an [*Error], as is one whose body would have to be sent again and cannot be.
//
// A layer that retries (after 429, say) belongs above a Transport, where every
// try gets its own proof. Below, in Base, it repeats a proof, which the resource
// takes for a replay; that is made good for idempotent methods only.
//
// http.Client puts the URL into the errors it returns, query included: log the
// [*Error] inside.
//
// The zero value adds nothing to any request. Fields are not changed after the
// first use, and a Transport is not copied; it is then safe for concurrent use.
type Transport struct {
	// Tokens gives the token. Required if there are Origins. If it is a
	// [Renewer], a token that is refused with invalid_token is renewed once.
	Tokens TokenSource

	// Origins are the servers that get the token, such as https://api.example
	// or https://api.example:8443: https only, loopback excepted.
	Origins []string

	// Nonces are shared between Transports and Clients, for example to keep
	// them over a change of account. Nil means that the Transport has its own.
	Nonces *NonceJar

	// Base sends the requests; nil means http.DefaultTransport.
	Base http.RoundTripper

	// MaxBody is how many bytes of a body without GetBody are kept while they
	// are sent, to be sent again; 0 means [DefaultMaxBody].
	MaxBody int64

	// AllowBearer sends tokens without a key as Bearer: anybody who sees one can
	// use it (RFC 6750 section 5). Needed for certificate-bound tokens (RFC
	// 8705) too, where Base presents the certificate. A token with a key is
	// never sent as Bearer.
	AllowBearer bool

	// OnCorrection, if set, is told of every correction of the clock for an
	// origin: by is the server's time less ours, [MaxCorrection] at most.
	OnCorrection func(origin string, by time.Duration)

	// OnExchange, if set, gets every attempt with its answer, credentials
	// included: for package explain, on this machine. It is as secret as the
	// token. A body is present only of a refusal in JSON; ID counts the attempts
	// of one RoundTrip. It is called before RoundTrip returns, by several
	// goroutines at once.
	OnExchange func(*holdfast.Exchange)

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	setup    sync.Once
	set      settings
	clocks   clocks
	pioneers pioneers
}

// settings are the fields of a Transport, checked and with their defaults.
type settings struct {
	origins map[string]bool // as fetch.Origin writes them
	hosts   map[string]bool // of those that need https
	nonces  *NonceJar
	base    http.RoundTripper
	maxBody int64
	now     func() time.Time
	err     error // every mistake in the fields
}

// settings checks the fields at the first use.
func (t *Transport) settings() *settings {
	t.setup.Do(func() {
		t.set = settings{
			origins: map[string]bool{}, hosts: map[string]bool{},
			nonces: t.Nonces, base: t.Base, maxBody: t.MaxBody, now: t.Now,
		}
		s := &t.set
		var errs []error
		for _, raw := range t.Origins {
			u, err := fetch.Secure(raw)
			if err == nil && (strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery) {
				err = errors.New("an origin has neither path nor query")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("origin: %w", err))
				continue
			}
			s.origins[fetch.Origin(u)] = true
			s.hosts[strings.ToLower(u.Hostname())] = true
		}
		if len(t.Origins) > 0 && t.Tokens == nil {
			errs = append(errs, errors.New("there are origins but no token source"))
		}
		if t.MaxBody < 0 {
			errs = append(errs, fmt.Errorf("MaxBody is %d, at least 0 is needed", t.MaxBody))
		}
		if s.nonces == nil {
			s.nonces = new(NonceJar)
		}
		if s.base == nil {
			s.base = http.DefaultTransport
		}
		if s.maxBody == 0 {
			s.maxBody = DefaultMaxBody
		}
		if s.now == nil {
			s.now = time.Now
		}
		if err := errors.Join(errs...); err != nil {
			s.err = &Error{Op: opCall, Hint: "correct the fields of the Transport", Err: err}
		}
	})
	return &t.set
}

// RoundTrip implements http.RoundTripper. It does not change the request.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := t.settings()
	origin, err := s.target(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	if origin == "" {
		return s.base.RoundTrip(r)
	}
	c := &trip{t: t, s: s, request: r, origin: origin, body: newBody(r, s.maxBody)}
	defer c.body.finish()
	return c.run(r.Context())
}

// CloseIdleConnections closes the idle connections of Base, if it can: http.Client
// looks for this method.
func (t *Transport) CloseIdleConnections() {
	if b, ok := t.settings().base.(interface{ CloseIdleConnections() }); ok {
		b.CloseIdleConnections()
	}
}

// target returns the origin of a request that is to get credentials and "" for
// one that is not.
func (s *settings) target(r *http.Request) (origin string, err error) {
	if s.err != nil {
		return "", s.err
	}
	if r.URL == nil {
		return "", refuse("the request has no URL", "")
	}
	origin = fetch.Origin(r.URL)
	if !s.origins[origin] {
		if strings.EqualFold(r.URL.Scheme, "http") && s.hosts[strings.ToLower(r.URL.Hostname())] && !fetch.Loopback(r.URL.Hostname()) {
			// RFC 9449 section 2. Passing it on without credentials would hide
			// the mistake, or a downgrade by redirect.
			return "", refuse("the URL begins with http://, https is needed for this host", "use https")
		}
		return "", nil
	}
	if r.Host != "" && fetch.Origin(&url.URL{Scheme: r.URL.Scheme, Host: r.Host}) != origin || r.URL.Opaque != "" {
		// A shared front end would hand the token to whom Host names.
		return "", refuse("the request names another server than its URL", "leave Host and URL.Opaque empty")
	}
	for name := range r.Header {
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "DPoP") {
			return "", refuse("the request has an Authorization or DPoP field already",
				"leave credentials to the Transport; the URL must not hold a user name either")
		}
	}
	if p, err := holdfast.Present(r, r.URL); err != nil || len(p.Query) > 0 {
		// RFC 6750 section 2: one method to send the token.
		return "", refuse("the URL has an access_token parameter", "leave credentials to the Transport")
	}
	return origin, nil
}

// token asks for the token and refuses one that cannot be sent as what it is.
func (t *Transport) token(ctx context.Context) (*Token, error) {
	k, err := t.Tokens.Token(ctx)
	if err != nil {
		return nil, &Error{Op: opCall, Hint: "get a new token: log in again", Err: fmt.Errorf("get a token: %w", err)}
	}
	if err := t.usable(k); err != nil {
		return nil, err
	}
	return k, nil
}

func (t *Transport) usable(k *Token) error {
	switch {
	case k == nil || k.Value.IsZero():
		return refuse("the token source gave no token", "log in again")
	case k.Value.Len() > holdfast.MaxTokenBytes:
		return refuse(fmt.Sprintf("the token has %d bytes, at most %d are sent", k.Value.Len(), holdfast.MaxTokenBytes), "")
	case k.Key != nil && (k.Type == "" || strings.EqualFold(k.Type, holdfast.SchemeDPoP.String())):
		return nil
	case k.Key != nil:
		// RFC 9449 section 5: another token_type says that the token is not bound.
		return refuse(fmt.Sprintf("a token of type %.20q came with a proof key, type DPoP is needed", k.Type),
			"the authorization server did not bind the token")
	case !strings.EqualFold(k.Type, holdfast.SchemeBearer.String()) && k.Type != "":
		return refuse(fmt.Sprintf("a token of type %.20q came without a proof key", k.Type), "")
	case !t.AllowBearer:
		return refuse("the token is not bound to a key and AllowBearer is not set", "ask for a token with a proof key")
	}
	return nil
}

// opCall is the Op of every [Error] about a request for a resource.
const opCall = "call"

// refuse is the error for a request that was not sent.
func refuse(what, hint string) *Error {
	return &Error{Op: opCall, Hint: hint, Err: errors.New(what)}
}
