package authserver

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/metadata"
)

// An application, which any program could pretend to be.
const (
	nativeID       = "native"
	nativeRedirect = "com.example.native:/cb"
)

// withNative adds the client.
func withNative(c *Config) {
	c.Clients = append(c.Clients, Client{Client: metadata.Client{
		ClientID: nativeID, AuthMethod: "none", Name: "Native app", GrantTypes: []string{grantCode},
		ResponseTypes: []string{"code"}, RedirectURIs: []string{nativeRedirect},
	}})
}

func TestSomebodyLogsInAllowsAndTheClientGetsACode(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.open(asking(webID)).shows(http.StatusOK, "Log in", `autocomplete="current-password"`)
	page = alice.logIn(page, "alice").shows(http.StatusOK, "<strong>web</strong>", "app.example", "<li>read</li>", apiID, "alice")
	ts.audited()
	q := alice.submit(page, pathConsent, form("decision", "allow")).answered(testCallback)
	if q.Get("code") == "" || q.Get("state") != "state-1" || q.Get("iss") != ts.config.Issuer { // ISS-2-01
		t.Errorf("the answer has code %v, state %q, iss %q", q.Has("code"), q.Get("state"), q.Get("iss"))
	}
	events := ts.audited()
	if len(events) != 1 || events[0].Endpoint != "consent" || events[0].Decision != "granted" || events[0].Client != webID || events[0].Subject != "subject-of-alice" {
		t.Errorf("events are %+v, want one granted consent", events)
	}
}

func TestADenialGoesToTheClient(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice")
	q := alice.submit(page, pathConsent, form("decision", "deny")).answered(testCallback)
	if q.Get("error") != errAccessDenied || q.Has("code") || q.Get("state") != "state-1" || q.Get("iss") != ts.config.Issuer { // ISS-2-01
		t.Errorf("the answer is %v, want %s", q, errAccessDenied)
	}
	alice.open(asking(webID)).shows(http.StatusOK, "Allow access?") // a denial is not remembered as consent
	alice.submit(page, pathConsent, form("decision", "perhaps")).shows(http.StatusBadRequest, "decision")
}

func TestAConsentIsRememberedForWhatItCovered(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	alice.granted(asking(webID)).code(testCallback)
	alice.open(asking(webID)).code(testCallback)
	alice.open(asking(otherID)).shows(http.StatusOK, "Allow access?")
	page := alice.open(asking(webID, "scope", "read write")).shows(http.StatusOK, "Allow access?")
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	alice.open(asking(webID, "scope", "write")).code(testCallback)
	page = alice.open(asking(webID, "resource", filesID)).shows(http.StatusOK, filesID)
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	alice.open(asking(webID)).code(testCallback)
	alice.open(asking(webID, "resource", filesID)).code(testCallback)

	bob := ts.person(t)
	bob.logIn(bob.open(asking(webID)), "bob").shows(http.StatusOK, "Allow access?")
	ts.clock.Advance(consentLifetime)
	alice.logIn(alice.open(asking(webID)), "alice").shows(http.StatusOK, "Allow access?")
}

func TestTheOperatorsOwnClientsDoNotAsk(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) {
		withNative(c)
		configured(t, c, nativeID).SkipConsent = true
	})
	alice := ts.person(t)
	alice.logIn(alice.open(asking(nativeID, "redirect_uri", nativeRedirect)), "alice").code(nativeRedirect)
	alice.open(asking(nativeID, "redirect_uri", nativeRedirect, "prompt", "consent")).shows(http.StatusOK, "Allow access?")
}

