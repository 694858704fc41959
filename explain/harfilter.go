package explain

import (
	"bytes"
	"io"
	"strconv"
)

// harFilter takes the long values of members named "text" out of a JSON stream
// and leaves a short reference in their place. They are the bodies, and most
// of an archive: the decoder would walk over each of them three times.
type harFilter struct {
	r    io.Reader
	in   []byte // read and not yet looked at
	out  []byte // ready for the decoder
	buf  []byte // memory of in
	err  error
	name [5]byte // beginning of the last string
	n    int     // its length, as far as it matters

	state filterState
	odd   bool // inside a string, after an odd number of backslashes

	held  []byte // value of a text member
	next  int    // number of the next reference
	texts map[int][]byte
	free  [][]byte
}

type filterState int

const (
	filterPlain filterState = iota
	filterName              // after a string "text"
	filterColon             // after "text":
	filterString
	filterText // inside the value of a text member
)

// filterInline is the length up to which a text stays where it is.
const filterInline = 512

func newHARFilter(r io.Reader) *harFilter {
	return &harFilter{r: r, buf: make([]byte, 64<<10), texts: map[int][]byte{}}
}

func (f *harFilter) Read(p []byte) (int, error) {
	for len(f.out) == 0 {
		if len(f.in) == 0 {
			if f.err != nil {
				return 0, f.err
			}
			var n int
			n, f.err = f.r.Read(f.buf)
			f.in = f.buf[:n]
			continue
		}
		f.step()
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// step looks at what was read, up to its end or the end of a text.
func (f *harFilter) step() {
	f.out = nil
	for i := 0; i < len(f.in); i++ {
		if f.state == filterText {
			f.out, f.in = f.in[:i], f.in[i:]
			if i == 0 {
				f.takeText()
			}
			return
		}
		c := f.in[i]
		if f.state == filterString {
			i += f.inString(f.in[i:]) - 1
			continue
		}
		switch c {
		case ' ', '\t', '\r', '\n':
		case '"':
			if f.state == filterColon {
				f.state, f.odd, f.held = filterText, false, f.spare()
				f.out, f.in = f.in[:i], f.in[i+1:]
				if i == 0 {
					f.takeText()
				}
				return
			}
			f.state, f.n, f.odd = filterString, 0, false
		case ':':
			if f.state == filterName {
				f.state = filterColon
			} else {
				f.state = filterPlain
			}
		default:
			f.state = filterPlain
		}
	}
	f.out, f.in = f.in, nil
}

// inString passes over the inside of a string and returns how far it got.
func (f *harFilter) inString(b []byte) int {
	n, end := f.scan(b)
	for _, c := range b[:min(n, len(f.name))] {
		if f.n < len(f.name) {
			f.name[f.n] = c
		}
		f.n++
	}
	f.n += n - min(n, len(f.name))
	if !end {
		return n
	}
	f.state = filterPlain
	if f.n == 4 && string(f.name[:4]) == "text" {
		f.state = filterName
	}
	return n + 1
}

// scan finds the quote that ends a string: n bytes before it, or all of b.
func (f *harFilter) scan(b []byte) (n int, end bool) {
	for n < len(b) {
		q := bytes.IndexByte(b[n:], '"')
		seg := b[n:]
		if q >= 0 {
			seg = b[n : n+q]
		}
		slashes := len(seg) - len(bytes.TrimRight(seg, `\`))
		odd := slashes%2 == 1
		if slashes == len(seg) && f.odd {
			odd = !odd
		}
		if q < 0 {
			f.odd = odd
			return len(b), false
		}
		n += q
		f.odd = false
		if !odd {
			return n, true
		}
		n++ // the quote is escaped
	}
	return n, false
}

// takeText collects the value of a text member.
func (f *harFilter) takeText() {
	n, end := f.scan(f.in)
	if room := MaxBodyDecoded - len(f.held); room > 0 {
		f.held = append(f.held, f.in[:min(n, room)]...)
	}
	if !end {
		f.in = nil
		return
	}
	f.in = f.in[n+1:]
	f.state = filterPlain
	if len(f.held) <= filterInline && !bytes.HasPrefix(f.held, []byte(`\u0000`)) {
		f.out = append(append([]byte{'"'}, f.held...), '"')
		f.free = append(f.free, f.held)
	} else {
		f.next++
		f.texts[f.next] = f.held
		f.out = []byte(`"\u0000` + strconv.Itoa(f.next) + `"`)
	}
	f.held = nil
}

func (f *harFilter) spare() []byte {
	n := len(f.free)
	if n == 0 {
		return nil
	}
	b := f.free[n-1]
	f.free = f.free[:n-1]
	return b[:0]
}

// resolve gives the text that a decoded value stands for. A text can be taken
// once.
func (f *harFilter) resolve(value string) []byte {
	if len(value) == 0 || value[0] != 0 {
		return []byte(value)
	}
	n, err := strconv.Atoi(value[1:])
	raw, ok := f.texts[n]
	if err != nil || !ok {
		return nil
	}
	for i := range f.texts {
		if i <= n { // what comes earlier in the stream nobody asked for
			delete(f.texts, i)
		}
	}
	text := jsonUnquote(f.spare(), raw)
	f.free = append(f.free, raw)
	return text
}

// done gives memory back that resolve handed out.
func (f *harFilter) done(b []byte) {
	if len(f.free) < 8 && cap(b) > 0 {
		f.free = append(f.free, b)
	}
}
