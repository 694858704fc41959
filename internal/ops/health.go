package ops

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// readyTimeout is how long the checks of one readiness request may take.
const readyTimeout = 2 * time.Second

// ReadyCheck finds out whether one thing that a server depends on is there.
type ReadyCheck struct {
	Name  string // public, such as "store"
	Check func(context.Context) error
}

// Health answers whether the process lives (/healthz) and whether it should get
// requests (/readyz). It names what is missing; why is in the log only. Safe for
// concurrent use; make it with [NewHealth].
type Health struct {
	checks   []ReadyCheck
	log      *slog.Logger
	draining atomic.Bool
}

// NewHealth returns a Health that is ready while all checks succeed.
func NewHealth(log *slog.Logger, checks ...ReadyCheck) *Health {
	return &Health{checks: slices.Clone(checks), log: log}
}

// Drain makes the process not ready for good: it is about to stop.
func (h *Health) Drain() { h.draining.Store(true) }

// Handle adds the two paths to a mux.
func (h *Health) Handle(m *http.ServeMux) {
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	m.HandleFunc("GET /readyz", h.ready)
}

func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if h.draining.Load() {
		http.Error(w, "not ready: stopping", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	for _, c := range h.checks {
		if err := c.Check(ctx); err != nil {
			h.log.Warn("not ready", "check", c.Name, "error", err)
			http.Error(w, "not ready: "+c.Name, http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ready")
}
