package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// maxAttempts is how often one RoundTrip sends a request, whatever the reasons.
// What a lower layer repeats counts as far as net/http tells of it.
const maxAttempts = 4

// trip is one RoundTrip.
type trip struct {
	t       *Transport
	s       *settings
	request *http.Request // the caller's: never changed
	origin  string
	body    *body

	token   *Token
	secrets []string        // that went out: an answer must not get them into our messages by repeating them
	nonce   string          // the latest of this trip, "" if no answer brought one
	sent    int             // how often the request went out
	tried   map[remedy]bool // each remedy helps once
}

// attempt is one try with one proof.
type attempt struct {
	id       int           // from 1
	request  *http.Request // ours, with credentials
	nonce    string        // in the proof
	offset   time.Duration // of the clock the proof was made with
	response *http.Response
	err      error
	learned  string       // nonce that the answer brought
	written  atomic.Int32 // how often the header went out
	peeked   []byte       // beginning of a refusal in JSON

	sent, received time.Time // our clock, not corrected
}

// run sends the request until there is an answer without a remedy.
func (c *trip) run(ctx context.Context) (*http.Response, error) {
	if err := c.checkForm(); err != nil {
		return nil, err
	}
	var err error
	if c.token, err = c.t.token(ctx); err != nil {
		return nil, err
	}
	for {
		a, err := c.try(ctx)
		if err != nil {
			return nil, err
		}
		why := c.judge(a)
		if why == noRemedy {
			return c.answer(a), nil
		}
		if err := c.apply(ctx, why, a); err != nil {
			discard(a.response)
			return nil, err
		}
		discard(a.response)
	}
}

// checkForm refuses a form that brings an access token of its own: one method
// to send it (RFC 6750 section 2).
func (c *trip) checkForm() error {
	kind, _, _ := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return nil
	}
	form, err := c.body.prefix()
	if err != nil {
		return &Error{Op: opCall, Err: fmt.Errorf("read the request body: %w", err)}
	}
	p, err := holdfast.Present(&http.Request{URL: &url.URL{RawQuery: form}}, c.request.URL)
	if err != nil || len(p.Query) > 0 {
		return refuse("the form has an access_token parameter", "leave credentials to the Transport")
	}
	return nil
}

// try sends the request once, with a new proof. An error means that there is no
// answer.
func (c *trip) try(ctx context.Context) (*attempt, error) {
	a := &attempt{id: len(c.tried) + 1}
	r := c.request.Clone(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { a.written.Add(1) },
	}))
	// The caller fills trailers in while the body is read.
	r.Trailer = c.request.Trailer
	r.RequestURI = ""
	a.request = r
	back := func(bool) {}
	if c.token.Key != nil && c.sent == 0 {
		back = c.t.pioneers.setOut(ctx, c.origin, c.s.now, c.s.nonces.get(roleResource, c.origin) != "")
	}
	defer func() { back(a.response != nil) }()
	if err := c.sign(a); err != nil {
		return nil, err
	}
	c.secrets = append(append(c.secrets, c.token.Value.Reveal()), r.Header["Dpop"]...)
	var err error
	if r.Body, err = c.body.next(); err != nil {
		return nil, &Error{Op: opCall, Err: fmt.Errorf("get the request body again: %w", err)}
	}
	r.GetBody = c.body.again
	a.sent = c.s.now()
	a.response, a.err = c.s.base.RoundTrip(r)
	a.received = c.s.now()
	c.sent += max(1, int(a.written.Load()))
	if a.err != nil {
		c.report(a)
		return nil, clean(c.secrets, a.err)
	}
	// RFC 9449 section 8.2: from every answer, whatever its status.
	if a.learned = c.s.nonces.learn(roleResource, c.origin, a.response.Header); a.learned != "" {
		c.nonce = a.learned
	}
	a.peek()
	c.report(a)
	return a, nil
}

// sign adds the token and, if it has a key, a proof for this attempt only (RFC
// 9449 section 4).
func (c *trip) sign(a *attempt) error {
	h := a.request.Header
	if h == nil {
		h = http.Header{}
		a.request.Header = h
	}
	if c.token.Key == nil {
		h.Set("Authorization", holdfast.SchemeBearer.String()+" "+c.token.Value.Reveal())
		return nil
	}
	method := a.request.Method
	if method == "" {
		method = http.MethodGet
	}
	// The answer to an older request of somebody else may reach the jar between
	// our challenge and our retry, with an older nonce.
	if a.nonce = c.nonce; a.nonce == "" {
		a.nonce = c.s.nonces.get(roleResource, c.origin)
	}
	a.offset = c.t.clocks.offset(c.origin)
	proof, err := c.token.Key.Prove(holdfast.ProofClaims{
		Method: method, URL: a.request.URL, Token: c.token.Value, Nonce: a.nonce,
		Time: c.s.now().Add(a.offset),
	})
	if err != nil {
		return &Error{Op: opCall, Err: err}
	}
	h.Set("Authorization", holdfast.SchemeDPoP.String()+" "+c.token.Value.Reveal())
	h.Set("DPoP", proof)
	return nil
}

