package resource

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// selfSigned makes a client certificate that no authority vouches for.
func selfSigned(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client-1"},
		NotBefore: startTime.AddDate(-1, 0, 0), NotAfter: startTime.AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func x5t(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// clientWith is the client of the server with a certificate.
func (w *world) clientWith(c tls.Certificate) *http.Client {
	tr := w.srv.Client().Transport.(*http.Transport).Clone()
	tr.TLSClientConfig.Certificates = []tls.Certificate{c}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// Tokens bound to a client certificate (RFC 8705 section 3), over TLS.
func TestCertificateBoundTokens(t *testing.T) {
	own, other := selfSigned(t), selfSigned(t)
	bound := func(w *world) string { return w.token(with("cnf", map[string]any{"x5t#S256": x5t(own)})) }
	both := func(w *world) string {
		return w.token(with("cnf", map[string]any{"x5t#S256": x5t(own), "jkt": w.key.Thumbprint().String()}))
	}
	forged := func(_ *world, c *call) {
		text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}))
		c.header.Set("X-Forwarded-Client-Cert", "Cert="+url.QueryEscape(text))
		c.header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(own.Certificate[0])+":")
		c.header.Set("X-SSL-Client-Cert", url.QueryEscape(text))
	}
	bearer := func(c *call) { c.scheme, c.bare = "Bearer", true }
	for _, tt := range []struct {
		name   string
		change func(*world, *call)
		want   holdfast.Code
	}{
		{"M-3-03 and M-6.2-01: the right certificate, self-signed", func(w *world, c *call) {
			bearer(c)
			c.token, c.client = bound(w), w.clientWith(own)
		}, holdfast.CodeOK},
		{"M-3-04: another certificate", func(w *world, c *call) {
			bearer(c)
			c.token, c.client = bound(w), w.clientWith(other)
		}, holdfast.CodeBindingX5TMismatch},
		{"M-3-06: no certificate", func(w *world, c *call) {
			bearer(c)
			c.token = bound(w)
		}, holdfast.CodeBindingX5TMissing},
		{"M-3-03: certificates in fields are not looked at", func(w *world, c *call) {
			bearer(c)
			c.token = bound(w)
			forged(w, c)
		}, holdfast.CodeBindingX5TMissing},
		{"M-3.1-03: bound to both, both right", func(w *world, c *call) {
			c.token, c.client = both(w), w.clientWith(own)
		}, holdfast.CodeOK},
		{"M-3.1-03: bound to both, no certificate", func(w *world, c *call) { c.token = both(w) }, holdfast.CodeBindingX5TMissing},
		{"M-3.1-03: bound to both, no proof", func(w *world, c *call) {
			bearer(c)
			c.token, c.client = both(w), w.clientWith(own)
		}, holdfast.CodeBindingSchemeDowngrade},
		{"bound to a certificate, under DPoP", func(w *world, c *call) {
			c.token, c.client = bound(w), w.clientWith(own)
		}, holdfast.CodeBindingSchemeNotBound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) {
				w.config.Metadata = &metadata.Resource{CertificateBoundTokens: true}
			})
			var holder holdfast.Thumbprint
			w.handler = func(_ http.ResponseWriter, r *http.Request) {
				a, _ := AccessFrom(r.Context())
				holder = a.Holder
			}
			c := w.good()
			tt.change(w, c)
			a := w.do(c)
			if tt.want != holdfast.CodeOK {
				w.refused(a, tt.want)
				return
			}
			w.accepted(a)
			if c.scheme == "Bearer" && holder.String() != x5t(own) {
				t.Errorf("holder %s, want the certificate %s", holder, x5t(own))
			}
		})
	}
}

// A resource whose listener asks for certificates offers Bearer; one where a
// bound token can only be a DPoP token does not.
func TestBearerIsOfferedForCertificates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		accept holdfast.Acceptance
		certs  bool
		want   map[string]string
	}{
		{"certificates", holdfast.AcceptBound, true, map[string]string{"DPoP": "-", "Bearer": "-"}},
		{"no certificates", holdfast.AcceptBound, false, map[string]string{"DPoP": "-"}},
		{"certificates, but DPoP only", holdfast.AcceptDPoPOnly, true, map[string]string{"DPoP": "-"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) {
				w.config.Metadata = &metadata.Resource{CertificateBoundTokens: tt.certs}
				w.config.Verify.Accept = tt.accept
			})
			c := w.good()
			c.scheme, c.bare = "", true
			if diff := cmp.Diff(tt.want, errorsOf(t, w.do(c))); diff != "" {
				t.Errorf("challenges (-want +got):\n%s", diff)
			}
		})
	}
}

// M-3-05: a listener as the package comment wants it asks in the handshake, before
// there is a token to see, and serves those without a certificate as well.
func TestCertificateIsAskedForInTheHandshake(t *testing.T) {
	w := newWorld(t, nil)
	asked := 0
	certificate := selfSigned(t)
	conn, err := tls.Dial("tcp", w.srv.Listener.Addr().String(), &tls.Config{
		RootCAs: w.srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com",
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked++
			return &certificate, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if asked != 1 {
		t.Errorf("a certificate was asked for %d times before any request, want once", asked)
	}
	w.accepted(w.do(w.good())) // without one
}
