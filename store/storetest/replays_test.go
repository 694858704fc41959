package storetest

import (
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

func TestTheCacheInTheProcessConforms(t *testing.T) {
	Replays(t, func(t testing.TB) holdfast.ReplayCache {
		r, err := holdfast.NewReplays(holdfast.ReplayConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}
