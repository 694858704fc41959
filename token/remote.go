package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// What the zero values of [RemoteConfig] mean, and how a key set is fetched.
const (
	DefaultMaxAge     = 10 * time.Minute
	DefaultMaxStale   = time.Hour
	DefaultMinRefetch = 30 * time.Second

	// FetchTimeout is how long finding and fetching a key set may take.
	FetchTimeout = 30 * time.Second

	// RetryPause is how long after a failure the issuer is asked again while
	// there are no keys to go on with; at most MinRefetch.
	RetryPause = time.Second
)

// RemoteConfig configures NewRemote. Issuer and one of JWKSURI and Discover are
// required.
type RemoteConfig struct {
	// Issuer is whose tokens are read, exactly as in the iss claim.
	Issuer string

	// JWKSURI is where the issuer publishes its keys: https, or http on
	// loopback.
	JWKSURI string

	// Discover returns the jwks_uri instead, for example from the metadata of
	// the issuer (RFC 8414). It is asked before every fetch, first when the
	// first token arrives, by one goroutine at a time. Its context ends after
	// FetchTimeout and not with the request that needed the keys.
	Discover func(ctx context.Context) (string, error)

	// Algs are the algorithms of token signatures; nil means every asymmetric
	// one, RS256 among them (RFC 9068 section 2.1).
	Algs []holdfast.Alg

	HTTP *http.Client // nil means a client of its own

	MaxAge     time.Duration // how old keys get before they are fetched again; 0 means DefaultMaxAge
	MaxStale   time.Duration // how old keys may be while the issuer cannot be reached; 0 means DefaultMaxStale, or MaxAge if that is longer
	MinRefetch time.Duration // pause between fetches for keys that are not known; 0 means DefaultMinRefetch, or MaxAge if that is shorter

	Now func() time.Time // nil means time.Now
}

// Remote reads the JWT access tokens (RFC 9068) of one issuer with the keys that
// it publishes. Keys are fetched when a token needs them: at first use, when
// they are older than MaxAge, and when a token names a key that is not there,
// at most once per MinRefetch however many such tokens arrive. One fetch is
// under way at a time.
//
// While the issuer cannot be reached, or answers with something that is no key
// set, the last keys serve until they are MaxStale old. After that, and for keys
// that are not among them, ReadToken returns an [*Error].
//
// Safe for concurrent use; there is no usable zero value. The only goroutine is
// that of the fetch, which ends within FetchTimeout.
type Remote struct {
	issuer   string
	discover func(ctx context.Context) (string, error)
	form     *JWT // without keys: has the algorithms
	http     *http.Client
	now      func() time.Time

	maxAge, maxStale, minRefetch time.Duration

	changes atomic.Uint64 // how often the text of the key set has changed

	mu     sync.Mutex
	keys   *JWT          // what was read last, another value after each fetch; nil before the first
	sum    [32]byte      // of the text of the key set
	at     time.Time     // when the fetch that gave keys began
	ended  time.Time     // when the last fetch ended
	failed error         // why the last fetch gave no keys; nil if it did
	flight chan struct{} // closed when the fetch under way has ended; nil if there is none
}

