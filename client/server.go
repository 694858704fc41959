package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// Config describes one client at one authorization server. Issuer and ClientID
// are required, and a Key or a certificate unless AllowBearer is set.
type Config struct {
	// Issuer identifies the server. Clients of several servers need a different
	// one for each (RFC 9207 section 4): it is what a response is compared with.
	Issuer   string
	Metadata *metadata.Server // nil: fetched (RFC 8414); else its issuer has to be Issuer
	ClientID string
	Auth     Auth

	// Key is the proof key that tokens are bound to. Its algorithm has to be one
	// that the server lists (RFC 9449 section 5.1). A key for every authorization
	// request protects best (RFC 9449 section 10): a Client is cheap to make if
	// Metadata is given. nil: no proof is sent.
	Key *holdfast.Key

	Scope    []string
	Resource []string // resource indicators (RFC 8707): absolute URIs without fragment

	RedirectURL string   // for Begin; for LoginLoopback http://127.0.0.1 and a path
	ACR         []string // acr_values, as a challenge asked for (RFC 9470)
	MaxAge      *int     // max_age in seconds, likewise

	// HTTP sends the requests; nil means one of its own. Redirects are not
	// followed, and a request takes 15 s at most unless HTTP has a Timeout. With
	// Auth.Certificate its Transport has to be an *http.Transport, or nil.
	HTTP   *http.Client
	Nonces *NonceJar // may be shared; nil means an own one

	// AllowBearer accepts tokens that are not bound to anything: whoever steals
	// one can use it. Each one adds a line to Warnings of the [Grant].
	AllowBearer bool

	Now func() time.Time // nil means time.Now
}

// Client gets, refreshes and revokes tokens at one authorization server. Every
// failure is an [*Error]. A Client is immutable but for what it learns about
// nonces and clocks, and safe for concurrent use; there is no usable zero value.
type Client struct {
	issuer    string
	meta      metadata.Server
	endpoints map[endpoint]*url.URL
	auth      *clientauth.Authenticator
	secret    holdfast.Secret // of auth, to be kept out of messages
	http      *http.Client
	key       *holdfast.Key
	cert      holdfast.Thumbprint // of the client certificate, zero if none
	scope     []string
	resource  []string
	redirect  *url.URL // nil if none was given
	acr       []string
	maxAge    *int
	bearer    bool // unbound tokens are accepted
	nonces    *NonceJar
	clocks    clocks
	now       func() time.Time
}

// New checks the whole configuration, against the server's metadata too, which
// it fetches if none was given. Every mistake is reported at once; those of the
// configuration itself before anything is sent.
func New(ctx context.Context, c Config) (*Client, error) {
	out := &Client{
		issuer: c.Issuer, key: c.Key, scope: slices.Clone(c.Scope), resource: slices.Clone(c.Resource),
		secret: c.Auth.Secret, acr: slices.Clone(c.ACR), bearer: c.AllowBearer, nonces: c.Nonces, now: c.Now,
	}
	if c.MaxAge != nil {
		age := *c.MaxAge
		out.maxAge = &age
	}
	if out.nonces == nil {
		out.nonces = &NonceJar{}
	}
	if out.now == nil {
		out.now = time.Now
	}
	if err := out.settle(c); err != nil {
		return nil, &Error{Op: opNew, Err: err}
	}
	server := c.Metadata
	if server == nil {
		var err error
		if server, err = (&metadata.Fetcher{HTTP: c.HTTP}).Server(ctx, c.Issuer); err != nil {
			return nil, &Error{Op: opNew, Err: err}
		}
	}
	if err := out.meet(c, server); err != nil {
		return nil, &Error{Op: opNew, Err: err}
	}
	return out, nil
}

// String names the client and the server. Printing the fields would show secrets:
// fmt does not ask an unexported field to redact itself.
func (c *Client) String() string { return c.auth.String() + " at " + escape(c.issuer) }

// Format prints what String returns, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// settle checks what does not depend on the server's metadata.
func (c *Client) settle(conf Config) error {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	if _, err = fetch.Secure(conf.Issuer); err != nil {
		check(fmt.Errorf("issuer: %w", err))
	}
	c.cert, err = conf.Auth.certificateOf()
	check(err)
	c.http, err = httpClient(conf.HTTP, conf.Auth.Certificate)
	check(err)
	if conf.RedirectURL != "" {
		c.redirect, err = readRedirect(conf.RedirectURL)
		check(err)
	}
	if conf.Key == nil && conf.Auth.Certificate == nil && !conf.AllowBearer {
		check(errors.New("a Key or an Auth.Certificate is needed to bind tokens to; tokens that anybody can use need AllowBearer"))
	}
	check(checkWords("scope", conf.Scope))
	check(checkWords("acr_values", conf.ACR))
	for _, r := range conf.Resource {
		check(checkResource(r))
	}
	if conf.MaxAge != nil && *conf.MaxAge < 0 {
		check(fmt.Errorf("MaxAge is %d seconds, it cannot be negative", *conf.MaxAge))
	}
	return errors.Join(errs...)
}

