package authserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Limits of what is typed into the login form. What is longer is wrong.
const (
	maxNameBytes     = 256
	maxPasswordBytes = 1024
)

// pathLogout ends a session. It is not in the metadata.
const pathLogout = "/logout"

// loginProblem is why a login page is shown again; the zero value is the first
// time.
type loginProblem struct {
	name   string // as it was typed
	text   string
	status int
}

// login takes name and password. A wrong one gives the page again with status
// 422: a 401 would have to name an HTTP authentication scheme (RFC 9110 section
// 15.5.2), and a 200 would hide the failure from whoever watches the server.
func (v *visit) login() error {
	s := v.server
	if s.config.Directory == nil {
		return v.nowhere()
	}
	form, t, err := v.submitted()
	if err != nil {
		return err
	}
	name, password := strings.TrimSpace(form.Get("username")), holdfast.NewSecret(form.Get("password"))
	person, err := v.authenticate(name, password)
	var many *TooManyAttempts
	switch {
	case err == nil:
	case errors.Is(err, ErrWrongPassword):
		v.done(&refusal{status: http.StatusUnprocessableEntity, code: errAccessDenied, text: ErrWrongPassword.Error()})
		return v.showLogin(t, loginProblem{name, "That name and password do not belong together.", http.StatusUnprocessableEntity})
	case errors.As(err, &many):
		v.done(&refusal{status: http.StatusTooManyRequests, code: errAccessDenied, text: many.Error()})
		wait := max(time.Second, many.RetryAfter.Round(time.Second))
		v.w.Header().Set("Retry-After", fmt.Sprint(int(wait/time.Second)))
		return v.showLogin(t, loginProblem{name, fmt.Sprintf("Too many attempts. Try again in %v.", wait), http.StatusTooManyRequests})
	default:
		return unavailable(err)
	}
	if person.AuthTime.IsZero() {
		person.AuthTime = s.now()
	}
	if err := v.begin(person, "password", t); err != nil {
		return err
	}
	v.remember(strings.ToLower(name))
	v.done(nil)
	return v.resumeAt(t)
}

// authenticate asks the directory, unless it is plain that nobody has that name
// or password.
func (v *visit) authenticate(name string, password holdfast.Secret) (Person, error) {
	if name == "" || len(name) > maxNameBytes || password.IsZero() || password.Len() > maxPasswordBytes {
		return Person{}, ErrWrongPassword
	}
	_, known := v.known(strings.ToLower(name))
	return v.server.config.Directory.Authenticate(v.Context(), Attempt{
		Name: name, Password: password, Remote: v.remoteHost(), Known: known,
	})
}

// logout ends the session, for somebody else to log in.
func (v *visit) logout() error {
	_, t, err := v.submitted()
	if err != nil {
		return err
	}
	if err := v.end(); err != nil {
		return err
	}
	v.done(nil)
	return v.resumeAt(t)
}
