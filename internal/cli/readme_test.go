package cli

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// readmeDemo returns the output that the README shows between two markers.
func readmeDemo(t *testing.T, readme, name string) string {
	t.Helper()
	_, shown, begun := strings.Cut(readme, "<!-- "+name+" output: begin -->\n```text\n")
	shown, _, ended := strings.Cut(shown, "```\n<!-- "+name+" output: end -->")
	if !begun || !ended {
		t.Fatalf("the README has no output of %s", name)
	}
	return shown
}

// runReadme runs a command that the README shows, from the root of the module.
func runReadme(t *testing.T, line string) string {
	t.Helper()
	t.Chdir("../..")
	var out, errs bytes.Buffer
	Main(t.Context(), strings.Fields(line), Env{Getenv: func(string) string { return "" }, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	if errs.Len() > 0 {
		t.Errorf("%s says %s", line, errs.String())
	}
	return out.String()
}

func readReadme(t *testing.T) (text string, commands []string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if command, ok := strings.CutPrefix(strings.TrimSpace(line), "go run ./cmd/holdfast "); ok {
			commands = append(commands, command)
		}
	}
	if len(commands) != 2 {
		t.Fatalf("the README runs %q, want two commands", commands)
	}
	return string(b), commands
}

// upDiffers is what differs from one tour to the next.
var upDiffers = regexp.MustCompile(`127\.0\.0\.1:\d+|\b[A-Za-z0-9_-]{43}\b`)

// The first command of the README prints what stands there, but for what is left
// out at the lines of three dots.
func TestREADMEShowsTheTour(t *testing.T) {
	readme, commands := readReadme(t)
	shown := readmeDemo(t, readme, "up")
	if commands[0] != "up --once" {
		t.Fatalf("the first command is %q", commands[0])
	}
	rest := upDiffers.ReplaceAllString(runReadme(t, commands[0]), "VARYING")
	for part := range strings.SplitSeq(upDiffers.ReplaceAllString(shown, "VARYING"), "...\n") {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("the README shows\n%s\nwhich is not in what is left of the story:\n%s", part, rest)
		}
		rest = after
	}
	if rest != "" {
		t.Errorf("the README does not show the end:\n%s", rest)
	}
}

func TestREADMEShowsARealDiagnosis(t *testing.T) {
	readme, commands := readReadme(t)
	shown := readmeDemo(t, readme, "demo")
	if out := runReadme(t, commands[1]); out != shown {
		t.Errorf("%s prints\n%s\nthe README shows\n%s", commands[1], out, shown)
	}
}
