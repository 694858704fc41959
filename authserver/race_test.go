package authserver

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
	"github.com/holdfast-oauth/holdfast/store"
)

// racers is how many requests carry the same thing at the same time.
const racers = 64

// raceStores are the stores that replicas can share, and those that they cannot.
var raceStores = []struct {
	name string
	dsn  func(t *testing.T) string
}{
	{"memory", func(*testing.T) string { return "memory:" }},
	{"bbolt", func(t *testing.T) string {
		return (&url.URL{Scheme: "bbolt", Path: filepath.ToSlash(filepath.Join(t.TempDir(), "records.db")), RawQuery: "timeout=10s"}).String()
	}},
	{"PostgreSQL", func(t *testing.T) string {
		return "postgres://postgres@" + testservers.Postgres(t).Address + "/postgres?timeout=10s"
	}},
	{"Valkey", func(t *testing.T) string {
		s := testservers.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
		return "redis://" + s.Address + "/0?timeout=10s"
	}},
}

// race sends n requests at once and returns the answers that are a success. The
// others have to be a refusal of that code.
func race(ts *testServer, n int, code string, send func() *reply) []*reply {
	ts.t.Helper()
	var wg sync.WaitGroup
	answers := make([]*reply, n)
	start := make(chan struct{})
	for i := range answers {
		wg.Go(func() {
			<-start
			answers[i] = send()
		})
	}
	close(start)
	wg.Wait()
	var won []*reply
	for _, r := range answers {
		switch {
		case r.status/100 == 2:
			won = append(won, r)
		case r.body["error"] != code:
			ts.t.Errorf("a loser is answered with %d %s, want %s", r.status, r.shown(), code)
		}
	}
	return won
}

func TestOfManyAtTheSameTimeOneWins(t *testing.T) {
	t.Parallel()
	for _, kind := range raceStores {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			records, err := store.Open(context.Background(), kind.dsn(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { records.Close() })
			// Servers outside have a clock of their own, which says when records expire.
			// Proofs and nonces count whole seconds.
			ts := newTestServerAt(t, time.Now().Truncate(time.Second), func(c *Config) { c.Store = records })
			raceCodes(ts, newKey(t))
			racePushed(ts)
			raceRefresh(ts, newKey(t))
		})
	}
}

// raceCodes redeems one code and one device code many times.
func raceCodes(ts *testServer, key *holdfast.Key) {
	ts.t.Helper()
	for name, request := range map[string]url.Values{
		"code":        ts.approvedCode(appID),
		"device code": ts.approvedDevice(appID, key.Thumbprint()),
	} {
		won := race(ts, racers, errInvalidGrant, func() *reply {
			return ts.post(pathToken, request, ts.credentials(appID, key)...)
		})
		if len(won) != 1 {
			ts.t.Fatalf("of %d redemptions of one %s %d won, want 1", racers, name, len(won))
		}
		// The others were second uses (RFC 9700 section 4.2.4).
		if ts.access(won[0]) != nil {
			ts.t.Errorf("the token of the %s is active after it was used again", name)
		}
		ts.refreshed(won[0], appID, key).refused(errInvalidGrant)
	}
}

// racePushed finishes one pushed request many times.
func racePushed(ts *testServer) {
	ts.t.Helper()
	q, err := ts.unpush(ts.post(pathPAR, goodRequest(webID), as(webID)).ok(), webID)
	if err != nil {
		ts.t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, racers)
	for i := range errs {
		wg.Go(func() { _, errs[i] = ts.issueCode(context.Background(), q, ts.approvalOf(q)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		var f *refusal
		switch {
		case err == nil:
			won++
		case !errors.As(err, &f) || f.code != errInvalidRequestURI:
			ts.t.Errorf("a loser is told %v, want %s", err, errInvalidRequestURI)
		}
	}
	if won != 1 {
		ts.t.Errorf("of %d codes for one pushed request %d were issued, want 1", racers, won)
	}
}

// raceRefresh uses one refresh token many times: all get the same successor, and
// no two the same access token.
func raceRefresh(ts *testServer, key *holdfast.Key) {
	ts.t.Helper()
	first := ts.tokens(appID, key)
	won := race(ts, racers, "", func() *reply { return ts.refreshed(first, appID, key) })
	next, access := map[string]bool{}, map[string]bool{}
	for _, r := range won {
		next[r.text("refresh_token")], access[r.text("access_token")] = true, true
	}
	if len(won) != racers || len(next) != 1 || len(access) != racers {
		ts.t.Fatalf("%d of %d answers are a success with %d refresh tokens and %d access tokens, want one refresh token",
			len(won), racers, len(next), len(access))
	}
	ts.refreshed(won[0], appID, key).ok()
}

func TestManyPollsOfOneDeviceCodeWait(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	record, request := ts.device(appID, holdfast.Thumbprint{})
	var wg sync.WaitGroup
	for range racers {
		wg.Go(func() {
			r := ts.post(pathToken, request, ts.credentials(appID, key)...)
			if code := r.body["error"]; code != errPending && code != errSlowDown {
				t.Errorf("answer is %d %s, want %s or %s", r.status, r.shown(), errPending, errSlowDown)
			}
		})
	}
	wg.Wait()
	ts.decide(record, ts.allow)
	ts.post(pathToken, request, ts.credentials(appID, key)...).ok()
}
