// Package keystore is where a holder's private keys live, and beside them the
// refresh tokens that are bound to those keys.
//
// [Open] opens a file that is sealed under a passphrase; [Store] generates,
// imports, rotates and deletes keys by name, and [Store.Update] changes a sealed
// value while other processes wait. [Keys] and [Values] are what other packages
// ask for, so that keys which cannot leave a device fit as well.
//
// It deliberately does not make proofs, talk to servers, ask for passphrases or
// keep a backup.
//
// A sealed file is worth what its passphrase is worth. Whoever may write to the
// file can put back an older copy of it, which is noticed only by a process that
// has seen a later one; whoever can read the memory of a process that has opened
// it has the keys.
package keystore

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Limits of a store. What would go beyond them is refused, nothing is dropped.
const (
	MaxNameBytes       = 64
	MaxKeys            = 1000      // retired ones included
	MaxValues          = 1000      // sealed values
	MaxValueBytes      = 256 << 10 // of one sealed value
	MaxFileBytes       = 16 << 20  // of all contents, encoded
	MaxPassphraseBytes = 1 << 10
)

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound   = errors.New("not found")
	ErrExists     = errors.New("exists already")
	ErrPassphrase = errors.New("the passphrase does not open the file (or the file was altered on purpose)")
	ErrDamaged    = errors.New("the file is damaged")
)

// Keys keeps proof keys by name. A name has at most one current key; the keys
// that it had before are retired and stay, because tokens are bound to them.
// Implementations are safe for concurrent use. Every method may do I/O and gives
// up when ctx ends; an error that is neither ErrNotFound nor ErrExists means that
// the keys could not be reached.
type Keys interface {
	// Current returns the key to use for new tokens, or ErrNotFound.
	Current(ctx context.Context, name string) (*holdfast.Key, error)

	// ByThumbprint returns a key, retired or not, for a token that is bound to
	// it, or ErrNotFound.
	ByThumbprint(ctx context.Context, t holdfast.Thumbprint) (*holdfast.Key, error)

	// Generate makes a key for a name that has no current one, else ErrExists.
	// An empty alg means ES256.
	Generate(ctx context.Context, name string, alg holdfast.Alg) (*holdfast.Key, error)

	// Import takes a key for a name that has no current one. ErrExists also if
	// the key is kept already, under whatever name.
	Import(ctx context.Context, name string, s crypto.Signer) (*holdfast.Key, error)

	// Rotate makes a new key of the same algorithm beside the current one, which
	// it retires. ErrNotFound if there is none.
	Rotate(ctx context.Context, name string) (*holdfast.Key, error)

	// Delete forgets all keys of a name, or returns ErrNotFound. Tokens bound to
	// them cannot be used any more.
	Delete(ctx context.Context, name string) error

	// DeleteKey forgets one key, or returns ErrNotFound. Without a current key
	// a name can be given a new one.
	DeleteKey(ctx context.Context, t holdfast.Thumbprint) error

	// List describes all keys, by name and in the order of their making.
	List(ctx context.Context) ([]Info, error)
}

// Values keeps secrets by name, such as a refresh token with what belongs to it.
// Implementations are safe for concurrent use.
type Values interface {
	// Value returns a value, or ErrNotFound.
	Value(ctx context.Context, name string) (holdfast.Secret, error)

	// Update calls change with the value, empty if there is none, and keeps what
	// it returns; the empty secret deletes. Of all Updates of one name, in all
	// processes, one at a time runs: the others wait, as long as their ctx
	// allows. An error of change is returned as it is, and nothing is changed.
	// Once change has succeeded its result is kept even if ctx ends: a refresh
	// token that was rotated must not be lost.
	//
	// In change the store may be used, except for an Update of the same name.
	Update(ctx context.Context, name string, change func(old holdfast.Secret) (holdfast.Secret, error)) error
}

// Info describes a key. It holds no secret.
type Info struct {
	Name       string              `json:"name"`
	Thumbprint holdfast.Thumbprint `json:"thumbprint"`
	Alg        holdfast.Alg        `json:"alg"`
	Created    time.Time           `json:"created"`
	Retired    time.Time           `json:"retired,omitzero"` // zero: the current key of its name
}

// CheckName reports whether name can name a key or a value: lower-case letters,
// digits, dot, hyphen and underscore, the first a letter or digit, at most
// [MaxNameBytes]. Names become parts of file names, also where letter case does
// not count.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameBytes {
		return fmt.Errorf("name has %d characters, want 1 to %d", len(name), MaxNameBytes)
	}
	for i := range len(name) {
		c := name[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || i > 0 && (c == '.' || c == '-' || c == '_') {
			continue
		}
		return fmt.Errorf("name %q: want lower-case letters, digits, and after the first also . - _", name)
	}
	return nil
}
