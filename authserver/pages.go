package authserver

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// Page is what a template is given. [Config.Templates] replaces the templates
// of the same name:
//
//	login      Login, LoginHint, Passwords, Providers
//	consent    Client, Verified, Destination, Account, Access
//	activate   the form for a user code: Code
//	device     like consent, with Code: somebody waits at a device
//	done       what was decided about a device: Text
//	error      Text, Error, Back, Address, Destination
//	form_post  Address, Fields: sends itself by the script [Page.Submit]
//	head, foot around each page
//
// Forms are POSTed to Base plus /login, /consent, /logout and /activate with a
// hidden field ticket; login has the fields username and password, consent and
// device a button called decision with the value allow or deny, activate the
// field user_code. No script, style or picture of another origin is loaded: the
// Content-Security-Policy forbids it. Every text may be from a stranger, so that
// a template must not mark any as safe.
type Page struct {
	Name    string // of the template
	Title   string
	Base    string // path that the addresses begin with
	Style   string // address of the style sheet
	Ticket  string // of the form
	Problem string // what was wrong with the form that was sent; may be empty
	Text    string // of done and error

	LoginHint string     // name to begin with, may be empty
	Passwords bool       // there is a form for name and password
	Providers []provider // to log in at, instead

	Client      string   // name, or client_id
	Verified    bool     // false: the client registered itself, so its name proves nothing
	Destination string   // where the answer goes
	Account     string   // who is logged in
	Access      []access // what the client would get
	Code        string   // user code, as XXXX-XXXX

	Error string // OAuth error
	Back  string // address to try again at, may be empty

	Address string  // of the client, may be empty on an error page
	Fields  []field // of the answer
}

// provider is a link to an upstream: Title and Address.
type provider struct{ Title, Address string }

// access is what a client would get at one resource.
type access struct {
	Resource string
	Scopes   []string
}

// field is a member of a form.
type field struct{ Name, Value string }

// submitScript sends the form of a form_post page. Its hash is what the
// Content-Security-Policy allows, and nothing else.
const submitScript = "document.forms[0].submit()"

// Submit is the text of the one script that a form_post page may have.
func (*Page) Submit() template.JS { return submitScript }

//go:embed templates/*.html
var builtIn embed.FS

//go:embed style.css
var styleSheet []byte

// pageNames are the templates that are pages.
func pageNames() []string {
	return []string{"login", "consent", "activate", "device", "done", "error", "form_post"}
}

// pages renders what people see. Safe for concurrent use.
type pages struct {
	all    *template.Template
	style  string // hash of the style sheet: its version
	script string // source expression of submitScript
	wrong  *sourceCounter
}

// newPages reads the templates and tries each, so that a mistake in one is found
// before people come.
func newPages(own *template.Template) (*pages, error) {
	all, err := template.New("").ParseFS(builtIn, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	var errs []error
	if own != nil {
		for _, t := range own.Templates() {
			if t.Tree == nil {
				continue
			}
			if _, err := all.AddParseTree(t.Name(), t.Tree.Copy()); err != nil {
				errs = append(errs, fmt.Errorf("template %.40q: %w", t.Name(), err))
			}
		}
	}
	p := &pages{all: all, wrong: newWrongCodes()}
	sum := sha256.Sum256(styleSheet)
	p.style = hex.EncodeToString(sum[:8])
	sum = sha256.Sum256([]byte(submitScript))
	p.script = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	for _, name := range pageNames() {
		sample := Page{Name: name, Providers: []provider{{}}, Access: []access{{Scopes: []string{""}}}, Fields: []field{{}}}
		if err := all.ExecuteTemplate(io.Discard, name, &sample); err != nil {
			errs = append(errs, fmt.Errorf("template %s: %w", name, err))
		}
	}
	return p, errors.Join(errs...)
}

// serveStyle serves the style sheet: for ever under its hash, else for a while.
func (p *pages) serveStyle(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+p.style+`"`)
	h.Set("Cache-Control", "public, max-age=300")
	if r.URL.RawQuery == p.style {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(styleSheet))
}

// securityHeaders are those of every page and redirect. No page may be framed
// (RFC 9700 section 4.16), kept, or named to another site.
func securityHeaders(h http.Header) {
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// show writes a page. sources are where its form may lead to besides here.
func (v *visit) show(status int, name string, p *Page, sources ...string) {
	all := v.server.pages
	base := strings.TrimSuffix(v.server.issuer.EscapedPath(), "/")
	p.Name, p.Base, p.Style = name, base, base+pathStyle+"?"+all.style
	var body bytes.Buffer
	if err := all.all.ExecuteTemplate(&body, name, p); err != nil {
		// Only a template of the operator fails here, with data that newPages has
		// not tried.
		v.done(unavailable(fmt.Errorf("template %s: %w", name, err)))
		http.Error(v.w, "the page cannot be shown", http.StatusServiceUnavailable)
		return
	}
	policy := "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
	for _, s := range sources {
		if s != "" {
			policy += " " + s
		}
	}
	if name == "form_post" {
		policy += "; script-src " + all.script
	}
	h := v.w.Header()
	securityHeaders(h)
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body.Bytes()) // a browser that hung up is no fault of the server
}

