package authserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Limits of logins at upstream providers. A browser drops cookies of more than
// 4096 bytes, so what is longer is kept in several.
const (
	departureLifetime = 15 * time.Minute
	maxDepartures     = 4 // under way in one browser; with one more, the others are given up
	maxCookieBytes    = 3800
	maxCookieParts    = 4
)

// departure is what is remembered in the browser while somebody is at a
// provider.
type departure struct {
	Ticket *ticket   `json:"ticket"`
	Keep   []byte    `json:"keep"`
	Until  time.Time `json:"until"`
}

// departureName is the cookie of one login under way: several tabs do not mix
// up. The state is what the provider hands back (RFC 6749 section 4.1.2).
func departureName(u Upstream, state string) string {
	h := keyOf(u.Name(), state)
	return upstreamCookie + hex.EncodeToString(h[:8])
}

// departurePurpose binds what is sealed to one provider.
func departurePurpose(u Upstream) string { return "upstream " + u.Name() }

// depart sends the browser to a provider. It is a link, because a form would
// be subject to form-action, which cannot name the provider's own redirects.
func (v *visit) depart() error {
	u, err := v.upstream()
	if err != nil {
		return err
	}
	t, err := v.resumed()
	if err != nil {
		return err
	}
	address, keep, err := v.beginAt(u, t)
	if err != nil {
		return v.failUpstream(t, u, err)
	}
	to, err := url.Parse(address)
	if err != nil || !isWeb(to) {
		return unavailable(fmt.Errorf("upstream %s: the address to go to cannot be read", u.Name()))
	}
	body, err := json.Marshal(departure{t, keep, v.server.now().Add(departureLifetime)})
	if err != nil {
		return unavailable(err)
	}
	if err := v.keep(departureName(u, to.Query().Get("state")), v.server.sealer.seal(departurePurpose(u), body)); err != nil {
		return err
	}
	return v.redirect(address)
}

// freshUpstream is an [Upstream] that can ask its provider for a login that is
// not older than maxAge.
type freshUpstream interface {
	BeginFresh(ctx context.Context, redirectURI string, maxAge time.Duration) (authorize string, keep []byte, err error)
}

// beginAt begins a login of the age that the ticket asks for.
func (v *visit) beginAt(u Upstream, t *ticket) (authorize string, keep []byte, err error) {
	if f, can := u.(freshUpstream); can {
		if age, asked := t.maxAge(); asked {
			return f.BeginFresh(v.Context(), v.callbackURL(u), age)
		}
	}
	return u.Begin(v.Context(), v.callbackURL(u))
}

func (v *visit) callbackURL(u Upstream) string {
	return v.server.endpointURL(pathCallback + "/" + u.Name())
}

// keep sets a long cookie in parts, after dropping those of others if there are
// too many.
func (v *visit) keep(name, sealed string) error {
	var others []string
	for _, c := range v.Cookies() {
		if plain := strings.TrimPrefix(c.Name, "__Host-"); strings.HasPrefix(plain, upstreamCookie) && strings.HasSuffix(plain, ".0") {
			others = append(others, strings.TrimSuffix(plain, ".0"))
		}
	}
	if len(others) >= maxDepartures {
		for _, o := range others {
			v.dropCookies(o)
		}
	}
	if len(sealed) > maxCookieBytes*maxCookieParts {
		return refuse(errInvalidRequest, "the request is too long to be kept during a login elsewhere")
	}
	for i := 0; len(sealed) > 0; i++ {
		part := sealed[:min(len(sealed), maxCookieBytes)]
		v.setCookie(fmt.Sprintf("%s.%d", name, i), part, departureLifetime)
		sealed = sealed[len(part):]
	}
	return nil
}

// kept joins the parts of a long cookie.
func (v *visit) kept(name string) string {
	var all strings.Builder
	for i := range maxCookieParts {
		c, err := v.Cookie(v.server.cookieName(fmt.Sprintf("%s.%d", name, i)))
		if err != nil {
			break
		}
		all.WriteString(c.Value)
	}
	return all.String()
}

func (v *visit) dropCookies(name string) {
	for i := range maxCookieParts {
		part := fmt.Sprintf("%s.%d", name, i)
		if _, err := v.Cookie(v.server.cookieName(part)); err == nil {
			v.setCookie(part, "", -1)
		}
	}
}

// arrive takes the browser back from a provider.
func (v *visit) arrive() error {
	u, err := v.upstream()
	if err != nil {
		return err
	}
	form, err := v.query()
	if err == nil {
		err = once(form)
	}
	if err != nil {
		return err
	}
	name := departureName(u, form.Get("state"))
	d, err := v.departed(u, v.kept(name))
	if err != nil {
		return err
	}
	v.dropCookies(name)
	person, err := u.Finish(v.Context(), v.callbackURL(u), d.Keep, form)
	if err != nil {
		return v.failUpstream(d.Ticket, u, err)
	}
	if err := v.begin(person, u.Name(), d.Ticket); err != nil {
		return err
	}
	v.done(nil)
	return v.resumeAt(d.Ticket)
}

// departed reads what was kept, in the browser that it was kept in.
func (v *visit) departed(u Upstream, sealed string) (*departure, error) {
	plain, ok := v.server.sealer.open(departurePurpose(u), sealed)
	d := new(departure)
	if !ok || json.Unmarshal(plain, d) != nil || d.Ticket == nil || !v.server.now().Before(d.Until) {
		return nil, refuse(errInvalidRequest, "no login is under way here, or it took too long: go back to the application and start again")
	}
	c, err := v.Cookie(v.server.cookieName(browserCookie))
	if err != nil || sha256.Sum256([]byte(c.Value)) != d.Ticket.Browser {
		return nil, refuse(errInvalidRequest, "the login was begun in another browser")
	}
	return d, nil
}

// failUpstream shows why a provider let nobody in, with a way back.
func (v *visit) failUpstream(t *ticket, u Upstream, err error) error {
	var denied *Denied
	f := unavailable(fmt.Errorf("upstream %s: %w", u.Name(), err))
	f.text = "the provider could not be asked; try again later"
	if errors.As(err, &denied) {
		f = &refusal{status: http.StatusForbidden, code: errAccessDenied, text: shownText(denied.Reason), why: err}
	}
	v.done(f)
	v.showRefusal(f, v.resumeURL(t))
	return nil
}
