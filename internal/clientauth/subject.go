package clientauth

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Subject names the certificate of a client with tls_client_auth. Exactly one
// field is set (RFC 8705 section 2.1.2).
type Subject struct {
	DN    string // subject distinguished name (RFC 4514)
	DNS   string // dNSName
	URI   string // uniformResourceIdentifier
	IP    string // iPAddress, IPv4 or IPv6
	Email string // rfc822Name
}

// matcher reports whether a certificate is of a subject.
type matcher func(*x509.Certificate) bool

// matcher returns how certificates are compared with the subject. A subject
// alternative name is compared with entries of its own type only, and never as
// a pattern.
func (s Subject) matcher() (matcher, error) {
	var found []func() (matcher, error)
	for _, kind := range []struct {
		text string
		make func(string) (matcher, error)
	}{{s.DN, matchDN}, {s.DNS, matchDNS}, {s.URI, matchURI}, {s.IP, matchIP}, {s.Email, matchEmail}} {
		if kind.text != "" {
			found = append(found, func() (matcher, error) { return kind.make(kind.text) })
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d subjects of a certificate are named, exactly one is needed", len(found))
	}
	return found[0]()
}

func matchDN(text string) (matcher, error) {
	want, err := parseName(text)
	if err != nil {
		return nil, fmt.Errorf("tls_client_auth_subject_dn: %w", err)
	}
	return func(c *x509.Certificate) bool {
		got, err := certificateName(c.RawSubject)
		return err == nil && got.equal(want)
	}, nil
}

func matchDNS(want string) (matcher, error) {
	for label := range strings.SplitSeq(want, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			return nil, fmt.Errorf("tls_client_auth_san_dns is %.80q, want a name such as app.example", want)
		}
	}
	return func(c *x509.Certificate) bool {
		return slices.ContainsFunc(c.DNSNames, func(got string) bool { return strings.EqualFold(got, want) })
	}, nil
}

func matchURI(want string) (matcher, error) {
	if u, err := url.Parse(want); err != nil || !u.IsAbs() || u.String() != want {
		return nil, fmt.Errorf("tls_client_auth_san_uri is %.80q, want an absolute URI in its normal spelling", want)
	}
	return func(c *x509.Certificate) bool {
		return slices.ContainsFunc(c.URIs, func(got *url.URL) bool { return got.String() == want })
	}, nil
}

// matchIP compares octets, so the notation of an IPv6 address does not matter.
func matchIP(text string) (matcher, error) {
	want, err := netip.ParseAddr(text)
	if err != nil || want.Zone() != "" {
		return nil, fmt.Errorf("tls_client_auth_san_ip is %.80q, want an IPv4 or IPv6 address", text)
	}
	return func(c *x509.Certificate) bool {
		for _, ip := range c.IPAddresses {
			if got, ok := netip.AddrFromSlice(ip); ok && got == want {
				return true
			}
		}
		return false
	}, nil
}

// matchEmail compares the domain without case (RFC 5280 section 7.5).
func matchEmail(want string) (matcher, error) {
	at := strings.LastIndexByte(want, '@')
	if at < 1 || at == len(want)-1 {
		return nil, fmt.Errorf("tls_client_auth_san_email is %.80q, want an address such as app@client.example", want)
	}
	return func(c *x509.Certificate) bool {
		return slices.ContainsFunc(c.EmailAddresses, func(got string) bool {
			i := strings.LastIndexByte(got, '@')
			return i == at && got[:i] == want[:i] && strings.EqualFold(got[i:], want[i:])
		})
	}, nil
}
