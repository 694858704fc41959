package explain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf8"
)

// WriteJSON writes the diagnosis as indented JSON in the format
// holdfast.diagnosis/1. Lists are never null, the order of members is fixed,
// and characters that a terminal would obey are escaped, so that the bytes can
// be compared, shown and parsed.
func (d *Diagnosis) WriteJSON(w io.Writer) error {
	c := *d
	c.Format = Format
	c.Causes = slices.Clone(d.Causes)
	for i := range c.Causes {
		c.Causes[i].Because = jsonList(c.Causes[i].Because)
	}
	c.Causes, c.Checks = jsonList(c.Causes), jsonList(c.Checks)
	c.Exchanges, c.Missing = jsonList(c.Exchanges), jsonList(c.Missing)

	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&c); err != nil {
		return fmt.Errorf("encode diagnosis: %w", err)
	}
	_, err := w.Write(jsonVisible(b.Bytes()))
	return err
}

// jsonList makes an absent list an empty one.
func jsonList[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// jsonVisible escapes the characters that JSON allows unescaped and that a
// terminal may obey: DEL, C1 controls, bidi overrides, zero-width characters.
// encoding/json writes such characters inside strings only, so the JSON means
// the same.
func jsonVisible(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		switch {
		case r < 0x7f || r > 0x7f && unicode.IsPrint(r):
			out = append(out, b[:size]...)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		b = b[size:]
	}
	return out
}
