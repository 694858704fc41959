//go:build unix

package interop

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	people "github.com/holdfast-oauth/holdfast/internal/login"
)

// TestOurProgramLogsInAtOurServer: the login with a password, what it brings, and
// what the browser remembers of it.
func TestOurProgramLogsInAtOurServer(t *testing.T) {
	w := newTown(t, nil)

	// The API names the authorization server.
	signedIn := w.login(func() {
		w.logIn("alice", "incorrect horse")
		w.page("Log in")
		w.do(chromedp.WaitVisible(`[role="alert"]`))
		w.logsIn(allowButton)()
	}, w.site.URL, "--client-id", "tool", "--scope", "read")
	if signedIn.status != 0 || !strings.Contains(signedIn.stdout, "DPoP, bound to the key") || !strings.Contains(signedIn.stdout, "yes, bound to the key") {
		t.Fatalf("login: %+v", signedIn)
	}
	w.callsAs(w.alice.Subject, "default", w.api)
	if o := w.run("call", "--verbose", w.api); !strings.Contains(o.stderr, "use_dpop_nonce") {
		t.Errorf("the API did not ask for a nonce: %+v", o)
	}
	stolen := w.token("default")
	if read := w.read(stolen); !slices.Equal(read.Scope, []string{"read"}) || read.Confirmation.JKT.IsZero() || read.ClientID != "tool" {
		t.Errorf("the token has scope %q, client %q, key %s", read.Scope, read.ClientID, read.Confirmation.JKT)
	}
	if status := w.bearer(stolen); status != http.StatusUnauthorized { // D-7.2-01
		t.Errorf("without its key the token gets status %d", status)
	}

	t.Run("a denial is told and leaves nothing", func(t *testing.T) {
		w := w.in(t)
		o := w.login(w.consents(denyButton), w.issuer, "--profile", "denied", "--client-id", "tool", "--scope", "write")
		if o.status != 1 || o.stdout != "" || !strings.Contains(o.stderr, "access_denied") || !strings.Contains(o.stderr, "the person did not allow it") {
			t.Errorf("login: %+v", o)
		}
		if o := w.run("call", "--profile", "denied", "--allow-origin", w.site.URL, w.api); o.status != 2 || o.stdout != "" {
			t.Errorf("call after a denial: %+v", o)
		}
	})

	t.Run("another client is asked for consent alone, and once", func(t *testing.T) {
		w := w.in(t)
		login := []string{
			"--profile", "desk", w.issuer, "--client-id", "desk", "--client-secret-file", w.deskSecret,
			"--scope", "read", "--resource", w.site.URL, "--allow-origin", w.site.URL,
		}
		for _, browse := range []func(){w.consents(allowButton), nil} {
			if o := w.login(browse, login...); o.status != 0 {
				t.Fatalf("login: %+v", o)
			}
			w.callsAs(w.alice.Subject, "desk", w.api)
		}
	})

	t.Run("a client that anybody could be is asked each time", func(t *testing.T) { // RFC 8252 section 8.6
		w := w.in(t)
		if o := w.login(w.consents(allowButton), w.site.URL, "--scope", "read"); o.status != 0 {
			t.Fatalf("login: %+v", o)
		}
		w.callsAs(w.alice.Subject, "default", w.api)
	})

	t.Run("a logout ends the tokens", func(t *testing.T) {
		w := w.in(t)
		w.logsInForOpaque(w.consents(allowButton))
		raw := w.token("opaque")
		if !w.active(raw) {
			t.Fatal("the token is not active before")
		}
		if o := w.run("logout", "--profile", "opaque"); o.status != 0 || !strings.Contains(o.stderr, "revoked and forgotten") {
			t.Fatalf("logout: %+v", o)
		}
		if w.active(raw) { // REV-2-01
			t.Error("the token is active after the logout")
		}
		if o := w.run("call", "--profile", "opaque", w.opaque); o.status != 2 || o.stdout != "" {
			t.Errorf("call after the logout: %+v", o)
		}
		if strings.Contains(w.audit.String(), raw.Reveal()) {
			t.Error("the audit log has the token in it")
		}
	})

	for _, d := range [][2]string{
		{"par", "challenged"},
		{"par", "granted"},
		{"login", "refused"},
		{"login", "granted"},
		{"consent", "refused"},
		{"consent", "granted"},
		{"authorize", "granted"},
		{"token", "granted"},
		{"introspect", "granted"},
		{"revoke", "granted"},
	} {
		if !w.audit.has(d[0], d[1]) {
			t.Errorf("the audit log has no line for what %s has %s", d[0], d[1])
		}
	}
	if strings.Contains(w.audit.String(), personPassword) || strings.Contains(w.audit.String(), stolen.Reveal()) {
		t.Error("the audit log has a password or a token in it")
	}
}

