package issuer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// client is a client of the configuration: the members of RFC 7591 by their
// names, and below them what this server lets the client do.
type client struct {
	ClientID               string         `yaml:"client_id"`
	RedirectURIs           []string       `yaml:"redirect_uris,omitempty"`
	AuthMethod             string         `yaml:"token_endpoint_auth_method,omitempty"`
	AuthAlg                string         `yaml:"token_endpoint_auth_signing_alg,omitempty"`
	GrantTypes             []string       `yaml:"grant_types,omitempty"`
	ResponseTypes          []string       `yaml:"response_types,omitempty"`
	Name                   string         `yaml:"client_name,omitempty"`
	URI                    string         `yaml:"client_uri,omitempty"`
	LogoURI                string         `yaml:"logo_uri,omitempty"`
	Scope                  string         `yaml:"scope,omitempty"`
	Contacts               []string       `yaml:"contacts,omitempty"`
	TermsURI               string         `yaml:"tos_uri,omitempty"`
	PolicyURI              string         `yaml:"policy_uri,omitempty"`
	JWKSURI                string         `yaml:"jwks_uri,omitempty"`
	JWKS                   map[string]any `yaml:"jwks,omitempty"`
	CertificateBoundTokens bool           `yaml:"tls_client_certificate_bound_access_tokens,omitempty"`
	SubjectDN              string         `yaml:"tls_client_auth_subject_dn,omitempty"`
	SubjectDNS             string         `yaml:"tls_client_auth_san_dns,omitempty"`
	SubjectURI             string         `yaml:"tls_client_auth_san_uri,omitempty"`
	SubjectIP              string         `yaml:"tls_client_auth_san_ip,omitempty"`
	SubjectEmail           string         `yaml:"tls_client_auth_san_email,omitempty"`
	DPoPBoundTokens        bool           `yaml:"dpop_bound_access_tokens,omitempty"`
	RequirePAR             bool           `yaml:"require_pushed_authorization_requests,omitempty"`

	Secrets     []ops.SecretRef `yaml:"secrets,omitempty"`
	Resources   []string        `yaml:"resources,omitempty"`
	SkipConsent bool            `yaml:"skip_consent,omitempty"`
	MayExchange bool            `yaml:"may_exchange,omitempty"`
	Introspects []string        `yaml:"introspects,omitempty"`
}

// checkPeople refuses clients that people log in for, where nobody can log in.
func (c *Config) checkPeople(problem func(error)) {
	if c.Users || len(c.Upstreams) > 0 {
		return
	}
	for _, k := range c.Clients {
		for _, grant := range []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"} {
			if slices.Contains(k.GrantTypes, grant) {
				problem(fmt.Errorf("client %.80q: grant_types: %s, and nobody can log in: want users: true, or upstreams", k.ClientID, grant))
			}
		}
	}
}

// settled returns the client as the server takes it.
func (c *client) settled(getenv func(string) string) (authserver.Client, error) {
	out := authserver.Client{
		Client: metadata.Client{
			ClientID: c.ClientID, RedirectURIs: c.RedirectURIs, AuthMethod: c.AuthMethod, AuthAlg: c.AuthAlg,
			GrantTypes: c.GrantTypes, ResponseTypes: c.ResponseTypes, Name: c.Name, URI: c.URI, LogoURI: c.LogoURI,
			Scope: c.Scope, Contacts: c.Contacts, TermsURI: c.TermsURI, PolicyURI: c.PolicyURI, JWKSURI: c.JWKSURI,
			CertificateBoundTokens: c.CertificateBoundTokens, SubjectDN: c.SubjectDN, SubjectDNS: c.SubjectDNS,
			SubjectURI: c.SubjectURI, SubjectIP: c.SubjectIP, SubjectEmail: c.SubjectEmail,
			DPoPBoundTokens: c.DPoPBoundTokens, RequirePAR: c.RequirePAR,
		},
		Resources: c.Resources, SkipConsent: c.SkipConsent, MayExchange: c.MayExchange, Introspects: c.Introspects,
	}
	if c.JWKS != nil {
		var err error
		if out.JWKS, err = json.Marshal(c.JWKS); err != nil {
			return out, fmt.Errorf("client %.80q: jwks: want a JWK Set (RFC 7517)", c.ClientID)
		}
	}
	var err error
	if out.Secrets, err = secrets(fmt.Sprintf("client %.80q: secrets", c.ClientID), c.Secrets, getenv); err != nil {
		return out, err
	}
	return out, nil
}

// secrets reads a list of references. In place of what cannot be read there is a
// random secret, so that it is not found missing once more.
func secrets(field string, refs []ops.SecretRef, getenv func(string) string) ([]holdfast.Secret, error) {
	var out []holdfast.Secret
	var errs []error
	for i, ref := range refs {
		s, err := ref.Read(getenv)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", field, i, err))
			s = standIn()
		}
		out = append(out, s)
	}
	return out, errors.Join(errs...)
}
