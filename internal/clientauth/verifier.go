package clientauth

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// VerifierConfig configures [NewVerifier]. Audience and Use are required.
type VerifierConfig struct {
	// Audience are the values of aud that name this server: its issuer
	// identifier, and the endpoints where it accepts them (RFC 7523 section 3).
	Audience []string

	// Algs are the algorithms of assertions; nil means ES256, EdDSA, Ed25519,
	// ES384, PS256 and RS256, the last because RFC 8414 section 2 wants it.
	Algs []holdfast.Alg

	// Use records the jti of an assertion until a time, and tells whether that
	// was the first use: of several concurrent calls exactly one is. An error
	// means that nobody knows.
	Use func(ctx context.Context, clientID, jti string, until time.Time) (first bool, err error)

	// ClientCAs are who signs certificates for tls_client_auth. The roots of
	// the system are never used (RFC 8705 section 7.4); nil means nobody.
	ClientCAs *x509.CertPool

	// HTTP fetches key sets. nil means a client that refuses addresses inside a
	// network; another one has to take care of that itself.
	HTTP *http.Client

	Now func() time.Time // nil means time.Now
}

// Verifier judges how clients authenticate. Safe for concurrent use; there is
// no usable zero value.
type Verifier struct {
	audience []string
	algs     []jose.Alg
	use      func(ctx context.Context, clientID, jti string, until time.Time) (bool, error)
	cas      *x509.CertPool
	keys     *remoteKeys
	guarded  bool // addresses inside a network are refused
	now      func() time.Time
}

// NewVerifier checks the configuration and reports every mistake at once.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	v := &Verifier{audience: slices.Clone(c.Audience), use: c.Use, cas: c.ClientCAs, guarded: c.HTTP == nil, now: c.Now}
	var errs []error
	if len(c.Audience) == 0 || slices.Contains(c.Audience, "") {
		errs = append(errs, errors.New("client authentication: Audience is required, without empty strings"))
	}
	if c.Use == nil {
		errs = append(errs, errors.New("client authentication: Use is required: an assertion is good for one use"))
	}
	if c.Algs == nil {
		c.Algs = []holdfast.Alg{holdfast.ES256, holdfast.EdDSA, holdfast.Ed25519, holdfast.ES384, holdfast.PS256, holdfast.RS256}
	}
	for _, name := range c.Algs {
		alg, class := jose.ParseAlg(string(name))
		if class != jose.ClassAsymmetric || alg == jose.AlgUnknown {
			errs = append(errs, fmt.Errorf("client authentication: %.40q is no asymmetric algorithm that is known here", name))
		}
		v.algs = append(v.algs, alg)
	}
	if v.now == nil {
		v.now = time.Now
	}
	client := fetch.Client(c.HTTP)
	if v.guarded {
		client = fetch.Outside()
	}
	v.keys = &remoteKeys{http: client, now: v.now, sets: map[string]*remoteSet{}}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return v, nil
}

// Algs returns the names of the algorithms of assertions, for
// token_endpoint_auth_signing_alg_values_supported.
func (v *Verifier) Algs() []string {
	names := make([]string, 0, len(v.algs))
	for _, alg := range v.algs {
		names = append(names, alg.String())
	}
	return names
}

// Verify judges what was presented against the client of that client_id, nil if
// there is none. It returns the name of the key that the client proved to hold:
// the thumbprint of a JWK or of a certificate, empty for a secret and for a
// public client. A DPoP proof in the same request plays no part (RFC 9449
// section 11.11).
//
// The error is a [*Refusal], or a failure that left the question open. An
// assertion is used up by a success only.
func (v *Verifier) Verify(ctx context.Context, p Presented, c *Client) (key string, err error) {
	known := c != nil
	if !known || c.id != p.ClientID {
		// Nobody's registration takes the same path as far as nothing is known.
		c, known = &Client{method: p.Method, secrets: make([][32]byte, 1)}, false
	}
	switch {
	case p.Method == None && c.method.ByCertificate():
		return v.certificate(ctx, p, c)
	case p.Method != c.method:
		return "", refuse(WrongMethod, fmt.Sprintf("%s was used, the client is registered for %s", p.Method, c.method))
	case p.Method == SecretBasic || p.Method == SecretPost:
		if right := c.hasSecret(p.secret); !right && known {
			return "", refuse(WrongSecret, "the secret is none of the client's")
		}
	case p.Method == PrivateKeyJWT:
		if err := v.checkAssertion(p.assertion); err != nil || known {
			if err != nil {
				return "", err
			}
			return v.assertion(ctx, p, c)
		}
	}
	if !known {
		return "", refuse(UnknownClient, "nobody is registered under the client_id")
	}
	return "", nil
}

