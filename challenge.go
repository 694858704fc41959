package holdfast

import (
	"strconv"
	"strings"
)

// Limits of WWW-Authenticate fields that are parsed; what lies beyond is ignored.
const (
	MaxChallengeBytes = 16 << 10 // of all field values together
	MaxChallenges     = 16
	MaxChallengeParam = 64 // parameters of one challenge
)

// Challenge is one challenge of a WWW-Authenticate field (RFC 9110 section
// 11.6.1) with the parameters of RFC 6750 section 3, RFC 9449 section 7.1, RFC
// 9470 section 3 and RFC 9728 section 5.1. DPoP-Nonce is a field of its own and
// not part of it. Parsed values come from the peer: escape them before printing.
//
// The zero value is no challenge.
type Challenge struct {
	Scheme           string // as written; compare without case
	Realm            string
	Error            string
	Description      string
	Scope            []string
	Algs             []string
	ACR              []string // acr_values
	MaxAge           *int     // seconds
	ResourceMetadata string
}

// Is reports whether the challenge has the given scheme, in any letter case.
func (c Challenge) Is(scheme string) bool { return strings.EqualFold(c.Scheme, scheme) }

// String writes the challenge as a field value, parameters in a fixed order. A
// character that the RFCs do not allow in a value is left out, so no input can
// end the quoted string or the field (RFC 6750 section 3, B-3-05). Without a
// scheme there is no challenge, and the text is empty.
func (c Challenge) String() string {
	scheme := keepRunes(c.Scheme, isTokenChar)
	if scheme == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(scheme)
	first := true
	put := func(name, value string) {
		if value = keepRunes(value, isQuotable); value == "" {
			return
		}
		if first {
			b.WriteByte(' ')
		} else {
			b.WriteString(", ")
		}
		first = false
		b.WriteString(name + `="` + value + `"`)
	}
	put("realm", c.Realm)
	put("error", c.Error)
	put("error_description", c.Description)
	put("scope", list(c.Scope))
	put("algs", list(c.Algs))
	put("acr_values", list(c.ACR))
	if c.MaxAge != nil && *c.MaxAge >= 0 {
		put("max_age", strconv.Itoa(*c.MaxAge))
	}
	put("resource_metadata", c.ResourceMetadata)
	return b.String()
}

// list joins words with single spaces; one of which nothing is left does not count.
func list(words []string) string {
	return strings.Join(strings.Fields(keepRunes(strings.Join(words, " "), isQuotable)), " ")
}

