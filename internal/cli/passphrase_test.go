package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// typist answers prompts in turn.
func typist(answers ...string) (func(context.Context, string) (holdfast.Secret, error), *[]string) {
	prompts := new([]string)
	return func(_ context.Context, prompt string) (holdfast.Secret, error) {
		*prompts = append(*prompts, prompt)
		if len(*prompts) > len(answers) {
			return holdfast.Secret{}, errors.New("asked too often")
		}
		return holdfast.NewSecret(answers[len(*prompts)-1]), nil
	}, prompts
}

func TestWhereThePassphraseComesFrom(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name    string
		args    []string
		env     map[string]string
		typed   []string // nil: nobody is there
		status  int
		prompts int
		talk    string
	}{
		{"a file goes before all", []string{"--passphrase-file", put(t, dir, "p1", aloud+"\n")}, map[string]string{"HOLDFAST_PASSPHRASE": "other words here"}, nil, 0, 0, ""},
		{"a file with a DOS line end", []string{"--passphrase-file", put(t, dir, "p2", aloud+"\r\n")}, nil, nil, 0, 0, ""},
		{"a file that the environment names", nil, map[string]string{"HOLDFAST_PASSPHRASE_FILE": filepath.Join(dir, "p1")}, nil, 0, 0, ""},
		{"the environment", nil, map[string]string{"HOLDFAST_PASSPHRASE": aloud}, []string{}, 0, 0, ""},
		{"somebody at the terminal, twice for a new keystore", nil, nil, []string{aloud, aloud}, 0, 2, ""},
		{"two that differ", nil, nil, []string{aloud, aloud + "."}, 3, 2, "the two passphrases differ"},
		{"a short one", nil, nil, []string{"1234567", "1234567"}, 3, 2, "it has 7 characters"},
		{"nobody at the terminal", nil, nil, nil, 3, 0, "hint: --passphrase-file"},
		{"a file that is not there", []string{"--passphrase-file", filepath.Join(dir, "absent")}, nil, []string{}, 3, 0, "absent"},
		{"a file of two lines", []string{"--passphrase-file", put(t, dir, "p3", "one\ntwo\n")}, nil, []string{}, 3, 0, "want one line"},
		{"a file that is too long", []string{"--passphrase-file", put(t, dir, "p4", strings.Repeat("x", maxSecretFile+1))}, nil, []string{}, 3, 0, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := filepath.Join(t.TempDir(), "home")
			var out, talk bytes.Buffer
			env := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, lightKeys: true, Getenv: func(k string) string { return tt.env[k] }}
			prompts := new([]string)
			if tt.typed != nil {
				env.Password, prompts = typist(tt.typed...)
			}
			status := Main(t.Context(), append([]string{"keys", "new", "k", "--home", home}, tt.args...), env)
			if status != tt.status || !strings.Contains(talk.String(), tt.talk) || len(*prompts) != tt.prompts {
				t.Errorf("status %d and %d prompts, want %d and %d; stderr:\n%s", status, len(*prompts), tt.status, tt.prompts, talk.String())
			}
			_, err := os.Stat(filepath.Join(home, keystoreFile))
			if (err == nil) != (status == 0) {
				t.Errorf("keystore: %v", err)
			}
		})
	}
}

func TestAnOldKeystoreIsAskedForOnce(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	run := func(password func(context.Context, string) (holdfast.Secret, error), args ...string) (int, string) {
		var talk bytes.Buffer
		env := Env{Stdin: strings.NewReader(""), Stdout: new(bytes.Buffer), Stderr: &talk, lightKeys: true, Getenv: func(string) string { return "" }, Password: password}
		return Main(t.Context(), append(args, "--home", home), env), talk.String()
	}
	ask, _ := typist("short but old", "short but old")
	if status, talk := run(ask, "keys", "new", "k"); status != 0 {
		t.Fatal(talk)
	}
	ask, prompts := typist("short but old")
	if status, talk := run(ask, "keys", "rotate", "k"); status != 0 || len(*prompts) != 1 {
		t.Errorf("status %d, prompts %q: %s", status, *prompts, talk)
	}
	ask, _ = typist("wrong")
	status, talk := run(ask, "keys", "list")
	if status != 3 || !strings.Contains(talk, "the passphrase does not open the file") || !strings.Contains(talk, "hint: ") {
		t.Errorf("status %d: %s", status, talk)
	}
}

func TestWithoutATerminalNobodyIsAsked(t *testing.T) {
	if tty, err := os.Open("/dev/tty"); err == nil {
		tty.Close()
		t.Skip("this process has a terminal")
	}
	if _, err := askTerminal(t.Context(), "Passphrase: "); !errors.Is(err, errNoTerminal) {
		t.Errorf("error %v, want that there is no terminal", err)
	}
}
