package ops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// auditQueue is how many lines may wait to be written. Beyond that lines are
// lost, and counted: a full disk does not stop the server.
const auditQueue = 8192

// auditPatience is how long Reopen and Close wait for a line that is being
// written: a disk that hangs must not keep the process from stopping.
const auditPatience = 10 * time.Second

// Audit is a log of decisions: one JSON object per line, with the members time,
// event and those that were given, in this order. Lines are written in the
// background, in order; a line that could not be written is counted in Lost.
// Safe for concurrent use; make it with [OpenAudit].
type Audit struct {
	path   string
	stdout io.Writer
	report func(error)
	lines  chan []byte
	reopen chan chan error
	done   chan struct{}
	lost   atomic.Uint64

	mu     sync.RWMutex // of closed
	closed bool
}

// OpenAudit opens the log: a file, which is created for its owner only and is
// appended to, or stdout if path is "". A file that cannot be written is an
// error now. report is told when writing fails later, once until it works again;
// it may be nil.
func OpenAudit(path string, stdout io.Writer, report func(error)) (*Audit, error) {
	a := &Audit{
		path: path, stdout: stdout, report: report,
		lines: make(chan []byte, auditQueue), reopen: make(chan chan error), done: make(chan struct{}),
	}
	if a.report == nil {
		a.report = func(error) {}
	}
	w, err := a.open()
	if err != nil {
		return nil, err
	}
	go a.write(w)
	return a, nil
}

func (a *Audit) open() (io.Writer, error) {
	if a.path == "" {
		return a.stdout, nil
	}
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return f, nil
}

// Log writes a line. It never waits for the disk.
func (a *Audit) Log(at time.Time, event string, members ...slog.Attr) {
	var line bytes.Buffer
	h := slog.NewJSONHandler(&line, &slog.HandlerOptions{ReplaceAttr: auditNames})
	r := slog.NewRecord(at.UTC(), slog.LevelInfo, event, 0)
	r.AddAttrs(members...)
	if err := h.Handle(context.Background(), r); err != nil {
		a.lost.Add(1)
		return
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.closed {
		a.lost.Add(1)
		return
	}
	select {
	case a.lines <- line.Bytes():
	default:
		a.lost.Add(1)
	}
}

// auditNames are the names of what slog writes by itself.
func auditNames(groups []string, m slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return m
	}
	switch m.Key {
	case slog.LevelKey:
		return slog.Attr{}
	case slog.MessageKey:
		m.Key = "event"
	}
	return m
}

// write is the one writer; it ends when lines is closed.
func (a *Audit) write(w io.Writer) {
	defer close(a.done)
	failing, torn := false, false
	for {
		select {
		case answer := <-a.reopen:
			next, err := a.open()
			if err == nil {
				a.closeFile(w)
				w, torn = next, false
			}
			answer <- err
		case line, ok := <-a.lines:
			if !ok {
				a.closeFile(w)
				return
			}
			if torn { // a full disk took a part of the line before
				line = append([]byte{'\n'}, line...)
			}
			if n, err := w.Write(line); err != nil {
				a.lost.Add(1)
				torn = torn || n > 0
				if !failing {
					a.report(fmt.Errorf("audit log: %w", err))
				}
				failing = true
				continue
			}
			failing, torn = false, false
		}
	}
}

// closeFile closes what open has opened; stdout belongs to somebody else.
func (a *Audit) closeFile(w io.Writer) {
	if f, ok := w.(*os.File); ok && a.path != "" {
		f.Close()
	}
}

// Lost returns how many lines were not written.
func (a *Audit) Lost() uint64 { return a.lost.Load() }

// Reopen opens the file by its name again, after it was moved away. If that
// fails, the old one stays in use.
func (a *Audit) Reopen() error {
	answer := make(chan error, 1)
	late := time.NewTimer(auditPatience)
	defer late.Stop()
	select {
	case a.reopen <- answer:
	case <-a.done:
		return errors.New("audit log: closed")
	case <-late.C:
		return errHangs
	}
	select {
	case err := <-answer:
		return err
	case <-late.C:
		return errHangs
	}
}

var errHangs = fmt.Errorf("audit log: nothing could be written for %v", auditPatience)

// Close writes what waits and closes the file. The error says that lines were
// given up. It may be called twice.
func (a *Audit) Close() error {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.lines)
	}
	a.mu.Unlock()
	late := time.NewTimer(auditPatience)
	defer late.Stop()
	select {
	case <-a.done:
		return nil
	case <-late.C:
		return errHangs
	}
}
