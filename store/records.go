package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// recordBackend is where records are kept. Its caller has checked what it is
// given, and counts time: now and the expiries are milliseconds since 1970, by
// the clock of this process. What has expired by now does not exist.
type recordBackend interface {
	get(ctx context.Context, k Kind, key [32]byte, now int64) (Record, error)
	create(ctx context.Context, r Record, now int64) error
	swap(ctx context.Context, r Record, now int64) error
	remove(ctx context.Context, k Kind, key [32]byte) error

	// pages returns a function that returns the next records of a list at each
	// call, and whether it has to be called again.
	pages(k Kind, owner string) func(ctx context.Context, now int64) (found []Record, more bool, err error)
	close() error
}

// records is the [Store] over any backend.
type records struct {
	calls
	backend recordBackend
	now     func() time.Time
}

// begin begins a call about a kind.
func (s *records) begin(ctx context.Context, k Kind) (context.Context, context.CancelFunc, int64, error) {
	if err := k.check(); err != nil {
		return nil, nil, 0, err
	}
	call, cancel, err := s.calls.begin(ctx)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("store: %w", err)
	}
	return call, cancel, s.now().UnixMilli(), nil
}

// failure names the store and the kind in an error that is not one of the three
// answers.
func failure(what string, k Kind, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || errors.Is(err, ErrConflict) {
		return err
	}
	return fmt.Errorf("store: %s %s: %w", what, k, err)
}

func (s *records) Get(ctx context.Context, k Kind, key [32]byte) (Record, error) {
	ctx, cancel, now, err := s.begin(ctx, k)
	if err != nil {
		return Record{}, err
	}
	defer cancel()
	r, err := s.backend.get(ctx, k, key, now)
	if err != nil {
		return Record{}, failure("get", k, err)
	}
	return r, nil
}

func (s *records) Create(ctx context.Context, r Record) error {
	ctx, cancel, now, err := s.begin(ctx, r.Kind)
	if err != nil {
		return err
	}
	defer cancel()
	if err := r.check(maxStoredBytes); err != nil {
		return err
	}
	r.Version = 1
	return failure("create", r.Kind, s.backend.create(ctx, r, now))
}

func (s *records) Swap(ctx context.Context, r Record) error {
	ctx, cancel, now, err := s.begin(ctx, r.Kind)
	if err != nil {
		return err
	}
	defer cancel()
	if err := r.check(maxStoredBytes); err != nil {
		return err
	}
	return failure("swap", r.Kind, s.backend.swap(ctx, r, now))
}

func (s *records) Delete(ctx context.Context, k Kind, key [32]byte) error {
	ctx, cancel, _, err := s.begin(ctx, k)
	if err != nil {
		return err
	}
	defer cancel()
	return failure("delete", k, s.backend.remove(ctx, k, key))
}

// List asks for one page at a time and holds nothing of the backend while the
// caller looks at it: no connection, no transaction, no lock.
func (s *records) List(ctx context.Context, k Kind, owner string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if err := checkOwner(k, owner); err != nil {
			yield(Record{}, err)
			return
		}
		next := s.backend.pages(k, owner)
		for more := true; more; {
			call, cancel, now, err := s.begin(ctx, k)
			var found []Record
			if err == nil {
				found, more, err = next(call, now)
				cancel()
			}
			if err != nil {
				yield(Record{}, failure("list", k, err))
				return
			}
			for _, r := range found {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (s *records) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if err := s.backend.close(); err != nil {
		return fmt.Errorf("store: close: %w", err)
	}
	return nil
}
