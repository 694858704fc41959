package client_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// callTogether makes as many calls at once and returns how many requests came of it.
func callTogether(t *testing.T, a *api, tr http.RoundTripper, callers int) int {
	t.Helper()
	from := len(a.sights())
	var wg sync.WaitGroup
	var refused atomic.Int64
	for range callers {
		wg.Go(func() {
			r, err := (&http.Client{Transport: tr}).Get(a.URL)
			if err != nil || r.StatusCode != http.StatusOK {
				refused.Add(1)
			}
			if err == nil {
				r.Body.Close()
			}
		})
	}
	wg.Wait()
	if n := refused.Load(); n > 0 {
		t.Errorf("%d of %d calls failed", n, callers)
	}
	return len(a.sights()) - from
}

// direct hands requests to the server without a network, so that a test decides
// about time.
type direct struct{ *api }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	d.handle(w, in)
	return w.Result(), nil
}

// D-9-02, D-8.2-01: after a quiet time one request brings the nonce for all.
func TestManyCallersAskForOneNonce(t *testing.T) {
	a := newAPI(t, needNonce)
	synctest.Test(t, func(t *testing.T) { manyCallersAskForOneNonce(t, a) })
}

func manyCallersAskForOneNonce(t *testing.T, a *api) {
	const callers = 1000
	tr := a.transport()
	tr.Base = direct{a}
	var ahead atomic.Int64 // of the client's clock
	tr.Now = func() time.Time { return callTime.Add(time.Duration(ahead.Load())) }
	if n := callTogether(t, a, tr, callers); n != callers+1 {
		t.Errorf("first contact: %d requests for %d callers, want one more", n, callers)
	}
	a.ring.epoch.Store(100) // expired
	ahead.Store(int64(time.Minute))
	a.offset.Store(int64(time.Minute))
	if n := callTogether(t, a, tr, callers); n != callers+1 {
		t.Errorf("after a quiet time: %d requests for %d callers, want one more", n, callers)
	}
	if n := callTogether(t, a, tr, callers); n != callers {
		t.Errorf("with a fresh nonce: %d requests for %d callers", n, callers)
	}
}

// A request that takes long holds nobody up for long, and one that fails does not
// leave the others waiting.
func TestASlowPioneerIsNotWaitedFor(t *testing.T) {
	a := newAPI(t, func(_ *api, c *holdfast.Config) { c.Proof.Nonce = holdfast.NonceOptional })
	tr := a.transport()
	slow, arrived := make(chan struct{}), make(chan struct{})
	a.serve = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-slow
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if r, err := (&http.Client{Transport: tr}).Get(a.URL + "/slow"); err == nil {
			r.Body.Close()
		}
	}()
	<-arrived
	if status, _ := get(t, tr, a.URL); status != http.StatusOK { // returns while the first is still away
		t.Errorf("status %d", status)
	}
	close(slow)
	<-done

	broken := a.transport()
	broken.Base = failing{}
	for range 2 {
		if r, err := (&http.Client{Transport: broken}).Get(a.URL); err == nil {
			r.Body.Close()
			t.Error("no error")
		}
	}
}

type failing struct{}

func (failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, http.ErrServerClosed
}