// NewRemote checks the configuration and reports every mistake at once. It
// fetches nothing.
func NewRemote(c RemoteConfig) (*Remote, error) {
	r := &Remote{issuer: c.Issuer, discover: c.Discover, form: NewJWT(nil), http: fetch.Client(c.HTTP), now: c.Now}
	var errs []error
	if c.Issuer == "" {
		errs = append(errs, errors.New("remote key set: Issuer is required"))
	}
	switch {
	case (c.JWKSURI == "") == (c.Discover == nil):
		errs = append(errs, errors.New("remote key set: exactly one of JWKSURI and Discover is required"))
	case c.JWKSURI != "":
		if _, err := fetch.Secure(c.JWKSURI); err != nil {
			errs = append(errs, fmt.Errorf("remote key set: JWKSURI: %w", err))
		}
		r.discover = func(context.Context) (string, error) { return c.JWKSURI, nil }
	}
	if c.Algs != nil {
		var err error
		if r.form, err = r.form.WithAlgs(c.Algs...); err != nil {
			errs = append(errs, err)
		}
	}
	if c.MaxAge < 0 || c.MaxStale < 0 || c.MinRefetch < 0 {
		errs = append(errs, errors.New("remote key set: MaxAge, MaxStale and MinRefetch must not be negative"))
	}
	r.maxAge = or(c.MaxAge, DefaultMaxAge)
	r.maxStale = or(c.MaxStale, max(DefaultMaxStale, r.maxAge))
	r.minRefetch = or(c.MinRefetch, min(DefaultMinRefetch, r.maxAge))
	if r.maxStale < r.maxAge || r.minRefetch > r.maxAge {
		errs = append(errs, fmt.Errorf("remote key set: MaxAge is %v, it has to lie between MinRefetch (%v) and MaxStale (%v)", r.maxAge, r.minRefetch, r.maxStale))
	}
	if r.now == nil {
		r.now = time.Now
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// or returns d, or the default if d is zero.
func or(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return d
}

// ReadToken implements [holdfast.TokenReader]. A token of another issuer has the
// State TokenUnknownKey: no key of this issuer can vouch for it, which is the
// client's fault. A token that no key could make good causes no fetch.
func (r *Remote) ReadToken(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	t, j := parseJWT(raw)
	switch {
	case t.State == holdfast.TokenMalformed:
		return t, nil
	case t.Issuer != r.issuer:
		t.State = holdfast.TokenUnknownKey
		return t, nil
	case hopeless(j):
		t.State = holdfast.TokenBadSignature
		return t, nil
	}
	keys, err := r.current(ctx)
	if err != nil {
		return nil, err
	}
	if t.State = keys.judge(j, t.Issuer); !r.newKeyHelps(j, t.State) {
		return t, nil
	}
	newer, err := r.newer(ctx, keys)
	if err != nil {
		return nil, err
	}
	if newer != keys {
		t.State = newer.judge(j, t.Issuer)
	}
	return t, nil
}

// newKeyHelps reports whether a key that is not known yet could make the token
// authentic. Without a kid the keys that were tried may be the wrong ones.
func (r *Remote) newKeyHelps(j *jose.JWS, s holdfast.TokenState) bool {
	if j.Alg == jose.AlgUnknown || r.form.algs != nil && !r.form.algs[j.Alg] {
		return false
	}
	return s == holdfast.TokenUnknownKey || s == holdfast.TokenBadSignature && j.KeyID == ""
}

// Generation returns how often the keys have changed. A [Cache] forgets what it
// holds when that happens.
func (r *Remote) Generation() uint64 { return r.changes.Load() }

// current returns keys that may be used now.
func (r *Remote) current(ctx context.Context) (*JWT, error) {
	r.mu.Lock()
	now := r.now()
	if r.keys != nil && within(now, r.at, r.maxAge) {
		defer r.mu.Unlock()
		return r.keys, nil
	}
	flight := r.fetchLocked(ctx, now)
	if r.failed != nil && r.usableLocked(now) { // it is down: nobody waits who can be served
		defer r.mu.Unlock()
		return r.keys, nil
	}
	r.mu.Unlock()
	if err := wait(ctx, flight); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.usableLocked(r.now()):
		return r.keys, nil
	case r.failed != nil:
		return nil, r.failed
	}
	return nil, &Error{Op: opKeySet, Problem: Unreachable, Err: fmt.Errorf("the keys are older than %v", r.maxStale)}
}

// newer returns keys that were fetched after the given ones, or the same if it
// is too early to ask again. After a failure nobody can tell whether the issuer
// has published a key meanwhile.
func (r *Remote) newer(ctx context.Context, have *JWT) (*JWT, error) {
	r.mu.Lock()
	var flight chan struct{}
	if r.keys == have {
		flight = r.fetchLocked(ctx, r.now())
	}
	r.mu.Unlock()
	if err := wait(ctx, flight); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == have && r.failed != nil {
		return nil, r.failed
	}
	return r.keys, nil
}

func (r *Remote) usableLocked(now time.Time) bool {
	return r.keys != nil && within(now, r.at, r.maxStale)
}

// within reports whether now is less than d after t. A clock that was set back
// makes things old, not young for ever.
func within(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return age >= 0 && age < d
}

// fetchLocked starts a fetch unless one is under way, and returns its flight;
// nil if it is too early to ask again.
func (r *Remote) fetchLocked(ctx context.Context, now time.Time) chan struct{} {
	if r.flight != nil {
		return r.flight
	}
	pause := r.minRefetch
	if !r.usableLocked(now) {
		pause = min(pause, RetryPause)
	}
	if !r.ended.IsZero() && within(now, r.ended, pause) {
		return nil
	}
	flight := make(chan struct{})
	r.flight = flight
	// Many wait for it: it must not end with the request of the first.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), FetchTimeout)
	go func() {
		defer close(flight)
		defer cancel()
		keys, sum, err := r.fetch(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flight, r.ended, r.failed = nil, r.now(), err
		if err != nil {
			return
		}
		if sum != r.sum {
			r.changes.Add(1)
		}
		r.keys, r.sum, r.at = keys, sum, now
	}()
	return flight
}

// wait returns when the flight has ended, or an error when ctx has. It does not
// wait for nil.
func wait(ctx context.Context, flight chan struct{}) error {
	if flight == nil {
		return nil
	}
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return &Error{Op: opKeySet, Problem: Unreachable, Err: context.Cause(ctx)}
	}
}

const opKeySet = "key set"

// fetch asks the issuer for its keys.
func (r *Remote) fetch(ctx context.Context) (*JWT, [32]byte, error) {
	fail := func(address string, p Problem, status int, err error) (*JWT, [32]byte, error) {
		return nil, [32]byte{}, &Error{Op: opKeySet, URL: address, Problem: p, Status: status, Err: fetch.Cause(err)}
	}
	address, err := r.discover(ctx)
	if err != nil {
		return fail("", Unreachable, 0, fmt.Errorf("find its address: %w", err))
	}
	if _, err := fetch.Secure(address); err != nil {
		return fail(fetch.Shown(address), Unusable, 0, err)
	}
	text, answer, err := fetch.Get(ctx, r.http, address, "application/jwk-set+json, application/json", MaxJWKSBytes)
	if err := refusal(opKeySet, address, answer, err); err != nil {
		return nil, [32]byte{}, err
	}
	set, err := ParseJWKS(text)
	if err != nil {
		return fail(fetch.Shown(address), Unusable, answer.StatusCode, err)
	}
	set.Issuer = r.issuer
	return &JWT{sets: []KeySet{set}, algs: r.form.algs}, sha256.Sum256(text), nil
}
