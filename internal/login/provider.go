package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/token"
)

// Limits of a ProviderConfig.
const (
	MaxTitleBytes = 64
	MaxRules      = 64
	MaxRuleValues = 256
	MaxClaimPath  = 6 // steps
)

// maxSkew is how far the clock of a provider may differ from ours.
const maxSkew = 30 * time.Second

// nameOfProvider is what fits into a path.
var nameOfProvider = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// ProviderConfig describes an OpenID provider and our client there. Name, Title,
// Issuer and Client are required.
type ProviderConfig struct {
	Name   string // in addresses: 1 to 32 of a-z 0-9 -
	Title  string // on the button, and in what people are told
	Issuer string // exactly as in its metadata and tokens

	// Client is who we are there: Method is client_secret_basic,
	// client_secret_post or private_key_jwt. Issuer and Algs are left empty.
	Client clientauth.Config

	Scopes []string // asked for besides openid

	// Rules say what people may grant, by what the provider says of them. With
	// rules, somebody whom none applies to is not let in; without, everybody the
	// provider knows may grant every scope that is offered.
	Rules []ScopeRule

	NameClaim string // has the name that is shown; "" means name

	// Algs are the algorithms of signatures of tokens; nil means every asymmetric
	// one, RS256 among them, which providers have to support.
	Algs []holdfast.Alg

	// AccessTokenType is the typ of access tokens that are taken in exchange; ""
	// means at+jwt (RFC 9068 section 2.1). With JWT, which older providers have,
	// only the audience tells an access token from other tokens of the provider.
	AccessTokenType string

	HTTP *http.Client     // nil means a client of its own
	Now  func() time.Time // nil means time.Now
}

// Provider is an OpenID provider that people log in at. It is an
// authserver.Upstream.
//
// A person's subject is made of the issuer and the provider's sub, so that
// people of two providers, and local users, are never taken for each other.
// Metadata and keys are fetched when they are needed, and again after a while;
// one that cannot be reached costs an error each time and nothing else.
//
// Safe for concurrent use if the signer of the configuration is; there is no
// usable zero value. It prints as its name and issuer.
type Provider struct {
	name, title string
	issuer      string
	client      *clientauth.Authenticator
	scopes      []string
	rules       []ScopeRule
	nameClaim   string
	accessType  string
	now         func() time.Time
	http        *http.Client
	about       *discovery
	keys        *token.Remote
}

var _ authserver.Upstream = (*Provider)(nil)

// NewProvider checks the configuration and reports every mistake at once. It
// asks the provider for nothing, so that we start while it is down.
func NewProvider(_ context.Context, c ProviderConfig) (*Provider, error) {
	p := &Provider{
		name: c.Name, title: c.Title, issuer: c.Issuer, scopes: slices.Clone(c.Scopes), rules: cloneRules(c.Rules),
		nameClaim: or(c.NameClaim, "name"), accessType: or(c.AccessTokenType, "at+jwt"), now: c.Now, http: fetch.Client(c.HTTP),
	}
	if p.now == nil {
		p.now = time.Now
	}
	errs := []error{c.check()}
	var err error
	client := c.Client
	client.Issuer = c.Issuer
	if p.client, err = clientauth.New(client); err != nil {
		errs = append(errs, err)
	}
	p.about = newDiscovery(c, p.now)
	p.keys, err = token.NewRemote(token.RemoteConfig{Issuer: c.Issuer, Discover: p.about.jwksURI, Algs: c.Algs, HTTP: c.HTTP, Now: p.now})
	if err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("identity provider %.40q: %w", c.Name, err)
	}
	return p, nil
}

// check reports what is wrong and is not checked by those who use it.
func (c *ProviderConfig) check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameOfProvider.MatchString(c.Name) {
		problem("Name: %.40q, 1 to 32 of a-z 0-9 - are needed", c.Name)
	}
	if c.Title == "" || !showable(c.Title, MaxTitleBytes) {
		problem("Title: %.80q, 1 to %d bytes of printable UTF-8 are needed", c.Title, MaxTitleBytes)
	}
	if u, err := fetch.Secure(c.Issuer); err != nil {
		problem("Issuer: %w", err)
	} else if u.RawQuery != "" || u.ForceQuery { // RFC 8414 section 2
		problem("Issuer: %.200q has a query", fetch.Shown(c.Issuer))
	}
	switch c.Client.Method {
	case clientauth.SecretBasic, clientauth.SecretPost, clientauth.PrivateKeyJWT:
	default:
		problem("Client.Method: %.40q, one of %s, %s, %s is needed", c.Client.Method, clientauth.SecretBasic, clientauth.SecretPost, clientauth.PrivateKeyJWT)
	}
	if c.Client.Issuer != "" || c.Client.Algs != nil {
		problem("Client.Issuer and Client.Algs: they follow from the provider and are left empty")
	}
	if c.NameClaim != "" && !showable(c.NameClaim, MaxDisplayNameBytes) {
		problem("NameClaim: %.60q is not a name of at most %d bytes", c.NameClaim, MaxDisplayNameBytes)
	}
	if c.AccessTokenType != "" && !printable(c.AccessTokenType, MaxDisplayNameBytes) {
		problem("AccessTokenType: %.60q is not a media type such as at+jwt", c.AccessTokenType)
	}
	if err := checkScopes("Scopes", c.Scopes); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, checkRules(c.Rules))...)
}

func or(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// Name returns the name in addresses.
func (p *Provider) Name() string { return p.name }

// Title returns what is on the button.
func (p *Provider) Title() string { return p.title }

// String names the provider. Printing the fields would show secrets.
func (p *Provider) String() string { return fmt.Sprintf("%s at %q", p.name, p.issuer) }

// Format prints what String returns, whatever the verb.
func (p *Provider) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// denied is a refusal that the person may read. The arguments are ours: what a
// provider or a browser sent is not repeated.
func (p *Provider) denied(format string, args ...any) error {
	return &authserver.Denied{Reason: p.title + ": " + fmt.Sprintf(format, args...)}
}

// failed is an error of ours or of the provider, for an operator.
func (p *Provider) failed(err error) error {
	return fmt.Errorf("identity provider %s: %w", p.name, err)
}
