package authserver

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/store"
)

// consentLifetime is how long a person is not asked again.
const consentLifetime = 365 * 24 * time.Hour

// maxConsentTries is how often a remembered consent is written when others
// write it at the same time.
const maxConsentTries = 3

// errUnmetRequirements says that a login is not of the kind asked for (RFC 9470
// section 5).
const errUnmetRequirements = "unmet_authentication_requirements"

// wish is what somebody is asked to allow, of a request or of a device.
type wish struct {
	client    *client
	scope     []string
	resources []string
	holder    holdfast.Thumbprint
	device    *entry[deviceRecord] // nil: of a request
}

// wish looks up what a ticket is for. An error is for a page: it is about the
// client, or there is no client to tell.
func (v *visit) wish(t *ticket) (*wish, error) {
	w := new(wish)
	id := ""
	switch {
	case t.Request != nil:
		q := t.Request
		id, w.scope, w.resources, w.holder = q.Client, q.Scope, q.Resources, q.JKT
	case t.Device != nil:
		d, err := v.server.waiting(v.Context(), t.Device.Key)
		if err != nil {
			return nil, err
		}
		r := d.Value
		w.device, id, w.scope, w.resources, w.holder = d, r.Client, r.Scope, r.Resources, r.JKT
		v.event.Endpoint = "device"
	default:
		return nil, refuse(errInvalidRequest, "the ticket is for another page")
	}
	v.event.Client = id
	c, err := v.server.clients.find(v.Context(), id)
	if err != nil {
		return nil, asPage(err)
	}
	w.client = c
	// What was pushed or begun before the redirect URI was removed ends with it
	// (RFC 9126 section 4).
	if t.Request != nil && !c.AllowsRedirect(t.Request.RedirectURI) {
		return nil, refuse(errInvalidRequest, "the redirect_uri of the request is not registered any more")
	}
	return w, v.server.allowed(v.Context(), c, w.holder)
}

// proceed does the next step of what a ticket is for: login, consent or answer.
func (v *visit) proceed(t *ticket) error {
	w, err := v.wish(t)
	if err != nil {
		return err
	}
	e, err := v.session()
	if err != nil {
		return v.refuse(t, err)
	}
	silent := t.Request != nil && t.Request.Prompt == "none"
	if e == nil {
		if silent {
			return v.refuse(t, refuse(errLoginRequired, "nobody is logged in, and prompt is none"))
		}
		return v.showLogin(t, loginProblem{})
	}
	if lack := t.unmet(e); lack != "" {
		switch {
		case silent:
			return v.refuse(t, refuse(errLoginRequired, lack+", and prompt is none"))
		case t.LoggedIn == e.Value.ID:
			return v.refuse(t, refuse(errUnmetRequirements, lack+", after a new login"))
		}
		return v.showLogin(t, loginProblem{})
	}
	scope := grantable(e.Value.Person, w.scope)
	if len(scope) == 0 && len(w.scope) > 0 {
		return v.refuse(t, refuse(errAccessDenied, "the person may grant none of the scopes asked for"))
	}
	ask, err := v.mustAsk(t, w, e.Value.Person.Subject, scope)
	switch {
	case err != nil:
		return v.refuse(t, err)
	case ask && silent:
		return v.refuse(t, refuse(errConsentRequired, "the person has to be asked, and prompt is none"))
	case ask:
		return v.showConsent(t, w, e, scope)
	}
	return v.complete(t, w, e, scope)
}

// refuse tells an error to the client that asked, or shows it.
func (v *visit) refuse(t *ticket, err error) error {
	if t.Request == nil {
		return err
	}
	return v.answerError(t.Request, err)
}

// grantable are the scopes that a person may grant (RFC 6749 section 3.3: the
// answer names what was granted).
func grantable(p Person, scope []string) []string {
	if p.Scopes == nil {
		return scope
	}
	return slices.DeleteFunc(slices.Clone(scope), func(s string) bool { return !slices.Contains(p.Scopes, s) })
}

// mustAsk reports whether the person has to see the consent page. A device is
// always shown, since somebody else may have sent the code (RFC 8628 section
// 5.4), and so is a client that cannot be told from another program of the
// machine (RFC 8252 section 8.6).
func (v *visit) mustAsk(t *ticket, w *wish, subject string, scope []string) (bool, error) {
	switch {
	case w.device != nil || t.Request.Prompt == "consent":
		return true, nil
	case w.client.SkipConsent:
		return false, nil
	case !assured(w.client, t.Request.RedirectURI):
		return true, nil
	}
	e, err := load[consentRecord](v.Context(), v.server.store, kindConsent, keyOf(subject, w.client.ClientID))
	if missing(err) {
		return true, nil
	}
	if err != nil {
		return true, unavailable(err)
	}
	err = v.server.standing(v.Context(), party{Subject: subject, Client: w.client.ClientID, At: e.Value.At})
	if _, cut := isRefusal(err); cut {
		return true, nil
	}
	for resource, want := range v.server.accessBy(scope, w.resources) {
		if have, known := e.Value.Access[resource]; !known || !covers(have, want) {
			return true, err
		}
	}
	return false, err
}

