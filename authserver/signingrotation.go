package authserver

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/store"
)

// ringRecord is the ring in the store.
type ringRecord struct {
	Keys []keyRecord `json:"keys"` // in the order in which they sign
}

// ringKey is where the one record is.
func ringKey() [32]byte { return keyOf("ring") }

// ringEdit changes a ring and says whether it did.
type ringEdit func(r *ringRecord, now time.Time) (changed bool, err error)

// Why the keys are not changed.
var (
	errFixedKeys = errors.New("the signing keys come from the configuration")
	errManyKeys  = errors.New("as many signing keys are published as may be: wait until old ones expire")
)

// due makes the next key if it is time for one, and removes those whose last
// token has expired.
func (k *keyRing) due(r *ringRecord, now time.Time) (changed bool, err error) {
	for len(r.Keys) > 1 && now.After(r.Keys[1].From.Add(ringRetain)) {
		r.Keys, changed = r.Keys[1:], true
	}
	from := now // the first of all signs at once
	if len(r.Keys) > 0 {
		last := &r.Keys[len(r.Keys)-1]
		from = now.Add(k.overlap)
		// One of another algorithm is replaced as well, when it has begun.
		other := last.Alg != k.alg.String() && !now.Before(last.From)
		if from.Before(last.From.Add(k.rotate)) && !other || len(r.Keys) >= MaxSigningKeys {
			return changed, nil
		}
	}
	return true, r.add(k.alg, from)
}

// add appends a key that signs from that time on.
func (r *ringRecord) add(alg jose.Alg, from time.Time) error {
	if len(r.Keys) >= MaxSigningKeys {
		return errManyKeys
	}
	key, err := generateKey(alg, from)
	if err != nil {
		return err
	}
	r.Keys = append(r.Keys, key)
	return nil
}

// rotateNow makes a key that signs after the overlap, unless there is one that
// waits already.
func (k *keyRing) rotateNow(ctx context.Context) error {
	return k.change(ctx, func(r *ringRecord, now time.Time) (bool, error) {
		if n := len(r.Keys); n > 0 && r.Keys[n-1].From.After(now) {
			return false, nil
		}
		return true, r.add(k.alg, now.Add(k.overlap))
	})
}

// retire removes a key at once. If it was the one that signs, the next one does
// from now on, however short it has been published: a compromised key is worse.
// The error is store.ErrNotFound if there is no such key.
func (k *keyRing) retire(ctx context.Context, id string) error {
	return k.change(ctx, func(r *ringRecord, now time.Time) (bool, error) {
		for i := range r.Keys {
			key, err := r.Keys[i].open()
			if err != nil {
				return false, err
			}
			if key.id != id {
				continue
			}
			r.Keys = slices.Delete(r.Keys, i, i+1)
			if i == len(r.Keys) && !key.from.After(now) {
				return true, r.add(k.alg, now)
			}
			if signs := !key.from.After(now) && r.Keys[i].From.After(now); signs {
				r.Keys[i].From = now
			}
			return true, nil
		}
		return false, store.ErrNotFound
	})
}
