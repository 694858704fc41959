package holdfast

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func replayIDOf(n uint64) (id ReplayID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// newTestReplays returns a cache and its clock.
func newTestReplays(t testing.TB, c ReplayConfig) (*Replays, *time.Time) {
	t.Helper()
	now := testTime
	c.Now = func() time.Time { return now }
	r, err := NewReplays(c)
	if err != nil {
		t.Fatal(err)
	}
	return r, &now
}

// TestReplaysAgreeWithAMap drives the cache and a map with random uses, peeks
// and steps of the clock. Of equal ids exactly one is first until its time. A
// step back may refuse, and may remember longer; it may never forget.
func TestReplaysAgreeWithAMap(t *testing.T) { // D-11.1-02
	for _, steps := range []struct {
		name     string
		backward bool
	}{{"forward only", false}, {"with steps back", true}} {
		t.Run(steps.name, func(t *testing.T) {
			for seed := range uint64(20) {
				rng := rand.New(rand.NewPCG(seed, 1))
				window := time.Duration(1+rng.IntN(600)) * time.Second
				r, now := newTestReplays(t, ReplayConfig{Window: window})
				until := map[uint64]time.Time{}
				high := *now // the latest time that the cache was asked at
				for range 20_000 {
					step := time.Duration(rng.Int64N(int64(window) / 500))
					if rng.IntN(2000) == 0 {
						step = time.Duration(rng.Int64N(int64(2 * window)))
					}
					if steps.backward && rng.IntN(200) == 0 {
						step = -time.Duration(rng.Int64N(int64(window)))
					}
					*now = now.Add(step)
					id := rng.Uint64N(400)
					want := now.Add(time.Duration(rng.Int64N(int64(window) + 1)))
					live := !until[id].IsZero() && !now.After(until[id])
					if live && steps.backward { // a proof names its own time: it is the same at every use
						want = until[id]
					}
					if want.After(now.Add(window)) { // in the past of a step back
						continue
					}
					seen, _ := r.Peek(t.Context(), replayIDOf(id))
					first, err := r.Use(t.Context(), replayIDOf(id), want)
					if high.Before(*now) {
						high = *now
					}
					switch {
					case err != nil:
						if !steps.backward || !want.Before(high) || first {
							t.Fatalf("seed %d: %v", seed, err)
						}
					case live && first:
						t.Fatalf("seed %d: id %d is first again %v before its time", seed, id, until[id].Sub(*now))
					case seen && first:
						t.Fatalf("seed %d: id %d was seen by a peek and is first", seed, id)
					case first:
						until[id] = want
					case !seen && err == nil:
						t.Fatalf("seed %d: id %d is not first and no peek saw it", seed, id)
					case !live && !steps.backward && now.Sub(until[id]) > window/replayBuckets+1:
						t.Fatalf("seed %d: id %d is remembered %v too long", seed, id, now.Sub(until[id]))
					}
				}
			}
		})
	}
}

func TestReplaysAtABucketBoundary(t *testing.T) {
	r, now := newTestReplays(t, ReplayConfig{Window: 60 * time.Second})
	width := int64(r.width)
	boundary := time.Unix(0, (testTime.UnixNano()/width+3)*width)
	for n, until := range []time.Time{boundary.Add(-1), boundary, boundary.Add(1)} {
		*now = testTime
		if first, err := r.Use(t.Context(), replayIDOf(uint64(n)), until); !first || err != nil {
			t.Fatalf("first use: %v, %v", first, err)
		}
		*now = until
		if seen, _ := r.Peek(t.Context(), replayIDOf(uint64(n))); !seen {
			t.Errorf("an id until %v is forgotten at that time by Peek", until)
		}
		if first, _ := r.Use(t.Context(), replayIDOf(uint64(n)), until); first {
			t.Errorf("an id until %v is forgotten at that time", until)
		}
		*now = until.Add(r.width)
		if seen, _ := r.Peek(t.Context(), replayIDOf(uint64(n))); seen {
			t.Errorf("an id until %v is remembered a bucket later", until)
		}
	}
}

func TestReplaysRefuseWhenFullAndForgetNothing(t *testing.T) {
	r, now := newTestReplays(t, ReplayConfig{Max: 2000, Window: time.Minute})
	until := now.Add(30 * time.Second)
	var kept []uint64
	for n := range uint64(20_000) {
		seen, perr := r.Peek(t.Context(), replayIDOf(n))
		first, err := r.Use(t.Context(), replayIDOf(n), until)
		switch {
		case seen:
			t.Fatalf("id %d was never used", n)
		case first && err == nil && perr == nil:
			kept = append(kept, n)
		case !first && errors.Is(err, CodeServerReplayFull) && errors.Is(perr, CodeServerReplayFull):
		default:
			t.Fatalf("id %d: Use %v, %v; Peek %v", n, first, err, perr)
		}
	}
	if len(kept) < 2000 || len(kept) != r.Len() {
		t.Fatalf("%d ids were taken, Len is %d, want at least 2000", len(kept), r.Len())
	}
	for _, n := range kept {
		if first, err := r.Use(t.Context(), replayIDOf(n), until); first || err != nil {
			t.Fatalf("id %d was evicted: %v, %v", n, first, err)
		}
	}
	*now = now.Add(time.Minute)
	if first, err := r.Use(t.Context(), replayIDOf(1<<40), now.Add(time.Second)); !first || err != nil {
		t.Errorf("after all ids expired: %v, %v", first, err)
	}
}

func TestReplaysRefuseWhatTheyCannotRemember(t *testing.T) {
	r, now := newTestReplays(t, ReplayConfig{Window: time.Minute})
	if first, err := r.Use(t.Context(), replayIDOf(1), now.Add(61*time.Second)); first || err == nil {
		t.Errorf("beyond the window: %v, %v", first, err)
	}
	if first, err := r.Use(t.Context(), replayIDOf(1), now.Add(-time.Hour)); !first || err != nil {
		t.Errorf("until in the past counts as now: %v, %v", first, err)
	}
	if first, _ := r.Use(t.Context(), replayIDOf(1), now.Add(-time.Hour)); first {
		t.Error("until in the past is not remembered at all")
	}
	*now = time.Time{}
	if _, err := r.Use(t.Context(), replayIDOf(2), *now); err == nil {
		t.Error("the clock went back by centuries and nothing is refused")
	}
	for _, c := range []ReplayConfig{{Max: -1}, {Window: time.Millisecond}, {Window: -1}} {
		if _, err := NewReplays(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestReplaysOfOneIDConcurrently(t *testing.T) { // D-11.1-03
	r, now := newTestReplays(t, ReplayConfig{})
	for round := range uint64(50) {
		var firsts atomic.Int32
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 100 {
			wg.Go(func() {
				<-start
				first, err := r.Use(t.Context(), replayIDOf(round), now.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts.Add(1)
				}
				_, _ = r.Peek(t.Context(), replayIDOf(round))
				r.Len()
			})
		}
		close(start)
		wg.Wait()
		if firsts.Load() != 1 {
			t.Fatalf("round %d: %d calls were first", round, firsts.Load())
		}
	}
}

// Under a clock that steps back a proof that was used stays used.
func TestAProofStaysUsedWhenTheClockJumpsAndReturns(t *testing.T) {
	f := newFixture(t, nil)
	p := f.present(t, f.claims())
	if _, err := f.v.Verify(t.Context(), p, Requirement{}); err != nil {
		t.Fatal(err)
	}
	f.now = testTime.Add(10 * time.Minute)
	f.tokens.token.Expires = f.now.Add(time.Hour)
	for range 2000 { // every shard sees the jump
		if _, err := f.v.Verify(t.Context(), f.present(t, f.claims()), Requirement{}); err != nil {
			t.Fatal(err)
		}
	}
	f.now = testTime.Add(time.Second)
	if _, err := f.v.Verify(t.Context(), p, Requirement{}); !errors.Is(err, CodeServerReplay) {
		t.Errorf("got %v, want %v: nobody remembers that time", err, CodeServerReplay)
	}
}

// A request whose token takes long to read is judged by a memory of later: what
// was recorded meanwhile may be forgotten again.
func TestAReplayThatIsHeldUpIsNotAccepted(t *testing.T) { // D-11.1-02
	for _, mode := range []NonceMode{NonceOptional, NonceRequired} {
		slow := &slowTokens{}
		f := newFixture(t, func(c *Config) {
			slow.stubTokens = c.Tokens.(*stubTokens)
			c.Tokens, c.Proof.Nonce = slow, mode
			if c.Proof.Nonces, slow.err = NewNonces(NonceConfig{Now: c.Proof.Now}); slow.err != nil {
				t.Fatal(slow.err)
			}
		})
		c := f.claims()
		c.Nonce, _ = f.v.Nonce(t.Context())
		p := f.present(t, c)
		if _, err := f.v.Verify(t.Context(), p, Requirement{}); err != nil {
			t.Fatal(err)
		}
		slow.meanwhile = func() { f.now = f.now.Add(DefaultReplayWindow * 2) }
		if _, err := f.v.Verify(t.Context(), p, Requirement{}); !errors.Is(err, CodeServerReplay) {
			t.Errorf("mode %d: got %v, want %v", mode, err, CodeServerReplay)
		}
	}
}

// slowTokens is a reader during which time passes.
type slowTokens struct {
	*stubTokens
	meanwhile func()
}

func (s *slowTokens) ReadToken(ctx context.Context, raw Secret) (*Token, error) {
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return s.stubTokens.ReadToken(ctx, raw)
}

func TestReplayIDsDifferForDifferentParts(t *testing.T) {
	seen := map[ReplayID]string{}
	for _, realm := range []string{"", "a", "ab"} {
		for _, key := range []Thumbprint{{}, {1}, {'b'}} {
			for _, jti := range []string{"a", "b", "ab", "ba"} {
				id := newReplayID(realm, key, jti)
				if other, ok := seen[id]; ok {
					t.Errorf("%q %v %q has the id of %s", realm, key, jti, other)
				}
				seen[id] = realm + "/" + jti
			}
		}
	}
}
