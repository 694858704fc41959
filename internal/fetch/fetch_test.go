package fetch

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestSecure(t *testing.T) { // D-2-01 B-5.3-02
	for _, tt := range []struct {
		name, raw, want string // want: part of the error, "" if it is fine
	}{
		{"https", "https://as.example/token?x=1", ""},
		{"http on the loopback address", "http://127.0.0.1:8080/token", ""},
		{"http on the IPv6 loopback address", "http://[::1]:8080/token", ""},
		{"http on localhost", "http://LOCALHOST/token", ""},
		{"http elsewhere", "http://as.example/token", "https is needed"},
		{"a host that only begins like loopback", "http://127.0.0.1.as.example/", "https is needed"},
		{"a host that only ends like localhost", "http://localhost.example/", "https is needed"},
		{"another scheme", "ftp://as.example/", "https is needed"},
		{"no scheme", "as.example/token", "not an absolute URL"},
		{"no host", "https:///token", "not an absolute URL"},
		{"a port without a host", "https://:443/token", "not an absolute URL"},
		{"an international name as it is sent", "https://xn--bcher-kva.example/", ""},
		{"an international name as it is shown", "https://b\u00fccher.example/", "not ASCII"},
		{"digits that are mapped to an address of this machine", "https://\uff11\uff12\uff17.0.0.1/", "not ASCII"},
		{"the same, percent-encoded", "https://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/", "not ASCII"},
		{"a letter that folds to localhost", "http://localho\u017ft/", "not ASCII"},
		{"user information", "https://user:pw@as.example/", "user information"},
		{"a fragment", "https://as.example/#x", "a fragment"},
		{"an empty fragment", "https://as.example/#", "a fragment"},
		{"a control character", "https://as.example/\x00", "not an absolute URL"},
		{"very long", "https://as.example/" + strings.Repeat("x", MaxURLBytes), "at most 2048"},
	} {
		u, err := Secure(tt.raw)
		if tt.want == "" && (err != nil || u == nil) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: the error shows a password: %v", tt.name, err)
		}
	}
}

func TestOriginHasOneSpelling(t *testing.T) {
	for raw, want := range map[string]string{
		"HTTPS://API.example:443/a?b": "https://api.example",
		"https://api.example:8443/":   "https://api.example:8443",
		"http://127.0.0.1:80/":        "http://127.0.0.1",
		"http://[::1]:8080/":          "http://[::1]:8080",
		"https://[::1]/":              "https://[::1]",
		"http://api.example:443/":     "http://api.example:443",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Origin(u); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestGetReadsUpToTheLimitAndFollowsNothing(t *testing.T) {
	elsewhere := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/small", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/json" {
			t.Errorf("Accept is %q", r.Header.Get("Accept"))
		}
		_, _ = w.Write([]byte("1234"))
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/target", http.StatusFound) })
	mux.HandleFunc("/target", func(http.ResponseWriter, *http.Request) { elsewhere++ })
	s := httptest.NewTLSServer(mux)
	defer s.Close()
	c := Client(s.Client())

	body, answer, err := Get(t.Context(), c, s.URL+"/small", "application/json", 4)
	if err != nil || string(body) != "1234" || answer.StatusCode != http.StatusOK {
		t.Errorf("a body of just the limit: %q, %v", body, err)
	}
	var large *TooLargeError
	if _, _, err = Get(t.Context(), c, s.URL+"/small", "application/json", 3); !errors.As(err, &large) || large.Limit != 3 {
		t.Errorf("a body beyond the limit: %v", err)
	}
	if _, _, err = Get(t.Context(), c, s.URL+"/endless", "*/*", 1<<20); !errors.As(err, &large) {
		t.Errorf("an endless body: %v", err)
	}
	if _, answer, err = Get(t.Context(), c, s.URL+"/moved", "*/*", 1<<20); err != nil || answer.StatusCode != http.StatusFound || elsewhere != 0 {
		t.Errorf("a redirect: %v, followed %d times", err, elsewhere)
	}
}

func TestTheCallersClientIsNotChanged(t *testing.T) {
	mine := &http.Client{}
	got := Client(mine)
	if got == mine || mine.CheckRedirect != nil || mine.Timeout != 0 || got.Timeout != Timeout {
		t.Errorf("client %+v, caller's %+v", got, mine)
	}
}

// The certificate of the server is checked: B-5.2-04 D-11-01
func TestAnUnknownCertificateIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the server's view of the refusal
	s.StartTLS()
	defer s.Close()
	if _, _, err := Get(t.Context(), Client(nil), s.URL, "*/*", 1); err == nil {
		t.Error("a certificate of an unknown authority is accepted")
	}
}
