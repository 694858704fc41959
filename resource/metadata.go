package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// MetadataPath returns the path at which clients look for the metadata of this
// resource (RFC 9728 section 3.1), for a ServeMux. It is a path of the host:
// /.well-known/oauth-protected-resource comes before the path of the resource,
// so a proxy that serves this resource below a prefix has to route it as well.
func (g *Guard) MetadataPath() string { return g.metadataURL.EscapedPath() }

// MetadataHandler serves the protected resource metadata (RFC 9728 section 3.2).
// It is public: nobody has to present anything, and scripts of any origin may
// read it.
func (g *Guard) MetadataHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write(g.metadataText) // whoever hung up is not told
	})
}

// describe settles the metadata: what is given, completed by what follows from
// the policy. A document that promises something else than what is enforced
// would be believed by clients, so it is refused.
func (g *Guard) describe(given *metadata.Resource, issuers []string) []error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("guard: metadata: "+format, args...)) }
	if given != nil {
		g.metadata = *given
	}
	m := &g.metadata
	if m.Resource == "" {
		m.Resource = g.publicURL.String()
	}
	var err error
	if g.metadataURL, err = g.wellKnown(m.Resource); err != nil {
		problem("resource is %q: %w", m.Resource, err)
	}
	derived := func(name string, field *[]string, want []string) {
		if len(*field) > 0 && !slices.Equal(*field, want) {
			problem("%s is %q, but Verify gives %q: leave it empty", name, *field, want)
		}
		*field = want
	}
	if len(m.AuthorizationServers) == 0 {
		m.AuthorizationServers = publicIssuers(issuers)
	}
	for _, iss := range m.AuthorizationServers { // not all have to be named (RFC 9728 section 2)
		if !slices.Contains(issuers, iss) {
			problem("authorization_servers has %q, which is not one of Verify.Issuers", iss)
		}
	}
	derived("bearer_methods_supported", &m.BearerMethodsSupported, []string{"header"}) // neither body nor query is read
	if g.verifier != nil {
		derived("dpop_signing_alg_values_supported", &m.DPoPSigningAlgs, g.algs)
	}
	needsDPoP := !g.admitsBearer(holdfast.Requirement{})
	if m.DPoPBoundRequired && !needsDPoP {
		problem("dpop_bound_access_tokens_required is true, but Verify.Accept and CertificateBoundTokens admit others")
	}
	m.DPoPBoundRequired = needsDPoP
	for _, s := range m.ScopesSupported {
		if !isScopeToken(s) {
			problem("scope %q is no scope-token (RFC 6749 section 3.3)", s)
		}
	}
	if g.metadataText, err = json.Marshal(m); err == nil {
		_, err = metadata.ParseResource(g.metadataText) // what our own clients could not read is not published
	}
	if err != nil {
		problem("%w", err)
	}
	return errs
}

// wellKnown returns where the metadata of resource is. It has to be on the host
// that we serve: nobody else could publish it for us.
func (g *Guard) wellKnown(resource string) (*url.URL, error) {
	raw, err := metadata.ResourceURL(resource)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	if fetch.Origin(u) != fetch.Origin(g.publicURL) {
		return nil, fmt.Errorf("its origin is not that of PublicURL, %s", fetch.Origin(g.publicURL))
	}
	return u, nil
}

// publicIssuers are the issuers that can be found by a client: authorization
// servers are named by URL (RFC 8414 section 2).
func publicIssuers(issuers []string) []string {
	var out []string
	for _, iss := range issuers {
		if _, err := fetch.Secure(iss); err == nil {
			out = append(out, iss)
		}
	}
	return out
}
