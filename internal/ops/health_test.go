package ops_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/ops"
)

func ask(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealth(t *testing.T) {
	var fault error
	var log bytes.Buffer
	h := ops.NewHealth(slog.New(slog.NewTextHandler(&log, nil)), ops.ReadyCheck{Name: "store", Check: func(context.Context) error { return fault }})
	m := http.NewServeMux()
	h.Handle(m)
	expect := func(path string, status int, body string) {
		t.Helper()
		if s, b := ask(m, path); s != status || b != body {
			t.Errorf("%s is answered with %d %q, want %d %q", path, s, b, status, body)
		}
	}
	expect("/readyz", 200, "ready\n")
	fault = errors.New("no route to db.internal")
	expect("/readyz", 503, "not ready: store\n")
	if !strings.Contains(log.String(), "db.internal") {
		t.Error("the log does not say why")
	}
	expect("/healthz", 200, "alive\n")
	fault = nil
	h.Drain()
	expect("/readyz", 503, "not ready: stopping\n")
	expect("/healthz", 200, "alive\n")
}

func TestMetrics(t *testing.T) {
	m := ops.NewMetrics("v1.2.3")
	c := m.Counter("tests_total", "Tests.", "word")
	c.Add(2, "one")
	m.Gauge("depth", "Depth.", func() float64 { return 7 })
	h := m.Latency("request_seconds", "Requests.", func(string) string { return "token" }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
	}))
	ask(h, "/")
	_, text := ask(m.Handler(), "/metrics")
	for _, want := range []string{
		`holdfast_build_info{version="v1.2.3"} 1`, `tests_total{word="one"} 2`, "depth 7", "go_goroutines",
		`request_seconds_count{endpoint="token",status="418"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in the metrics", want)
		}
	}
}

// Whoever can make up label values cannot make up any number of series.
func TestSeriesAreBounded(t *testing.T) {
	m := ops.NewMetrics("")
	c := m.Counter("made_up_total", "Made up.", "word")
	for i := range ops.MaxSeries + 50 {
		c.Add(1, fmt.Sprint("word-", i))
	}
	c.Add(1, "word-0")
	_, text := ask(m.Handler(), "/metrics")
	if n := strings.Count(text, "\nmade_up_total{"); n != ops.MaxSeries+1 {
		t.Errorf("%d series, want %d", n, ops.MaxSeries+1)
	}
	if !strings.Contains(text, `made_up_total{word="other"} 50`) || !strings.Contains(text, `made_up_total{word="word-0"} 2`) {
		t.Error("the others are not counted, or the known ones are not")
	}
}
