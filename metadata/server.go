package metadata

// Server is authorization server metadata (RFC 8414 section 2). Absent members
// are zero; that a list is absent may have a meaning of its own, see the RFC.
type Server struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint,omitempty"`
	TokenEndpoint         string `json:"token_endpoint,omitempty"`
	JWKSURI               string `json:"jwks_uri,omitempty"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`
	RevocationEndpoint    string `json:"revocation_endpoint,omitempty"`
	IntrospectionEndpoint string `json:"introspection_endpoint,omitempty"`
	UserinfoEndpoint      string `json:"userinfo_endpoint,omitempty"` // OpenID Connect

	ScopesSupported                   []string `json:"scopes_supported,omitempty"`
	ResponseTypesSupported            []string `json:"response_types_supported,omitempty"`
	ResponseModesSupported            []string `json:"response_modes_supported,omitempty"`
	GrantTypesSupported               []string `json:"grant_types_supported,omitempty"`
	AuthMethodsSupported              []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	AuthAlgsSupported                 []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevocationAuthMethodsSupported    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	RevocationAuthAlgsSupported       []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
	IntrospectionAuthMethodsSupported []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	IntrospectionAuthAlgsSupported    []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`

	CodeChallengeMethods []string `json:"code_challenge_methods_supported,omitempty"` // RFC 7636
	ProtectedResources   []string `json:"protected_resources,omitempty"`              // RFC 9728 section 4

	DPoPSigningAlgs []string `json:"dpop_signing_alg_values_supported,omitempty"` // RFC 9449 section 5.1

	PAREndpoint                 string `json:"pushed_authorization_request_endpoint,omitempty"` // RFC 9126 section 5
	RequirePAR                  bool   `json:"require_pushed_authorization_requests,omitempty"`
	DeviceAuthorizationEndpoint string `json:"device_authorization_endpoint,omitempty"` // RFC 8628 section 4

	CertificateBoundTokens bool              `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 section 3.3
	MTLSEndpointAliases    map[string]string `json:"mtls_endpoint_aliases,omitempty"`                      // RFC 8705 section 5

	IssParameterSupported bool `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207 section 3
}

// ParseServer reads authorization server metadata of at most [MaxBytes]. Every
// member of a wrong type is reported; issuer has to be there.
func ParseServer(text []byte) (*Server, error) {
	s := &Server{}
	err := parse(text, "authorization server metadata", "issuer", map[string]any{
		"issuer":                 &s.Issuer,
		"authorization_endpoint": &s.AuthorizationEndpoint,
		"token_endpoint":         &s.TokenEndpoint,
		"jwks_uri":               &s.JWKSURI,
		"registration_endpoint":  &s.RegistrationEndpoint,
		"revocation_endpoint":    &s.RevocationEndpoint,
		"introspection_endpoint": &s.IntrospectionEndpoint,
		"userinfo_endpoint":      &s.UserinfoEndpoint,

		"scopes_supported":                                 &s.ScopesSupported,
		"response_types_supported":                         &s.ResponseTypesSupported,
		"response_modes_supported":                         &s.ResponseModesSupported,
		"grant_types_supported":                            &s.GrantTypesSupported,
		"token_endpoint_auth_methods_supported":            &s.AuthMethodsSupported,
		"token_endpoint_auth_signing_alg_values_supported": &s.AuthAlgsSupported,
		"code_challenge_methods_supported":                 &s.CodeChallengeMethods,
		"protected_resources":                              &s.ProtectedResources,

		"revocation_endpoint_auth_methods_supported":               &s.RevocationAuthMethodsSupported,
		"revocation_endpoint_auth_signing_alg_values_supported":    &s.RevocationAuthAlgsSupported,
		"introspection_endpoint_auth_methods_supported":            &s.IntrospectionAuthMethodsSupported,
		"introspection_endpoint_auth_signing_alg_values_supported": &s.IntrospectionAuthAlgsSupported,

		"dpop_signing_alg_values_supported": &s.DPoPSigningAlgs,

		"pushed_authorization_request_endpoint": &s.PAREndpoint,
		"require_pushed_authorization_requests": &s.RequirePAR,
		"device_authorization_endpoint":         &s.DeviceAuthorizationEndpoint,

		"tls_client_certificate_bound_access_tokens": &s.CertificateBoundTokens,
		"mtls_endpoint_aliases":                      &s.MTLSEndpointAliases,

		"authorization_response_iss_parameter_supported": &s.IssParameterSupported,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}
