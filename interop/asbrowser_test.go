package interop

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// screenshots is the environment variable that has the pictures of the pages
// written to docs/images.
const screenshots = "HOLDFAST_SCREENSHOTS"

// maxScreenshotBytes is the size of the largest picture.
const maxScreenshotBytes = 60 << 10

// personPassword is what everybody at this server has.
const personPassword = "correct horse battery staple"

type onePassword struct{}

func (onePassword) Authenticate(_ context.Context, a authserver.Attempt) (authserver.Person, error) {
	if a.Name != "alice" && a.Name != "bob" || a.Password.Reveal() != personPassword {
		return authserver.Person{}, authserver.ErrWrongPassword
	}
	return authserver.Person{Subject: "person-" + a.Name, Name: a.Name}, nil
}

// house is an authorization server, a client with its two sites, and
// a tab in front of them.
type house struct {
	t        *testing.T
	tab      context.Context
	issuer   string
	callback string
	answers  chan url.Values // what the client got
}

// newHouse starts it all. elsewhere, if it is given, are the providers that people
// can log in at, for the address that they send people back to.
func newHouse(t *testing.T, elsewhere ...func(callback string) authserver.Upstream) *house {
	t.Helper()
	h := &house{t: t, tab: newBrowser(t), answers: make(chan url.Values, 1)}
	landing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!DOCTYPE html><title>Landed</title><p id="landed">landed</p>`)
	}))
	t.Cleanup(landing.Close)
	// The client sends the browser on to another of its sites, as many do.
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cb" {
			_ = r.ParseForm()
			h.answers <- r.Form
			http.Redirect(w, r, landing.URL, http.StatusSeeOther)
		}
	}))
	t.Cleanup(back.Close)
	h.callback = back.URL + "/cb"
	h.issuer = startHouse(t, h.callback, elsewhere)
	command(h, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
	return h
}

// startHouse starts the authorization server and returns its issuer.
func startHouse(t *testing.T, callback string, elsewhere []func(string) authserver.Upstream) string {
	t.Helper()
	front := httptest.NewUnstartedServer(nil)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // the browser does not know the certificate
	if len(elsewhere) == 0 {
		front.StartTLS()
	} else {
		front.Start() // oidc-provider refuses https on loopback for its clients
	}
	t.Cleanup(front.Close)
	all := []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"}
	var upstreams []authserver.Upstream
	for _, u := range elsewhere {
		upstreams = append(upstreams, u(front.URL+"/callback/work"))
	}
	as, err := authserver.New(t.Context(), authserver.Config{
		Issuer:       front.URL,
		Store:        store.NewMemory(nil),
		SealingKeys:  []holdfast.Secret{holdfast.NewSecret(rand.Text() + "123456")},
		Resources:    []authserver.Resource{{ID: "https://calendar.example", Scopes: []string{"read", "write"}}},
		Directory:    onePassword{},
		AllowSecrets: true,
		Upstreams:    upstreams,
		Clients: []authserver.Client{
			{
				Client: metadata.Client{
					ClientID: "planner", Name: "Planner", AuthMethod: "client_secret_basic",
					GrantTypes: all, ResponseTypes: []string{"code"}, RedirectURIs: []string{callback},
				},
				Secrets: []holdfast.Secret{holdfast.NewSecret(rand.Text())},
			},
			{Client: metadata.Client{
				ClientID: "clock", Name: "Desk clock", AuthMethod: "none", GrantTypes: all,
				ResponseTypes: []string{"code"}, RedirectURIs: []string{callback},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = as.Close() })
	front.Config.Handler = as.Handler()
	return front.URL
}

func (h *house) do(steps ...chromedp.Action[chromedp.Void]) {
	h.t.Helper()
	if err := chromedp.Do(h.tab, steps...); err != nil {
		h.t.Fatal(err)
	}
}

// command sends a command of the DevTools protocol to the tab.
func command[P, R any](h *house, cmd cdp.Command[P, R], params P) {
	h.t.Helper()
	if _, err := chromedp.Call(h.tab, cmd, params); err != nil {
		h.t.Fatal(err)
	}
}

// asks opens a request of a client in the browser.
func (h *house) asks(client string, pairs ...string) {
	h.t.Helper()
	sum := sha256.Sum256([]byte(rand.Text() + rand.Text()))
	q := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {h.callback}, "scope": {"read write"},
		"state": {"s"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	h.open(h.issuer + "/authorize?" + q.Encode())
}

func (h *house) open(address string) {
	h.t.Helper()
	h.do(chromedp.Navigate(address))
}

// page fails unless the browser shows the page with that heading.
func (h *house) page(heading string) {
	h.t.Helper()
	h.do(chromedp.WaitReady("h1"))
	got, err := chromedp.Run(h.tab, chromedp.Text("h1"))
	if err != nil || got != heading {
		h.t.Fatalf("the page is %q, want %q: %v", got, heading, err)
	}
}

// press clicks something and waits for the next page.
func (h *house) press(what string) {
	h.t.Helper()
	if _, err := chromedp.RunResponse(h.tab, chromedp.Click(what)); err != nil {
		h.t.Fatal(err)
	}
}

// answered waits until the browser has been at the client and beyond, and
// returns what the client got.
func (h *house) answered() url.Values {
	h.t.Helper()
	h.do(chromedp.WaitVisible("#landed"))
	q := <-h.answers
	if q.Get("iss") != h.issuer || q.Get("state") != "s" {
		h.t.Errorf("the answer has iss %s and state %s", q.Get("iss"), q.Get("state"))
	}
	return q
}

// logIn fills in the login page and presses its button.
func (h *house) logIn(name, password string) {
	h.t.Helper()
	h.page("Log in")
	h.do(chromedp.SetValue("#username", name), chromedp.SetValue("#password", password))
	h.press(`form[action="/login"] button`)
}

// inspect runs the accessibility checker on the page, light and dark, on a
// phone and on a desk, looks whether it fits into 320 pixels, and takes
// pictures if it has a name and they are asked for.
func (h *house) inspect(axe, name string) {
	h.t.Helper()
	for _, size := range []struct {
		name          string
		width, height int64
	}{{"phone", 390, 844}, {"desktop", 1280, 800}} {
		for _, scheme := range []string{"light", "dark"} {
			h.look(size.width, size.height, scheme)
			h.accessible(axe, size.name+", "+scheme)
			if name != "" && os.Getenv(screenshots) == "1" {
				h.picture(name + "-" + size.name + "-" + scheme)
			}
		}
	}
	h.look(320, 640, "light")
	if wide, err := chromedp.Run(h.tab, chromedp.Evaluate[int](`document.documentElement.scrollWidth`)); err != nil || wide > 320 {
		h.t.Errorf("on 320 pixels the page is %d wide: %v", wide, err)
	}
	h.look(1280, 800, "light")
}

func (h *house) look(width, height int64, scheme string) {
	h.t.Helper()
	h.do(chromedp.EmulateViewport(width, height))
	command(h, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// accessible fails for every rule of axe-core that the page breaks, and for
// those that it could not decide.
func (h *house) accessible(axe, how string) {
	h.t.Helper()
	h.do(chromedp.Evaluate[chromedp.Void](axe))
	report, err := chromedp.Run(h.tab, chromedp.Evaluate[string](`axe.run().then(r => JSON.stringify({
		passes: r.passes.length,
		faults: r.violations.concat(r.incomplete).map(f => ({id: f.id, help: f.help, where: f.nodes.map(n => n.html + " " + n.failureSummary)})),
	}))`, chromedp.EvalAwaitPromise))
	if err != nil {
		h.t.Fatal(err)
	}
	var read struct {
		Passes int
		Faults []struct {
			ID, Help string
			Where    []string
		}
	}
	if err := json.Unmarshal([]byte(report), &read); err != nil {
		h.t.Fatal(err)
	}
	if read.Passes == 0 {
		h.t.Errorf("%s: no rule was looked at", how)
	}
	for _, f := range read.Faults {
		h.t.Errorf("%s: %s: %s: %s", how, f.ID, f.Help, strings.Join(f.Where, "\n"))
	}
}

func (h *house) picture(name string) {
	h.t.Helper()
	b, err := chromedp.Run(h.tab, chromedp.CaptureScreenshot())
	if err != nil {
		h.t.Fatal(err)
	}
	if len(b) > maxScreenshotBytes {
		h.t.Errorf("the picture %s has %d bytes, at most %d are kept", name, len(b), maxScreenshotBytes)
	}
	if err := os.WriteFile(filepath.Join("..", "docs", "images", name+".png"), b, 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// axeCore returns the source of the accessibility checker.
func axeCore(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("node/node_modules/axe-core/axe.min.js")
	if err != nil {
		unavailable(t, "axe-core is not there")
	}
	return string(b) + "; undefined"
}

// TestASPagesInABrowser goes through the pages of the authorization server as
// people do, and has each judged by axe-core.
func TestASPagesInABrowser(t *testing.T) {
	axe := axeCore(t)
	h := newHouse(t)

	h.asks("planner")
	h.page("Log in")
	h.inspect(axe, "login")
	h.logIn("alice", "wrong")
	h.page("Log in")
	if name, err := chromedp.Run(h.tab, chromedp.Value("#username")); err != nil || name != "alice" {
		t.Errorf("after a wrong password the name is %q: %v", name, err)
	}
	h.do(chromedp.WaitVisible(`[role="alert"]`))
	h.inspect(axe, "")

	h.logIn("alice", personPassword)
	h.page("Allow access?")
	h.inspect(axe, "consent")
	h.press(`button[value="deny"]`)
	if q := h.answered(); q.Get("error") != "access_denied" {
		t.Errorf("after a denial the client gets %s", q.Get("error"))
	}

	h.asks("planner") // the session spares the login
	h.page("Allow access?")
	h.press(`button[value="allow"]`)
	if q := h.answered(); q.Get("code") == "" {
		t.Errorf("the client gets the error %s", q.Get("error"))
	}
	h.asks("planner") // and this the consent
	if q := h.answered(); q.Get("code") == "" {
		t.Errorf("the client gets the error %s", q.Get("error"))
	}
	h.asks("planner", "response_mode", "form_post") // sent by the script
	if q := h.answered(); q.Get("code") == "" {
		t.Errorf("the form has the error %s", q.Get("error"))
	}

	h.asks("planner", "prompt", "consent")
	h.press(`form[action="/logout"] button`)
	h.logIn("bob", personPassword)
	h.page("Allow access?")

	h.open(h.issuer + "/authorize?client_id=nobody")
	h.page("This did not work")
	h.inspect(axe, "")
}

func TestADeviceIsConnectedInABrowser(t *testing.T) {
	axe := axeCore(t)
	h := newHouse(t)
	code, complete := h.startsDevice("clock")

	h.open(h.issuer + "/activate")
	h.page("Connect a device")
	h.inspect(axe, "device-code")
	h.do(chromedp.SendKeys("#user_code", "BBBBBBBB"))
	h.press("button")
	h.page("Connect a device")
	h.inspect(axe, "")

	h.open(complete)
	if filled, err := chromedp.Run(h.tab, chromedp.Value("#user_code")); err != nil || filled != code {
		t.Errorf("the field has another code than the device: %v", err)
	}
	h.press("button")
	h.logIn("alice", personPassword)
	h.page("Connect a device?")
	h.inspect(axe, "device")
	h.press(`button[value="allow"]`)
	h.page("Device connected")
	h.inspect(axe, "")
}

// startsDevice is what a device does; it returns what it shows.
func (h *house) startsDevice(client string) (code, complete string) {
	h.t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig.InsecureSkipVerify = true // of the test's own server
	answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).
		PostForm(h.issuer+"/device_authorization", url.Values{"client_id": {client}, "scope": {"read"}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	var read struct {
		Code     string `json:"user_code"`
		Complete string `json:"verification_uri_complete"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&read); err != nil || answer.StatusCode != http.StatusOK {
		h.t.Fatalf("status %d: %v", answer.StatusCode, err)
	}
	return read.Code, read.Complete
}

