package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// System is the Env of the process.
func System() Env {
	out := int(os.Stdout.Fd())
	env := Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		StdoutTerminal: term.IsTerminal(out), StderrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Password: askTerminal,
	}
	if env.StdoutTerminal {
		if columns, _, err := term.GetSize(out); err == nil {
			env.Columns = columns
		}
	}
	return env
}

// widest is the longest line that text is set in, however wide the screen.
const widest = 100

// width returns the columns to print in: those of the terminal, else 80.
func (a *app) width() int {
	if !a.StdoutTerminal || a.Columns <= 0 {
		return 80
	}
	return min(a.Columns, widest)
}

// color decides whether to print in colour (no-color.org for "auto").
func (a *app) color(mode string) bool {
	switch mode {
	case "always":
		return true
	case "never":
		return false
	}
	return a.StdoutTerminal && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// patience is how long a command may be silent on a terminal.
const patience = 2 * time.Second

// slow says what is going on if it takes longer than that and somebody is
// watching. The returned function ends it and waits for it.
func (a *app) slow(what string) (done func()) {
	if !a.StderrTerminal {
		return func() {}
	}
	return after(patience, func() { fmt.Fprintf(a.Stderr, "holdfast: %s ...\n", what) })
}

// after runs f once unless the returned function is called first, which waits
// for an f that has begun.
func after(d time.Duration, f func()) (stop func()) {
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			f()
		case <-quit:
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() { close(quit) })
		<-gone
	}
}

// printable makes talk safe for the terminal: file names and values in it may
// come from elsewhere. A further line is set in, so that none can pass for one
// of ours.
func printable(s string) string {
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return strings.ReplaceAll(s, "\n", "\n    ")
}

// output returns stdout, or the named file and how to finish it. A file that is
// there already is not overwritten: it may be the capture. The new one is for its
// owner only: what is redacted may still be confidential.
func (a *app) output(name string) (io.Writer, func() error, error) {
	if name == "" || name == "-" {
		return a.Stdout, func() error { return nil }, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		err = advise(err, "name a file that does not exist, or remove it first")
	}
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}
