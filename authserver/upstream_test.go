package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// elsewhere is an upstream provider in a test: whoever brings the state back is
// let in under the name that the callback says.
type elsewhere struct {
	name     string
	keepSize int
	authTime time.Time
	fault    error // of Begin
}

func (e *elsewhere) Name() string  { return e.name }
func (e *elsewhere) Title() string { return "Log in at " + e.name }

func (e *elsewhere) Begin(_ context.Context, redirectURI string) (string, []byte, error) {
	state := rand.Text()
	keep := state + "|" + strings.Repeat("k", e.keepSize)
	return "https://" + e.name + ".example/authorize?" + url.Values{"state": {state}, "redirect_uri": {redirectURI}}.Encode(), []byte(keep), e.fault
}

func (e *elsewhere) Finish(_ context.Context, redirectURI string, keep []byte, callback url.Values) (Person, error) {
	state, rest, _ := strings.Cut(string(keep), "|")
	switch {
	case state != callback.Get("state") || len(rest) != e.keepSize || !strings.HasSuffix(redirectURI, "/callback/"+e.name):
		return Person{}, &Denied{Reason: "the answer is for another login"}
	case callback.Get("error") != "":
		return Person{}, &Denied{Reason: "the person said <no>"}
	case callback.Get("code") == "down":
		return Person{}, errors.New("the token endpoint is down")
	}
	return Person{Subject: e.name + ":" + callback.Get("code"), Name: callback.Get("code"), AuthTime: e.authTime}, nil
}

func (*elsewhere) Exchange(context.Context, string, string, holdfast.Secret) (*Person, error) {
	return nil, nil
}

// newUpstreamServer is a test server with two providers.
func newUpstreamServer(t testing.TB) (*testServer, *elsewhere) {
	t.Helper()
	one := &elsewhere{name: "one"}
	ts := newTestServer(t, func(c *Config) { c.Upstreams = []Upstream{one, &elsewhere{name: "two"}} })
	return ts, one
}

// depart presses the button of a provider, and returns the address to come
// back to.
func (p *person) depart(page *view, provider string) string {
	p.t.Helper()
	_, rest, ok := strings.Cut(page.body, `href="`+p.config.Issuer+pathLogin+"/"+provider+"?")
	query, _, _ := strings.Cut(rest, `"`)
	if !ok {
		p.t.Fatalf("there is no button for %s: %s", provider, page.body)
	}
	away := p.open(pathLogin + "/" + provider + "?" + query)
	to, err := url.Parse(away.header.Get("Location"))
	if err != nil || away.status != http.StatusSeeOther || to.Host != provider+".example" {
		p.t.Fatalf("the button leads to %d %s, want the provider: %s", away.status, to, away.body)
	}
	if back := to.Query().Get("redirect_uri"); back != p.config.Issuer+pathCallback+"/"+provider {
		p.t.Errorf("the provider is told to come back to %s", back)
	}
	return pathCallback + "/" + provider + "?state=" + to.Query().Get("state")
}

func TestSomebodyLogsInAtAProvider(t *testing.T) {
	t.Parallel()
	ts, _ := newUpstreamServer(t)
	alice := ts.person(t)
	page := alice.open(asking(webID)).shows(http.StatusOK, "Log in at one", "Log in at two")
	back := alice.depart(page, "one")
	page = alice.open(back+"&code=alice").shows(http.StatusOK, "Allow access?", "logged in as <strong>alice</strong>")
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	alice.open(asking(webID)).code(testCallback)
	alice.open(back+"&code=alice").shows(http.StatusBadRequest, "o login is under way") // once only
}

func TestAProviderThatLetsNobodyInIsTold(t *testing.T) {
	t.Parallel()
	ts, one := newUpstreamServer(t)
	alice := ts.person(t)
	page := alice.open(asking(webID))
	denied := alice.open(alice.depart(page, "one")+"&error=access_denied").
		shows(http.StatusForbidden, "The person said &lt;no&gt;.", "Back to the login page")
	_, rest, _ := strings.Cut(denied.body, `href="`+ts.config.Issuer+pathConsent)
	query, _, _ := strings.Cut(rest, `"`)
	alice.open(pathConsent+query).shows(http.StatusOK, "Log in at one")

	got := alice.open(alice.depart(page, "one")+"&code=down").shows(http.StatusServiceUnavailable, "Back to the login page")
	if strings.Contains(got.body, "token endpoint") {
		t.Error("the page tells what only the operator should know")
	}
	one.fault = errors.New("the provider cannot be reached")
	_, rest, _ = strings.Cut(page.body, `href="`+ts.config.Issuer+pathLogin+"/one")
	query, _, _ = strings.Cut(rest, `"`)
	alice.open(pathLogin+"/one"+query).shows(http.StatusServiceUnavailable, "Back to the login page")
	for _, e := range ts.audited() {
		if e.Endpoint != "login" || e.Decision == "granted" {
			t.Errorf("event is %+v, want a login that was not granted", e)
		}
	}
}

