package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
)

// runAs runs a command line against an admin listener that answers as it likes.
func runAs(t *testing.T, h http.HandlerFunc, edit func(*Env), args ...string) ran {
	t.Helper()
	s := httptest.NewServer(h)
	defer s.Close()
	var out, talk strings.Builder
	env := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: func(name string) string {
		return map[string]string{"HOLDFAST_ADMIN": s.URL}[name]
	}}
	if edit != nil {
		edit(&env)
	}
	return ran{Main(t.Context(), args, env), out.String(), talk.String()}
}

func TestAnswersOfAdminListenersAreJudged(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name   string
		h      http.HandlerFunc
		args   []string
		status int
		want   string
	}{
		{"a refusal", answer(400, `{"error":"invalid_request","error_description":"no such thing"}`), []string{"as", "users", "list"}, 1, "holdfast: error: no such thing\n"},
		{"a failure", answer(503, `{"error":"temporarily_unavailable","error_description":"the store is away"}`), []string{"as", "users", "list"}, 3, "holdfast: error: the store is away\n"},
		{"another server", answer(404, `<html>`), []string{"as", "users", "list"}, 1, "holdfast: error: the server answered with 404 Not Found\n"},
		{"another server that is fine", answer(200, `<html>`), []string{"as", "users", "list"}, 3, "holdfast: error: the answer is not that of an admin listener\n"},
		{"another server, for JSON", answer(200, `<html>`), []string{"as", "revoke", "--user", "u-1", "--format", "json"}, 3, "the answer is not that of an admin listener"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/users", http.StatusFound) }, []string{"as", "users", "list"}, 1, "holdfast: error: the server answered with 302 Found\n"},
		{"a refusal that plays with the terminal", answer(400, `{"error_description":"\u001b[2J"}`), []string{"as", "users", "list"}, 1, "holdfast: error: \\x1b[2J\n"},
		{"another format", answer(200, `{}`), []string{"as", "users", "list", "--format", "xml"}, 2, `--format is "xml", want text, json`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := runAs(t, c.h, nil, c.args...)
			if got.status != c.status || !strings.Contains(got.talk, c.want) || got.out != "" {
				t.Errorf("status %d, %q, %q; want %d, %q", got.status, got.out, got.talk, c.status, c.want)
			}
		})
	}
}

