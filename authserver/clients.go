package authserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// MinSecretBytes is the shortest client secret that may be configured: secrets
// are not guessed, so nothing counts attempts (RFC 6749 section 2.3.1).
const MinSecretBytes = 16

// client is a client as an endpoint sees it. Not modified.
type client struct {
	Client
	dynamic bool // from the store
	unused  bool // nobody has allowed it anything yet: it will be forgotten
	auth    *clientauth.Client
}

// public reports whether the client has no credentials.
func (c *client) public() bool { return c.AuthMethod == string(clientauth.None) }

// may reports whether the client is registered for a grant type.
func (c *client) may(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// clientRecord is a client that registered itself.
type clientRecord struct {
	Metadata metadata.Client `json:"metadata"`
	Secrets  [][]byte        `json:"secrets,omitempty"` // SHA-256 of each
	Issued   time.Time       `json:"issued"`
}

// clients are all that are known: those of the configuration, and those that
// registered themselves, which are in the store.
type clients struct {
	server     *Server
	verifier   *clientauth.Verifier
	configured map[string]*client
	rate       rate
}

// newClients checks the configured clients and reports every mistake.
func newClients(s *Server) (*clients, error) {
	c := &clients{server: s, configured: map[string]*client{}}
	var err error
	if c.verifier, err = clientauth.NewVerifier(c.verifierConfig()); err != nil {
		return nil, err
	}
	errs := []error{checkRegistration(&s.config)}
	for _, k := range s.config.Clients {
		made, err := c.configure(k)
		if _, twice := c.configured[k.ClientID]; twice {
			err = errors.Join(err, errors.New("there is another client of that client_id"))
		}
		if err != nil {
			// On one line: it is one of several clients.
			errs = append(errs, fmt.Errorf("client %.80q: %s", k.ClientID, strings.ReplaceAll(err.Error(), "\n", "; ")))
			continue
		}
		c.configured[k.ClientID] = made
	}
	return c, errors.Join(errs...)
}

// verifierConfig says which proofs of clients are accepted. FAPI 2.0 wants the
// issuer identifier as the audience of assertions (section 5.3.2.1) and has its
// own list of algorithms (section 5.4.1).
func (c *clients) verifierConfig() clientauth.VerifierConfig {
	s := c.server
	v := clientauth.VerifierConfig{
		Audience:  []string{s.config.Issuer},
		Use:       c.useAssertion,
		ClientCAs: s.config.ClientCAs,
		HTTP:      s.config.HTTP,
		Now:       s.now,
	}
	if s.config.Profile == ProfileFAPI2 {
		v.Algs = fapiAlgs()
		return v
	}
	for _, path := range []string{pathToken, pathPAR, pathIntrospect, pathRevoke, pathDevice} {
		v.Audience = append(v.Audience, s.endpointURL(path))
		if s.mtls != nil {
			v.Audience = append(v.Audience, s.config.MTLSURL+strings.TrimSuffix(s.issuer.Path, "/")+path)
		}
	}
	return v
}

// useAssertion remembers the jti of an assertion.
func (c *clients) useAssertion(ctx context.Context, clientID, jti string, until time.Time) (bool, error) {
	err := create(ctx, c.server.store, kindAssertion, keyOf(clientID, jti), "", until, struct{}{})
	if errors.Is(err, store.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// assertionAlgs are the algorithms that clients may sign assertions with.
func (s *Server) assertionAlgs() []string { return s.clients.verifier.Algs() }

// authMethods are the methods of client authentication that are offered, the
// best ones first. RFC 9700 section 2.5 advises against shared secrets; FAPI
// 2.0 section 5.3.2.1 admits no public clients.
func (s *Server) authMethods() []string {
	methods := []clientauth.Method{clientauth.PrivateKeyJWT}
	if s.mtls != nil {
		if s.config.ClientCAs != nil {
			methods = append(methods, clientauth.TLS)
		}
		methods = append(methods, clientauth.SelfSignedTLS)
	}
	if s.config.Profile != ProfileFAPI2 {
		if s.config.AllowSecrets {
			methods = append(methods, clientauth.SecretBasic, clientauth.SecretPost)
		}
		methods = append(methods, clientauth.None)
	}
	names := make([]string, 0, len(methods))
	for _, m := range methods {
		names = append(names, string(m))
	}
	return names
}

// grantTypes are what clients may register for.
func grantTypes() []string {
	return []string{grantCode, grantRefresh, grantClient, grantDevice, grantExchange}
}

// scopesOffered are the scopes of all resources, each once.
func (s *Server) scopesOffered() []string {
	var all []string
	for _, r := range s.config.Resources {
		for _, scope := range r.Scopes {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	return all
}

// defaults fills in what absent members mean (RFC 7591 section 2).
func defaults(m *metadata.Client) {
	if m.AuthMethod == "" {
		m.AuthMethod = string(clientauth.SecretBasic)
	}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{grantCode}
	}
	if len(m.ResponseTypes) == 0 && slices.Contains(m.GrantTypes, grantCode) {
		m.ResponseTypes = []string{"code"}
	}
}

// check reports everything about a client that this server does not offer.
func (c *clients) check(m *metadata.Client) error {
	s := c.server
	var errs []error
	among := func(member string, got []string, offered []string) {
		for _, g := range got {
			if !slices.Contains(offered, g) {
				errs = append(errs, fmt.Errorf("%s: %s is not offered, want one of %s", member, shown(g), strings.Join(offered, " ")))
			}
		}
	}
	among("token_endpoint_auth_method", []string{m.AuthMethod}, s.authMethods())
	if len(errs) > 0 && m.AuthMethod == string(clientauth.SecretBasic) {
		errs[0] = fmt.Errorf("%w (without the member it is client_secret_basic)", errs[0]) // RFC 7591 section 2
	}
	among("grant_types", m.GrantTypes, grantTypes())
	among("response_types", m.ResponseTypes, []string{"code"})
	among("scope", strings.Fields(m.Scope), s.scopesOffered())
	if m.AuthMethod == string(clientauth.None) && slices.Contains(m.GrantTypes, grantClient) {
		errs = append(errs, fmt.Errorf("grant_types: %s is for clients that authenticate", grantClient)) // RFC 6749 section 4.4
	}
	if m.CertificateBoundTokens && s.mtls == nil {
		errs = append(errs, errors.New("tls_client_certificate_bound_access_tokens: there is no endpoint here that asks for certificates"))
	}
	return errors.Join(append(errs, m.Check())...)
}

// make turns metadata with its defaults into a client.
func (c *clients) make(k Client, secrets [][32]byte) (*client, error) {
	m := &k.Client
	auth, err := c.verifier.NewClient(clientauth.Registration{
		Method: clientauth.Method(m.AuthMethod), ClientID: m.ClientID, Secrets: secrets,
		JWKS: m.JWKS, JWKSURI: m.JWKSURI, Alg: m.AuthAlg,
		Subject: clientauth.Subject{DN: m.SubjectDN, DNS: m.SubjectDNS, URI: m.SubjectURI, IP: m.SubjectIP, Email: m.SubjectEmail},
	})
	if err = errors.Join(c.check(m), err); err != nil {
		return nil, err
	}
	return &client{Client: k, auth: auth}, nil
}

// configure makes a client of the configuration.
func (c *clients) configure(k Client) (*client, error) {
	var errs []error
	var sums [][32]byte
	for i, secret := range k.Secrets {
		if secret.Len() < MinSecretBytes || secret.Len() > clientauth.MaxSecretBytes {
			errs = append(errs, fmt.Errorf("secret %d has %d bytes, want %d to %d", i+1, secret.Len(), MinSecretBytes, clientauth.MaxSecretBytes))
		}
		sums = append(sums, sha256.Sum256([]byte(secret.Reveal())))
	}
	for _, id := range slices.Concat(k.Resources, k.Introspects) {
		if _, ok := c.server.resource(id); !ok {
			errs = append(errs, fmt.Errorf("%.80q is none of the resources", id))
		}
	}
	k.GrantTypes, k.ResponseTypes = slices.Clone(k.GrantTypes), slices.Clone(k.ResponseTypes)
	defaults(&k.Client)
	made, err := c.make(k, sums)
	return made, errors.Join(append(errs, err)...)
}

// find returns a client; a *refusal invalid_client if there is none.
func (c *clients) find(ctx context.Context, id string) (*client, error) {
	k, err := c.lookup(ctx, id)
	if err == nil && k == nil {
		return nil, refuse(errInvalidClient, "client_id: there is no such client")
	}
	return k, err
}

// lookup returns a client, nil if there is none. One that registered itself and
// that the rules of today do not admit is refused.
func (c *clients) lookup(ctx context.Context, id string) (*client, error) {
	if k := c.configured[id]; k != nil {
		return k, nil
	}
	e, err := load[clientRecord](ctx, c.server.store, kindClient, keyOf(id))
	switch {
	case missing(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	k, err := c.make(Client{Client: e.Value.Metadata}, sumsOf(e.Value.Secrets))
	if err != nil {
		f := refuse(errInvalidClient, "client_id: the client has to register again")
		f.why = err
		return nil, f
	}
	k.dynamic, k.unused = true, !e.Expires.IsZero()
	return k, nil
}

// keep makes the registration of a client last that somebody uses.
func (c *clients) keep(ctx context.Context, k *client) error {
	if !k.unused {
		return nil
	}
	e, err := load[clientRecord](ctx, c.server.store, kindClient, keyOf(k.ClientID))
	if missing(err) {
		return refuse(errInvalidClient, "client_id: the client has to register again")
	}
	if err == nil {
		e.Expires = time.Time{}
		err = e.swap(ctx, c.server.store)
	}
	if err != nil && !conflicting(err) { // whoever was faster did the same
		return unavailable(err)
	}
	return nil
}

// sumsOf returns the hashes of a record; one of another size is none.
func sumsOf(stored [][]byte) [][32]byte {
	var sums [][32]byte
	for _, s := range stored {
		if len(s) == sha256.Size {
			sums = append(sums, [32]byte(s))
		}
	}
	return sums
}
