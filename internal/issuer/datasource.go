package issuer

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/store"
)

// sealingKeyBytes is the length of a sealing key (authserver.Config).
const sealingKeyBytes = 32

// embedded returns the file of a store that is in this process.
func (c *Config) embedded() (path string, ok bool) {
	u, err := url.Parse(c.Store)
	if err != nil || u.Scheme != "bbolt" || u.Path == "" {
		return "", false
	}
	path = filepath.FromSlash(u.Path)
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, `\`) // of bbolt:///C:/folder/file
	}
	return path, true
}

// adminSocket and keyFile are next to the file of an embedded store.
func adminSocket(path string) string { return filepath.Join(filepath.Dir(path), "admin.sock") }
func keyFile(path string) string     { return path + ".key" }

// checkSources checks the data source names as far as that is possible without
// opening them. No error quotes one.
func (c *Config) checkSources(problem func(error)) {
	for _, d := range []struct {
		field, dsn string
		shared     bool
	}{{"store", c.Store, false}, {"replays", c.Replays, true}, {"nonces.store", c.Nonces.Store, true}} {
		if d.dsn == "" {
			continue
		}
		u, err := url.Parse(d.dsn)
		if err == nil {
			if _, inline := u.User.Password(); inline {
				problem(fmt.Errorf("%s: the password is in the data source name, want the option password_file=/absolute/path", d.field))
				continue
			}
		}
		// An unknown option may be a password in the wrong place: it is not shown
		// with the configuration.
		if err := store.CheckDSN(d.dsn, d.shared); err != nil {
			problem(fmt.Errorf("%s: %w", d.field, err))
		}
	}
	scheme, _, _ := strings.Cut(c.Store, ":")
	local := scheme == "bbolt" || scheme == "memory"
	switch {
	case c.Store == "":
		problem(errors.New("store: a data source name is needed, such as bbolt:///var/lib/holdfast/as.db"))
	case len(c.SealingKeys) == 0 && !local:
		problem(errors.New("sealing_keys: at least one is needed for a store that is not in this process"))
	}
	if c.Replicas < 1 {
		problem(fmt.Errorf("replicas: %d, want 1 or more", c.Replicas))
	}
	if c.Replicas > 1 {
		if local {
			problem(fmt.Errorf("replicas: %d need a store that they share, and a %s store belongs to one process", c.Replicas, scheme))
		}
		if c.Replays == "" {
			problem(fmt.Errorf("replays: %d replicas need a data source name that they share", c.Replicas))
		}
		if c.Nonces.Store == "" && c.Proof.Nonce == nonceRequired {
			problem(fmt.Errorf("nonces.store: %d replicas need a data source name that they share", c.Replicas))
		}
	}
	if (c.Nonces.Store == "") != c.Nonces.SealingKey.IsZero() {
		problem(errors.New("nonces: store and sealing_key go together"))
	}
}

// sealingKeys reads the sealing keys. For an embedded store that is not there
// yet, make allows to make one.
func (c *Config) sealingKeys(getenv func(string) string, make bool) ([]holdfast.Secret, error) {
	refs := c.SealingKeys
	path, embedded := c.embedded()
	if len(refs) == 0 && embedded {
		_, noKey := os.Stat(keyFile(path))
		if errors.Is(noKey, fs.ErrNotExist) {
			if _, err := os.Stat(path); err == nil {
				return nil, fmt.Errorf("sealing_keys: %s is there and its key %s is not: without it nothing in the store can be read", path, keyFile(path))
			}
			if !make {
				return []holdfast.Secret{standIn()}, nil
			}
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				return nil, fmt.Errorf("store: the folder of %s has to be there before the first start: %w", path, err)
			}
			if err := makeSealingKey(keyFile(path)); err != nil {
				return nil, fmt.Errorf("sealing_keys: %w", err)
			}
		}
		ref, err := ops.ParseSecretRef("file:" + keyFile(path))
		if err != nil {
			return nil, fmt.Errorf("sealing_keys: %w", err)
		}
		refs = append(slices.Clone(refs), ref)
	}
	if len(refs) == 0 {
		return []holdfast.Secret{standIn()}, nil // what is in memory only is sealed all the same
	}
	var keys []holdfast.Secret
	for i, ref := range refs {
		key, err := ref.ReadKey(getenv)
		if err != nil {
			return nil, fmt.Errorf("sealing_keys[%d]: %w", i, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// standIn is a key of this process.
func standIn() holdfast.Secret { return holdfast.NewSecret(string(randomKey())) }

func randomKey() []byte {
	key := make([]byte, sealingKeyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	return key
}

// makeSealingKey writes a new key for its owner only, durably: the store that is
// made next cannot be read without it.
func makeSealingKey(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(randomKey()))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the entry of a new file survive a crash. Windows cannot, and
// does not need to.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
