package e2e_test

import (
	"crypto/tls"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// http1 is a base that speaks HTTP/1.1 only, whose connections can be hijacked.
func (w *world) http1() *http.Transport {
	base := w.resource.Client().Transport.(*http.Transport).Clone()
	base.ForceAttemptHTTP2, base.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	base.TLSClientConfig.NextProtos = nil
	return base
}

// unanswered lets the guard judge the request that it is armed for and then
// drops the connection instead of answering.
type unanswered struct{ armed atomic.Bool }

func (u *unanswered) around(guarded http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !u.armed.CompareAndSwap(true, false) {
			guarded.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(httptest.NewRecorder(), r)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
}

// net/http sends an idempotent request again by itself when a kept connection
// turns out to be dead: with the same proof, which the server has seen.
func TestDroppedConnection(t *testing.T) {
	var drop unanswered
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{Around: drop.around})
	tr := w.transport(given{w.token(holdfasttest.TokenSpec{})})
	tr.Base = w.http1()
	c := &http.Client{Transport: tr}
	wantStatus(t, w.get(c, "/"), http.StatusOK)
	w.resource.ExpireNonces()

	t.Run("a GET succeeds with a new proof", func(t *testing.T) {
		wantStatus(t, w.get(c, "/"), http.StatusOK) // a fresh nonce, so that the drop meets a proof that counts
		drop.armed.Store(true)
		seen := len(w.tape.all())
		wantStatus(t, w.get(c, "/"), http.StatusOK)
		x := w.tape.all()[seen:]
		if len(x) != 2 || x[0].Status != http.StatusUnauthorized || !strings.Contains(string(x[0].Body), "replay.jti.replayed") {
			t.Fatalf("exchanges %v: the server has not seen a replay", x)
		}
		w.tape.wantDistinctProofs(t) // D-7.3-01
		w.tape.wantCause(t, "")
	})
	t.Run("a POST is not sent twice", func(t *testing.T) { // D-7.3-02
		drop.armed.Store(true)
		_, before := w.resource.Requests()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.resource.URL+"/orders", strings.NewReader("one"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err == nil {
			resp.Body.Close()
			t.Errorf("answered with %d", resp.StatusCode)
		}
		if _, after := w.resource.Requests(); after != before+1 {
			t.Errorf("the handler ran %d times", after-before)
		}
	})
	t.Run("connections that ended while they were idle cost nothing", func(t *testing.T) {
		tr.CloseIdleConnections()
		seen := len(w.tape.all())
		wantStatus(t, w.get(c, "/"), http.StatusOK)
		if n := len(w.tape.all()) - seen; n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// repeating sends a request again after 429, as a layer of its own would.
type repeating struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	for range 3 {
		resp, err := p.base.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests {
			return resp, err
		}
		_ = resp.Body.Close()
		if r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			r = r.Clone(r.Context())
			r.Body = body
		}
	}
	return p.base.RoundTrip(r)
}

// busy answers 429 to the request that it is armed for, behind the guard.
type busy struct{ armed atomic.Bool }

// ServeHTTP implements http.Handler.
func (b *busy) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if b.armed.CompareAndSwap(true, false) {
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

func TestRetryAfterTooManyRequests(t *testing.T) {
	var handler busy
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{Handler: &handler})
	tokens := given{w.token(holdfasttest.TokenSpec{})}
	below := w.transport(tokens)
	below.Base = repeating{below.Base}
	above := &http.Client{Transport: repeating{w.transport(tokens)}}
	c := &http.Client{Transport: below}
	wantStatus(t, w.get(c, "/"), http.StatusOK)
	wantStatus(t, w.get(above, "/"), http.StatusOK)

	t.Run("above the Transport every try has its own proof", func(t *testing.T) {
		handler.armed.Store(true)
		wantStatus(t, do(t, above, http.MethodPost, w.resource.URL+"/", strings.NewReader("x")), http.StatusOK)
		w.tape.wantDistinctProofs(t)
	})
	t.Run("below it a GET recovers from the replay", func(t *testing.T) {
		handler.armed.Store(true)
		wantStatus(t, w.get(c, "/"), http.StatusOK)
	})
	// The lower layer hides the first request, so that the evidence cannot decide.
	t.Run("below it a POST is refused, and the evidence names the candidate", func(t *testing.T) {
		handler.armed.Store(true)
		seen := len(w.tape.all())
		wantStatus(t, do(t, c, http.MethodPost, w.resource.URL+"/", strings.NewReader("x")), http.StatusUnauthorized)
		wantDiagnosis(t, w.tape.all()[seen:], explain.Knowledge{}, explain.Undetermined, "proof-reused-on-retry")
	})
}

// The same request byte for byte, as an eavesdropper would send it.
func TestReplayedRequest(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	c := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	wantStatus(t, w.get(c, "/"), http.StatusOK)
	last := w.tape.all()[len(w.tape.all())-1]
	thief := &http.Client{Transport: &recorder{base: w.resource.Client().Transport, tape: w.tape, now: w.clock.Now}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, last.Request.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = maps.Clone(last.RequestHeader)
	resp, err := thief.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), "replay.jti.replayed") { // D-11.1-02
		t.Errorf("status %d: %s", resp.StatusCode, text)
	}
	w.tape.wantCause(t, "proof-reused-on-retry")
}
