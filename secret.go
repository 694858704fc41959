package holdfast

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// redacted is what every printed form of a [Secret] shows.
const redacted = "[redacted]"

// Secret is a value that must not be printed: an access token, a proof, a
// code, a client secret, a cookie. Formatting with any verb, logging with
// slog and encoding as JSON or text all give "[redacted]". [Secret.Reveal] is
// the one way out, so that its uses can be listed with one search.
//
// The zero value is the empty secret. Secrets are immutable and safe for
// concurrent use.
type Secret struct{ s string }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns the raw value.
func (s Secret) Reveal() string { return s.s }

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.s == "" }

// Len returns the length in bytes.
func (s Secret) Len() int { return len(s.s) }

// Fingerprint returns the first 8 bytes of the SHA-256 of the value as hex: a
// name for logs and reports that tells two secrets apart. Use it for
// high-entropy values only; of a short password it would be a hint.
func (s Secret) Fingerprint() string {
	sum := sha256.Sum256([]byte(s.s))
	return hex.EncodeToString(sum[:8])
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format prints "[redacted]" whatever the verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements [encoding/json.Marshaler].
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