// meet checks the configuration against what the server says about itself.
func (c *Client) meet(conf Config, server *metadata.Server) error {
	if server.Issuer != conf.Issuer { // RFC 8414 section 3.3, RFC 9700 section 2.1
		return fmt.Errorf("the metadata is of issuer %.200q, this client is for %.200q", server.Issuer, conf.Issuer)
	}
	c.meta = *server
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var err error
	if c.endpoints, err = endpointsOf(server, conf.Auth.Certificate != nil); err != nil {
		errs = append(errs, err)
	}
	method := conf.Auth.Method
	if method == "" {
		method = AuthNone
	}
	c.auth, err = clientauth.New(clientauth.Config{
		Method: clientauth.Method(method), ClientID: conf.ClientID, Secret: conf.Auth.Secret,
		Signer: conf.Auth.Signer, KeyID: conf.Auth.KeyID, Issuer: conf.Issuer, Algs: server.AuthAlgsSupported,
	})
	if err != nil {
		errs = append(errs, err)
	}
	// Servers leave "none" out of the list although they have public clients.
	if list := server.AuthMethodsSupported; method != AuthNone && len(list) > 0 && !slices.Contains(list, string(method)) {
		problem("Auth.Method is %s, the server takes %s", method, escape(strings.Join(list, " ")))
	}
	switch algs := server.DPoPSigningAlgs; {
	case conf.Key == nil:
		if conf.Auth.Certificate != nil && !conf.AllowBearer && !server.CertificateBoundTokens {
			problem("the server does not say that it binds tokens to certificates (tls_client_certificate_bound_access_tokens): a Key or AllowBearer is needed")
		}
	case len(algs) > 0:
		if !slices.Contains(algs, string(conf.Key.Alg())) {
			problem("the Key signs with %s, the server takes proofs with %s", conf.Key.Alg(), escape(strings.Join(algs, " ")))
		}
	case !conf.AllowBearer: // RFC 9449 section 5.1: absent means no support
		problem("the server lists no dpop_signing_alg_values_supported: it does not support DPoP, so that tokens cannot be bound to Key")
	}
	return errors.Join(errs...)
}

// endpointsOf reads the addresses that requests go to. A client with a
// certificate uses the aliases, where there are any (RFC 8705 section 5); an
// alias of something that is not called directly is ignored.
func endpointsOf(m *metadata.Server, certificate bool) (map[endpoint]*url.URL, error) {
	out := make(map[endpoint]*url.URL)
	var errs []error
	for e, address := range map[endpoint]string{
		tokenEndpoint: m.TokenEndpoint, parEndpoint: m.PAREndpoint, deviceEndpoint: m.DeviceAuthorizationEndpoint,
		revocationEndpoint: m.RevocationEndpoint, authorizationEndpoint: m.AuthorizationEndpoint,
	} {
		if alias := m.MTLSEndpointAliases[string(e)]; alias != "" && certificate && e != authorizationEndpoint {
			address = alias
		}
		if address == "" {
			continue
		}
		u, err := fetch.Secure(address)
		if err != nil {
			errs = append(errs, fmt.Errorf("metadata: %s: %w", e, err))
			continue
		}
		out[e] = u
	}
	if m.TokenEndpoint == "" {
		errs = append(errs, errors.New("metadata: token_endpoint is needed"))
	}
	if m.RequirePAR && m.PAREndpoint == "" {
		errs = append(errs, errors.New("metadata: pushed requests are required and there is no pushed_authorization_request_endpoint"))
	}
	return out, errors.Join(errs...)
}

// checkWords checks what is sent as a list with spaces (RFC 6749 appendix A.4).
func checkWords(name string, words []string) error {
	for _, w := range words {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }) {
			return fmt.Errorf("%s has the value %.60q: visible ASCII without space, quote and backslash is needed", name, w)
		}
	}
	return nil
}

// checkResource checks a resource indicator (RFC 8707 section 2).
func checkResource(r string) error {
	u, err := url.Parse(r)
	if err != nil || !u.IsAbs() || strings.Contains(r, "#") || len(r) > fetch.MaxURLBytes {
		return fmt.Errorf("a resource indicator of %d bytes is not an absolute URI without fragment (RFC 8707 section 2)", len(r))
	}
	return nil
}

// readRedirect reads a redirect URL: https, http on loopback, or the private
// scheme of an app, which is a domain name in reverse (RFC 8252 section 7).
func readRedirect(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err == nil && strings.Contains(u.Scheme, ".") && !strings.Contains(raw, "#") && len(raw) <= fetch.MaxURLBytes {
		return u, nil
	}
	if u, err = fetch.Secure(raw); err != nil {
		return nil, fmt.Errorf("RedirectURL: %w", err)
	}
	return u, nil
}
