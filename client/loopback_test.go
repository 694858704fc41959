package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-oauth/holdfast/client"
)

// browse visits the loopback address of a callback and returns status and page.
func browse(t testing.TB, address, host string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Error(err)
		return 0, "", nil
	}
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, "", nil
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(page), resp.Header
}

// RFC 8252 sections 7.3 and 8.3; BCP-2.1-04 at the listener.
func TestLoginOnLoopbackTakesOneCallbackOnly(t *testing.T) {
	for _, redirect := range []string{"", "http://127.0.0.1", "http://127.0.0.1/back/here"} {
		t.Run("redirect URL "+redirect, func(t *testing.T) {
			s := newAuthServer(t, nil)
			c := s.client(t, func(conf *client.Config) { conf.RedirectURL = redirect })
			var back *url.URL
			g, err := c.LoginLoopback(t.Context(), func(address string) error {
				r, err := s.visit(t.Context(), address)
				if err != nil {
					return err
				}
				defer r.Body.Close()
				if back, err = r.Location(); err != nil {
					return err
				}
				if back.Hostname() != "127.0.0.1" || back.Port() == "" || strings.HasSuffix(redirect, "here") && back.Path != "/back/here" {
					t.Errorf("the redirect URL is %s://%s%s", back.Scheme, back.Host, back.Path)
				}
				forged := *back
				forged.RawQuery = "state=forged&code=x"
				for _, try := range []struct {
					address, host string
					status        int
				}{
					{forged.String(), "", http.StatusBadRequest},
					{back.String() + "&x=%zz", "", http.StatusBadRequest},
					{"http://" + back.Host + "/favicon.ico", "", http.StatusNotFound},
					{back.String(), "evil.example", http.StatusMisdirectedRequest}, // DNS rebinding
				} {
					if status, _, _ := browse(t, try.address, try.host); status != try.status {
						t.Errorf("%s (host %q): status %d, want %d", try.address, try.host, status, try.status)
					}
				}
				if resp, err := http.Post(back.String(), "text/plain", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
					t.Errorf("POST: %v", err)
				} else {
					_ = resp.Body.Close()
				}
				status, page, header := browse(t, back.String(), "")
				if status != http.StatusOK || !strings.Contains(page, "You can close this window") {
					t.Errorf("status %d", status)
				}
				for _, secret := range []string{back.Query().Get("code"), back.Query().Get("state")} {
					if strings.Contains(page, secret) {
						t.Error("the page shows a secret")
					}
				}
				if header.Get("Cache-Control") != "no-store" || header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
					t.Errorf("header %v", header)
				}
				if status, _, _ := browse(t, back.String(), ""); status != http.StatusGone {
					t.Errorf("the second callback: status %d", status)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if g.Token.Key == nil || len(s.requests("/token")) != 1 {
				t.Errorf("%d token requests", len(s.requests("/token")))
			}
			if _, err := http.Get("http://" + back.Host); err == nil {
				t.Error("the listener is still there")
			}
		})
	}
}

func TestLoginOnLoopbackThatDoesNotHappen(t *testing.T) {
	s := newAuthServer(t, nil)
	for _, redirect := range []string{"https://app.example/cb", "http://localhost/cb", "com.example.app:/cb"} {
		_, err := s.client(t, func(conf *client.Config) { conf.RedirectURL = redirect }).LoginLoopback(t.Context(), nil)
		wantError(t, err, "not http on 127.0.0.1")
	}
	c := s.client(t, func(conf *client.Config) { conf.RedirectURL = "" })

	broken := errors.New("no browser")
	if _, err := c.LoginLoopback(t.Context(), func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.LoginLoopback(ctx, func(string) error { cancel(); return nil })
	wantError(t, err, "wait for the browser")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	s.mu.Lock()
	s.override = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		deny(w, "invalid_request")
		return true
	}
	s.mu.Unlock()
	_, err = c.LoginLoopback(t.Context(), func(string) error { t.Error("the browser was opened"); return nil })
	wantError(t, err, "invalid_request")
}

// Two logins at once do not get in each other's way.
func TestLoginsInParallel(t *testing.T) {
	s := newAuthServer(t, nil)
	var wg sync.WaitGroup
	for range 4 {
		c := s.client(t, func(conf *client.Config) { conf.RedirectURL = "" })
		wg.Go(func() {
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
				browse(t, back.String(), "")
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
