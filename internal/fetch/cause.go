package fetch

import (
	"errors"
	"net/url"
	"unicode/utf8"
)

// maxCauseBytes is how much text of an error is kept: a peer writes parts of it.
const maxCauseBytes = 300

// Cause returns what went wrong with a request, without the address that
// net/http puts before it: its query may hold a secret. The text is cut at a
// length that fits a log line; what was wrapped is still found by errors.Is.
func Cause(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	if err == nil || len(err.Error()) <= maxCauseBytes {
		return err
	}
	return shortened{err}
}

// shortened is an error whose text is cut.
type shortened struct{ error }

func (e shortened) Error() string {
	cut := maxCauseBytes
	s := e.error.Error()
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + " ..."
}

func (e shortened) Unwrap() error { return e.error }

// Shown returns the part of an address that may be logged: no user information,
// no fragment, and of a query only that there is one.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "not an absolute URL"
	}
	shown := u.Scheme + "://" + u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?..."
	}
	return shown
}
