package ops

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// MaxSeries is how many combinations of label values one metric may have. Those
// beyond it are counted under "other" in every label.
const MaxSeries = 500

// Metrics are the metrics of a process, for Prometheus. Make it with
// [NewMetrics]; safe for concurrent use.
type Metrics struct{ registry *prometheus.Registry }

// NewMetrics returns metrics that hold what the Go runtime and the process say,
// and holdfast_build_info with the version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Counter("holdfast_build_info", "The build, as a label of the constant 1.", "version").Add(1, version)
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Counter counts events by labels. Safe for concurrent use.
type Counter struct {
	vec   *prometheus.CounterVec
	bound series
}

// Counter adds a metric. It panics if the name is taken or malformed: names are
// constants of the program.
func (m *Metrics) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{vec: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)}
	m.registry.MustRegister(c.vec)
	return c
}

// Add adds n to the series of the label values.
func (c *Counter) Add(n float64, values ...string) {
	c.vec.WithLabelValues(c.bound.admit(values)...).Add(n)
}

// Gauge adds a metric whose value is read when it is asked for. It panics as
// [Metrics.Counter] does.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Latency adds a histogram of how long h takes, by endpoint and status. endpoint
// names the endpoint of a path: one of few words. It panics as [Metrics.Counter]
// does.
func (m *Metrics) Latency(name, help string, endpoint func(path string) string, h http.Handler) http.Handler {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"endpoint", "status"})
	m.registry.MustRegister(vec)
	bound := &series{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(seen, r)
		values := bound.admit([]string{endpoint(r.URL.Path), strconv.Itoa(seen.status)})
		vec.WithLabelValues(values...).Observe(time.Since(begin).Seconds())
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

// WriteHeader notes the final status.
func (s *statusWriter) WriteHeader(status int) {
	if !s.wrote && status >= http.StatusOK {
		s.status, s.wrote = status, true
	}
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// series bounds the label values of a metric.
type series struct {
	mu   sync.Mutex
	seen map[string]bool
}

// admit returns the values, or "other" for each if there are too many already.
func (s *series) admit(values []string) []string {
	key := strings.Join(values, "\x00")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[key] {
		return values
	}
	if len(s.seen) < MaxSeries {
		if s.seen == nil {
			s.seen = map[string]bool{}
		}
		s.seen[key] = true
		return values
	}
	other := make([]string, len(values))
	for i := range other {
		other[i] = "other"
	}
	return other
}
