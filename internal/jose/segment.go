package jose

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// alphabet is base64url (RFC 4648 5), the only one that JOSE has.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// sextets gives the six bits of a character, and invalid for all that have none. It is never written to.
var sextets = func() (t [256]byte) {
	for i := range t {
		t[i] = invalid
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return t
}()

// invalid has a bit that no sextet has, so that four lookups are checked with one comparison.
const invalid = 0x80

// DecodeSegment decodes strict base64url: no padding, no line breaks, and unused bits are zero, so that two different
// texts never give the same octets (RFC 7515 2, RFC 4648 3.5). The error is an [*Error].
func DecodeSegment(s string) ([]byte, error) {
	out, err := appendSegment(make([]byte, 0, len(s)*3/4), s)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// EncodeSegment returns b as base64url without padding.
func EncodeSegment(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func appendEncoded(dst, b []byte) []byte { return base64.RawURLEncoding.AppendEncode(dst, b) }

// appendSegment appends what s decodes to.
//
// It is written out because base64.RawURLEncoding skips CR and LF, does not say what is wrong, and needs []byte.
func appendSegment(dst []byte, s string) ([]byte, *Error) {
	whole := s
	base := len(dst)
	dst = slices.Grow(dst, len(s)*3/4)[:base+len(s)/4*3]
	out := dst[base:]
	for len(s) >= 8 && len(out) >= 8 { // two groups at once: six octets, written as eight of which two are overwritten
		a, b, c, d := sextets[s[0]], sextets[s[1]], sextets[s[2]], sextets[s[3]]
		e, f, g, h := sextets[s[4]], sextets[s[5]], sextets[s[6]], sextets[s[7]]
		if (a|b|c|d|e|f|g|h)&invalid != 0 {
			return nil, segmentFault(whole)
		}
		binary.BigEndian.PutUint64(out, uint64(a)<<58|uint64(b)<<52|uint64(c)<<46|uint64(d)<<40|
			uint64(e)<<34|uint64(f)<<28|uint64(g)<<22|uint64(h)<<16)
		s, out = s[8:], out[6:]
	}
	for ; len(s) >= 4 && len(out) >= 3; s, out = s[4:], out[3:] {
		a, b, c, d := sextets[s[0]], sextets[s[1]], sextets[s[2]], sextets[s[3]]
		if (a|b|c|d)&invalid != 0 {
			return nil, segmentFault(whole)
		}
		out[0], out[1], out[2] = a<<2|b>>4, b<<4|c>>2, c<<6|d
	}
	var tail [3]byte
	n := copy(tail[:], s)
	if n == 0 {
		return dst, nil
	}
	for k := range n {
		if tail[k] = sextets[tail[k]]; tail[k] == invalid {
			return nil, segmentFault(whole)
		}
	}
	switch a, b, c := tail[0], tail[1], tail[2]; {
	case n == 1 || n == 2 && b&0x0f != 0 || n == 3 && c&0x03 != 0:
		return nil, &Error{Reason: Base64Trailing}
	case n == 2:
		return append(dst, a<<2|b>>4), nil
	default:
		return append(dst, a<<2|b>>4, b<<4|c>>2), nil
	}
}

// segmentFault names the first character that base64url does not have.
func segmentFault(s string) *Error {
	for i := range len(s) {
		if sextets[s[i]] != invalid {
			continue
		}
		at := "at offset " + decimal(i)
		switch s[i] {
		case '=':
			return &Error{Reason: Base64Padding, Detail: at}
		case '\r', '\n':
			return &Error{Reason: Base64LineBreak, Detail: at}
		}
		return &Error{Reason: Base64Alphabet, Detail: at}
	}
	return &Error{Reason: Base64Trailing}
}
