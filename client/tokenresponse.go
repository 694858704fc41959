package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// MaxTokenLifetime is the longest time an expires_in counts for: longer ones are
// mistakes of units more often than not.
const MaxTokenLifetime = 366 * 24 * time.Hour

// What is asked for, by grant_type.
const (
	grantCode        = "authorization_code"
	grantRefresh     = "refresh_token"
	grantCredentials = "client_credentials"
	grantDevice      = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange    = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// issuedAccessToken is the issued_token_type of RFC 8693 section 3.
const issuedAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// tokenCall is a token request (RFC 6749 section 4), and what its answer is
// compared with.
type tokenCall struct {
	op    string
	form  url.Values // grant_type included
	key   *holdfast.Key
	scope []string // asked for, nil if nothing was
}

// request sends a token request and reads the grant out of the answer.
func (c *Client) request(ctx context.Context, r tokenCall) (*Grant, error) {
	asked := c.now() // before the answer was on its way, so that Expires is not late
	a, err := c.post(ctx, call{op: r.op, to: tokenEndpoint, form: r.form, key: r.key})
	if err != nil {
		return nil, err
	}
	o, err := a.object()
	if err != nil {
		return nil, err
	}
	g := &Grant{
		Issuer: c.issuer, ClientID: c.auth.ClientID(), Type: r.form.Get("grant_type"),
		Key: r.key, Certificate: c.cert, Obtained: asked,
	}
	if a.note != "" {
		g.warn("%s", a.note)
	}
	hint, err := c.read(o, g, r)
	if err != nil {
		fault := a.fault(err)
		fault.Hint = hint
		return nil, fault
	}
	// RFC 9449 section 5: of a public client the proof binds the refresh token,
	// whatever the access token is, if the server knows of proofs (section 5.1).
	knows := g.Token.Key != nil || len(c.meta.DPoPSigningAlgs) > 0
	g.RefreshBound = r.key != nil && knows && !g.Refresh.IsZero() && c.public()
	if g.RefreshBound && g.Token.Key == nil {
		g.warn("only the refresh token is bound to the proof key")
	}
	return g, nil
}

// read fills the grant from the answer. The hint belongs to the error.
func (c *Client) read(o strictjson.Object, g *Grant, r tokenCall) (hint string, err error) {
	// RFC 8693 section 2.2.1: what was issued may be something else than asked for.
	if issued := said(o, "issued_token_type"); g.Type == grantExchange && issued != issuedAccessToken {
		return "", fmt.Errorf("issued_token_type is %q, an access token was asked for", escape(issued))
	}
	if g.Token, err = c.readToken(o, g); err != nil {
		return "", err
	}
	if hint, err = c.checkBinding(g); err != nil {
		return hint, err
	}
	return "", g.readRest(o, r.scope)
}

func (g *Grant) warn(format string, args ...any) {
	g.Warnings = append(g.Warnings, fmt.Sprintf(format, args...))
}

// readToken reads the members about the access token.
func (c *Client) readToken(o strictjson.Object, g *Grant) (*Token, error) {
	value, typ := said(o, "access_token"), said(o, "token_type")
	switch {
	case value == "":
		return nil, errors.New("the answer has no access_token")
	case len(value) > holdfast.MaxTokenBytes:
		return nil, fmt.Errorf("the access token has %d bytes, at most %d can be used", len(value), holdfast.MaxTokenBytes)
	case strings.ContainsFunc(value, func(r rune) bool { return r < 0x21 || r > 0x7e }):
		return nil, errors.New("the access token has a character that cannot be in a header field")
	case typ == "":
		return nil, errors.New("the answer has no token_type")
	}
	t := &Token{Value: holdfast.NewSecret(value), Type: typ}
	v, there := o.Get("expires_in")
	if !there || v.Kind() == strictjson.Null {
		return t, nil
	}
	seconds, ok := v.Int()
	if !ok || seconds <= 0 {
		return nil, fmt.Errorf("expires_in is %s, a positive number of seconds is needed", escape(v.Raw()))
	}
	if seconds > int64(MaxTokenLifetime/time.Second) {
		g.warn("the server says that the access token is good for %d seconds, %d are believed", seconds, MaxTokenLifetime/time.Second)
		seconds = int64(MaxTokenLifetime / time.Second)
	}
	t.Expires = g.Obtained.Add(time.Duration(seconds) * time.Second)
	return t, nil
}

// checkBinding compares token_type, in any letter case, with what was asked for.
func (c *Client) checkBinding(g *Grant) (hint string, err error) {
	t := g.Token
	switch dpop, bearer := strings.EqualFold(t.Type, "DPoP"), strings.EqualFold(t.Type, "Bearer"); {
	case dpop && g.Key != nil:
		t.Key = g.Key
		return "", nil
	case dpop:
		return "", errors.New("token_type is DPoP although no proof was sent: the token is bound to no key of ours")
	case !bearer:
		return "", fmt.Errorf("token_type is %s, DPoP or Bearer is needed", escape(t.Type))
	case g.Key != nil && !c.bearer: // RFC 9449 section 5: discard it if the protection is needed
		return "ask the server's operator to bind access tokens of this client (dpop_bound_access_tokens); AllowBearer accepts what anybody can use",
			errors.New("token_type is Bearer although a proof was sent: the access token is not bound to the key")
	case g.Key != nil || c.cert.IsZero() || !c.meta.CertificateBoundTokens:
		g.warn("the access token is a bearer token: whoever has it can use it")
	}
	return "", nil
}

// readRest reads refresh token, ID token and scope.
func (g *Grant) readRest(o strictjson.Object, asked []string) error {
	for name, to := range map[string]*holdfast.Secret{"refresh_token": &g.Refresh, "id_token": &g.IDToken} {
		v, there := o.Get(name)
		if !there || v.Kind() == strictjson.Null {
			continue
		}
		s, ok := v.Text()
		if !ok || len(s) > MaxGrantBytes/4 {
			return fmt.Errorf("%s is not a string of at most %d bytes", name, MaxGrantBytes/4)
		}
		*to = holdfast.NewSecret(s)
	}
	g.Scope = slices.Clone(asked)
	v, there := o.Get("scope")
	if !there || v.Kind() == strictjson.Null {
		return nil // RFC 6749 section 5.1: the same as asked for
	}
	text, ok := v.Text()
	if !ok {
		return errors.New("scope is not a string")
	}
	if err := checkWords("scope", strings.Fields(text)); err != nil {
		return err
	}
	g.Scope = strings.Fields(text)
	if lost := without(asked, g.Scope); len(lost) > 0 {
		g.warn("the server did not grant the scope %s", escape(strings.Join(lost, " ")))
	}
	if extra := without(g.Scope, asked); len(extra) > 0 && len(asked) > 0 {
		g.warn("the server granted more scope than asked for: %s", escape(strings.Join(extra, " ")))
	}
	return nil
}

// without returns the words of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(w string) bool { return slices.Contains(b, w) })
}

// public reports whether the client authenticates with nothing.
func (c *Client) public() bool { return AuthMethod(c.auth.Method()) == AuthNone }

// ask returns the form that begins a request with the configured scope and
// resource indicators.
func (c *Client) ask(grantType string) url.Values {
	form := url.Values{}
	if grantType != "" {
		form.Set("grant_type", grantType)
	}
	setWords(form, "scope", c.scope)
	if len(c.resource) > 0 {
		form["resource"] = slices.Clone(c.resource)
	}
	return form
}

func setWords(form url.Values, name string, words []string) {
	if len(words) > 0 {
		form.Set(name, strings.Join(words, " "))
	}
}
