package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

func TestRedisThatCannotBeTrustedIsRefused(t *testing.T) {
	const password = "hunter2hunter2"
	for _, c := range []struct {
		name string
		args []string
		dsn  func(address string) string
		want string
	}{
		{
			"it evicts",
			[]string{"--maxmemory-policy", "allkeys-lru"},
			func(a string) string { return "redis://" + a }, `maxmemory-policy is "allkeys-lru", want noeviction`,
		},
		{
			"it is part of a cluster",
			[]string{"--cluster-enabled", "yes"},
			func(a string) string { return "redis://" + a }, `redis_mode is "cluster"`,
		},
		{
			"it is a replica",
			[]string{"--replicaof", "127.0.0.1", "1"},
			func(a string) string { return "redis://" + a }, "READONLY",
		},
		{
			"the password is wrong",
			[]string{"--requirepass", "another"},
			func(a string) string { return "redis://:" + password + "@" + a }, "WRONGPASS",
		},
		{
			"INFO is forbidden",
			[]string{"--user", "default", "on", "nopass", "~*", "+@all", "-info"},
			func(a string) string { return "redis://" + a }, "INFO: NOPERM",
		},
		{
			"it does not speak TLS", nil,
			func(a string) string { return "rediss://:" + password + "@" + a }, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testservers.Redis(t, c.args...)
			_, err := OpenReplays(t.Context(), c.dsn(s.Address))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if strings.Contains(err.Error(), password) {
				t.Error("the password is in the error")
			}
		})
	}
}

func TestRedisWithAPasswordFromAFile(t *testing.T) {
	s := testservers.Redis(t, "--requirepass", "correct-horse")
	r := settled(t, new(clock), redisDSN(s)+"&password_file="+writeFile(t, "correct-horse\n"))
	if first, err := r.Use(t.Context(), holdfast.ReplayID{1}, time.Now()); err != nil || !first {
		t.Errorf("Use = %v, %v, want the first", first, err)
	}
}

// D-11.1-04: an id takes the same room whatever the jti was; it is gone when
// its time and the tolerance are over.
func TestRedisKeepsAnIDForItsTimeAndTheTolerance(t *testing.T) {
	s := testservers.Redis(t)
	c := new(clock)
	c.advance(300 * time.Hour) // its clock and ours need not agree
	r := settled(t, c, redisDSN(s))
	id := holdfast.ReplayID{7: '\r', 8: '\n', 9: 0}
	if first, err := r.Use(t.Context(), id, c.now().Add(time.Minute)); err != nil || !first {
		t.Fatalf("Use = %v, %v, want the first", first, err)
	}
	v := r.backend.(*valkeyServer)
	left, err := v.client.Do(t.Context(), v.client.B().Pttl().Key(v.key(id)).Build()).AsInt64()
	if got := time.Duration(left) * time.Millisecond; err != nil || got > time.Minute+ClockTolerance || got < 30*time.Second {
		t.Errorf("the id lives for %v (%v), want a minute and %v", got, err, ClockTolerance)
	}
	epoch, err := v.client.Do(t.Context(), v.client.B().Pttl().Key(*v.epoch.Load()).Build()).AsInt64()
	if err != nil || epoch != -1 {
		t.Errorf("the epoch lives for %d ms (%v), want for ever", epoch, err)
	}
}

func TestRedisThatIsFullHasACodeOfItsOwn(t *testing.T) {
	s := testservers.Redis(t, "--maxmemory", "6mb")
	r := settled(t, new(clock), redisDSN(s))
	for i := range 200_000 {
		var id holdfast.ReplayID
		copy(id[:], fmt.Sprint(i))
		first, err := r.Use(t.Context(), id, time.Now().Add(time.Hour))
		if err == nil {
			continue
		}
		if first || !errors.Is(err, holdfast.CodeServerReplayFull) {
			t.Fatalf("Use of a full server = %v, %v, want server.replay_full", first, err)
		}
		id = holdfast.ReplayID{'0'}
		if again, err := r.Use(t.Context(), id, time.Now().Add(time.Hour)); again {
			t.Errorf("the first id of all is the first again: %v", err)
		}
		return
	}
	t.Fatal("the server was never full")
}

// A server that does not answer is an error in time, and the connection is used
// again afterwards.
func TestRedisThatHangs(t *testing.T) {
	s := testservers.Redis(t)
	r := settled(t, new(clock), "redis://"+s.Address+"/0?timeout=150ms")
	s.Do("CLIENT PAUSE 600 ALL")
	if first, err := r.Use(t.Context(), holdfast.ReplayID{1}, time.Now()); err == nil || first {
		t.Errorf("Use of a server that hangs = %v, %v, want an error", first, err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		first, err := r.Use(t.Context(), holdfast.ReplayID{2}, time.Now())
		if err == nil {
			if first { // the uses that timed out may have been recorded or not, this one is
				if again, err := r.Use(t.Context(), holdfast.ReplayID{2}, time.Now()); again || err != nil {
					t.Errorf("Use again = %v, %v, want a replay", again, err)
				}
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// Two prefixes on one server are two memories.
func TestPrefixesAreApart(t *testing.T) {
	s := testservers.Redis(t)
	for _, prefix := range []string{"a", "b"} {
		r := settled(t, new(clock), redisDSN(s)+"&prefix="+prefix)
		if first, err := r.Use(t.Context(), holdfast.ReplayID{1}, time.Now()); err != nil || !first {
			t.Errorf("prefix %s: Use = %v, %v, want the first", prefix, first, err)
		}
	}
}

func TestAllReplicasAgreeOnTheEpoch(t *testing.T) {
	s := testservers.Redis(t)
	c := new(clock)
	a, b := settled(t, c, redisDSN(s)), settled(t, c, redisDSN(s))
	s.Do("FLUSHALL")
	for i, r := range []*Replays{a, b} {
		if first, err := r.Use(t.Context(), holdfast.ReplayID{byte(i)}, c.now()); first || !errors.Is(err, errForgot) {
			t.Errorf("Use after the memory was flushed = %v, %v, want an error", first, err)
		}
	}
	c.advance(ClockTolerance)
	at, err1 := a.Since(t.Context())
	bt, err2 := b.Since(t.Context())
	if err := errors.Join(err1, err2); err != nil || !at.Equal(bt) {
		t.Errorf("since is %v at one and %v at the other (%v)", at, bt, err)
	}
	if first, err := b.Use(t.Context(), holdfast.ReplayID{3}, c.now()); !first || err != nil {
		t.Errorf("Use = %v, %v, want the first", first, err)
	}
}
