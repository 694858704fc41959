package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
)

// jsonGauge passes a JSON text through and measures it on the way: nesting, so
// that a deep capture is refused before it is decoded, and lines, so that a
// fault has a place.
type jsonGauge struct {
	r     io.Reader
	total int64   // bytes passed
	line  int     // number of the line that begins at or before lines[0]
	lines []int64 // offsets of newlines that may still be asked for

	depth   int
	inside  bool // of a string
	escaped bool // after a backslash
}

func (g *jsonGauge) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if n > 0 && !g.measure(p[:n]) {
		return 0, &limitError{"MaxJSONDepth", fmt.Sprintf("JSON is nested deeper than %d", MaxJSONDepth)}
	}
	return n, err
}

func (g *jsonGauge) measure(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if g.inside {
			if g.escaped {
				g.escaped = false
				continue
			}
			// Strings are most of a capture: jump to what can end one.
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
			i += q
			g.inside = false
			continue
		}
		switch b[i] {
		case '"':
			g.inside = true
		case '{', '[':
			if g.depth++; g.depth > MaxJSONDepth {
				return false
			}
		case '}', ']':
			g.depth--
		case '\n':
			g.lines = append(g.lines, g.total+int64(i))
		}
	}
	g.total += int64(len(b))
	return true
}

// forget drops the lines before offset: nobody will ask for them.
func (g *jsonGauge) forget(offset int64) {
	n := sort.Search(len(g.lines), func(i int) bool { return g.lines[i] >= offset })
	g.line += n
	g.lines = append(g.lines[:0], g.lines[n:]...)
}

// lineAt returns the number of the line that holds offset.
func (g *jsonGauge) lineAt(offset int64) int {
	return g.line + sort.Search(len(g.lines), func(i int) bool { return g.lines[i] >= offset })
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
