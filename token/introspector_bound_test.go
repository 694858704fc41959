package token

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

func TestQuestionsAtOnceAreBounded(t *testing.T) {
	var now, most atomic.Int64
	full, release := make(chan struct{}), make(chan struct{})
	p := newPeer(t, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == MaxQuestions {
			close(full)
		}
		<-release
		_, _ = w.Write([]byte(`{"active":false}`))
	})
	i := newIntrospector(t, p, nil)
	var wg sync.WaitGroup
	for range 2 * MaxQuestions {
		wg.Go(func() {
			if k, err := i.ReadToken(t.Context(), holdfast.NewSecret("invented")); err != nil || k.State != holdfast.TokenInactive {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
	<-full
	// Whoever waits can give up, and is not told anything about the token.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var e *Error
	if _, err := i.ReadToken(gone, holdfast.NewSecret("invented")); !errors.As(err, &e) {
		t.Errorf("a caller that gave up: %v", err)
	}
	release <- struct{}{}
	close(release)
	wg.Wait()
	if n := most.Load(); n != MaxQuestions {
		t.Errorf("%d questions at once, want %d", n, MaxQuestions)
	}
}
