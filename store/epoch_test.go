package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// lossy is a server in the process that loses its memory when told to.
type lossy struct {
	mark mark
	ids  map[holdfast.ReplayID]bool
	err  error  // of every call
	hook func() // runs after the id was written and before the mark is read
}

func (l *lossy) use(_ context.Context, id holdfast.ReplayID, _ time.Duration) (bool, mark, error) {
	first := !l.ids[id]
	l.ids[id] = true
	if l.hook != nil {
		l.hook()
	}
	return first, l.mark, l.err
}

func (l *lossy) peek(_ context.Context, id holdfast.ReplayID) (bool, mark, error) {
	return l.ids[id], l.mark, l.err
}

func (l *lossy) look(_ context.Context, fresh string) (mark, error) {
	if l.err == nil && l.mark.epoch == "" {
		l.mark.epoch = fresh
	}
	return l.mark, l.err
}

func (l *lossy) close() {}

func (l *lossy) lose() { l.mark, l.ids = mark{conn: l.mark.conn}, map[holdfast.ReplayID]bool{} }

func newLossy(t *testing.T) (*lossy, *clock, *Replays) {
	t.Helper()
	c := new(clock)
	l := &lossy{ids: map[holdfast.ReplayID]bool{}}
	r := &Replays{backend: l, calls: calls{timeout: time.Minute}}
	r.memory.now, r.memory.look, r.memory.limit = c.now, l.look, time.Minute
	if err := r.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, c, r
}

func TestLossesOfMemory(t *testing.T) {
	id := func(n byte) holdfast.ReplayID { return holdfast.ReplayID{n} }
	use := func(t *testing.T, r *Replays, n byte, want error) {
		t.Helper()
		first, err := r.Use(t.Context(), id(n), r.now())
		if !errors.Is(err, want) || first != (want == nil) {
			t.Errorf("Use(%d) = %v, %v, want %v", n, first, err, want)
		}
	}
	for _, c := range []struct {
		name string
		test func(t *testing.T, l *lossy, c *clock, r *Replays)
	}{
		{"nothing is accepted in the first moments of an epoch", func(t *testing.T, _ *lossy, c *clock, r *Replays) {
			use(t, r, 1, errSettling)
			c.advance(ClockTolerance)
			use(t, r, 2, nil)
		}},
		{"a lost epoch is seen by the next use, and since moves", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			before, _ := r.Since(t.Context())
			use(t, r, 1, nil)
			l.lose()
			use(t, r, 1, errForgot)
			use(t, r, 2, errSettling)
			c.advance(ClockTolerance)
			use(t, r, 3, nil)
			if after, _ := r.Since(t.Context()); after.Sub(before) < time.Hour {
				t.Errorf("since was %v and is %v, want an hour more", before, after)
			}
		}},
		{"an epoch that another replica wrote is seen as well", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.lose()
			l.mark.epoch = newEpoch(c.now())
			use(t, r, 1, errForgot)
			c.advance(ClockTolerance)
			use(t, r, 2, nil)
		}},
		{"a loss after the write hurts nobody", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.hook = l.lose
			use(t, r, 1, errForgot)
		}},
		{"a new connection to the same memory is no loss", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.mark.conn++
			use(t, r, 1, nil)
			if _, err := r.Peek(t.Context(), id(9)); err != nil {
				t.Errorf("Peek = %v", err)
			}
		}},
		{"a new connection while the server is looked at is in doubt", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.mark.conn = 7
			looked := l.mark
			looked.conn = 6
			r.look = func(context.Context, string) (mark, error) { return looked, nil }
			use(t, r, 1, errForgot)
		}},
		{"a look that fails is the error of the use", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.lose()
			broken := errors.New("broken")
			r.look = func(context.Context, string) (mark, error) { return mark{}, broken }
			use(t, r, 1, broken)
			if seen, err := r.Peek(t.Context(), id(2)); seen || !errors.Is(err, broken) {
				t.Errorf("Peek = %v, %v, want the error", seen, err)
			}
		}},
		{"an id that is there is a replay whatever was lost", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			l.ids[id(1)] = true
			l.mark.epoch = ""
			if first, err := r.Use(t.Context(), id(1), c.now()); first || err != nil {
				t.Errorf("Use = %v, %v, want a replay", first, err)
			}
		}},
		{"an answer with an error is never the first", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.err = holdfast.CodeServerReplayFull
			use(t, r, 1, holdfast.CodeServerReplayFull)
		}},
		{"the clock of whoever wrote the epoch is far ahead", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			c.advance(time.Hour)
			l.mark.epoch = newEpoch(c.now().Add(time.Hour))
			if first, err := r.Use(t.Context(), id(1), c.now()); first || err == nil || !strings.Contains(err.Error(), "clock of another replica") {
				t.Errorf("Use = %v, %v, want an error about clocks", first, err)
			}
		}},
		{"an epoch that nobody of us wrote", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			l.mark.epoch = "soon-ish"
			if first, err := r.Use(t.Context(), id(1), c.now()); first || err == nil || !strings.Contains(err.Error(), "stored epoch") {
				t.Errorf("Use = %v, %v, want an error about the epoch", first, err)
			}
		}},
		{"an id to be kept for years is refused", func(t *testing.T, l *lossy, c *clock, r *Replays) {
			if first, err := r.Use(t.Context(), id(1), c.now().AddDate(2, 0, 0)); first || err == nil || len(l.ids) > 0 {
				t.Errorf("Use = %v, %v, want an error", first, err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, clock, r := newLossy(t)
			c.test(t, l, clock, r)
		})
	}
}
