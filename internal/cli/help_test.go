package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Help fits a terminal of 80 columns.
func TestNoHelpIsWiderThanATerminal(t *testing.T) {
	root := (&app{Env: Env{Getenv: func(string) string { return "" }}}).root()
	seen := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		seen++
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > helpColumns {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
	if seen < 40 {
		t.Errorf("only %d commands were found", seen)
	}
}

// A command that is given too few or too many arguments shows how it is used.
func TestAWrongNumberOfArgumentsShowsTheUsage(t *testing.T) {
	for _, args := range [][]string{{"as", "users", "add"}, {"as", "users", "add", "alice", "bob"}} {
		var talk bytes.Buffer
		status := Main(t.Context(), args, Env{Stdout: &talk, Stderr: &talk, Getenv: func(string) string { return "" }})
		if status != exitUsage || !strings.Contains(talk.String(), "hint: holdfast as users add NAME [flags]\n") {
			t.Errorf("%v: status %d, %s", args, status, talk.String())
		}
	}
}

// A name is not a subject: an answer that its tokens are revoked would be untrue.
func TestANameIsNotTakenForASubject(t *testing.T) {
	for _, args := range [][]string{{"as", "revoke", "--user", "alice"}, {"as", "sessions", "list", "alice"}} {
		var talk bytes.Buffer
		status := Main(t.Context(), append(args, "--admin", "unix:/nobody"), Env{Stdout: &talk, Stderr: &talk, Getenv: func(string) string { return "" }})
		if status != exitUsage || !strings.Contains(talk.String(), "want a subject, which begins with u- or p-") || !strings.Contains(talk.String(), "hint: holdfast as users list") {
			t.Errorf("%v: status %d, %s", args, status, talk.String())
		}
	}
}
