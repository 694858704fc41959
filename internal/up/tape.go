package up

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// maxBody is the longest body that is kept, in bytes.
const maxBody = 1 << 20

// requestTimeout bounds every request of the tour.
const requestTimeout = 15 * time.Second

// tape is an http.RoundTripper that keeps what passes through it, credentials
// included: evidence for package explain, in this process only.
type tape struct {
	base http.RoundTripper

	mu        sync.Mutex
	exchanges []holdfast.Exchange
}

func newTape() *tape { return &tape{base: &http.Transport{}} }

// http is a client that follows no redirects and is recorded.
func (p *tape) http() *http.Client {
	return fetch.Client(&http.Client{Transport: p, Timeout: requestTimeout})
}

// RoundTrip implements http.RoundTripper.
func (p *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = fetch.ReadAll(r.Body, maxBody); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	x, err := exchangeOf(r, sent)
	if err != nil {
		return nil, err
	}
	x.Sent = time.Now()
	answer, err := p.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	x.Status, x.Header, x.Received = answer.StatusCode, answer.Header.Clone(), time.Now()
	if x.Body, err = fetch.ReadAll(answer.Body, maxBody); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(x.Body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exchanges = append(p.exchanges, *x)
	return answer, nil
}

// exchangeOf is the request of an exchange as it is sent.
func exchangeOf(r *http.Request, body []byte) (*holdfast.Exchange, error) {
	shown, err := holdfast.Present(r, &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host})
	if err != nil {
		return nil, err
	}
	return &holdfast.Exchange{Origin: "client", Request: *shown, RequestHeader: r.Header.Clone(), RequestBody: body}, nil
}

// get sends a request with header fields and returns what was recorded.
func (p *tape) get(ctx context.Context, address string, header http.Header) (*holdfast.Exchange, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	from := p.mark()
	answer, err := p.http().Do(r)
	if err != nil {
		return nil, fetch.Cause(err)
	}
	_ = answer.Body.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	return &p.exchanges[from], nil
}

// mark is the place of the next exchange. The steps of the tour come one after
// the other, so that what is behind a mark belongs to one of them.
func (p *tape) mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.exchanges)
}

// Hop is one exchange as the story shows it: without query, body and header.
type Hop struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"` // OAuth error of the answer
	Code   string `json:"code,omitempty"`  // of the check table
}

// trail returns the exchanges behind a mark.
func (p *tape) trail(from int) []Hop {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Hop
	for i := from; i < len(p.exchanges); i++ {
		out = append(out, hopOf(&p.exchanges[i]))
	}
	return out
}

func hopOf(x *holdfast.Exchange) Hop {
	h := Hop{Method: x.Request.Method, Status: x.Status}
	if u, err := url.Parse(x.Request.URL); err == nil {
		h.Path = u.Path
	}
	var said struct{ Error, Code string }
	if x.Status >= http.StatusBadRequest && json.Unmarshal(x.Body, &said) == nil { // our own servers: no duplicate members
		h.Error, h.Code = said.Error, said.Code
	}
	return h
}

// passed reports whether a request for a path had a status.
func passed(trail []Hop, path string, status int) bool {
	for _, h := range trail {
		if h.Path == path && h.Status == status {
			return true
		}
	}
	return false
}
