package strictjson

import (
	"strings"
	"unicode/utf16"
)

// Kind is the JSON type of a [Value].
type Kind uint8

// The kinds. Missing is the zero value: it is what an absent member has, and it is not Null.
const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	ArrayKind
	ObjectKind
)

var kindText = [...]string{"missing", "null", "bool", "number", "string", "array", "object"}

// String returns the kind as a lower-case word.
func (k Kind) String() string {
	if int(k) < len(kindText) {
		return kindText[k]
	}
	return "unknown kind"
}

// Value is one JSON value. It is immutable and safe for concurrent use. The zero value has Kind [Missing] and is
// "not ok" for every accessor.
type Value struct {
	raw     string
	kind    Kind
	escaped bool // a String with at least one escape sequence
	// inner is an object that stands directly in the outermost one, as the jwk of a header does: kept, so that it need
	// not be scanned again. nil for deeper objects.
	inner *Object
}

// Kind returns the JSON type.
func (v Value) Kind() Kind { return v.kind }

// Raw returns the value as it stands in the text. It may hold a secret.
func (v Value) Raw() string { return v.raw }

// Text returns a JSON string, unescaped. Without escapes it is a substring of the parsed text.
func (v Value) Text() (string, bool) {
	if v.kind != String {
		return "", false
	}
	inner := v.raw[1 : len(v.raw)-1]
	if v.escaped {
		inner = unescape(inner)
	}
	return inner, true
}

// Bool returns a JSON true or false.
func (v Value) Bool() (value, ok bool) {
	return v.raw == "true", v.kind == Bool
}

// Object returns a JSON object. It scans the text again: keep the result rather than ask twice.
func (v Value) Object() (Object, bool) {
	if v.kind != ObjectKind {
		return Object{}, false
	}
	if v.inner != nil {
		return *v.inner, true
	}
	s := scanner{text: v.raw}
	s.reserve()
	if err := s.object(1); err != nil {
		return Object{}, false // cannot happen: the text passed the same scanner, deeper
	}
	return Object{s.members}, true
}

// Array returns the elements of a JSON array, never nil when ok. It scans the text again, as [Value.Object] does.
func (v Value) Array() ([]Value, bool) {
	if v.kind != ArrayKind {
		return nil, false
	}
	out := []Value{}
	s := scanner{text: v.raw}
	if err := s.array(1, &out); err != nil {
		return nil, false // cannot happen, as in Object
	}
	return out, true
}

// unescape resolves the escapes of a string that the scanner has accepted.
func unescape(s string) string {
	var b strings.Builder
	b.Grow(len(s)) // never longer than its escaped form
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		if c != 'u' {
			b.WriteByte(unescapeByte(c))
			continue
		}
		r, _ := hex4(s)
		s = s[4:]
		if utf16.IsSurrogate(r) {
			low, _ := hex4(s[2:])
			r = utf16.DecodeRune(r, low)
			s = s[6:]
		}
		b.WriteRune(r)
	}
}

func unescapeByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}

// hex4 reads the four digits of a \u escape.
func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
