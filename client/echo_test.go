package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// net/http quotes what it cannot read of an answer, which may be what was sent.
func TestAnErrorOfBaseRepeatsNoSecret(t *testing.T) {
	var proof string
	tr := &client.Transport{
		Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Key: newKey(t)}},
		Origins: []string{"https://api.example"},
		Base: roundTripper(func(r *http.Request) (*http.Response, error) {
			proof = r.Header.Get("DPoP")
			return nil, fmt.Errorf("malformed HTTP response %q", r.Header.Get("Authorization")+" "+proof)
		}),
	}
	r, _ := http.NewRequest("GET", "https://api.example/", nil)
	_, err := tr.RoundTrip(r)
	if err == nil || strings.Contains(err.Error(), tokenValue) || strings.Contains(err.Error(), proof) {
		t.Error("the error repeats a secret, or there is none")
	}
}
