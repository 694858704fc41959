package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// How the embedded store is used.
const (
	bboltPage  = 256 // records that a list reads at a time
	bboltSweep = 512 // expired records removed by one transaction

	// A disk that hangs costs callers this long, and as many writes at most wait
	// for it.
	bboltPatience = 10 * time.Second
	bboltWriters  = 4096
)

// What is answered where the disk does not. Both are failures: the first write
// may be on the disk or not.
var (
	errDiskHangs = fmt.Errorf("the disk has not answered for %v", bboltPatience)
	errDiskBusy  = fmt.Errorf("%d writes wait for the disk already", bboltWriters)
)

// bboltRecords keeps records in one file. Three buckets: the records under kind
// and key; and two indexes, of owners and of expiries, whose entries are made,
// moved and removed with the record in the same transaction.
type bboltRecords struct {
	db      *bbolt.DB
	sweeper sweeper
	writers chan struct{} // has room for bboltWriters

	patience time.Duration // bboltPatience
}

// The buckets.
func bucketRecords(tx *bbolt.Tx) *bbolt.Bucket { return tx.Bucket([]byte("records")) }
func bucketOwners(tx *bbolt.Tx) *bbolt.Bucket  { return tx.Bucket([]byte("owners")) }
func bucketExpiry(tx *bbolt.Tx) *bbolt.Bucket  { return tx.Bucket([]byte("expiry")) }

// kindPrefix begins all keys of a kind: kinds are letters, so that the NUL keeps
// one kind from beginning another.
func kindPrefix(k Kind) []byte { return append([]byte(k), 0) }

func recordKey(k Kind, key [32]byte) []byte { return append(kindPrefix(k), key[:]...) }

// ownerPrefix begins the index entries of one owner; the length keeps one owner
// from beginning another.
func ownerPrefix(k Kind, owner string) []byte {
	b := binary.BigEndian.AppendUint16(kindPrefix(k), uint16(len(owner)))
	return append(b, owner...)
}

func expiryKey(expiry int64, at []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(expiry)), at...)
}

// find returns the record at a place unless it has expired.
func (b *bboltRecords) find(tx *bbolt.Tx, k Kind, key [32]byte, now int64) (r Record, found bool, err error) {
	v := bucketRecords(tx).Get(recordKey(k, key))
	if v == nil {
		return Record{}, false, nil
	}
	r, err = decodeRecord(k, key, v)
	return r, err == nil && now < r.expiry(), err
}

func (b *bboltRecords) get(_ context.Context, k Kind, key [32]byte, now int64) (r Record, err error) {
	found := false
	err = b.db.View(func(tx *bbolt.Tx) error {
		r, found, err = b.find(tx, k, key, now)
		return err
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return r, err
}

// write answers from what is there if it can, and otherwise changes it, with one
// fsync for all concurrent writers. try may run several times; it only changes
// something when it returns nil.
func (b *bboltRecords) write(try func(tx *bbolt.Tx) error) error {
	err := b.db.View(try)
	if !errors.Is(err, bbolterrors.ErrTxNotWritable) {
		return err
	}
	select {
	case b.writers <- struct{}{}:
	default:
		return errDiskBusy
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-b.writers }()
		done <- b.batch(try)
	}()
	return b.wait(done)
}

func (b *bboltRecords) batch(try func(tx *bbolt.Tx) error) error {
	var answer error
	err := b.db.Batch(func(tx *bbolt.Tx) error {
		answer = nil
		switch err := try(tx); err {
		case ErrExists, ErrConflict: // nothing was changed: no reason to undo the writes of others
			answer = err
			return nil
		default:
			return err
		}
	})
	if err != nil {
		return err
	}
	return answer
}

// wait waits for what depends on the disk.
func (b *bboltRecords) wait(done <-chan error) error {
	late := time.NewTimer(b.patience)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		return errDiskHangs
	}
}

func (b *bboltRecords) create(_ context.Context, r Record, now int64) error {
	value := encodeRecord(&r)
	return b.write(func(tx *bbolt.Tx) error {
		old, found, err := b.find(tx, r.Kind, r.Key, now)
		if err != nil {
			return err
		}
		if found {
			return ErrExists
		}
		if err := b.drop(tx, &old); err != nil {
			return err
		}
		return b.put(tx, &r, value)
	})
}

func (b *bboltRecords) swap(_ context.Context, r Record, now int64) error {
	next := r
	next.Version++
	value := encodeRecord(&next)
	return b.write(func(tx *bbolt.Tx) error {
		old, found, err := b.find(tx, r.Kind, r.Key, now)
		if err != nil {
			return err
		}
		if !found || old.Version != r.Version || old.Owner != r.Owner {
			return ErrConflict
		}
		if err := b.drop(tx, &old); err != nil {
			return err
		}
		return b.put(tx, &next, value)
	})
}

