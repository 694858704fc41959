package authserver

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// TestRotationFollowsItsRules plays with one family of refresh tokens: any
// generation is presented at any time by one of two holders, and what happens is
// compared with the rules written down once more, the short way.
func TestRotationFollowsItsRules(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	holders := []binding{{JKT: holdfast.Thumbprint{1}}, {X5T: holdfast.Thumbprint{2}}, {}}
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.SampledFrom([]string{"none", "client_secret_basic"}).Draw(t, "method")
		c := &client{Client: Client{Client: metadata.Client{ClientID: "c", AuthMethod: method, GrantTypes: []string{grantRefresh}}}}
		request := &call{Request: httptest.NewRequest("POST", "/token", nil), client: c}
		first, err := ts.newGrant(context.Background(), c, approval{Client: "c"}, binding{})
		if err != nil {
			t.Fatal(err)
		}
		var model struct {
			current       uint32
			rotated, used time.Time
			by            binding
			dead          bool
		}
		model.current, model.used = 1, ts.now()
		until := ts.now().Add(DefaultRefreshLifetime)

		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			ts.clock.Advance(rapid.SampledFrom([]time.Duration{0, 0, time.Second, rotationGrace, 11 * time.Second, 24 * time.Hour, DefaultRefreshIdle}).Draw(t, "later"))
			generation := uint32(rapid.IntRange(max(1, int(model.current)-2), int(model.current)+1).Draw(t, "generation"))
			holder := rapid.SampledFrom(holders).Draw(t, "holder")
			now := ts.now()

			want := uint32(0) // the generation of the answer; 0: refused
			switch {
			case model.dead || !now.Before(until) || now.Sub(model.used) >= DefaultRefreshIdle:
			case generation == model.current:
				want = generation + 1
				model.current, model.rotated, model.used, model.by = want, now, now, holder
			case generation == model.current-1 && now.Sub(model.rotated) <= rotationGrace && holder == model.by && (holder != binding{} || method != "none"):
				want = model.current
			default:
				model.dead = true
			}

			e, err := load[grantRecord](context.Background(), ts.store, kindGrant, first.Key)
			if err != nil { // the record has expired with the grant
				if want != 0 || now.Before(until) {
					t.Fatalf("the record is gone: %v", err)
				}
				return
			}
			got, err := ts.rotate(request, &grant{entry: e, handle: first.handle}, generation, holder)
			switch {
			case want == 0:
				wantRefusal(t, err, errInvalidGrant, "refresh_token")
			case err != nil:
				t.Fatalf("generation %d of %d: %v", generation, model.current, err)
			case got.Value.Generation != want:
				t.Fatalf("the answer has generation %d, want %d", got.Value.Generation, want)
			}
		}
	})
}
