package login

import (
	"net/url"
	"testing"
	"time"
)

func TestAProviderIsAskedForAFreshLogin(t *testing.T) {
	p := newProvider(t, newDouble(t).config())
	for age, want := range map[time.Duration][2]string{
		0:                {"0", "login"},
		90 * time.Second: {"90", ""},
	} {
		address, keep, err := p.BeginFresh(t.Context(), ourRedirect, age)
		if err != nil || len(keep) == 0 {
			t.Fatalf("%v: %d bytes to keep, error %v", age, len(keep), err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if q := u.Query(); q.Get("max_age") != want[0] || q.Get("prompt") != want[1] || q.Get("code_challenge_method") != "S256" {
			t.Errorf("%v: the request has max_age %q and prompt %q, want %q", age, q.Get("max_age"), q.Get("prompt"), want)
		}
	}
	if _, plain := begin(t, p); plain.Has("max_age") || plain.Has("prompt") {
		t.Error("a login of any age is asked to be fresh")
	}
}
