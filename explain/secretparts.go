package explain

import "strings"

// What follows finds parts of secrets. Of every secret each fourth window of
// eight bytes is kept, so that any part of twelve bytes holds one; a hit is
// then extended as far as text and secret agree.
const (
	gramSize = 8
	gramStep = 4
	minPart  = 12 // the shortest part that is removed, unless the secret is shorter
	maxAlike = 4  // places of one window that are looked at
)

type parts struct {
	arena []byte   // the secrets, folded, each between two zero bytes
	table []uint32 // open addressing: place of a window in arena, 0 is free
	used  int
}

func (p *parts) size() int { return p.used }

// fold makes the spellings of a secret equal: case and alphabet of base64.
func fold(s string) []byte {
	out := make([]byte, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z':
			out[i] = c + 'a' - 'A'
		case c == '+':
			out[i] = '-'
		case c == '/':
			out[i] = '_'
		case c == 0:
			out[i] = 1 // zero separates secrets
		default:
			out[i] = c
		}
	}
	return out
}

func gramAt(b []byte, i int) uint64 {
	_ = b[i+gramSize-1]
	return uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
		uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
}

// slot is where a window is looked for first.
func (p *parts) slot(gram uint64) int {
	gram *= 0x9e3779b97f4a7c15
	return int((gram ^ gram>>29) & uint64(len(p.table)-1))
}

func (p *parts) add(s string) {
	if len(p.arena) > 1<<31-len(s) {
		return // more than any capture can hold
	}
	if len(p.arena) == 0 {
		p.arena = append(p.arena, 0)
	}
	start := len(p.arena)
	p.arena = append(append(p.arena, fold(s)...), 0)
	last := len(p.arena) - 1 - gramSize
	for i := start; ; i = min(i+gramStep, last) {
		p.put(i)
		if i >= last {
			return
		}
	}
}

func (p *parts) put(at int) {
	if 2*p.used >= len(p.table) {
		old := p.table
		p.table = make([]uint32, max(64, 2*len(old)))
		for _, o := range old {
			if o != 0 {
				i := p.slot(gramAt(p.arena, int(o)))
				for p.table[i] != 0 {
					i = (i + 1) & (len(p.table) - 1)
				}
				p.table[i] = o
			}
		}
	}
	gram := gramAt(p.arena, at)
	i, alike := p.slot(gram), 0
	for p.table[i] != 0 {
		if gramAt(p.arena, int(p.table[i])) == gram {
			if alike++; alike == maxAlike {
				return
			}
		}
		i = (i + 1) & (len(p.table) - 1)
	}
	p.table[i] = uint32(at) //nolint:gosec // arena is bounded above
	p.used++
}

// find appends the parts of secrets in a text, which is given as it is and
// folded. Places are translated by at if it is not nil.
func (p *parts) find(spans []span, s string, folded []byte, at []int32) []span {
	done := 0
	for i := 0; i+gramSize <= len(folded); i++ {
		gram := gramAt(folded, i)
		start, end := 0, 0
		for k := p.slot(gram); p.table[k] != 0; k = (k + 1) & (len(p.table) - 1) {
			o := int(p.table[k])
			if gramAt(p.arena, o) != gram {
				continue
			}
			a, x := i, o
			for a > done && p.arena[x-1] != 0 && folded[a-1] == p.arena[x-1] {
				a, x = a-1, x-1
			}
			b, y := i+gramSize, o+gramSize
			for b < len(folded) && p.arena[y] != 0 && folded[b] == p.arena[y] {
				b, y = b+1, y+1
			}
			whole := p.arena[x-1] == 0 && p.arena[y] == 0
			if !partCounts(s, a, b, whole) {
				continue
			}
			if end == 0 || b-a > end-start {
				start, end = a, b
			}
		}
		if end == 0 {
			continue
		}
		if at == nil {
			spans = append(spans, span{start, end})
		} else {
			spans = append(spans, span{int(at[start]), int(at[end])})
		}
		done, i = end, end-1
	}
	return spans
}

// partCounts reports whether what text and secret share is of use: a whole
// secret that stands alone, or twelve bytes that are no plain words.
func partCounts(s string, a, b int, whole bool) bool {
	if whole && (a == 0 || !alnum(s[a-1]) || b-a >= minPart) && (b == len(s) || !alnum(s[b]) || b-a >= minPart) {
		return true
	}
	return b-a >= minPart && !wordy(s[a:b])
}

// wordy: letters of one case and separators, as in words and names.
func wordy(s string) bool {
	upper, lower := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			return false
		case c >= 'A' && c <= 'Z':
			if i == 0 || alnum(s[i-1]) && !upper { // a capital within a word
				lower = lower || i > 0
			}
			if i > 0 && s[i-1] >= 'a' && s[i-1] <= 'z' {
				return false
			}
			upper = true
		case c >= 'a' && c <= 'z':
			lower = true
		}
	}
	return !upper || !lower || strings.ContainsAny(s, " -_/.")
}

