package ops_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/ops"
)

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := ops.Listen(t.Context(), ops.Endpoint{Address: "127.0.0.1:0"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func get(t *testing.T, l net.Listener, path string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + l.Addr().String() + path)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return r.StatusCode, string(b)
}

// At the end a request that is under way is answered; the last server is there
// until then.
func TestServeFinishesWhatIsUnderWay(t *testing.T) {
	public, metrics := loopback(t), loopback(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "finished")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- ops.Serve(ctx, time.Minute, slog.New(slog.DiscardHandler),
			ops.Server{Name: "public", Listener: public, Handler: slow},
			ops.Server{Name: "metrics", Listener: metrics, Last: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "still here")
			})})
	}()
	answered := make(chan string, 1)
	go func() {
		_, body := get(t, public, "/")
		answered <- body
	}()
	<-arrived
	stop()
	for { // until the listener is closed
		c, err := net.Dial("tcp", public.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	if _, body := get(t, metrics, "/"); body != "still here" {
		t.Errorf("the last server answers %q", body)
	}
	close(release)
	if body := <-answered; body != "finished" {
		t.Errorf("the request was answered with %q", body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeCutsOffWhatDoesNotEnd(t *testing.T) {
	l := loopback(t)
	arrived := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- ops.Serve(ctx, time.Millisecond, slog.New(slog.DiscardHandler), ops.Server{
			Name: "public", Listener: l,
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(arrived); <-r.Context().Done() }),
		})
	}()
	go func() {
		if r, err := http.Get("http://" + l.Addr().String()); err == nil {
			r.Body.Close()
		}
	}()
	<-arrived
	stop()
	if err := <-ended; err == nil || !strings.HasPrefix(err.Error(), "public listener: requests were cut off after 1ms") {
		t.Errorf("got %v", err)
	}
}

func TestOneServerThatFailsEndsAll(t *testing.T) {
	broken, whole := loopback(t), loopback(t)
	broken.Close()
	err := ops.Serve(t.Context(), time.Second, slog.New(slog.DiscardHandler),
		ops.Server{Name: "broken", Listener: broken, Handler: http.NotFoundHandler()},
		ops.Server{Name: "whole", Listener: whole, Handler: http.NotFoundHandler()})
	if err == nil || !strings.HasPrefix(err.Error(), "broken listener: ") {
		t.Errorf("got %v", err)
	}
	if _, err := net.Dial("tcp", whole.Addr().String()); err == nil {
		t.Error("the other one goes on")
	}
}

func TestABusyServerSaysSo(t *testing.T) {
	l := loopback(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- ops.Serve(ctx, time.Minute, slog.New(slog.DiscardHandler), ops.Server{
			Name: "public", Listener: l, MaxRequests: 1,
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release }),
		})
	}()
	first := make(chan int, 1)
	go func() {
		status, _ := get(t, l, "/")
		first <- status
	}()
	<-arrived
	if status, _ := get(t, l, "/"); status != http.StatusServiceUnavailable {
		t.Errorf("the second request got %d, want 503", status)
	}
	close(release)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first request got %d", status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