// FormatChallenges writes several challenges as one field value, because
// proxies are known to drop all but the first of several WWW-Authenticate
// fields.
func FormatChallenges(cs ...Challenge) string {
	parts := make([]string, 0, len(cs))
	for _, c := range cs {
		if text := c.String(); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

// isQuotable is %x20-21 / %x23-5B / %x5D-7E (RFC 6750 section 3).
func isQuotable(c byte) bool { return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' }

// isTokenChar is tchar of RFC 9110 section 5.6.2.
func isTokenChar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// isToken68Char is the set of token68 (RFC 9110 section 11.2) without its trailing '='.
func isToken68Char(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-._~+/", c) >= 0
}

func keepRunes(s string, ok func(byte) bool) string {
	for i := 0; i < len(s); i++ {
		if !ok(s[i]) {
			out := make([]byte, 0, len(s))
			for j := 0; j < len(s); j++ {
				if ok(s[j]) {
					out = append(out, s[j])
				}
			}
			return string(out)
		}
	}
	return s
}

// ParseChallenges reads the values of all WWW-Authenticate fields of one
// answer: several challenges in one field, several fields, quoted strings with
// escapes, token68, any letter case. Of a repeated parameter the first counts.
// What cannot be parsed is skipped up to the next comma: challenges of other
// parties are evidence, and half of one is better than none.
func ParseChallenges(fields []string) []Challenge {
	var out []Challenge
	budget := MaxChallengeBytes
	for _, f := range fields {
		if len(f) > budget {
			f = f[:budget]
		}
		budget -= len(f)
		p := challengeParser{s: f}
		out = p.all(out)
		if len(out) >= MaxChallenges {
			return out[:MaxChallenges]
		}
	}
	return out
}

type challengeParser struct {
	s string
	i int
}

func (p *challengeParser) all(out []Challenge) []Challenge {
	var cur *Challenge
	params := 0
	seen := uint16(0)
	for len(out) < MaxChallenges {
		p.skip(" \t\r\n,")
		if p.i >= len(p.s) {
			return out
		}
		name := p.take(isTokenChar)
		if name == "" { // not a token: skip to the next comma
			p.toComma()
			continue
		}
		p.skip(" \t\r\n")
		if p.peek() == '=' && !p.looksLikeToken68() {
			p.i++
			p.skip(" \t\r\n")
			value := p.value()
			if cur != nil && params < MaxChallengeParam {
				cur.set(strings.ToLower(name), value, &seen)
				params++
			}
			continue
		}
		out = append(out, Challenge{Scheme: name})
		cur, params, seen = &out[len(out)-1], 0, 0
		p.token68()
	}
	return out
}

// looksLikeToken68 reports whether the '=' here ends a token68 such as
// "abc==", rather than separating a parameter from its value.
func (p *challengeParser) looksLikeToken68() bool {
	j := p.i
	for j < len(p.s) && p.s[j] == '=' {
		j++
	}
	return j-p.i > 1
}

// token68 skips credentials of that form after a scheme. Their value is not
// kept: no scheme that we speak uses it, and it may be a secret.
func (p *challengeParser) token68() {
	j := p.i
	for j < len(p.s) && isToken68Char(p.s[j]) {
		j++
	}
	if j == p.i {
		return
	}
	k := j
	for k < len(p.s) && p.s[k] == '=' {
		k++
	}
	rest := strings.TrimLeft(p.s[k:], " \t\r\n")
	if rest == "" || rest[0] == ',' {
		// "Negotiate abc=" is token68; "DPoP realm=" is an empty parameter and harmless to skip.
		p.i = len(p.s) - len(rest)
	}
}

func (p *challengeParser) value() string {
	if p.peek() == '"' {
		return p.quoted()
	}
	start := p.i
	p.toComma()
	return strings.TrimSpace(p.s[start:p.i])
}

func (p *challengeParser) quoted() string {
	p.i++
	var b strings.Builder
	for p.i < len(p.s) {
		c := p.s[p.i]
		p.i++
		switch c {
		case '"':
			return b.String()
		case '\\':
			if p.i < len(p.s) {
				b.WriteByte(p.s[p.i])
				p.i++
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String() // unterminated: what there is
}

func (p *challengeParser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *challengeParser) skip(set string) {
	for p.i < len(p.s) && strings.IndexByte(set, p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *challengeParser) take(ok func(byte) bool) string {
	start := p.i
	for p.i < len(p.s) && ok(p.s[p.i]) {
		p.i++
	}
	return p.s[start:p.i]
}

func (p *challengeParser) toComma() {
	for p.i < len(p.s) && p.s[p.i] != ',' {
		p.i++
	}
}

// set stores one parameter; of a repeated one the first counts (B-3-03).
func (c *Challenge) set(name, value string, seen *uint16) {
	names := [...]string{"realm", "error", "error_description", "scope", "algs", "acr_values", "max_age", "resource_metadata"}
	for i, n := range names {
		if n != name {
			continue
		}
		if *seen&(1<<i) != 0 {
			return
		}
		*seen |= 1 << i
	}
	switch name {
	case "realm":
		c.Realm = value
	case "error":
		c.Error = value
	case "error_description":
		c.Description = value
	case "scope":
		c.Scope = strings.Fields(value)
	case "algs":
		c.Algs = strings.Fields(value)
	case "acr_values":
		c.ACR = strings.Fields(value)
	case "max_age":
		if n, err := strconv.Atoi(value); err == nil && n >= 0 {
			c.MaxAge = &n
		}
	case "resource_metadata":
		c.ResourceMetadata = value
	}
}
