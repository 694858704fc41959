package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestREADMEShowsTheRealOutput runs the command of the README's first screen.
func TestREADMEShowsTheRealOutput(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	_, rest, ok := strings.Cut(readme, "go run ./cmd/holdfast ")
	line, _, _ := strings.Cut(rest, "\n")
	_, shown, ok2 := strings.Cut(readme, "<!-- demo output: begin -->\n```text\n")
	shown, _, ok3 := strings.Cut(shown, "```\n<!-- demo output: end -->")
	if !ok || !ok2 || !ok3 {
		t.Fatal("the README has no command or no output")
	}
	t.Chdir("../..")
	var out, errs bytes.Buffer
	Main(t.Context(), strings.Fields(line), Env{Getenv: func(string) string { return "" }, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	if out.String() != shown || errs.Len() > 0 {
		t.Errorf("%s prints\n%s%s\nthe README shows\n%s", line, out.String(), errs.String(), shown)
	}
}
