package client

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// failureKey is the context key under which a Transport leaves the [*Error] for
// an answer in the request of that answer.
type failureKey struct{}

// Failure makes an error of an answer with a status of 400 or more, and returns
// nil for any other. The answer of a [Transport] carries its redacted exchange
// and a hint; of another answer there is what it says itself. The body is
// neither read nor closed.
func Failure(r *http.Response) *Error {
	if r == nil || r.StatusCode < http.StatusBadRequest {
		return nil
	}
	if r.Request != nil {
		if e, ok := r.Request.Context().Value(failureKey{}).(*Error); ok {
			f := *e // the caller may change it
			return &f
		}
	}
	a := attempt{id: 1, request: r.Request, response: r}
	if r.Request == nil || r.Request.URL == nil {
		a.request = &http.Request{URL: new(url.URL)}
	}
	return newFailure(r, a.exchange(), nil)
}

// newFailure says what the answer r says, but for secrets of ours that it
// repeats; x is redacted at once.
func newFailure(r *http.Response, x *holdfast.Exchange, secrets []string) *Error {
	d := readDemand(r)
	e := &Error{
		Op: opCall, Code: cut(escape(scrub(d.Error, secrets)), maxErrorCode), Description: escape(scrub(d.Description, secrets)),
		Status: r.StatusCode, Exchange: x.Redacted(),
	}
	for _, values := range e.Exchange.Header {
		for i := range values {
			values[i] = scrub(values[i], secrets)
		}
	}
	return e
}

// clean returns err, or if its text repeats a secret an error with another
// text: net/http quotes what it cannot read of an answer.
func clean(secrets []string, err error) error {
	if text := scrub(err.Error(), secrets); text != err.Error() {
		return scrubbed{err, text}
	}
	return err
}

// scrubbed is an error with a text of ours.
type scrubbed struct {
	error
	text string
}

func (e scrubbed) Error() string { return e.text }

func (e scrubbed) Unwrap() error { return e.error }

// scrub takes out secrets that are long enough to be recognised.
func scrub(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= minEcho {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	return s
}
