package authserver

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// RFC 6749 section 4.1.2.1: whoever is named by a request that names no client,
// or no registered redirect URI, is never sent there.
func TestARequestWithoutAProvenDestinationGetsAPage(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	for _, c := range []struct{ name, address, text string }{
		{"no client", asking(""), "client_id is missing"},
		{"an unknown client", asking("nobody"), ""},
		{"two clients", asking(webID) + "&client_id=other", "client_id is given 2 times"},
		{"two redirect URIs", asking(webID) + "&redirect_uri=https%3A%2F%2Fevil.example", "redirect_uri is given 2 times"},
		// BCP-2.1-01
		{"a slash at the end", asking(webID, "redirect_uri", testCallback+"/"), "redirect_uri"},
		{"a query", asking(webID, "redirect_uri", testCallback+"?x=1"), "redirect_uri"},
		{"an upper-case host", asking(webID, "redirect_uri", "https://APP.example/cb"), "redirect_uri"},
		{"an escaped letter", asking(webID, "redirect_uri", "https://app.example/%63b"), "redirect_uri"},
		{"a port", asking(webID, "redirect_uri", "https://app.example:443/cb"), "redirect_uri"},
		{"another site", asking(webID, "redirect_uri", "https://evil.example/cb"), "redirect_uri"},
		{"a script", asking(webID, "redirect_uri", "javascript:alert(1)"), "redirect_uri"},
		// BCP-2.1-02
		{"another path of the loopback address", asking(appID, "redirect_uri", "http://127.0.0.1:54321/other"), "redirect_uri"},
		{"a host that begins like loopback", asking(appID, "redirect_uri", "http://localhost.evil/cb"), "redirect_uri"},
		{"a request_uri of nobody", pathAuthorize + "?client_id=web&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Ax", "invalid_request_uri"},
		{"a request_uri elsewhere", pathAuthorize + "?client_id=web&request_uri=https%3A%2F%2Fevil.example", "invalid_request_uri"},
		{"a broken query", pathAuthorize + "?client_id=%zz", "not well formed"},
	} {
		got := alice.open(c.address)
		if got.status != http.StatusBadRequest || got.header.Get("Location") != "" || !strings.Contains(got.body, c.text) {
			t.Errorf("%s: the answer is %d to %q, want a page with status 400 that says %q: %s", c.name, got.status, got.header.Get("Location"), c.text, got.body)
		}
	}
	alice.open(asking(webID, "state", strings.Repeat("x", maxQueryBytes))).shows(http.StatusRequestURITooLong)

	// BCP-2.1-02
	alice.granted(asking(appID, "redirect_uri", "http://127.0.0.1:54321/cb")).code("http://127.0.0.1:54321/cb")
}

func TestOtherErrorsGoToTheClient(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	for _, c := range []struct{ name, address, code, text string }{
		{"no challenge", asking(webID, "code_challenge", ""), errInvalidRequest, "code_challenge"},          // PK-4.4-02
		{"an unknown method", asking(webID, "code_challenge_method", "S512"), errInvalidRequest, "S256"},    // PK-4.4-02
		{"an implicit grant", asking(webID, "response_type", "token"), errUnsupportedType, "response_type"}, // BCP-2.1.2-01
		{"a hybrid flow", asking(webID, "response_type", "code token"), errUnsupportedType, "response_type"},
		{"a scope of nobody", asking(webID, "scope", "fly"), errInvalidScope, "scope"},
		{"a resource of nobody", asking(webID, "resource", "https://other.example"), errInvalidTarget, "resource"},
		{"a thumbprint of 42 characters", asking(webID, "dpop_jkt", strings.Repeat("A", 42)), errInvalidRequest, "dpop_jkt"}, // D-10-04
		{"a thumbprint that is no base64url", asking(webID, "dpop_jkt", strings.Repeat("+", 43)), errInvalidRequest, "dpop_jkt"},
		{"two scopes", asking(webID) + "&scope=write", errInvalidRequest, "scope"},
		{"a request object", asking(webID, "request", "e30.e30."), "request_not_supported", "request"},
	} {
		q := alice.open(c.address).answered(testCallback)
		if q.Get("error") != c.code || !strings.Contains(q.Get("error_description"), c.text) || q.Has("code") {
			t.Errorf("%s: the answer is %v, want %s that names %s", c.name, q, c.code, c.text)
		}
		if q.Get("iss") != ts.config.Issuer || q.Get("state") != "state-1" { // ISS-2-01
			t.Errorf("%s: iss is %q and state is %q", c.name, q.Get("iss"), q.Get("state"))
		}
	}
	for _, e := range ts.audited() {
		if e.Endpoint != "authorize" || e.Decision != "refused" || e.Client != webID {
			t.Errorf("event is %+v, want a refusal of the client", e)
		}
	}
}

