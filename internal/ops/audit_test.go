package ops

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

var noon = time.Date(2030, 5, 4, 12, 0, 0, 5000, time.FixedZone("", 3600))

func TestAuditWritesOneLinePerDecision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a, err := OpenAudit(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.Log(noon, "token", slog.String("decision", "granted"), slog.String("client", "a\nb\x1b"))
	a.Log(noon, "login", slog.Any("password", holdfast.NewSecret("hunter2")), slog.Group("more", slog.String("msg", "kept")))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2030-05-04T11:00:00.000005Z","event":"token","decision":"granted","client":"a\nb\u001b"}
{"time":"2030-05-04T11:00:00.000005Z","event":"login","password":"[redacted]","more":{"msg":"kept"}}
`
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	a.Log(noon, "late")
	if a.Lost() != 1 || a.Close() != nil || a.Reopen() == nil {
		t.Error("a closed log takes more")
	}
}

func TestAnAuditLogThatCannotBeWrittenIsRefused(t *testing.T) {
	if _, err := OpenAudit(filepath.Join(t.TempDir(), "none", "audit.log"), nil, nil); err == nil || !strings.HasPrefix(err.Error(), "audit log: ") {
		t.Errorf("got %v", err)
	}
}

func TestAuditIsOpenedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a, err := OpenAudit(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := a.Reopen(); err != nil {
		t.Fatal(err)
	}
	a.Log(noon, "after")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "after") {
		t.Errorf("%q, %v", b, err)
	}
}

// pipe is a log that can be held up, and can fail.
type pipe struct {
	mu    sync.Mutex
	held  chan struct{}
	room  int // bytes that fit; negative: any number
	bytes bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) {
	<-p.held
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.room >= 0 && len(b) > p.room {
		n, _ := p.bytes.Write(b[:p.room])
		p.room = 0
		return n, errors.New("no space left on device")
	}
	return p.bytes.Write(b)
}

// A disk that hangs holds up nobody; what does not fit into the queue is counted.
func TestAuditNeverWaits(t *testing.T) {
	p := &pipe{held: make(chan struct{}), room: -1}
	a, err := OpenAudit("", p, nil)
	if err != nil {
		t.Fatal(err)
	}
	const more = 100
	for range auditQueue + more + 1 {
		a.Log(noon, "token")
	}
	if lost := a.Lost(); lost < more || lost > more+1 { // one may be with the writer already
		t.Errorf("%d lines were lost, want %d", lost, more)
	}
	close(p.held)
	a.Close()
	if n := bytes.Count(p.bytes.Bytes(), []byte("\n")); uint64(n) != auditQueue+more+1-a.Lost() {
		t.Errorf("%d lines were written, %d lost", n, a.Lost())
	}
}

// Whoever stops the server, or has the log opened anew, does not wait for ever.
func TestAuditDoesNotKeepTheServerFromStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{held: make(chan struct{}), room: -1}
		a, err := OpenAudit("", p, nil)
		if err != nil {
			t.Fatal(err)
		}
		a.Log(noon, "token")
		synctest.Wait() // it is being written
		if err := a.Reopen(); err == nil {
			t.Error("a log that hangs was opened anew")
		}
		if err := a.Close(); err == nil {
			t.Error("nobody is told that a line was given up")
		}
		close(p.held)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAuditGoesOnAfterADiskWasFull(t *testing.T) {
	p := &pipe{held: make(chan struct{}), room: 10}
	close(p.held)
	var reports int
	a, err := OpenAudit("", p, func(error) { reports++ })
	if err != nil {
		t.Fatal(err)
	}
	a.Log(noon, "first")
	a.Log(noon, "second")
	for a.Lost() < 2 { // until both were tried
		runtime.Gosched()
	}
	p.mu.Lock()
	p.room = -1
	p.mu.Unlock()
	a.Log(noon, "third")
	a.Close()
	lines := strings.Split(strings.TrimSpace(p.bytes.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], `"event":"third"`) || reports != 1 {
		t.Errorf("reported %d times, written %q", reports, lines)
	}
}
