package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of every server. A handler that streams sets deadlines of its own with
// an http.ResponseController.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 30 * time.Second // body included
	WriteTimeout      = 60 * time.Second
	IdleTimeout       = 2 * time.Minute
	MaxHeaderBytes    = 64 << 10

	// DefaultMaxRequests is how many requests a server works on at a time;
	// further ones get 503.
	DefaultMaxRequests = 1024
)

// Server is one of the servers of a process. Listener and Handler are required.
type Server struct {
	Name     string // in errors
	Listener net.Listener
	Handler  http.Handler

	Last bool // stops after the others have: it shows how they are

	MaxRequests int // at a time; 0 means DefaultMaxRequests
}

// Serve runs the servers until ctx ends or one of them fails, then stops all of
// them: they accept nothing more and finish what they are working on, for at
// most as long as drain; what is not finished then is cut off. It returns when
// every goroutine of the servers has ended, with what failed. It closes the
// listeners.
func Serve(ctx context.Context, drain time.Duration, log *slog.Logger, servers ...Server) error {
	failed := make(chan error, len(servers))
	running := make([]*http.Server, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		h := s.server(log)
		running[i] = h
		all.Go(func() {
			if err := h.Serve(s.Listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s listener: %w", s.Name, err)
			}
		})
	}
	var errs []error
	select {
	case <-ctx.Done():
	case err := <-failed:
		errs = append(errs, err)
	}
	errs = append(errs, stop(drain, servers, running))
	all.Wait()
	close(failed)
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// stop drains the servers side by side, those that are Last after the others.
func stop(drain time.Duration, servers []Server, running []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	errs := make([]error, len(servers))
	for _, last := range []bool{false, true} {
		var all sync.WaitGroup
		for i, s := range servers {
			if s.Last != last {
				continue
			}
			all.Go(func() {
				if err := running[i].Shutdown(ctx); err != nil {
					running[i].Close()
					errs[i] = fmt.Errorf("%s listener: requests were cut off after %v: %w", s.Name, drain, err)
				}
			})
		}
		all.Wait()
	}
	return errors.Join(errs...)
}

func (s Server) server(log *slog.Logger) *http.Server {
	limit := s.MaxRequests
	if limit == 0 {
		limit = DefaultMaxRequests
	}
	return &http.Server{
		Handler:           atMost(limit, s.Handler),
		ReadHeaderTimeout: ReadHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      WriteTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// atMost refuses what goes beyond n requests at a time.
func atMost(n int, h http.Handler) http.Handler {
	places := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "the server is busy", http.StatusServiceUnavailable)
		}
	})
}
