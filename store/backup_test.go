package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/store"
)

// numbered returns the n-th record of the tests.
func numbered(n int) store.Record {
	return store.Record{Kind: "test", Key: [32]byte{byte(n), byte(n >> 8)}, Owner: "alice", Body: fmt.Appendf(nil, "body %d", n)}
}

func TestBackupAndRestore(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "as.db")
	s := sealed(t, opened(t, "bbolt://"+path, time.Now), keyA)
	const before = 50
	for n := range before {
		if err := s.Create(t.Context(), numbered(n)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() { // goes on while the backup is made
		for n := before; ctx.Err() == nil; n++ {
			if err := s.Create(context.WithoutCancel(ctx), numbered(n)); err != nil {
				t.Errorf("Create = %v", err)
				return
			}
		}
	})
	var backup bytes.Buffer
	if err := store.Backup(t.Context(), s, &backup); err != nil {
		t.Fatal(err)
	}
	stop()
	writer.Wait()

	t.Run("the restored store has what was there", func(t *testing.T) {
		restored := filepath.Join(folder, "restored.db")
		if err := store.Restore(t.Context(), restored, bytes.NewReader(backup.Bytes())); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(restored); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file has mode %v (%v), want 0600", info.Mode(), err)
		}
		again := sealed(t, opened(t, "bbolt://"+restored, time.Now), keyA)
		for n := range before {
			r, err := again.Get(t.Context(), "test", numbered(n).Key)
			if err != nil || !bytes.Equal(r.Body, numbered(n).Body) || r.Owner != "alice" {
				t.Fatalf("record %d = %q of %q, %v", n, r.Body, r.Owner, err)
			}
		}
		listed := 0
		for _, err := range again.List(t.Context(), "test", "alice") {
			if err != nil {
				t.Fatal(err)
			}
			listed++
		}
		if listed < before {
			t.Errorf("%d records are listed, want at least %d", listed, before)
		}
	})
	t.Run("a backup opens as it is", func(t *testing.T) {
		copied := filepath.Join(folder, "copied.db")
		if err := os.WriteFile(copied, backup.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		again := sealed(t, opened(t, "bbolt://"+copied, time.Now), keyA)
		if _, err := again.Get(t.Context(), "test", numbered(1).Key); err != nil {
			t.Error(err)
		}
	})
	t.Run("a file that is there is not replaced", func(t *testing.T) {
		err := store.Restore(t.Context(), path, bytes.NewReader(backup.Bytes()))
		if err == nil || !strings.Contains(err.Error(), "replaces nothing") {
			t.Errorf("Restore = %v, want an error", err)
		}
	})
	for name, change := range map[string]func([]byte) []byte{
		"empty":                     func([]byte) []byte { return nil },
		"cut off in the middle":     func(b []byte) []byte { return b[:len(b)/2] },
		"cut off by a byte":         func(b []byte) []byte { return b[:len(b)-1] },
		"without its trailer":       func(b []byte) []byte { return b[:len(b)-48] },
		"longer by a byte":          func(b []byte) []byte { return append(b, 0) },
		"with a bit that is wrong":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"with a page that is zeros": func(b []byte) []byte { clear(b[4096:8192]); return b },
	} {
		t.Run("a backup that is "+name+" is refused", func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "as.db")
			err := store.Restore(t.Context(), target, bytes.NewReader(change(bytes.Clone(backup.Bytes()))))
			if err == nil || !strings.Contains(err.Error(), "not a complete backup") {
				t.Errorf("Restore = %v, want an error", err)
			}
			if left, _ := os.ReadDir(filepath.Dir(target)); len(left) != 0 {
				t.Errorf("it left %d files", len(left))
			}
		})
	}
	t.Run("a context that has ended ends both", func(t *testing.T) {
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if err := store.Backup(done, s, io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("Backup = %v", err)
		}
		err := store.Restore(done, filepath.Join(t.TempDir(), "as.db"), bytes.NewReader(backup.Bytes()))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Restore = %v", err)
		}
	})
	t.Run("other stores have no backup", func(t *testing.T) {
		if err := store.Backup(t.Context(), store.NewMemory(nil), io.Discard); err == nil {
			t.Error("a backup of a store in memory was made")
		}
	})
	t.Run("a writer that fails is an error", func(t *testing.T) {
		if err := store.Backup(t.Context(), s, failingWriter{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Backup = %v, want the error of the writer", err)
		}
	})
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
