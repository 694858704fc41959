//go:build unix

package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/keystore"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
)

// program is the built command holdfast with a home of its own.
type program struct {
	path string
	env  []string
}

// outcome is what a run of the program left.
type outcome struct {
	stdout, stderr string
	status         int
}

func newProgram(t *testing.T) *program {
	t.Helper()
	home := t.TempDir()
	return &program{build(t, "..", "./cmd/holdfast"), []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "HOLDFAST_HOME=" + home, "HOLDFAST_PASSPHRASE=" + rand.Text(),
	}}
}

// run runs the program to its end.
func (p *program) run(t *testing.T, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = p.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("holdfast %s: %v", args[0], err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// login runs holdfast login with somebody at a browser: the program that
// $BROWSER names hands the address to the tab.
func (p *program) login(t *testing.T, tab context.Context, args ...string) outcome {
	t.Helper()
	folder := t.TempDir()
	fifo, browser := filepath.Join(folder, "address"), filepath.Join(folder, "browser")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(browser, []byte("#!/bin/sh\nprintf '%s\\n' \"$1\" >'"+fifo+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// For reading and writing, so that opening does not wait for the browser.
	addresses, err := os.OpenFile(fifo, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	signedIn := make(chan error, 1)
	go func() {
		address, err := bufio.NewReader(addresses).ReadString('\n')
		if err == nil {
			err = signIn(tab, strings.TrimSpace(address))
		}
		signedIn <- err
	}()
	with := &program{p.path, append(p.env[:len(p.env):len(p.env)], "BROWSER="+browser)}
	o := with.run(t, append([]string{"login"}, args...)...)
	_ = addresses.Close() // ends the wait if no browser was asked for
	if err := <-signedIn; err != nil && o.status == 0 {
		t.Errorf("the browser: %v", err)
	}
	return o
}

// wrongHolder reads tokens as a server does that bound them to another key.
type wrongHolder struct {
	holdfast.TokenReader
	holder holdfast.Thumbprint
}

func (w wrongHolder) ReadToken(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	read, err := w.TokenReader.ReadToken(ctx, raw)
	if err != nil {
		return nil, err
	}
	changed := *read
	changed.Confirmation.JKT = w.holder
	return &changed, nil
}

// forgetfulNonces takes every nonce of its own for an expired one.
type forgetfulNonces struct{ *holdfast.Nonces }

func (f forgetfulNonces) Judge(ctx context.Context, nonce string) (holdfast.Nonce, error) {
	n, err := f.Nonces.Judge(ctx, nonce)
	n.State = holdfast.NonceExpired
	return n, err
}

// ahead configures a resource whose clock is wrong.
func (p *npmProvider) ahead(by time.Duration) func(*resource.Config, string) {
	return func(c *resource.Config, _ string) {
		c.Verify.Issuers = []string{p.Strict}
		c.Verify.Proof.Now = func() time.Time { return time.Now().Add(by) }
		c.Verify.Proof.Replays = nil // one that goes by the same clock
	}
}

// TestHoldfastWithABrowser logs in with the program holdfast and Chromium, calls
// resources, and looks at what the program says about those that refuse.
func TestHoldfastWithABrowser(t *testing.T) {
	tab := newBrowser(t)
	as := startProvider(t)
	p := newProgram(t)
	s := newSite(t)
	api := s.protect(t, "/api", as.trusted(t))

	signedIn := p.login(t, tab, s.URL, "--client-id", "native", "--scope", "read")
	if signedIn.status != 0 || !strings.Contains(signedIn.stdout, "bound to the key") {
		t.Fatalf("login: %+v", signedIn)
	}
	if o := p.run(t, "call", api); o != (outcome{stdout: "person"}) {
		t.Fatalf("call: %+v", o)
	}

	for _, c := range []struct {
		name      string
		path      string
		configure func(*resource.Config, string)
		status    int
		stderr    string // a part of it
	}{
		{
			name: "a clock that is three minutes ahead is made up for", path: "/early",
			configure: as.ahead(3 * time.Minute), stderr: "differs by",
		},
		{
			name: "a clock that is an hour ahead is named", path: "/wrong-clock",
			configure: as.ahead(time.Hour), status: 1, stderr: "cause: client-clock-skew",
		},
		{
			name: "a token that is bound to another key", path: "/wrong-key", status: 1, stderr: "the token is bound to another key",
			configure: func(c *resource.Config, api string) {
				as.trusted(t)(c, api)
				c.Verify.Tokens = wrongHolder{as.tokens(t), newProofKey(t).Thumbprint()}
			},
		},
		{
			name: "a nonce that is refused as soon as it was given", path: "/stale-nonce", status: 1,
			stderr: "cause: nonce-not-shared-across-replicas",
			configure: func(c *resource.Config, api string) {
				as.trusted(t)(c, api)
				c.Verify.Proof.Nonces = forgetfulNonces{newNonces(t, api)}
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := p.run(t, "call", s.protect(t, c.path, c.configure))
			if o.status != c.status || !strings.Contains(o.stderr, c.stderr) {
				t.Errorf("status %d, want %d; stderr without %q:\n%s", o.status, c.status, c.stderr, o.stderr)
			}
		})
	}

	t.Run("a token for another resource", func(t *testing.T) {
		login := p.login(t, tab, as.Strict, "--profile", "other", "--client-id", "native", "--scope", "read",
			"--resource", s.URL+"/other", "--allow-origin", s.URL)
		o := p.run(t, "call", "--profile", "other", api)
		if login.status != 0 || o.status != 1 || !strings.Contains(o.stderr, "cause: audience-mismatch") {
			t.Errorf("login %+v, call %+v", login, o)
		}
	})

	t.Run("a key that is not the token's", func(t *testing.T) { wrongKey(t, as, s, p, tab) })
	t.Run("a token that was revoked", func(t *testing.T) { revoked(t, as, s, p, tab) })
	t.Run("a server that ignores proofs", func(t *testing.T) { ignored(t, as, s, p, tab) })
}

// wrongKey logs in, and then puts another key to the stored token: what is left
// when a key was made anew and the token was kept.
func wrongKey(t *testing.T, as *npmProvider, s *site, p *program, tab context.Context) {
	api := s.protect(t, "/other-key", as.trusted(t))
	profile := []string{"--profile", "mixed"}
	login := p.login(t, tab, append(profile, as.Strict, "--client-id", "native", "--scope", "read", "--resource", api, "--allow-origin", s.URL)...)
	if login.status != 0 {
		t.Fatalf("login %+v", login)
	}
	env := map[string]string{}
	for _, v := range p.env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	keys, err := keystore.Open(filepath.Join(env["HOLDFAST_HOME"], "keys.sealed"), keystore.Config{
		Passphrase: func(context.Context, bool) (holdfast.Secret, error) {
			return holdfast.NewSecret(env["HOLDFAST_PASSPHRASE"]), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.Rotate(t.Context(), "mixed")
	if err != nil {
		t.Fatal(err)
	}
	bound := regexp.MustCompile(`"jkt":"[^"]*"`)
	if err := keys.Update(t.Context(), "grant.mixed", func(old holdfast.Secret) (holdfast.Secret, error) {
		return holdfast.NewSecret(bound.ReplaceAllString(old.Reveal(), `"jkt":"`+other.Thumbprint().String()+`"`)), nil
	}); err != nil {
		t.Fatal(err)
	}
	o := p.run(t, append([]string{"call", api}, profile...)...)
	if o.status != 1 || !strings.Contains(o.stderr, "cause: binding-key-mismatch") {
		t.Errorf("status %d, want 1; stderr:\n%s", o.status, o.stderr)
	}
}

// revoked logs in for a resource that introspects, revokes the grant behind the
// program's back, and calls.
func revoked(t *testing.T, as *npmProvider, s *site, p *program, tab context.Context) {
	api := s.protect(t, "/opaque", as.introspected(t))
	profile := []string{"--profile", "opaque"}
	login := p.login(t, tab, append(profile, as.Strict, "--client-id", "native", "--scope", "read", "--resource", api, "--allow-origin", s.URL)...)
	if o := p.run(t, append([]string{"call", api}, profile...)...); login.status != 0 || o.stdout != "person" {
		t.Fatalf("login %+v, call %+v", login, o)
	}
	access := p.run(t, append([]string{"token", "--reveal"}, profile...)...).stdout
	server := must((&metadata.Fetcher{}).Server(t.Context(), as.Strict))
	answer, err := http.PostForm(server.RevocationEndpoint, url.Values{"token": {strings.TrimSpace(access)}, "client_id": {"native"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("revocation: status %d", answer.StatusCode)
	}
	o := p.run(t, append([]string{"call", api}, profile...)...)
	if o.status != 1 || !strings.Contains(o.stderr, "the token is not active") || !strings.Contains(o.stderr, "log in again") {
		t.Errorf("call after the revocation: %+v", o)
	}
}

// ignored logs in at a server that gives bearer tokens only: it is refused, and
// where it is allowed the resource refuses the token.
func ignored(t *testing.T, as *npmProvider, s *site, p *program, tab context.Context) {
	api := s.protect(t, "/ignoring", func(c *resource.Config, api string) {
		as.trusted(t)(c, api)
		c.Verify.Issuers = []string{as.Ignoring}
	})
	login := []string{"--profile", "bearer", as.Ignoring, "--client-id", "native", "--scope", "read", "--resource", api, "--allow-origin", s.URL}
	if o := p.login(t, tab, login...); o.status != 3 || !strings.Contains(o.stderr, "does not support DPoP") {
		t.Errorf("login: %+v", o)
	}
	if o := p.login(t, tab, append(login, "--allow-bearer")...); o.status != 0 || !strings.Contains(o.stdout, "Bearer") {
		t.Fatalf("login where bearer tokens are allowed: %+v", o)
	}
	if o := p.run(t, "call", "--profile", "bearer", api); o.status != 1 || !strings.Contains(o.stderr, "cause: token-not-bound") {
		t.Errorf("call with a bearer token: %+v", o)
	}
}
