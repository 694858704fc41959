package authserver

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/store"
)

// directory knows alice and bob by a password; down makes it fail, and many
// refuse to judge.
type directory struct {
	scopes map[string][]string // what they may grant; nil is all
	acr    string
	down   atomic.Bool
	many   atomic.Bool
	known  atomic.Bool // of the last attempt
}

const testPassword = "a password that is long enough"

func (d *directory) Authenticate(_ context.Context, a Attempt) (Person, error) {
	d.known.Store(a.Known)
	switch {
	case d.down.Load():
		return Person{}, errors.New("the directory is down")
	case d.many.Load():
		return Person{}, &TooManyAttempts{RetryAfter: 90 * time.Second}
	case (a.Name != "alice" && a.Name != "bob") || a.Password.Reveal() != testPassword:
		return Person{}, ErrWrongPassword
	}
	return Person{Subject: "subject-of-" + a.Name, Name: a.Name, Scopes: d.scopes[a.Name], ACR: d.acr}, nil
}

// newPeopleServer is a test server that alice and bob can log in at.
func newPeopleServer(t testing.TB, edit func(*Config)) (*testServer, *directory) {
	t.Helper()
	d := new(directory)
	return newTestServer(t, func(c *Config) {
		c.Directory = d
		if edit != nil {
			edit(c)
		}
	}), d
}

// person sits at a browser of her own.
type person struct {
	*testServer
	t    testing.TB
	http *http.Client
}

func (ts *testServer) person(t testing.TB) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *ts.http
	c.Jar = jar
	return &person{ts, t, &c}
}

// view is what a browser shows.
type view struct {
	t      testing.TB
	from   *url.URL
	status int
	header http.Header
	body   string
}

func (p *person) do(r *http.Request) *view {
	p.t.Helper()
	answer, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return &view{p.t, r.URL, answer.StatusCode, answer.Header, string(body)}
}

// open follows an address and every redirect of the server itself.
func (p *person) open(address string) *view {
	p.t.Helper()
	for range 5 {
		r, err := http.NewRequest(http.MethodGet, p.at(address), nil)
		if err != nil {
			p.t.Fatal(err)
		}
		v := p.do(r)
		next := v.header.Get("Location")
		if v.status != http.StatusSeeOther || !strings.HasPrefix(next, p.config.Issuer+"/") {
			return v
		}
		address = next
	}
	p.t.Fatal("there is no end of redirects")
	return nil
}

func (p *person) at(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.front.URL + address
	}
	return address
}

// submit sends a form of a page with some fields filled in, and follows.
func (p *person) submit(v *view, action string, fields url.Values, options ...option) *view {
	p.t.Helper()
	answer := p.post(v, action, fields, options...)
	if next := answer.header.Get("Location"); answer.status == http.StatusSeeOther && strings.HasPrefix(next, p.config.Issuer+"/") {
		return p.open(next)
	}
	return answer
}

// post is submit without following.
func (p *person) post(v *view, action string, fields url.Values, options ...option) *view {
	p.t.Helper()
	all := v.fields(action)
	for name, values := range fields {
		all[name] = values
	}
	return p.do(p.request(p.at(action), all, append([]option{func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Origin", "null")
	}}, options...)...))
}

var (
	testForm  = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)".*?</form>`)
	testInput = regexp.MustCompile(`<input[^>]* name="([^"]*)"[^>]* value="([^"]*)"`)
)

// fields are the values that a form has; the page must have it.
func (v *view) fields(action string) url.Values {
	v.t.Helper()
	for _, m := range testForm.FindAllStringSubmatch(v.body, -1) {
		if html.UnescapeString(m[1]) != action {
			continue
		}
		out := url.Values{}
		for _, i := range testInput.FindAllStringSubmatch(m[0], -1) {
			out.Set(html.UnescapeString(i[1]), html.UnescapeString(i[2]))
		}
		return out
	}
	v.t.Fatalf("page with status %d has no form %s: %s", v.status, action, v.body)
	return nil
}

// shows fails unless the page has that status and those texts.
func (v *view) shows(status int, texts ...string) *view {
	v.t.Helper()
	if v.status != status {
		v.t.Fatalf("status is %d, want %d: %s", v.status, status, v.body)
	}
	for _, text := range texts {
		if !strings.Contains(v.body, text) {
			v.t.Fatalf("the page does not say %q: %s", text, v.body)
		}
	}
	return v
}

// answered fails unless the browser was sent to that redirect URI, and returns
// what it carries.
func (v *view) answered(redirectURI string) url.Values {
	v.t.Helper()
	to, err := url.Parse(v.header.Get("Location"))
	if err != nil || v.status != http.StatusSeeOther {
		v.t.Fatalf("status is %d, want 303 to %s: %s", v.status, redirectURI, v.body)
	}
	q := to.Query()
	to.RawQuery = ""
	if to.String() != redirectURI {
		v.t.Fatalf("the answer goes to %s, want %s", to, redirectURI)
	}
	return q
}

// code fails unless the client got a code.
func (v *view) code(redirectURI string) string {
	v.t.Helper()
	q := v.answered(redirectURI)
	if !q.Has("code") || q.Has("error") {
		v.t.Fatalf("the answer is the error %s %s, want a code", q.Get("error"), q.Get("error_description"))
	}
	return q.Get("code")
}

// asking is the address of a request of a client.
func asking(clientID string, pairs ...string) string {
	_, challenge := pkce()
	q := form("response_type", "code", "client_id", clientID, "redirect_uri", testCallback, "scope", "read",
		"state", "state-1", "code_challenge", challenge, "code_challenge_method", "S256")
	for name, values := range form(pairs...) {
		if q[name] = values; values[0] == "" {
			delete(q, name)
		}
	}
	return pathAuthorize + "?" + q.Encode()
}

// logIn fills in the login page.
func (p *person) logIn(v *view, name string) *view {
	p.t.Helper()
	return p.submit(v, pathLogin, form("username", name, "password", testPassword))
}

// granted logs in as alice and allows a request.
func (p *person) granted(address string) *view {
	p.t.Helper()
	return p.submit(p.logIn(p.open(address), "alice"), pathConsent, form("decision", "allow"))
}

// faultyStore fails for one kind of records when it is told to.
type faultyStore struct {
	store.Store
	kind store.Kind
	down atomic.Bool
}

var errStoreDown = errors.New("the store is down")

func (f *faultyStore) fault(k store.Kind) error {
	if f.down.Load() && (f.kind == "" || f.kind == k) {
		return errStoreDown
	}
	return nil
}

func (f *faultyStore) Get(ctx context.Context, k store.Kind, key [32]byte) (store.Record, error) {
	if err := f.fault(k); err != nil {
		return store.Record{}, err
	}
	return f.Store.Get(ctx, k, key)
}

func (f *faultyStore) Create(ctx context.Context, r store.Record) error {
	if err := f.fault(r.Kind); err != nil {
		return err
	}
	return f.Store.Create(ctx, r)
}

func (f *faultyStore) Swap(ctx context.Context, r store.Record) error {
	if err := f.fault(r.Kind); err != nil {
		return err
	}
	return f.Store.Swap(ctx, r)
}

func (f *faultyStore) Delete(ctx context.Context, k store.Kind, key [32]byte) error {
	if err := f.fault(k); err != nil {
		return err
	}
	return f.Store.Delete(ctx, k, key)
}

// administer sends a change to the administration.
func (ts *testServer) administer(t testing.TB, path, body string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	ts.AdminHandler().ServeHTTP(w, r)
	if w.Code/100 != 2 {
		t.Fatalf("%s: status is %d: %s", path, w.Code, w.Body)
	}
}
