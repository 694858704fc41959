package keystore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Config configures [Open].
type Config struct {
	// Passphrase gives the passphrase of the file; with create, that of a file
	// which is about to be made. Required. It is called when it is needed, not by
	// two goroutines at once, and not again after it was right. The passphrase is
	// not kept, the key that is derived from it is.
	Passphrase func(ctx context.Context, create bool) (holdfast.Secret, error)

	// Light makes a new file with the least cost that is accepted, 19 MiB of
	// memory, for small machines; a passphrase is then five times cheaper to
	// guess. It does not change a file that is there.
	Light bool

	Now func() time.Time // for Info.Created and Retired; nil means time.Now
}

// Open returns a store in the file at path, sealed under a passphrase: argon2id
// and XChaCha20-Poly1305. The file is made by the first change. One that others
// may read, a symbolic link or a file that demands too much memory is refused.
//
// Beside the file there are lock files (path with ".lock" and more behind it),
// which stay, and while it is being replaced a file with ".tmp" behind it.
func Open(path string, c Config) (*Store, error) {
	var errs []error
	if c.Passphrase == nil {
		errs = append(errs, errors.New("the config has no Passphrase, which is required"))
	}
	path, err := filepath.Abs(path)
	if err != nil {
		errs = append(errs, err)
	}
	if info, err := os.Lstat(path); err == nil {
		errs = append(errs, checkPrivate(path, info, 0))
	} else if !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &file{path: path, passphrase: c.Passphrase, cost: defaultCost(), busy: make(chan struct{}, 1)}
	if c.Light {
		f.cost = lightCost()
	}
	return &Store{medium: f, now: c.Now}, nil
}

// file is the medium that is one sealed file.
type file struct {
	path         string
	passphrase   func(context.Context, bool) (holdfast.Secret, error)
	cost         cost   // of a new file
	beforeRename func() // for tests

	busy chan struct{} // holds one element while somebody uses what follows
	key  *sealKey      // has opened the file, or will seal a new one; nil before
	seen uint64        // the latest generation that was read or written
}

// enter waits for the fields behind busy.
func (f *file) enter(ctx context.Context) error {
	select {
	case f.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *file) leave() { <-f.busy }

func (f *file) lock(ctx context.Context, name string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(f.path), privateFolder); err != nil {
		return nil, err
	}
	return lockFile(ctx, lockPath(f.path+".lock", name))
}

// lockPath names the lock of a value beside that of the contents.
func lockPath(base, name string) string {
	if name == "" {
		return base
	}
	return base + "." + name
}

func (f *file) ready(ctx context.Context) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.leave()
	return f.newKey(ctx)
}

// newKey makes the key of a file that is not there yet, once.
func (f *file) newKey(ctx context.Context) error {
	if f.key != nil {
		return nil
	}
	k := &sealKey{cost: f.cost}
	if _, err := rand.Read(k.salt[:]); err != nil {
		return err
	}
	p, err := f.passphrase(ctx, true)
	if err != nil {
		return fmt.Errorf("passphrase of a new keystore: %w", err)
	}
	if err := k.derive(p); err != nil {
		return err
	}
	f.key = k
	return nil
}

func (f *file) read(ctx context.Context) (*contents, error) {
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.leave()
	b, err := readPrivate(f.path, MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) && f.seen == 0 {
		return new(contents), nil
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	plain, err := f.unseal(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("keystore %s: %w", f.path, err)
	}
	c, err := decodeContents(plain)
	if err != nil {
		return nil, fmt.Errorf("keystore %s: %w", f.path, err)
	}
	// An older copy would bring back deleted keys and spent refresh tokens.
	if c.generation < f.seen {
		return nil, fmt.Errorf("keystore %s was put back to an older copy (change %d, this process has seen %d): start again if that was wanted", f.path, c.generation, f.seen)
	}
	f.seen = c.generation
	return c, nil
}

// unseal opens the bytes of the file, asking for the passphrase unless the key
// is known.
func (f *file) unseal(ctx context.Context, b []byte) ([]byte, error) {
	parts, err := parseSealed(b)
	if err != nil {
		return nil, err
	}
	if k := f.key; k != nil && k.salt == parts.salt && k.cost == parts.cost {
		plain, err := parts.open(k)
		if err != nil {
			return nil, fmt.Errorf("%w, or was altered: it was sealed under another key", ErrDamaged)
		}
		return plain, nil
	}
	k := &sealKey{cost: parts.cost, salt: parts.salt}
	p, err := f.passphrase(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	if err := k.derive(p); err != nil {
		return nil, err
	}
	plain, err := parts.open(k)
	if err != nil {
		return nil, ErrPassphrase
	}
	f.key = k
	return plain, nil
}

func (f *file) write(ctx context.Context, _, c *contents) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.leave()
	if err := f.newKey(ctx); err != nil {
		return err
	}
	plain, err := c.encode(true)
	if err != nil {
		return err
	}
	b, err := f.key.seal(plain)
	if err != nil {
		return err
	}
	if err := replaceFile(f.path, b, f.beforeRename); err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	f.seen = c.generation
	return nil
}
