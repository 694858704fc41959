package authserver

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// sealingKeyBytes is the size of a key of [Config.SealingKeys], maxSealingKeys
// how many are tried: a stranger's text costs that many decryptions.
const (
	sealingKeyBytes = 32
	maxSealingKeys  = 8
)

// saltBytes is the size of the random part that every sealed text has its own
// key from, and maxSealedBytes the length of the longest text that is opened.
const (
	saltBytes      = 24
	maxSealedBytes = 32 << 10
)

// sealer keeps things in the browser that the browser must not read or change,
// and hashes values that could be guessed. Safe for concurrent use.
type sealer struct{ keys []holdfast.Secret }

func newSealer(keys []holdfast.Secret) (*sealer, error) {
	var errs []error
	for i, k := range keys {
		if k.Len() != sealingKeyBytes {
			errs = append(errs, fmt.Errorf("sealing key %d has %d bytes, want %d", i+1, k.Len(), sealingKeyBytes))
		}
	}
	if len(keys) == 0 || len(keys) > maxSealingKeys {
		errs = append(errs, fmt.Errorf("there are %d sealing keys, want 1 to %d", len(keys), maxSealingKeys))
	}
	return &sealer{keys: keys}, errors.Join(errs...)
}

// aead derives the key of one sealed text. Since no other text has that key, its
// nonce may be zero, and no number of texts wears the sealing key out.
func aead(key holdfast.Secret, purpose string, salt []byte) cipher.AEAD {
	derived, err := hkdf.Key(sha256.New, []byte(key.Reveal()), salt, "holdfast authserver seal 1: "+purpose, sealingKeyBytes)
	if err != nil {
		panic(err) // only for a length that HKDF cannot give
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		panic(err) // only for a wrong length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // only for another block size
	}
	return gcm
}

// seal returns plain as base64url, encrypted and bound to a purpose; open
// reverses it and reports whether it was ours. Neither knows about time.
func (k *sealer) seal(purpose string, plain []byte) string {
	salt := make([]byte, saltBytes, saltBytes+len(plain)+sha256.Size)
	_, _ = rand.Read(salt) // never fails
	gcm := aead(k.keys[0], purpose, salt)
	return jose.EncodeSegment(gcm.Seal(salt, make([]byte, gcm.NonceSize()), plain, nil))
}

func (k *sealer) open(purpose, sealed string) ([]byte, bool) {
	if len(sealed) > maxSealedBytes {
		return nil, false
	}
	raw, err := jose.DecodeSegment(sealed)
	if err != nil || len(raw) < saltBytes {
		return nil, false
	}
	for _, key := range k.keys {
		gcm := aead(key, purpose, raw[:saltBytes])
		if plain, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), raw[saltBytes:], nil); err == nil {
			return plain, true
		}
	}
	return nil, false
}

// hash is a keyed hash of a value of low entropy, such as a user code: the key
// of a record. It is made with the newest sealing key.
func (k *sealer) hash(purpose, value string) [32]byte {
	return keyedHash(k.keys[0], purpose, value)
}

// hashes are the hashes under every sealing key, newest first: what was written
// before a new key came is found by one of the others.
func (k *sealer) hashes(purpose, value string) [][32]byte {
	out := make([][32]byte, len(k.keys))
	for i, key := range k.keys {
		out[i] = keyedHash(key, purpose, value)
	}
	return out
}

func keyedHash(key holdfast.Secret, purpose, value string) [32]byte {
	derived, err := hkdf.Key(sha256.New, []byte(key.Reveal()), nil, "holdfast authserver hash 1: "+purpose, sealingKeyBytes)
	if err != nil {
		panic(err) // only for a length that HKDF cannot give
	}
	h := hmac.New(sha256.New, derived)
	h.Write([]byte(value))
	return [32]byte(h.Sum(nil))
}
