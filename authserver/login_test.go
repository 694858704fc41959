package authserver

import (
	"net/http"
	"strings"
	"testing"
)

func TestAWrongPasswordIsToldLikeAnUnknownName(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.open(asking(webID))
	said := func(name, password string) string {
		got := alice.submit(page, pathLogin, form("username", name, "password", password))
		got.shows(http.StatusUnprocessableEntity, `role="alert"`, `aria-describedby="problem"`, `aria-invalid="true"`, "<title>Error: ")
		if name != "" && len(name) <= maxNameBytes && !strings.Contains(got.body, `value="`+name+`"`) {
			t.Errorf("the name %q has to be typed again: %s", name, got.body)
		}
		if strings.Contains(got.body, password) && password != "" {
			t.Error("the page holds the password")
		}
		return testForm.ReplaceAllString(got.body, "")
	}
	want := said("alice", "wrong")
	for _, c := range []struct{ name, password string }{
		{"nobody", "wrong"},
		{"nobody", testPassword},
		{"", "wrong"},
		{"alice", ""},
		{"alice", strings.Repeat("x", maxPasswordBytes+1)},
		{strings.Repeat("x", maxNameBytes+1), "wrong"},
	} {
		if got := said(c.name, c.password); got != want {
			t.Errorf("name %.10q, password of %d bytes: the page says\n%s\nand for a wrong password\n%s", c.name, len(c.password), got, want)
		}
	}
	for _, e := range ts.audited() {
		if e.Decision != "refused" || e.Endpoint != "login" || strings.Contains(e.Reason, "nobody") || strings.Contains(e.Reason, testPassword) {
			t.Errorf("event is %+v, want a refused login without what was typed", e)
		}
	}
}

func TestALoginIsFollowedByA303AndAFreshSession(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	got := alice.post(alice.open(asking(webID)), pathLogin, form("username", " alice ", "password", testPassword))
	if got.status != http.StatusSeeOther { // BCP-4.12-01
		t.Errorf("status is %d, want 303", got.status)
	}
	events := ts.audited()
	if len(events) != 1 || events[0].Endpoint != "login" || events[0].Decision != "granted" || events[0].Subject != "subject-of-alice" {
		t.Errorf("events are %+v, want one granted login of alice", events)
	}
}

func TestTooManyAttemptsAreToldAndNotJudged(t *testing.T) {
	t.Parallel()
	ts, d := newPeopleServer(t, nil)
	d.many.Store(true)
	alice := ts.person(t)
	got := alice.logIn(alice.open(asking(webID)), "alice").shows(http.StatusTooManyRequests, "Too many attempts. Try again in 1m30s.")
	if after := got.header.Get("Retry-After"); after != "90" {
		t.Errorf("Retry-After is %s, want 90", after)
	}
	d.many.Store(false)
	alice.logIn(got, "alice").shows(http.StatusOK, "Allow access?")
}

func TestADirectoryThatIsDownIsOurFault(t *testing.T) {
	t.Parallel()
	ts, d := newPeopleServer(t, nil)
	d.down.Store(true)
	alice := ts.person(t)
	got := alice.logIn(alice.open(asking(webID)), "alice").shows(http.StatusServiceUnavailable, "Try again later")
	if got.header.Get("Retry-After") == "" || strings.Contains(got.body, "directory") {
		t.Errorf("the page has Retry-After %q and says %s", got.header.Get("Retry-After"), got.body)
	}
	if events := ts.audited(); len(events) != 1 || events[0].Decision != "unavailable" || !strings.Contains(events[0].Reason, "the directory is down") {
		t.Errorf("events are %+v, want one that tells the operator", events)
	}
}

func TestABrowserIsKnownForThoseWhoLoggedInThere(t *testing.T) {
	t.Parallel()
	ts, d := newPeopleServer(t, nil)
	alice := ts.person(t)
	try := func(p *person, name, password string) bool {
		p.submit(p.open(asking(webID, "prompt", "login")), pathLogin, form("username", name, "password", password))
		return d.known.Load()
	}
	if try(alice, "alice", testPassword) {
		t.Error("a browser is known before anybody logged in")
	}
	if !try(alice, "ALICE", "wrong") {
		t.Error("the browser is not known after a login, whatever the case of the name")
	}
	if try(alice, "bob", testPassword) {
		t.Error("the browser is known for somebody else")
	}
	if !try(alice, "alice", testPassword) || !try(alice, "bob", testPassword) {
		t.Error("the browser does not know two people")
	}
	if try(ts.person(t), "alice", "wrong") {
		t.Error("another browser is known")
	}
}

func TestWithoutADirectoryNobodyLogsInWithAPassword(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	alice := ts.person(t)
	page := alice.open(asking(webID)).shows(http.StatusOK, "Nobody can log in here")
	if strings.Contains(page.body, "password") {
		t.Error("the page asks for a password")
	}
	alice.do(ts.request(alice.at(pathLogin), form("username", "alice", "password", "x"))).shows(http.StatusNotFound)
}