// put writes a record, which value are the bytes of, and its index entries where
// there is none.
func (b *bboltRecords) put(tx *bbolt.Tx, r *Record, value []byte) error {
	at := recordKey(r.Kind, r.Key)
	if err := bucketRecords(tx).Put(at, value); err != nil {
		return err
	}
	if e := r.expiry(); e != never {
		if err := bucketExpiry(tx).Put(expiryKey(e, at), nil); err != nil {
			return err
		}
	}
	if r.Owner == "" {
		return nil
	}
	return bucketOwners(tx).Put(append(ownerPrefix(r.Kind, r.Owner), r.Key[:]...), nil)
}

// drop removes a record, if it is one, and its index entries.
func (b *bboltRecords) drop(tx *bbolt.Tx, r *Record) error {
	if r.Kind == "" {
		return nil
	}
	at := recordKey(r.Kind, r.Key)
	return errors.Join(
		bucketRecords(tx).Delete(at),
		bucketExpiry(tx).Delete(expiryKey(r.expiry(), at)),
		bucketOwners(tx).Delete(append(ownerPrefix(r.Kind, r.Owner), r.Key[:]...)),
	)
}

func (b *bboltRecords) remove(_ context.Context, k Kind, key [32]byte) error {
	return b.write(func(tx *bbolt.Tx) error {
		v := bucketRecords(tx).Get(recordKey(k, key))
		if v == nil {
			return nil
		}
		old, err := decodeRecord(k, key, v)
		if err != nil {
			return err
		}
		return b.drop(tx, &old)
	})
}

// pages reads a page in a transaction of its own: one that stayed open while the
// caller works would keep freed pages from being used again.
func (b *bboltRecords) pages(k Kind, owner string) func(context.Context, int64) ([]Record, bool, error) {
	prefix := kindPrefix(k)
	if owner != "" {
		prefix = ownerPrefix(k, owner)
	}
	from := prefix
	return func(_ context.Context, now int64) (found []Record, more bool, err error) {
		err = b.db.View(func(tx *bbolt.Tx) error {
			bucket := bucketRecords(tx)
			if owner != "" {
				bucket = bucketOwners(tx)
			}
			c := bucket.Cursor()
			at, _ := c.Seek(from)
			for n := 0; bytes.HasPrefix(at, prefix); at, _ = c.Next() {
				if n++; n > bboltPage {
					more, from = true, bytes.Clone(at)
					return nil
				}
				if len(at) != len(prefix)+32 {
					return errRecordBytes
				}
				r, live, err := b.find(tx, k, [32]byte(at[len(prefix):]), now)
				if err != nil {
					return err
				}
				if live {
					found = append(found, r)
				}
			}
			return nil
		})
		return found, more, err
	}
}

// sweep removes what has expired, a bounded number at a time, so that writers
// get their turn.
func (b *bboltRecords) sweep(ctx context.Context, now int64) error {
	for ctx.Err() == nil {
		due := b.due(now)
		if len(due) == 0 {
			return nil
		}
		err := b.db.Update(func(tx *bbolt.Tx) error {
			for _, entry := range due {
				if err := b.dropExpired(tx, entry, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// due returns the first entries of the expiry index that have expired.
func (b *bboltRecords) due(now int64) (due [][]byte) {
	_ = b.db.View(func(tx *bbolt.Tx) error { // fails when it is closed, as the sweep will
		c := bucketExpiry(tx).Cursor()
		for at, _ := c.First(); at != nil && len(due) < bboltSweep; at, _ = c.Next() {
			if len(at) < 8 || int64(binary.BigEndian.Uint64(at)) > now {
				return nil
			}
			due = append(due, bytes.Clone(at))
		}
		return nil
	})
	return due
}

func (b *bboltRecords) dropExpired(tx *bbolt.Tx, entry []byte, now int64) error {
	k, key, ok := bytes.Cut(entry[8:], []byte{0})
	if !ok || len(key) != 32 {
		return errRecordBytes
	}
	v := bucketRecords(tx).Get(entry[8:])
	if v == nil {
		return bucketExpiry(tx).Delete(entry)
	}
	r, err := decodeRecord(Kind(k), [32]byte(key), v)
	if err != nil {
		return err
	}
	if now < r.expiry() { // swapped since the entry was read: its entry has moved
		return nil
	}
	return b.drop(tx, &r)
}

// close waits for the writes under way, so that the process of a disk that hangs
// ends nevertheless.
func (b *bboltRecords) close() error {
	done := make(chan error, 1)
	go func() {
		b.sweeper.close()
		done <- b.db.Close()
	}()
	return b.wait(done)
}
