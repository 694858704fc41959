package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// authority signs certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: ecKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = signed(t, template, template, a.key, a.key)
	return a
}

func signed(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = at.Add(-time.Hour), at.Add(time.Hour)
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(2)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue signs a certificate with a key of its own.
func (a *authority) issue(template *x509.Certificate) *x509.Certificate {
	a.t.Helper()
	return signed(a.t, template, a.cert, ecKey(a.t), a.key)
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// overTLS judges a request that came over a connection with that chain.
func (w *world) overTLS(c *Client, chain ...*x509.Certificate) (string, error) {
	form := url.Values{"client_id": {"app"}}
	r := request(form)
	r.TLS = &tls.ConnectionState{PeerCertificates: chain}
	p, err := Credentials(r, form)
	if err != nil {
		return "", err
	}
	return w.Verify(context.Background(), p, c)
}

func named(cn string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: cn, Organization: []string{"b"}}}
}

func TestCertificatesOfAuthorities(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	w := newWorld(t, func(c *VerifierConfig) { c.ClientCAs = ca.pool() })
	c := w.client(t, Registration{Method: TLS, ClientID: "app", Subject: Subject{DN: "CN=a,O=b"}})
	public := w.client(t, Registration{Method: None, ClientID: "app"})

	right := ca.issue(named("a"))
	between := &authority{t: t, key: ecKey(t)}
	between.cert = signed(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "between"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, ca.cert, between.key, ca.key)
	below := between.issue(named("a"))
	serverOnly, old, early := named("a"), named("a"), named("a")
	serverOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	old.NotBefore, old.NotAfter = at.Add(-2*time.Hour), at.Add(-time.Hour)
	early.NotBefore, early.NotAfter = at.Add(time.Hour), at.Add(2*time.Hour)

	for _, tt := range []struct {
		name   string
		client *Client
		chain  []*x509.Certificate
		want   Reason
	}{
		{"the registered subject", c, []*x509.Certificate{right}, 0},                    // M-2.1-01
		{"a new certificate with it", c, []*x509.Certificate{ca.issue(named("a"))}, 0},  // M-2.1-01
		{"one of an authority between", c, []*x509.Certificate{below, between.cert}, 0}, // M-2.1-01
		{"one of an authority between that is missing", c, []*x509.Certificate{below}, WrongCertificate},
		{"of another authority", c, []*x509.Certificate{stranger.issue(named("a"))}, WrongCertificate}, // M-2.1-01
		{"of another authority that comes along", c, []*x509.Certificate{stranger.issue(named("a")), stranger.cert}, WrongCertificate},
		{"of another subject", c, []*x509.Certificate{ca.issue(named("x"))}, WrongCertificate}, // M-2-03, M-2.1-01
		{"of another subject, the right one behind it", c, []*x509.Certificate{ca.issue(named("x")), right}, WrongCertificate},
		{"for servers only", c, []*x509.Certificate{ca.issue(serverOnly)}, WrongCertificate},
		{"expired", c, []*x509.Certificate{ca.issue(old)}, WrongCertificate},
		{"not yet valid", c, []*x509.Certificate{ca.issue(early)}, WrongCertificate},
		{"none", c, nil, NoCertificate}, // M-2-01
		{"of nobody", nil, []*x509.Certificate{right}, UnknownClient},
		{"any at all, of a public client", public, []*x509.Certificate{stranger.issue(named("z"))}, 0}, // M-4-01
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := w.overTLS(tt.client, tt.chain...)
			if tt.want != 0 {
				wantRefusal(t, err, tt.want)
				return
			}
			want := ""
			if tt.client == c {
				want = holdfast.Thumbprint(sha256.Sum256(tt.chain[0].Raw)).String()
			}
			if err != nil || key != want {
				t.Errorf("got %q, %v, want %q", key, err, want)
			}
		})
	}
}

