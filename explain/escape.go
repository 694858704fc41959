package explain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cutMark stands where text was too long to show.
const cutMark = "[cut]"

// clean makes text fit for a terminal, a log or a page. What a screen would
// obey instead of show is written as a Go escape: control characters, ESC
// among them, bidi overrides, zero-width and other invisible characters, and
// octets that are not UTF-8. A text of more than max characters is cut, with a
// mark; 0 means no limit.
func clean(s string, max int) string {
	if cleanASCII(s) && (max <= 0 || len(s) <= max) {
		return s
	}
	var b strings.Builder
	for n := 0; s != ""; n++ {
		if max > 0 && n == max {
			b.WriteString(cutMark)
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(escapeRune(r))
		}
		s = s[size:]
	}
	return b.String()
}

// cleanASCII reports whether every octet of s is printable ASCII.
func cleanASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// escapeRune writes a character as a Go string literal would.
func escapeRune(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
