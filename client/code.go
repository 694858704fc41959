package client

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// MaxCallbackBytes is the longest parameter of a callback that is read.
const MaxCallbackBytes = 8 << 10

// Authorization is one attempt to get the user's consent: it begins with a URL
// for the browser and ends with what comes back to the redirect URL. It keeps
// the server that it began with, so that the code goes nowhere else (RFC 9700
// section 4.4). Keep it in the session of that one browser. An Authorization
// prints redacted and is safe for concurrent use; it finishes once.
type Authorization struct {
	c        *Client
	url      string
	redirect string
	verifier holdfast.Secret
	state    holdfast.Secret
	done     atomic.Bool
}

// Begin starts an authorization code flow with PKCE (RFC 7636, always S256), a
// state, the thumbprint of the proof key (RFC 9449 section 10) and the resource
// indicators. The request is pushed (RFC 9126) if the server offers that.
func (c *Client) Begin(ctx context.Context) (*Authorization, error) {
	if c.redirect == nil {
		return nil, &Error{Op: opAsk, Err: errors.New("RedirectURL is needed")}
	}
	return c.begin(ctx, c.redirect.String())
}

func (c *Client) begin(ctx context.Context, redirect string) (*Authorization, error) {
	target := c.endpoints[authorizationEndpoint]
	if err := c.canAuthorize(target); err != nil {
		return nil, &Error{Op: opAsk, Err: err}
	}
	a := &Authorization{c: c, redirect: redirect, verifier: random(), state: random()}
	form := c.ask("")
	form.Set("response_type", "code")
	form.Set("client_id", c.auth.ClientID())
	form.Set("redirect_uri", redirect)
	form.Set("state", a.state.Reveal())
	sum := sha256.Sum256([]byte(a.verifier.Reveal()))
	form.Set("code_challenge", jose.EncodeSegment(sum[:]))
	form.Set("code_challenge_method", "S256")
	setWords(form, "acr_values", c.acr)
	if c.maxAge != nil {
		form.Set("max_age", strconv.Itoa(*c.maxAge))
	}
	if c.key != nil {
		form.Set("dpop_jkt", c.key.Thumbprint().String())
	}
	if c.endpoints[parEndpoint] != nil {
		var err error
		if form, err = c.push(ctx, form); err != nil {
			return nil, err
		}
	}
	u := *target
	if u.RawQuery != "" { // RFC 6749 section 3.1: a query of the endpoint stays
		u.RawQuery += "&"
	}
	u.RawQuery += form.Encode()
	a.url = u.String()
	return a, nil
}

// canAuthorize reports what the server lacks for a code flow. PKCE never falls
// back to plain (RFC 7636 section 7.2).
func (c *Client) canAuthorize(target *url.URL) error {
	if target == nil {
		return fmt.Errorf("the server's metadata has no %s", authorizationEndpoint)
	}
	if list := c.meta.ResponseTypesSupported; len(list) > 0 && !slices.Contains(list, "code") {
		return fmt.Errorf("the server has the response types %s, code is needed", escape(strings.Join(list, ", ")))
	}
	if list := c.meta.CodeChallengeMethods; len(list) > 0 && !slices.Contains(list, "S256") {
		return fmt.Errorf("the server has the code challenge methods %s, S256 is needed", escape(strings.Join(list, ", ")))
	}
	return nil
}

// random returns 256 random bits as 43 characters of base64url, which is what a
// code verifier has to be (RFC 7636 section 4.1).
func random() holdfast.Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return holdfast.NewSecret(jose.EncodeSegment(b[:]))
}

// URL returns the address to open in the user's browser, once.
func (a *Authorization) URL() string { return a.url }

// State returns the state parameter of the callback: a name to find the
// Authorization by, in the session of the browser that began it.
func (a *Authorization) State() holdfast.Secret { return a.state }

// String says nothing of what is secret.
func (a *Authorization) String() string { return "authorization at " + escape(a.c.issuer) }

// Format prints what String returns, whatever the verb.
func (a *Authorization) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// Finish takes the query of the callback and gets the grant for its code. A
// callback with another state changes nothing: it is not the answer to this
// request (RFC 9700 section 4.7), and the right one may still come. Every other
// callback finishes the Authorization, whatever the outcome. Parameters that it
// does not know are ignored; it never redirects.
func (a *Authorization) Finish(ctx context.Context, callback url.Values) (*Grant, error) {
	refuse := func(format string, args ...any) (*Grant, error) {
		return nil, &Error{Op: opAsk, Err: fmt.Errorf(format, args...)}
	}
	if err := a.matches(callback); err != nil {
		return refuse("%w", err)
	}
	if a.done.Swap(true) {
		return refuse("the authorization was finished before: begin another one")
	}
	for _, name := range [...]string{"iss", "code", "error", "error_description"} {
		if v, there := callback[name]; there && (len(v) != 1 || len(v[0]) > MaxCallbackBytes) {
			return refuse("the callback has %s not once, or with more than %d bytes", name, MaxCallbackBytes)
		}
	}
	// RFC 9207 section 2.4: before anything else is believed, and compared as it stands.
	switch iss, there := callback["iss"]; {
	case there && iss[0] != a.c.issuer:
		return refuse("the callback is of issuer %s, the request went to %s", escape(iss[0]), escape(a.c.issuer))
	case !there && a.c.meta.IssParameterSupported:
		return refuse("the callback has no iss although the server sends it: it may be of another server")
	}
	if callback.Has("error") {
		return nil, &Error{
			Op: opAsk, Code: cut(escape(callback.Get("error")), maxErrorCode),
			Description: escape(strings.ReplaceAll(callback.Get("error_description"), a.state.Reveal(), "[redacted]")),
		}
	}
	code := callback.Get("code")
	if code == "" {
		return refuse("the callback has neither code nor error")
	}
	form := url.Values{
		"grant_type": {grantCode}, "code": {code}, "redirect_uri": {a.redirect}, "code_verifier": {a.verifier.Reveal()},
	}
	if len(a.c.resource) > 0 {
		form["resource"] = slices.Clone(a.c.resource)
	}
	return a.c.request(ctx, tokenCall{op: opToken, form: form, key: a.c.key, scope: a.c.scope})
}

// matches reports why a callback is not one to this request.
func (a *Authorization) matches(callback url.Values) error {
	if v := callback["state"]; len(v) != 1 || subtle.ConstantTimeCompare([]byte(v[0]), []byte(a.state.Reveal())) != 1 {
		return errors.New("the callback does not have the state of this request: it may be forged")
	}
	return nil
}
