package client

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

func nonceHeader(v ...string) http.Header { return http.Header{"Dpop-Nonce": v} }

// D-8-10, D-8-06, D-8.1-02.
func TestANonceJarLearnsWhatCanGoIntoAProof(t *testing.T) {
	long := strings.Repeat("a", holdfast.MaxNonceBytes)
	for _, tt := range []struct {
		name string
		h    http.Header
		want string // what is known then
	}{
		{"one", nonceHeader("n2"), "n2"},
		{"the longest", nonceHeader(long), long},
		{"none", http.Header{}, "n1"},
		{"empty", nonceHeader(""), "n1"},
		{"two", nonceHeader("n2", "n3"), "n1"},
		{"too long", nonceHeader(long + "a"), "n1"},
		{"a space", nonceHeader("n 2"), "n1"},
		{"a quote", nonceHeader(`n"2`), "n1"},
		{"a backslash", nonceHeader(`n\2`), "n1"},
		{"a control character", nonceHeader("n\x002"), "n1"},
		{"not ASCII", nonceHeader("n\u00e9"), "n1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var j NonceJar
			j.learn(roleResource, "https://api.example", nonceHeader("n1"))
			j.learn(roleResource, "https://api.example", tt.h)
			if got := j.get(roleResource, "https://api.example"); got != tt.want {
				t.Errorf("nonce %.20q, want %.20q", got, tt.want)
			}
		})
	}
}

// D-9-03: neither servers nor roles share a nonce.
func TestANonceJarKeepsServersAndRolesApart(t *testing.T) {
	var j NonceJar
	j.learn(roleServer, "https://one.example", nonceHeader("as"))
	j.learn(roleResource, "https://one.example", nonceHeader("rs"))
	for _, tt := range []struct {
		role         role
		origin, want string
	}{
		{roleServer, "https://one.example", "as"},
		{roleResource, "https://one.example", "rs"},
		{roleResource, "https://two.example", ""},
		{roleServer, "https://one.example:8443", ""},
	} {
		if got := j.get(tt.role, tt.origin); got != tt.want {
			t.Errorf("%s: nonce %q, want %q", tt.origin, got, tt.want)
		}
	}
}

// D-8-10: however many nonces and servers there are, memory is bounded, and
// what is in use is kept.
func TestANonceJarIsBounded(t *testing.T) {
	var j NonceJar
	j.learn(roleResource, "https://used.example", nonceHeader("kept"))
	for i := range 3 * MaxNonceOrigins {
		j.learn(roleResource, fmt.Sprintf("https://%d.example", i), nonceHeader("n"))
		j.learn(roleResource, "https://busy.example", nonceHeader(fmt.Sprint("n", i)))
		if got := j.get(roleResource, "https://used.example"); got != "kept" {
			t.Fatalf("nonce %q after %d others", got, i)
		}
	}
	if len(j.byKey) != MaxNonceOrigins || j.order.Len() != MaxNonceOrigins {
		t.Errorf("%d and %d entries", len(j.byKey), j.order.Len())
	}
	if got := j.get(roleResource, "https://0.example"); got != "" {
		t.Errorf("the oldest is still there: %q", got)
	}
}

func TestANonceJarIsSharedByGoroutines(t *testing.T) {
	var j NonceJar
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 100 {
				origin := fmt.Sprintf("https://%d.example", k%10)
				j.learn(roleResource, origin, nonceHeader(fmt.Sprint("n", i)))
				if j.get(roleResource, origin) == "" {
					t.Error("a nonce was lost")
				}
			}
		})
	}
	wg.Wait()
}
