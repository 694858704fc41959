package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// RFC 9700 section 4.7: every form is bound to the browser that it was made for.
func TestAFormIsGoodOnlyInTheBrowserAndTimeItWasMadeFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		text   string
		spoil  func(ts *testServer, alice, mallory *person, fields url.Values) (*person, []option)
	}{
		{"another browser", http.StatusForbidden, "not made for this browser", func(_ *testServer, _, mallory *person, _ url.Values) (*person, []option) {
			mallory.open(asking(webID)) // has a cookie, too
			return mallory, nil
		}},
		{"a browser without cookies", http.StatusForbidden, "keeps no cookies", func(ts *testServer, alice, _ *person, _ url.Values) (*person, []option) {
			return &person{ts, alice.t, ts.http}, nil
		}},
		{"a forged ticket", http.StatusBadRequest, "not of this server", func(_ *testServer, alice, _ *person, fields url.Values) (*person, []option) {
			fields.Set("ticket", "AAAA"+fields.Get("ticket")[4:])
			return alice, nil
		}},
		{"a ticket that is no base64url", http.StatusBadRequest, "not of this server", func(_ *testServer, alice, _ *person, fields url.Values) (*person, []option) {
			fields.Set("ticket", "<script>")
			return alice, nil
		}},
		{"no ticket", http.StatusBadRequest, "ticket is missing", func(_ *testServer, alice, _ *person, fields url.Values) (*person, []option) {
			fields.Del("ticket")
			return alice, nil
		}},
		{"two tickets", http.StatusBadRequest, "given 2 times", func(_ *testServer, alice, _ *person, fields url.Values) (*person, []option) {
			fields.Add("ticket", "x")
			return alice, nil
		}},
		{"an expired ticket", http.StatusBadRequest, "has expired", func(ts *testServer, alice, _ *person, _ url.Values) (*person, []option) {
			ts.clock.Advance(ticketLifetime)
			return alice, nil
		}},
		{"a form of another site", http.StatusForbidden, "another site", func(_ *testServer, alice, _ *person, _ url.Values) (*person, []option) {
			return alice, []option{func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }}
		}},
		{"a form of a sibling site", http.StatusForbidden, "another site", func(_ *testServer, alice, _ *person, _ url.Values) (*person, []option) {
			return alice, []option{func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }}
		}},
		{"a form of another origin, of a browser without Sec-Fetch-Site", http.StatusForbidden, "another site", func(_ *testServer, alice, _ *person, _ url.Values) (*person, []option) {
			return alice, []option{func(r *http.Request) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ts, _ := newPeopleServer(t, nil)
			alice, mallory := ts.person(t), ts.person(t)
			page := alice.open(asking(webID))
			fields := page.fields(pathLogin)
			fields.Set("username", "alice")
			fields.Set("password", testPassword)
			who, options := c.spoil(ts, alice, mallory, fields)
			same := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }
			got := who.do(ts.request(who.at(pathLogin), fields, append([]option{same}, options...)...))
			got.shows(c.status, c.text)
			if strings.Contains(strings.Join(got.header.Values("Set-Cookie"), " "), sessionCookie) {
				t.Error("a session was begun")
			}
		})
	}
}

func TestOurOwnFormsAreAccepted(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	for name, header := range map[string]http.Header{
		"with Sec-Fetch-Site and an Origin that the referrer policy hides": {"Sec-Fetch-Site": {"same-origin"}, "Origin": {"null"}},
		"with our Origin only":  {"Origin": {ts.config.Issuer}},
		"with neither":          {},
		"with a reload by hand": {"Sec-Fetch-Site": {"none"}},
	} {
		alice := ts.person(t)
		fields := alice.open(asking(webID)).fields(pathLogin)
		fields.Set("username", "alice")
		fields.Set("password", testPassword)
		got := alice.do(ts.request(alice.at(pathLogin), fields, func(r *http.Request) {
			for k, v := range header {
				r.Header[k] = v
			}
		}))
		if got.status != http.StatusSeeOther {
			t.Errorf("%s: status is %d, want 303: %s", name, got.status, got.body)
		}
	}
}