// RFC 8252 section 8.6: another program may pretend to be the client.
func TestAClientThatCannotBeToldFromOthersAsksEveryTime(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, withNative)
	alice := ts.person(t)
	for _, c := range []struct{ client, redirect, shown string }{
		{nativeID, nativeRedirect, "an application on this device (com.example.native)"},
		{appID, "http://127.0.0.1:4000/cb", "a program on this device"},
	} {
		address := asking(c.client, "redirect_uri", c.redirect)
		page := alice.open(address)
		if alice.cookie(sessionCookie) == "" {
			page = alice.logIn(page, "alice")
		}
		alice.submit(page.shows(http.StatusOK, c.shown), pathConsent, form("decision", "allow")).code(c.redirect)
		page = alice.open(address).shows(http.StatusOK, "Allow access?")
		scheme, _, _ := strings.Cut(c.redirect, ":")
		if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' "+scheme+":") {
			t.Errorf("%s: the policy %s does not let the answer through", c.client, policy)
		}
	}
	alice.granted(asking(appID, "prompt", "login")).code(testCallback)
	alice.open(asking(appID)).code(testCallback) // an https redirect URI belongs to one site
}

func TestOnlyWhatThePersonMayGrantIsGranted(t *testing.T) {
	t.Parallel()
	ts, d := newPeopleServer(t, nil)
	d.scopes = map[string][]string{"alice": {"write"}, "bob": {}}
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID, "scope", "read write")), "alice")
	if strings.Contains(page.body, "<li>read</li>") || !strings.Contains(page.body, "<li>write</li>") {
		t.Errorf("the page shows other scopes than write: %s", page.body)
	}
	verifier, challenge := pkce()
	page = alice.open(asking(webID, "scope", "read write", "code_challenge", challenge))
	code := alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	answer := ts.post(pathToken, form("grant_type", grantCode, "redirect_uri", testCallback, "code", code, "code_verifier", verifier),
		ts.credentials(webID, newKey(t))...).ok()
	if scope := answer.text("scope"); scope != "write" {
		t.Errorf("the scope of the token is %q, want write", scope)
	}
	bob := ts.person(t)
	if q := bob.logIn(bob.open(asking(webID)), "bob").answered(testCallback); q.Get("error") != errAccessDenied {
		t.Errorf("bob, who may grant nothing, gets %v", q)
	}
}

func TestOnlyThePersonWhoSawThePageAnswersIt(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice").shows(http.StatusOK, "logged in as <strong>alice</strong>")
	// In another tab, bob logs in.
	alice.logIn(alice.open(asking(otherID, "prompt", "login")), "bob")
	got := alice.submit(page, pathConsent, form("decision", "allow"))
	got.shows(http.StatusOK, "Allow access?", "logged in as <strong>bob</strong>")
	alice.submit(got, pathLogout, nil).shows(http.StatusOK, "Log in")
	alice.submit(got, pathConsent, form("decision", "allow")).shows(http.StatusOK, "Log in")
}

func TestARevocationEndsSessionAndRememberedConsent(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(*sessionRecord) string{
		"user":    func(*sessionRecord) string { return `{"user":"subject-of-alice"}` },
		"session": func(r *sessionRecord) string { return `{"session":"` + r.ID + `"}` },
	} {
		ts, _ := newPeopleServer(t, nil)
		alice := ts.person(t)
		alice.granted(asking(webID)).code(testCallback)
		e, err := load[sessionRecord](t.Context(), ts.store, kindSession, keyOf(alice.cookie(sessionCookie)))
		if err != nil {
			t.Fatal(err)
		}
		ts.administer(t, "/revoke", of(&e.Value))
		page := alice.open(asking(webID)).shows(http.StatusOK, "Log in")
		ts.clock.Advance(2e9)
		page = alice.logIn(page, "alice")
		if asked := page.status == http.StatusOK; asked != (name == "user") {
			t.Errorf("%s: after a new login the status is %d: only what was cut off is asked again", name, page.status)
		}
	}
}

func TestABlockedClientGetsAPage(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice")
	ts.administer(t, "/blocks", `{"client":"web"}`)
	alice.open(asking(webID)).shows(http.StatusBadRequest)
	alice.submit(page, pathConsent, form("decision", "allow")).shows(http.StatusBadRequest)
}

