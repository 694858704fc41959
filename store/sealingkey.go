package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/holdfast-oauth/holdfast"
)

// Layout of a sealed body: one byte of format, the name of the key, the nonce,
// and the ciphertext of the length of the owner as 2 bytes, the owner and the
// body.
const (
	sealFormat   = 1
	sealName     = 4
	sealHeader   = 1 + sealName
	sealNonce    = 12
	sealTag      = 16
	sealOwnerLen = 2

	// SealOverhead is what [Seal] adds to a body at most.
	SealOverhead = sealHeader + sealNonce + sealTag + sealOwnerLen + MaxOwnerBytes
)

var errUnsealed = errors.New("the body does not open")

// sealingKey is one of the operator's keys. Nothing is sealed with the key
// itself, so that it may serve other purposes as well.
type sealingKey struct {
	name [sealName]byte // says in a body which key opens it
	macs sync.Pool      // HMACs under the root key: one that was used knows its padded key
}

func newSealingKey(secret holdfast.Secret) (*sealingKey, error) {
	if secret.Len() != sealingKeySize {
		return nil, fmt.Errorf("it has %d bytes, want %d random ones", secret.Len(), sealingKeySize)
	}
	b, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, "holdfast records 1", sealName+sealingKeySize)
	if err != nil {
		return nil, err
	}
	k := &sealingKey{name: [sealName]byte(b)}
	k.macs.New = func() any { return hmac.New(sha256.New, b[sealName:]) }
	return k, nil
}

// String names the key without telling anything of it.
func (k *sealingKey) String() string { return hex.EncodeToString(k.name[:]) }

// sealed reports whether a body names this key.
func (k *sealingKey) sealed(body []byte) bool {
	return len(body) >= sealHeader && body[0] == sealFormat && [sealName]byte(body[1:]) == k.name
}

// aead returns the cipher of one record.
func (k *sealingKey) aead(r *Record) (cipher.AEAD, error) {
	h := k.macs.Get().(hash.Hash)
	defer k.macs.Put(h)
	h.Reset()
	// The key comes first: it has one length, kinds have several.
	h.Write(append(r.Key[:], r.Kind...))
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// context is what a body is bound to: where the record is, its owner as the
// inner store knows it, its version and its expiry.
func (r *Record) context(version uint64) []byte {
	b := make([]byte, 0, 64+len(r.Kind)+len(r.Owner))
	b = append(b, sealFormat, byte(len(r.Kind)))
	b = append(b, r.Kind...)
	b = append(b, r.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(r.expiry()))
	return append(b, r.Owner...)
}

// seal returns the sealed body of r, whose Owner is hidden already.
func (k *sealingKey) seal(r *Record, version uint64, owner string) ([]byte, error) {
	a, err := k.aead(r)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, sealOwnerLen, sealOwnerLen+len(owner)+len(r.Body))
	binary.BigEndian.PutUint16(plain, uint16(len(owner)))
	plain = append(append(plain, owner...), r.Body...)
	b := make([]byte, 0, sealHeader+sealNonce+len(plain)+sealTag)
	b = append(append(b, sealFormat), k.name[:]...)
	return a.Seal(b, nil, plain, r.context(version)), nil
}

// open returns what was sealed. The body of r names this key.
func (k *sealingKey) open(r *Record) (owner string, body []byte, err error) {
	a, err := k.aead(r)
	if err != nil {
		return "", nil, err
	}
	plain, err := a.Open(nil, nil, r.Body[sealHeader:], r.context(r.Version))
	if err != nil || len(plain) < sealOwnerLen {
		return "", nil, errUnsealed
	}
	n := int(binary.BigEndian.Uint16(plain))
	plain = plain[sealOwnerLen:]
	if n > len(plain) || n > MaxOwnerBytes {
		return "", nil, errUnsealed
	}
	if n < len(plain) {
		body = plain[n:]
	}
	return string(plain[:n]), body, nil
}

// hiddenOwner is the length of what stands for an owner.
const hiddenOwner = 16

// ownerKey is the key of the HMACs that stand for owners, once it was read.
type ownerKey struct{ key atomic.Pointer[[]byte] }

func (o *ownerKey) hide(ctx context.Context, s *sealedStore, k Kind, owner string) (string, error) {
	key := o.key.Load()
	if key == nil {
		read, err := o.read(ctx, s)
		if err != nil {
			return "", err
		}
		key = &read
		o.key.Store(key)
	}
	h := hmac.New(sha256.New, *key)
	h.Write(append(kindPrefix(k), owner...))
	return string(h.Sum(nil)[:hiddenOwner]), nil
}

// read returns the stored key, and makes it if there is none: of replicas that
// do so at once, one succeeds.
func (o *ownerKey) read(ctx context.Context, s *sealedStore) ([]byte, error) {
	r, err := s.Get(ctx, KindSealing, ownerKeyPlace())
	if errors.Is(err, ErrNotFound) {
		err = s.Create(ctx, Record{Kind: KindSealing, Key: ownerKeyPlace(), Body: newOwnerKey()})
		if err == nil || errors.Is(err, ErrExists) {
			r, err = s.Get(ctx, KindSealing, ownerKeyPlace())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: the key that hides owners: %w", err)
	}
	if len(r.Body) != sealingKeySize {
		return nil, fmt.Errorf("store: the key that hides owners has %d bytes, want %d", len(r.Body), sealingKeySize)
	}
	return r.Body, nil
}
