package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// openFile opens an embedded store, and closes it when the test ends.
func openFile(t testing.TB, path string, now func() time.Time) *records {
	t.Helper()
	s, err := open(t.Context(), "bbolt://"+path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*records)
}

func (s *records) bbolt() *bboltRecords { return s.backend.(*bboltRecords) }

// checkFile fails the test unless all pages of the file fit together and the
// indexes are those of the records.
func checkFile(t testing.TB, s *records) {
	t.Helper()
	err := s.bbolt().db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("the pages: %v", err)
		}
		owners, expiries := 0, 0
		err := bucketRecords(tx).ForEach(func(at, value []byte) error {
			k, key, _ := strings.Cut(string(at), "\x00")
			r, err := decodeRecord(Kind(k), [32]byte([]byte(key)), value)
			if err != nil {
				return err
			}
			if r.Owner != "" {
				owners++
				if bucketOwners(tx).Get(append(ownerPrefix(r.Kind, r.Owner), r.Key[:]...)) == nil {
					return errors.New("a record is not in the index of owners")
				}
			}
			if r.expiry() != never {
				expiries++
				if bucketExpiry(tx).Get(expiryKey(r.expiry(), at)) == nil {
					return errors.New("a record is not in the index of expiries")
				}
			}
			return nil
		})
		if n := bucketOwners(tx).Stats().KeyN; n != owners {
			t.Errorf("the index of owners has %d entries, want %d", n, owners)
		}
		if n := bucketExpiry(tx).Stats().KeyN; n != expiries {
			t.Errorf("the index of expiries has %d entries, want %d", n, expiries)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, folder string) (dsn string)
		want string
	}{
		{"a relative path", func(*testing.T, string) string { return "bbolt:as.db" }, "want bbolt:///absolute/path"},
		{"a host", func(*testing.T, string) string { return "bbolt://db.example/as.db" }, "want bbolt:///absolute/path"},
		{"a fragment", func(_ *testing.T, f string) string { return "bbolt://" + f + "/as.db#x" }, "want bbolt:///absolute/path"},
		{"an unknown option", func(_ *testing.T, f string) string { return "bbolt://" + f + "/as.db?mode=0644" }, `option "mode" is not known`},
		{"an option twice", func(_ *testing.T, f string) string { return "bbolt://" + f + "/as.db?timeout=1s&timeout=2s" }, "given 2 times"},
		{"a folder that is not there", func(_ *testing.T, f string) string { return "bbolt://" + f + "/none/as.db" }, "no such file"},
		{"a file as folder", func(t *testing.T, f string) string {
			write(t, f+"/file", 0o600)
			return "bbolt://" + f + "/file/as.db"
		}, "not a folder"},
		{"a folder that anybody may write", func(t *testing.T, f string) string {
			check(t, os.Chmod(f, 0o777))
			return "bbolt://" + f + "/as.db"
		}, "anybody may put another file in place"},
		{"a file that others may read", func(t *testing.T, f string) string {
			write(t, f+"/as.db", 0o640)
			return "bbolt://" + f + "/as.db"
		}, "others may read it"},
		{"a symbolic link", func(t *testing.T, f string) string {
			write(t, f+"/real", 0o600)
			check(t, os.Symlink(f+"/real", f+"/as.db"))
			return "bbolt://" + f + "/as.db"
		}, "not a regular file"},
		{"a folder as file", func(t *testing.T, f string) string {
			check(t, os.Mkdir(f+"/as.db", 0o700))
			return "bbolt://" + f + "/as.db"
		}, "not a regular file"},
		{"a file of something else", func(t *testing.T, f string) string {
			write(t, f+"/as.db", 0o600, []byte(strings.Repeat("text ", 4000))...)
			return "bbolt://" + f + "/as.db"
		}, "invalid database"},
		{"a bbolt file of something else", func(t *testing.T, f string) string {
			db, err := bbolt.Open(f+"/as.db", 0o600, nil)
			check(t, err)
			check(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("albums")); return err }))
			check(t, db.Close())
			return "bbolt://" + f + "/as.db"
		}, `its first bucket is "albums"`},
		{"a file of a later release", func(t *testing.T, f string) string {
			s := openFile(t, f+"/as.db", time.Now)
			check(t, s.bbolt().db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketFormat()).Put(bucketFormat(), []byte("2")) }))
			check(t, s.Close())
			return "bbolt://" + f + "/as.db"
		}, `it has format "2", this release reads 1`},
		{"a file that is open already", func(t *testing.T, f string) string {
			openFile(t, f+"/as.db", time.Now)
			return "bbolt://" + f + "/as.db?timeout=20ms"
		}, "is open in another process"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			s, err := Open(t.Context(), c.make(t, folder))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open = %v, want an error with %q", err, c.want)
			}
			if s != nil {
				t.Error("there is a store beside the error")
			}
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path string, mode os.FileMode, text ...byte) {
	t.Helper()
	check(t, os.WriteFile(path, text, mode))
	check(t, os.Chmod(path, mode))
}

func TestAFileIsItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "as.db")
	s := openFile(t, path, time.Now)
	check(t, s.Create(t.Context(), Record{Kind: "test"}))
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", info.Mode())
	}
}

func TestAFileKeepsItsRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "as.db")
	s := openFile(t, path, time.Now)
	r := Record{Kind: "test", Key: [32]byte{1}, Owner: "alice", Body: []byte("kept")}
	check(t, s.Create(t.Context(), r))
	check(t, s.Close())
	got, err := openFile(t, path, time.Now).Get(t.Context(), r.Kind, r.Key)
	if err != nil || string(got.Body) != "kept" || got.Owner != "alice" {
		t.Errorf("Get = %+v, %v, want what was written before", got, err)
	}
}

func TestExpiredRecordsLeaveTheFile(t *testing.T) {
	c := new(clock)
	s := openFile(t, filepath.Join(t.TempDir(), "as.db"), c.now)
	const each = bboltSweep // so that one transaction is not enough
	var all sync.WaitGroup
	for n := range 2 * each {
		all.Go(func() {
			r := Record{Kind: "test", Key: [32]byte{byte(n), byte(n >> 8)}, Owner: fmt.Sprint("owner ", n%7), Expires: c.now().Add(time.Hour)}
			if n%2 == 0 {
				r.Kind = "other"
			}
			if n%50 == 0 {
				r.Expires = time.Time{}
			}
			if err := s.Create(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	moved := Record{Kind: "test", Key: [32]byte{31: 1}, Owner: "alice", Expires: c.now().Add(time.Hour)}
	check(t, s.Create(t.Context(), moved))
	moved.Version, moved.Expires = 1, c.now().Add(5*time.Hour)
	check(t, s.Swap(t.Context(), moved))

	check(t, s.bbolt().sweep(t.Context(), c.now().UnixMilli()))
	count := func() (n int) {
		_ = s.bbolt().db.View(func(tx *bbolt.Tx) error { n = bucketRecords(tx).Stats().KeyN; return nil })
		return n
	}
	if n := count(); n != 2*each+1 {
		t.Errorf("%d records are left before their time, want all", n)
	}
	c.advance(2 * time.Hour)
	check(t, s.bbolt().sweep(t.Context(), c.now().UnixMilli()))
	if n, want := count(), (2*each+49)/50+1; n != want {
		t.Errorf("%d records are left, want %d", n, want)
	}
	checkFile(t, s)
}

func TestADamagedRecordIsAnErrorThatNamesItsKind(t *testing.T) {
	s := openFile(t, filepath.Join(t.TempDir(), "as.db"), time.Now)
	r := Record{Kind: "grant", Key: [32]byte{1}, Owner: "alice", Body: []byte("refresh token")}
	check(t, s.Create(t.Context(), r))
	r.Version = 1
	check(t, s.bbolt().db.Update(func(tx *bbolt.Tx) error { return bucketRecords(tx).Put(recordKey(r.Kind, r.Key), []byte{9, 9}) }))
	_, get := s.Get(t.Context(), r.Kind, r.Key)
	for what, err := range map[string]error{
		"Get": get, "Create": s.Create(t.Context(), r), "Swap": s.Swap(t.Context(), r), "Delete": s.Delete(t.Context(), r.Kind, r.Key),
	} {
		if !errors.Is(err, errRecordBytes) || !strings.Contains(err.Error(), "grant") {
			t.Errorf("%s = %v, want an error that names the kind", what, err)
		}
	}
}

// Whatever the stored bytes are, they are refused or mean one record, which is
// stored as the same bytes.
func FuzzRecordBytes(f *testing.F) {
	f.Add(encodeRecord(&Record{Kind: "test", Version: 1}))
	f.Add(encodeRecord(&Record{Kind: "test", Version: 1 << 60, Owner: "alice\x00", Expires: time.UnixMilli(1 << 40), Body: []byte("body")}))
	f.Add([]byte{recordFormat, recordFixed - 1: 0xff})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord("test", [32]byte{1}, b)
		if err != nil {
			return
		}
		if len(r.Owner) > MaxOwnerBytes || len(r.Body) > maxStoredBytes {
			t.Fatalf("an owner of %d and a body of %d bytes", len(r.Owner), len(r.Body))
		}
		if again := encodeRecord(&r); string(again) != string(b) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

// Writers get an answer, readers go on, and the process ends.
func TestADiskThatHangsHoldsUpNobodyForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "as.db")
	s := openFile(t, path, time.Now)
	b := s.bbolt()
	if err := s.Create(t.Context(), Record{Kind: "test"}); err != nil {
		t.Fatal(err)
	}
	b.patience = 50 * time.Millisecond
	hang, err := b.db.Begin(true) // no other write gets on while this one lasts
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 2)
	go func() { answers <- s.Create(t.Context(), Record{Kind: "test", Key: [32]byte{1}}) }()
	go func() { answers <- s.Delete(t.Context(), "test", [32]byte{}) }()
	if _, err := s.Get(t.Context(), "test", [32]byte{}); err != nil {
		t.Errorf("Get = %v", err)
	}
	for len(b.writers) < 2 {
		runtime.Gosched()
	}
	for range bboltWriters - 2 {
		b.writers <- struct{}{}
	}
	if err := s.Create(t.Context(), Record{Kind: "test", Key: [32]byte{2}}); !errors.Is(err, errDiskBusy) {
		t.Errorf("one write too many: %v", err)
	}
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, errDiskHangs) {
			t.Errorf("a write that hangs: %v", err)
		}
	}
	if err := s.Close(); !errors.Is(err, errDiskHangs) {
		t.Errorf("Close = %v", err)
	}
	if err := hang.Rollback(); err != nil {
		t.Fatal(err)
	}
}
