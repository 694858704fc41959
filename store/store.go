package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"time"
)

// Limits of a [Record]. What is longer is refused before anything is written.
const (
	MaxBodyBytes  = 64 << 10
	MaxOwnerBytes = 256
)

// What a [Store] answers. Any other error means that the store could not be
// asked, or that nobody knows whether the write was done.
var (
	ErrNotFound = errors.New("store: no such record")                 // also when it has expired
	ErrExists   = errors.New("store: there is such a record already") // one that has not expired
	ErrConflict = errors.New("store: the record was changed or removed since it was read")
)

// Kind is what a record is about: a lower-case word of at most 16 letters. Keys
// of different kinds never meet.
type Kind string

var kindForm = regexp.MustCompile(`^[a-z]{1,16}$`)

// Record is one thing that is remembered. The zero value is not valid: a record
// needs a Kind.
type Record struct {
	Kind Kind
	Key  [32]byte // a hash: what it is made of cannot be read from the store

	// Owner groups records for [Store.List], such as the client that a key
	// belongs to. It does not change after Create.
	Owner string

	// Version is 1 after Create and one more after each Swap. Swap wants the
	// version that was read.
	Version uint64

	// Expires is when the record stops to exist; the zero time means never. It
	// is kept to the millisecond.
	Expires time.Time

	Body []byte // at most MaxBodyBytes
}

// Store keeps records, with compare-and-swap as its one primitive: of several
// concurrent calls of Create, or of Swap with one version, exactly one
// succeeds. A write that was confirmed is durable as far as the backend can be
// (see the package comment), and every later read of any replica sees it.
//
// All methods are safe for concurrent use and keep no reference to what they
// were given; what they return belongs to the caller. Errors are [ErrNotFound],
// [ErrExists], [ErrConflict] or a failure of the store, which a server answers
// with 503.
type Store interface {
	Get(ctx context.Context, k Kind, key [32]byte) (Record, error)
	Create(ctx context.Context, r Record) error
	Swap(ctx context.Context, r Record) error // ErrConflict unless r.Version is the stored one
	Delete(ctx context.Context, k Kind, key [32]byte) error

	// List returns the records of one owner, or of all owners if owner is "", in
	// no order. Records that are written meanwhile may be missing. It ends with
	// the first error.
	List(ctx context.Context, k Kind, owner string) iter.Seq2[Record, error]

	Close() error
}

// check refuses what no backend should be asked to keep.
func (r *Record) check() error {
	switch {
	case !kindForm.MatchString(string(r.Kind)):
		return fmt.Errorf("store: kind is %.20q, want 1 to 16 lower-case letters", r.Kind)
	case len(r.Body) > MaxBodyBytes:
		return fmt.Errorf("store: the body of a %s has %d bytes, at most %d are kept", r.Kind, len(r.Body), MaxBodyBytes)
	case len(r.Owner) > MaxOwnerBytes:
		return fmt.Errorf("store: the owner of a %s has %d bytes, at most %d are kept", r.Kind, len(r.Owner), MaxOwnerBytes)
	}
	return nil
}
