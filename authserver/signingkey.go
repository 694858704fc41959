package authserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// The JOSE types of what is signed here. A JWT of one type never passes as the
// other (RFC 8725 section 3.11).
const (
	typAccess = "at+jwt" // RFC 9068 section 2.1
	typBlocks = "holdfast-blocks+jwt"
)

// signingRSABits is the size of RSA keys that the server makes.
const signingRSABits = 2048

// signingKey is a key that signs, has signed or will sign. Immutable.
type signingKey struct {
	id     string // kid: the RFC 7638 thumbprint
	alg    jose.Alg
	signer crypto.Signer
	public *jose.PublicKey
	from   time.Time // it signs from then until the next one does
	header string    // of an access token, encoded once
}

// newSigningKey makes a key of a signer, which has to fit the algorithm.
func newSigningKey(signer crypto.Signer, alg jose.Alg, from time.Time) (*signingKey, error) {
	if signer == nil {
		return nil, fmt.Errorf("no signer")
	}
	public, err := jose.NewPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	if !public.Fits(alg) {
		return nil, fmt.Errorf("a key of type %s cannot sign with %s", public.Kty(), alg)
	}
	k := &signingKey{alg: alg, signer: signer, public: public, from: from}
	k.id = holdfast.Thumbprint(public.Thumbprint()).String()
	k.header = k.headerOf(typAccess)
	return k, nil
}

// headerOf returns the encoded JOSE header of a type. No value needs an escape.
func (k *signingKey) headerOf(typ string) string {
	return jose.EncodeSegment([]byte(`{"typ":"` + typ + `","alg":"` + k.alg.String() + `","kid":"` + k.id + `"}`))
}

// sign returns a JWT of claims, which are JSON text.
func (k *signingKey) sign(typ string, claims []byte) (string, error) {
	header := k.header
	if typ != typAccess {
		header = k.headerOf(typ)
	}
	return jose.SignSegments(k.signer, k.alg, header, string(claims))
}

// published returns the public key as a member of a JWK set (RFC 7517 section 5).
func (k *signingKey) published() string {
	return `{"kid":"` + k.id + `","use":"sig","alg":"` + k.alg.String() + `",` + k.public.JWK()[1:]
}

// keyRecord is a signing key in the store, which seals it.
type keyRecord struct {
	From    time.Time `json:"from"`
	Alg     string    `json:"alg"`
	Private []byte    `json:"private"` // PKCS #8
}

// generateKey makes a new key for an algorithm of Signing.Alg.
func generateKey(alg jose.Alg, from time.Time) (keyRecord, error) {
	var private crypto.PrivateKey
	var err error
	switch alg {
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case jose.PS256, jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, signingRSABits)
	default:
		err = fmt.Errorf("no keys are made for %s", alg)
	}
	if err != nil {
		return keyRecord{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyRecord{}, err
	}
	return keyRecord{From: from.UTC(), Alg: alg.String(), Private: der}, nil
}

// open makes a key of a record.
func (r *keyRecord) open() (*signingKey, error) {
	private, err := x509.ParsePKCS8PrivateKey(r.Private)
	if err != nil {
		return nil, fmt.Errorf("a stored signing key cannot be read: %w", err)
	}
	signer, ok := private.(crypto.Signer)
	alg, _ := jose.ParseAlg(r.Alg)
	if !ok || alg == jose.AlgUnknown {
		return nil, fmt.Errorf("a stored signing key is of a kind that is not known, for %.20q", r.Alg)
	}
	return newSigningKey(signer, alg, r.From)
}
