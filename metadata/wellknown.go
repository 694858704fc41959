package metadata

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// Names below /.well-known/ (RFC 8615).
const (
	serverSuffix   = "/.well-known/oauth-authorization-server" // RFC 8414 section 3
	openIDSuffix   = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0 section 4
	resourceSuffix = "/.well-known/oauth-protected-resource"   // RFC 9728 section 3
)

// ServerURL returns where an authorization server publishes its metadata (RFC
// 8414 section 3.1): the well-known name is inserted before the path of the
// issuer, whose terminating slash is dropped. An issuer is an https URL (http
// on loopback) without query and fragment.
func ServerURL(issuer string) (string, error) {
	u, err := issuerURL(issuer)
	if err != nil {
		return "", err
	}
	return inserted(u, serverSuffix, strings.TrimSuffix(u.EscapedPath(), "/")), nil
}

// ResourceURL returns where a protected resource publishes its metadata (RFC
// 9728 section 3.1): the well-known name is inserted before the path and query
// of the resource identifier. Only a slash that ends the host is dropped. An
// identifier is an https URL (http on loopback) without fragment.
func ResourceURL(resource string) (string, error) {
	u, err := fetch.Secure(resource)
	if err != nil {
		return "", fmt.Errorf("resource: %w", err)
	}
	path := u.EscapedPath()
	if path == "/" {
		path = ""
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return inserted(u, resourceSuffix, path), nil
}

// serverURLs returns the places of authorization server metadata in the order
// of RFC 8414 section 5: its own, then those of OpenID Connect.
func serverURLs(issuer string) ([]string, error) {
	u, err := issuerURL(issuer)
	if err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	return slices.Compact([]string{
		inserted(u, serverSuffix, path),
		inserted(u, openIDSuffix, path),
		inserted(u, path, openIDSuffix), // equal to the one before without a path
	}), nil
}

func issuerURL(issuer string) (*url.URL, error) {
	u, err := fetch.Secure(issuer)
	if err == nil && strings.Contains(issuer, "?") {
		err = errors.New("a URL with a query") // RFC 8414 section 2
	}
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return u, nil
}

func inserted(u *url.URL, first, second string) string {
	return u.Scheme + "://" + u.Host + first + second
}