// accessBy lists, for each resource, those of the scopes that it offers: what was
// allowed at one of them is not allowed at another.
func (s *Server) accessBy(scope, resources []string) map[string][]string {
	out := map[string][]string{}
	for _, id := range resources {
		out[id] = nil
		if r, ok := s.resource(id); ok {
			out[id] = inOrder(scope, r.Scopes)
		}
	}
	return out
}

// assured reports whether only the client can receive what is sent to its
// redirect URI, or can redeem it.
func assured(c *client, redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	return !c.public() || err == nil && u.Scheme == "https" && !fetch.Loopback(u.Hostname())
}

func covers(have, want []string) bool {
	return !slices.ContainsFunc(want, func(s string) bool { return !slices.Contains(have, s) })
}

// resume continues what a ticket of an address is for.
func (v *visit) resume() error {
	t, err := v.resumed()
	if err != nil {
		return err
	}
	return v.proceed(t)
}

// decide takes the answer to the consent page.
func (v *visit) decide() error {
	form, t, err := v.submitted()
	if err != nil {
		return err
	}
	w, err := v.wish(t)
	if err != nil {
		return err
	}
	e, err := v.session()
	if err != nil {
		return v.refuse(t, err)
	}
	if e == nil || e.Value.ID != t.Shown || t.unmet(e) != "" {
		return v.resumeAt(t) // the session ended, or is another's: nobody has been asked
	}
	switch form.Get("decision") {
	case "allow":
		return v.allow(t, w, e)
	case "deny":
		return v.deny(t, w)
	}
	return refuse(errInvalidRequest, "the parameter decision is neither allow nor deny")
}

func (v *visit) allow(t *ticket, w *wish, e *entry[sessionRecord]) error {
	scope := grantable(e.Value.Person, w.scope)
	if w.device == nil && assured(w.client, t.Request.RedirectURI) && !w.client.SkipConsent {
		if err := v.server.rememberConsent(v.Context(), e.Value.Person.Subject, w, scope, v.event.Time); err != nil {
			return v.refuse(t, err)
		}
	}
	return v.complete(t, w, e, scope)
}

func (v *visit) deny(t *ticket, w *wish) error {
	if w.device != nil {
		return v.decideDevice(w.device, "denied", nil)
	}
	return v.answerError(t.Request, refuse(errAccessDenied, "the person did not allow it"))
}

// complete grants what a ticket is for.
func (v *visit) complete(t *ticket, w *wish, e *entry[sessionRecord], scope []string) error {
	if err := v.server.clients.keep(v.Context(), w.client); err != nil {
		return v.refuse(t, err)
	}
	p := e.Value.Person
	a := approval{
		Client: w.client.ClientID, Subject: p.Subject, Scope: scope, Resources: w.resources,
		// From before anything was judged: a revocation that came meanwhile ends it.
		Session: e.Value.ID, AuthTime: p.AuthTime, ACR: p.ACR, At: v.event.Time,
	}
	if w.device != nil {
		return v.decideDevice(w.device, "approved", &a)
	}
	code, err := v.server.issueCode(v.Context(), t.Request, a)
	if err != nil {
		return v.refuse(t, err)
	}
	return v.answerCode(t.Request, code)
}

// rememberConsent adds what was allowed at a time to what was allowed before.
func (s *Server) rememberConsent(ctx context.Context, subject string, w *wish, scope []string, at time.Time) error {
	key := keyOf(subject, w.client.ClientID)
	for range maxConsentTries {
		e, err := load[consentRecord](ctx, s.store, kindConsent, key)
		switch {
		case missing(err):
			err = create(ctx, s.store, kindConsent, key, subject, at.Add(consentLifetime),
				consentRecord{Client: w.client.ClientID, Access: s.accessBy(scope, w.resources), At: at})
		case err == nil:
			err = s.widen(ctx, e, s.accessBy(scope, w.resources), at)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return unavailable(err)
		}
	}
	return unavailable(errors.New("the consent is being changed by others"))
}

// widen adds to a remembered consent. One that was cut off is not brought back:
// what it allowed is forgotten.
func (s *Server) widen(ctx context.Context, e *entry[consentRecord], access map[string][]string, at time.Time) error {
	r := &e.Value
	err := s.standing(ctx, party{Subject: e.Owner, Client: r.Client, At: r.At})
	if _, cut := isRefusal(err); cut {
		r.Access = nil
	} else if err != nil {
		return err
	}
	for resource, before := range r.Access {
		access[resource] = union(before, access[resource])
	}
	r.Access, r.At, e.Expires = access, at, at.Add(consentLifetime)
	return e.swap(ctx, s.store)
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
