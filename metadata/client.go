package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Limits of client metadata.
const (
	MaxClientBytes     = 64 << 10 // of the JSON text
	MaxClientItems     = 32       // in one list
	MaxClientTextBytes = 2048     // of one string, scope included
)

// ErrRedirectURI is what errors.Is finds in an error about redirect_uris: RFC
// 7591 section 3.2.2 has an error code of its own for them.
var ErrRedirectURI = errors.New("redirect_uris")

// Client is client metadata (RFC 7591 section 2), with the members of RFC 8705,
// RFC 9126 and RFC 9449. Absent members are zero, and zero members are left out
// of the JSON text; what an absent member means is for the authorization server
// to say. It has no place for a client secret.
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

// ParseClient reads client metadata of at most [MaxClientBytes]. Every member
// of a wrong type is reported by name; a member that is null counts as absent,
// one that is not known here is ignored (RFC 7591 section 2). What the members
// say is not judged: see [Client.Check].
func ParseClient(text []byte) (*Client, error) {
	o, err := strictjson.Parse(string(text), MaxClientBytes)
	if err != nil {
		return nil, fmt.Errorf("client metadata: %w", err)
	}
	c := &Client{}
	members := map[string]any{
		"client_id":                       &c.ClientID,
		"redirect_uris":                   &c.RedirectURIs,
		"token_endpoint_auth_method":      &c.AuthMethod,
		"token_endpoint_auth_signing_alg": &c.AuthAlg,
		"grant_types":                     &c.GrantTypes,
		"response_types":                  &c.ResponseTypes,
		"client_name":                     &c.Name,
		"client_uri":                      &c.URI,
		"logo_uri":                        &c.LogoURI,
		"scope":                           &c.Scope,
		"contacts":                        &c.Contacts,
		"tos_uri":                         &c.TermsURI,
		"policy_uri":                      &c.PolicyURI,
		"jwks_uri":                        &c.JWKSURI,
		"jwks":                            &c.JWKS,
		"software_id":                     &c.SoftwareID,
		"software_version":                &c.SoftwareVersion,

		"tls_client_certificate_bound_access_tokens": &c.CertificateBoundTokens,
		"tls_client_auth_subject_dn":                 &c.SubjectDN,
		"tls_client_auth_san_dns":                    &c.SubjectDNS,
		"tls_client_auth_san_uri":                    &c.SubjectURI,
		"tls_client_auth_san_ip":                     &c.SubjectIP,
		"tls_client_auth_san_email":                  &c.SubjectEmail,

		"dpop_bound_access_tokens":              &c.DPoPBoundTokens,
		"require_pushed_authorization_requests": &c.RequirePAR,
	}
	var errs []error
	for name, v := range o.All() {
		to, known := members[name]
		if !known || v.Kind() == strictjson.Null {
			continue
		}
		if !readMember(v, to) {
			errs = append(errs, fmt.Errorf("%w is %s, which it must not be", memberError(name), v.Kind()))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// readMember stores a value of the right type, lists and their elements too.
func readMember(v strictjson.Value, to any) bool {
	switch to := to.(type) {
	case *json.RawMessage:
		*to = json.RawMessage(v.Raw())
		return v.Kind() == strictjson.ObjectKind
	case *[]string:
		list, ok := v.Array()
		for _, item := range list {
			text, isText := item.Text()
			*to, ok = append(*to, text), ok && isText
		}
		return ok
	case *bool:
		var ok bool
		*to, ok = v.Bool()
		return ok
	case *string:
		var ok bool
		*to, ok = v.Text()
		return ok
	}
	return false
}

// memberError is the beginning of an error about a member.
func memberError(name string) error {
	if name == ErrRedirectURI.Error() {
		return ErrRedirectURI
	}
	return errors.New(name)
}

// Names of RFC 7591 section 2, RFC 8705 section 2 and RFC 7523.
const (
	methodPrivateKeyJWT = "private_key_jwt"
	methodTLS           = "tls_client_auth"
	methodSelfSigned    = "self_signed_tls_client_auth"
	grantCode           = "authorization_code"
	responseCode        = "code"
)

// Check reports every member that no authorization server should register, and
// members that contradict each other. Absent lists mean the defaults of RFC
// 7591 section 2. Keys are not read. Whether a server offers what the client
// asks for is for the server to judge.
//
// A redirect URI is an https URL; or http to the loopback interface, which only
// native apps can use; or has a private-use scheme with a dot in it, followed
// by a slash (RFC 8252 section 7). It has no fragment, no user information and
// no wildcard.
func (c *Client) Check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c.checkTexts(problem)
	c.checkRedirects(problem)
	c.checkAuth(problem)
	for _, page := range []address{
		{"client_uri", c.URI},
		{"logo_uri", c.LogoURI},
		{"tos_uri", c.TermsURI},
		{"policy_uri", c.PolicyURI},
		{"jwks_uri", c.JWKSURI},
	} {
		if page.url == "" {
			continue
		}
		if _, err := fetch.Secure(page.url); err != nil {
			problem("%s: %w", page.member, err)
		}
	}
	if c.Scope != "" && !scopeList(c.Scope) {
		problem("scope is not a list of scope tokens with one space between them (RFC 6749 section 3.3)")
	}
	return errors.Join(errs...)
}

// checkTexts reports what is too long or cannot be shown.
func (c *Client) checkTexts(problem func(string, ...any)) {
	for _, m := range []struct {
		name  string
		texts []string
	}{
		{"client_id", []string{c.ClientID}},
		{"token_endpoint_auth_method", []string{c.AuthMethod}},
		{"token_endpoint_auth_signing_alg", []string{c.AuthAlg}},
		{"grant_types", c.GrantTypes},
		{"response_types", c.ResponseTypes},
		{"client_name", []string{c.Name}},
		{"scope", []string{c.Scope}},
		{"contacts", c.Contacts},
		{"software_id", []string{c.SoftwareID}},
		{"software_version", []string{c.SoftwareVersion}},
		{"tls_client_auth_subject_dn", []string{c.SubjectDN}},
		{"tls_client_auth_san_dns", []string{c.SubjectDNS}},
		{"tls_client_auth_san_uri", []string{c.SubjectURI}},
		{"tls_client_auth_san_ip", []string{c.SubjectIP}},
		{"tls_client_auth_san_email", []string{c.SubjectEmail}},
	} {
		if len(m.texts) > MaxClientItems {
			problem("%s has %d items, at most %d are allowed", m.name, len(m.texts), MaxClientItems)
			continue
		}
		for _, text := range m.texts {
			if len(text) > MaxClientTextBytes || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				problem("%s has %d bytes: printable characters are needed, at most %d bytes of them", m.name, len(text), MaxClientTextBytes)
			}
		}
	}
}

func (c *Client) checkRedirects(problem func(string, ...any)) {
	if len(c.RedirectURIs) > MaxClientItems {
		problem("%w has %d items, at most %d are allowed", ErrRedirectURI, len(c.RedirectURIs), MaxClientItems)
		return
	}
	for i, uri := range c.RedirectURIs {
		if err := checkRedirect(uri); err != nil {
			problem("%w[%d]: %w", ErrRedirectURI, i, err)
		}
	}
	byCode := len(c.GrantTypes) == 0
	for _, g := range c.GrantTypes {
		byCode = byCode || g == grantCode
	}
	wantsCode := len(c.ResponseTypes) == 0 && byCode
	for _, r := range c.ResponseTypes {
		wantsCode = wantsCode || r == responseCode
	}
	if byCode != wantsCode { // RFC 7591 section 2.1
		problem("grant_types and response_types contradict each other: %s needs %s, and the other way round", grantCode, responseCode)
	}
	if byCode && len(c.RedirectURIs) == 0 {
		problem("%w is needed for %s", ErrRedirectURI, grantCode)
	}
}

func (c *Client) checkAuth(problem func(string, ...any)) {
	if c.JWKSURI != "" && len(c.JWKS) > 0 { // RFC 7591 section 2
		problem("jwks and jwks_uri are both there, which they must not be")
	}
	if (c.AuthMethod == methodPrivateKeyJWT || c.AuthMethod == methodSelfSigned) && c.JWKSURI == "" && len(c.JWKS) == 0 {
		problem("jwks or jwks_uri is needed for %s", c.AuthMethod)
	}
	if c.AuthAlg != "" && c.AuthMethod != methodPrivateKeyJWT {
		problem("token_endpoint_auth_signing_alg is there, which only %s uses", methodPrivateKeyJWT)
	}
	subjects := 0
	for _, s := range []string{c.SubjectDN, c.SubjectDNS, c.SubjectURI, c.SubjectIP, c.SubjectEmail} {
		if s != "" {
			subjects++
		}
	}
	switch { // RFC 8705 section 2.1.2
	case c.AuthMethod == methodTLS && subjects != 1:
		problem("%d of the members tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip and _san_email are there, %s needs exactly one", subjects, methodTLS)
	case c.AuthMethod != methodTLS && subjects > 0:
		problem("there is a tls_client_auth_ member, which only %s uses", methodTLS)
	}
}

// scopeList reports whether text is a scope of RFC 6749 section 3.3.
func scopeList(text string) bool {
	for token := range strings.SplitSeq(text, " ") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			return false
		}
	}
	return true
}
