// Package testservers starts real servers for tests: [Redis] and [Postgres],
// each on a free port of the loopback interface, in a folder of its own, and
// stopped when the test ends. Nothing is shared with a server that is installed
// on the machine; only its programs are used.
//
// A test whose program is missing is skipped and says so; with the variable
// HOLDFAST_REQUIRE_SERVERS set it fails instead. It is for tests only and makes
// nothing secure: the servers know no passwords unless a test sets one.
package testservers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	startWithin = 20 * time.Second
	askEvery    = 5 * time.Millisecond
)

// program finds a program in the path or in one of the folders.
func program(t testing.TB, name string, folders ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range folders {
		found, _ := filepath.Glob(filepath.Join(pattern, name))
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	if os.Getenv("HOLDFAST_REQUIRE_SERVERS") != "" {
		t.Fatalf("the program %s is not installed", name)
	}
	t.Skipf("SKIPPED: the program %s is not installed", name)
	return ""
}

// freePort returns a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// await asks until the answer is yes or the time is over.
func await(t testing.TB, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(startWithin); ; time.Sleep(askEvery) {
		if yes() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not come up within %v", what, startWithin)
		}
	}
}
