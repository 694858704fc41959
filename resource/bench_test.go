package resource

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/token"
)

// freshReplays calls every proof the first: a benchmark repeats itself.
type freshReplays struct{}

func (freshReplays) Use(context.Context, holdfast.ReplayID, time.Time) (bool, error) {
	return true, nil
}

// BenchmarkGuard serves one request with a guard and without, in turns with a
// bare ecdsa.VerifyASN1 of the standard library, and reports what the guard adds
// as a ratio to that: at most 1.6 for a client that returns, whose token is in
// the cache. Refusals are what a stranger's rubbish costs.
//
//	go test -run xxx -bench Guard ./resource
func BenchmarkGuard(b *testing.B) {
	w := newWorld(b, func(w *world) {
		cache, err := token.NewCache(token.CacheConfig{Tokens: w.config.Verify.Tokens, Now: w.clock.Now})
		if err != nil {
			b.Fatal(err)
		}
		w.config.Verify.Tokens, w.config.Verify.Proof.Replays = cache, freshReplays{}
		w.config.Log, w.config.OnDeny = slog.New(slog.DiscardHandler), nil
	})
	hello := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "hello") })
	guarded, err := w.guard.Protect(holdfast.Requirement{Scope: []string{"read"}}, hello)
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*call)
		want   int
	}{
		{"accepted", func(*call) {}, http.StatusOK},
		{"refused-no-credentials", func(c *call) { c.scheme, c.bare = "", true }, http.StatusUnauthorized},
		{"refused-htu", func(c *call) { c.proofFor = public + "/other" }, http.StatusUnauthorized},
	} {
		b.Run(tt.name, func(b *testing.B) {
			c := w.good()
			tt.change(c)
			w.fill(c)
			serve := func(h http.Handler, want int) {
				r := httptest.NewRequest(c.method, c.path, nil)
				r.Header["Authorization"], r.Header["Dpop"] = c.authorization, c.proofs
				rec := httptest.NewRecorder()
				if h.ServeHTTP(rec, r); rec.Code != want {
					b.Fatalf("status %d, want %d: %s", rec.Code, want, rec.Body)
				}
			}
			bare := bareVerify(b)
			with := testing.AllocsPerRun(100, func() { serve(guarded, tt.want) })
			without := testing.AllocsPerRun(100, func() { serve(hello, http.StatusOK) })
			ours, theirs := make([]time.Duration, b.N), make([]time.Duration, b.N)
			b.ResetTimer()
			for i := range b.N {
				t0 := time.Now()
				serve(guarded, tt.want)
				t1 := time.Now()
				serve(hello, http.StatusOK)
				t2 := time.Now()
				bare()
				ours[i], theirs[i] = t1.Sub(t0)-t2.Sub(t1), time.Since(t2)
			}
			b.StopTimer()
			slices.Sort(ours)
			slices.Sort(theirs)
			b.ReportMetric(float64(ours[b.N/2])/float64(theirs[b.N/2]), "x-verify")
			b.ReportMetric(float64(ours[b.N/2].Nanoseconds()), "ns/op")
			b.ReportMetric(with-without, "allocs")
		})
	}
}

// bareVerify returns one verification of the standard library.
func bareVerify(b *testing.B) func() {
	b.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	h := sha256.Sum256([]byte("x"))
	sig, err := ecdsa.SignASN1(rand.Reader, k, h[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if !ecdsa.VerifyASN1(&k.PublicKey, h[:], sig) {
			b.Fatal("a good signature is refused")
		}
	}
}