func TestAQueryOfARedirectURIIsKept(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) {
		configured(t, c, webID).RedirectURIs = []string{testCallback + "?tenant=1"}
	})
	alice := ts.person(t)
	q := alice.granted(asking(webID, "redirect_uri", testCallback+"?tenant=1")).answered(testCallback)
	if q.Get("tenant") != "1" || q.Get("code") == "" {
		t.Errorf("the answer is %v, want the tenant and a code", q)
	}
}

func TestARequestMayBePosted(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	_, query, _ := strings.Cut(asking(webID), "?")
	body, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	answer := alice.do(ts.request(alice.at(pathAuthorize), body, func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site") // it is the client's page that sends it
	}))
	if answer.status != http.StatusSeeOther {
		t.Fatalf("status is %d, want 303", answer.status)
	}
	alice.open(answer.header.Get("Location")).shows(http.StatusOK, "Log in")

	body.Set("state", strings.Repeat("x", MaxFormBytes))
	alice.do(ts.request(alice.at(pathAuthorize), body)).shows(http.StatusRequestEntityTooLarge)
	body.Set("state", strings.Repeat("x", maxQueryBytes))
	alice.do(ts.request(alice.at(pathAuthorize), body)).shows(http.StatusRequestEntityTooLarge)
}

func TestTheAnswerCanBeAForm(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.granted(asking(webID, "response_mode", "form_post", "state", `"><script>alert(1)</script>`)).shows(http.StatusOK)
	fields := page.fields(testCallback)
	if fields.Get("code") == "" || fields.Get("iss") != ts.config.Issuer || fields.Get("state") != `"><script>alert(1)</script>` { // ISS-2-01
		t.Errorf("the form has %d fields, iss %q, state %q", len(fields), fields.Get("iss"), fields.Get("state"))
	}
	if strings.Contains(page.body, "<script>alert") {
		t.Error("the state became a script")
	}
	policy := page.header.Get("Content-Security-Policy")
	if !strings.Contains(page.body, "<script>"+submitScript+"</script>") || !strings.Contains(policy, "; script-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s, want the one script by its hash", policy)
	}
	fields = alice.open(asking(webID, "response_mode", "form_post", "scope", "fly")).shows(http.StatusOK).fields(testCallback)
	if fields.Get("error") != errInvalidScope || fields.Get("iss") != ts.config.Issuer {
		t.Errorf("the error form is %v", fields)
	}
}

func TestTheAuthorizationEndpointHasNoCORS(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) { c.Origins = []string{"https://spa.example"} })
	alice := ts.person(t)
	for _, method := range []string{http.MethodOptions, http.MethodGet} {
		r := ts.request(alice.at(asking(webID)), nil, func(r *http.Request) {
			r.Method = method
			r.Header.Set("Origin", "https://spa.example")
			r.Header.Set("Access-Control-Request-Method", "GET")
		})
		if got := alice.do(r); got.header.Get("Access-Control-Allow-Origin") != "" { // BCP-2.6-02
			t.Errorf("%s: scripts of another origin may read the answer", method)
		}
	}
}

// push sends a request of a client to the PAR endpoint.
func (ts *testServer) pushes(clientID string, pairs ...string) string {
	ts.t.Helper()
	_, query, _ := strings.Cut(asking(clientID, pairs...), "?")
	body, err := url.ParseQuery(query)
	if err != nil {
		ts.t.Fatal(err)
	}
	uri := ts.post(pathPAR, body, as(clientID)).ok().text("request_uri")
	return pathAuthorize + "?" + form("client_id", clientID, "request_uri", uri).Encode()
}

