package token

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// peer is a server over TLS that answers as the test wants at the moment, and
// counts how often it was asked.
type peer struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
}

func newPeer(t testing.TB, answer http.HandlerFunc) *peer {
	t.Helper()
	p := &peer{}
	p.answer.Store(&answer)
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *peer) answers(h http.HandlerFunc) { p.answer.Store(&h) }

// says answers every request with one text.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func publishes(jwks ...string) http.HandlerFunc {
	return says(http.StatusOK, `{"keys":[`+strings.Join(jwks, ",")+`]}`)
}

// floods answers with a gigabyte, unless nobody reads it, and tells how much
// was written.
func floods(written chan<- int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		n, chunk := 0, []byte(strings.Repeat(" ", 1<<16))
		for n < 1<<30 {
			if _, err := w.Write(chunk); err != nil {
				break
			}
			n += len(chunk)
		}
		written <- n
	}
}

// clock is a time that the test moves.
type clock struct{ seconds atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1700000000+c.seconds.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

func newRemote(t testing.TB, p *peer, c *clock) *Remote {
	t.Helper()
	r, err := NewRemote(RemoteConfig{Issuer: testIssuer, JWKSURI: p.URL + "/jwks", HTTP: p.Client(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantState reads a token and compares the state.
func wantState(t testing.TB, r holdfast.TokenReader, raw string, want holdfast.TokenState) {
	t.Helper()
	got, err := r.ReadToken(t.Context(), holdfast.NewSecret(raw))
	if err != nil {
		t.Errorf("%v, want state %d", err, want)
	} else if got.State != want {
		t.Errorf("state %d, want %d", got.State, want)
	}
}

// wantError reads a token and looks for the problem, and for text of ours.
func wantError(t testing.TB, r holdfast.TokenReader, raw string, want Problem) {
	t.Helper()
	got, err := r.ReadToken(t.Context(), holdfast.NewSecret(raw))
	var typed *Error
	if got != nil || !errors.Is(err, want) || !errors.As(err, &typed) {
		t.Errorf("got %v, %v, want no token and %q", got, err, want)
		return
	}
	if strings.Contains(err.Error(), raw) || strings.Contains(err.Error(), "s3cret") || len(err.Error()) > 1000 {
		t.Errorf("an error that must not be logged: %.1200q", err)
	}
}

func (p *peer) wantAsked(t testing.TB, want int64) {
	t.Helper()
	if got := p.asked.Load(); got != want {
		t.Errorf("the issuer was asked %d times, want %d", got, want)
	}
}

// wantMistakes compares the error of a constructor: nil parts mean none.
func wantMistakes(t *testing.T, err error, parts []string) {
	t.Helper()
	if parts == nil && err != nil {
		t.Error(err)
	}
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v lacks %q", err, part)
		}
	}
}
