package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upTimeout is how long one tour may take; the promise is a minute after the
// build.
const upTimeout = time.Minute

// buildProgram compiles the program, once for every test that runs it.
func buildProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/holdfast").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// newProgram is a command of the program in an environment of its own.
func newProgram(t *testing.T, path string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), upTimeout)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, path, args...)
	home := t.TempDir()
	c.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=" + os.Getenv("PATH")}
	return c
}

// What differs from one tour to the next.
var upVarying = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`\S+/records\.db`), "FOLDER/records.db"},
	{regexp.MustCompile(`[A-Za-z0-9_-]{43}`), "THUMBPRINT"},
	{regexp.MustCompile(`[A-Za-z0-9_-]{22} is already`), "JTI is already"},
}

func TestUp(t *testing.T) {
	path := buildProgram(t)
	t.Run("the story is told to its end", func(t *testing.T) { testUpStory(t, path) })
	t.Run("the story in JSON", func(t *testing.T) { testUpJSON(t, path) })
	t.Run("the servers go on until an interrupt", func(t *testing.T) { testUpGoesOn(t, path) })
	t.Run("a folder that is in use is refused", func(t *testing.T) { testUpFolder(t, path) })
}

func testUpStory(t *testing.T, path string) {
	c := newProgram(t, path, "up", "--once")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("up --once: %v\n%s%s", err, out, stderr.Bytes())
	}
	got := string(out)
	if strings.Contains(got, "eyJ") { // how every proof and every token begins
		t.Error("the story shows a JWT")
	}
	for _, v := range upVarying {
		got = v.what.ReplaceAllString(got, v.by)
	}
	got, end, ok := strings.Cut(got, "6e the clock of the client is ten minutes fast\n") // what it says may differ by a second
	if !ok || !strings.HasSuffix(end, "\nall 5 explanations are right\n") {
		t.Errorf("the end of the story is\n%s", end)
	}
	const golden = "testdata/up.txt"
	if os.Getenv("HOLDFAST_UPDATE") == "1" {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("HOLDFAST_UPDATE=1 rewrites %s; (-want +got)\n%s", golden, diff)
	}
	if left, err := filepath.Glob(filepath.Join(c.Env[1][len("TMPDIR="):], "holdfast-up-*")); err != nil || len(left) > 0 {
		t.Errorf("the folder of the tour is left behind: %v, %v", left, err)
	}
}

// upLine is any line of the story in JSON.
type upLine struct {
	Step     int    `json:"step"`
	Name     string `json:"name"`
	Requests []struct {
		Path   string `json:"path"`
		Status int    `json:"status"`
		Error  string `json:"error"`
	} `json:"requests"`

	Failure string `json:"failure"`
	Answer  struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
		Code   string `json:"code"`
	} `json:"answer"`
	Cause string `json:"cause"`
	Right bool   `json:"right"`
	Fix   struct{ Party, Text string }

	AllRight *int `json:"explanations_right"`

	URL  string `json:"url"`
	User string `json:"user"`
	Try  []struct{ Command, About string }
}

func testUpJSON(t *testing.T, path string) {
	out, err := newProgram(t, path, "up", "--once", "--format", "json").Output()
	if err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	var steps, causes []string
	right := 0
	for line := range bytes.Lines(out) {
		var l upLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%v in the line %s", err, line)
		}
		switch {
		case l.Step > 0:
			steps = append(steps, l.Name)
			for _, r := range l.Requests {
				if r.Status >= 400 && r.Error != "use_dpop_nonce" {
					t.Errorf("step %s: %s answers %d %s", l.Name, r.Path, r.Status, r.Error)
				}
			}
		case l.Failure != "":
			causes = append(causes, l.Answer.Code+" "+l.Cause)
			if l.Answer.Status != http.StatusUnauthorized || !l.Right || l.Fix.Text == "" {
				t.Errorf("failure %s: %+v", l.Failure, l)
			}
		case l.AllRight != nil:
			right = *l.AllRight
		}
	}
	wantSteps := []string{"authorization server", "API", "login", "call", "refresh"}
	wantCauses := []string{
		"binding.scheme.downgrade bound-token-sent-as-bearer", // D-7.2-01
		"binding.jkt.mismatch binding-key-mismatch",           // D-7.1-14
		"replay.jti.replayed proof-reused-on-retry",           // D-11.1-02
		"proof.htu.mismatch htu-scheme-mismatch-behind-proxy", // D-4.3-09a
		"proof.iat.future client-clock-skew",                  // D-4.3-11a
	}
	if !slices.Equal(steps, wantSteps) || !slices.Equal(causes, wantCauses) || right != len(wantCauses) {
		t.Errorf("steps %q, causes %q, %d right", steps, causes, right)
	}
}

// The servers go on, the commands that are shown work, an interrupt ends it all
// and leaves nothing behind.
func testUpGoesOn(t *testing.T, path string) {
	folder := filepath.Join(t.TempDir(), "tour")
	c := newProgram(t, path, "up", "--format", "json", "--folder", folder)
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	})
	ready, err := readyLine(stdout)
	if err != nil {
		t.Fatal(err)
	}

	// The first command sets the environment that the others need.
	setup, call := ready.Try[0].Command, ready.Try[1].Command
	shell := exec.Command("sh", "-e", "-c", setup+"\n"+call)
	shell.Env = c.Env
	answer, err := shell.Output()
	if err != nil || !strings.Contains(string(answer), "biscuits") {
		t.Errorf("%s: %v\n%s", call, err, answer)
	}
	r, err := http.Get(ready.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: status %d", r.StatusCode)
	}
	for _, name := range []string{"records.db", "keys.sealed", "passphrase", "config.json"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}

	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, stdout)
	err, ended = c.Wait(), true
	if err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
	if _, err := http.Get(ready.URL); err == nil {
		t.Error("the API still answers")
	}
}

// readyLine reads the story up to the commands to try.
func readyLine(r io.Reader) (*upLine, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var l upLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, err
		}
		if len(l.Try) > 1 && l.URL != "" && l.User != "" {
			return &l, nil
		}
	}
	return nil, fmt.Errorf("the story ended: %w", lines.Err())
}

func testUpFolder(t *testing.T, path string) {
	c := newProgram(t, path, "up", "--once", "--folder", ".")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || len(out) > 0 || !strings.Contains(stderr.String(), "is not empty") {
		t.Errorf("%v, %s%s", err, out, stderr.Bytes())
	}
}
