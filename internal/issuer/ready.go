package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
	"github.com/holdfast-oauth/holdfast/store"
)

// maxKeySet is the longest key set that is looked into.
const maxKeySet = 64 << 10

// kindProbe is a kind of which there are no records.
const kindProbe store.Kind = "probe"

// readyChecks are what the server depends on. A shared replay cache that has lost
// its memory, or has none yet, takes a moment until it can judge.
func readyChecks(s store.Store, replays holdfast.ReplayCache, public http.Handler, base string) []ops.ReadyCheck {
	checks := []ops.ReadyCheck{
		{Name: "store", Check: func(ctx context.Context) error {
			_, err := s.Get(ctx, kindProbe, [32]byte{})
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}},
		{Name: "signing key", Check: func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/jwks", nil)
			if err != nil {
				return err
			}
			a := &answer{header: http.Header{}, status: http.StatusOK}
			public.ServeHTTP(a, r)
			keys, err := strictjson.Parse(string(a.body), maxKeySet)
			if a.status != http.StatusOK || err != nil {
				return fmt.Errorf("the key set is answered with %d", a.status)
			}
			v, _ := keys.Get("keys")
			if list, _ := v.Array(); len(list) == 0 {
				return errors.New("the key set has no keys")
			}
			return nil
		}},
	}
	if p, ok := replays.(holdfast.ReplayPeeker); ok {
		checks = append(checks, ops.ReadyCheck{Name: "replays", Check: func(ctx context.Context) error {
			_, err := p.Peek(ctx, holdfast.ReplayID{})
			return err
		}})
	}
	return checks
}

// answer is an answer of a handler to a question of this process.
type answer struct {
	header http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header    { return a.header }
func (a *answer) WriteHeader(status int) { a.status = status }
func (a *answer) Write(b []byte) (int, error) {
	if len(a.body)+len(b) > maxKeySet {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxKeySet)
	}
	a.body = append(a.body, b...)
	return len(b), nil
}
