package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// KindSealing is the kind of the one record that [Seal] keeps for itself.
const KindSealing Kind = "sealing"

// MaxSealingKeys is how many keys [Seal] takes.
const MaxSealingKeys = 8

// Seal returns a [Store] that keeps its records in s, with bodies sealed and
// owners hidden: who reads s learns kinds, versions, expiries, sizes, and which
// records have the same owner, of which kind. Who writes to s can remove
// records and put back an older state of a record as a whole, and nothing else
// goes unseen: a body opens only with the kind, key, owner, version and expiry
// that it was written with. Keys of records pass as they are.
//
// keys are 32 random bytes each. The first seals, all of them open. To replace a
// key while replicas run: give all of them the new key as the last one, then as
// the first; call [Reseal]; then leave the old key out.
//
// Bodies are sealed with AES-256-GCM under a key of their own, derived from the
// sealing key, the kind and the key of the record, so that random nonces never
// come close to being used twice. Owners are replaced by an HMAC under a random
// key that is made at the first use, and kept in s sealed like any record, with
// KindSealing: it stays the same when sealing keys change.
//
// A body that does not open is an error that names its kind, never ErrNotFound.
// Seal itself asks s nothing. Closing the sealed store closes s.
func Seal(s Store, keys ...holdfast.Secret) (Store, error) {
	var errs []error
	if s == nil {
		errs = append(errs, errors.New("no store is given"))
	}
	if len(keys) < 1 || len(keys) > MaxSealingKeys {
		errs = append(errs, fmt.Errorf("%d keys are given, want 1 to %d", len(keys), MaxSealingKeys))
	}
	sealed := &sealedStore{inner: s}
	for i, secret := range keys {
		k, err := newSealingKey(secret)
		if err != nil {
			errs = append(errs, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		for j := range sealed.keys {
			if sealed.keys[j].name == k.name {
				errs = append(errs, fmt.Errorf("keys %d and %d are the same", j+1, i+1))
			}
		}
		sealed.keys = append(sealed.keys, k)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("store: seal: %w", err)
	}
	return sealed, nil
}

type sealedStore struct {
	inner  Store
	keys   []*sealingKey
	owners ownerKey
}

// Get opens what the inner store returns.
func (s *sealedStore) Get(ctx context.Context, k Kind, key [32]byte) (Record, error) {
	r, err := s.inner.Get(ctx, k, key)
	if err != nil {
		return Record{}, err
	}
	return s.open(r)
}

// open returns the record as it was before sealing.
func (s *sealedStore) open(r Record) (Record, error) {
	k := s.sealedBy(&r)
	if k == nil {
		return Record{}, fmt.Errorf("store: the body of a %s was sealed under another key, or not at all: tried %s", r.Kind, s.names())
	}
	owner, body, err := k.open(&r)
	if err != nil {
		return Record{}, fmt.Errorf("store: the body of a %s does not open under key %s: it was altered, or is that of another record or version", r.Kind, k)
	}
	r.Owner, r.Body = owner, body
	return r, nil
}

// sealedBy returns the key that the body of r names; nil if there is none.
func (s *sealedStore) sealedBy(r *Record) *sealingKey {
	for _, k := range s.keys {
		if k.sealed(r.Body) {
			return k
		}
	}
	return nil
}

func (s *sealedStore) names() string {
	var names []string
	for _, k := range s.keys {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// seal returns the record for the inner store. version is the one that it will
// have there.
func (s *sealedStore) seal(ctx context.Context, r Record, version uint64) (Record, error) {
	if err := r.check(MaxBodyBytes); err != nil {
		return Record{}, err
	}
	owner := r.Owner
	hidden, err := s.hide(ctx, r.Kind, owner)
	if err != nil {
		return Record{}, err
	}
	r.Owner, r.Expires = hidden, expiryTime(r.expiry())
	r.Body, err = s.keys[0].seal(&r, version, owner)
	return r, err
}

// hide returns what stands for an owner in the inner store.
func (s *sealedStore) hide(ctx context.Context, k Kind, owner string) (string, error) {
	if owner == "" {
		return "", nil
	}
	if err := checkOwner(k, owner); err != nil {
		return "", err
	}
	return s.owners.hide(ctx, s, k, owner)
}

func (s *sealedStore) Create(ctx context.Context, r Record) error {
	r, err := s.seal(ctx, r, 1)
	if err != nil {
		return err
	}
	return s.inner.Create(ctx, r)
}

func (s *sealedStore) Swap(ctx context.Context, r Record) error {
	r, err := s.seal(ctx, r, r.Version+1)
	if err != nil {
		return err
	}
	return s.inner.Swap(ctx, r)
}

func (s *sealedStore) Delete(ctx context.Context, k Kind, key [32]byte) error {
	return s.inner.Delete(ctx, k, key)
}

func (s *sealedStore) List(ctx context.Context, k Kind, owner string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		hidden, err := s.hide(ctx, k, owner)
		if err != nil {
			yield(Record{}, err)
			return
		}
		for r, err := range s.inner.List(ctx, k, hidden) {
			if err == nil {
				r, err = s.open(r)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (s *sealedStore) Close() error { return s.inner.Close() }

// Reseal seals anew, under the first key, every record of the kinds that an
// older key sealed, and returns how many. s is what [Seal] returned. It may run
// while others use the store, and may be repeated: what they write meanwhile is
// sealed under their first key. After it the older keys open nothing that is
// still needed, provided that kinds are all kinds there are.
func Reseal(ctx context.Context, s Store, kinds ...Kind) (n int, err error) {
	sealed, ok := s.(*sealedStore)
	if !ok {
		return 0, fmt.Errorf("store: reseal: the store is a %T, want a sealed one", s)
	}
	for _, k := range slices.Concat(kinds, []Kind{KindSealing}) {
		for r, err := range sealed.inner.List(ctx, k, "") {
			if err != nil {
				return n, err
			}
			if sealed.keys[0].sealed(r.Body) {
				continue
			}
			open, err := sealed.open(r)
			if err != nil {
				return n, err
			}
			switch err := sealed.Swap(ctx, open); {
			case err == nil:
				n++
			case !errors.Is(err, ErrConflict): // whoever came first has sealed it
				return n, err
			}
		}
	}
	return n, nil
}

// ownerKeyPlace is where the key is that hides owners.
func ownerKeyPlace() [32]byte { return sha256.Sum256([]byte("owners")) }

func newOwnerKey() []byte {
	b := make([]byte, sealingKeySize)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}
