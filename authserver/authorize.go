package authserver

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// authorize is the authorization endpoint (RFC 6749 section 3.1). A request
// whose client or redirect URI is wrong gets a page; every other answer goes to
// the redirect URI, save errors for strangers.
func (v *visit) authorize() error {
	form, err := v.query()
	if err != nil {
		return err
	}
	q, err := v.readAuthorization(form)
	if err != nil {
		if q == nil {
			return err
		}
		return v.answerError(q, err)
	}
	t := v.newTicket()
	t.Request = q
	return v.proceed(t)
}

// authorizePosted takes the request as a form (RFC 6749 section 3.1) and turns
// it into an address. A form of another site comes without our cookies, and the
// GET that follows has them.
func (v *visit) authorizePosted() error {
	form, err := readForm(v.w, v.Request)
	if err != nil {
		return err
	}
	// RFC 6749 section 2.3.1: credentials do not belong here, and not into an
	// address.
	for _, name := range [...]string{"client_secret", "client_assertion", "client_assertion_type", "password"} {
		form.Del(name)
	}
	query := form.Encode()
	if len(query) > maxQueryBytes {
		f := refuse(errInvalidRequest, "the request is too long")
		f.status = http.StatusRequestEntityTooLarge
		return f
	}
	return v.redirect(v.server.endpointURL(pathAuthorize) + "?" + query)
}

// readAuthorization reads and checks a request. Where there is an error and a
// request, the error may be told to its redirect URI.
func (v *visit) readAuthorization(form url.Values) (*authorizationRequest, error) {
	s, ctx := v.server, v.Context()
	repeated := once(form)
	for _, name := range []string{"client_id", "redirect_uri", "request_uri"} {
		if len(form[name]) > 1 {
			return nil, repeated
		}
	}
	id := form.Get("client_id")
	if id == "" {
		return nil, refuse(errInvalidRequest, "the parameter client_id is missing")
	}
	c, err := s.clients.find(ctx, id)
	if err != nil {
		return nil, asPage(err)
	}
	v.event.Client = c.ClientID
	if err := s.allowed(ctx, c, holdfast.Thumbprint{}); err != nil {
		return nil, err
	}
	if uri := form.Get("request_uri"); uri != "" {
		// RFC 9126 section 4, RFC 9101 section 6.3: what stands beside the
		// request_uri is not used.
		return s.pushedBy(ctx, c, uri)
	}
	redirect, err := s.redirectOf(c, form)
	if err != nil {
		return nil, err
	}
	q, err := s.readRequest(ctx, c, form)
	if q == nil {
		q = &authorizationRequest{}
	}
	q.Client, q.RedirectURI = c.ClientID, redirect
	switch {
	case repeated != nil:
		return q, repeated
	case err != nil:
		return q, err
	case s.config.RequirePAR || c.RequirePAR:
		return q, refuse(errInvalidRequest, "the parameter request_uri is missing: this client has to push its requests (RFC 9126)")
	}
	return q, nil
}

// pushedBy returns a pushed request. Without one there is no redirect URI, so
// an error has no request beside it.
func (s *Server) pushedBy(ctx context.Context, c *client, uri string) (*authorizationRequest, error) {
	q, err := s.pushed(ctx, c, uri)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// allowed judges whether client and key are blocked. The fault is nothing that a
// redirect would help with: whoever is blocked gets a page.
func (s *Server) allowed(ctx context.Context, c *client, jkt holdfast.Thumbprint) error {
	err := s.standing(ctx, party{Client: c.ClientID, Holder: binding{JKT: jkt}, At: s.now()})
	return asPage(err)
}

// asPage makes a refusal fit for people: a client that is not known or blocked
// is a bad request of theirs, not one without credentials.
func asPage(err error) error {
	f, ok := isRefusal(err)
	if !ok {
		return err
	}
	return &refusal{status: http.StatusBadRequest, code: f.code, text: f.text, check: f.check, why: f.why}
}

// answerCode sends the code to the client (RFC 6749 section 4.1.2).
func (v *visit) answerCode(q *authorizationRequest, code holdfast.Secret) error {
	v.done(nil)
	return v.answer(q, url.Values{"code": {code.Reveal()}})
}

// answerError sends an error to the client (RFC 6749 section 4.1.2.1).
func (v *visit) answerError(q *authorizationRequest, err error) error {
	v.done(err)
	f := refusalOf(err)
	code := f.code
	switch code {
	case errInvalidClient:
		code = errUnauthorizedClient
	case errInvalidGrant, errInvalidToken:
		code = errAccessDenied
	}
	params := url.Values{"error": {code}, "error_description": {f.text}}
	if v.stranger(q) {
		return v.showError(q, f, params)
	}
	return v.answer(q, params)
}

// stranger reports whether an error is for a client that registered itself, and
// the person has neither answered a page of ours nor allowed the client anything
// before: whoever registers could have this server lead people anywhere, by a
// request that is wrong on purpose (RFC 9700 section 4.11.2).
func (v *visit) stranger(q *authorizationRequest) bool {
	if v.Method == http.MethodPost {
		return false
	}
	c, err := v.server.clients.find(v.Context(), q.Client)
	if err != nil || !c.dynamic {
		return err != nil
	}
	e, err := v.session()
	if err == nil && e != nil {
		_, err = load[consentRecord](v.Context(), v.server.store, kindConsent, keyOf(e.Value.Person.Subject, q.Client))
	}
	return err != nil || e == nil
}

// answer sends parameters to the redirect URI, with state and iss (RFC 9207
// section 2), in the query or as a form that the browser sends.
func (v *visit) answer(q *authorizationRequest, params url.Values) error {
	u, err := v.addressed(q, params)
	if err != nil {
		return err
	}
	if q.FormPost && isWeb(u) {
		return v.showFormPost(u, params)
	}
	return v.redirect(withQuery(u, params))
}

// addressed completes the parameters of an answer and says where it goes.
func (v *visit) addressed(q *authorizationRequest, params url.Values) (*url.URL, error) {
	params.Set("iss", v.server.config.Issuer)
	if q.State != "" {
		params.Set("state", q.State)
	}
	u, err := url.Parse(q.RedirectURI)
	if err != nil {
		return nil, refuse(errInvalidRequest, "the redirect_uri cannot be read")
	}
	return u, nil
}

// withQuery adds parameters to an address. RFC 6749 section 3.1.2: a query of
// the redirect URI is kept.
func withQuery(u *url.URL, params url.Values) string {
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += params.Encode()
	return u.String()
}

// isWeb reports whether an address is one that a form may be sent to.
func isWeb(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "http" }

// destination is what form-action has to allow besides this server. Chromium
// applies the directive to every redirect after a form, also to those that the
// client makes from its redirect URI to its other sites: so it is the scheme of
// the redirect URI, not its origin. A scheme of http: allows https: too.
func destination(redirectURI string) string {
	scheme, _, ok := strings.Cut(redirectURI, ":")
	if !ok || strings.ContainsFunc(scheme, func(r rune) bool { return !strings.ContainsRune(schemeCharacters, r) }) {
		return ""
	}
	return scheme + ":"
}

// schemeCharacters are those of RFC 3986 section 3.1.
const schemeCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-."
