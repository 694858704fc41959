package client

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// closable is a body that notes its closing.
type closable struct {
	io.Reader
	closed int
}

func (s *closable) Close() error {
	s.closed++
	return nil
}

func requestBody(limit int64, r io.Reader) (*body, *closable) {
	s := &closable{Reader: r}
	return newBody(&http.Request{Body: s}, limit), s
}

func mustNext(t *testing.T, b *body) io.ReadCloser {
	t.Helper()
	rc, err := b.next()
	if err != nil {
		t.Fatal(err)
	}
	return rc
}

func TestARecordedBodyIsGivenAgainFromTheBeginning(t *testing.T) {
	for _, tt := range []struct {
		name  string
		read  int64 // by the first pass
		limit int64
		again bool
	}{
		{"nothing was read", 0, 1, true},
		{"a part was read", 3, 100, true},
		{"all was read", 10, 100, true},
		{"all was read and just fits", 10, 10, true},
		{"more was read than is kept", 10, 9, false},
		{"as much was read as is kept", 4, 4, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, s := requestBody(tt.limit, iotest.OneByteReader(strings.NewReader("0123456789")))
			p := mustNext(t, b)
			if _, err := io.CopyN(io.Discard, p, tt.read); err != nil {
				t.Fatal(err)
			}
			p.Close()
			if b.repeatable() != tt.again {
				t.Fatalf("repeatable %v", !tt.again)
			}
			if s.closed != 0 {
				t.Fatal("the source was closed although it may be needed")
			}
			q := mustNext(t, b)
			b.finish()
			got, err := io.ReadAll(q)
			if tt.again && (string(got) != "0123456789" || err != nil) || !tt.again && !errors.Is(err, errBodyGone) {
				t.Errorf("second pass %q, error %v", got, err)
			}
			if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errPassOver) {
				t.Errorf("the first pass gave %d bytes more, error %v", n, err)
			}
			if s.closed != 0 {
				t.Error("closed while it was read")
			}
			q.Close()
			q.Close()
			if s.closed != 1 {
				t.Errorf("closed %d times", s.closed)
			}
		})
	}
}

func TestTheCallersBodyIsClosedOnce(t *testing.T) {
	for name, run := range map[string]func(b *body){
		"never asked for": func(*body) {},
		"asked for and closed": func(b *body) {
			p, _ := b.next()
			p.Close()
		},
		"asked for twice": func(b *body) {
			p, _ := b.next()
			q, _ := b.next()
			q.Close()
			p.Close()
		},
		"looked into": func(b *body) { _, _ = b.prefix() },
	} {
		t.Run(name, func(t *testing.T) {
			for _, withGetBody := range []bool{false, true} {
				s := &closable{Reader: strings.NewReader("b")}
				r := &http.Request{Body: s}
				if withGetBody {
					r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("b")), nil }
				}
				b := newBody(r, 10)
				run(b)
				b.finish()
				if s.closed != 1 {
					t.Errorf("closed %d times, GetBody %v", s.closed, withGetBody)
				}
			}
		})
	}
}

func TestABodyIsAlwaysGivenAgainByGetBody(t *testing.T) {
	s := &closable{Reader: strings.NewReader("body")}
	b := newBody(&http.Request{Body: s, GetBody: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("body")), nil }}, 1)
	for range 3 {
		if got, err := io.ReadAll(mustNext(t, b)); string(got) != "body" || err != nil || !b.repeatable() {
			t.Errorf("%q, error %v", got, err)
		}
	}
}

func TestNoBodyIsNoBody(t *testing.T) {
	for _, given := range []io.ReadCloser{nil, http.NoBody} {
		b := newBody(&http.Request{Body: given}, 1)
		if rc := mustNext(t, b); rc != http.NoBody || !b.repeatable() {
			t.Errorf("got %v", rc)
		}
		if text, err := b.prefix(); text != "" || err != nil {
			t.Errorf("prefix %q, error %v", text, err)
		}
		b.finish()
	}
}

// A read that is under way when the answer arrives keeps its bytes for the next
// pass, and nothing waits for it.
func TestAReadThatIsUnderWayLosesNothing(t *testing.T) {
	src, dst := io.Pipe()
	b := newBody(&http.Request{Body: src}, 100)
	p := mustNext(t, b)
	first := make(chan string)
	go func() {
		buf := make([]byte, 10)
		n, _ := p.Read(buf)
		first <- string(buf[:n])
	}()
	if !b.repeatable() {
		t.Fatal("not repeatable")
	}
	q := mustNext(t, b)
	go func() {
		_, _ = io.WriteString(dst, "one ")
		_, _ = io.WriteString(dst, "two")
		dst.Close()
	}()
	got, err := io.ReadAll(q)
	if string(got) != "one two" || err != nil {
		t.Errorf("second pass %q, error %v", got, err)
	}
	if s := <-first; s != "one " && s != "" {
		t.Errorf("first pass %q", s)
	}
}

func TestAnErrorOfTheSourceIsRepeated(t *testing.T) {
	cause := errors.New("disk is gone")
	b, _ := requestBody(100, io.MultiReader(strings.NewReader("b"), iotest.ErrReader(cause)))
	for range 2 {
		if got, err := io.ReadAll(mustNext(t, b)); string(got) != "b" || !errors.Is(err, cause) {
			t.Errorf("%q, error %v", got, err)
		}
	}
}