func TestAPushedRequestIsGoodForItsClientAndForOneCode(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	address := ts.pushes(webID)
	alice.open(strings.Replace(address, "client_id=web", "client_id=other", 1)).shows(http.StatusBadRequest, "invalid_request") // PAR-2.2-02

	alice.open(address).shows(http.StatusOK, "Log in")
	page := alice.open(address).shows(http.StatusOK, "Log in") // a reload spends nothing
	page = alice.logIn(page, "alice")
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)

	alice.open(address).shows(http.StatusBadRequest, errInvalidRequestURI) // PAR-4-02
	again := alice.submit(page, pathConsent, form("decision", "allow")).answered(testCallback)
	if again.Get("error") != errInvalidRequestURI || again.Has("code") { // PAR-4-02
		t.Errorf("the same page once more gives %v, want %s", again, errInvalidRequestURI)
	}

	late := ts.pushes(webID)
	ts.clock.Advance(ts.config.PushLifetime)
	alice.open(late).shows(http.StatusBadRequest, errInvalidRequestURI) // PAR-4-02
}

func TestWhatStandsBesideARequestURIIsNotUsed(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	address := ts.pushes(webID) + "&scope=write&redirect_uri=https%3A%2F%2Fevil.example&state=other"
	page := alice.logIn(alice.open(address), "alice")
	if strings.Contains(page.body, "<li>write</li>") {
		t.Error("the page shows a scope that was not pushed")
	}
	q := alice.submit(page, pathConsent, form("decision", "allow")).answered(testCallback)
	if q.Get("state") != "state-1" {
		t.Errorf("state is %q, want the pushed one", q.Get("state"))
	}
}

func TestAPlainRequestIsRefusedWherePushingIsRequired(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Config){
		"of the client": func(c *Config) { configured(t, c, webID).RequirePAR = true },
		"of all":        func(c *Config) { c.RequirePAR = true },
	} {
		ts, _ := newPeopleServer(t, edit)
		alice := ts.person(t)
		q := alice.open(asking(webID)).answered(testCallback)
		if q.Get("error") != errInvalidRequest || !strings.Contains(q.Get("error_description"), "request_uri") { // PAR-5-01
			t.Errorf("%s: the answer is %v, want %s", name, q, errInvalidRequest)
		}
		alice.open(ts.pushes(webID)).shows(http.StatusOK, "Log in")
	}
}

func TestACodeIsRedeemedForABoundToken(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice, key := ts.person(t), holdfasttest.NewKey(t)
	verifier, challenge := pkce()
	code := alice.granted(asking(appID, "code_challenge", challenge, "dpop_jkt", key.Thumbprint().String())).code(testCallback)
	redeem := form("grant_type", grantCode, "client_id", appID, "redirect_uri", testCallback, "code", code, "code_verifier", verifier)
	answer := ts.post(pathToken, redeem, ts.proof(key)).ok()
	claims := answer.claims()
	if claims["sub"] != "subject-of-alice" || answer.text("token_type") != "DPoP" {
		t.Errorf("the token is for %v, type %v", claims["sub"], answer.text("token_type"))
	}
	if confirmation, _ := claims["cnf"].(map[string]any); confirmation["jkt"] != key.Thumbprint().String() {
		t.Errorf("the confirmation is %v", confirmation)
	}
}

