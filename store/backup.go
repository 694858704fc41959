package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// A backup is the file as it was at one moment, which opens as it is, and a
// trailer behind it: the SHA-256 of the file and a mark.
const (
	backupMark    = "holdfast backup\n"
	backupTrailer = sha256.Size + len(backupMark)

	// MaxBackupBytes is the size of a backup that [Restore] takes at most.
	MaxBackupBytes = 64 << 30

	copyBuffer  = 256 << 10
	maxProblems = 5 // that are reported
)

// Backup writes the embedded store s, sealed or not, to w: all records as they
// were at one moment, sealed as they were. It may run while the store is used;
// until it ends, space that becomes free is not used again. The sealing keys are
// not part of it and have to be kept elsewhere.
//
// Servers have tools of their own for this: any other store is an error.
func Backup(ctx context.Context, s Store, w io.Writer) error {
	if sealed, ok := s.(*sealedStore); ok {
		s = sealed.inner
	}
	r, ok := s.(*records)
	var b *bboltRecords
	if ok {
		b, ok = r.backend.(*bboltRecords)
	}
	if !ok {
		return errors.New("store: backup: the store is not an embedded one (bbolt:)")
	}
	if _, _, err := r.calls.begin(ctx); err != nil {
		return fmt.Errorf("store: backup: %w", err)
	}
	out := &backupWriter{ctx: ctx, to: w, sum: sha256.New()}
	err := b.db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(out)
		return cmp.Or(out.failed, err)
	})
	if err == nil {
		_, err = w.Write(append(out.sum.Sum(nil), backupMark...))
	}
	if err != nil {
		return fmt.Errorf("store: backup: %w", err)
	}
	return nil
}

// backupWriter hashes what passes, and ends when the context does.
type backupWriter struct {
	ctx context.Context
	to  io.Writer
	sum hash.Hash

	failed error // the first one: bbolt passes on no more than its text
}

func (b *backupWriter) Write(p []byte) (int, error) {
	if b.failed = b.ctx.Err(); b.failed != nil {
		return 0, b.failed
	}
	b.sum.Write(p)
	var n int
	n, b.failed = b.to.Write(p)
	return n, b.failed
}

// Restore makes the file of an embedded store at path from what [Backup] wrote.
// It refuses to replace a file that is there, and anything but a complete backup
// without damage; then nothing is left at path.
//
// What was written after the backup is gone, revocations and blocks included;
// spent codes and refresh tokens of that time are fresh again until they expire.
// Who restores for any other reason than a test should revoke what was issued
// before.
func Restore(ctx context.Context, path string, r io.Reader) error {
	if err := restore(ctx, path, r); err != nil {
		return fmt.Errorf("store: restore: %w", err)
	}
	return nil
}

func restore(ctx context.Context, path string, r io.Reader) (err error) {
	if err := checkPlace(path); err != nil {
		return err
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: a restore replaces nothing", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".restore-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	err = copyBackup(ctx, f, r)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := checkPages(f.Name()); err != nil {
		return err
	}
	// Unlike a rename, a link never replaces what somebody put there meanwhile.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// copyBackup copies a backup without its trailer, which has to be right: a file
// that was cut off must not be opened, since it is read as memory.
func copyBackup(ctx context.Context, f *os.File, r io.Reader) error {
	sum := sha256.New()
	held := make([]byte, 0, backupTrailer+copyBuffer) // what may be the trailer
	chunk := make([]byte, copyBuffer)
	for total := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(chunk)
		if total += int64(n); total > MaxBackupBytes {
			return fmt.Errorf("the backup is larger than %d bytes", int64(MaxBackupBytes))
		}
		held = append(held, chunk[:n]...)
		if excess := len(held) - backupTrailer; excess > 0 {
			sum.Write(held[:excess])
			if _, err := f.Write(held[:excess]); err != nil {
				return err
			}
			held = append(held[:0], held[excess:]...)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read the backup: %w", err)
		}
	}
	if !bytes.Equal(held, append(sum.Sum(nil), backupMark...)) {
		return errors.New("it is not a complete backup: its last bytes are not those that a backup ends with, or do not fit the rest")
	}
	return nil
}

// checkPages opens the file and looks at all of it.
func checkPages(path string) error {
	db, err := bbolt.Open(path, bboltMode, &bbolt.Options{ReadOnly: true, Timeout: DefaultTimeout, PreLoadFreelist: true})
	if err != nil {
		return err
	}
	b := &bboltRecords{db: db}
	err = db.View(func(tx *bbolt.Tx) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.Size() < tx.Size() {
			return fmt.Errorf("it has %d bytes, want %d", info.Size(), tx.Size())
		}
		var problems []error
		for err := range tx.Check() { // drained to the end: somebody writes to it
			if len(problems) < maxProblems {
				problems = append(problems, err)
			}
		}
		if len(problems) > 0 {
			return fmt.Errorf("the pages do not fit together: %w", errors.Join(problems...))
		}
		return b.checkFormat(tx)
	})
	return errors.Join(err, db.Close())
}
