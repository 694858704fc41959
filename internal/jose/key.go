package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"slices"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// PublicKey is a public signature key that is sound: a point on its curve, or an RSA key of acceptable size. It is
// made by [ParseKey] or [NewPublicKey] only, immutable, and safe for concurrent use. The zero value fits no algorithm
// and so verifies nothing.
type PublicKey struct {
	kty, crv   string
	bits       int
	thumbprint [sha256.Size]byte
	algs       []Alg
	// Exactly one of these is set.
	ec  *ecdsa.PublicKey
	rsa *rsa.PublicKey
	ed  ed25519.PublicKey
}

// ParseKey makes a key of a public JWK: EC on P-256, P-384 or P-521, RSA of 2048 to 4096 bits, or OKP with Ed25519.
// Members must have their one correct encoding (RFC 7638 7); optional members are ignored. The error is an [*Error].
func ParseKey(jwk strictjson.Object) (*PublicKey, error) {
	kty, err := publicKty(jwk)
	if err != nil {
		return nil, err
	}
	var k *PublicKey
	switch kty {
	case "EC":
		k, err = parseEC(jwk)
	case "RSA":
		k, err = parseRSA(jwk)
	case "OKP":
		k, err = parseOKP(jwk)
	case "AKP":
		err = &Error{Reason: KeyUnsupported, Member: "kty", Detail: "AKP (ML-DSA, RFC 9964) is not implemented"}
	default:
		err = &Error{Reason: KeyUnsupported, Member: "kty", Detail: quoted(kty)}
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// publicKty returns the kty of a JWK after it made sure that nothing in it is secret. That comes first: who sends a
// private key must hear so, whatever else is wrong (RFC 9449 4.3 #7).
func publicKty(jwk strictjson.Object) (string, *Error) {
	if jwk.IsZero() {
		return "", &Error{Reason: KeyNotObject}
	}
	kty, err := text(jwk, "kty")
	if kty == "oct" {
		return "", &Error{Reason: KeySymmetric, Member: "kty"}
	}
	for name := range jwk.All() {
		switch name {
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
			return "", &Error{Reason: KeyPrivate, Member: name}
		}
	}
	return kty, err
}

// text returns a member that has to be a string.
func text(jwk strictjson.Object, name string) (string, *Error) {
	v, ok := jwk.Get(name)
	if !ok {
		return "", &Error{Reason: KeyMissingMember, Member: name}
	}
	s, ok := v.Text()
	if !ok {
		return "", &Error{Reason: KeyMemberType, Member: name, Detail: "a string is needed, not " + v.Kind().String()}
	}
	return s, nil
}

// appendOctets appends a base64url member of exactly size octets.
func appendOctets(dst []byte, jwk strictjson.Object, name string, size int) ([]byte, *Error) {
	s, err := text(jwk, name)
	if err != nil {
		return nil, err
	}
	base := len(dst)
	dst, err = appendMember(dst, s, name)
	if err != nil {
		return nil, err
	}
	if got := len(dst) - base; got != size {
		// RFC 7518 6.2.1.2: the octets must have the full size of a coordinate for the curve.
		detail := decimal(got) + " octets, " + decimal(size) + " are needed"
		return nil, &Error{Reason: KeyMemberEncoding, Member: name, Detail: detail}
	}
	return dst, nil
}

// appendMember decodes the base64url value of a key member.
func appendMember(dst []byte, value, name string) ([]byte, *Error) {
	dst, err := appendSegment(dst, value)
	if err != nil {
		return nil, &Error{Reason: KeyMemberEncoding, Member: name, Detail: err.Error()}
	}
	return dst, nil
}

// NewPublicKey makes a key of an *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey, by the rules of [ParseKey].
// It keeps no reference to pub. The error is an [*Error].
func NewPublicKey(pub crypto.PublicKey) (*PublicKey, error) {
	var k *PublicKey
	err := &Error{Reason: KeyUnsupported, Detail: "neither ECDSA nor RSA nor Ed25519"}
	switch p := pub.(type) {
	case *ecdsa.PublicKey:
		if p != nil && p.Curve != nil {
			k, err = fromECDSA(p)
		}
	case *rsa.PublicKey:
		if p != nil && p.N != nil {
			k, err = fromRSA(p)
		}
	case ed25519.PublicKey:
		k, err = newEd25519(p)
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Thumbprint returns the RFC 7638 thumbprint.
func (k *PublicKey) Thumbprint() [32]byte { return k.thumbprint }

// Kty returns EC, RSA or OKP.
func (k *PublicKey) Kty() string { return k.kty }

// Crv returns the name of the curve, empty for RSA.
func (k *PublicKey) Crv() string { return k.crv }

// Bits returns the size of the curve or of the RSA modulus.
func (k *PublicKey) Bits() int { return k.bits }

// JWK returns the key as JSON: the required members in code point order, which is what a thumbprint hashes
// (RFC 7638 3) and what a proof carries. It is built anew at each call.
func (k *PublicKey) JWK() string {
	first, second := k.octets()
	return string(appendJWK(nil, k.kty, k.crv, first, second))
}

// Algs returns the algorithms that fit the key, the preferred one first.
func (k *PublicKey) Algs() []Alg { return slices.Clone(k.algs) }

// Fits reports whether the key is of the type and on the curve that a needs.
func (k *PublicKey) Fits(a Alg) bool { return slices.Contains(k.algs, a) }

// Public returns a copy of the key for the standard library.
func (k *PublicKey) Public() crypto.PublicKey {
	switch {
	case k.ec != nil:
		pub, err := ecdsa.ParseUncompressedPublicKey(k.ec.Curve, k.point())
		if err != nil { // cannot be: the point was on the curve when the key was made
			return nil
		}
		return pub
	case k.rsa != nil:
		return &rsa.PublicKey{N: new(big.Int).Set(k.rsa.N), E: k.rsa.E}
	}
	return slices.Clone(k.ed)
}

// point returns the uncompressed point of an EC key (SEC 1 section 2.3.3).
func (k *PublicKey) point() []byte {
	b, err := k.ec.Bytes()
	if err != nil {
		return []byte{4} // cannot be: see Public
	}
	return b
}

// octets returns the two octet strings that a JWK of the key carries: x and y, or n and e, or x alone.
func (k *PublicKey) octets() (first, second []byte) {
	switch {
	case k.ec != nil:
		p := k.point()[1:] // the first octet says "uncompressed"
		return p[:len(p)/2], p[len(p)/2:]
	case k.rsa != nil:
		return k.rsa.N.Bytes(), big.NewInt(int64(k.rsa.E)).Bytes()
	}
	return k.ed, nil
}
