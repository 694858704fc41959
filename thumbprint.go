package holdfast

import (
	"fmt"

	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Thumbprint is the SHA-256 JWK thumbprint of a public key (RFC 7638), or the
// SHA-256 of a certificate's DER encoding (RFC 8705 section 3.1). It is public:
// it may be logged and compared as an array. The zero value means "none".
type Thumbprint [32]byte

// ParseThumbprint reads the 43 characters of a jkt or x5t#S256 value: unpadded
// base64url of 32 octets with canonical trailing bits.
func ParseThumbprint(s string) (Thumbprint, error) {
	if len(s) != 43 {
		return Thumbprint{}, fmt.Errorf("thumbprint has %d characters, want 43 of base64url", len(s))
	}
	b, err := jose.DecodeSegment(s)
	if err != nil {
		return Thumbprint{}, fmt.Errorf("thumbprint: %w", err)
	}
	return Thumbprint(b), nil
}

// ThumbprintOf computes the RFC 7638 thumbprint of a JWK given as JSON text
// (at most 16 KiB). Private members do not count (RFC 7638 section 3.2.1). The
// thumbprint of a symmetric key is refused, because its hash could leak it.
func ThumbprintOf(jwk string) (Thumbprint, error) {
	o, err := strictjson.Parse(jwk, MaxJWKBytes)
	if err != nil {
		return Thumbprint{}, fmt.Errorf("jwk: %w", err)
	}
	t, err := jose.Thumbprint(o)
	return Thumbprint(t), err
}

// MaxJWKBytes is the largest JWK that [ThumbprintOf] reads.
const MaxJWKBytes = 16 << 10

// String returns the base64url text, the "jkt" of RFC 9449 section 6.1.
func (t Thumbprint) String() string { return jose.EncodeSegment(t[:]) }

// IsZero reports whether the thumbprint is absent.
func (t Thumbprint) IsZero() bool { return t == Thumbprint{} }

// MarshalText implements [encoding.TextMarshaler].
func (t Thumbprint) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Thumbprint) UnmarshalText(b []byte) error {
	v, err := ParseThumbprint(string(b))
	if err != nil {
		return err
	}
	*t = v
	return nil
}
