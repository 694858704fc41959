package keystore

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// saveTimeout is how long the result of an Update may take to be written after
// its context has ended.
const saveTimeout = 30 * time.Second

// rsaBits is the size of RSA keys that are generated: 128 bits of strength.
const rsaBits = 3072

// Store keeps keys and values in memory, in a sealed file or in a folder; it
// implements [Keys] and [Values]. Reads see what other processes wrote. A Store
// is safe for concurrent use and must not be copied; there is no usable zero
// value.
type Store struct {
	medium medium
	opaque bool // keys need not give out their private part
	now    func() time.Time
	gates  gates
}

// medium is where contents are kept.
type medium interface {
	// lock waits for the lock of that name between processes: "" is that of the
	// contents, others are those of values.
	lock(ctx context.Context, name string) (unlock func(), err error)
	// ready obtains what it takes to write after a read, such as a passphrase.
	ready(ctx context.Context) error
	// read returns the contents, empty if nothing was written yet. It needs no lock.
	read(ctx context.Context) (*contents, error)
	// write replaces old by c, all of it or nothing. The caller has the lock.
	write(ctx context.Context, old, c *contents) error
}

// Current implements [Keys].
func (s *Store) Current(ctx context.Context, name string) (*holdfast.Key, error) {
	c, err := s.medium.read(ctx)
	if err != nil {
		return nil, err
	}
	i := c.current(name)
	if i < 0 {
		return nil, fmt.Errorf("key %q: %w", name, ErrNotFound)
	}
	return c.keys[i].key()
}

// ByThumbprint implements [Keys].
func (s *Store) ByThumbprint(ctx context.Context, t holdfast.Thumbprint) (*holdfast.Key, error) {
	c, err := s.medium.read(ctx)
	if err != nil {
		return nil, err
	}
	i := c.byThumbprint(t)
	if i < 0 {
		return nil, fmt.Errorf("key with thumbprint %s: %w", t, ErrNotFound)
	}
	return c.keys[i].key()
}

// Generate implements [Keys]: P-256, P-384, P-521, Ed25519 or RSA of 3072 bits.
func (s *Store) Generate(ctx context.Context, name string, alg holdfast.Alg) (*holdfast.Key, error) {
	signer, err := generate(alg)
	if err != nil {
		return nil, err
	}
	return s.add(ctx, name, signer, alg, false)
}

// Import implements [Keys]. The algorithm follows from the key, see
// [holdfast.NewKey]. Only a store in memory takes a key that does not give out
// its private part.
func (s *Store) Import(ctx context.Context, name string, signer crypto.Signer) (*holdfast.Key, error) {
	return s.add(ctx, name, signer, "", false)
}

// Rotate implements [Keys].
func (s *Store) Rotate(ctx context.Context, name string) (*holdfast.Key, error) {
	old, err := s.Current(ctx, name)
	if err != nil {
		return nil, err
	}
	signer, err := generate(old.Alg())
	if err != nil {
		return nil, err
	}
	return s.add(ctx, name, signer, old.Alg(), true)
}

