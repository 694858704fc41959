package metadata

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// address is a member of a document that holds a URL.
type address struct{ member, url string }

// checkURLs reports every endpoint that must not be called.
func (s *Server) checkURLs(issuer string) error {
	addresses := []address{
		{"authorization_endpoint", s.AuthorizationEndpoint},
		{"token_endpoint", s.TokenEndpoint},
		{"jwks_uri", s.JWKSURI},
		{"registration_endpoint", s.RegistrationEndpoint},
		{"revocation_endpoint", s.RevocationEndpoint},
		{"introspection_endpoint", s.IntrospectionEndpoint},
		{"userinfo_endpoint", s.UserinfoEndpoint},
		{"pushed_authorization_request_endpoint", s.PAREndpoint},
		{"device_authorization_endpoint", s.DeviceAuthorizationEndpoint},
	}
	for _, name := range slices.Sorted(maps.Keys(s.MTLSEndpointAliases)) {
		addresses = append(addresses, address{fmt.Sprintf("mtls_endpoint_aliases %.40q", name), s.MTLSEndpointAliases[name]})
	}
	return checkURLs(issuer, addresses)
}

// checkURLs reports every authorization server that must not be called.
func (r *Resource) checkURLs(asked string) error {
	addresses := []address{{"jwks_uri", r.JWKSURI}}
	for i, issuer := range r.AuthorizationServers {
		if issuer == "" {
			return fmt.Errorf("authorization_servers[%d] is empty", i)
		}
		addresses = append(addresses, address{fmt.Sprintf("authorization_servers[%d]", i), issuer})
	}
	return checkURLs(asked, addresses)
}

// checkURLs reports every address of a document that is not secure, or that
// leads inside although the document came from outside (RFC 9728 section 7.7).
// An address that is absent is none.
func checkURLs(source string, addresses []address) error {
	from, err := fetch.Secure(source)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range addresses {
		if a.url == "" {
			continue
		}
		u, err := fetch.Secure(a.url)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", a.member, err))
		case inside(u.Hostname()) && !inside(from.Hostname()):
			errs = append(errs, fmt.Errorf("%s: %.100q is an address inside a network, the document came from %.100q", a.member, u.Hostname(), from.Hostname()))
		}
	}
	return errors.Join(errs...)
}

// inside reports whether host is written as an address that is not public: of
// this machine, of a private network, link-local. A host that ends in a number
// without being an address counts too: some resolvers read 127.1 or 0x7f000001.
func inside(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if fetch.Loopback(host) || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return true
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return fetch.Inside(a)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"))
}

// contains reports whether a resource is the parent of the URL of a request:
// equal origins, and its path a prefix of whole segments.
func contains(resource string, request *url.URL) bool {
	parent, err := fetch.Secure(resource)
	if err != nil || strings.Contains(resource, "?") || fetch.Origin(parent) != fetch.Origin(request) {
		return false
	}
	// A server may resolve dot segments, encoded ones too: then the prefix says
	// nothing about what was asked for.
	segments := strings.FieldsFunc(request.Path, func(r rune) bool { return r == '/' || r == '\\' })
	if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return false
	}
	above := strings.TrimSuffix(parent.EscapedPath(), "/") + "/"
	return strings.HasPrefix(request.EscapedPath()+"/", above)
}
