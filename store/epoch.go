package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// ClockTolerance is how far the clocks of the replicas may be apart. An id is
// kept that much longer than asked for, and after a cold start nothing is
// accepted for that long.
const ClockTolerance = 2 * time.Second

// Errors of a [Replays] whose server lost its memory: the call is refused with
// 503, later ones are challenged for a nonce.
var (
	errForgot   = errors.New("the server lost its memory or was replaced while this call was made")
	errSettling = errors.New("the server lost its memory a moment ago, nothing is accepted yet")
)

// mark says which memory gave an answer. epoch is a random text that was stored
// beside the ids and is lost with them. conn counts connections made until the
// answer had arrived: after one more, another server may have answered.
type mark struct {
	epoch string
	conn  uint64
}

// era is an epoch that this process has settled on. It is immutable.
type era struct {
	mark
	since  time.Time // nothing accepted before the epoch was accepted after this time
	before time.Time // what Since says until then: no call is answered meanwhile
}

// memory follows the memory of a server through its losses.
//
// A proof that was used before a loss must not be accepted after it. Every
// answer "first" therefore carries the mark of the memory that gave it, read
// after the id was written, in the same batch on the same connection. Had the
// memory been lost before the write, the mark is missing, different, or came
// over a connection that is newer than the last look at the server. Then the
// server is looked at again, and the call fails unless the epoch is still the
// one it was. A loss after the write cannot hurt: the next call sees it.
//
// A lost epoch is replaced atomically, by one replica; all others read that
// value, and so agree on its time. since is that time plus [ClockTolerance]: a
// proof that any replica accepted before the loss was judged by a clock that
// did not show more. Until then every call fails, so that no nonce is issued
// in vain.
//
// A request that asked for Since before the loss was noticed and calls Use
// after it is seen by the verifier: it asks for Since again after Use.
type memory struct {
	now   func() time.Time
	look  func(ctx context.Context, fresh string) (mark, error) // which memory is there; writes fresh if it has no epoch
	limit time.Duration                                         // of one look
	era   atomic.Pointer[era]
	one   singleflight.Group
}

// since returns since when the memory remembers.
func (m *memory) since() time.Time {
	e := m.era.Load()
	if m.now().Before(e.since) {
		return e.before
	}
	return e.since
}

// confirm returns an error unless the memory that gave an answer is the one
// that since speaks of, and was before.
func (m *memory) confirm(ctx context.Context, got mark) error {
	e := m.era.Load()
	if got.epoch != e.epoch || got.conn > e.conn {
		if err := m.refresh(ctx); err != nil {
			return err
		}
		known := e.epoch
		if e = m.era.Load(); e.epoch != known || got.epoch != known || got.conn > e.conn {
			return errForgot
		}
	}
	if m.now().Before(e.since) {
		return errSettling
	}
	return nil
}

// refresh looks at the server. Concurrent calls share one look, which outlives
// the caller that began it.
func (m *memory) refresh(ctx context.Context) error {
	done := m.one.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.limit)
		defer cancel()
		got, err := m.look(ctx, newEpoch(m.now()))
		if err != nil {
			return nil, err
		}
		return nil, m.settle(got)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle takes over what a look found.
func (m *memory) settle(got mark) error {
	last := m.era.Load()
	if last != nil && last.epoch == got.epoch {
		m.era.Store(&era{got, last.since, last.before})
		return nil
	}
	at, err := epochTime(got.epoch)
	if err != nil {
		return err
	}
	if ahead := at.Sub(m.now()); ahead > ClockTolerance {
		return fmt.Errorf("the clock of another replica is %v ahead of this one, at most %v is tolerated", ahead, ClockTolerance)
	}
	next := &era{mark: got, since: at.Add(ClockTolerance)}
	if last != nil {
		next.before = last.since
	}
	m.era.Store(next)
	return nil
}

// newEpoch returns the text of an epoch that begins now: its time in
// milliseconds, and random bits to tell it from any other.
func newEpoch(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return strconv.FormatInt(now.UnixMilli(), 10) + "-" + hex.EncodeToString(b[:])
}

func epochTime(epoch string) (time.Time, error) {
	ms, random, _ := strings.Cut(epoch, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || len(random) != 32 {
		return time.Time{}, fmt.Errorf("the stored epoch is %.60q, want milliseconds, a dash and 32 hexadecimal digits", epoch)
	}
	return time.UnixMilli(n), nil
}
