package authserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxQueryBytes is the longest query of a page. It leaves room for a ticket.
const maxQueryBytes = maxSealedBytes

// visit is one request of a browser for a page.
type visit struct {
	*http.Request
	w      http.ResponseWriter
	server *Server
	event  *Event
}

// routePages registers everything that people see.
func (s *Server) routePages(m *http.ServeMux, base string) {
	m.Handle(base+pathAuthorize, s.page("authorize", (*visit).authorize, (*visit).authorizePosted))
	m.Handle(base+pathConsent, s.page("consent", (*visit).resume, (*visit).decide))
	m.Handle(base+pathLogin, s.page("login", nil, (*visit).login))
	m.Handle(base+pathLogin+"/{upstream}", s.page("login", (*visit).depart, nil))
	m.Handle(base+pathCallback+"/{upstream}", s.page("login", (*visit).arrive, nil))
	m.Handle(base+pathLogout, s.page("login", nil, (*visit).logout))
	m.Handle(base+pathActivate, s.page("device", (*visit).askCode, (*visit).enterCode))
	m.Handle("GET "+base+pathStyle, http.HandlerFunc(s.pages.serveStyle))
	m.Handle(base+"/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Request: r, w: w, server: s, event: s.event(r, "authorize")}
		path := strings.TrimPrefix(r.URL.Path, base)
		if slices.Contains([]string{pathJWKS, pathBlocks, pathStyle}, path) {
			v.showRefusal(v.wrongMethod(true, false), "")
			return
		}
		v.showRefusal(v.nowhere(), "") // not worth a line in the audit log
	}))
}

// page serves one address: get answers GET, post answers POST; nil is for what
// the address does not do. There is no HEAD: a GET here may issue a code. An error becomes a page, never a redirect.
func (s *Server) page(endpoint string, get, post func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Request: r, w: w, server: s, event: s.event(r, endpoint)}
		do := get
		switch r.Method {
		case http.MethodGet:
		case http.MethodPost:
			do = post
		default:
			do = nil
		}
		if do == nil {
			v.fail(v.wrongMethod(get != nil, post != nil))
			return
		}
		if err := do(v); err != nil {
			v.fail(err)
		}
	})
}

func (v *visit) wrongMethod(get, post bool) *refusal {
	f := refuse(errInvalidRequest, "this address does not answer the method "+shown(v.Method))
	f.status, f.header = http.StatusMethodNotAllowed, http.Header{}
	if get {
		f.header.Add("Allow", http.MethodGet)
	}
	if post {
		f.header.Add("Allow", http.MethodPost)
	}
	return f
}

// nowhere answers what is no address of ours.
func (v *visit) nowhere() *refusal {
	f := refuse(errInvalidRequest, "there is no such page")
	f.status = http.StatusNotFound
	return f
}

// done hands the decision to the audit log; a nil error is a grant.
func (v *visit) done(err error) { v.server.audit(v.Context(), v.event, err) }

// fail records an error and shows it.
func (v *visit) fail(err error) {
	v.done(err)
	v.showRefusal(refusalOf(err), "")
}

// query reads the parameters of an address.
func (v *visit) query() (url.Values, error) {
	if len(v.URL.RawQuery) > maxQueryBytes {
		f := refuse(errInvalidRequest, fmt.Sprintf("the query is longer than %d bytes", maxQueryBytes))
		f.status = http.StatusRequestURITooLong
		return nil, f
	}
	form, err := url.ParseQuery(v.URL.RawQuery)
	if err != nil {
		return nil, refuse(errInvalidRequest, "the query is not well formed")
	}
	return form, nil
}

// resumed reads the ticket of an address that a page of ours led to.
func (v *visit) resumed() (*ticket, error) {
	form, err := v.query()
	if err == nil {
		err = once(form)
	}
	if err != nil {
		return nil, err
	}
	return v.openTicket(form.Get("ticket"))
}

// submitted reads a form of a page of ours and its ticket.
func (v *visit) submitted() (url.Values, *ticket, error) {
	if err := v.sameOrigin(); err != nil {
		return nil, nil, err
	}
	form, err := readForm(v.w, v.Request)
	if err != nil {
		return nil, nil, err
	}
	t, err := v.openTicket(form.Get("ticket"))
	return form, t, err
}

// sameOrigin refuses forms of other sites, as far as the browser says where a
// form is from; the ticket protects in any case. An Origin of "null" is what our
// own forms have, since the pages send no referrer.
func (v *visit) sameOrigin() error {
	site, origin := v.Header.Get("Sec-Fetch-Site"), v.Header.Get("Origin")
	foreign := origin != "" && origin != "null" && !strings.EqualFold(origin, v.server.origin.String())
	if site != "" && site != "same-origin" && site != "none" || site == "" && foreign {
		f := refuse(errInvalidRequest, "the form was sent by another site")
		f.status = http.StatusForbidden
		return f
	}
	return nil
}

// redirect sends the browser on. 303 makes a GET of what was a form with a
// password (RFC 9700 section 4.12); no body repeats an address with a code.
func (v *visit) redirect(address string) error {
	h := v.w.Header()
	securityHeaders(h)
	h.Set("Location", address)
	v.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// resumeAt sends the browser to the next step of what a ticket is for.
func (v *visit) resumeAt(t *ticket) error {
	return v.redirect(v.resumeURL(t))
}

func (v *visit) resumeURL(t *ticket) string {
	return v.server.endpointURL(pathConsent) + "?" + url.Values{"ticket": {v.server.sealTicket(t)}}.Encode()
}

// remoteHost is the address of the peer without its port.
func (v *visit) remoteHost() string { return hostOf(v.RemoteAddr) }

// upstream is the provider that an address names.
func (v *visit) upstream() (Upstream, error) {
	name := v.PathValue("upstream")
	i := slices.IndexFunc(v.server.config.Upstreams, func(u Upstream) bool { return u.Name() == name })
	if i < 0 {
		return nil, v.nowhere()
	}
	return v.server.config.Upstreams[i], nil
}

// isRefusal reports whether the error is a decision, rather than a failure to
// decide.
func isRefusal(err error) (*refusal, bool) {
	var f *refusal
	ok := errors.As(err, &f) && f.status != http.StatusServiceUnavailable
	return f, ok
}