func TestALoginElsewhereIsBoundToTheBrowserProviderAndTime(t *testing.T) {
	t.Parallel()
	ts, _ := newUpstreamServer(t)
	alice, mallory := ts.person(t), ts.person(t)
	back := alice.depart(alice.open(asking(webID)), "one") + "&code=mallory"
	mallory.open(asking(webID))
	mallory.open(back).shows(http.StatusBadRequest, "o login is under way")
	alice.open(strings.Replace(back, "/one", "/two", 1)).shows(http.StatusBadRequest, "o login is under way")
	alice.open(strings.Replace(back, "state=", "state=x", 1)).shows(http.StatusBadRequest, "o login is under way")
	alice.open(back+"&state=other").shows(http.StatusBadRequest, "state is given 2 times")
	if alice.cookie(sessionCookie) != "" || mallory.cookie(sessionCookie) != "" {
		t.Error("a session was begun")
	}
	ts.clock.Advance(departureLifetime)
	alice.open(back).shows(http.StatusBadRequest, "took too long")

	// The cookie of one browser in another: the browsers' own cookies differ.
	back = alice.depart(alice.open(asking(webID)), "one") + "&code=alice"
	u, err := url.Parse(ts.front.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range alice.http.Jar.Cookies(u) {
		if strings.Contains(c.Name, upstreamCookie) {
			mallory.http.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
		}
	}
	mallory.open(back).shows(http.StatusBadRequest, "begun in another browser")
}

func TestLoginsInSeveralTabsDoNotMix(t *testing.T) {
	t.Parallel()
	ts, one := newUpstreamServer(t)
	one.keepSize, one.authTime = 5000, ts.clock.Now() // several cookies each
	alice := ts.person(t)
	var back []string
	for range maxDepartures {
		back = append(back, alice.depart(alice.open(asking(webID)), "one"))
	}
	alice.open(back[1]+"&code=alice").shows(http.StatusOK, "logged in as <strong>alice</strong>")
	alice.open(back[0]+"&code=bob").shows(http.StatusOK, "logged in as <strong>bob</strong>")

	for range maxDepartures {
		last := alice.depart(alice.open(asking(webID, "prompt", "login")), "one")
		back = append(back, last)
	}
	alice.open(back[2]+"&code=alice").shows(http.StatusBadRequest, "o login is under way") // too many: given up
	alice.open(back[len(back)-1]+"&code=alice").shows(http.StatusOK, "logged in as <strong>alice</strong>")

	one.keepSize = maxCookieBytes * maxCookieParts
	page := alice.open(asking(webID, "prompt", "login"))
	_, rest, _ := strings.Cut(page.body, `href="`+ts.config.Issuer+pathLogin+"/one")
	query, _, _ := strings.Cut(rest, `"`)
	alice.open(pathLogin+"/one"+query).shows(http.StatusBadRequest, "too long to be kept")
}

func TestAnOldLoginAtTheProviderDoesNotMeetMaxAge(t *testing.T) {
	t.Parallel()
	ts, one := newUpstreamServer(t)
	one.authTime = ts.clock.Now().Add(-time.Hour)
	alice := ts.person(t)
	q := alice.open(alice.depart(alice.open(asking(webID, "max_age", "60")), "one") + "&code=alice").answered(testCallback)
	if q.Get("error") != errUnmetRequirements || !strings.Contains(q.Get("error_description"), "max_age") {
		t.Errorf("the answer is %v, want %s", q, errUnmetRequirements)
	}
}

func TestAProviderThatNamesNobodyIsNotBelieved(t *testing.T) {
	t.Parallel()
	ts, _ := newUpstreamServer(t)
	alice := ts.person(t)
	alice.open(alice.depart(alice.open(asking(webID)), "one") + "&code=" + strings.Repeat("x", maxPersonBytes)).
		shows(http.StatusServiceUnavailable)
	if alice.cookie(sessionCookie) != "" {
		t.Error("a session was begun")
	}
}