// Names come from whoever registered: they are not for the terminal to execute,
// and do not make lines or columns.
func TestNamesOfClientsCannotPlayWithTheTerminal(t *testing.T) {
	got := runAs(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"clients":[{"client_id":"a\tb","client_name":"x\ny\u001b[2J","source":"registration"}]}`)
	}, nil, "as", "clients", "list")
	if got.status != 0 || got.out != "a b  -  registration  x y\\x1b[2J\n" {
		t.Errorf("status %d, %q", got.status, got.out)
	}
}

func TestPasswordsAreAskedForTwice(t *testing.T) {
	var sent string
	server := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		sent = string(b)
		io.WriteString(w, `{"name":"alice","subject":"u-1"}`)
	}
	answers := func(words ...string) func(*Env) {
		return func(e *Env) {
			e.Password = func(context.Context, string) (holdfast.Secret, error) {
				if len(words) == 0 {
					return holdfast.Secret{}, errors.New("asked too often")
				}
				word := words[0]
				words = words[1:]
				return holdfast.NewSecret(word), nil
			}
		}
	}
	got := runAs(t, server, answers("long enough", "long enough"), "as", "users", "add", "alice")
	if got.status != 0 || sent != `{"name":"alice","password":"long enough"}` || strings.Contains(got.out+got.talk, "long enough") {
		t.Errorf("status %d, sent %q, %q %q", got.status, sent, got.out, got.talk)
	}
	sent = ""
	got = runAs(t, server, answers("long enough", "long enouhg"), "as", "users", "add", "alice")
	if got.status != 2 || sent != "" || got.talk != "holdfast: error: the two passwords differ\n" {
		t.Errorf("status %d, sent %q, %q", got.status, sent, got.talk)
	}
	got = runAs(t, server, nil, "as", "users", "add", "alice")
	if got.status != 2 || sent != "" || !strings.Contains(got.talk, "hint: --password-file FILE") {
		t.Errorf("status %d, sent %q, %q", got.status, sent, got.talk)
	}
}

// An account that was changed while its tokens live on is said so.
func TestAChangeWithoutRevocationIsNotFine(t *testing.T) {
	got := runAs(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/revoke" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, `{"name":"alice","subject":"u-1"}`)
	}, nil, "as", "users", "disable", "alice")
	if got.status != 3 || !strings.Contains(got.talk, "hint: the account was changed; what was granted was not revoked: holdfast as revoke --user u-1") {
		t.Errorf("status %d, %q", got.status, got.talk)
	}
}

// A backup that breaks off leaves no file that could pass for one.
func TestABackupThatBreaksOffIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "as.backup")
	got := runAs(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half of it")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, nil, "as", "backup", path)
	if got.status != 3 || !strings.Contains(got.talk, "error: the backup broke off: ") {
		t.Errorf("status %d, %q", got.status, got.talk)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is there")
	}
}

// A registration that fails leaves no empty secret behind.
// A large store takes longer than the answers of other servers may.
func TestABackupHasTime(t *testing.T) {
	for _, address := range []string{"unix:/run/admin.sock", "http://127.0.0.1:9"} {
		s, err := newAdminServer(address)
		if err != nil {
			t.Fatal(err)
		}
		if s.http.Timeout < longPatience {
			t.Errorf("%s: an answer may take %v", address, s.http.Timeout)
		}
	}
}

func TestAFailedRegistrationLeavesNoSecretFile(t *testing.T) {
	folder := t.TempDir()
	file, secret := filepath.Join(folder, "client.json"), filepath.Join(folder, "secret")
	if err := os.WriteFile(file, []byte(`{"client_name":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"no secret": `{"client_id":"a"}`, "no JSON": `<html>`} {
		got := runAs(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }, nil, "as", "clients", "add", file, "--secret-file", secret)
		if _, err := os.Stat(secret); got.status != 3 || err == nil {
			t.Errorf("%s: status %d, %q; the file is there: %v", name, got.status, got.talk, err == nil)
		}
	}
	got := runAs(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"client_id":"a","client_secret":"secret-of-a-Jx3"}`)
	}, nil, "as", "clients", "add", file, "--secret-file", secret)
	b, err := os.ReadFile(secret)
	if got.status != 0 || err != nil || string(b) != "secret-of-a-Jx3\n" || got.out != "a\n" {
		t.Errorf("status %d, %q, %q, %v", got.status, got.out, b, err)
	}
}

// The commands that the guide shows exist, with the flags that it shows.
func TestTheServerGuideShowsRealCommands(t *testing.T) {
	b, err := os.ReadFile("../../docs/guides/serve-as.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for line := range strings.Lines(string(b)) {
		line, ok := strings.CutPrefix(line, "    holdfast ")
		if !ok {
			continue
		}
		a := &app{Env: Env{Getenv: func(string) string { return "" }}}
		c, args, err := a.root().Find(strings.Fields(strings.TrimSpace(line)))
		if err != nil || !c.HasParent() || c.ParseFlags(args) != nil {
			t.Errorf("holdfast %s: no such command, or other flags", line)
		}
		shown++
	}
	if shown < 10 {
		t.Errorf("only %d commands were found in the guide", shown)
	}
}

// Every command of the server explains itself, has an example that parses, and
// prints JSON if it prints anything of the server.
func TestEveryServerCommandHasHelp(t *testing.T) {
	a := &app{Env: Env{Getenv: func(string) string { return "" }}}
	root := a.root()
	seen := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		seen++
		if c.Long == "" || c.Short == "" || c.Example == "" {
			t.Errorf("%s: no help or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " <")
			words := strings.Fields(line)
			if words[0] != "holdfast" {
				continue
			}
			found, args, err := root.Find(words[1:])
			if err != nil || found.ParseFlags(args) != nil {
				t.Errorf("%s: the example %q does not parse", c.CommandPath(), line)
			}
		}
		if !c.HasSubCommands() && c.Parent().Name() != "serve" && c.Name() != "restore" && c.Flags().Lookup("format") == nil {
			t.Errorf("%s has no --format", c.CommandPath())
		}
		for _, below := range c.Commands() {
			visit(below)
		}
	}
	for _, name := range []string{"serve", "as"} {
		c, _, err := root.Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		visit(c)
	}
	if seen < 25 {
		t.Errorf("only %d commands were found", seen)
	}
}
