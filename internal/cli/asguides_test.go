package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/up"
)

// A guide is run as somebody would who reads it: its files are written, its
// commands are run in their order, and what it shows of their output is compared
// with the output.
type guide struct {
	steps   []guideStep
	files   map[string]string
	learned map[string]string // what varies: as the guide shows it, as it is in this run
}

// guideStep is one command, and what the guide shows of its output.
type guideStep struct{ command, shown string }

// Where the guide lives, and what stands for that in a script.
var guidePlaces = []struct{ shown, script string }{
	{"/tmp/holdfast", "WORK"},
	{"http://127.0.0.1:8443", "AS"},
	{"http://127.0.0.1:8080", "API"},
	{"http://127.0.0.1:9464", "METRICS"},
}

// The listeners take any port: a proxy stands where the guide says.
var guidePorts = strings.NewReplacer("127.0.0.1:8443", "127.0.0.1:0", "127.0.0.1:9464", "127.0.0.1:0")

// readGuide reads the files, which follow a comment with their name, the commands,
// which are indented, and the output, which is text in a fence.
func readGuide(t *testing.T, name string) *guide {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../docs/guides", name))
	if err != nil {
		t.Fatal(err)
	}
	g := &guide{files: map[string]string{}, learned: map[string]string{}}
	file, fence, inFence := "", "", false
	for line := range strings.Lines(string(b)) {
		comment, isFile := strings.CutPrefix(line, "<!-- file: ")
		kind, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && !inFence:
			fence, inFence = strings.TrimSpace(kind), true
		case isFence:
			file, inFence = "", false
		case inFence && file != "":
			g.files[file] += line
		case inFence && fence == "text" && len(g.steps) > 0:
			g.steps[len(g.steps)-1].shown += line
		case inFence:
		case isFile:
			file = strings.TrimSuffix(strings.TrimSpace(comment), " -->")
		case strings.HasPrefix(line, "    "):
			g.steps = append(g.steps, guideStep{command: strings.TrimSpace(line)})
		}
	}
	return g
}

// script is the guide as a script for testscript.
func (g *guide) script() string {
	var b strings.Builder
	for i, s := range g.steps {
		command, background := strings.CutSuffix(s.command, " &")
		for _, p := range guidePlaces {
			command = strings.ReplaceAll(command, p.shown, "$"+p.script)
		}
		switch {
		case strings.HasPrefix(command, "holdfast serve") && background:
			fmt.Fprintf(&b, "exec %s &as&\nready\n", command)
		case background:
			fmt.Fprint(&b, "api\n")
		case strings.HasPrefix(command, "kill %holdfast"):
			fmt.Fprint(&b, "terminate\nwait as\n")
		default:
			fmt.Fprintf(&b, "step %d\n", i)
		}
	}
	return b.String()
}

// Everything that the guide says is done, and does what it says.
func TestTheGuideOfFiveMinutesIsTrue(t *testing.T) {
	g := readGuide(t, "as-in-five-minutes.md")
	if len(g.steps) < 20 || len(g.files) < 3 {
		t.Fatalf("the guide has %d commands and %d files", len(g.steps), len(g.files))
	}
	script := filepath.Join(t.TempDir(), "guide.txt")
	if err := os.WriteFile(script, []byte("[windows] skip 'sockets and modes of files'\n"+g.script()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               []string{script},
		RequireExplicitExec: true,
		Setup:               g.setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready, "terminate": terminate, "step": g.step, "api": g.runAPI,
		},
	})
}

// passwordOfAlice is typed by the browser of the guides.
const passwordOfAlice = "password-of-alice"

