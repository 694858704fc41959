package store

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Defaults and limits of [NonceKeys].
const (
	DefaultNonceRotation = 24 * time.Hour
	MaxNonceRotation     = 30 * 24 * time.Hour
	MaxNonceLifetime     = time.Hour

	sealingKeySize = 32
	nonceKeysPoll  = 15 * time.Second
	// nonceKeysSpread is how long a new key is only accepted: by then every
	// replica has polled, and knows the key before anybody issues with it.
	nonceKeysSpread = 3*nonceKeysPoll + ClockTolerance
	nonceKeysTries  = 4 // of a change that another replica came before
)

// NonceKeysConfig configures [OpenNonceKeys]. SealingKey is required.
type NonceKeysConfig struct {
	// SealingKey encrypts the keys before they are stored: 32 random bytes, the
	// same at all replicas, kept from those who can read the store.
	SealingKey holdfast.Secret

	Realm    string           // as in holdfast.NonceConfig
	Lifetime time.Duration    // of a nonce; 0 means holdfast.DefaultNonceLifetime, at most MaxNonceLifetime
	Rotation time.Duration    // how long a key issues; 0 means DefaultNonceRotation. From twice the lifetime, or 5 minutes, to MaxNonceRotation
	Now      func() time.Time // nil means time.Now
}

// NonceKeys is a [holdfast.NonceSource] whose keys are shared by replicas: each
// accepts the nonces of the others (RFC 9449 section 8). The replicas need no
// leader: whoever sees first that a key is due makes the next one, with a
// compare-and-swap. A new key is accepted everywhere before it issues anywhere,
// and is accepted until its last nonce has expired.
//
// While the store is away it goes on with the keys it has, for one rotation at
// most; then both methods return an error. If the store lost the keys, they are
// written back.
//
// Safe for concurrent use; there is no usable zero value.
type NonceKeys struct {
	config  NonceKeysConfig
	backend nonceKeyBackend
	seal    cipher.AEAD
	current atomic.Pointer[nonceRing]
	turn    sync.Mutex // one refresh at a time
	stop    context.CancelFunc
	poller  sync.WaitGroup
	timeout time.Duration
	once    sync.Once
}

// nonceKeyBackend keeps one value of a few hundred bytes.
type nonceKeyBackend interface {
	loadKeys(ctx context.Context) ([]byte, error)                                // nil: there is none
	swapKeys(ctx context.Context, former, next []byte) (swapped bool, err error) // former nil: only if there is none
	close()
}