func TestPromptMaxAgeAndACRAreKept(t *testing.T) {
	t.Parallel()
	ts, d := newPeopleServer(t, nil)
	alice := ts.person(t)
	refused := func(want string, pairs ...string) {
		t.Helper()
		if q := alice.open(asking(webID, pairs...)).answered(testCallback); q.Get("error") != want || q.Get("iss") != ts.config.Issuer {
			t.Errorf("%v: the answer is %v, want %s", pairs, q, want)
		}
	}
	refused(errLoginRequired, "prompt", "none")
	page := alice.logIn(alice.open(asking(webID)), "alice")
	refused(errConsentRequired, "prompt", "none")
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	alice.open(asking(webID, "prompt", "none")).code(testCallback)
	alice.open(asking(webID, "prompt", "consent")).shows(http.StatusOK, "Allow access?")

	alice.logIn(alice.open(asking(webID, "prompt", "login")).shows(http.StatusOK, "Log in"), "alice").code(testCallback)
	ts.clock.Advance(time.Minute)
	alice.open(asking(webID, "max_age", "60")).code(testCallback)
	refused(errLoginRequired, "max_age", "59", "prompt", "none")
	alice.logIn(alice.open(asking(webID, "max_age", "59")).shows(http.StatusOK, "Log in"), "alice").code(testCallback)
	alice.open(asking(webID, "max_age", "0")).code(testCallback) // the login is of this second
	ts.clock.Advance(time.Second)
	page = alice.open(asking(webID, "max_age", "0")).shows(http.StatusOK, "Log in")
	ts.clock.Advance(time.Second)
	alice.logIn(page, "alice").code(testCallback)

	refused(errLoginRequired, "acr_values", "phr", "prompt", "none")
	page = alice.open(asking(webID, "acr_values", "phr")).shows(http.StatusOK, "Log in")
	if q := alice.logIn(page, "alice").answered(testCallback); q.Get("error") != errUnmetRequirements {
		t.Errorf("after a login without that acr the answer is %v, want %s", q, errUnmetRequirements)
	}
	d.acr = "phr"
	alice.logIn(page, "alice").code(testCallback)
}

func TestALoginHintIsFilledIn(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	ts.person(t).open(asking(webID, "login_hint", `alice"><b>`)).shows(http.StatusOK, `value="alice&#34;&gt;&lt;b&gt;"`)
}

func TestWrongMethodsAndAddressesGetPages(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nowhere", 404, ""},
		{"POST", "/nowhere", 404, ""},
		{"GET", pathLogin, 405, "POST"},
		{"GET", pathLogin + "/unknown", 404, ""},
		{"POST", pathLogin + "/unknown", 405, "GET"},
		{"PUT", pathConsent, 405, "GET, POST"},
		{"HEAD", pathAuthorize, 405, "GET, POST"},
		{"DELETE", pathAuthorize, 405, "GET, POST"},
		{"GET", pathCallback + "/unknown", 404, ""},
		{"POST", pathStyle, 405, "GET"},
	} {
		got := alice.do(ts.request(alice.at(c.path), nil, func(r *http.Request) { r.Method = c.method }))
		if allow := strings.Join(got.header.Values("Allow"), ", "); got.status != c.status || allow != c.allow {
			t.Errorf("%s %s: status %d, Allow %q, want %d, %q", c.method, c.path, got.status, allow, c.status, c.allow)
		}
		if kind := got.header.Get("Content-Type"); c.method != "HEAD" && kind != "text/html; charset=utf-8" {
			t.Errorf("%s %s: the answer is %s, want a page", c.method, c.path, kind)
		}
	}
}

func TestDestinationAllowsTheSchemeOfTheClient(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example/cb":    "https:",
		"http://127.0.0.1:4000/cb":  "http:",
		"com.example.app:/cb":       "com.example.app:",
		"x y; script-src *:nothing": "",
		"nothing":                   "",
	} {
		if got := destination(uri); got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
}

// An answer carries a code to a redirect URI, whatever that looks like.
func FuzzAnswerStaysAtTheRedirectURI(f *testing.F) {
	ts, _ := newPeopleServer(f, nil)
	f.Add(asking(webID))
	f.Add(pathAuthorize + "?client_id=web&redirect_uri=https://app.example/cb&state=%0d%0aX: y")
	f.Add(pathAuthorize + "?client_id=web&redirect_uri=https://app.example/cb@evil.example")
	f.Fuzz(func(t *testing.T, address string) {
		_, query, _ := strings.Cut(address, "?")
		r := httptest.NewRequest(http.MethodGet, pathAuthorize, nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		ts.Handler().ServeHTTP(w, r)
		if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, testCallback+"?") && !strings.HasPrefix(to, "http://127.0.0.1") {
			t.Errorf("%q is answered at %q", address, to)
		}
	})
}
