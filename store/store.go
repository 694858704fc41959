package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// Limits of a [Record]. What is longer is refused before anything is written.
const (
	MaxBodyBytes  = 64 << 10 // of a body, before [Seal] adds [SealOverhead]
	MaxOwnerBytes = 256

	maxKindBytes   = 16
	maxStoredBytes = MaxBodyBytes + SealOverhead
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

// Record is one thing that is remembered. The zero value is not valid: a record
// needs a Kind.
type Record struct {
	Kind Kind
	Key  [32]byte // a hash: what it is made of cannot be read from the store

	// Owner groups records for [Store.List], such as the client that a key
	// belongs to: any bytes, at most MaxOwnerBytes. It does not change after
	// Create; Swap wants the one that was read.
	Owner string

	// Version is 1 after Create, whatever it was before, and one more after each
	// Swap. Swap wants the version that was read.
	//
	// A key that was deleted or has expired begins again at 1. Who swaps must
	// therefore not keep a record beyond its end, unless its key is random and
	// never comes again.
	Version uint64

	// Expires is when the record stops to exist, by the clock of whoever asks;
	// the zero time means never. It is kept to the millisecond, from 1970 to
	// 9999.
	Expires time.Time

	Body []byte // at most MaxBodyBytes; an empty one is returned as nil
}

// Store keeps records, with compare-and-swap as its one primitive: of several
// concurrent calls of Create, or of Swap with one version, exactly one
// succeeds. A write that was confirmed is durable as far as the backend can be
// (see the package comment), and every later read of any replica sees it.
//
// All methods are safe for concurrent use and keep no reference to what they
// were given; what they return belongs to the caller. Errors are [ErrNotFound],
// [ErrExists], [ErrConflict] or a failure of the store, which a server answers
// with 503. After any other error of a write the record has to be read to know
// what became of it. Errors never hold bodies or owners.
//
// Own implementations are judged by the suite in storetest. They have to keep
// bodies of MaxBodyBytes + [SealOverhead], so that [Seal] can stand before them.
type Store interface {
	// Get returns the record, or ErrNotFound.
	Get(ctx context.Context, k Kind, key [32]byte) (Record, error)

	// Create writes a new record with version 1; ErrExists if there is one.
	Create(ctx context.Context, r Record) error

	// Swap replaces Body and Expires and counts the version; ErrConflict unless
	// Version and Owner are the stored ones. A record that is gone is a conflict.
	Swap(ctx context.Context, r Record) error

	// Delete removes the record, if there is one.
	Delete(ctx context.Context, k Kind, key [32]byte) error

	// List returns the records of one owner, or of all owners if owner is "", each
	// once and in no order. Records that are written meanwhile may be missing. It
	// ends with the first error. The loop may call the store.
	List(ctx context.Context, k Kind, owner string) iter.Seq2[Record, error]

	// Close ends what runs in the background and releases the store. Later calls
	// return an error. It may be called twice.
	Close() error
}

// never is the expiry of a record that has none.
const never = math.MaxInt64

// expiry is Expires in milliseconds since 1970: what backends keep and compare.
func (r *Record) expiry() int64 {
	if r.Expires.IsZero() {
		return never
	}
	return r.Expires.UnixMilli()
}

// expiryTime is the inverse of expiry.
func expiryTime(ms int64) time.Time {
	if ms == never {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (k Kind) check() error {
	ok := len(k) >= 1 && len(k) <= maxKindBytes
	for i := range len(k) {
		ok = ok && k[i] >= 'a' && k[i] <= 'z'
	}
	if !ok {
		return fmt.Errorf("store: kind is %.20q, want 1 to %d lower-case letters", string(k), maxKindBytes)
	}
	return nil
}

func checkOwner(k Kind, owner string) error {
	if len(owner) > MaxOwnerBytes {
		return fmt.Errorf("store: the owner of a %s has %d bytes, at most %d are kept", k, len(owner), MaxOwnerBytes)
	}
	return nil
}

// check refuses what no backend should be asked to keep. limit is that of the
// body.
func (r *Record) check(limit int) error {
	if err := errors.Join(r.Kind.check(), checkOwner(r.Kind, r.Owner)); err != nil {
		return err
	}
	if len(r.Body) > limit {
		return fmt.Errorf("store: the body of a %s has %d bytes, at most %d are kept", r.Kind, len(r.Body), limit)
	}
	if !r.Expires.IsZero() && (r.Expires.Before(time.UnixMilli(0)) || r.Expires.Year() > 9999) {
		return fmt.Errorf("store: a %s expires in the year %d, want one from 1970 to 9999", r.Kind, r.Expires.Year())
	}
	return nil
}
