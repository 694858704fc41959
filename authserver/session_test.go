package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// cookie returns a cookie of the browser, by its name without the prefix.
func (p *person) cookie(name string) string {
	u, err := url.Parse(p.front.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range p.http.Jar.Cookies(u) {
		if c.Name == p.cookieName(name) {
			return c.Value
		}
	}
	return ""
}

func TestCookiesAreForTheServerAlone(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.open(asking(webID))
	all := append(page.header.Values("Set-Cookie"), alice.post(page, pathLogin, form("username", "alice", "password", testPassword)).header.Values("Set-Cookie")...)
	if len(all) != 3 {
		t.Errorf("there are %d cookies, want browser, session and known", len(all))
	}
	for _, c := range all {
		for _, want := range []string{"__Host-holdfast-", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"} {
			if !strings.Contains(c, want) {
				t.Errorf("the cookie %.25s does not have %s", c, want)
			}
		}
	}
}

func TestASessionSparesTheLoginUntilItEnds(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	alice.granted(asking(webID)).code(testCallback)
	alice.open(asking(otherID)).shows(http.StatusOK, "Allow access?", "logged in as <strong>alice</strong>")
	ts.clock.Advance(ts.config.SessionLifetime - time.Second)
	alice.open(asking(otherID)).shows(http.StatusOK, "Allow access?")
	ts.clock.Advance(time.Second)
	alice.open(asking(otherID)).shows(http.StatusOK, "Log in")
}

func TestASessionIsNewAfterEveryLogin(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	alice.granted(asking(webID))
	first := alice.cookie(sessionCookie)
	alice.logIn(alice.open(asking(webID, "prompt", "login")), "alice")
	if second := alice.cookie(sessionCookie); second == first || second == "" {
		t.Error("the session has the same cookie after a second login")
	}
	thief := ts.person(t)
	got := thief.do(func() *http.Request {
		r := ts.request(thief.at(asking(webID)), nil)
		r.Method = http.MethodGet
		r.AddCookie(&http.Cookie{Name: ts.cookieName(sessionCookie), Value: first})
		return r
	}())
	got.shows(http.StatusOK, "Log in")
}

func TestLogOutEndsTheSessionAndAsksAgain(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice")
	page = alice.submit(page, pathLogout, nil).shows(http.StatusOK, "Log in")
	if alice.cookie(sessionCookie) != "" {
		t.Error("the browser still has the cookie")
	}
	page = alice.logIn(page, "bob").shows(http.StatusOK, "logged in as <strong>bob</strong>")
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
}

func TestAStoreThatIsDownIsToldAndNobodyIsAskedToLogInAgain(t *testing.T) {
	t.Parallel()
	faulty := &faultyStore{kind: kindSession}
	ts, _ := newPeopleServer(t, func(c *Config) {
		faulty.Store = c.Store
		c.Store = faulty
	})
	alice := ts.person(t)
	page := alice.open(asking(webID))
	alice.logIn(page, "alice")
	faulty.down.Store(true)
	q := alice.open(asking(webID)).answered(testCallback)
	if q.Get("error") != errUnavailable || q.Get("iss") != ts.config.Issuer {
		t.Errorf("the answer is %v, want %s", q, errUnavailable)
	}
	alice.logIn(page, "alice").shows(http.StatusServiceUnavailable)
	consent := ts.person(t)
	consent.logIn(consent.open(asking(webID)), "alice").shows(http.StatusServiceUnavailable)
}

func TestPersonCheckRefusesSubjectsThatAreNoIdentifiers(t *testing.T) {
	t.Parallel()
	for subject, ok := range map[string]bool{
		"alice": true, "a-b_c:d": true, strings.Repeat("x", 255): true,
		"": false, strings.Repeat("x", 256): false, "al ice": false, "al\nice": false, "älice": false,
	} {
		if err := (&Person{Subject: subject}).check(); (err == nil) != ok {
			t.Errorf("subject %.20q: %v, want accepted %v", subject, err, ok)
		}
	}
}
