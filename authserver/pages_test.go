package authserver

import (
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestTemplatesOfTheOperatorReplacePages(t *testing.T) {
	t.Parallel()
	own := template.Must(template.New("own").Parse(
		`{{define "head"}}<html lang="en"><title>Our house: {{.Title}}</title><h1>Our house</h1>{{end}}` +
			`{{define "done"}}{{template "head" .}}{{.Text}}{{end}}`))
	ts, _ := newPeopleServer(t, func(c *Config) { c.Templates = own })
	alice := ts.person(t)
	page := alice.open(asking(webID)).shows(http.StatusOK, "Our house", `name="password"`)
	alice.logIn(page, "alice").shows(http.StatusOK, "Our house")
}

func TestABrokenTemplateIsFoundAtTheStart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{{define "consent"}}{{.Nothing}}{{end}}`,
		`{{define "error"}}<a href='{{if .Back}}x{{else}}"{{end}}{{end}}`,
	} {
		if _, err := newPages(template.Must(template.New("own").Parse(text))); err == nil || !strings.Contains(err.Error(), "template") {
			t.Errorf("%s: error is %v, want one that names the template", text, err)
		}
	}
}

func TestThePagesBelongToTheIssuersPath(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) { c.Issuer += "/tenant" })
	alice := ts.person(t)
	page := alice.open("/tenant"+asking(webID)).shows(http.StatusOK, "Log in")
	if action := testForm.FindStringSubmatch(page.body)[1]; action != "/tenant/login" {
		t.Fatalf("the form goes to %s", action)
	}
	fields := form("username", "alice", "password", testPassword)
	page = alice.submit(page, "/tenant/login", fields).shows(http.StatusOK, "Allow access?", `href="/tenant/style.css?`)
	q := alice.submit(page, "/tenant/consent", form("decision", "allow")).answered(testCallback)
	if q.Get("iss") != ts.front.URL+"/tenant" || q.Get("code") == "" { // ISS-2-01
		t.Errorf("the answer is %v", q)
	}
	alice.open("/tenant/nowhere").shows(http.StatusNotFound, "no such page")
}

func TestTheStyleSheetIsKeptUnderItsHashOnly(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	address := regexp.MustCompile(`href="(/style\.css\?[0-9a-f]{16})"`).FindStringSubmatch(alice.open(asking(webID)).body)
	if address == nil {
		t.Fatal("the page has no style sheet with a hash")
	}
	for path, want := range map[string]string{
		address[1]: "public, max-age=31536000, immutable", pathStyle: "public, max-age=300", pathStyle + "?other": "public, max-age=300",
	} {
		got := alice.open(path)
		if got.status != http.StatusOK || got.header.Get("Cache-Control") != want || got.header.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%s: %d, %s, %s", path, got.status, got.header.Get("Cache-Control"), got.header.Get("Content-Type"))
		}
	}
	tag := alice.open(pathStyle).header.Get("ETag")
	got := alice.do(ts.request(alice.at(pathStyle), nil, func(r *http.Request) {
		r.Method = http.MethodGet
		r.Header.Set("If-None-Match", tag)
	}))
	if got.status != http.StatusNotModified {
		t.Errorf("with its ETag the status is %d, want 304", got.status)
	}
}

// Cookies of a loopback server without TLS cannot have the prefix __Host-, which
// needs Secure.
func TestAServerOnLoopbackWithoutTLSHasPlainCookies(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{"http://127.0.0.1:8080": "holdfast-session", "https://as.example": "__Host-holdfast-session"} {
		ts := newTestServer(t, func(c *Config) { c.Issuer = issuer })
		if got := ts.cookieName(sessionCookie); got != want {
			t.Errorf("%s: the cookie is called %s, want %s", issuer, got, want)
		}
	}
}

func TestEveryFieldHasALabel(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	input := regexp.MustCompile(`<input id="([^"]*)"`)
	for _, page := range []*view{alice.open(asking(webID)), alice.open(pathActivate)} {
		all := input.FindAllStringSubmatch(page.body, -1)
		if len(all) == 0 {
			t.Errorf("there is no field: %s", page.body)
		}
		for _, m := range all {
			if !strings.Contains(page.body, `<label for="`+m[1]+`"`) {
				t.Errorf("field %s has no label", m[1])
			}
		}
		if !strings.Contains(page.body, `<html lang="en">`) || strings.Count(page.body, "<h1>") != 1 || strings.Count(page.body, "autofocus") != 1 {
			t.Errorf("the page wants one language, one heading and one focus: %s", page.body)
		}
	}
}

func TestShownTextIsOfOneDirectionAndLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Alice's app":                           "Alice's app",
		"a\u202eb\u2066c\u200bd\ne\x00f\x1b[0m": "abcdef[0m",
		"\xff\xfe":                              "\ufffd\ufffd",
		strings.Repeat("ä", maxShownRunes+1):    strings.Repeat("ä", maxShownRunes) + "…",
		"\n\u202e":                              "",
	} {
		if got := shownText(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestNoSecretIsInAPageLogOrAddressThatIsNotMeantToHaveIt(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	page := alice.logIn(alice.open(asking(webID)), "alice")
	code := alice.submit(page, pathConsent, form("decision", "allow"))
	secrets := map[string]string{
		"password": testPassword, "session": alice.cookie(sessionCookie), "browser": alice.cookie(browserCookie),
		"code": code.answered(testCallback).Get("code"),
	}
	events := ts.audited()
	for name, secret := range secrets {
		if secret == "" {
			t.Fatalf("there is no %s", name)
		}
		if strings.Contains(page.body, secret) || strings.Contains(page.from.String(), secret) || strings.Contains(code.body, secret) {
			t.Errorf("the page or its address has the %s", name)
		}
		for _, e := range events {
			if strings.Contains(e.Reason+e.Subject, secret) {
				t.Errorf("an event has the %s", name)
			}
		}
	}
}

func TestATemplateThatFailsWithRealDataIsToldToTheOperator(t *testing.T) {
	t.Parallel()
	own := template.Must(template.New("own").Parse(`{{define "consent"}}half a page{{if .Account}}{{index .Access 5}}{{end}}{{end}}`))
	ts, _ := newPeopleServer(t, func(c *Config) { c.Templates = own })
	alice := ts.person(t)
	page := alice.open(asking(webID))
	ts.audited()
	got := alice.logIn(page, "alice").shows(http.StatusServiceUnavailable)
	if strings.Contains(got.body, "half a page") {
		t.Error("half of the page is shown")
	}
	events := ts.audited()
	if last := events[len(events)-1]; last.Decision != "unavailable" || !strings.Contains(last.Reason, "template consent") {
		t.Errorf("the last event is %+v, want the template named", last)
	}
}
