package e2e

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// faults is how often something is killed: `make test-long` asks for more.
func faults(t *testing.T, few, many int) int {
	t.Helper()
	text := os.Getenv("HOLDFAST_FAULTS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HOLDFAST_FAULTS is %q, want a number above 0", text)
	}
	return min(n, many)
}

const faultWorkers = 4

// load is people logging in and refreshing while things break.
type load struct {
	t       *testing.T
	replica *replica
	back    *gate
	stop    atomic.Bool
	steps   chan struct{} // one for each acknowledged step
	away    atomic.Int64  // steps without an answer
}

// attempt repeats a step until there is an answer: what was in doubt is asked
// again. It returns how often it was asked.
func (l *load) attempt(step func() (*answer, error)) (a *answer, asked int) {
	for asked = 1; ; asked++ {
		turn := l.back.now()
		a, err := step()
		if err == nil {
			if !l.stop.Load() {
				l.steps <- struct{}{}
			}
			return a, asked
		}
		if err != errAway {
			l.t.Error(err)
			l.stop.Store(true)
			return nil, asked
		}
		l.away.Add(1)
		l.back.after(turn)
	}
}

// flow takes a request to a code. A step of it that is in doubt is begun anew.
func (l *load) flow(h *holder) *flow {
	for {
		var f *flow
		_, _ = l.attempt(func() (_ *answer, err error) { f, err = h.push(l.replica); return &answer{}, err })
		if f == nil {
			return nil
		}
		turn := l.back.now()
		switch err := h.authorize(l.replica, f); err {
		case nil:
			return f
		case errAway:
			l.away.Add(1)
			l.back.after(turn)
		default:
			if err.Error() != "authorize: 400 invalid_request_uri" { // it was spent, the answer was lost, and the push has to be repeated
				l.t.Error(err)
				l.stop.Store(true)
				return nil
			}
		}
	}
}

// work is one person: every code is redeemed at most once, what was spent stays
// spent, and a refresh token that was handed out works.
func (l *load) work() {
	h := newHolder(l.t)
	for !l.stop.Load() {
		f := l.flow(h)
		if f == nil {
			return
		}
		won := 0
		a, asked := l.attempt(func() (*answer, error) { return h.redeem(l.replica, f) })
		switch {
		case a == nil:
			return
		case a.status == http.StatusOK:
			won++
		case asked == 1:
			l.t.Errorf("a code that was never presented before got %d %q", a.status, a.text("error"))
			return
		default:
			continue // it was redeemed, and the answer was lost with the process
		}
		token := a.text("refresh_token")
		for range 3 {
			started := time.Now()
			a, asked := l.attempt(func() (*answer, error) { return h.refresh(l.replica, token) })
			if a == nil {
				return
			}
			if a.status != http.StatusOK {
				if asked > 1 && time.Since(started) > 10*time.Second { // the machine is so slow that the tolerance has ended
					break
				}
				l.t.Errorf("refresh token that was handed out got %d %q, asked %d times", a.status, a.text("error"), asked)
				l.stop.Store(true)
				return
			}
			token = a.text("refresh_token")
		}
		if a, _ = l.attempt(func() (*answer, error) { return h.redeem(l.replica, f) }); a == nil {
			return
		}
		if a.status == http.StatusOK {
			won++
		}
		if won != 1 {
			l.t.Errorf("a code was redeemed %d times", won)
		}
		address := replicaIssuer + "/authorize?" + url.Values{"client_id": {replicaApp}, "request_uri": {f.handle}}.Encode()
		if a, _ = l.attempt(func() (*answer, error) { return h.get(l.replica, address) }); a == nil {
			return
		}
		if a.status != http.StatusBadRequest {
			l.t.Errorf("a spent pushed request got %d", a.status)
		}
	}
}

// underLoad breaks something n times, each time after some acknowledged steps.
func underLoad(t *testing.T, r *replica, n int, breakIt func()) {
	t.Helper()
	l := &load{t: t, replica: r, back: newGate(), steps: make(chan struct{})}
	var workers sync.WaitGroup
	for range faultWorkers {
		workers.Go(l.work)
	}
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	acknowledged := 0
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for range n {
		for wanted := 1 + rand.IntN(30); wanted > 0; {
			select {
			case <-l.steps:
				acknowledged++
				wanted--
			case <-again.C: // a connection to a database that is back may fail once more
				l.back.open()
			case <-done:
				t.Fatal("the load ended early")
			}
		}
		breakIt()
		l.back.open()
	}
	l.stop.Store(true)
	for running := true; running; {
		select {
		case <-l.steps:
			acknowledged++
		case <-again.C:
			l.back.open()
		case <-done:
			running = false
		}
	}
	t.Logf("%d times broken, %d steps acknowledged, %d without an answer", n, acknowledged, l.away.Load())
	if l.away.Load() == 0 {
		t.Error("nothing was interrupted: the test shows nothing")
	}
}

// The process is killed at random points and starts again by itself: nothing
// that was acknowledged is lost, and nothing that is good once is used twice.
func TestKilledOnTheEmbeddedStore(t *testing.T) {
	r := newReplica(t, replicaConfig{Store: "bbolt://" + t.TempDir() + "/as.db"})
	underLoad(t, r, faults(t, 15, 200), func() { r.kill(); r.start() })
}

func TestKilledOnPostgreSQL(t *testing.T) {
	db := testservers.Postgres(t)
	r := newReplica(t, replicaConfig{Store: "postgres://postgres@" + db.Address + "/postgres?timeout=5s"})
	underLoad(t, r, faults(t, 15, 200), func() { r.kill(); r.start() })
}

// The database is killed under the server, which answers 503 meanwhile and needs
// no restart.
func TestPostgreSQLKilled(t *testing.T) {
	db := testservers.Postgres(t)
	r := newReplica(t, replicaConfig{Store: "postgres://postgres@" + db.Address + "/postgres?timeout=5s"})
	underLoad(t, r, faults(t, 3, 20), func() { db.Crash(); db.Start() })
}
