package authserver

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Limits of the parameters of a request. What is longer is refused by name.
const (
	maxRedirectBytes = 2048
	maxStateBytes    = 2048
	maxHintBytes     = 256
	maxScopes        = 64 // in one request
	maxResources     = 16 // in one request
	maxACRs          = 8  // in acr_values
	maxACRBytes      = 256
)

// errRequestNotSupported says that there are no request objects (OpenID Connect
// Core section 3.1.2.6).
const errRequestNotSupported = "request_not_supported"

// redirectOf returns the redirect URI of a request if the client registered
// it: where other errors may be sent. Without one the error is for a page.
// A client with a single redirect URI may leave it out (RFC 6749 section
// 3.1.2.3), but not under FAPI (FAPI 2.0 section 5.3.2.2).
func (s *Server) redirectOf(c *client, form url.Values) (string, error) {
	uri := form.Get("redirect_uri")
	switch {
	case uri == "" && len(c.RedirectURIs) == 1 && s.config.Profile != ProfileFAPI2:
		return c.RedirectURIs[0], nil
	case uri == "":
		return "", refuse(errInvalidRequest, "the parameter redirect_uri is missing")
	case len(uri) > maxRedirectBytes || !c.AllowsRedirect(uri):
		return "", refuse(errInvalidRequest, "the parameter redirect_uri is none that the client registered")
	}
	return uri, nil
}

// readRequest checks the parameters of an authorization request, plain or
// pushed. RedirectURI, State and FormPost are set even if there is an error: as
// far as they are valid, the error belongs there. A request_uri is for the
// caller to judge.
func (s *Server) readRequest(_ context.Context, c *client, form url.Values) (*authorizationRequest, error) {
	q := &authorizationRequest{Client: c.ClientID, RedirectImplied: form.Get("redirect_uri") == ""}
	var err error
	if q.RedirectURI, err = s.redirectOf(c, form); err != nil {
		return q, err
	}
	// State and mode first: they say how every later error is answered.
	if err := q.readDelivery(form); err != nil {
		return q, err
	}
	switch {
	case form.Has("client_id") && form.Get("client_id") != c.ClientID:
		return q, refuse(errInvalidRequest, "the parameter client_id is not that of the authenticated client")
	case form.Has("request"):
		return q, refuse(errRequestNotSupported, "the parameter request is not supported: push the parameters instead")
	case !form.Has("response_type"):
		return q, refuse(errInvalidRequest, "the parameter response_type is missing")
	case form.Get("response_type") != "code":
		// RFC 9700 section 2.1.2: no token travels through the browser.
		return q, refuse(errUnsupportedType, "the parameter response_type is not code, the only one here")
	case !c.may(grantCode) || s.config.Profile == ProfileFAPI2 && c.public():
		return q, refuse(errUnauthorizedClient, "the client may not use the authorization code grant")
	}
	if q.Challenge, err = readChallenge(form); err != nil {
		return q, err
	}
	if jkt := form.Get("dpop_jkt"); jkt != "" {
		if q.JKT, err = holdfast.ParseThumbprint(jkt); err != nil || q.JKT.IsZero() {
			return q, refuse(errInvalidRequest, "the parameter dpop_jkt is no thumbprint: want 43 base64url characters")
		}
	}
	if q.Scope, q.Resources, err = s.asked(c, form); err != nil {
		return q, err
	}
	return q, q.readPerson(form)
}

// readDelivery reads how the answer gets to the client.
func (q *authorizationRequest) readDelivery(form url.Values) error {
	mode := form.Get("response_mode")
	q.FormPost = mode == "form_post"
	state := form.Get("state")
	if len(state) > maxStateBytes {
		return refuse(errInvalidRequest, fmt.Sprintf("the parameter state is longer than %d bytes", maxStateBytes))
	}
	if !printable(state) { // RFC 6749 appendix A.5
		return refuse(errInvalidRequest, "the parameter state is not of printable ASCII characters")
	}
	q.State = state
	if mode != "" && mode != "query" && mode != "form_post" {
		return refuse(errInvalidRequest, "the parameter response_mode is neither query nor form_post")
	}
	return nil
}

// readChallenge reads the PKCE challenge, which is required of every client
// (RFC 7636 section 4.4.1, RFC 9700 section 2.1.1). A missing method would mean
// plain.
func readChallenge(form url.Values) (string, error) {
	challenge := form.Get("code_challenge")
	if challenge == "" {
		return "", refuse(errInvalidRequest, "the parameter code_challenge is missing: PKCE is required")
	}
	if form.Get("code_challenge_method") != "S256" {
		return "", refuse(errInvalidRequest, "the parameter code_challenge_method is not S256")
	}
	if sum, err := jose.DecodeSegment(challenge); err != nil || len(sum) != 32 {
		return "", refuse(errInvalidRequest, "the parameter code_challenge is no base64url SHA-256 value of 43 characters")
	}
	return challenge, nil
}

