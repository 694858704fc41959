package explain

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Tokens bound to a client certificate (RFC 8705).

// certificateHash is x5t#S256 as the token says it.
func (s *scene) certificateHash(g *sight) string {
	if v := g.token.confirmation("x5t#S256"); v != "" {
		return v
	}
	if s.introspec != nil && (g.token == nil || g.token.claims == nil) {
		cnf, _ := s.introspec.facts["cnf"].(map[string]any)
		return text(cnf, "x5t#S256")
	}
	return ""
}

func findCertMissing(s *scene, g *sight) *finding {
	want := s.certificateHash(g)
	if want == "" || s.presentedCert(g, want) != "" {
		return nil
	}
	f := found(Medium, "The token is bound to a client certificate (x5t#S256 "+want+"), and no certificate reached the verifier.").
		computed("confirmation of the token", "cnf.x5t#S256 "+want, "a client certificate with this thumbprint", "binding.x5t", "RFC 8705 3")
	for _, t := range s.wordsAbout(g, topicCertificate) {
		if noCertWords.MatchString(t) {
			f.conf = High
			f.stated("what a server says", t)
		}
	}
	if o := g.view; o != nil {
		if name := certHeader(o); name == "" {
			f.conf = High
			f.computed("client certificate in the backend view", "no Client-Cert or similar header", "the certificate from the edge", "binding.x5t", "RFC 9440")
		}
	}
	if f.conf == Medium && g.said.topics&topicCertificate == 0 && !s.allFineBut(g, "binding.x5t") {
		return nil
	}
	return f
}

var noCertWords = words(`(no|without|missing|absent|not (present|sent|provided|received|found|forwarded|configured)|none|empty|null|required|expected|\(null\)|=-|="?"? |ssl_client_verify[=: "]*none)[^.]{0,40}(client.?)?(cert|x5t|mtls|ssl_client)|(cert|mtls|ssl_client\w*|x5t|xfcc|client-cert)[^.]{0,40}(no|without|missing|absent|not (present|sent|provided|received|found|forwarded|configured|available)|none|empty|null|required|off|=-|="")|ssl_verify_client\s+off`)

func certHeader(g *sight) string {
	for _, n := range [...]string{"Client-Cert", "X-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Arr-Clientcert", "X-Amzn-Mtls-Clientcert"} {
		if g.x.RequestHeader.Get(n) != "" {
			return n
		}
	}
	return ""
}

// allFineBut reports whether nothing that was recomputed fails, one row left out.
func (s *scene) allFineBut(g *sight, check string) bool {
	if g.report == nil {
		return false
	}
	for _, o := range g.report.Outcomes {
		if o.Status == holdfast.Fail && o.Check != check {
			return false
		}
	}
	return true
}

func findCertMismatch(s *scene, g *sight) *finding {
	want := s.certificateHash(g)
	if want == "" {
		return nil
	}
	got := s.presentedCert(g, want)
	if got == "" || got == want {
		return nil
	}
	return found(High, "The token is bound to certificate x5t#S256 "+want+", but the certificate that was presented is "+got+".").heavier(5).
		computed("x5t#S256 of the presented certificate", got, want, "binding.x5t", "RFC 8705 3")
}

// presentedCert is the thumbprint of the client certificate that reached the
// verifier: from the evidence, from a header of a proxy, or from a log that
// names it beside the wanted one.
func (s *scene) presentedCert(g *sight, want string) string {
	if s.cert != nil {
		sum := sha256.Sum256(s.cert.Raw)
		return jose.EncodeSegment(sum[:])
	}
	for _, o := range [...]*sight{g, g.view} {
		if o == nil {
			continue
		}
		if c := certIn(o); c != nil {
			sum := sha256.Sum256(c.Raw)
			return jose.EncodeSegment(sum[:])
		}
	}
	for _, l := range s.logs {
		if l.doc.Kind == KindServerConfig || !strings.Contains(l.text, want) && l.topics&topicCertificate == 0 {
			continue
		}
		for _, m := range thumbLike.FindAllString(l.text, -1) {
			if m != want && isThumbprint(m) {
				return m
			}
		}
	}
	return ""
}

// certIn reads the certificate that a proxy passed on in a header: Client-Cert
// (RFC 9440), or PEM as nginx and others write it.
func certIn(g *sight) *x509.Certificate {
	name := certHeader(g)
	if name == "" {
		return nil
	}
	v := g.x.RequestHeader.Get(name)
	if u, err := url.QueryUnescape(strings.ReplaceAll(v, "+", "%2B")); err == nil {
		v = u
	}
	if i := strings.Index(v, "Cert=\""); i >= 0 { // XFCC
		v, _, _ = strings.Cut(v[i+6:], `"`)
	}
	for _, cut := range [...]string{"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", ":", "\n", "\r", "\t", " "} {
		v = strings.ReplaceAll(v, cut, "")
	}
	der, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return c
}

// certificateForm recognises an x5t#S256 over the wrong bytes.
func (s *scene) certificateForm(g *sight) *finding {
	want := s.certificateHash(g)
	if want == "" || s.cert == nil {
		return nil
	}
	sum := sha256.Sum256(s.cert.Raw)
	right := jose.EncodeSegment(sum[:])
	if right == want {
		return nil
	}
	what := encodingOf(want, sum[:])
	pem := string(s.certDoc.Body)
	b64 := base64.StdEncoding.EncodeToString(s.cert.Raw)
	sha := sha1.Sum(s.cert.Raw) //nolint:gosec // recognition only
	for _, c := range [...]candidate{
		{pem, "a hash over the PEM text"},
		{strings.TrimSpace(pem), "a hash over the PEM text"},
		{b64, "a hash over the base64 of the certificate"},
		{string(s.cert.RawSubjectPublicKeyInfo), "a hash over the public key instead of the certificate"},
		{hex.EncodeToString(s.cert.Raw), "a hash over the hex of the certificate"},
	} {
		h := sha256.Sum256([]byte(c.text))
		if want == jose.EncodeSegment(h[:]) || encodingOf(want, h[:]) != "" {
			what = c.what
		}
	}
	if want == jose.EncodeSegment(sha[:]) || encodingOf(want, sha[:]) != "" {
		what = "the SHA-1 thumbprint (x5t) instead of SHA-256"
	}
	if what == "" {
		return nil
	}
	return found(High, "x5t#S256 in the token is computed wrong: it is "+what+"; SHA-256 of the DER certificate is "+right+".").heavier(30).
		computed("x5t#S256 of the token", want+" ("+what+")", right+", base64url of SHA-256 of the DER certificate", "binding.x5t", "RFC 8705 3.1")
}
