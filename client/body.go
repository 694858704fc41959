package client

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body gives the body of a request as often as it is sent: through GetBody, or
// else by keeping what was read of it, up to a limit. What is kept is recorded
// while it is sent, so a large upload is not delayed.
//
// The caller's body is closed once: by Base, or when nothing reads it any more.
type body struct {
	src   io.ReadCloser // nil if there is none
	again func() (io.ReadCloser, error)
	limit int64 // of kept, in bytes

	// reading is held while src is read, which may take long. It guards the next three.
	reading sync.Mutex
	kept    []byte      // the beginning of src
	read    int64       // how much was read of src
	readErr error       // how src ended
	lost    atomic.Bool // something was read and not kept

	mu     sync.Mutex // guards the rest
	given  bool       // src itself was given to Base
	latest *pass
	final  bool // there will be no further pass
	closed bool
}

func newBody(r *http.Request, limit int64) *body {
	b := &body{src: r.Body, again: r.GetBody, limit: limit}
	if r.Body == nil || r.Body == http.NoBody {
		b.src, b.again = nil, nil
	}
	return b
}

// next returns the body from its beginning, for one attempt.
func (b *body) next() (io.ReadCloser, error) {
	if b.src == nil {
		return http.NoBody, nil
	}
	if b.again != nil {
		b.mu.Lock()
		first := !b.given
		b.given = true
		b.mu.Unlock()
		if first {
			return b.src, nil
		}
		return b.again()
	}
	p := &pass{b: b}
	b.mu.Lock()
	b.latest = p
	b.mu.Unlock()
	return p, nil
}

// repeatable reports whether next would give the whole body once more.
func (b *body) repeatable() bool {
	if b.src == nil || b.again != nil {
		return true
	}
	// A read that is under way is not waited for: the source may be waiting for
	// the answer. Its bytes are kept before another pass reads on, or that pass
	// ends with errBodyGone.
	return !b.lost.Load()
}

// prefix returns the beginning of the body, as far as it would be kept, without
// using up an attempt.
func (b *body) prefix() (string, error) {
	open := b.again
	if b.src == nil || open == nil {
		open = b.next
	}
	rc, err := open()
	if err != nil {
		return "", err
	}
	defer rc.Close()
	text, err := io.ReadAll(io.LimitReader(rc, b.limit))
	return string(text), err
}

// finish says that there will be no further pass. The latest may still be read.
func (b *body) finish() {
	if b.src == nil {
		return
	}
	b.mu.Lock()
	b.final = true
	unused := b.again != nil && !b.given || b.again == nil && (b.latest == nil || b.latest.closed)
	b.mu.Unlock()
	if unused {
		b.close()
	}
}

func (b *body) close() {
	b.mu.Lock()
	done := b.closed
	b.closed = true
	b.mu.Unlock()
	if !done {
		_ = b.src.Close() // it was read: nothing depends on how closing went
	}
}

// The errors of a pass that must not be read on.
var (
	errPassOver = errors.New("the request is being sent again")
	errBodyGone = errors.New("the body was read further than it is kept")
)

// pass is one reading of a recorded body.
type pass struct {
	b      *body
	pos    int64 // guarded by b.reading
	closed bool  // guarded by b.mu
}

// Read gives what was kept and then goes on reading the source.
func (p *pass) Read(dst []byte) (int, error) {
	b := p.b
	b.reading.Lock()
	defer b.reading.Unlock()
	b.mu.Lock()
	over := b.latest != p || p.closed
	b.mu.Unlock()
	switch {
	case over:
		return 0, errPassOver
	case p.pos < int64(len(b.kept)):
		n := copy(dst, b.kept[p.pos:])
		p.pos += int64(n)
		return n, nil
	case p.pos < b.read:
		return 0, errBodyGone
	case b.readErr != nil:
		return 0, b.readErr
	}
	n, err := b.src.Read(dst)
	if !b.lost.Load() && int64(len(b.kept)+n) <= b.limit {
		b.kept = append(b.kept, dst[:n]...)
	} else if n > 0 {
		b.lost.Store(true)
	}
	b.read += int64(n)
	p.pos += int64(n)
	b.readErr = err
	return n, err
}

// Close ends the pass, and the source with the last.
func (p *pass) Close() error {
	b := p.b
	b.mu.Lock()
	p.closed = true
	last := b.final && b.latest == p
	b.mu.Unlock()
	if last {
		b.close()
	}
	return nil
}