func TestSomebodyLogsInWithTheKeyboardAlone(t *testing.T) {
	h := newHouse(t)
	h.asks("planner")
	h.page("Log in")
	// The field for the name has the focus.
	h.keys("alice", kb.Tab, personPassword, kb.Enter)
	h.page("Allow access?")
	// Deny comes first, so that nobody allows by pressing Enter once more.
	h.do(chromedp.KeyEvent(kb.Tab))
	if focus, err := chromedp.Run(h.tab, chromedp.Evaluate[string](`document.activeElement.value`)); err != nil || focus != "deny" {
		t.Errorf("the first stop is %q: %v", focus, err)
	}
	h.keys(kb.Tab, kb.Enter)
	if q := h.answered(); q.Get("code") == "" {
		t.Errorf("the client gets the error %s", q.Get("error"))
	}
}

func TestSomebodyLogsInAtNPMProviderInABrowser(t *testing.T) {
	axe := axeCore(t)
	h := newHouse(t, func(callback string) authserver.Upstream {
		return startUpstream(t, "bob", callback).provider(t)
	})
	h.asks("planner")
	h.page("Log in")
	h.inspect(axe, "")
	h.press(".providers a")
	h.press("#go")
	h.page("Allow access?")
	h.press(`button[value="allow"]`)
	if q := h.answered(); q.Get("code") == "" {
		t.Errorf("the client gets the error %s", q.Get("error"))
	}
}

// keys types and waits for the next page.
func (h *house) keys(all ...string) {
	h.t.Helper()
	var steps []chromedp.Action[chromedp.Void]
	for _, k := range all {
		steps = append(steps, chromedp.KeyEvent(k))
	}
	if _, err := chromedp.RunResponse(h.tab, steps...); err != nil {
		h.t.Fatal(err)
	}
}

// Without scripts the tab cannot be asked what it shows, so that this goes by
// the keys and by what the client gets.
func TestThePagesWorkWithoutScripts(t *testing.T) {
	h := newHouse(t)
	command(h, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	h.asks("planner", "response_mode", "form_post")
	h.keys("alice", kb.Tab, personPassword, kb.Enter)
	h.keys(kb.Tab, kb.Tab, kb.Enter)
	h.keys(kb.Tab, kb.Enter)
	if q := <-h.answers; q.Get("code") == "" {
		t.Errorf("the form has the error %s", q.Get("error"))
	}
}
