package explain

import (
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// A redaction mark stands where somebody removed a value before sharing a
// capture. A marked value is unknown: neither absent nor malformed.

// markWords are what stands between brackets of a mark, after lower-casing.
var markWords = [...]string{"redacted", "truncated", "removed", "masked", "hidden", "filtered", "snip", "secret", "cut", "elided", "omitted"}

// marked reports whether s, or part of it, was removed.
func marked(s string) bool {
	_, _, ok := splitMark(s)
	return ok
}

// splitMark finds the first redaction mark of s. rest is what stands before
// it, mark is the mark without what follows.
func splitMark(s string) (rest, mark string, ok bool) {
	if markOnlyX(s) {
		return "", s, true
	}
	for i := 0; i < len(s); i++ {
		if n := markAt(s[i:]); n > 0 {
			return s[:i], s[i : i+n], true
		}
	}
	return s, "", false
}

// markAt returns the length of the mark that s begins with, 0 if there is none.
func markAt(s string) int {
	switch {
	case strings.HasPrefix(s, "***"):
		return len(s) - len(strings.TrimLeft(s, "*"))
	case strings.HasPrefix(s, "..."):
		return markTail(s, len(s)-len(strings.TrimLeft(s, ".")))
	case strings.HasPrefix(s, "…"):
		return markTail(s, len("…"))
	case strings.HasPrefix(s, "•••"):
		return len(s) - len(strings.TrimLeft(s, "•"))
	}
	return markBracket(s)
}

// markTail extends an ellipsis by a bracketed word that follows it.
func markTail(s string, n int) int { return n + markBracket(s[n:]) }

// markBracket measures "[REDACTED ...]", "<redacted>", "{...}" and "(...)".
func markBracket(s string) int {
	if s == "" {
		return 0
	}
	i := strings.IndexByte("[<{(", s[0])
	if i < 0 {
		return 0
	}
	end := strings.IndexByte(s[:min(len(s), 120)], "]>})"[i])
	if end < 0 {
		return 0
	}
	inner := strings.ToLower(s[1:end])
	for _, w := range markWords {
		if strings.HasPrefix(inner, w) {
			return end + 1
		}
	}
	return 0
}

// markOnlyX reports a value of nothing but X, such as XXXX-XXXX, and the bare
// word REDACTED.
func markOnlyX(s string) bool {
	t := strings.Trim(s, "\"'")
	if strings.EqualFold(t, "redacted") {
		return true
	}
	x := strings.Count(t, "X") + strings.Count(t, "x")
	return x >= 4 && x+strings.Count(t, "-")+strings.Count(t, ".") == len(t)
}

// markFacts says which facts the marks in a presentation hide.
func markFacts(p *holdfast.Presentation) holdfast.Fact {
	var hidden holdfast.Fact
	for _, s := range p.Proofs {
		hidden |= markProof(s.Reveal())
	}
	for _, s := range p.Authorization {
		hidden |= markAuthorization(s.Reveal())
	}
	for _, s := range p.Query {
		if marked(s.Reveal()) {
			hidden |= holdfast.FactTokenValue
		}
	}
	return hidden
}

// markProof: a proof whose header and claims are whole lacks its signature
// only; any other mark leaves nothing to judge.
func markProof(s string) holdfast.Fact {
	rest, _, ok := splitMark(s)
	if !ok {
		return 0
	}
	if parts := strings.Split(rest, "."); len(parts) == 3 && parts[0] != "" && parts[1] != "" {
		return holdfast.FactProofSignature
	}
	return holdfast.FactProof
}

// markAuthorization: without the scheme the whole field is unknown.
func markAuthorization(s string) holdfast.Fact {
	rest, _, ok := splitMark(s)
	if !ok {
		if _, value, two := strings.Cut(s, " "); !two || !marked(strings.TrimSpace(value)) {
			return 0
		}
		return holdfast.FactTokenValue
	}
	if scheme, _, two := strings.Cut(rest, " "); two && scheme != "" {
		return holdfast.FactTokenValue
	}
	return holdfast.FactAuthorization | holdfast.FactTokenValue
}
