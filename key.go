package holdfast

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Alg is a JWS algorithm name (RFC 7518 section 3.1, RFC 8037, RFC 9864). Only
// asymmetric algorithms have a constant; none and HMAC cannot be configured.
type Alg string

// The algorithms that can be configured. RS256 and its family are not among
// the defaults for proofs and have to be named.
const (
	ES256   Alg = "ES256"
	ES384   Alg = "ES384"
	ES512   Alg = "ES512"
	PS256   Alg = "PS256"
	PS384   Alg = "PS384"
	PS512   Alg = "PS512"
	RS256   Alg = "RS256"
	RS384   Alg = "RS384"
	RS512   Alg = "RS512"
	EdDSA   Alg = "EdDSA"
	Ed25519 Alg = "Ed25519"
)

// defaultAlgs are the proof algorithms that are accepted if none are named.
func defaultAlgs() []Alg { return []Alg{ES256, EdDSA, Ed25519, ES384, PS256} }

// typProof is the JOSE typ of a proof (RFC 9449 section 4.2).
const typProof = "dpop+jwt"

// Key is a proof key: a signer, its algorithm, its encoded header and its
// thumbprint, settled once. It prints as its thumbprint. Keys are immutable and
// safe for concurrent use if their signer is; there is no usable zero value.
type Key struct {
	signer crypto.Signer
	alg    jose.Alg
	header string // encoded JOSE header, the same for every proof
	thumb  Thumbprint
}

// NewKey makes a proof key of a signer: ECDSA P-256, P-384 or P-521, Ed25519 or
// RSA of 2048 to 4096 bits. The algorithm follows from the public key (ES256,
// ES384, ES512, EdDSA, PS256). Hardware keys fit: only Public and Sign are used.
func NewKey(s crypto.Signer) (*Key, error) {
	if s == nil {
		return nil, fmt.Errorf("new key: no signer")
	}
	pub, err := jose.NewPublicKey(s.Public())
	if err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	return newKey(s, pub, pub.Algs()[0])
}

// NewKeyAlg is NewKey with an algorithm other than the first choice for that
// kind of key, for servers that accept nothing better, such as RS256.
func NewKeyAlg(s crypto.Signer, a Alg) (*Key, error) {
	if s == nil {
		return nil, fmt.Errorf("new key: no signer")
	}
	pub, err := jose.NewPublicKey(s.Public())
	if err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	alg, class := jose.ParseAlg(string(a))
	if class != jose.ClassAsymmetric || !pub.Fits(alg) {
		return nil, fmt.Errorf("new key: algorithm %q does not fit a key of type %s, which can sign with %s",
			a, pub.Kty(), algNames(pub.Algs()))
	}
	return newKey(s, pub, alg)
}

func newKey(s crypto.Signer, pub *jose.PublicKey, alg jose.Alg) (*Key, error) {
	header := `{"typ":"` + typProof + `","alg":"` + alg.String() + `","jwk":` + pub.JWK() + `}`
	return &Key{signer: s, alg: alg, header: jose.EncodeSegment([]byte(header)), thumb: pub.Thumbprint()}, nil
}

// GenerateKey makes a new P-256 key for ES256, the algorithm that most servers
// accept.
func GenerateKey() (*Key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return NewKey(k)
}

// Alg returns the algorithm that the key signs with.
func (k *Key) Alg() Alg { return Alg(k.alg.String()) }

// Thumbprint returns the key's jkt.
func (k *Key) Thumbprint() Thumbprint { return k.thumb }

// Public returns the public key.
func (k *Key) Public() crypto.PublicKey { return k.signer.Public() }

// String names the key by algorithm and thumbprint; it never shows the key.
func (k Key) String() string { return string(k.Alg()) + " " + k.thumb.String() }

// Format prints what String returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

func algNames(as []jose.Alg) string {
	names := make([]string, len(as))
	for i, a := range as {
		names[i] = a.String()
	}
	return strings.Join(names, " ")
}

// algSet is a set of algorithms as bits, so that checks compare one word.
type algSet uint32

func (s algSet) has(a jose.Alg) bool { return s&(1<<a) != 0 }

func newAlgSet(names []Alg) (algSet, error) {
	var s algSet
	for _, n := range names {
		a, class := jose.ParseAlg(string(n))
		if class != jose.ClassAsymmetric || a == jose.AlgUnknown { // registered, and not one that we have
			return 0, fmt.Errorf("algorithm %q is not an asymmetric signature algorithm that we verify", string(n))
		}
		s |= 1 << a
	}
	return s, nil
}
