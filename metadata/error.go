package metadata

import (
	"fmt"
	"strconv"
)

// Problem says what kept metadata from being used. It is an error, so that
// errors.Is(err, metadata.NotThere) works.
type Problem uint8

// The problems. The zero value is none.
const (
	_           Problem = iota
	NotThere            // no document at any of the well-known places
	Mismatch            // a document about another issuer or resource, or from another place
	Unusable            // an answer that is no valid metadata, such as a server error or an http endpoint
	Unreachable         // no answer in time
)

// String returns the problem in words.
func (p Problem) String() string {
	switch p {
	case NotThere:
		return "not there"
	case Mismatch:
		return "not what was asked for"
	case Unusable:
		return "not usable"
	case Unreachable:
		return "unreachable"
	}
	return "unknown problem"
}

// Error implements error.
func (p Problem) Error() string { return p.String() }

// Error says which document could not be used and why. Immutable once it is
// returned.
type Error struct {
	URL     string  // where the document was looked for, without a query
	Problem Problem // what errors.Is finds
	Status  int     // HTTP status, 0 if there was no answer
	Err     error   // details, nil if there are none
}

// Error returns one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("metadata at %.300q: %s", e.URL, e.Problem)
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