// visit is a browser in front of which alice sits.
func visit() {
	person := up.Person{Name: "alice", Password: holdfast.NewSecret(passwordOfAlice), HTTP: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := person.Visit(context.Background(), os.Args[1]); err != nil {
		os.Exit(1)
	}
}

// setUp writes the files, as they are for this run.
func (g *guide) setUp(e *testscript.Env) error {
	if err := setUpServed(e); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port for the API of the guide
	if err != nil {
		return err
	}
	e.Setenv("API", "http://"+l.Addr().String())
	if err := l.Close(); err != nil {
		return err
	}
	if err := writeGuideCertificate(e.WorkDir); err != nil {
		return err
	}
	e.Setenv("BROWSER", "alice")
	e.Setenv("HOLDFAST_PASSWORD_FILE", filepath.Join(e.WorkDir, "alice.txt"))
	files := map[string]string{"alice.txt": passwordOfAlice}
	for name, text := range g.files {
		for _, p := range guidePlaces[:3] {
			text = strings.ReplaceAll(text, p.shown, e.Getenv(p.script))
		}
		text = strings.ReplaceAll(text, "127.0.0.1:8080", strings.TrimPrefix(e.Getenv("API"), "http://"))
		files[name] = guidePorts.Replace(text)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeGuideCertificate makes what the guides call tls.crt and tls.key.
func writeGuideCertificate(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"as.example"}}
	certificate, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: certificate}, "tls.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// runAPI runs the program of the guide until the script ends.
func (g *guide) runAPI(ts *testscript.TestScript, _ bool, _ []string) {
	program := ts.MkAbs("api")
	build := exec.Command("go", "build", "-o", program, ts.MkAbs("api.go"))
	build.Dir = "../.." // the packages are in the clone
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("%v\n%s", err, out)
	}
	api := exec.Command(program)
	ts.Check(api.Start())
	ts.Defer(func() {
		_ = api.Process.Kill()
		_ = api.Wait()
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if a, err := http.Get(ts.Getenv("API") + "/orders"); err == nil {
			ts.Check(a.Body.Close())
			return
		}
	}
	ts.Fatalf("the API does not answer")
}

// step runs one command and compares what the guide shows.
func (g *guide) step(ts *testscript.TestScript, _ bool, args []string) {
	var i int
	if _, err := fmt.Sscan(args[0], &i); err != nil {
		ts.Fatalf("%v", err)
	}
	s := g.steps[i]
	out, err := g.run(ts, words(g.here(ts, s.command)))
	refused := strings.Contains(s.shown, "holdfast: error:")
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || (err != nil) != refused {
		ts.Fatalf("%s: %v\n%s", s.command, err, out)
	}
	for _, p := range guidePlaces {
		if value := ts.Getenv(p.script); value != "" {
			out = strings.ReplaceAll(out, value, p.shown)
		}
	}
	if problem := g.compare(s.shown, out); problem != "" {
		ts.Fatalf("%s: %s", s.command, problem)
	}
}

// here is a command as it is in this run.
func (g *guide) here(ts *testscript.TestScript, command string) string {
	for _, p := range guidePlaces {
		command = strings.ReplaceAll(command, p.shown, ts.Getenv(p.script))
	}
	for shown, real := range g.learned {
		command = strings.ReplaceAll(command, shown, real)
	}
	return command
}

// words are the words of a command: what is in single quotes is one.
func words(command string) (out []string) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// run runs a command of the guide and returns what it prints.
func (g *guide) run(ts *testscript.TestScript, command []string) (string, error) {
	switch command[0] {
	case "holdfast":
		err := ts.Exec(command[0], command[1:]...)
		return ts.ReadFile("stderr") + ts.ReadFile("stdout"), err
	case "export":
		if name, value, _ := strings.Cut(command[1], "="); name != "PATH" {
			ts.Setenv(name, value)
		}
		return "", nil
	case "curl":
		a, err := http.Get(command[len(command)-1])
		if err != nil {
			return "", err
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		return string(b), err
	case "mv":
		return "", os.Rename(command[1], command[2])
	case "openssl": // rand -base64 32 > FILE
		return "", os.WriteFile(command[len(command)-1], []byte(strings.Repeat("c2VjcmV0", 5)+"c2U=\n"), 0o644)
	case "chmod":
		return "", os.Chmod(command[2], 0o600)
	case "grep":
		b, err := os.ReadFile(command[2])
		if err == nil && !strings.Contains(string(b), command[1]) {
			err = fmt.Errorf("there is no %s in %s", command[1], command[2])
		}
		return "", err
	case "make", "mkdir":
		return "", nil // what this test did before
	}
	return "", fmt.Errorf("no command of a guide: %s", command[0])
}

// guideVaries is what differs from one run to the next: names, times, numbers.
var guideVaries = regexp.MustCompile(`\bu-[A-Za-z0-9_-]{22}\b|(?:client-)?[A-Za-z0-9_-]{43}|\d{4}-\d\d-\d\dT[0-9:.]+Z|in \d+m\d*s?|\b\d+ (?:bytes|records)|\(devel\).*`)

// compare finds the shown lines in the output, in their order; three dots stand
// for lines that are left out.
func (g *guide) compare(shown, out string) string {
	if shown == "" {
		return ""
	}
	rest := guideVaries.ReplaceAllString(out, "~")
	for part := range strings.SplitSeq(shown, "...\n") {
		_, after, found := strings.Cut(rest, guideVaries.ReplaceAllString(part, "~"))
		if !found {
			return fmt.Sprintf("the guide shows\n%s\nand this is printed:\n%s", part, out)
		}
		rest = after
	}
	told, was := guideVaries.FindAllString(shown, -1), guideVaries.FindAllString(out, -1)
	for i := range told {
		if len(told) == len(was) {
			g.learned[told[i]] = was[i]
		}
	}
	return ""
}

// The commands of the guides that are not run exist, with the flags that they show.
func TestTheASGuidesShowRealCommands(t *testing.T) {
	for _, name := range []string{"in-front-of-your-identity-provider.md", "three-replicas.md"} {
		shown := 0
		for _, s := range readGuide(t, name).steps {
			command, ours := strings.CutPrefix(s.command, "holdfast ")
			if !ours {
				continue
			}
			a := &app{Env: Env{Getenv: func(string) string { return "" }}}
			c, args, err := a.root().Find(strings.Fields(command))
			if err != nil || !c.HasParent() || c.ParseFlags(args) != nil {
				t.Errorf("%s: holdfast %s: no such command, or other flags", name, command)
			}
			shown++
		}
		if shown == 0 {
			t.Errorf("%s shows no commands", name)
		}
	}
}
