package authserver

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Cookies, as they are called on a loopback server without TLS; elsewhere the
// prefix __Host- keeps other hosts and plain HTTP from setting them (RFC 6265bis
// section 4.1.3.2).
const (
	browserCookie  = "holdfast-browser"
	sessionCookie  = "holdfast-session"
	knownCookie    = "holdfast-known"
	upstreamCookie = "holdfast-upstream-"
)

// maxPersonBytes is the length of the longest [Person.Subject].
const maxPersonBytes = 255

func (s *Server) cookieName(name string) string {
	if s.issuer.Scheme == "https" {
		return "__Host-" + name
	}
	return name
}

// setCookie gives the browser a cookie that no script can read and that other
// sites' forms do not carry; an age of 0 means until the browser ends, a
// negative one removes it.
func (v *visit) setCookie(name, value string, age time.Duration) {
	c := &http.Cookie{
		Name: v.server.cookieName(name), Value: value, Path: "/", HttpOnly: true,
		Secure: v.server.issuer.Scheme == "https", SameSite: http.SameSiteLaxMode, MaxAge: int(age / time.Second),
	}
	if age < 0 {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// browser returns the hash of the cookie that names this browser, and sets one
// if there is none. It says nothing about who sits there.
func (v *visit) browser() [32]byte {
	if c, err := v.Cookie(v.server.cookieName(browserCookie)); err == nil && isHandle(c.Value) {
		return sha256.Sum256([]byte(c.Value))
	}
	value := newHandle().Reveal()
	v.setCookie(browserCookie, value, 0)
	return sha256.Sum256([]byte(value))
}

// session returns the login of this browser; nil if there is none, or none that
// is still good. The error means that nobody knows.
func (v *visit) session() (*entry[sessionRecord], error) {
	c, err := v.Cookie(v.server.cookieName(sessionCookie))
	if err != nil || !isHandle(c.Value) {
		return nil, nil
	}
	e, err := load[sessionRecord](v.Context(), v.server.store, kindSession, keyOf(c.Value))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	p := e.Value
	err = v.server.standing(v.Context(), party{Subject: p.Person.Subject, Session: p.ID, At: p.Started})
	if f := (*refusal)(nil); errors.As(err, &f) && f.status != http.StatusServiceUnavailable {
		return nil, nil // cut off
	}
	if err != nil {
		return nil, err
	}
	v.event.Subject = p.Person.Subject
	return e, nil
}

// begin makes a session for a person who has just logged in, under a new name,
// so that a cookie from before the login is worth nothing after it.
func (v *visit) begin(p Person, through string, t *ticket) error {
	s, now := v.server, v.server.now()
	if err := p.check(); err != nil {
		return unavailable(fmt.Errorf("the login through %s: %w", through, err))
	}
	if p.AuthTime.After(now) {
		p.AuthTime = now
	}
	if err := v.end(); err != nil {
		return err
	}
	handle := newHandle()
	name := keyOf("session", newHandle().Reveal())
	// It counts from before anything was judged: a revocation that came meanwhile
	// ends it.
	r := sessionRecord{ID: jose.EncodeSegment(name[:16]), Person: p, Started: v.event.Time, Through: through}
	if err := create(v.Context(), s.store, kindSession, keyOf(handle.Reveal()), p.Subject, now.Add(s.config.SessionLifetime), r); err != nil {
		return unavailable(err)
	}
	v.setCookie(sessionCookie, handle.Reveal(), s.config.SessionLifetime)
	v.event.Subject, t.LoggedIn = p.Subject, r.ID
	return nil
}

// end ends the session of this browser, if it has one.
func (v *visit) end() error {
	c, err := v.Cookie(v.server.cookieName(sessionCookie))
	if err != nil {
		return nil
	}
	if isHandle(c.Value) {
		if err := v.server.store.Delete(v.Context(), kindSession, keyOf(c.Value)); err != nil && !missing(err) {
			return unavailable(err)
		}
	}
	v.setCookie(sessionCookie, "", -1)
	return nil
}

// check refuses what a directory or a provider must not answer.
func (p *Person) check() error {
	printable := !strings.ContainsFunc(p.Subject, func(r rune) bool { return r < 0x21 || r > 0x7e })
	if p.Subject == "" || len(p.Subject) > maxPersonBytes || !printable {
		return fmt.Errorf("the subject has %d bytes, want 1 to %d printable ASCII characters", len(p.Subject), maxPersonBytes)
	}
	return nil
}

// Limits of what a browser is known for.
const (
	maxKnown      = 8 // people per browser
	knownLifetime = 365 * 24 * time.Hour
	knownPurpose  = "known browser"
)

// known reports whether somebody has logged in here as name before, and returns
// what the cookie says: hashes of names, newest first.
func (v *visit) known(name string) (hashes []byte, is bool) {
	c, err := v.Cookie(v.server.cookieName(knownCookie))
	if err != nil {
		return nil, false
	}
	hashes, ok := v.server.sealer.open(knownPurpose, c.Value)
	if !ok || len(hashes)%32 != 0 {
		return nil, false
	}
	want := v.server.sealer.hashes(knownPurpose, name)
	for i := 0; i < len(hashes); i += 32 {
		for _, h := range want {
			is = is || [32]byte(hashes[i:]) == h
		}
	}
	return hashes, is
}

// remember makes this a browser that knows name.
func (v *visit) remember(name string) {
	hashes, is := v.known(name)
	if !is {
		h := v.server.sealer.hash(knownPurpose, name)
		hashes = append(h[:], hashes...)
		hashes = hashes[:min(len(hashes), 32*maxKnown)]
	}
	v.setCookie(knownCookie, v.server.sealer.seal(knownPurpose, hashes), knownLifetime)
}
