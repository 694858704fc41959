package client_test

import (
	"net/url"
	"testing"

	"github.com/holdfast-oauth/holdfast/client"
)

// BCP-2.1-03: the listener for the callback sends the browser nowhere, whatever
// the callback names and whether or not it is the right one.
func TestTheCallbackListenerNeverRedirects(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, func(conf *client.Config) { conf.RedirectURL = "" })
	_, err := c.LoginLoopback(t.Context(), func(address string) error {
		r, err := s.visit(t.Context(), address)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		back, err := r.Location()
		if err != nil {
			return err
		}
		targets := url.Values{}
		for _, name := range []string{"target", "next", "url", "redirect_uri", "return_to"} {
			targets.Set(name, "https://evil.example/")
		}
		forged, right, slashes := *back, *back, *back
		forged.RawQuery = "state=forged&" + targets.Encode()
		right.RawQuery += "&" + targets.Encode()
		slashes.Path = "//evil.example/.." + back.Path
		for _, try := range []struct {
			address string
			status  int
		}{{forged.String(), 400}, {slashes.String(), 404}, {right.String(), 200}} {
			status, _, header := browse(t, try.address, "")
			if status != try.status || header.Get("Location") != "" || header.Get("Refresh") != "" {
				t.Errorf("status %d, want %d; Location %q, Refresh %q", status, try.status, header.Get("Location"), header.Get("Refresh"))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
