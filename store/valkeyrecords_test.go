package store

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// durable are the settings of a server that keeps what it confirms.
func durable(more ...string) []string {
	return append([]string{"--appendonly", "yes", "--appendfsync", "always"}, more...)
}

func TestServersThatCouldLoseRecordsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name     string
		args     []string
		want     string
		volatile bool // whether the option accepts it
	}{
		{"no log", nil, "appendonly no", true},
		{"a log that is written every second", []string{"--appendonly", "yes", "--appendfsync", "everysec"}, `appendfsync "everysec"`, true},
		{"a log that is written some time", []string{"--appendonly", "yes", "--appendfsync", "no"}, `appendfsync "no"`, true},
		{"settings that cannot be seen", durable("--user", "default", "on", "nopass", "~*", "+@all", "-config"), "cannot be seen", true},
		{"it evicts", durable("--maxmemory-policy", "volatile-ttl"), `maxmemory-policy is "volatile-ttl"`, false},
		{"it is part of a cluster", durable("--cluster-enabled", "yes"), `redis_mode is "cluster"`, false},
		{"it is a replica", durable("--replicaof", "127.0.0.1", "1"), `the server is a "slave"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := redisDSN(testservers.Redis(t, c.args...))
			if _, err := Open(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open = %v, want an error with %q", err, c.want)
			}
			s, err := Open(t.Context(), dsn+"&volatile=dangerously")
			if (err == nil) != c.volatile {
				t.Errorf("Open with volatile=dangerously = %v, want it accepted: %v", err, c.volatile)
			}
			if s != nil {
				check(t, s.Close())
			}
		})
	}
}

func TestAKilledRedisLosesNothingThatWasConfirmed(t *testing.T) {
	s := testservers.Redis(t, durable()...)
	endure(t, redisDSN(s), min(faults(t, 3), 20), s.Kill, s.Start)
}

func number(t *testing.T, answer string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Trim(answer, ":\r\n"))
	check(t, err)
	return n
}

func TestIndexesInRedisDoNotGrowForEver(t *testing.T) {
	server := testservers.Redis(t, durable()...)
	c := new(clock)
	s := openServer(t, redisDSN(server), c.now)
	create := func(n byte, owner string, expires time.Time) {
		t.Helper()
		check(t, s.Create(t.Context(), Record{Kind: "test", Key: [32]byte{n}, Owner: owner, Expires: expires}))
	}
	for n := range byte(16) {
		create(n, "alice", c.now().Add(time.Hour))
	}
	create(100, "bob", c.now().Add(time.Hour))
	create(101, "carol", c.now().Add(time.Hour))
	create(102, "carol", time.Time{})
	for owner, want := range map[string]bool{"alice": true, "bob": true, "carol": false} { // whether the index ends with its records
		left := number(t, server.Do("PTTL holdfast:owner:test:"+owner))
		if (left > 0) != want || left > int((time.Hour+2*valkeyGrace).Milliseconds()) {
			t.Errorf("the index of %s lives for %d ms", owner, left)
		}
	}
	c.advance(2 * time.Hour)
	for n := range byte(2) { // each takes away some that have expired
		create(200+n, "alice", c.now().Add(time.Hour))
	}
	if n := number(t, server.Do("ZCARD holdfast:owner:test:alice")); n != 2 {
		t.Errorf("the index of alice has %d entries, want 2", n)
	}
	if n := number(t, server.Do("ZCARD holdfast:kind:test")); n != 19+2-16 {
		t.Errorf("the index of the kind has %d entries, want %d", n, 19+2-16)
	}
	for n := range byte(2) {
		check(t, s.Delete(t.Context(), "test", [32]byte{200 + n}))
	}
	if n := number(t, server.Do("EXISTS holdfast:owner:test:alice")); n != 0 {
		t.Error("the index of alice is left without a record")
	}
}

// The server removes a record by itself, a little after its time by our clock.
func TestRedisRemovesARecordAfterItsTime(t *testing.T) {
	server := testservers.Redis(t, durable()...)
	c := new(clock)
	c.advance(300 * time.Hour) // its clock and ours need not agree
	s := openServer(t, redisDSN(server), c.now)
	r := Record{Kind: "test", Key: [32]byte{1}, Expires: c.now().Add(time.Hour)}
	check(t, s.Create(t.Context(), r))
	v := s.backend.(*valkeyRecords)
	left, err := v.client.Do(t.Context(), v.client.B().Pttl().Key(v.recordName(r.Kind, r.Key)).Build()).AsInt64()
	if got := time.Duration(left) * time.Millisecond; err != nil || got > time.Hour+valkeyGrace || got < 30*time.Minute {
		t.Errorf("the record lives for %v (%v), want an hour and %v", got, err, valkeyGrace)
	}
}

func TestRedisThatForgotTheScripts(t *testing.T) {
	server := testservers.Redis(t, durable()...)
	s := openServer(t, redisDSN(server), time.Now)
	r := Record{Kind: "test"}
	check(t, s.Create(t.Context(), r))
	server.Do("SCRIPT FLUSH")
	r.Version = 1
	check(t, s.Swap(t.Context(), r))
	check(t, s.Delete(t.Context(), r.Kind, r.Key))
}

func TestRedisThatIsFullRefusesRecords(t *testing.T) {
	s := openServer(t, redisDSN(testservers.Redis(t, durable("--maxmemory", "4mb")...)), time.Now)
	body := make([]byte, MaxBodyBytes)
	for n := range byte(200) {
		err := s.Create(t.Context(), Record{Kind: "test", Key: [32]byte{n}, Body: body})
		if err == nil {
			continue
		}
		if !strings.Contains(err.Error(), "OOM") {
			t.Errorf("Create = %v, want an error about memory", err)
		}
		if _, err := s.Get(t.Context(), "test", [32]byte{n}); err == nil {
			t.Error("what was refused was written")
		}
		for m := range n {
			check(t, s.Delete(t.Context(), "test", [32]byte{m}))
		}
		check(t, s.Create(t.Context(), Record{Kind: "test", Key: [32]byte{n}, Body: body}))
		return
	}
	t.Fatal("the server was never full")
}
