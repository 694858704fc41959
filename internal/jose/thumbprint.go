package jose

import (
	"crypto/sha256"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Thumbprint returns the RFC 7638 thumbprint, with SHA-256, of any asymmetric JWK, also of one that cannot be used
// here or is private (RFC 7638 3.2.1: it is that of the public key). Values are hashed as given; [ParseKey] is what
// makes sure that they are the correct ones. A symmetric key is refused: its thumbprint might leak it (RFC 7638 7).
func Thumbprint(jwk strictjson.Object) ([32]byte, error) {
	if jwk.IsZero() {
		return [32]byte{}, &Error{Reason: KeyNotObject}
	}
	kty, err := text(jwk, "kty")
	if err != nil {
		return [32]byte{}, err
	}
	// Required members in code point order: RFC 7638 3.2, RFC 8037 2, RFC 9964 6.
	var names []string
	switch kty {
	case "EC":
		names = []string{"crv", "kty", "x", "y"}
	case "OKP":
		names = []string{"crv", "kty", "x"}
	case "RSA":
		names = []string{"e", "kty", "n"}
	case "AKP":
		names = []string{"alg", "kty", "pub"}
	case "oct":
		return [32]byte{}, &Error{Reason: KeySymmetric, Member: "kty"}
	default:
		return [32]byte{}, &Error{Reason: KeyUnsupported, Member: "kty", Detail: quoted(kty)}
	}
	var buf [512]byte
	b := append(buf[:0], '{')
	for _, name := range names {
		if b, err = appendCanonical(b, jwk, name); err != nil {
			return [32]byte{}, err
		}
	}
	b[len(b)-1] = '}'
	return sha256.Sum256(b), nil
}

// appendCanonical appends one member and a comma. RFC 7638 3.2.2: values are written without escapes, so one that
// cannot be has no defined thumbprint.
func appendCanonical(b []byte, jwk strictjson.Object, name string) ([]byte, *Error) {
	value, err := text(jwk, name)
	if err != nil {
		return nil, err
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' {
			return nil, &Error{Reason: KeyEscaped, Member: name}
		}
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, value...)
	return append(b, `",`...), nil
}

// appendJWK appends the canonical public JWK of a key that this package understands: its octets are x and y for EC,
// n and e for RSA, x alone for OKP. Nothing in it can need an escape.
func appendJWK(dst []byte, kty, crv string, first, second []byte) []byte {
	if kty == "RSA" {
		dst = append(dst, `{"e":"`...)
		dst = appendEncoded(dst, second)
		dst = append(dst, `","kty":"RSA","n":"`...)
		dst = appendEncoded(dst, first)
		return append(dst, `"}`...)
	}
	dst = append(dst, `{"crv":"`...)
	dst = append(dst, crv...)
	dst = append(dst, `","kty":"`...)
	dst = append(dst, kty...)
	dst = append(dst, `","x":"`...)
	dst = appendEncoded(dst, first)
	if second != nil {
		dst = append(dst, `","y":"`...)
		dst = appendEncoded(dst, second)
	}
	return append(dst, `"}`...)
}
