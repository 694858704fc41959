package clientauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// MaxSecrets is how many secrets of one client may be valid at a time.
const MaxSecrets = 4

// Registration is what is registered about the authentication of one client.
// Method and ClientID are required, and what the method needs besides.
type Registration struct {
	Method   Method
	ClientID string

	Secrets [][32]byte // for SecretBasic and SecretPost: SHA-256 of each secret that is valid

	// For PrivateKeyJWT and SelfSignedTLS, one of the two: a key set as JSON
	// text, or where the client publishes it.
	JWKS    []byte
	JWKSURI string
	Alg     string // of PrivateKeyJWT: the only algorithm; "" means all of the server's

	Subject Subject // for TLS
}

// Client is a registration that was checked. It is immutable and safe for
// concurrent use; there is no usable zero value.
type Client struct {
	method  Method
	id      string
	secrets [][32]byte
	keys    *keySet // nil if they are at keysURI
	keysURI string
	alg     jose.Alg
	matches matcher // of TLS
}

// NewClient checks a registration against what the server offers and reports
// every mistake at once. It fetches nothing.
func (v *Verifier) NewClient(r Registration) (*Client, error) {
	c := &Client{method: r.Method, id: r.ClientID, secrets: slices.Clone(r.Secrets), keysURI: r.JWKSURI}
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if !printable(r.ClientID, MaxClientIDBytes) {
		keep(fmt.Errorf("client_id has %d bytes, 1 to %d printable ASCII characters are needed", len(r.ClientID), MaxClientIDBytes))
	}
	switch n := len(r.Secrets); {
	case r.Method.bySecret() && (n == 0 || n > MaxSecrets):
		keep(fmt.Errorf("there are %d secrets, 1 to %d are needed", n, MaxSecrets))
	case !r.Method.bySecret() && n > 0:
		keep(fmt.Errorf("there is a secret, which the method %.40q does not use", r.Method))
	}
	switch r.Method {
	case SecretBasic, SecretPost, PrivateKeyJWT, SelfSignedTLS, None:
	case TLS:
		var err error
		if c.matches, err = r.Subject.matcher(); v.cas == nil {
			err = errors.Join(err, fmt.Errorf("%s is not offered: no certificate authority is configured", TLS))
		}
		keep(err)
	default:
		keep(fmt.Errorf("token_endpoint_auth_method is %.40q, which is not known here", r.Method))
	}
	if r.Alg != "" {
		if c.alg, _ = jose.ParseAlg(r.Alg); !slices.Contains(v.algs, c.alg) {
			keep(fmt.Errorf("token_endpoint_auth_signing_alg is %.40q, want one of %s", r.Alg, strings.Join(v.Algs(), " ")))
		}
	}
	keep(c.readKeys(r, v.guarded))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// readKeys reads a key set, which a client of any method may have, and checks
// that a method that needs keys has them. guarded says that addresses inside a
// network are refused.
func (c *Client) readKeys(r Registration, guarded bool) error {
	switch {
	case len(r.JWKS) > 0 && r.JWKSURI != "":
		return errors.New("jwks and jwks_uri are both there, which they must not be")
	case r.JWKSURI != "":
		return checkKeysURI(r.JWKSURI, guarded)
	case len(r.JWKS) == 0 && (r.Method == PrivateKeyJWT || r.Method == SelfSignedTLS):
		return fmt.Errorf("jwks or jwks_uri is needed for %s", r.Method)
	case len(r.JWKS) == 0:
		return nil
	}
	set, faults, err := readKeys(r.JWKS)
	if err = errors.Join(append(faults, err)...); err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	certified := func(k clientKey) bool { return k.certificate != nil }
	switch {
	case r.Method == PrivateKeyJWT && len(set.keys) == 0:
		return errors.New("jwks holds no key that verifies signatures")
	case r.Method == SelfSignedTLS && !slices.ContainsFunc(set.keys, certified):
		return errors.New("jwks holds no key with its certificate (x5c)")
	}
	c.keys = set
	return nil
}

// checkKeysURI refuses an address that would not be asked. A host name is judged
// when a connection is made, see [fetch.Outside].
func checkKeysURI(address string, guarded bool) error {
	u, err := fetch.Secure(address)
	if err != nil {
		return fmt.Errorf("jwks_uri: %w", err)
	}
	if !guarded {
		return nil
	}
	a, err := netip.ParseAddr(u.Hostname())
	if u.Scheme != "https" || fetch.Loopback(u.Hostname()) || err == nil && fetch.Inside(a) {
		return fmt.Errorf("jwks_uri: %.100q is not an https URL outside this network", fetch.Shown(address))
	}
	return nil
}

// hasSecret compares without telling by its time how much of a secret is right:
// all secrets are looked at, and hashes are compared.
func (c *Client) hasSecret(s holdfast.Secret) bool {
	sum, found := sha256.Sum256([]byte(s.Reveal())), 0
	for i := range c.secrets {
		found |= subtle.ConstantTimeCompare(sum[:], c.secrets[i][:])
	}
	return found == 1
}
