package strictjson

import (
	"strconv"
	"strings"
)

// Reason says why a text was refused.
type Reason uint8

// The reasons, one per rule.
const (
	Syntax    Reason = iota + 1 // not JSON (RFC 8259)
	NotObject                   // JSON, but the top level is not an object
	Duplicate                   // one object has two members of one name
	Trailing                    // something follows the object
	BadUTF8                     // an octet sequence that is not UTF-8
	Surrogate                   // a \u escape of half a surrogate pair
	TooDeep                     // nested deeper than MaxDepth
	TooLarge                    // longer than the limit of the caller
	TooMany                     // more than MaxMembers members in one object
)

var reasonText = [...]string{
	Syntax: "syntax error", NotObject: "not an object", Duplicate: "duplicate member", Trailing: "trailing data",
	BadUTF8: "invalid utf-8", Surrogate: "lone surrogate", TooDeep: "nested too deeply", TooLarge: "too large",
	TooMany: "too many members",
}

// String returns the reason as a lower-case phrase.
func (r Reason) String() string {
	if int(r) < len(reasonText) && reasonText[r] != "" {
		return reasonText[r]
	}
	return "unknown reason"
}

// Error is a refusal. It holds names of members but never their values, so it may be logged.
type Error struct {
	Reason Reason
	Offset int    // in bytes, where the fault was seen
	Path   string // names that lead to the fault, such as jwk.kty or keys[2].x; escaped and shortened, may be empty
}

// Error returns a line such as `duplicate member at offset 17 (jwk.kty)`.
func (e *Error) Error() string {
	text := e.Reason.String() + " at offset " + strconv.Itoa(e.Offset)
	if e.Path != "" {
		text += " (" + e.Path + ")"
	}
	return text
}

const (
	maxName = 32 // bytes of one member name that a path shows
	plain   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
)

// within puts the name of the enclosing member before the path.
// Paths are bounded: MaxDepth names of maxName bytes, escaped.
func (e *Error) within(name string) *Error {
	e.join(showName(name))
	return e
}

// withinIndex puts the index in the enclosing array before the path.
func (e *Error) withinIndex(i int) *Error {
	e.join("[" + strconv.Itoa(i) + "]")
	return e
}

func (e *Error) join(head string) {
	if e.Path != "" && e.Path[0] != '[' {
		head += "."
	}
	e.Path = head + e.Path
}

// showName returns name fit for a terminal or a log, whoever chose it. Anything but a plain word is quoted, so that
// a dot in a name cannot pass for a step of the path.
func showName(name string) string {
	tail := ""
	if len(name) > maxName {
		name, tail = name[:maxName], "..."
	}
	if name != "" && strings.Trim(name, plain) == "" {
		return name + tail
	}
	return strconv.QuoteToASCII(name) + tail
}
