package client

import (
	"strconv"

	"github.com/holdfast-oauth/holdfast"
)

// Error is a failure of a flow or a call. It holds no secret: the exchange is
// redacted, so it can be logged and handed to package explain.
type Error struct {
	Op          string             // what was attempted: "token request", "call"
	Code        string             // OAuth error of the peer, such as "invalid_grant"; "" if it sent none
	Description string             // error_description of the peer, cut and escaped; "" if none
	Status      int                // HTTP status, 0 if there was no answer
	Hint        string             // what to try, for people
	Exchange    *holdfast.Exchange // the last request and answer, redacted; nil if nothing was sent
	Err         error              // the cause on our side, nil if the peer refused
}

// Error says what was attempted, what the peer said and what went wrong here.
func (e *Error) Error() string {
	s := e.Op
	if e.Status != 0 {
		s += ": status " + strconv.Itoa(e.Status)
	}
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.Description != "" {
		s += " (" + e.Description + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause on our side.
func (e *Error) Unwrap() error { return e.Err }