func TestNamesOfStrangersAreShownAsText(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) {
		configured(t, c, webID).Name = "<b>Bank</b> of alice" + strings.Repeat("x", 500)
	})
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice").shows(http.StatusOK, "&lt;b&gt;Bank&lt;/b&gt; of alicexx")
	if strings.Contains(page.body, strings.Repeat("x", maxShownRunes)) {
		t.Error("the page has the name in its full length")
	}
}

// BCP-4.16-01, RFC 9700 section 4.16
func TestNoPageCanBeFramedKeptOrScripted(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	login := alice.open(asking(webID))
	for name, page := range map[string]*view{
		"login":    login,
		"error":    alice.open(pathAuthorize),
		"activate": alice.open(pathActivate),
		"consent":  alice.logIn(login, "alice").shows(http.StatusOK, "Allow access?"),
	} {
		policy := strings.Split(page.header.Get("Content-Security-Policy"), "; ")
		for _, want := range []string{"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} { // BCP-4.16-01
			if !slices.Contains(policy, want) {
				t.Errorf("%s: the policy %v does not have %s", name, policy, want)
			}
		}
		for header, want := range map[string]string{
			"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", // BCP-4.16-01
		} {
			if got := page.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if strings.Contains(page.body, "<script") || strings.Contains(page.body, "style=") {
			t.Errorf("%s: the page has a script or a style of its own", name)
		}
	}
}

func TestAStoreThatIsDownIsToldToTheClient(t *testing.T) {
	t.Parallel()
	faulty := &faultyStore{kind: kindConsent}
	ts, _ := newPeopleServer(t, func(c *Config) {
		faulty.Store = c.Store
		c.Store = faulty
	})
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice")
	faulty.down.Store(true)
	for name, got := range map[string]*view{
		"when the consent is looked up": alice.open(asking(webID)),
		"when it is written":            alice.submit(page, pathConsent, form("decision", "allow")),
	} {
		if q := got.answered(testCallback); q.Get("error") != errUnavailable || q.Has("code") {
			t.Errorf("%s: the answer is %v, want %s", name, q, errUnavailable)
		}
	}
}

func TestWhatWasCutOffIsNotBroughtBackByAnotherConsent(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	alice.granted(asking(webID)).code(testCallback)
	ts.administer(t, "/revoke", `{"user":"subject-of-alice"}`)
	ts.clock.Advance(2 * time.Second)
	alice.granted(asking(webID, "scope", "write")).code(testCallback)
	alice.open(asking(webID, "scope", "write")).code(testCallback)
	alice.open(asking(webID)).shows(http.StatusOK, "Allow access?")
}

func TestAClientThatRegisteredItselfIsMarked(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) { c.Registration = RegistrationOpen })
	r := ts.request(ts.front.URL+pathRegister, nil)
	r.Header.Set("Content-Type", "application/json")
	body := `{"client_name":"Stranger","redirect_uris":["https://stranger.example/cb"],"token_endpoint_auth_method":"none"}`
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	id := ts.send(ts.http, r).ok().text("client_id")
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(id, "redirect_uri", "https://stranger.example/cb")), "alice")
	page.shows(http.StatusOK, "<strong>Stranger</strong>", "Its name is not verified", "stranger.example")
	if known := alice.open(asking(webID)).shows(http.StatusOK); strings.Contains(known.body, "not verified") {
		t.Error("a client of the operator is marked, too")
	}
}

func TestALogOutThatCannotBeWrittenIsNoLogOut(t *testing.T) {
	t.Parallel()
	faulty := &faultyStore{kind: kindSession}
	ts, _ := newPeopleServer(t, func(c *Config) {
		faulty.Store = c.Store
		c.Store = faulty
	})
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice")
	faulty.down.Store(true)
	alice.submit(page, pathLogout, nil).shows(http.StatusServiceUnavailable)
	faulty.down.Store(false)
	alice.open(asking(webID)).shows(http.StatusOK, "Allow access?") // the session lives, and its cookie
}
