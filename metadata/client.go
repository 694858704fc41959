package metadata

import "encoding/json"

// Client is client metadata (RFC 7591 section 2), with the members of RFC 8705,
// RFC 9126 and RFC 9449.
type Client struct {
	ClientID      string          `json:"client_id,omitempty"`
	RedirectURIs  []string        `json:"redirect_uris,omitempty"`
	AuthMethod    string          `json:"token_endpoint_auth_method,omitempty"`
	AuthAlg       string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	GrantTypes    []string        `json:"grant_types,omitempty"`
	ResponseTypes []string        `json:"response_types,omitempty"`
	Name          string          `json:"client_name,omitempty"`
	URI           string          `json:"client_uri,omitempty"`
	LogoURI       string          `json:"logo_uri,omitempty"`
	Scope         string          `json:"scope,omitempty"` // separated by spaces
	Contacts      []string        `json:"contacts,omitempty"`
	TermsURI      string          `json:"tos_uri,omitempty"`
	PolicyURI     string          `json:"policy_uri,omitempty"`
	JWKSURI       string          `json:"jwks_uri,omitempty"`
	JWKS          json.RawMessage `json:"jwks,omitempty"`

	SoftwareID      string `json:"software_id,omitempty"`
	SoftwareVersion string `json:"software_version,omitempty"`

	CertificateBoundTokens bool   `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 section 3.4
	SubjectDN              string `json:"tls_client_auth_subject_dn,omitempty"`                 // RFC 8705 section 2.1.2
	SubjectDNS             string `json:"tls_client_auth_san_dns,omitempty"`
	SubjectURI             string `json:"tls_client_auth_san_uri,omitempty"`
	SubjectIP              string `json:"tls_client_auth_san_ip,omitempty"`
	SubjectEmail           string `json:"tls_client_auth_san_email,omitempty"`

	DPoPBoundTokens bool `json:"dpop_bound_access_tokens,omitempty"`              // RFC 9449 section 5.2
	RequirePAR      bool `json:"require_pushed_authorization_requests,omitempty"` // RFC 9126 section 6
}
