package authserver

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// ticketLifetime is how long somebody may take to log in and to decide.
const ticketLifetime = 30 * time.Minute

// ticket is what a visitor came for. It travels sealed through the pages,
// because a visitor who has not logged in writes nothing to the store, and is
// good only beside the cookie of the browser that it was made for. As each form
// carries it, another site can neither make a form nor reuse one (RFC 9700
// section 4.7). It is in addresses too: without the cookie it is worth nothing.
type ticket struct {
	Request *authorizationRequest `json:"request,omitempty"` // what a client asked for in this browser
	Device  *deviceTicket         `json:"device,omitempty"`  // what a device waits for; neither: only a form is protected
	Browser [32]byte              `json:"browser"`           // hash of the cookie
	Started time.Time             `json:"started"`
	Until   time.Time             `json:"until"`

	// LoggedIn is the session that was begun for this ticket: who is asked to
	// log in again is asked once. Shown is the session whose account the consent
	// page named: somebody else must not answer it.
	LoggedIn string `json:"logged_in,omitempty"`
	Shown    string `json:"shown,omitempty"`
}

// deviceTicket is a device authorization that somebody entered the code of.
type deviceTicket struct {
	Key  [32]byte `json:"key"`  // of the device record
	Code string   `json:"code"` // to be compared with the one on the device
}

// ticketPurpose is what tickets are sealed for.
const ticketPurpose = "ticket"

// newTicket begins a visit.
func (v *visit) newTicket() *ticket {
	now := v.server.now()
	return &ticket{Browser: v.browser(), Started: now, Until: now.Add(ticketLifetime)}
}

func (s *Server) sealTicket(t *ticket) string {
	body, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("a ticket cannot be written: %v", err)) // it has plain members only
	}
	return s.sealer.seal(ticketPurpose, body)
}

// openTicket returns the ticket of a form or an address. One of another browser
// is refused like a forged one.
func (v *visit) openTicket(sealed string) (*ticket, error) {
	if sealed == "" {
		return nil, refuse(errInvalidRequest, "the parameter ticket is missing: go back to the application and start again")
	}
	plain, ok := v.server.sealer.open(ticketPurpose, sealed)
	t := new(ticket)
	if !ok || json.Unmarshal(plain, t) != nil {
		return nil, refuse(errInvalidRequest, "the ticket is not of this server: go back to the application and start again")
	}
	if !v.server.now().Before(t.Until) {
		return nil, refuse(errInvalidRequest, "the page has expired: go back to the application and start again")
	}
	c, err := v.Cookie(v.server.cookieName(browserCookie))
	if err != nil || sha256.Sum256([]byte(c.Value)) != t.Browser {
		f := refuse(errInvalidRequest, "the page was not made for this browser, or the browser keeps no cookies")
		f.status = http.StatusForbidden
		return nil, f
	}
	return t, nil
}

// maxAge is how old the login may be that a request asks for; not ok if it may be
// of any age.
func (t *ticket) maxAge() (age time.Duration, ok bool) {
	switch q := t.Request; {
	case q == nil:
		return 0, false
	case q.Prompt == "login":
		return 0, true
	case q.MaxAge != nil:
		return time.Duration(*q.MaxAge) * time.Second, true
	}
	return 0, false
}

// unmet says what a request asks of the login that the session is not; "" is
// nothing. Time is counted to when the request came, so that a slow decision
// does not make a login too old.
func (t *ticket) unmet(e *entry[sessionRecord]) string {
	q := t.Request
	if q == nil {
		return ""
	}
	p, began := e.Value.Person, t.Started.Truncate(time.Second)
	// A provider may have let somebody in who logged in there long ago, and may not
	// say when: such a login is not known to be new.
	if q.Prompt == "login" && (t.LoggedIn != e.Value.ID || p.AuthTime.Before(began)) {
		return "a new login is asked for"
	}
	if q.MaxAge != nil && p.AuthTime.Before(began.Add(-time.Duration(*q.MaxAge)*time.Second)) {
		return "the login is older than max_age"
	}
	if len(q.ACR) > 0 && !slices.Contains(q.ACR, p.ACR) {
		return "the login has none of the acr_values"
	}
	return ""
}