// looksRandom reports whether a value looks made by a machine to be guessed by
// nobody: long, in one piece, of letters and digits in no order.
func looksRandom(s string) bool {
	if len(s) < 16 || strings.Contains(s, "://") {
		return false
	}
	digits, upper, lower, turns := 0, 0, 0, 0
	kind := byte(0)
	for i := 0; i < len(s); i++ {
		k := byte(0)
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			k = 1
		case c >= 'A' && c <= 'Z':
			upper++
			k = 2
		case c >= 'a' && c <= 'z':
			lower++
			k = 3
		case c == ' ' || c == '<' || c == '>' || c == '{' || c == '"' || c < ' ' || c > '~':
			return false
		default:
			continue
		}
		if k != kind {
			turns++
		}
		kind = k
	}
	return turns >= 6 && (digits >= 3 && upper+lower >= 3 || upper >= 3 && lower >= 3) && turns*8 >= len(s)
}

// unescape undoes percent-encoding, backslash escapes and line breaks, and
// drops what is invisible. at[i] is where byte i of plain stood; it is nil if
// there was nothing to do.
func unescape(s string) (plain string, at []int32) {
	if !strings.ContainsAny(s, "%\\\r\n \t&=") && cleanASCII(s) {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	at = make([]int32, 0, len(s)+1)
	put := func(c byte, from int) {
		out = append(out, c)
		at = append(at, int32(from)) //nolint:gosec // texts are bounded
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s):
			j := i + 1
			for strings.HasPrefix(s[j:], "25") && j+4 <= len(s) { // encoded again
				j += 2
			}
			if j+2 <= len(s) && hexByte(s[j]) >= 0 && hexByte(s[j+1]) >= 0 {
				put(byte(hexByte(s[j])<<4|hexByte(s[j+1])), i)
				i = j + 2
				continue
			}
			put(c, i)
		case c == '\\':
			j := i + 1
			for j < len(s) && s[j] == '\\' {
				j++
			}
			if j+4 < len(s) && s[j] == 'u' && s[j+1] == '0' && s[j+2] == '0' && hexByte(s[j+3]) >= 0 && hexByte(s[j+4]) >= 0 {
				put(byte(hexByte(s[j+3])<<4|hexByte(s[j+4])), i)
				i = j + 5
				continue
			}
			if j+2 < len(s) && s[j] == 'x' && hexByte(s[j+1]) >= 0 && hexByte(s[j+2]) >= 0 {
				put(byte(hexByte(s[j+1])<<4|hexByte(s[j+2])), i)
				i = j + 3
				continue
			}
			if j < len(s) && (s[j] == 'n' || s[j] == 'r' || s[j] == 't') {
				j++
			}
			i = j
			continue
		case c == '&' && i+3 < len(s) && s[i+1] == '#':
			n, j := 0, i+2
			for j < len(s) && j < i+6 && s[j] >= '0' && s[j] <= '9' {
				n, j = n*10+int(s[j]-'0'), j+1
			}
			if j < len(s) && s[j] == ';' && n > 0 && n < 128 {
				put(byte(n), i)
				i = j + 1
				continue
			}
			put(c, i)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == '=' && i+1 < len(s) && (s[i+1] == '\n' || s[i+1] == '\r'): // quoted-printable
		case c < ' ' || c >= 0x7f: // also every byte of a character that is not ASCII
		default:
			put(c, i)
		}
		i++
	}
	return string(out), append(at, int32(len(s))) //nolint:gosec // texts are bounded
}

func hexByte(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// eachRun calls f for every stretch that could be base64 or hex of a text.
func eachRun(s string, f func(start, end int)) {
	for i := 0; i < len(s); {
		if !runByte(s[i]) {
			i++
			continue
		}
		start := i
		for i < len(s) && runByte(s[i]) {
			i++
		}
		if i-start >= 16 {
			for i < len(s) && s[i] == '=' {
				i++
			}
			f(start, i)
		}
	}
}

func runByte(c byte) bool { return alnum(c) || c == '+' || c == '/' || c == '-' || c == '_' }

// decodeRun decodes hex or base64 if text comes out.
func decodeRun(s string) string {
	if len(s)%2 == 0 {
		out := make([]byte, 0, len(s)/2)
		for i := 0; i < len(s) && hexByte(s[i]) >= 0 && hexByte(s[i+1]) >= 0; i += 2 {
			out = append(out, byte(hexByte(s[i])<<4|hexByte(s[i+1])))
		}
		if len(out) == len(s)/2 && bodyIsText(out) {
			return string(out)
		}
	}
	head, _ := decodeLoose(s[:16])
	if len(head) == 0 || !bodyIsText(head[:min(len(head), 9)]) {
		return ""
	}
	s = strings.TrimRight(s, "=")
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	b, _ := decodeLoose(s)
	if !bodyIsText(b) {
		return ""
	}
	return string(b)
}
