package metadata

// Resource is protected resource metadata (RFC 9728 section 2). Absent members
// are zero, and zero members are left out of the JSON text (section 3.2).
type Resource struct {
	Resource               string   `json:"resource"`
	AuthorizationServers   []string `json:"authorization_servers,omitempty"`
	JWKSURI                string   `json:"jwks_uri,omitempty"`
	ScopesSupported        []string `json:"scopes_supported,omitempty"`
	BearerMethodsSupported []string `json:"bearer_methods_supported,omitzero"` // an empty list means none, nil does not say
	SigningAlgsSupported   []string `json:"resource_signing_alg_values_supported,omitempty"`
	Name                   string   `json:"resource_name,omitempty"`
	Documentation          string   `json:"resource_documentation,omitempty"`
	PolicyURI              string   `json:"resource_policy_uri,omitempty"`
	TermsURI               string   `json:"resource_tos_uri,omitempty"`

	CertificateBoundTokens bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPSigningAlgs        []string `json:"dpop_signing_alg_values_supported,omitempty"`
	DPoPBoundRequired      bool     `json:"dpop_bound_access_tokens_required,omitempty"`
}

// ParseResource reads protected resource metadata of at most [MaxBytes]. Every
// member of a wrong type is reported; resource has to be there. signed_metadata
// is not read.
func ParseResource(text []byte) (*Resource, error) {
	r := &Resource{}
	err := parse(text, "protected resource metadata", "resource", map[string]any{
		"resource":                              &r.Resource,
		"authorization_servers":                 &r.AuthorizationServers,
		"jwks_uri":                              &r.JWKSURI,
		"scopes_supported":                      &r.ScopesSupported,
		"bearer_methods_supported":              &r.BearerMethodsSupported,
		"resource_signing_alg_values_supported": &r.SigningAlgsSupported,
		"resource_name":                         &r.Name,
		"resource_documentation":                &r.Documentation,
		"resource_policy_uri":                   &r.PolicyURI,
		"resource_tos_uri":                      &r.TermsURI,

		"tls_client_certificate_bound_access_tokens": &r.CertificateBoundTokens,
		"dpop_signing_alg_values_supported":          &r.DPoPSigningAlgs,
		"dpop_bound_access_tokens_required":          &r.DPoPBoundRequired,
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}
