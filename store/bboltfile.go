package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// The file of the embedded store.
const (
	bboltMode       = 0o600
	bboltFormat     = "1"
	bboltBatchDelay = time.Millisecond // what a lone writer waits for others
	bboltBatchSize  = 1000

	// A mapping that is larger than the file costs addresses, no memory; with it
	// writers need not wait for a backup to end when the file grows.
	bboltMapping = 1 << 30
)

// openBbolt opens the file at path, or makes it, and waits at most for timeout
// until no other process has it open.
func openBbolt(ctx context.Context, path string, timeout time.Duration, now func() time.Time) (Store, error) {
	if err := checkPlace(path); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, bboltMode, bboltOptions(timeout))
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s is open in another process: an embedded store serves one, several need PostgreSQL or Valkey", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.MaxBatchDelay, db.MaxBatchSize = bboltBatchDelay, bboltBatchSize
	b := &bboltRecords{db: db, writers: make(chan struct{}, bboltWriters), patience: bboltPatience}
	if err = b.prepare(); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, db.Close()))
	}
	s := &records{backend: b, now: now}
	b.sweeper.start(ctx, func(ctx context.Context) error { return b.sweep(ctx, now().UnixMilli()) })
	return s, nil
}

func bboltOptions(timeout time.Duration) *bbolt.Options {
	o := &bbolt.Options{Timeout: timeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true}
	if strconv.IntSize == 64 && runtime.GOOS != "windows" { // which would make the file that large
		o.InitialMmapSize = bboltMapping
	}
	return o
}

var errNoFormat = errors.New("it holds no records")

// checkFormat refuses a file that is not ours; errNoFormat if it is empty.
func (b *bboltRecords) checkFormat(tx *bbolt.Tx) error {
	if own := tx.Bucket(bucketFormat()); own != nil {
		if v := own.Get(bucketFormat()); string(v) != bboltFormat {
			return fmt.Errorf("it has format %.20q, this release reads %s", v, bboltFormat)
		}
		return nil
	}
	if name, _ := tx.Cursor().First(); name != nil {
		return fmt.Errorf("it is a bbolt file of something else: its first bucket is %.30q", name)
	}
	return errNoFormat
}

func bucketFormat() []byte { return []byte("format") } // has one key of the same name

// prepare makes the buckets of a new file.
func (b *bboltRecords) prepare() error {
	if err := b.db.View(b.checkFormat); !errors.Is(err, errNoFormat) {
		return err
	}
	return b.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"records", "owners", "expiry"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		own, err := tx.CreateBucket(bucketFormat())
		if err != nil {
			return err
		}
		return own.Put(bucketFormat(), []byte(bboltFormat))
	})
}

// checkPlace refuses a file that others may read, and a folder in which
// anybody may put another file in its place. Windows has no such modes; there the folder
// of the user protects.
func checkPlace(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("path is %.200q, want an absolute one", path)
	}
	folder := filepath.Dir(path)
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	posix := runtime.GOOS != "windows"
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", folder)
	}
	if mode := info.Mode().Perm(); posix && mode&0o002 != 0 {
		return fmt.Errorf("folder %s has mode %04o: anybody may put another file in place of the store; want one that only its owner may write (chmod go-w %[1]s)", folder, mode)
	}
	info, err = os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file, want one", path)
	}
	if mode := info.Mode().Perm(); posix && mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o: others may read it; want its owner only (chmod go= %[1]s)", path, mode)
	}
	return nil
}

// syncFolder makes the entry of a new file durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
