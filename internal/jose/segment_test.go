package jose

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

func TestSegmentsRoundTrip(t *testing.T) {
	var octets []byte
	for i := range 300 {
		text := EncodeSegment(octets)
		got, err := DecodeSegment(text)
		if err != nil || !bytes.Equal(got, octets) {
			t.Fatalf("%d octets: got %x, %v", i, got, err)
		}
		octets = append(octets, byte(i*37))
	}
}

// Every text of up to two characters, and every last character: accepted exactly if it is what encoding gives.
func TestOnlyTheCanonicalEncodingDecodes(t *testing.T) {
	check := func(text string) {
		got, err := DecodeSegment(text)
		want, strict := base64.RawURLEncoding.Strict().DecodeString(text)
		breaks := strings.ContainsAny(text, "\r\n") // the standard library skips them
		if (err == nil) != (strict == nil && !breaks) {
			t.Fatalf("%q: %v, the standard library says %v", text, err, strict)
		}
		if err == nil && (!bytes.Equal(got, want) || EncodeSegment(got) != text) {
			t.Fatalf("%q is %x, want %x", text, got, want)
		}
	}
	for i := range 256 {
		check(string([]byte{byte(i)}))
		for k := range 256 {
			check(string([]byte{byte(i), byte(k)}))
		}
		for at := range 4 {
			quad := []byte("AAAA")
			quad[at] = byte(i)
			check(string(quad))
			check("abcd" + string(quad[:3]))
			check(string(quad) + "AA")
		}
	}
}

func TestDecodeSegmentRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		reason     Reason
	}{
		{"padding", "AA==", Base64Padding},
		{"padding alone", "=", Base64Padding},
		{"padding at the length of whole groups", "AAA=", Base64Padding},
		{"a line feed", "AA\nAA", Base64LineBreak},
		{"a carriage return at the end", "AAAA\r", Base64LineBreak},
		{"a line break alone", "\n", Base64LineBreak},
		{"a plus", "AA+A", Base64Alphabet},
		{"a slash in the tail", "AAAA/A", Base64Alphabet},
		{"a space", " AAA", Base64Alphabet},
		{"the first fault of two", "A+=A", Base64Alphabet},
		{"trailing bits after one octet", "AB", Base64Trailing},
		{"trailing bits after two octets", "AAB", Base64Trailing},
		{"a single character", "A", Base64Trailing},
		{"five characters", "AAAAA", Base64Trailing},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := DecodeSegment(c.text)
			wantReason(t, err, c.reason, "")
			if out != nil {
				t.Errorf("gave %x", out)
			}
		})
	}
}

func TestAppendSegmentKeepsWhatIsThere(t *testing.T) {
	got, err := appendSegment([]byte("abc"), "AAEC")
	if err != nil || string(got) != "abc\x00\x01\x02" {
		t.Errorf("got %q, %v", got, err)
	}
}
