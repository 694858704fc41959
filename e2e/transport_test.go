package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

func TestCallWithNonces(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	c := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}

	r := w.get(c, "/orders?page=2")
	wantStatus(t, r, http.StatusOK)
	if r.ProtoMajor != 2 || !strings.Contains(bodyOf(t, r), `"alice"`) {
		t.Errorf("HTTP/%d", r.ProtoMajor)
	}
	if n := len(w.tape.all()); n != 2 { // D-9-02: challenge and answer
		t.Errorf("%d requests for the first call, want 2", n)
	}
	for i := range 20 { // D-8.2-01: the nonce stays in use
		wantStatus(t, do(t, c, http.MethodPost, w.resource.URL+"/orders", strings.NewReader(fmt.Sprint(i))), http.StatusOK)
	}
	if n := len(w.tape.all()); n != 22 {
		t.Errorf("%d requests for 21 calls, want 22", n)
	}
	for _, x := range w.tape.all() { // D-7-01
		if len(x.Request.Proofs) != 1 || len(x.Request.Authorization) != 1 || !strings.HasPrefix(x.Request.Authorization[0].Reveal(), "DPoP ") {
			t.Errorf("%d proofs, %d credentials", len(x.Request.Proofs), len(x.Request.Authorization))
		}
	}
	w.tape.wantDistinctProofs(t) // D-4-01, D-7.3-01
	w.tape.wantCause(t, "")
}

// getOK is get for goroutines that are not the test's.
func getOK(c *http.Client, target string) error {
	r, err := c.Get(target)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", r.StatusCode)
	}
	return nil
}

// together runs f n times at once and returns the first error.
func together(n int, f func() error) error {
	var wg sync.WaitGroup
	start, results := make(chan struct{}), make(chan error, n)
	for range n {
		wg.Go(func() { <-start; results <- f() })
	}
	close(start)
	wg.Wait()
	close(results)
	for err := range results {
		if err != nil {
			return err
		}
	}
	return nil
}

// Everybody starts with a nonce that has just expired.
func TestManyCallersOnAnExpiredNonce(t *testing.T) {
	const callers = 1000
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	tr := w.transport(given{w.token(holdfasttest.TokenSpec{})})
	tr.OnExchange = nil // evidence of 1000 calls is not the point here
	c := &http.Client{Transport: tr}
	wantStatus(t, w.get(c, "/"), http.StatusOK)
	before, _ := w.resource.Requests()
	w.resource.ExpireNonces()
	w.clock.Advance(time.Minute)

	if err := together(callers, func() error { return getOK(c, w.resource.URL) }); err != nil {
		t.Fatal(err)
	}
	arrived, accepted := w.resource.Requests()
	t.Logf("%d calls took %d requests", callers, arrived-before)
	if arrived -= before; arrived > 2*callers || accepted != callers+1 { // D-9-06, D-8-12
		t.Errorf("%d requests, %d accepted", arrived, accepted)
	}
}

func TestClockFiveMinutesOff(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
		t.Run(off.String(), func(t *testing.T) {
			w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{Nonce: holdfast.NonceOptional})
			tr := w.transport(given{w.token(holdfasttest.TokenSpec{})})
			tr.Now = func() time.Time { return w.clock.Now().Add(off) }
			var corrections []time.Duration
			tr.OnCorrection = func(origin string, by time.Duration) {
				if origin != w.resource.URL {
					t.Errorf("corrected for %s", origin)
				}
				corrections = append(corrections, by)
			}
			c := &http.Client{Transport: tr}
			for range 3 {
				wantStatus(t, w.get(c, "/"), http.StatusOK)
			}
			if len(corrections) != 1 || (corrections[0]+off).Abs() > 2*time.Second {
				t.Errorf("corrections %v", corrections)
			}
			if n := len(w.tape.all()); n != 4 {
				t.Errorf("%d requests for three calls, want 4", n)
			}
			w.tape.wantDistinctProofs(t)
			wantCause(t, w.tape.all()[:1], explain.Knowledge{}, "client-clock-skew") // what was refused before the correction
		})
	}
}

func TestClockTooFarOff(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{Nonce: holdfast.NonceOptional})
	tr := w.transport(given{w.token(holdfasttest.TokenSpec{})})
	tr.Now = func() time.Time { return w.clock.Now().Add(client.MaxCorrection + time.Minute) }
	r := w.get(&http.Client{Transport: tr}, "/")
	wantStatus(t, r, http.StatusUnauthorized)
	w.tape.wantCause(t, "client-clock-skew")
	if e := client.Failure(r); e == nil || e.Code != "invalid_dpop_proof" || !strings.Contains(e.Hint, "clock") {
		t.Errorf("failure: %v, hint %q", e, e.Hint)
	}
}

func TestRedirectToTheSameOriginGetsItsOwnProof(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusTemporaryRedirect)
		}
	})})
	c := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	wantStatus(t, do(t, c, http.MethodPost, w.resource.URL+"/old", strings.NewReader("x")), http.StatusOK) // D-7.3-03
	if x := w.tape.all(); len(x) != 3 || x[2].Request.URL != w.resource.URL+"/new" {
		t.Errorf("exchanges: %v", x)
	}
	w.tape.wantDistinctProofs(t)
	w.tape.wantCause(t, "")
}

func TestRedirectToAnotherOriginGetsNoCredentials(t *testing.T) {
	var leaked []string
	other := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if name == "Authorization" || name == "Dpop" {
				leaked = append(leaked, name)
			}
		}
	}))
	defer other.Close()
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{
		Handler: http.RedirectHandler(other.URL, http.StatusTemporaryRedirect),
	})
	c := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	r := w.get(c, "/")
	wantStatus(t, r, http.StatusOK)
	if r.Request.URL.Host != strings.TrimPrefix(other.URL, "https://") || len(leaked) > 0 { // B-5.3-01
		t.Errorf("answered by %s, leaked %v", r.Request.URL.Host, leaked)
	}
}
