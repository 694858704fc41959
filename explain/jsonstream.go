package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonGauge passes a JSON text through and measures it on the way: nesting, so
// that a deep capture is refused before it is decoded, and lines, so that a
// fault has a place. Of white space it keeps one blank, because the decoder
// looks at a long run of it again and again.
type jsonGauge struct {
	r     io.Reader
	total int64 // bytes passed on
	line  int   // current line
	marks []lineMark

	depth   int
	inside  bool // of a string
	escaped bool // after a backslash
	blank   bool // the last byte passed on was a blank
	fresh   bool // a line began and nothing of it was passed on
}

// lineMark says on which line the byte at offset stands.
type lineMark struct {
	offset int64
	line   int
}

// coarseMarks is the number of marks from which on only one in 4096 bytes is
// kept: a place in a huge value need not be exact.
const coarseMarks = 1 << 16

func newGauge(r io.Reader) *jsonGauge { return &jsonGauge{r: r, line: 1, fresh: true} }

func (g *jsonGauge) Read(p []byte) (int, error) {
	for {
		n, err := g.r.Read(p)
		kept, ok := g.measure(p[:n])
		if !ok {
			return 0, &limitError{"MaxJSONDepth", fmt.Sprintf("JSON is nested deeper than %d", MaxJSONDepth)}
		}
		if kept > 0 || err != nil || len(p) == 0 {
			return kept, err
		}
	}
}

// measure looks at b and compacts it in place.
func (g *jsonGauge) measure(b []byte) (kept int, ok bool) {
	for i := 0; i < len(b); i++ {
		if g.inside {
			n := g.insideString(b[i:])
			copy(b[kept:], b[i:i+n])
			kept += n
			i += n - 1
			continue
		}
		switch c := b[i]; c {
		case ' ', '\t', '\r', '\n':
			if c == '\n' {
				g.line++
				g.fresh = true
			}
			if !g.blank {
				g.blank = true
				b[kept] = ' '
				kept++
			}
			continue
		case '"':
			g.inside = true
		case '{', '[':
			if g.depth++; g.depth > MaxJSONDepth {
				return 0, false
			}
		case '}', ']':
			g.depth--
		}
		if g.fresh {
			g.mark(g.total + int64(kept))
		}
		g.blank = false
		b[kept] = b[i]
		kept++
	}
	g.total += int64(kept)
	return kept, true
}

// insideString passes over a string and returns how far it got, the closing
// quote included. Strings are most of a capture: it jumps to what can end one.
func (g *jsonGauge) insideString(b []byte) int {
	for i := 0; i < len(b); i++ {
		if g.escaped {
			g.escaped = false
			continue
		}
		q := bytes.IndexByte(b[i:], '"')
		seg := b[i:]
		if q >= 0 {
			seg = seg[:q]
		}
		if s := bytes.IndexByte(seg, '\\'); s >= 0 {
			i += s
			g.escaped = true
			continue
		}
		if q < 0 {
			break
		}
		g.inside = false
		return i + q + 1
	}
	return len(b)
}

func (g *jsonGauge) mark(offset int64) {
	g.fresh = false
	if n := len(g.marks); n > coarseMarks && offset-g.marks[n-1].offset < 4096 {
		return
	}
	g.marks = append(g.marks, lineMark{offset, g.line})
}

// forget drops the lines before offset: nobody will ask for them.
func (g *jsonGauge) forget(offset int64) {
	if n := g.find(offset); n > 0 {
		g.marks = append(g.marks[:0], g.marks[n:]...)
	}
}

// find gives the index of the last mark at or before offset, 0 if there is
// none.
func (g *jsonGauge) find(offset int64) int {
	n := sort.Search(len(g.marks), func(i int) bool { return g.marks[i].offset > offset })
	return max(n-1, 0)
}

// lineAt returns the number of the line that holds offset.
func (g *jsonGauge) lineAt(offset int64) int {
	if len(g.marks) == 0 {
		return g.line
	}
	return g.marks[g.find(offset)].line
}

// place names the line where dec failed with err.
func (g *jsonGauge) place(dec *json.Decoder, err error) string {
	at := g.total
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		// The offset of a decoder that was used for tokens is not exact: ask a
		// new one about the value that failed.
		rest, _ := io.ReadAll(dec.Buffered())
		at -= int64(len(rest))
		value := bytes.TrimLeft(rest, " ,:")
		at += int64(len(rest) - len(value))
		var skip json.RawMessage
		if s, ok := errors.AsType[*json.SyntaxError](json.NewDecoder(bytes.NewReader(value)).Decode(&skip)); ok && s.Offset > 0 {
			at += s.Offset - 1
		}
	}
	return fmt.Sprintf("line %d", g.lineAt(at))
}

// jsonObject walks the members of the next object. member must consume the
// value of the key that it is given.
func jsonObject(dec *json.Decoder, member func(key string) error) error {
	if err := jsonDelim(dec, '{'); err != nil {
		return err
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return errors.New("JSON object with a key that is not a string")
		}
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// jsonArray calls element for every element of the next array; null is empty.
func jsonArray(dec *json.Decoder, element func() error) error {
	t, err := dec.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("JSON array needed, %s found", jsonKind(t))
	}
	for dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func jsonDelim(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("JSON object needed, %s found", jsonKind(t))
	}
	return nil
}

// jsonKind names a token without showing it.
func jsonKind(t json.Token) string {
	switch v := t.(type) {
	case json.Delim:
		return map[json.Delim]string{'{': "an object", '[': "an array", '}': "the end of an object", ']': "the end of an array"}[v]
	case string:
		return "a string"
	case float64, json.Number:
		return "a number"
	case bool:
		return "true or false"
	}
	return "null"
}

// jsonTolerant drops the error of a value of the wrong type: what fits was
// decoded.
func jsonTolerant(err error) error {
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil
	}
	return err
}

// jsonCause words a decoding error without quoting the input.
func jsonCause(err error) error {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errors.New("JSON is broken here; what comes before it was read")
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("JSON ends in the middle; what comes before the end was read")
	}
	return err
}

// jsonUnquote appends the inside of a valid JSON string to dst.
func jsonUnquote(dst, s []byte) []byte {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b', 'f', 'n', 'r', 't':
			dst = append(dst, "\b\f\n\r\t"[strings.IndexByte("bfnrt", c)])
		case 'u':
			r, n := jsonRune(s)
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if len(s) >= 6 && s[4] == '\\' && s[5] == 'u' {
					low, _ := jsonRune(s[6:])
					pair = utf16.DecodeRune(r, low)
				}
				if r = pair; pair != utf8.RuneError {
					n = 10
				}
			}
			dst = utf8.AppendRune(dst, r)
			s = s[min(n, len(s)):]
		default:
			dst = append(dst, c)
		}
	}
}

// jsonRune reads four hexadecimal digits.
func jsonRune(s []byte) (r rune, n int) {
	if len(s) < 4 {
		return utf8.RuneError, len(s)
	}
	v, err := strconv.ParseUint(string(s[:4]), 16, 32)
	if err != nil {
		return utf8.RuneError, 4
	}
	return rune(v), 4
}