// apply prepares the next attempt.
func (c *trip) apply(ctx context.Context, why remedy, a *attempt) error {
	if c.tried == nil {
		c.tried = map[remedy]bool{}
	}
	c.tried[why] = true
	if why == renewToken {
		k, err := c.t.Tokens.(Renewer).Renew(ctx, c.token)
		if err != nil {
			return c.failed(a, "the token was refused and could not be renewed: log in again", fmt.Errorf("renew the token: %w", err))
		}
		if err := c.t.usable(k); err != nil {
			return c.failed(a, "", err)
		}
		if k.Value == c.token.Value {
			return c.failed(a, "log in again", errors.New("the renewed token is the one that was refused"))
		}
		c.token = k
	}
	if !c.body.repeatable() {
		return c.failed(a, "make the same request once more, what it needs is known now; or set GetBody or a larger MaxBody",
			fmt.Errorf("the request has to be sent again (%s) but its body is longer than the %d bytes that are kept", why, c.s.maxBody))
	}
	return nil
}

// failed is the error for an attempt that was refused and that we cannot repeat.
func (c *trip) failed(a *attempt, hint string, err error) *Error {
	e := newFailure(a.response, a.exchange(), c.secrets)
	e.Hint, e.Err = hint, err
	return e
}

// answer gives the response to the caller, with his own request: ours has the
// token in its header.
func (c *trip) answer(a *attempt) *http.Response {
	a.response.Request = c.request
	if a.response.StatusCode >= http.StatusBadRequest {
		e := newFailure(a.response, a.exchange(), c.secrets)
		e.Hint = scrub(c.hint(a), c.secrets)
		a.response.Request = c.request.WithContext(context.WithValue(c.request.Context(), failureKey{}, e))
	}
	return a.response
}

// report hands the attempt to OnExchange.
func (c *trip) report(a *attempt) {
	if c.t.OnExchange != nil {
		c.t.OnExchange(a.exchange())
	}
}

// exchange is the attempt as evidence, with its credentials.
func (a *attempt) exchange() *holdfast.Exchange {
	x := &holdfast.Exchange{
		ID: a.id, Origin: "client", RequestHeader: a.request.Header.Clone(),
		Body: a.peeked, Sent: a.sent, Received: a.received,
	}
	if p, err := holdfast.Present(a.request, &url.URL{Scheme: a.request.URL.Scheme, Host: a.request.URL.Host}); err == nil {
		x.Request = *p
	}
	if x.Request.Method == "" {
		x.Request.Method = http.MethodGet
	}
	if a.err != nil {
		x.Err = a.err.Error()
	}
	if a.response != nil {
		x.Status, x.Header = a.response.StatusCode, a.response.Header.Clone()
	}
	return x
}

// maxRefusal is how much of a refusal is read, to understand it or to let the
// connection be used again, in bytes.
const maxRefusal = 64 << 10

// peek reads the beginning of a refusal in JSON; the caller still gets all of it.
func (a *attempt) peek() {
	r := a.response
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUnauthorized && r.StatusCode != http.StatusForbidden,
		kind != "application/problem+json" && kind != "application/json",
		r.Header.Get("Content-Encoding") != "", r.Body == nil:
		return
	}
	body := r.Body
	b, err := io.ReadAll(io.LimitReader(body, maxRefusal))
	a.peeked = b
	r.Body = &resumed{first: b, err: err, rest: body}
}

// resumed is a body of which the beginning was read already.
type resumed struct {
	first []byte
	err   error // how reading it ended, nil at the limit or the end
	rest  io.ReadCloser
}

// Read gives the beginning, then the rest.
func (r *resumed) Read(dst []byte) (int, error) {
	switch {
	case len(r.first) > 0:
		n := copy(dst, r.first)
		r.first = r.first[n:]
		return n, nil
	case r.err != nil:
		return 0, r.err
	}
	return r.rest.Read(dst)
}

// Close closes the body itself.
func (r *resumed) Close() error { return r.rest.Close() }

// discard ends a response that nobody gets. Reading a bounded rest lets the
// connection be used again.
func discard(r *http.Response) {
	if r.Body == nil {
		return
	}
	_, err := io.CopyN(io.Discard, r.Body, maxRefusal)
	_ = errors.Join(err, r.Body.Close()) // it is refused: there is nothing to learn from how it ends
}
