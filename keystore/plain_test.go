package keystore

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPlainKeysAreOrdinaryPEMFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := openPlain(t, dir)
	k := must(s.Generate(t.Context(), "default", ""))(t)
	path := filepath.Join(dir, k.Thumbprint().String()+".pem")
	block, _ := pem.Decode(readAll(t, path))
	if block == nil || block.Type != "PRIVATE KEY" {
		t.Fatal("no PEM block of type PRIVATE KEY")
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err != nil {
		t.Error(err)
	}
	for _, name := range []string{path, filepath.Join(dir, indexFile)} {
		if mode := must(os.Stat(name))(t).Mode().Perm(); mode != 0o600 && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %04o, want 0600", filepath.Base(name), mode)
		}
	}
	if err := s.Delete(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a deleted key is there: %v", err)
	}
}

func TestPlainFolderThatIsNotPrivateOrNotWholeIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, dir, pem string) error
		want  string
	}{
		"others may enter":     {func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o755) }, "has mode 0755"},
		"others may read keys": {func(_ *testing.T, _, pem string) error { return os.Chmod(pem, 0o604) }, "has mode 0604"},
		"others may read the index": {
			func(_ *testing.T, dir, _ string) error { return os.Chmod(filepath.Join(dir, indexFile), 0o640) }, "has mode 0640",
		},
		"a key is a link": {func(_ *testing.T, dir, pem string) error {
			return errors.Join(os.Rename(pem, filepath.Join(dir, "x")), os.Symlink(filepath.Join(dir, "x"), pem))
		}, "is a symbolic link"},
		"the folder is a link": {func(_ *testing.T, dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
		}, "is a symbolic link"},
		"a key is gone":      {func(_ *testing.T, _, pem string) error { return os.Remove(pem) }, "not a private key"},
		"a key is no PEM":    {func(_ *testing.T, _, pem string) error { return os.WriteFile(pem, []byte("x"), 0o600) }, "is not one PEM block"},
		"a key is too large": {func(_ *testing.T, _, pem string) error { return os.WriteFile(pem, make([]byte, maxPEMBytes+1), 0o600) }, "is larger than"},
		"a key is another one": {func(t *testing.T, _, pem string) error {
			dir := filepath.Join(t.TempDir(), "other")
			k := must(openPlain(t, dir).Generate(t.Context(), "other", ""))(t)
			return os.WriteFile(pem, readAll(t, filepath.Join(dir, k.Thumbprint().String()+".pem")), 0o600)
		}, "the private key is another one"},
		"the index is broken": {func(_ *testing.T, dir, _ string) error {
			return os.WriteFile(filepath.Join(dir, indexFile), []byte("{"), 0o600)
		}, "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			s := openPlain(t, dir)
			k := must(s.Generate(t.Context(), "default", ""))(t)
			if err := tt.spoil(t, dir, filepath.Join(dir, k.Thumbprint().String()+".pem")); err != nil {
				t.Fatal(err)
			}
			_, err := s.Current(t.Context(), "default")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestALostPlainKeyDoesNotLockTheOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := openPlain(t, dir)
	lost := must(s.Generate(t.Context(), "lost", ""))(t)
	must(s.Generate(t.Context(), "other", ""))(t)
	if err := os.Remove(filepath.Join(dir, lost.Thumbprint().String()+".pem")); err != nil {
		t.Fatal(err)
	}
	must(s.Current(t.Context(), "other"))(t)
	_, err := s.Current(t.Context(), "lost")
	wantErr(t, err, ErrDamaged)
	if err := s.Delete(t.Context(), "lost"); err != nil {
		t.Error(err)
	}
}
