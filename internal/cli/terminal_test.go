package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowSpeaksOnlyToATerminalAndOnlyWhenSlow(t *testing.T) {
	for _, tt := range []struct {
		name     string
		terminal bool
		takes    time.Duration
		want     string
	}{
		{"fast", true, time.Second, ""},
		{"slow", true, 3 * time.Second, "holdfast: reading evidence ...\n"},
		{"slow, nobody watches", false, 3 * time.Second, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b bytes.Buffer
				a := &app{Env: Env{Stderr: &b, StderrTerminal: tt.terminal}}
				done := a.slow("reading evidence")
				time.Sleep(tt.takes)
				done()
				done()
				if b.String() != tt.want {
					t.Errorf("got %q, want %q", b.String(), tt.want)
				}
			})
		})
	}
}

func TestColor(t *testing.T) {
	for _, tt := range []struct {
		name, mode string
		terminal   bool
		env        map[string]string
		want       bool
	}{
		{"a terminal", "auto", true, nil, true},
		{"a pipe", "auto", false, nil, false},
		{"NO_COLOR", "auto", true, map[string]string{"NO_COLOR": "1"}, false},
		{"a dumb terminal", "auto", true, map[string]string{"TERM": "dumb"}, false},
		{"always goes before NO_COLOR", "always", false, map[string]string{"NO_COLOR": "1"}, true},
		{"never", "never", true, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{Env: Env{StdoutTerminal: tt.terminal, Getenv: func(k string) string { return tt.env[k] }}}
			if got := a.color(tt.mode); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWidth(t *testing.T) {
	for _, tt := range []struct {
		terminal      bool
		columns, want int
	}{{false, 200, 80}, {true, 0, 80}, {true, 60, 60}, {true, 200, widest}} {
		if got := (&app{Env: Env{StdoutTerminal: tt.terminal, Columns: tt.columns}}).width(); got != tt.want {
			t.Errorf("terminal %v of %d columns: %d, want %d", tt.terminal, tt.columns, got, tt.want)
		}
	}
}

func TestTalkIsPrintable(t *testing.T) {
	var b bytes.Buffer
	a := &app{Env: Env{Stderr: &b}, running: true}
	a.note("not read: \x1b[2Jfile.har")
	// Such as the names in a certificate that x509 lists.
	a.complain(errors.New("valid for a\nholdfast: hint: do this, not for b"))
	if n := strings.Count("\n"+b.String(), "\nholdfast: "); n != 2 {
		t.Errorf("%d lines begin like ours, want 2:\n%s", n, b.String())
	}
	if strings.ContainsRune(b.String(), '\x1b') {
		t.Errorf("%q has an escape sequence", b.String())
	}
}