// TestOurProgramLogsInOnADevice runs two programs at once that show codes: one is
// allowed, the other denied.
func TestOurProgramLogsInOnADevice(t *testing.T) {
	w := newTown(t, nil)
	login := func(profile string) ([]string, func() outcome) {
		return w.start(saidCode, "login", "--ca-file", w.ca, "--device", "--profile", profile, w.site.URL, "--client-id", "tool", "--scope", "read")
	}
	said, wait := login("television")
	otherSaid, otherWait := login("stranger")
	for i, device := range []struct {
		said   []string
		button string
		says   string
	}{{said, allowButton, "Device connected"}, {otherSaid, denyButton, "Device not connected"}} {
		w.open(device.said[1])
		w.page("Connect a device")
		w.do(chromedp.SetValue("#user_code", strings.ToLower(device.said[2])))
		w.press("button")
		if i == 0 { // then there is a session
			w.logIn("alice", personPassword)
		}
		w.page("Connect a device?")
		if shown, err := chromedp.Run(w.tab, chromedp.Text("p.code")); err != nil || shown != device.said[2] {
			t.Errorf("the page shows another code than the device: %v", err)
		}
		w.press(device.button)
		w.page(device.says)
	}
	if o := wait(); o.status != 0 || !strings.Contains(o.stdout, "bound to the key") {
		t.Fatalf("login: %+v", o)
	}
	w.callsAs(w.alice.Subject, "television", w.api)
	if o := otherWait(); o.status != 1 || !strings.Contains(o.stderr, "access_denied") || !strings.Contains(o.stderr, "the person did not allow it") {
		t.Errorf("login that was denied: %+v", o)
	}
	if o := w.run("call", "--profile", "stranger", "--allow-origin", w.site.URL, w.api); o.status != 2 {
		t.Errorf("call after a denial: %+v", o)
	}
}

