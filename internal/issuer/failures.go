package issuer

import (
	"context"
	"errors"
	"iter"

	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/store"
)

// watched is a store whose failures are told to note, which returns them.
type watched struct {
	store.Store
	note func(operation string, err error) error
}

// counting returns a store whose failures are counted.
func counting(s store.Store, m *ops.Metrics) store.Store {
	c := m.Counter("holdfast_store_errors_total", "Calls of the store that failed.", "operation")
	return &watched{s, func(operation string, err error) error {
		if !errors.Is(err, context.Canceled) { // the caller went away
			c.Add(1, operation)
		}
		return err
	}}
}

// storeFailure tells a failure of the store from a mistake of the caller.
type storeFailure struct{ error }

// Unwrap returns what the store said.
func (f *storeFailure) Unwrap() error { return f.error }

// marking returns a store whose failures are a *storeFailure.
func marking(s store.Store) store.Store {
	return &watched{s, func(_ string, err error) error { return &storeFailure{err} }}
}

// judge passes on answers, which are no failures.
func (w *watched) judge(operation string, err error) error {
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return err
	}
	return w.note(operation, err)
}

// Get implements store.Store.
func (w *watched) Get(ctx context.Context, k store.Kind, key [32]byte) (store.Record, error) {
	r, err := w.Store.Get(ctx, k, key)
	return r, w.judge("get", err)
}

// Create implements store.Store.
func (w *watched) Create(ctx context.Context, r store.Record) error {
	return w.judge("create", w.Store.Create(ctx, r))
}

// Swap implements store.Store.
func (w *watched) Swap(ctx context.Context, r store.Record) error {
	return w.judge("swap", w.Store.Swap(ctx, r))
}

// Delete implements store.Store.
func (w *watched) Delete(ctx context.Context, k store.Kind, key [32]byte) error {
	return w.judge("delete", w.Store.Delete(ctx, k, key))
}

// List implements store.Store.
func (w *watched) List(ctx context.Context, k store.Kind, owner string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range w.Store.List(ctx, k, owner) {
			if !yield(r, w.judge("list", err)) {
				return
			}
		}
	}
}
