package resource

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/token"
)

// remoteTokens is the reader of a Guard that was given none: JWT access tokens
// of the issuers, each with the keys that its own metadata names (AT-4-03),
// behind a cache. Nothing is fetched before the first token arrives.
func remoteTokens(c *Config) (holdfast.TokenReader, error) {
	var errs []error
	documents := &metadata.Fetcher{HTTP: c.HTTP}
	readers := map[string]holdfast.TokenReader{}
	for _, iss := range c.Verify.Issuers {
		if _, err := fetch.Secure(iss); err != nil {
			errs = append(errs, fmt.Errorf("guard: issuer %q: %w; give Verify.Tokens for one that has no metadata", iss, err))
			continue
		}
		r, err := token.NewRemote(token.RemoteConfig{
			Issuer: iss, HTTP: c.HTTP, Now: c.Verify.Proof.Now,
			Discover: func(ctx context.Context) (string, error) {
				s, err := documents.Server(ctx, iss)
				if err != nil {
					return "", err
				}
				if s.JWKSURI == "" {
					return "", fmt.Errorf("metadata of %s has no jwks_uri", iss)
				}
				return s.JWKSURI, nil
			},
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		readers[iss] = r
	}
	if err := errors.Join(errs...); err != nil || len(readers) == 0 { // without issuers NewVerifier has something to say
		return noTokens{}, err
	}
	all, err := token.NewByIssuer(readers, nil)
	if err != nil {
		return noTokens{}, err
	}
	return token.NewCache(token.CacheConfig{Tokens: all, Now: c.Verify.Proof.Now})
}

// noTokens stands in for a reader that could not be made, so that NewVerifier
// reports the other mistakes as well. No Guard is made with it.
type noTokens struct{}

func (noTokens) ReadToken(context.Context, holdfast.Secret) (*holdfast.Token, error) {
	return nil, errors.New("guard: no reader of tokens")
}
