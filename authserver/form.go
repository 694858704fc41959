package authserver

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
)

// MaxFormBytes is the largest body of a request.
const MaxFormBytes = 64 << 10

// readForm reads the body of a POST: a form in which no parameter is repeated
// (RFC 6749 section 3.2), save those that may be (RFC 8707 section 2, RFC 8693
// section 2.1). The query has to be empty: what is in it ends up in logs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		f := refuse(errInvalidRequest, "the method is not POST")
		f.status, f.header = http.StatusMethodNotAllowed, http.Header{"Allow": {http.MethodPost}}
		return nil, f
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		f := refuse(errInvalidRequest, "the Content-Type is not application/x-www-form-urlencoded")
		f.status = http.StatusUnsupportedMediaType
		return nil, f
	}
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return nil, refuse(errInvalidRequest, "there is a query: parameters belong into the body")
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxFormBytes)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			f := refuse(errInvalidRequest, fmt.Sprintf("the body is longer than %d bytes", MaxFormBytes))
			f.status = http.StatusRequestEntityTooLarge
			return nil, f
		}
		return nil, refuse(errInvalidRequest, "the body is not a well-formed form")
	}
	return r.PostForm, once(r.PostForm)
}

// once refuses parameters that are repeated. RFC 6749 section 3.1: parameters
// sent without a value are treated as if they were omitted, so they are removed.
func once(form url.Values) error {
	for name, values := range form {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return refuse(errInvalidRequest, fmt.Sprintf("the parameter %s is given %d times", shown(name), len(values)))
		}
		if len(values) == 1 && values[0] == "" {
			delete(form, name)
		}
	}
	return nil
}

// shown makes a name from outside fit for an error_description: the characters
// of RFC 6749 section 5.2, at most 40 of them.
func shown(name string) string {
	out := make([]byte, 0, 40)
	for i := 0; i < len(name) && len(out) < 40; i++ {
		if c := name[i]; c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' {
			out = append(out, c)
		} else {
			out = append(out, '?')
		}
	}
	return string(out)
}
