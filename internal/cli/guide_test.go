package cli

import (
	"os"
	"strings"
	"testing"
)

// The commands that the guide shows exist, with the flags that it shows.
func TestTheGuideShowsRealCommands(t *testing.T) {
	b, err := os.ReadFile("../../docs/guides/call.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for line := range strings.Lines(string(b)) {
		line, ok := strings.CutPrefix(line, "    holdfast ")
		if !ok {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimSpace(line), " > ")
		a := &app{Env: Env{Getenv: func(string) string { return "" }}}
		c, args, err := a.root().Find(strings.Fields(line))
		if err != nil || !c.HasParent() {
			t.Errorf("holdfast %s: no such command (%v)", line, err)
			continue
		}
		if err := c.ParseFlags(args); err != nil {
			t.Errorf("holdfast %s: %v", line, err)
		}
		shown++
	}
	if shown < 10 {
		t.Errorf("only %d commands were found in the guide", shown)
	}
}

// Every command explains itself and has an example that parses.
func TestEveryCommandHasHelp(t *testing.T) {
	a := &app{Env: Env{Getenv: func(string) string { return "" }}}
	root := a.root()
	for _, name := range []string{
		"login", "call", "token", "proof", "logout", "keys", "keys new", "keys list", "keys show", "keys rotate", "keys import", "keys delete",
	} {
		c, _, err := root.Find(strings.Fields(name))
		if err != nil || c.Long == "" || !strings.Contains(c.Example, "holdfast "+name) && name != "keys" {
			t.Errorf("%s: no long help or no example (%v)", name, err)
		}
		if !c.HasSubCommands() && c.Flags().Lookup("passphrase-file") == nil {
			t.Errorf("%s cannot be told the passphrase", name)
		}
	}
}
