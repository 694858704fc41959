package authserver

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// MetadataMaxAge is for how many seconds others may keep the metadata.
const MetadataMaxAge = "300"

// serveMetadata publishes what the server can do (RFC 8414).
func (s *Server) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	text, err := json.Marshal(s.metadata())
	if err != nil {
		unavailable(err).write(w, s.now())
		return
	}
	w.Header().Set("Content-Type", "application/json") // RFC 8414 section 3.2
	w.Header().Set("Cache-Control", "public, max-age="+MetadataMaxAge)
	_, _ = w.Write(text)
}

// metadata describes the server as it is configured. Members without a value are
// left out (RFC 8414 section 3.2).
func (s *Server) metadata() *metadata.Server {
	c := &s.config
	methods, algs := s.authMethods(), s.assertionAlgs()
	confidential := slices.DeleteFunc(slices.Clone(methods), func(m string) bool { return m == string(clientauth.None) })
	m := &metadata.Server{
		Issuer:                      c.Issuer,
		AuthorizationEndpoint:       s.endpointURL(pathAuthorize),
		TokenEndpoint:               s.endpointURL(pathToken),
		JWKSURI:                     s.endpointURL(pathJWKS),
		RevocationEndpoint:          s.endpointURL(pathRevoke),
		IntrospectionEndpoint:       s.endpointURL(pathIntrospect),
		PAREndpoint:                 s.endpointURL(pathPAR),
		DeviceAuthorizationEndpoint: s.endpointURL(pathDevice),

		ScopesSupported:        s.scopesOffered(),
		ResponseTypesSupported: []string{"code"},
		ResponseModesSupported: []string{"query", "form_post"},
		GrantTypesSupported:    grantTypes(),
		CodeChallengeMethods:   []string{"S256"}, // RFC 9700 section 2.1.1

		AuthMethodsSupported:              methods,
		AuthAlgsSupported:                 algs,
		RevocationAuthMethodsSupported:    methods,
		RevocationAuthAlgsSupported:       algs,
		IntrospectionAuthMethodsSupported: confidential,
		IntrospectionAuthAlgsSupported:    algs,

		RequirePAR:             c.RequirePAR,
		CertificateBoundTokens: c.MTLSURL != "",
		IssParameterSupported:  true,
	}
	if c.Registration != RegistrationClosed {
		m.RegistrationEndpoint = s.endpointURL(pathRegister)
	}
	for _, a := range s.proofs.Algs() { // RFC 9449 section 5.1
		m.DPoPSigningAlgs = append(m.DPoPSigningAlgs, string(a))
	}
	for i := range c.Resources {
		m.ProtectedResources = append(m.ProtectedResources, c.Resources[i].ID) // RFC 9728 section 4
	}
	if s.mtls != nil { // RFC 8705 section 5
		m.MTLSEndpointAliases = map[string]string{}
		for member, path := range map[string]string{
			"token_endpoint":                        pathToken,
			"pushed_authorization_request_endpoint": pathPAR,
			"introspection_endpoint":                pathIntrospect,
			"revocation_endpoint":                   pathRevoke,
			"device_authorization_endpoint":         pathDevice,
		} {
			m.MTLSEndpointAliases[member] = s.mtlsURL(path)
		}
	}
	return m
}

// mtlsURL is the address of an endpoint on the listener that asks for
// certificates: its paths are those of the issuer.
func (s *Server) mtlsURL(path string) string {
	return strings.TrimSuffix(s.mtls.String(), "/") + strings.TrimSuffix(s.issuer.Path, "/") + path
}