// checkAssertion judges what needs no registration.
func (v *Verifier) checkAssertion(a *claimed) error {
	if !slices.Contains(v.algs, a.jws.Alg) {
		return refuse(BadAssertion, "client_assertion: its alg is none that this server accepts")
	}
	return a.judge(v.audience, v.now())
}

// assertion judges the signature, and then that it is the first use: rubbish
// must not fill the store.
func (v *Verifier) assertion(ctx context.Context, p Presented, c *Client) (string, error) {
	a := p.assertion
	if c.alg != jose.AlgUnknown && c.alg != a.jws.Alg {
		return "", refuse(WrongKey, fmt.Sprintf("alg is %s, the client is registered for %s", a.jws.Alg, c.alg))
	}
	var by *clientKey
	err := v.withKeys(ctx, c, func(set *keySet) (settled bool) {
		var named bool
		by, named = set.signer(&a.jws)
		return by != nil || named
	})
	if err != nil {
		return "", err
	}
	if by == nil {
		return "", refuse(WrongKey, "no key of the client signed the assertion")
	}
	first, err := v.use(ctx, c.id, a.id, time.Unix(a.expires, 0).Add(Skew))
	if err != nil {
		return "", fmt.Errorf("client authentication: record the use of an assertion: %w", err)
	}
	if !first {
		return "", refuse(Replayed, "client_assertion: its jti was used before: every request needs a new one")
	}
	return by.name(), nil
}

// withKeys shows the keys of a client to look, and newer ones if they may exist
// and the first ones did not settle it.
func (v *Verifier) withKeys(ctx context.Context, c *Client, look func(*keySet) (settled bool)) error {
	if c.keysURI == "" {
		look(c.keys)
		return nil
	}
	set, err := v.keys.get(ctx, c.keysURI, nil)
	if err != nil || look(set) {
		return err
	}
	newer, err := v.keys.get(ctx, c.keysURI, set)
	if err == nil && newer != set {
		look(newer)
	}
	return err
}

// certificate judges the certificate of the connection: TLS has verified that
// the client holds its key.
func (v *Verifier) certificate(ctx context.Context, p Presented, c *Client) (string, error) {
	if len(p.chain) == 0 {
		return "", refuse(NoCertificate, "the connection has no client certificate")
	}
	leaf := p.chain[0]
	if c.method == TLS {
		if err := v.checkChain(p.chain); err != nil {
			return "", refuse(WrongCertificate, fmt.Sprintf("no configured authority vouches for it: %+.200q", err.Error()))
		}
		if !c.matches(leaf) {
			return "", refuse(WrongCertificate, "its subject is not the registered one")
		}
		return thumbprintOf(leaf), nil
	}
	// RFC 8705 section 2.2: the chain, and with it the time, is not judged. What
	// is registered is valid, until the client removes it.
	registered := false
	err := v.withKeys(ctx, c, func(set *keySet) bool {
		registered = set.holds(leaf)
		return registered
	})
	if err != nil {
		return "", err
	}
	if !registered {
		return "", refuse(WrongCertificate, "it is none of those that the client registered (x5c)")
	}
	return thumbprintOf(leaf), nil
}

// checkChain leads a certificate back to a configured authority. How much is
// looked at is bounded by crypto/tls and crypto/x509.
func (v *Verifier) checkChain(chain []*x509.Certificate) error {
	if v.cas == nil {
		return errors.New("none is configured") // a nil pool would mean the roots of the system
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: v.cas, Intermediates: between, CurrentTime: v.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// thumbprintOf is the x5t#S256 of a certificate (RFC 8705 section 3.1).
func thumbprintOf(c *x509.Certificate) string {
	return holdfast.Thumbprint(sha256.Sum256(c.Raw)).String()
}
