package login

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// How long what a provider says about itself is used: how old it gets before it
// is asked again, and how old it may be while it cannot be reached. After a
// failure it is asked again after a pause, which is longer while there is
// something to go on with.
const (
	MetadataMaxAge   = time.Hour
	MetadataMaxStale = 24 * time.Hour

	retryWithout = time.Second
	retryWith    = time.Minute
)

// discovery remembers the metadata of a provider.
type discovery struct {
	issuer  string
	method  clientauth.Method
	fetcher metadata.Fetcher
	now     func() time.Time

	turn chan struct{} // has room for whoever is fetching

	mu      sync.Mutex // guards what follows
	server  *metadata.Server
	at      time.Time // when server was fetched
	err     error     // of the last fetch, nil if there was none or it worked
	errorAt time.Time
}

func newDiscovery(c ProviderConfig, now func() time.Time) *discovery {
	return &discovery{
		issuer: c.Issuer, method: c.Client.Method, fetcher: metadata.Fetcher{HTTP: c.HTTP}, now: now, turn: make(chan struct{}, 1),
	}
}

// get returns metadata that can be used. One request at a time is under way.
func (d *discovery) get(ctx context.Context) (*metadata.Server, error) {
	if s, ok, err := d.remembered(); ok {
		return s, err
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s, ok, err := d.remembered(); ok { // somebody else has asked meanwhile
		return s, err
	}
	s, err := d.fetcher.Server(ctx, d.issuer)
	if err == nil {
		err = d.usable(s)
	}
	if err != nil && ctx.Err() != nil {
		return nil, err // says nothing about the provider
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err = err; err == nil {
		d.server, d.at = s, d.now()
		return s, nil
	}
	d.errorAt = d.now()
	if d.server != nil && within(d.errorAt, d.at, MetadataMaxStale) {
		return d.server, nil
	}
	return nil, err
}

// remembered returns what is known, and whether that is good enough for now.
func (d *discovery) remembered() (s *metadata.Server, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	switch {
	case d.server != nil && within(now, d.at, MetadataMaxAge):
		return d.server, true, nil
	case d.err == nil:
		return nil, false, nil
	case d.server != nil && within(now, d.at, MetadataMaxStale) && within(now, d.errorAt, retryWith):
		return d.server, true, nil
	}
	return nil, within(now, d.errorAt, retryWithout), d.err
}

// within reports whether now is less than limit after t. A clock that was set
// back makes things old, not young for ever.
func within(now, t time.Time, limit time.Duration) bool {
	age := now.Sub(t)
	return age >= 0 && age < limit
}

// jwksURI is for [token.RemoteConfig].
func (d *discovery) jwksURI(ctx context.Context) (string, error) {
	s, err := d.get(ctx)
	if err != nil {
		return "", err
	}
	return s.JWKSURI, nil
}

// usable reports everything that a provider lacks. PKCE never falls back to
// plain (RFC 7636 section 7.2).
func (d *discovery) usable(s *metadata.Server) error {
	var errs []error
	lacks := func(list []string, want, name string) {
		if len(list) > 0 && !slices.Contains(list, want) {
			errs = append(errs, fmt.Errorf("metadata: %s has no %s", name, want))
		}
	}
	lacks(s.ResponseTypesSupported, "code", "response_types_supported")
	lacks(s.CodeChallengeMethods, "S256", "code_challenge_methods_supported")
	lacks(s.AuthMethodsSupported, string(d.method), "token_endpoint_auth_methods_supported")
	for name, address := range map[string]string{
		"authorization_endpoint": s.AuthorizationEndpoint, "token_endpoint": s.TokenEndpoint, "jwks_uri": s.JWKSURI,
	} {
		if address == "" {
			errs = append(errs, fmt.Errorf("metadata: %s is needed", name))
		}
	}
	if s.RequirePAR {
		errs = append(errs, errors.New("metadata: pushed authorization requests are required, and none are sent"))
	}
	return errors.Join(errs...)
}