// add keeps a new current key. With rotate there has to be one already, which is
// retired; without there must be none.
func (s *Store) add(ctx context.Context, name string, signer crypto.Signer, alg holdfast.Alg, rotate bool) (*holdfast.Key, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	k, err := holdfast.NewKey(signer)
	if err == nil && alg != "" {
		k, err = holdfast.NewKeyAlg(signer, alg)
	}
	if err != nil {
		return nil, err
	}
	e := entry{Info: Info{Name: name, Thumbprint: k.Thumbprint(), Alg: k.Alg(), Created: s.now().UTC()}}
	if s.opaque {
		e.signer = signer
	} else if e.der, err = x509.MarshalPKCS8PrivateKey(signer); err != nil {
		return nil, fmt.Errorf("a key of type %T does not give out its private part, which a file needs", signer)
	}
	err = s.change(ctx, func(c *contents) error {
		if c.byThumbprint(k.Thumbprint()) >= 0 {
			return fmt.Errorf("key with thumbprint %s: %w", k.Thumbprint(), ErrExists)
		}
		i := c.current(name)
		switch {
		case rotate && i < 0:
			return fmt.Errorf("key %q: %w", name, ErrNotFound)
		case rotate:
			c.keys[i].Retired = e.Created
		case i >= 0:
			return fmt.Errorf("key %q: %w", name, ErrExists)
		}
		c.keys = append(c.keys, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Delete implements [Keys].
func (s *Store) Delete(ctx context.Context, name string) error {
	return s.change(ctx, func(c *contents) error {
		n := len(c.keys)
		c.keys = slices.DeleteFunc(c.keys, func(e entry) bool { return e.Name == name })
		if len(c.keys) == n {
			return fmt.Errorf("key %q: %w", name, ErrNotFound)
		}
		return nil
	})
}

// DeleteKey implements [Keys].
func (s *Store) DeleteKey(ctx context.Context, t holdfast.Thumbprint) error {
	return s.change(ctx, func(c *contents) error {
		i := c.byThumbprint(t)
		if i < 0 {
			return fmt.Errorf("key with thumbprint %s: %w", t, ErrNotFound)
		}
		c.keys = slices.Delete(c.keys, i, i+1)
		return nil
	})
}

// List implements [Keys].
func (s *Store) List(ctx context.Context) ([]Info, error) {
	c, err := s.medium.read(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Info, len(c.keys))
	for i, e := range c.keys {
		out[i] = e.Info
	}
	slices.SortStableFunc(out, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// Value implements [Values].
func (s *Store) Value(ctx context.Context, name string) (holdfast.Secret, error) {
	c, err := s.medium.read(ctx)
	if err != nil {
		return holdfast.Secret{}, err
	}
	v, ok := c.values[name]
	if !ok {
		return holdfast.Secret{}, fmt.Errorf("value %q: %w", name, ErrNotFound)
	}
	return v, nil
}

// Update implements [Values].
func (s *Store) Update(ctx context.Context, name string, change func(old holdfast.Secret) (holdfast.Secret, error)) error {
	if err := CheckName(name); err != nil {
		return err
	}
	// Read first, so that nobody waits for a lock while a passphrase is typed.
	if _, err := s.medium.read(ctx); err != nil {
		return err
	}
	unlock, err := s.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := s.medium.read(ctx)
	if err != nil {
		return err
	}
	// Before change is called: what it brings may exist once only.
	if err := s.medium.ready(ctx); err != nil {
		return err
	}
	old := c.values[name]
	v, err := change(old)
	if err != nil {
		return err
	}
	if v == old {
		return nil
	}
	if v.Len() > MaxValueBytes {
		return fmt.Errorf("value %q has %d bytes, at most %d are kept", name, v.Len(), MaxValueBytes)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	return s.change(ctx, func(c *contents) error {
		if v.IsZero() {
			delete(c.values, name)
		} else {
			c.values[name] = v
		}
		return nil
	})
}

// change edits the contents while no other goroutine and no other process does.
func (s *Store) change(ctx context.Context, edit func(*contents) error) error {
	if _, err := s.medium.read(ctx); err != nil { // first, as in Update
		return err
	}
	unlock, err := s.lock(ctx, "")
	if err != nil {
		return err
	}
	defer unlock()
	old, err := s.medium.read(ctx)
	if err != nil {
		return err
	}
	c := old.clone()
	if err := edit(c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	c.generation++
	return s.medium.write(ctx, old, c)
}

// lock holds a lock in this process and then between processes.
func (s *Store) lock(ctx context.Context, name string) (unlock func(), err error) {
	leave, err := s.gates.enter(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("wait for the keystore, which is in use: %w", err)
	}
	release, err := s.medium.lock(ctx, name)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { release(); leave() }, nil
}

func generate(alg holdfast.Alg) (crypto.Signer, error) {
	switch alg {
	case "", holdfast.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case holdfast.ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case holdfast.ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case holdfast.EdDSA, holdfast.Ed25519:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	case holdfast.PS256, holdfast.PS384, holdfast.PS512, holdfast.RS256, holdfast.RS384, holdfast.RS512:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return nil, errors.New("no keys are generated for algorithm " + string(alg))
}