// TestOurServerInFrontOfAnIdentityProvider: people log in at npm's oidc-provider,
// which knows nothing of DPoP, and tokens are bound here.
func TestOurServerInFrontOfAnIdentityProvider(t *testing.T) {
	const callback = "/callback/work"
	back, arrived := landing(t)
	var up *npmUpstream
	w := newTown(t, func(c *authserver.Config) {
		up = startUpstream(t, "alice", c.Issuer+callback, back)
		c.Upstreams = []authserver.Upstream{up.provider(t), away(t)}
	})
	const work, other = "li:first-child a.button", "li:last-child a.button"
	// at is what somebody does who logs in at the provider under a name.
	at := func(w *town, name string) {
		w.t.Helper()
		w.page("Log in")
		w.press(work)
		w.page("Work account")
		w.do(chromedp.Clear("#name"), chromedp.SendKeys("#name", name))
		w.press("#go")
	}
	login := []string{w.site.URL, "--client-id", "tool", "--scope", "read,write"}

	o := w.login(func() {
		w.page("Log in")
		w.press(other)
		w.page("Try again later")
		w.press("a.button") // back
		at(w, "")
		w.page("This did not work")
		if text, err := chromedp.Run(w.tab, chromedp.Text(`[role="alert"]`)); err != nil || !strings.Contains(text, "Work account") {
			t.Errorf("the page does not say who let nobody in, but %q: %v", text, err)
		}
		w.press("a.button") // back
		at(w, "alice")
		w.consents(allowButton)()
	}, login...)
	if o.status != 0 {
		t.Fatalf("login: %+v", o)
	}
	subject, staff := w.whoCalls("default")
	if subject == "" || subject == "alice" || subject == w.alice.Subject || !slices.Equal(staff, []string{"read"}) {
		t.Errorf("subject %q with scope %q", subject, staff)
	}

	t.Run("a group gives more scope", func(t *testing.T) {
		w := w.in(t)
		command(w.house, network.ClearBrowserCookies, struct{}{}) // somebody else sits down
		if o := w.login(func() { at(w, "admin"); w.consents(allowButton)() }, append(login, "--profile", "admin")...); o.status != 0 {
			t.Fatalf("login: %+v", o)
		}
		other, scope := w.whoCalls("admin")
		if other == "" || other == subject || !slices.Equal(scope, []string{"read", "write"}) {
			t.Errorf("subject %q with scope %q", other, scope)
		}
	})

	t.Run("a token of the provider is exchanged", func(t *testing.T) { exchanged(t, w.in(t), up, subject, back, arrived) })
}

// away is an identity provider that cannot be reached.
func away(t *testing.T) *people.Provider {
	t.Helper()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	p, err := people.NewProvider(t.Context(), people.ProviderConfig{
		Name: "away", Title: "Other account", Issuer: gone.URL,
		Client: clientauth.Config{Method: clientauth.SecretBasic, ClientID: "holdfast", Secret: newSecret()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOurProgramAfterARevocation: what the administration cuts off is dead at the
// authorization server and at the APIs.
func TestOurProgramAfterARevocation(t *testing.T) {
	w := newTown(t, nil)
	w.logsInForOpaque(w.logsIn(allowButton))
	w.callsAs(w.alice.Subject, "opaque", w.opaque)

	w.admin("/revoke", `{"user":"`+w.alice.Subject+`","reason":"the laptop was stolen"}`)
	o := w.run("call", "--profile", "opaque", w.opaque)
	if o.status != 1 || o.stdout == w.alice.Subject {
		t.Fatalf("call after the revocation: %+v", o)
	}
	for _, part := range []string{"the token is not active", "invalid_grant", "log in again"} {
		if !strings.Contains(o.stderr, part) {
			t.Errorf("stderr without %q:\n%s", part, o.stderr)
		}
	}

	// The session is gone as well; whoever has the password comes back in.
	w.logsInForOpaque(w.logsIn(allowButton))
	w.callsAs(w.alice.Subject, "opaque", w.opaque)

	t.Run("a key that is blocked is refused everywhere", func(t *testing.T) {
		w := w.in(t)
		login := []string{w.site.URL, "--profile", "blocked", "--client-id", "tool", "--scope", "read"}
		if o := w.login(w.consents(allowButton), login...); o.status != 0 {
			t.Fatalf("login: %+v", o)
		}
		w.callsAs(w.alice.Subject, "blocked", w.api)
		w.admin("/blocks", `{"thumbprint":"`+w.read(w.token("blocked")).Confirmation.JKT.String()+`"}`)
		if o := w.run("call", "--profile", "blocked", w.api); o.status != 1 || !strings.Contains(o.stderr, "the holder of this token is blocked") {
			t.Errorf("call with a blocked key: %+v", o)
		}
		o := w.run("login", "--ca-file", w.ca, "--profile", "blocked")
		if o.status != 1 || !strings.Contains(o.stderr, "the key of the holder is blocked") || strings.Contains(o.stderr, "open this address") {
			t.Errorf("login with a blocked key: %+v", o)
		}
	})
}
