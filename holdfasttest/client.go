package holdfasttest

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// Client is a client that the [Server] knows. With neither Secret nor
// Certificate it is public: it only names itself.
type Client struct {
	ID           string
	Secret       holdfast.Secret   // client_secret_basic or client_secret_post
	Certificate  *x509.Certificate // self_signed_tls_client_auth; its tokens are bound to it (RFC 8705)
	RedirectURLs []string          // compared as text, the port of a loopback address aside (RFC 8252 section 7.3)

	// AllowBearer admits token requests without a proof, which give tokens that
	// are bound to nothing.
	AllowBearer bool
}

// check reports what is wrong with the registration.
func (c *Client) check() error {
	switch {
	case c.ID == "":
		return errors.New("holdfasttest: a client needs an ID")
	case !c.Secret.IsZero() && c.Certificate != nil:
		return fmt.Errorf("holdfasttest: client %q has a secret and a certificate, at most one is allowed", c.ID)
	}
	return nil
}

func (c *Client) public() bool { return c.Secret.IsZero() && c.Certificate == nil }

// redirects reports whether u is a registered redirection URL.
func (c *Client) redirects(u string) bool {
	return slices.ContainsFunc(c.RedirectURLs, func(registered string) bool {
		return u == registered || withoutLoopbackPort(u) == withoutLoopbackPort(registered)
	})
}

func withoutLoopbackPort(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || !fetch.Loopback(u.Hostname()) {
		return s
	}
	u.Host = u.Hostname()
	return u.String()
}

func invalidClient(text string) *failure {
	return &failure{http.StatusUnauthorized, "invalid_client", text}
}

// authenticate finds out who asks, by exactly one method (RFC 6749 section 2.3).
func (s *Server) authenticate(r *http.Request, form url.Values) (*Client, error) {
	id, secret, basic := r.BasicAuth()
	switch {
	case form.Has("client_assertion"):
		return nil, invalidClient("client assertions are not part of this double")
	case basic && form.Has("client_secret"):
		return nil, refuse("invalid_request", "more than one way of client authentication")
	case basic: // RFC 6749 section 2.3.1: both halves are form-encoded
		var errID, errSecret error
		id, errID = url.QueryUnescape(id)
		secret, errSecret = url.QueryUnescape(secret)
		if errID != nil || errSecret != nil || form.Has("client_id") && form.Get("client_id") != id {
			return nil, invalidClient("the Basic credentials cannot be read, or name another client_id")
		}
	default:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	c := s.clients[id]
	if c == nil {
		return nil, invalidClient("no such client")
	}
	switch {
	case c.Certificate != nil:
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || !bytes.Equal(r.TLS.PeerCertificates[0].Raw, c.Certificate.Raw) {
			return nil, invalidClient("the registered client certificate is needed")
		}
	case c.public() && secret != "":
		return nil, invalidClient("a public client has nothing to authenticate with")
	case holdfast.NewSecret(secret).Fingerprint() != c.Secret.Fingerprint():
		return nil, invalidClient("the secret is wrong or missing")
	}
	return c, nil
}
