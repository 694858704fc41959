package strictjson

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how many objects and arrays may enclose each other, the outermost included.
const MaxDepth = 8

// MaxMembers is how many members one object may have.
const MaxMembers = 256

// linearMembers is up to how many members duplicates are looked for by comparing all pairs.
const linearMembers = 16

// scanner validates a text in one pass. Positions only grow, recursion is bounded by MaxDepth.
type scanner struct {
	text string
	at   int
	// members is a stack: those of the objects being read lie one behind another, each object takes its own off when
	// it ends, and what remains are the members of the outermost object.
	members []member
}

// reserve makes room for the members, so that an object of usual size costs one allocation. There are no more members
// than colons. The slice is not nil even if empty: {} is not the zero Object.
func (s *scanner) reserve() {
	s.members = make([]member, 0, min(strings.Count(s.text, ":"), 2*linearMembers))
}

func (s *scanner) fail(r Reason) *Error { return &Error{Reason: r, Offset: s.at} }

// unexpected is the error for an octet that the grammar does not allow here.
func (s *scanner) unexpected() *Error {
	if s.at < len(s.text) && s.text[s.at] >= utf8.RuneSelf {
		if r, size := utf8.DecodeRuneInString(s.text[s.at:]); r == utf8.RuneError && size == 1 {
			return s.fail(BadUTF8)
		}
	}
	return s.fail(Syntax)
}

// peek returns the octet at the position, or 0 at the end: no token of JSON begins or goes on with 0.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// opening checks that an object begins here.
func (s *scanner) opening() *Error {
	switch c := s.peek(); {
	case c == '{':
		return nil
	case c != 0 && strings.IndexByte(`["-0123456789tfn`, c) >= 0:
		return s.fail(NotObject)
	}
	return s.unexpected()
}

// object reads the object that begins here and leaves its members on the stack.
func (s *scanner) object(depth int) *Error {
	if depth > MaxDepth {
		return s.fail(TooDeep)
	}
	base := len(s.members)
	var seen map[string]struct{} // only beyond linearMembers, so that many members cost linear time
	s.at++
	s.space()
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		name, err := s.name(base, &seen)
		if err != nil {
			return err
		}
		v, err := s.value(depth)
		if err != nil {
			return err.within(name)
		}
		s.members = append(s.members, member{name, v})
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case '}':
			s.at++
			return nil
		default:
			return s.unexpected()
		}
	}
}

// name reads a member name up to and with the colon. Members of the same object lie on the stack from base on.
func (s *scanner) name(base int, seen *map[string]struct{}) (string, *Error) {
	start := s.at
	if s.peek() != '"' {
		return "", s.unexpected()
	}
	escaped, err := s.string()
	if err != nil {
		return "", err
	}
	name := s.text[start+1 : s.at-1]
	if escaped {
		name = unescape(name)
	}
	count := len(s.members) - base
	if count >= MaxMembers {
		return "", (&Error{Reason: TooMany, Offset: start}).within(name)
	}
	if s.duplicate(base, count, name, seen) {
		return "", (&Error{Reason: Duplicate, Offset: start}).within(name)
	}
	s.space()
	if s.peek() != ':' {
		return "", s.unexpected()
	}
	s.at++
	s.space()
	return name, nil
}

func (s *scanner) duplicate(base, count int, name string, seen *map[string]struct{}) bool {
	if count < linearMembers {
		return has(s.members[base:], name)
	}
	if *seen == nil {
		*seen = make(map[string]struct{}, 2*linearMembers)
		for _, m := range s.members[base:] {
			(*seen)[m.name] = struct{}{}
		}
	}
	before := len(*seen)
	(*seen)[name] = struct{}{}
	return len(*seen) == before
}

// value reads any value. depth is that of the enclosing object or array.
func (s *scanner) value(depth int) (Value, *Error) {
	start := s.at
	var v Value
	var err *Error
	switch s.peek() {
	case '"':
		v.kind = String
		v.escaped, err = s.string()
	case '{':
		v.kind = ObjectKind
		base := len(s.members)
		err = s.object(depth + 1)
		if depth == 1 {
			v.inner = &Object{append(make([]member, 0, len(s.members)-base), s.members[base:]...)}
		}
		s.members = s.members[:base]
	case '[':
		v.kind = ArrayKind
		err = s.array(depth+1, nil)
	case 't':
		v.kind = Bool
		err = s.literal("true")
	case 'f':
		v.kind = Bool
		err = s.literal("false")
	case 'n':
		v.kind = Null
		err = s.literal("null")
	default:
		v.kind = Number
		err = s.number()
	}
	if err != nil {
		return Value{}, err
	}
	v.raw = s.text[start:s.at]
	return v, nil
}

// array reads the array that begins here and appends its elements to out unless that is nil.
func (s *scanner) array(depth int, out *[]Value) *Error {
	if depth > MaxDepth {
		return s.fail(TooDeep)
	}
	s.at++
	s.space()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for i := 0; ; i++ {
		v, err := s.value(depth)
		if err != nil {
			return err.withinIndex(i)
		}
		if out != nil {
			*out = append(*out, v)
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case ']':
			s.at++
			return nil
		default:
			return s.unexpected()
		}
	}
}

func (s *scanner) literal(word string) *Error {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return s.fail(Syntax)
	}
	s.at += len(word)
	return nil
}

// string reads the string that begins here and reports whether it has escapes.
func (s *scanner) string() (escaped bool, err *Error) {
	s.at++
	for {
		s.plainText()
		switch c := s.peek(); {
		case c == '"':
			s.at++
			return escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return false, err
			}
		case c < utf8.RuneSelf: // the end, or a control character: RFC 8259 7 wants those escaped
			return false, s.fail(Syntax)
		default:
			r, size := utf8.DecodeRuneInString(s.text[s.at:])
			if r == utf8.RuneError && size == 1 {
				return false, s.fail(BadUTF8)
			}
			s.at += size
		}
	}
}

// plainText skips the octets of a string that need no thought: most of them, so this is a tight loop.
func (s *scanner) plainText() {
	text, i := s.text, s.at
	for i < len(text) {
		if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
		i++
	}
	s.at = i
}

// escape reads one escape sequence, or two that form a surrogate pair.
func (s *scanner) escape() *Error {
	start := s.at
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
	default:
		return s.unexpected()
	}
	r, ok := hex4(s.text[s.at+1:])
	if !ok {
		return s.fail(Syntax)
	}
	s.at += 5
	if !utf16.IsSurrogate(r) {
		return nil
	}
	if rest := s.text[s.at:]; strings.HasPrefix(rest, `\u`) {
		low, ok := hex4(rest[2:])
		if ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			s.at += 6
			return nil
		}
	}
	s.at = start
	return s.fail(Surrogate)
}

// number reads a number by the grammar of RFC 8259 6.
func (s *scanner) number() *Error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return s.unexpected()
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return s.unexpected()
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return s.unexpected()
		}
	}
	return nil
}

// digits skips decimal digits and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.at
	for isDigit(s.peek()) {
		s.at++
	}
	return s.at > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
