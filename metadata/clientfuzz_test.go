package metadata

import (
	"encoding/json"
	"net/url"
	"reflect"
	"testing"
)

// What is accepted is kept as JSON and read again: it must come back as it was.
func FuzzParseClient(f *testing.F) {
	f.Add(everyMember)
	f.Add(`{"redirect_uris": ["http://127.0.0.1/cb"], "jwks": null}`)
	f.Add(`{"dpop_bound_access_tokens": "yes"}`)
	f.Add(`{"client_name": "\u202e", "scope": "a  b"}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseClient([]byte(text))
		if err != nil {
			return
		}
		_ = c.Check()
		written, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(written) > MaxClientBytes {
			return
		}
		again, err := ParseClient(written)
		if err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(written) {
			t.Errorf("%s became %s", written, twice)
		}
	})
}

// A redirect is allowed only if every reader of URLs sees the registered
// scheme, host, path and query.
func FuzzAllowsRedirect(f *testing.F) {
	for _, seed := range []string{
		"https://c.example/cb", "http://127.0.0.1:54321/cb", "http://127.0.0.1:80@evil.example/cb", "http://[::1]:1/cb", "http://[::1]evil:1/cb",
	} {
		f.Add(seed)
	}
	c := &Client{RedirectURIs: []string{"https://c.example/cb", "http://127.0.0.1/cb", "http://[::1]:4711/cb"}}
	f.Fuzz(func(t *testing.T, uri string) {
		if !c.AllowsRedirect(uri) {
			return
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q is allowed and cannot be parsed: %v", uri, err)
		}
		for _, registered := range c.RedirectURIs {
			want, _ := url.Parse(registered)
			got := *u
			if want.Scheme == "http" { // the port is free
				want.Host, got.Host = want.Hostname(), got.Hostname()
			}
			if reflect.DeepEqual(want, &got) {
				return
			}
		}
		t.Errorf("%q is allowed", uri)
	})
}