// showRefusal writes the error page. back is where the person may try again.
func (v *visit) showRefusal(f *refusal, back string) {
	for name, values := range f.header {
		v.w.Header()[name] = values
	}
	if f.status == http.StatusServiceUnavailable {
		v.w.Header().Set("Retry-After", retryAfter(RetryAfter))
	}
	p := Page{Title: "This did not work", Text: sentence(f.text), Error: f.code, Back: back}
	if f.status == http.StatusServiceUnavailable {
		p.Title = "Try again later"
	}
	v.show(f.status, "error", &p)
}

// showError writes the error page with a link to the client: the person decides
// whether to follow it.
func (v *visit) showError(q *authorizationRequest, f *refusal, params url.Values) error {
	if f.status == http.StatusServiceUnavailable {
		v.showRefusal(f, "")
		return nil
	}
	u, err := v.addressed(q, params)
	if err != nil {
		return err
	}
	p := Page{Title: "This did not work", Text: sentence(f.text), Error: params.Get("error")}
	if isWeb(u) {
		p.Address, p.Destination = withQuery(u, params), destinationName(q.RedirectURI)
	}
	v.show(f.status, "error", &p)
	return nil
}

// showLogin writes the login page.
func (v *visit) showLogin(t *ticket, problem loginProblem) error {
	s := v.server
	p := Page{
		Title: "Log in", Ticket: s.sealTicket(t), Problem: problem.text,
		LoginHint: problem.name, Passwords: s.config.Directory != nil,
	}
	if p.LoginHint == "" && t.Request != nil {
		p.LoginHint = t.Request.LoginHint
	}
	if len(p.LoginHint) > maxNameBytes {
		p.LoginHint = ""
	}
	for _, u := range s.config.Upstreams {
		address := s.endpointURL(pathLogin+"/"+u.Name()) + "?" + url.Values{"ticket": {p.Ticket}}.Encode()
		p.Providers = append(p.Providers, provider{u.Title(), address})
	}
	if c, err := s.clients.find(v.Context(), t.clientID()); err == nil {
		p.Client = clientName(c)
	}
	v.show(max(problem.status, http.StatusOK), "login", &p, t.destination())
	return nil
}

// showConsent writes the page that asks for a decision.
func (v *visit) showConsent(t *ticket, w *wish, e *entry[sessionRecord], scope []string) error {
	t.Shown = e.Value.ID
	p := Page{
		Title: "Allow access?", Ticket: v.server.sealTicket(t),
		Client: clientName(w.client), Verified: !w.client.dynamic, Account: account(e.Value.Person),
		Access: v.server.accessOf(scope, w.resources),
	}
	name := "consent"
	if w.device != nil {
		name, p.Title, p.Code = "device", "Connect a device?", t.Device.Code
	} else {
		p.Destination = destinationName(t.Request.RedirectURI)
	}
	v.show(http.StatusOK, name, &p, t.destination())
	return nil
}

// showActivate writes the form for a user code.
func (v *visit) showActivate(t *ticket, status int, code, problem string) {
	p := Page{Title: "Connect a device", Ticket: v.server.sealTicket(t), Code: code, Problem: problem}
	v.show(status, "activate", &p)
}

// showFormPost writes a page that sends the answer to the client as a form.
func (v *visit) showFormPost(to *url.URL, params url.Values) error {
	p := Page{Title: "Back to the application", Address: to.String()}
	for name := range params {
		p.Fields = append(p.Fields, field{name, params.Get(name)})
	}
	slices.SortFunc(p.Fields, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	v.show(http.StatusOK, "form_post", &p, destination(p.Address))
	return nil
}

// accessOf lists the scopes by the resource that offers them.
func (s *Server) accessOf(scope, resources []string) []access {
	var out []access
	for _, id := range resources {
		r, ok := s.resource(id)
		if !ok {
			continue
		}
		offered := slices.DeleteFunc(slices.Clone(scope), func(v string) bool { return !slices.Contains(r.Scopes, v) })
		if len(offered) > 0 {
			out = append(out, access{id, offered})
		}
	}
	return out
}

// clientID is the client that a ticket is for; "" if that is only in a record.
func (t *ticket) clientID() string {
	if t.Request == nil {
		return ""
	}
	return t.Request.Client
}

// destination is where the forms of a visit may lead to.
func (t *ticket) destination() string {
	if t.Request == nil {
		return ""
	}
	return destination(t.Request.RedirectURI)
}

// destinationName tells people where the answer goes.
func destinationName(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil:
		return ""
	case isWeb(u) && fetch.Loopback(u.Hostname()):
		return "a program on this device"
	case isWeb(u):
		return u.Host
	default:
		return "an application on this device (" + u.Scheme + ")"
	}
}

func account(p Person) string {
	if name := shownText(p.Name); name != "" {
		return name
	}
	return p.Subject
}

func clientName(c *client) string {
	if name := shownText(c.Name); name != "" {
		return name
	}
	return c.ClientID
}

// maxShownRunes is the longest text of a stranger on a page.
const maxShownRunes = 120

// shownText makes a text from outside fit for a page: no control characters and
// none that turn the direction of what follows, not too long. The template
// escapes it.
func shownText(text string) string {
	out := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return -1
		}
		return r
	}, text))
	if len(out) > maxShownRunes {
		out = append(out[:maxShownRunes], '…')
	}
	return strings.TrimSpace(string(out))
}

// sentence makes a message for people of the text of a refusal.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// retryAfter is a duration as the header of that name has it.
func retryAfter(d time.Duration) string { return fmt.Sprint(int(math.Ceil(d.Seconds()))) }
