package keystore

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/holdfast-oauth/holdfast"
)

// A sealed file is, in this order: the header, which is magic, cost, salt and
// nonce; the contents under XChaCha20-Poly1305, with the header as additional
// data; and the SHA-256 of all that. The sum protects from nothing but accident:
// it tells a damaged file from a wrong passphrase before anybody is asked for
// one.
const (
	magic        = "holdfast keystore 1\n"
	saltBytes    = 16
	costBytes    = 4 + 4 + 1
	headerBytes  = len(magic) + costBytes + saltBytes + chacha20poly1305.NonceSizeX
	sealOverhead = headerBytes + chacha20poly1305.Overhead + sha256.Size
)

// cost is what deriving a key from a passphrase takes (argon2id, RFC 9106).
type cost struct {
	time    uint32
	memory  uint32 // KiB
	threads uint8
}

// defaultCost is the second recommendation of RFC 9106 section 4: 64 MiB.
func defaultCost() cost { return cost{time: 3, memory: 64 << 10, threads: 4} }

// lightCost is the least that check accepts.
func lightCost() cost { return cost{time: minTime, memory: minMemory, threads: 1} }

// Bounds of a cost.
const (
	minTime, maxTime     = 2, 16
	minMemory, maxMemory = 19 << 10, 256 << 10 // KiB
	maxThreads           = 16
)

// check bounds what a file may demand of us before its passphrase is known: a
// hostile one must not take the memory of the machine.
func (c cost) check() error {
	if c.time < minTime || c.time > maxTime || c.memory < minMemory || c.memory > maxMemory || c.threads < 1 || c.threads > maxThreads {
		return fmt.Errorf("the file asks for %d passes over %d KiB in %d threads to derive its key; accepted are %d to %d passes, %d to %d KiB, 1 to %d threads: %w",
			c.time, c.memory, c.threads, minTime, maxTime, minMemory, maxMemory, maxThreads, ErrDamaged)
	}
	return nil
}

// sealKey is a key that was derived from a passphrase, with what it was derived
// by.
type sealKey struct {
	cost cost
	salt [saltBytes]byte
	key  []byte
}

// derive makes the key of a passphrase.
func (k *sealKey) derive(passphrase holdfast.Secret) error {
	if n := passphrase.Len(); n == 0 || n > MaxPassphraseBytes {
		return fmt.Errorf("the passphrase has %d bytes, want 1 to %d", n, MaxPassphraseBytes)
	}
	k.key = argon2.IDKey([]byte(passphrase.Reveal()), k.salt[:], k.cost.time, k.cost.memory, k.cost.threads, chacha20poly1305.KeySize)
	return nil
}

// seal makes the bytes of a file.
func (k *sealKey) seal(plain []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k.key)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(plain)+sealOverhead)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, k.cost.time)
	b = binary.BigEndian.AppendUint32(b, k.cost.memory)
	b = append(b, k.cost.threads)
	b = append(b, k.salt[:]...)
	// 192 random bits: no counter has to survive to keep nonces apart.
	b = b[:headerBytes]
	nonce := b[headerBytes-chacha20poly1305.NonceSizeX:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	b = aead.Seal(b, nonce, plain, b)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// sealedFile is a file taken apart, its sum and its demands checked.
type sealedFile struct {
	cost          cost
	salt          [saltBytes]byte
	header, nonce []byte
	sealed        []byte
}

func parseSealed(b []byte) (*sealedFile, error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return nil, fmt.Errorf("this is not a keystore, or one of another version: %w", ErrDamaged)
	}
	if len(b) < sealOverhead {
		return nil, fmt.Errorf("%w: it ends after %d bytes", ErrDamaged, len(b))
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	f := &sealedFile{header: body[:headerBytes], sealed: body[headerBytes:]}
	rest := f.header[len(magic):]
	f.cost = cost{binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]), rest[8]}
	copy(f.salt[:], rest[costBytes:])
	f.nonce = rest[costBytes+saltBytes:]
	return f, f.cost.check()
}

// open returns the contents, or an error if k is not the key.
func (f *sealedFile) open(k *sealKey) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k.key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, f.nonce, f.sealed, f.header)
	if err != nil {
		return nil, errors.New("not sealed under this key")
	}
	return plain, nil
}
