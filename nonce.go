package holdfast

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// NonceState is what a server finds out about a nonce.
type NonceState uint8

// The states. The zero value means that nobody could find out.
const (
	NonceUnknown NonceState = iota
	NonceCurrent            // ours and fresh
	NonceExpired            // ours and stale
	NonceForeign            // not issued by us: another server, tenant or purpose, or altered
)

// Nonce is a judged nonce. Issued and Expires are set for our own nonces only.
type Nonce struct {
	State           NonceState
	Issued, Expires time.Time
}

// NonceSource issues and judges the nonces of RFC 9449 sections 8 and 9.
//
// Judge returns an error only if it could not find out, which is refused with
// 503. A current nonce has to have Expires: that long a jti is remembered. A nonce is not single-use (D-11.1-07): the replay cache sees to that.
// Both methods must be safe for concurrent use.
type NonceSource interface {
	Issue(ctx context.Context) (string, error)
	Judge(ctx context.Context, nonce string) (Nonce, error)
}

// Defaults and limits of [Nonces].
const (
	DefaultNonceLifetime = 5 * time.Minute
	MaxNonceKeys         = 8
	nonceAhead           = time.Minute // how far the clock of another replica may be ahead
)

// NonceConfig configures [NewNonces].
type NonceConfig struct {
	// Keys seal the time of issue, 32 bytes each, newest first. The first
	// issues, all are accepted, so that a key can be changed without refusing
	// anybody. Replicas share the keys. None: one random key for this process.
	Keys [][]byte

	// Realm names the server, tenant and purpose. A nonce of another realm is
	// foreign even under the same key (D-4.3-10b).
	Realm string

	Lifetime time.Duration    // 0 means DefaultNonceLifetime
	Now      func() time.Time // nil means time.Now
}

// Nonces is a stateless [NonceSource]: a nonce is the sealed time of its issue.
// It keeps no memory, so replicas that share the keys accept each other's
// nonces. Safe for concurrent use; there is no usable zero value.
type Nonces struct {
	ring     []cipher.AEAD // newest first
	realm    []byte
	lifetime time.Duration
	now      func() time.Time
}

// NewNonces checks the configuration and returns a source.
func NewNonces(c NonceConfig) (*Nonces, error) {
	n := &Nonces{realm: []byte(c.Realm), lifetime: c.Lifetime, now: c.Now}
	if n.lifetime == 0 {
		n.lifetime = DefaultNonceLifetime
	}
	if n.now == nil {
		n.now = time.Now
	}
	var errs []error
	if n.lifetime < 0 {
		errs = append(errs, fmt.Errorf("nonces: lifetime is %v, want more than 0", c.Lifetime))
	}
	if len(c.Keys) > MaxNonceKeys {
		errs = append(errs, fmt.Errorf("nonces: %d keys, want at most %d", len(c.Keys), MaxNonceKeys))
	}
	keys := c.Keys
	if len(keys) == 0 {
		k := make([]byte, 32)
		if _, err := rand.Read(k); err != nil {
			return nil, fmt.Errorf("nonces: %w", err)
		}
		keys = [][]byte{k}
	}
	for i, k := range keys {
		if len(k) != 32 {
			errs = append(errs, fmt.Errorf("nonces: key %d has %d bytes, want 32", i, len(k)))
			continue
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("nonces: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("nonces: %w", err)
		}
		n.ring = append(n.ring, aead)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return n, nil
}

// Lifetime returns how long a nonce is current. A [NonceSource] that tells it lets
// a verifier refuse, when it is made, a replay cache that remembers for less.
func (n *Nonces) Lifetime() time.Duration { return n.lifetime }

// Issue returns a new nonce of 48 characters.
func (n *Nonces) Issue(context.Context) (string, error) {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(n.now().UnixMilli()))
	sealed := n.ring[0].Seal(nil, nil, at[:], n.realm)
	return jose.EncodeSegment(sealed), nil
}

// Judge tells a current nonce from an expired and a foreign one. It never
// returns an error.
func (n *Nonces) Judge(_ context.Context, nonce string) (Nonce, error) {
	sealed, err := jose.DecodeSegment(nonce)
	if err != nil {
		return Nonce{State: NonceForeign}, nil
	}
	for _, aead := range n.ring {
		plain, err := aead.Open(nil, nil, sealed, n.realm)
		if err != nil || len(plain) != 8 {
			continue
		}
		issued := time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
		v := Nonce{State: NonceCurrent, Issued: issued, Expires: issued.Add(n.lifetime)}
		now := n.now()
		switch {
		case !now.Before(v.Expires):
			v.State = NonceExpired
		case issued.After(now.Add(nonceAhead)):
			// Authentic but from the future: a replica's clock is far off. Do
			// not honour it for longer than its lifetime from now.
			v.State = NonceExpired
		}
		return v, nil
	}
	return Nonce{State: NonceForeign}, nil
}
