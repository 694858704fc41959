package clientauth

import (
	"cmp"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxNameBytes is the longest distinguished name that is read, as text or DER.
const MaxNameBytes = 4096

// distinguishedName is a sequence of relative names in the order of the
// certificate: each a set of attributes, sorted, so that equal sets are equal
// slices.
type distinguishedName [][]attribute

// attribute has its value prepared for comparison.
type attribute struct{ oid, value string }

// equal is distinguishedNameMatch (RFC 4517 section 4.2.15): the same number of
// relative names, and each pair has the same attributes.
func (n distinguishedName) equal(m distinguishedName) bool {
	return slices.EqualFunc(n, m, slices.Equal[[]attribute])
}

func newAttribute(oid, value string) attribute {
	if ignoresCase(oid) {
		// Insignificant characters (RFC 4518 sections 2.2 and 2.6.1). There is no
		// Unicode normalisation: two spellings of one letter are not equal, which
		// refuses and never admits.
		value = strings.Join(strings.Fields(strings.ToLower(value)), " ")
	}
	return attribute{oid, value}
}

func sortAttributes(set []attribute) {
	slices.SortFunc(set, func(a, b attribute) int {
		return cmp.Or(cmp.Compare(a.oid, b.oid), cmp.Compare(a.value, b.value))
	})
}

// oidOf returns the attribute type of a keyword: those of RFC 4514 section 3,
// and three more that certificates of companies have.
func oidOf(keyword string) (oid string, known bool) {
	switch strings.ToUpper(keyword) {
	case "CN":
		return "2.5.4.3", true
	case "L":
		return "2.5.4.7", true
	case "ST":
		return "2.5.4.8", true
	case "O":
		return "2.5.4.10", true
	case "OU":
		return "2.5.4.11", true
	case "C":
		return "2.5.4.6", true
	case "STREET":
		return "2.5.4.9", true
	case "DC":
		return "0.9.2342.19200300.100.1.25", true
	case "UID":
		return "0.9.2342.19200300.100.1.1", true
	case "SERIALNUMBER":
		return "2.5.4.5", true
	case "ORGANIZATIONIDENTIFIER":
		return "2.5.4.97", true
	case "EMAILADDRESS":
		return "1.2.840.113549.1.9.1", true
	}
	return "", false
}

// ignoresCase reports whether the equality rule of an attribute type is known to
// be caseIgnoreMatch or caseIgnoreIA5Match. Values of other types are compared
// as they are.
func ignoresCase(oid string) bool {
	switch oid {
	case "2.5.4.3", "2.5.4.5", "2.5.4.6", "2.5.4.7", "2.5.4.8", "2.5.4.9", "2.5.4.10", "2.5.4.11", "2.5.4.97",
		"0.9.2342.19200300.100.1.25", "0.9.2342.19200300.100.1.1", "1.2.840.113549.1.9.1":
		return true
	}
	return false
}

// certificateName reads the DER of the subject of a certificate.
func certificateName(der []byte) (distinguishedName, error) {
	if len(der) > MaxNameBytes {
		return nil, fmt.Errorf("the subject of the certificate has %d bytes, at most %d are read", len(der), MaxNameBytes)
	}
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &sequence); err != nil || len(rest) > 0 {
		return nil, errors.New("the subject of the certificate is not a distinguished name")
	}
	name := make(distinguishedName, 0, len(sequence))
	for _, relative := range sequence {
		var set []attribute
		for _, a := range relative {
			value, ok := a.Value.(string)
			if !ok {
				return nil, errors.New("the subject of the certificate has an attribute that is no string")
			}
			set = append(set, newAttribute(a.Type.String(), value))
		}
		sortAttributes(set)
		name = append(name, set)
	}
	return name, nil
}

