package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// A body that is read once is sent while it is read, and again from what was
// kept and what was not read yet.
func TestABodyIsSentWhileItIsRead(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", version), func(t *testing.T) {
			a := newAPI(t, func(a *api, c *holdfast.Config) {
				needNonce(a, c)
				a.EnableHTTP2 = version == 2
			})
			arrived := make(chan struct{})
			a.before = func(_ http.ResponseWriter, r *http.Request, n int) bool {
				if n == 1 { // the beginning is here before the end was written
					_, _ = io.ReadFull(r.Body, make([]byte, 5))
					close(arrived)
				}
				return false
			}
			src, dst := io.Pipe()
			go func() {
				_, _ = io.WriteString(dst, "begin")
				<-arrived
				_, _ = io.WriteString(dst, " end")
				dst.Close()
			}()
			r, _ := http.NewRequest("POST", a.URL, src)
			resp, err := a.transport().RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			status, _ := read(t, resp)
			if s := a.sights(); status != 200 || len(s) != 2 || s[1].Body != "begin end" {
				t.Errorf("status %d after %d requests", status, len(s))
			}
		})
	}
}

// With Expect: 100-continue nothing of a body is sent to a server that refuses,
// however long it is.
func TestExpectContinueIsRespected(t *testing.T) {
	a := newAPI(t, func(a *api, c *holdfast.Config) {
		needNonce(a, c)
		a.EnableHTTP2 = false
	})
	tr := a.transport()
	tr.MaxBody = 10
	base := tr.Base.(*http.Transport).Clone()
	base.ExpectContinueTimeout = http.DefaultTransport.(*http.Transport).ExpectContinueTimeout * 60
	tr.Base = base
	body := &closing{Reader: strings.NewReader(strings.Repeat("b", 5000))}
	r, _ := http.NewRequest("PUT", a.URL, body)
	r.Header.Set("Expect", "100-continue")
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := read(t, resp)
	if s := a.sights(); status != 200 || len(s) != 2 || len(s[1].Body) != 5000 {
		t.Errorf("status %d after %d requests", status, len(s))
	}
	base.CloseIdleConnections()
	if body.closed.Load() != 1 {
		t.Errorf("the body was closed %d times", body.closed.Load())
	}
}

func TestTrailersAreSent(t *testing.T) {
	a := newAPI(t, nil)
	r, _ := http.NewRequest("POST", a.URL, nil)
	r.Trailer = http.Header{"X-End": nil}
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("b"), eofFunc(func() { r.Trailer.Set("X-End", "7") })))
	resp, err := a.transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if read(t, resp); a.sights()[0].Trailer != "7" {
		t.Errorf("trailer %q", a.sights()[0].Trailer)
	}
}

type eofFunc func()

func (f eofFunc) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// Neither an answer that streams nor one that is no JSON refusal waits for its end.
func TestAnswersStream(t *testing.T) {
	for _, tt := range []struct {
		status int
		kind   string
	}{{200, "text/event-stream"}, {200, "application/json"}, {401, "text/plain"}, {500, "application/json"}} {
		t.Run(fmt.Sprint(tt.status, " ", tt.kind), func(t *testing.T) {
			a := newAPI(t, nil)
			got := make(chan struct{})
			a.serve = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, "{")
				w.(http.Flusher).Flush()
				<-got
				_, _ = io.WriteString(w, "}")
			}
			resp, err := (&http.Client{Transport: a.transport()}).Get(a.URL)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			close(got)
			if _, rest := read(t, resp); rest != "}" {
				t.Errorf("rest %q", rest)
			}
		})
	}
}

// A refusal in JSON is read in part to understand it; the caller gets all of it.
func TestALongRefusalIsGivenWhole(t *testing.T) {
	a := newAPI(t, nil)
	const size = 300 << 10
	a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(401)
		_, _ = io.WriteString(w, strings.Repeat("x", size))
		return true
	}
	if status, body := get(t, a.transport(), a.URL); status != 401 || len(body) != size {
		t.Errorf("status %d with %d bytes", status, len(body))
	}
}

func TestARefusalThatBreaksOffIsGivenAsItIs(t *testing.T) {
	a := newAPI(t, func(a *api, _ *holdfast.Config) { a.EnableHTTP2 = false })
	a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(403)
		_, _ = io.WriteString(w, "{")
		return true
	}
	resp, err := (&http.Client{Transport: a.transport()}).Get(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "{" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("body %q, error %v", b, err)
	}
}

func TestUpgradesPassThrough(t *testing.T) {
	a := newAPI(t, func(a *api, c *holdfast.Config) {
		needNonce(a, c)
		a.EnableHTTP2 = false
	})
	a.serve = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		echo(c, b)
	}
	r, _ := http.NewRequest("GET", a.URL, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	resp, err := a.transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	rw, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != 101 || !ok {
		t.Fatalf("status %d, writable %v", resp.StatusCode, ok)
	}
	defer rw.Close()
	_, _ = io.WriteString(rw, "hello\n")
	if line, err := bufio.NewReader(rw).ReadString('\n'); line != "hello\n" {
		t.Errorf("%q came back, error %v", line, err)
	}
}

func echo(c net.Conn, b *bufio.ReadWriter) {
	line, _ := b.ReadString('\n')
	_, _ = io.WriteString(c, line)
}

// A Transport starts no goroutine, and neither refusals nor bodies that are
// given up leave one behind.
func TestNoGoroutineIsLeftBehind(t *testing.T) {
	a := newAPI(t, nil)
	a.before = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		a.refuse(w, holdfast.CodeProofNonceRequired) // however much of the body there is
		return true
	}
	base := a.Client().Transport.(*http.Transport)
	before := runtime.NumGoroutine()
	for range 20 {
		tr := a.transport()
		tr.MaxBody = 1
		ctx, cancel := context.WithCancel(t.Context())
		src, dst := io.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { // ends when the body is closed
			for {
				if _, err := dst.Write([]byte("some")); err != nil {
					return
				}
			}
		})
		r, _ := http.NewRequestWithContext(ctx, "POST", a.URL, src)
		resp, err := tr.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		cancel()
		wg.Wait()
	}
	base.CloseIdleConnections()
	a.Close()
	for i := 0; runtime.NumGoroutine() > before && i < 1e6; i++ {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}