// M-7.4-01: without a pool of its own the verifier trusts nobody, although
// crypto/x509 would take the roots of the system.
func TestNoAuthorityIsTrustedByDefault(t *testing.T) {
	w, ca := newWorld(t, nil), newAuthority(t)
	if _, err := w.NewClient(Registration{Method: TLS, ClientID: "app", Subject: Subject{DN: "CN=a"}}); err == nil {
		t.Error("a client is registered that nobody could vouch for")
	}
	chain := []*x509.Certificate{ca.issue(named("a"))}
	if err := w.checkChain(chain); err == nil || err.Error() != "none is configured" {
		t.Errorf("no pool: %v", err)
	}
	w.cas = x509.NewCertPool()
	if err := w.checkChain(chain); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("an empty pool: %v", err)
	}
}

func TestSubjects(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t, func(c *VerifierConfig) { c.ClientCAs = ca.pool() })
	uri := func(s string) []*url.URL { u, _ := url.Parse(s); return []*url.URL{u} }
	dns := &x509.Certificate{DNSNames: []string{"x.example", "A.example"}}
	onlyCN := named("a.example")
	asURI := &x509.Certificate{URIs: uri("https://a.example")}
	wild := &x509.Certificate{DNSNames: []string{"*.example"}}
	ip6 := &x509.Certificate{IPAddresses: []net.IP{net.ParseIP("2001:db8::1")}}
	ip4 := &x509.Certificate{IPAddresses: []net.IP{net.ParseIP("192.0.2.1").To4()}}
	ipAsDNS := &x509.Certificate{DNSNames: []string{"192.0.2.1"}}
	mail := &x509.Certificate{EmailAddresses: []string{"App@A.example"}}
	for _, tt := range []struct {
		name string
		s    Subject
		cert *x509.Certificate
		want bool
	}{
		// M-2.1.2-02, every type
		{"a DNS name in other letters", Subject{DNS: "a.EXAMPLE"}, dns, true},
		{"a DNS name that is only the common name", Subject{DNS: "a.example"}, onlyCN, false},
		{"a DNS name that is only a URI", Subject{DNS: "a.example"}, asURI, false},
		{"a DNS name that a wildcard covers", Subject{DNS: "a.example"}, wild, false},
		{"a DNS name above", Subject{DNS: "example"}, dns, false},
		{"a URI", Subject{URI: "https://a.example"}, asURI, true},
		{"a URI with a slash", Subject{URI: "https://a.example/"}, asURI, false},
		{"a URI that is only a DNS name", Subject{URI: "https://a.example"}, dns, false},
		{"an IPv6 address in another notation", Subject{IP: "2001:DB8:0:0::0001"}, ip6, true},
		{"another IPv6 address", Subject{IP: "2001:db8::2"}, ip6, false},
		{"an IPv4 address", Subject{IP: "192.0.2.1"}, ip4, true},
		{"an IPv4 address in an IPv6 one", Subject{IP: "::ffff:192.0.2.1"}, ip4, false},
		{"an address that is only a DNS name", Subject{IP: "192.0.2.1"}, ipAsDNS, false},
		{"a mail address with its domain in other letters", Subject{Email: "App@a.EXAMPLE"}, mail, true},
		{"a mail address in other letters", Subject{Email: "app@a.example"}, mail, false},
		{"a mail address that is longer", Subject{Email: "xApp@a.example"}, mail, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := w.client(t, Registration{Method: TLS, ClientID: "app", Subject: tt.s})
			_, err := w.overTLS(c, ca.issue(tt.cert))
			if !tt.want {
				wantRefusal(t, err, WrongCertificate)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	for _, s := range []Subject{
		{DNS: "*.example"},
		{DNS: "a..example"},
		{DNS: "a b"},
		{DNS: "bücher.example"},
		{URI: "a"},
		{URI: "https://a.example/\x00"},
		{IP: "a.example"},
		{IP: "fe80::1%eth0"},
		{IP: "192.0.2.256"},
		{Email: "a.example"},
		{Email: "@a.example"},
		{Email: "a@"},
		{DN: "a"},
	} {
		if _, err := w.NewClient(Registration{Method: TLS, ClientID: "app", Subject: s}); err == nil || !strings.Contains(err.Error(), "tls_client_auth_") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestDistinguishedNames(t *testing.T) {
	rdn := func(attributes ...pkix.AttributeTypeAndValue) pkix.RelativeDistinguishedNameSET { return attributes }
	is := func(oid asn1.ObjectIdentifier, value any) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oid, Value: value}
	}
	cn, o, ou := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.ObjectIdentifier{2, 5, 4, 11}
	own := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
	simple := pkix.RDNSequence{rdn(is(o, "b")), rdn(is(cn, "a"))}
	for _, tt := range []struct {
		name, registered string
		certificate      pkix.RDNSequence
		want             bool
	}{
		{"equal", "CN=a,O=b", simple, true},
		{"in other letters", "cn=A,o=B", simple, true},                                                       // M-2.1-02
		{"with spaces around", " CN = a , O = b ", simple, true},                                             // M-2.1-02
		{"with spaces inside", "CN=a  x,O=b", pkix.RDNSequence{rdn(is(o, " b ")), rdn(is(cn, "a x"))}, true}, // M-2.1-02
		{"by object identifiers", "2.5.4.3=a,2.5.4.10=b", simple, true},
		{"with a unit more in the certificate", "CN=a,O=b", pkix.RDNSequence{rdn(is(ou, "c")), rdn(is(o, "b")), rdn(is(cn, "a"))}, false}, // M-2.1-02
		{"with a unit more behind", "CN=a,O=b", append(simple[:2:2], rdn(is(ou, "c"))), false},                                            // M-2.1-02
		{"with a unit more registered", "CN=a,O=b,OU=c", simple, false},
		{"in another order", "O=b,CN=a", simple, false},
		{"of another type", "CN=a,OU=b", simple, false},
		{"without the space between words", "CN=ax,O=b", pkix.RDNSequence{rdn(is(o, "b")), rdn(is(cn, "a x"))}, false},
		{"a comma in the value", `CN=a\,O\=b`, simple, false},
		{"a comma in both values", `CN=a\,O\=b`, pkix.RDNSequence{rdn(is(cn, "a,O=b"))}, true},
		{"two attributes together", "CN=a+O=b", simple, false},
		{"two attributes together in both", "O=b+CN=a", pkix.RDNSequence{rdn(is(cn, "a"), is(o, "b"))}, true},
		{"two attributes together, the other way", "CN=a+O=b", pkix.RDNSequence{rdn(is(o, "b"), is(cn, "a"))}, true},
		{"one of them missing", "CN=a", pkix.RDNSequence{rdn(is(cn, "a"), is(o, "b"))}, false},
		{"one of them twice", "CN=a+CN=a", pkix.RDNSequence{rdn(is(cn, "a"), is(cn, "b"))}, false},
		{"letters beyond ASCII", "CN=ÄÖ", pkix.RDNSequence{rdn(is(cn, "äö"))}, true},
		{"letters as octets", `CN=\C3\84`, pkix.RDNSequence{rdn(is(cn, "ä"))}, true},
		{"a value in DER", "CN=#0C0141,O=b", simple, true},
		{"a value in DER and one more", "CN=#0C0141+UID=u", simple, false},
		{"a NUL", `CN=a\00`, pkix.RDNSequence{rdn(is(cn, "a"))}, false},
		{"a type without a known rule", "1.3.6.1.4.1.99999.1=x", pkix.RDNSequence{rdn(is(own, "x"))}, true},
		{"a type without a known rule in other letters", "1.3.6.1.4.1.99999.1=X", pkix.RDNSequence{rdn(is(own, "x"))}, false},
		{"a value that is no string", "CN=a", pkix.RDNSequence{rdn(is(cn, 5))}, false},
		{"an empty subject", "CN=a", pkix.RDNSequence{}, false},
		{"an empty value", "CN=", pkix.RDNSequence{rdn(is(cn, "a"))}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der, err := asn1.Marshal(tt.certificate)
			if err != nil {
				t.Fatal(err)
			}
			match, err := matchDN(tt.registered)
			if err != nil {
				t.Fatal(err)
			}
			if got := match(&x509.Certificate{RawSubject: der}); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "no type": "=a", "no value": "CN", "an unknown type": "XYZ=a", "a type with a zero": "2.05.4=a",
		"a comma at the end": "CN=a,", "a plus at the end": "CN=a+", "a quote": `CN="a"`, "a semicolon": "CN=a;O=b",
		"half an escape": `CN=a\`, "half an octet": `CN=a\0`, "no octet": `CN=a\zz`, "no UTF-8": `CN=\ff`,
		"no DER": "CN=#zz", "DER of a number": "CN=#020105", "DER and more": "CN=#0C014100", "UTF-8 that is broken": "CN=\xff",
		"very long": "CN=" + strings.Repeat("x", MaxNameBytes),
	} {
		if n, err := parseName(text); err == nil {
			t.Errorf("%s: %q is read as %v", name, text, n)
		}
	}
	if _, err := certificateName([]byte{0x30, 0x00, 0x00}); err == nil {
		t.Error("something behind the name is accepted")
	}
	if _, err := certificateName(make([]byte, MaxNameBytes+1)); err == nil {
		t.Error("a name without end is accepted")
	}
}

// certified is the key set of a self-signed certificate.
func certified(t testing.TB, certs ...*x509.Certificate) []byte {
	t.Helper()
	var keys []string
	for _, c := range certs {
		pub, err := jose.NewPublicKey(c.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, strings.Replace(pub.JWK(), "{", `{"x5c":["`+base64.StdEncoding.EncodeToString(c.Raw)+`"],`, 1))
	}
	return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`)
}

// selfSigned returns certificates of one key.
func selfSigned(t testing.TB, n int) []*x509.Certificate {
	t.Helper()
	key := ecKey(t)
	var out []*x509.Certificate
	for i := range n {
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "app"}}
		out = append(out, signed(t, template, template, key, key))
	}
	return out
}

func TestSelfSignedCertificates(t *testing.T) {
	certs := selfSigned(t, 2)
	w := newWorld(t, nil)
	c := w.client(t, Registration{Method: SelfSignedTLS, ClientID: "app", JWKS: certified(t, certs[0])})
	if key, err := w.overTLS(c, certs[0]); err != nil || key == "" { // M-2.2-01
		t.Errorf("the registered one: %q, %v", key, err)
	}
	_, err := w.overTLS(c, certs[1]) // M-2.2-01: the same key
	wantRefusal(t, err, WrongCertificate)
	_, err = w.overTLS(c, certs[1], certs[0])
	wantRefusal(t, err, WrongCertificate)
	_, err = w.overTLS(c)
	wantRefusal(t, err, NoCertificate)
}

func TestAClientRotatesItsCertificates(t *testing.T) { // M-2.2-02
	old, next := selfSigned(t, 1)[0], selfSigned(t, 1)[0]
	w, site := newSite(t)
	site.set(http.StatusOK, certified(t, old))
	c := w.client(t, Registration{Method: SelfSignedTLS, ClientID: "app", JWKSURI: site.URL})
	if _, err := w.overTLS(c, old); err != nil {
		t.Fatal(err)
	}
	w.advance(KeysMinRefetch)
	site.set(http.StatusOK, certified(t, next))
	if _, err := w.overTLS(c, next); err != nil {
		t.Errorf("the new certificate: %v", err)
	}
	_, err := w.overTLS(c, old)
	wantRefusal(t, err, WrongCertificate)
}
