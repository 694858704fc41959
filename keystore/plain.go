package keystore

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Names and limits of a folder of plain keys.
const (
	indexFile   = "index.json"
	pemType     = "PRIVATE KEY"
	maxPEMBytes = 16 << 10
)

// OpenDangerouslyPlain returns a store in a folder where nothing is encrypted:
// each key is a PKCS #8 PEM file named by its thumbprint, and the values are in
// index.json. Whoever reads the folder, a backup of it or the disk has the keys
// and the refresh tokens. Use it where the disk is memory or already encrypted,
// for example for a secret that an orchestrator mounts.
//
// The folder is made by the first change. One that others may enter is refused.
func OpenDangerouslyPlain(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	p := &plain{dir}
	if err := p.check(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return &Store{medium: p, now: time.Now}, nil
}

// plain is the medium that is a folder.
type plain struct{ dir string }

func (p *plain) check() error {
	info, err := os.Lstat(p.dir)
	if err != nil {
		return err
	}
	return checkPrivate(p.dir, info, fs.ModeDir)
}

func (p *plain) lock(ctx context.Context, name string) (func(), error) {
	if err := os.MkdirAll(p.dir, privateFolder); err != nil {
		return nil, err
	}
	return lockFile(ctx, lockPath(filepath.Join(p.dir, ".lock"), name))
}

func (p *plain) ready(context.Context) error { return nil }

func (p *plain) read(ctx context.Context) (*contents, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.check(); errors.Is(err, fs.ErrNotExist) {
		return new(contents), nil
	} else if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	b, err := readPrivate(filepath.Join(p.dir, indexFile), MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return new(contents), nil
	}
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	c, err := decodeContents(b)
	if err != nil {
		return nil, fmt.Errorf("keystore %s: %w", p.dir, err)
	}
	for i := range c.keys {
		e := &c.keys[i]
		e.der, err = readPEM(p.keyPath(e.Thumbprint))
		if errors.Is(err, fs.ErrNotExist) {
			// Deleted by another process since the index was read, or by hand:
			// the key is damaged if it is asked for, the others are not.
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("keystore: %w", err)
		}
	}
	return c, nil
}

// write commits by replacing the index: a new key is there before it, an old one
// is gone after it.
func (p *plain) write(_ context.Context, old, c *contents) error {
	for _, e := range c.keys {
		if old.byThumbprint(e.Thumbprint) >= 0 {
			continue
		}
		b := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: e.der})
		if err := replaceFile(p.keyPath(e.Thumbprint), b, nil); err != nil {
			return fmt.Errorf("keystore: %w", err)
		}
	}
	b, err := c.encode(false)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(p.dir, indexFile), b, nil); err != nil {
		return fmt.Errorf("keystore: %w", err)
	}
	for _, e := range old.keys {
		if c.byThumbprint(e.Thumbprint) >= 0 {
			continue
		}
		if err := os.Remove(p.keyPath(e.Thumbprint)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keystore: the key is no longer listed, but its file could not be removed: %w", err)
		}
	}
	return syncFolder(p.dir)
}

func (p *plain) keyPath(t holdfast.Thumbprint) string {
	return filepath.Join(p.dir, t.String()+".pem")
}

// readPEM reads the one PKCS #8 block of a file.
func readPEM(path string) ([]byte, error) {
	b, err := readPrivate(path, maxPEMBytes)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("%s is not one PEM block of type %s: %w", path, pemType, ErrDamaged)
	}
	return block.Bytes, nil
}
