package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// fact is what a writer was told: a line of the process that was killed.
type fact struct {
	writer, what string // created or swapped
	n            int    // which one; of a swap the version that it made
}

// The record that all writers swap, and those that they create.
var counterPlace = Record{Kind: "counter", Key: [32]byte{1}}

func createdBy(writer string, n int) Record {
	r := Record{Kind: "created", Owner: writer, Body: fmt.Append(nil, n)}
	copy(r.Key[:], fmt.Append(nil, writer, " ", n))
	return r
}

// hammer creates and swaps, and tells what was confirmed. It returns when the
// store fails.
func hammer(ctx context.Context, s Store, writer string, tell func(fact)) error {
	for n := 0; ctx.Err() == nil; n++ {
		if err := s.Create(ctx, createdBy(writer, n)); err != nil {
			return err
		}
		tell(fact{writer, "created", n})
		r, err := s.Get(ctx, counterPlace.Kind, counterPlace.Key)
		if errors.Is(err, ErrNotFound) {
			err = s.Create(ctx, counterPlace)
		}
		if err == nil && r.Version > 0 {
			r.Body = []byte(writer)
			err = s.Swap(ctx, r)
			if err == nil {
				tell(fact{writer, "swapped", int(r.Version) + 1})
			}
		}
		if err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrExists) {
			return err
		}
	}
	return nil
}

// judge fails the test unless the store holds what was confirmed.
func judge(t *testing.T, s Store, facts []fact) {
	t.Helper()
	swaps := map[int]string{}
	last := 0
	for _, f := range facts {
		switch f.what {
		case "created":
			want := createdBy(f.writer, f.n)
			r, err := s.Get(t.Context(), want.Kind, want.Key)
			if err != nil || string(r.Body) != string(want.Body) || r.Owner != f.writer {
				t.Fatalf("%s was told that record %d is created; now it is %q, %v", f.writer, f.n, r.Body, err)
			}
		case "swapped":
			if other := swaps[f.n]; other != "" {
				t.Fatalf("version %d was made by %s and by %s", f.n, other, f.writer)
			}
			swaps[f.n] = f.writer
			last = max(last, f.n)
		}
	}
	if last == 0 {
		return
	}
	r, err := s.Get(t.Context(), counterPlace.Kind, counterPlace.Key)
	if err != nil || r.Version < uint64(last) {
		t.Fatalf("version %d was confirmed, the store has %d (%v)", last, r.Version, err)
	}
	if by := swaps[int(r.Version)]; by != "" && by != string(r.Body) {
		t.Fatalf("version %d was made by %s, the store says %s", r.Version, by, r.Body)
	}
}

// faults returns how often a process is killed.
func faults(t *testing.T, usual int) int {
	t.Helper()
	const envFaults = "HOLDFAST_FAULTS"
	text := os.Getenv(envFaults)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number above 0", envFaults, text)
	}
	return n
}