// parseName reads the string form of a distinguished name (RFC 4514), in which
// the last relative name of the certificate comes first.
func parseName(text string) (distinguishedName, error) {
	if len(text) > MaxNameBytes || !utf8.ValidString(text) {
		return nil, fmt.Errorf("%d bytes: at most %d bytes of UTF-8 are needed", len(text), MaxNameBytes)
	}
	var name distinguishedName
	for more := true; more; {
		var set []attribute
		for plus := true; plus; {
			a, end, rest, err := parseAttribute(text)
			if err != nil {
				return nil, err
			}
			set = append(set, a)
			text, plus, more = rest, end == '+', end != 0
		}
		sortAttributes(set)
		name = append(name, set)
	}
	slices.Reverse(name)
	return name, nil
}

// parseAttribute reads one type=value. end is the separator behind it: a comma,
// a plus sign, or 0 at the end of the text.
func parseAttribute(text string) (a attribute, end byte, rest string, err error) {
	keyword, text, found := strings.Cut(text, "=")
	keyword = strings.Trim(keyword, " ")
	if !found || keyword == "" {
		return a, 0, "", errors.New("want attributes such as CN=app,O=example (RFC 4514)")
	}
	oid, known := oidOf(keyword)
	if !known {
		if oid = keyword; !dottedNumbers(oid) {
			return a, 0, "", fmt.Errorf("the attribute type %.40q is not known here: write its object identifier", keyword)
		}
	}
	text = strings.TrimLeft(text, " ")
	if strings.HasPrefix(text, "#") {
		value, n, err := parseHexValue(text)
		if err != nil {
			return a, 0, "", fmt.Errorf("%.40s: %w", keyword, err)
		}
		a, text = newAttribute(oid, value), text[n:]
	} else {
		value, n, err := unescapeValue(text)
		if err != nil {
			return a, 0, "", fmt.Errorf("%.40s: %w", keyword, err)
		}
		a, text = newAttribute(oid, value), text[n:]
	}
	if text == "" {
		return a, 0, "", nil
	}
	return a, text[0], text[1:], nil
}

// unescapeValue reads a value up to a separator and returns its length in text.
func unescapeValue(text string) (value string, n int, err error) {
	var b strings.Builder
	for n < len(text) && text[n] != ',' && text[n] != '+' {
		switch c := text[n]; {
		case strings.IndexByte("\";<>\x00", c) >= 0:
			return "", 0, fmt.Errorf("%q has to be escaped with a backslash", c)
		case c != '\\':
			b.WriteByte(c)
			n++
		case n+1 < len(text) && strings.IndexByte(" \"#+,;<=>\\", text[n+1]) >= 0:
			b.WriteByte(text[n+1])
			n += 2
		default:
			octet, err := hex.DecodeString(text[n+1 : min(n+3, len(text))])
			if err != nil || len(octet) != 1 {
				return "", 0, errors.New("a backslash is followed by neither a special character nor two hexadecimal digits")
			}
			b.WriteByte(octet[0])
			n += 3
		}
	}
	if !utf8.ValidString(b.String()) {
		return "", 0, errors.New("the value is not UTF-8")
	}
	return b.String(), n, nil
}

// parseHexValue reads a value that is given as # and the hexadecimal digits of
// its DER, and returns its length in text.
func parseHexValue(text string) (value string, n int, err error) {
	n = len(text)
	if i := strings.IndexAny(text, ",+"); i >= 0 {
		n = i
	}
	der, err := hex.DecodeString(strings.TrimRight(text[1:n], " "))
	if err != nil {
		return "", 0, errors.New("# is not followed by hexadecimal digits")
	}
	var decoded any
	rest, err := asn1.Unmarshal(der, &decoded)
	value, ok := decoded.(string)
	if err != nil || len(rest) > 0 || !ok {
		return "", 0, errors.New("# is not followed by the DER of a string")
	}
	return value, n, nil
}

// dottedNumbers reports whether text is an object identifier such as 2.5.4.3.
func dottedNumbers(text string) bool {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if part == "" || strings.Trim(part, "0123456789") != "" || len(part) > 1 && part[0] == '0' {
			return false
		}
	}
	return len(parts) > 1
}