// OpenNonceKeys connects to the server that dsn names (see the package
// comment), makes the first key if there is none, and returns the source. It
// fails if the server cannot be reached, or holds keys that SealingKey does not
// open. Close it after use.
func OpenNonceKeys(ctx context.Context, dsn string, c NonceKeysConfig) (*NonceKeys, error) {
	s, err := parseDSN(dsn)
	err = errors.Join(err, c.settle())
	if err != nil {
		return nil, fmt.Errorf("nonce keys: %w", err)
	}
	n := &NonceKeys{config: c, timeout: s.timeout}
	if n.seal, err = sealer(c.SealingKey); err == nil {
		if s.postgres {
			n.backend, err = openPostgresNonceKeys(ctx, s)
		} else {
			n.backend, err = openValkey(s)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("nonce keys: %w", err)
	}
	if err := n.refresh(ctx); err != nil {
		n.backend.close()
		return nil, fmt.Errorf("nonce keys: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	n.poller.Go(func() { n.poll(background) })
	return n, nil
}

// settle fills in the defaults and reports every mistake.
func (c *NonceKeysConfig) settle() error {
	if c.Lifetime == 0 {
		c.Lifetime = holdfast.DefaultNonceLifetime
	}
	if c.Rotation == 0 {
		c.Rotation = DefaultNonceRotation
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	var errs []error
	if c.SealingKey.Len() != sealingKeySize {
		errs = append(errs, fmt.Errorf("the sealing key has %d bytes, want %d random ones", c.SealingKey.Len(), sealingKeySize))
	}
	if c.Lifetime < time.Second || c.Lifetime > MaxNonceLifetime {
		errs = append(errs, fmt.Errorf("lifetime is %v, want from 1s to %v", c.Lifetime, MaxNonceLifetime))
	}
	// So that the ring never has more keys than holdfast.MaxNonceKeys.
	if least := max(2*c.Lifetime, 5*time.Minute); c.Rotation < least || c.Rotation > MaxNonceRotation {
		errs = append(errs, fmt.Errorf("rotation is %v, want from %v to %v", c.Rotation, least, MaxNonceRotation))
	}
	return errors.Join(errs...)
}

// Lifetime returns how long a nonce is current: a verifier wants a replay cache
// that remembers for longer.
func (n *NonceKeys) Lifetime() time.Duration { return n.config.Lifetime }

// Issue returns a new nonce.
func (n *NonceKeys) Issue(ctx context.Context) (string, error) {
	s, err := n.source()
	if err != nil {
		return "", err
	}
	return s.Issue(ctx)
}

// Judge tells a current nonce from an expired and a foreign one. The error
// means that the store has been away for too long to know.
func (n *NonceKeys) Judge(ctx context.Context, nonce string) (holdfast.Nonce, error) {
	s, err := n.source()
	if err != nil {
		return holdfast.Nonce{}, err
	}
	return s.Judge(ctx, nonce)
}

// Close ends the connection and the polling. It may be called twice.
func (n *NonceKeys) Close() error {
	n.once.Do(func() {
		n.stop()
		n.poller.Wait()
		n.backend.close()
	})
	return nil
}

// poll refreshes regularly. What fails is tried again at the next turn; the
// age of the ring limits for how long.
func (n *NonceKeys) poll(ctx context.Context) {
	tick := time.NewTicker(nonceKeysPoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = n.refresh(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// refresh brings the ring of this process and the stored one together.
func (n *NonceKeys) refresh(ctx context.Context) error {
	n.turn.Lock()
	defer n.turn.Unlock()
	for range nonceKeysTries {
		done, err := n.exchange(ctx)
		if done || err != nil {
			return err
		}
	}
	return errors.New("other replicas kept changing the keys")
}

// exchange reads the stored ring, and changes it if something is due. It
// returns false if another replica was faster.
func (n *NonceKeys) exchange(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	now := n.config.Now()
	stored, err := n.backend.loadKeys(ctx)
	if err != nil {
		return false, err
	}
	var keys []nonceKey
	if stored != nil {
		if keys, err = openRing(n.seal, stored); err != nil {
			return false, err
		}
	} else if last := n.current.Load(); last != nil {
		keys = last.keys // the store lost them: other replicas have them too
	}
	next, changed := n.config.due(keys, now)
	if changed || stored == nil {
		swapped, err := n.backend.swapKeys(ctx, stored, sealRing(n.seal, next))
		if err != nil || !swapped {
			return false, err
		}
	}
	return true, n.adopt(next, now)
}

// adopt makes the ring that this process works with.
func (n *NonceKeys) adopt(keys []nonceKey, now time.Time) error {
	r := &nonceRing{keys: keys, seen: now}
	if last := n.current.Load(); last != nil && slices.Equal(last.keys, keys) {
		r.sources = last.sources
		n.current.Store(r)
		return nil
	}
	for i := range keys {
		order := [][]byte{keys[i].key[:]}
		for j := range keys {
			if j != i {
				order = append(order, keys[j].key[:])
			}
		}
		s, err := holdfast.NewNonces(holdfast.NonceConfig{
			Keys: order, Realm: n.config.Realm, Lifetime: n.config.Lifetime, Now: n.config.Now,
		})
		if err != nil {
			return err
		}
		r.sources = append(r.sources, s)
	}
	n.current.Store(r)
	return nil
}

// source returns the source that issues with the newest key whose time has
// come. It accepts the nonces of all keys.
func (n *NonceKeys) source() (*holdfast.Nonces, error) {
	r, now := n.current.Load(), n.config.Now()
	if age := now.Sub(r.seen); age > n.config.Rotation {
		return nil, fmt.Errorf("nonce keys: the store was last reached %v ago, at most %v is accepted", age.Round(time.Second), n.config.Rotation)
	}
	issuing := 0
	for i, k := range r.keys {
		if k.from <= now.UnixMilli() {
			issuing = i
		}
	}
	return r.sources[issuing], nil
}
