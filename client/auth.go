package client

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// AuthMethod is how the client proves who it is to the authorization server. The
// zero value is [AuthNone].
type AuthMethod string

// The methods, by the names that servers publish (RFC 8414 section 2). Prefer
// those without a shared secret (RFC 9700 section 2.5).
const (
	AuthNone          = AuthMethod(clientauth.None)          // none: a public client
	AuthSecretBasic   = AuthMethod(clientauth.SecretBasic)   // client_secret_basic
	AuthSecretPost    = AuthMethod(clientauth.SecretPost)    // client_secret_post
	AuthPrivateKeyJWT = AuthMethod(clientauth.PrivateKeyJWT) // private_key_jwt
	AuthTLS           = AuthMethod(clientauth.TLS)           // tls_client_auth
	AuthSelfSignedTLS = AuthMethod(clientauth.SelfSignedTLS) // self_signed_tls_client_auth
)

// Auth is what the client authenticates with. It prints redacted. The zero value
// is a public client, which authenticates with nothing.
type Auth struct {
	Method AuthMethod
	Secret holdfast.Secret // of AuthSecretBasic and AuthSecretPost

	// Of AuthPrivateKeyJWT: a key of its own, not the proof key, and its kid. The
	// key may be in a device; its Sign is called for every request.
	Signer crypto.Signer
	KeyID  string

	// Certificate is presented in TLS. AuthTLS and AuthSelfSignedTLS need it; with
	// any other method it asks for certificate-bound tokens (RFC 8705 section 4).
	Certificate *tls.Certificate
}

// String names the method only: a signer or a certificate must not reach a log.
func (a Auth) String() string { return "client authentication " + string(a.Method) }

// Format prints what String returns, whatever the verb.
func (a Auth) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// certificateOf checks the certificate and returns its thumbprint (RFC 8705
// section 3.1), the zero one if there is none.
func (a Auth) certificateOf() (holdfast.Thumbprint, error) {
	c := a.Certificate
	switch {
	case c == nil && clientauth.Method(a.Method).ByCertificate():
		return holdfast.Thumbprint{}, fmt.Errorf("Auth.Certificate is needed for %s", a.Method)
	case c == nil:
		return holdfast.Thumbprint{}, nil
	case len(c.Certificate) == 0 || c.PrivateKey == nil:
		return holdfast.Thumbprint{}, errors.New("Auth.Certificate has no certificate or no private key")
	}
	if _, err := x509.ParseCertificate(c.Certificate[0]); err != nil {
		return holdfast.Thumbprint{}, fmt.Errorf("Auth.Certificate: %w", err)
	}
	return sha256.Sum256(c.Certificate[0]), nil
}

// httpClient returns a client for the server: it follows no redirects, checks
// the server's name and presents the certificate, if there is one.
func httpClient(h *http.Client, cert *tls.Certificate) (*http.Client, error) {
	out := fetch.Client(h)
	base := out.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	t, ok := base.(*http.Transport)
	if !ok {
		if cert != nil {
			return nil, fmt.Errorf("HTTP has a transport of type %T, to which Auth.Certificate cannot be added: an *http.Transport is needed", base)
		}
		return out, nil
	}
	// RFC 9449 section 11: the server is authenticated before it gets a secret.
	if s := t.TLSClientConfig; s != nil && s.InsecureSkipVerify && s.VerifyConnection == nil && s.VerifyPeerCertificate == nil {
		return nil, errors.New("HTTP has InsecureSkipVerify set: the server has to be verified before it gets a secret")
	}
	if cert == nil {
		return out, nil
	}
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	// Always this one, whatever authorities the server hints at: a self-signed
	// certificate has none, and a token must not end up without its binding.
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	out.Transport = t
	return out, nil
}
