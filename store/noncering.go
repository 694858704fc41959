package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// nonceKey is one key of the ring. It issues from its time on, until the next
// one does.
type nonceKey struct {
	from int64 // Unix time in milliseconds
	key  [32]byte
}

const nonceKeySize = 8 + 32 // of a nonceKey in the store, before sealing

func (k nonceKey) begins() time.Time { return time.UnixMilli(k.from) }

// nonceRing is what a process works with until the next refresh. Immutable.
type nonceRing struct {
	keys    []nonceKey         // oldest first, never empty
	sources []*holdfast.Nonces // one for each key: it issues with that key and accepts all
	seen    time.Time          // when the store was last reached
}

// due returns the ring with the next key, if it is time for one, and without
// those whose last nonce has expired.
func (c *NonceKeysConfig) due(keys []nonceKey, now time.Time) (next []nonceKey, changed bool) {
	// A key issues until the next one begins.
	for len(keys) > 1 && now.After(keys[1].begins().Add(c.Lifetime+2*ClockTolerance)) {
		keys, changed = keys[1:], true
	}
	k := nonceKey{from: now.UnixMilli()} // the first of all issues at once
	if len(keys) > 0 {
		from := keys[len(keys)-1].begins().Add(c.Rotation)
		earliest := now.Add(nonceKeysSpread)
		if earliest.Before(from) {
			return keys, changed
		}
		k.from = earliest.UnixMilli()
	}
	_, _ = rand.Read(k.key[:]) // never fails: crypto/rand ends the program instead
	return append(slices.Clone(keys), k), true
}

// sealer derives the key that seals, so that the operator's key may serve other
// purposes as well.
func sealer(key holdfast.Secret) (cipher.AEAD, error) {
	k, err := hkdf.Key(sha256.New, []byte(key.Reveal()), nil, "holdfast nonce keys 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// sealRing encrypts a ring for the store.
func sealRing(seal cipher.AEAD, keys []nonceKey) []byte {
	plain := make([]byte, 0, len(keys)*nonceKeySize)
	for _, k := range keys {
		plain = binary.BigEndian.AppendUint64(plain, uint64(k.from))
		plain = append(plain, k.key[:]...)
	}
	return seal.Seal(nil, nil, plain, nil)
}

// openRing decrypts what sealRing made.
func openRing(seal cipher.AEAD, sealed []byte) ([]nonceKey, error) {
	plain, err := seal.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, errors.New("the stored keys were sealed under another sealing key, or altered")
	}
	n := len(plain) / nonceKeySize
	if len(plain)%nonceKeySize != 0 || n == 0 || n > holdfast.MaxNonceKeys {
		return nil, errors.New("the stored keys have a form that is not known")
	}
	keys := make([]nonceKey, n)
	for i := range keys {
		entry := plain[i*nonceKeySize:]
		keys[i].from = int64(binary.BigEndian.Uint64(entry))
		copy(keys[i].key[:], entry[8:nonceKeySize])
	}
	return keys, nil
}