func TestATicketForOnePageIsNotGoodForAnother(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.open(pathActivate)
	empty := page.fields(pathActivate).Get("ticket")
	alice.open(pathConsent+"?ticket="+empty).shows(http.StatusBadRequest, "for another page")

	login := alice.open(asking(webID))
	alice.post(page, pathActivate, form("ticket", login.fields(pathLogin).Get("ticket"), "user_code", "BCDF-GHJK")).
		shows(http.StatusBadRequest, "for another page")

	// A consent that nobody was shown is not given: the person is asked.
	alice.logIn(login, "alice")
	answer := alice.post(login, pathLogin, form("username", "alice", "password", testPassword))
	asked, err := url.Parse(answer.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	got := alice.do(ts.request(alice.at(pathConsent), form("ticket", asked.Query().Get("ticket"), "decision", "allow")))
	if got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), ts.config.Issuer+pathConsent) {
		t.Errorf("a consent that was not shown gives %d %s, want the way to the page", got.status, got.header.Get("Location"))
	}
}

func TestUnmetSaysWhatALoginLacks(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 14, 15, 0, 0, 500, time.UTC)
	for _, c := range []struct {
		name     string
		request  authorizationRequest
		login    sessionRecord
		loggedIn string
		met      bool
	}{
		{"nothing is asked", authorizationRequest{}, sessionRecord{}, "", true},
		{"prompt is login, and the session is older than the request", authorizationRequest{Prompt: "login"}, sessionRecord{ID: "s"}, "", false},
		{"prompt is login, and the login was for another request", authorizationRequest{Prompt: "login"}, sessionRecord{ID: "s"}, "other", false},
		{"prompt is login, and the login was for this request", authorizationRequest{Prompt: "login"}, sessionRecord{ID: "s", Person: Person{AuthTime: began.Truncate(time.Second)}}, "s", true},
		{"prompt is login, and the provider let somebody in who had logged in before", authorizationRequest{Prompt: "login"}, sessionRecord{ID: "s", Person: Person{AuthTime: began.Add(-time.Second)}}, "s", false},
		{"prompt is login, and nobody knows when that was", authorizationRequest{Prompt: "login"}, sessionRecord{ID: "s"}, "s", false},
		{"there is a max_age, and nobody knows when the login was", authorizationRequest{MaxAge: new(1 << 30)}, sessionRecord{ID: "s"}, "s", false},
		{"the login is as old as max_age", authorizationRequest{MaxAge: new(60)}, sessionRecord{Person: Person{AuthTime: began.Truncate(time.Second).Add(-60 * time.Second)}}, "", true},
		{"the login is a second older than max_age", authorizationRequest{MaxAge: new(60)}, sessionRecord{Person: Person{AuthTime: began.Add(-61 * time.Second)}}, "", false},
		{"max_age is 0, and the login is from before", authorizationRequest{MaxAge: new(0)}, sessionRecord{Person: Person{AuthTime: began.Add(-time.Second)}}, "", false},
		{"max_age is 0, and the login is from after", authorizationRequest{MaxAge: new(0)}, sessionRecord{Person: Person{AuthTime: began.Add(time.Second)}}, "", true},
		{"the acr is one of those asked for", authorizationRequest{ACR: []string{"phr", "mfa"}}, sessionRecord{Person: Person{ACR: "mfa"}}, "", true},
		{"the acr is another", authorizationRequest{ACR: []string{"phr"}}, sessionRecord{Person: Person{ACR: "pwd"}}, "", false},
		{"there is no acr", authorizationRequest{ACR: []string{"phr"}}, sessionRecord{}, "", false},
	} {
		got := (&ticket{Request: &c.request, Started: began, LoggedIn: c.loggedIn}).unmet(&entry[sessionRecord]{Value: c.login})
		if (got == "") != c.met {
			t.Errorf("%s: lacks %q, want met to be %v", c.name, got, c.met)
		}
	}
}
