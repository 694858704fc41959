//go:build unix

package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/token"
)

// Addresses and codes as the program says them. The program has no $BROWSER:
// somebody copies the address.
var (
	saidAddress = regexp.MustCompile(`open this address in a browser on this machine: (\S+)`)
	saidCode    = regexp.MustCompile(`open (\S+) and enter the code (\S+)`)
)

// The buttons of the consent page.
const (
	allowButton = `button[value="allow"]`
	denyButton  = `button[value="deny"]`
)

// start runs the program until it says what the pattern looks for on stderr, and
// returns the groups of the pattern. wait waits for its end.
func (w *town) start(pattern *regexp.Regexp, args ...string) (said []string, wait func() outcome) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	cmd := exec.CommandContext(ctx, w.program.path, args...)
	cmd.Env = w.program.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		w.t.Fatalf("holdfast %s: %v", args[0], err)
	}
	lines := bufio.NewReader(io.TeeReader(pipe, &stderr))
	wait = sync.OnceValue(func() outcome {
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait() // the status says it
		return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	})
	w.t.Cleanup(func() { cancel(); wait() })
	for said == nil {
		line, err := lines.ReadString('\n')
		said = pattern.FindStringSubmatch(line)
		if err != nil && said == nil {
			w.t.Fatalf("holdfast %s ended without saying where to go: %+v", args[0], wait())
		}
	}
	return said, wait
}

// login runs holdfast login. What somebody does in the browser, once the address
// is open, is for browse; nil is for nothing.
func (w *town) login(browse func(), args ...string) outcome {
	w.t.Helper()
	said, wait := w.start(saidAddress, append([]string{"login", "--ca-file", w.ca}, args...)...)
	w.open(said[1])
	if browse != nil {
		browse()
	}
	w.do(chromedp.WaitReady("p"))
	if title, err := chromedp.Run(w.tab, chromedp.Evaluate[string](`document.title`)); err != nil || title != "Sign-in" {
		w.t.Fatalf("the browser ends at the page %q, not at that of the program: %v", title, err)
	}
	return wait()
}

// consents is what somebody does who is logged in: press a button.
func (w *town) consents(button string) func() {
	return func() {
		w.t.Helper()
		w.page("Allow access?")
		w.press(button)
	}
}

// logsIn is what somebody does who has an account here.
func (w *town) logsIn(button string) func() {
	return func() {
		w.t.Helper()
		w.logIn("alice", personPassword)
		w.consents(button)()
	}
}

// run runs the program to its end.
func (w *town) run(args ...string) outcome {
	w.t.Helper()
	return w.program.run(w.t, args...)
}

// token is the access token of a profile.
func (w *town) token(profile string) holdfast.Secret {
	w.t.Helper()
	o := w.run("token", "--reveal", "--profile", profile)
	if o.status != 0 {
		w.t.Fatalf("holdfast token: status %d: %s", o.status, o.stderr)
	}
	return holdfast.NewSecret(strings.TrimSpace(o.stdout))
}

// read is what a JWT access token says, once its signature is verified with the
// published keys.
func (w *town) read(raw holdfast.Secret) *holdfast.Token {
	w.t.Helper()
	reader := must(token.NewRemote(token.RemoteConfig{Issuer: w.issuer, JWKSURI: w.server.JWKSURI, HTTP: w.trust}))
	read, err := reader.ReadToken(w.t.Context(), raw)
	if err != nil || read.State != holdfast.TokenAuthentic {
		w.t.Fatalf("the access token cannot be read: %v", err)
	}
	return read
}

// active reports what the authorization server says of an opaque access token.
func (w *town) active(raw holdfast.Secret) bool {
	w.t.Helper()
	r := must(http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.server.IntrospectionEndpoint,
		strings.NewReader(url.Values{"token": {raw.Reveal()}}.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("api", w.apiSecret.Reveal())
	var answer struct{ Active bool }
	w.ask(w.trust, r, &answer)
	return answer.Active
}

// admin sends an order to the administration of the authorization server.
func (w *town) admin(path, order string) {
	w.t.Helper()
	socket := httptest.NewServer(w.as.AdminHandler())
	defer socket.Close()
	r := must(http.NewRequestWithContext(w.t.Context(), http.MethodPost, socket.URL+path, strings.NewReader(order)))
	r.Header.Set("Content-Type", "application/json")
	w.ask(socket.Client(), r, &struct{}{})
}

func (w *town) ask(c *http.Client, r *http.Request, answer any) {
	w.t.Helper()
	bounded := *c
	bounded.Timeout = time.Minute
	got, err := bounded.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer got.Body.Close()
	if err := json.NewDecoder(got.Body).Decode(answer); err != nil || got.StatusCode != http.StatusOK {
		w.t.Fatalf("%s answers status %d: %v", r.URL.Path, got.StatusCode, err)
	}
}

// logsInForOpaque logs in for the path that introspects, as profile "opaque".
func (w *town) logsInForOpaque(browse func()) {
	w.t.Helper()
	o := w.login(browse, w.issuer, "--profile", "opaque", "--client-id", "tool", "--scope", "read",
		"--resource", w.opaque, "--allow-origin", w.site.URL)
	if o.status != 0 {
		w.t.Fatalf("login: %+v", o)
	}
}

// callsAs fails unless holdfast call gets through as that person.
func (w *town) callsAs(subject, profile, api string) {
	w.t.Helper()
	if o := w.run("call", "--profile", profile, api); o != (outcome{stdout: subject}) {
		w.t.Fatalf("call: %+v", o)
	}
}

// whoCalls is whom the API takes a profile for, and the scope of its token.
func (w *town) whoCalls(profile string) (subject string, scope []string) {
	w.t.Helper()
	o := w.run("call", "--profile", profile, w.api)
	if o.status != 0 {
		w.t.Fatalf("call: %+v", o)
	}
	return o.stdout, w.read(w.token(profile)).Scope
}

// callWith calls the API with a token and returns the body of the answer.
func (w *town) callWith(access *client.Token) string {
	w.t.Helper()
	c := &http.Client{
		Timeout:   time.Minute,
		Transport: &client.Transport{Tokens: held{access}, Origins: []string{w.site.URL}, Base: w.trust.Transport},
	}
	answer, err := c.Get(w.api)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxPageBytes))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// bearer is what the API answers to somebody who has a token and no key.
func (w *town) bearer(raw holdfast.Secret) int {
	w.t.Helper()
	r := must(http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.api, nil))
	r.Header.Set("Authorization", "Bearer "+raw.Reveal())
	answer, err := w.trust.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
