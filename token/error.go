package token

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// Problem says why a token could not be judged. It is an error, so that
// errors.Is(err, token.Unreachable) works.
type Problem uint8

// The problems. The zero value is none.
const (
	_           Problem = iota
	Unreachable         // the issuer gave no answer in time
	Denied              // our own credentials were refused, or could not be made
	Unusable            // an answer that says nothing, such as a redirect, a page or too much
)

// String returns the problem in words.
func (p Problem) String() string {
	switch p {
	case Unreachable:
		return "unreachable"
	case Denied:
		return "we are denied an answer"
	case Unusable:
		return "no usable answer"
	}
	return "unknown problem"
}

// Error implements error.
func (p Problem) Error() string { return p.String() }

// Error says why [Remote] or [Introspector] could not judge a token. It is never
// about the token and holds nothing of it. Immutable once it is returned.
type Error struct {
	Op      string  // "key set" or "introspection"
	URL     string  // what was asked, without its query; "" if nothing was
	Problem Problem // what errors.Is finds
	Status  int     // HTTP status, 0 if there was no answer
	Err     error   // details, nil if there are none
}

// Error returns one line.
func (e *Error) Error() string {
	s := e.Op
	if e.URL != "" {
		s += fmt.Sprintf(" at %.300q", e.URL)
	}
	s += ": " + e.Problem.String()
	if e.Status != 0 {
		s += ", status " + strconv.Itoa(e.Status)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the problem and the details.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Problem}
	}
	return []error{e.Problem, e.Err}
}

// refusal says why an answer cannot be read; nil if it can. err is what sending
// the request or reading the body gave.
func refusal(op, address string, answer *http.Response, err error) error {
	e := &Error{Op: op, URL: fetch.Shown(address), Err: fetch.Cause(err)}
	if answer == nil {
		e.Problem = Unreachable
		return e
	}
	e.Status = answer.StatusCode
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		e.Problem, e.Err = Denied, nil
	case e.Status != http.StatusOK:
		e.Problem, e.Err = Unusable, errors.New("200 is needed, and redirects are not followed")
	case errors.As(err, new(*fetch.TooLargeError)):
		e.Problem = Unusable
	case err != nil:
		e.Problem = Unreachable
	default:
		return nil
	}
	return e
}