// readPerson reads what the request says about who is to log in and how.
func (q *authorizationRequest) readPerson(form url.Values) error {
	switch q.Prompt = form.Get("prompt"); q.Prompt {
	case "", "none", "login", "consent":
	default:
		return refuse(errInvalidRequest, "the parameter prompt is none of none, login and consent")
	}
	if age := form.Get("max_age"); age != "" {
		n, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return refuse(errInvalidRequest, "the parameter max_age is no number of seconds")
		}
		q.MaxAge = new(int(n))
	}
	q.ACR = strings.Fields(form.Get("acr_values"))
	if len(q.ACR) > maxACRs || slices.ContainsFunc(q.ACR, func(v string) bool { return len(v) > maxACRBytes || !printable(v) }) {
		return refuse(errInvalidRequest, fmt.Sprintf("the parameter acr_values has more than %d values, or one that is too long or not printable", maxACRs))
	}
	q.LoginHint = form.Get("login_hint")
	if len(q.LoginHint) > maxHintBytes || !utf8.ValidString(q.LoginHint) || strings.ContainsFunc(q.LoginHint, unicode.IsControl) {
		return refuse(errInvalidRequest, fmt.Sprintf("the parameter login_hint is longer than %d bytes or no plain text", maxHintBytes))
	}
	return nil
}

// asked reads scope and resource of a request for authorization: the resources
// that it is for (RFC 8707 section 2.1), and those of its scopes that the client
// may have and that one of the resources offers (RFC 9700 section 2.3). A scope
// that is left out is what the client registered.
func (s *Server) asked(c *client, form url.Values) (scope, resources []string, err error) {
	if len(form["resource"]) > maxResources {
		return nil, nil, refuse(errInvalidTarget, fmt.Sprintf("the parameter resource is given more than %d times", maxResources))
	}
	for _, id := range form["resource"] {
		if _, ok := s.resource(id); !ok || !c.mayReach(id) {
			return nil, nil, refuse(errInvalidTarget, "the parameter resource names none that the client may get tokens for")
		}
		if !slices.Contains(resources, id) {
			resources = append(resources, id)
		}
	}
	if len(resources) == 0 {
		if resources = s.reach(c); len(resources) == 0 {
			return nil, nil, refuse(errInvalidTarget, "there is no resource that the client may get tokens for")
		}
		resources = resources[:1]
	}
	wanted, err := readScope(form)
	if err != nil {
		return nil, nil, err
	}
	if wanted == nil {
		if wanted = strings.Fields(c.Scope); len(wanted) == 0 {
			return nil, nil, refuse(errInvalidScope, "the parameter scope is missing, and the client registered none")
		}
	}
	for _, id := range resources {
		r, _ := s.resource(id)
		scope = append(scope, narrow(c, r, wanted)...)
	}
	scope = inOrder(wanted, scope)
	if len(scope) == 0 {
		return nil, nil, refuse(errInvalidScope, "the parameter scope has none that the client may have at this resource")
	}
	return scope, resources, nil
}

// reach returns the resources that a client may get tokens for, the default
// first.
func (s *Server) reach(c *client) []string {
	var out []string
	for i := range s.config.Resources {
		if id := s.config.Resources[i].ID; c.mayReach(id) {
			out = append(out, id)
		}
	}
	return out
}

// mayReach reports whether the client may get tokens for a resource.
func (c *client) mayReach(id string) bool {
	return c.Resources == nil || slices.Contains(c.Resources, id)
}

// narrow returns those of the scopes that the resource offers and the client
// may have. A client without registered scopes may have all.
func narrow(c *client, r *Resource, scope []string) []string {
	own := strings.Fields(c.Scope)
	return slices.DeleteFunc(slices.Clone(scope), func(v string) bool {
		return !slices.Contains(r.Scopes, v) || len(own) > 0 && !slices.Contains(own, v)
	})
}

// readScope reads the scope parameter (RFC 6749 section 3.3); nil if there is
// none.
func readScope(form url.Values) ([]string, error) {
	if !form.Has("scope") {
		return nil, nil
	}
	scope := strings.Split(form.Get("scope"), " ")
	if len(scope) > maxScopes {
		return nil, refuse(errInvalidScope, fmt.Sprintf("the parameter scope has more than %d values", maxScopes))
	}
	for _, v := range scope {
		if v == "" || !printable(v) || strings.ContainsAny(v, ` "\`) {
			return nil, refuse(errInvalidScope, "the parameter scope is no list of names with one space between them")
		}
	}
	return inOrder(scope, scope), nil
}

// inOrder returns the values of list that are also in chosen, each once.
func inOrder(list, chosen []string) []string {
	var out []string
	for _, v := range list {
		if slices.Contains(chosen, v) && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// printable reports whether text has only the characters %x20-7E.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e })
}
