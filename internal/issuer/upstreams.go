package issuer

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/login"
	"github.com/holdfast-oauth/holdfast/internal/ops"
)

// upstream is an OpenID provider that people log in at: a login.ProviderConfig.
type upstream struct {
	Name            string        `yaml:"name"`
	Title           string        `yaml:"title"`
	Issuer          string        `yaml:"issuer"`
	ClientID        string        `yaml:"client_id"`
	ClientAuth      string        `yaml:"client_auth"`
	ClientSecret    ops.SecretRef `yaml:"client_secret,omitempty"`
	ClientKey       ops.SecretRef `yaml:"client_key,omitempty"` // of private_key_jwt: PEM (PKCS #8)
	ClientKeyID     string        `yaml:"client_key_id,omitempty"`
	Scopes          []string      `yaml:"scopes,omitempty"`
	NameClaim       string        `yaml:"name_claim,omitempty"`
	Algorithms      []string      `yaml:"algorithms,omitempty"`
	AccessTokenType string        `yaml:"access_token_type,omitempty"`
	Rules           []rule        `yaml:"rules,omitempty"`
}

// rule is a login.ScopeRule.
type rule struct {
	Claim  []string `yaml:"claim,omitempty,flow"`
	Values []string `yaml:"values,omitempty"`
	Scopes []string `yaml:"scopes"`
}

// providers makes the identity providers. They are not asked for anything yet.
func (c *Config) providers(ctx context.Context, getenv func(string) string) ([]authserver.Upstream, error) {
	var out []authserver.Upstream
	var errs []error
	for i := range c.Upstreams {
		p, err := c.Upstreams[i].provider(ctx, getenv)
		if err != nil {
			errs = append(errs, fmt.Errorf("upstreams[%d]: %w", i, err))
			continue
		}
		out = append(out, p)
	}
	return out, errors.Join(errs...)
}

func (u *upstream) provider(ctx context.Context, getenv func(string) string) (*login.Provider, error) {
	out := login.ProviderConfig{
		Name: u.Name, Title: u.Title, Issuer: u.Issuer, Scopes: u.Scopes, NameClaim: u.NameClaim, AccessTokenType: u.AccessTokenType,
		Client: clientauth.Config{Method: clientauth.Method(u.ClientAuth), ClientID: u.ClientID, KeyID: u.ClientKeyID},
	}
	var err error
	if !u.ClientSecret.IsZero() {
		if out.Client.Secret, err = u.ClientSecret.Read(getenv); err != nil {
			return nil, fmt.Errorf("client_secret: %w", err)
		}
	}
	if !u.ClientKey.IsZero() {
		text, err := u.ClientKey.Read(getenv)
		if err == nil {
			out.Client.Signer, err = readSigner(text)
		}
		if err != nil {
			return nil, fmt.Errorf("client_key: %w", err)
		}
	}
	for _, alg := range u.Algorithms {
		out.Algs = append(out.Algs, holdfast.Alg(alg))
	}
	for _, r := range u.Rules {
		out.Rules = append(out.Rules, login.ScopeRule{Claim: r.Claim, Values: r.Values, Scopes: r.Scopes})
	}
	return login.NewProvider(ctx, out)
}
