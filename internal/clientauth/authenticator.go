package clientauth

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Limits of what identifies a client.
const (
	MaxClientIDBytes = 2048 // a client_id may be a URL
	MaxSecretBytes   = 4096
	MaxKeyIDBytes    = 512
)

// Config describes one client at one authorization server. Method and ClientID
// are required, and exactly what the method needs besides.
type Config struct {
	Method   Method
	ClientID string

	Secret holdfast.Secret // for SecretBasic and SecretPost

	// For PrivateKeyJWT. Algs is what the server lists in
	// token_endpoint_auth_signing_alg_values_supported; empty means unknown.
	Signer crypto.Signer
	KeyID  string // kid, may be empty
	Issuer string // issuer identifier of the server: the audience
	Algs   []string
}

// Authenticator authenticates one client. It is immutable and safe for
// concurrent use if its signer is; there is no usable zero value. It prints as
// method and client_id.
type Authenticator struct {
	method Method
	id     string
	secret holdfast.Secret
	sign   *assertion // of PrivateKeyJWT
}

// New checks the whole configuration and reports every mistake at once.
func New(c Config) (*Authenticator, error) {
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("client authentication: "+format, args...))
	}
	a := &Authenticator{method: c.Method, id: c.ClientID, secret: c.Secret}
	switch c.Method {
	case None, SecretBasic, SecretPost, PrivateKeyJWT, TLS, SelfSignedTLS:
	case "":
		problem("a method is needed, such as %s or %s", PrivateKeyJWT, None)
	default:
		problem("the method is %.40q, which is not one of %s, %s, %s, %s, %s, %s",
			c.Method, PrivateKeyJWT, TLS, SelfSignedTLS, SecretBasic, SecretPost, None)
	}
	if !printable(c.ClientID, MaxClientIDBytes) {
		problem("the client id has %d bytes, 1 to %d printable ASCII characters are needed", len(c.ClientID), MaxClientIDBytes)
	}
	switch {
	case !c.Method.bySecret():
		if !c.Secret.IsZero() {
			problem("there is a secret, which the method %.40q does not use", c.Method)
		}
	case !printable(c.Secret.Reveal(), MaxSecretBytes):
		problem("the secret has %d bytes, 1 to %d printable ASCII characters are needed", c.Secret.Len(), MaxSecretBytes)
	}
	switch {
	case c.Method == PrivateKeyJWT:
		var err error
		if a.sign, err = newAssertion(c); err != nil {
			problem("%w", err)
		}
	case c.Signer != nil || c.KeyID != "":
		problem("there is a signer or a key id, which the method %.40q does not use", c.Method)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return a, nil
}

// Method returns how the client authenticates.
func (a *Authenticator) Method() Method { return a.method }

// ClientID returns the client_id.
func (a *Authenticator) ClientID() string { return a.id }

// String names the method and the client, without any secret.
func (a Authenticator) String() string { return fmt.Sprintf("%s of %q", a.method, a.id) }

// Format prints what String returns, whatever the verb.
func (a Authenticator) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.String())) }

// Apply adds what identifies and authenticates the client to one request: to
// its form, or to its header for [SecretBasic]. The time is the server's as far
// as it is known; a signed assertion is dated with it. Apply is called anew for
// every attempt, because an assertion may be used once (RFC 7523 section 3).
// What an earlier call put there is replaced: a request has one method only
// (RFC 6749 section 2.3).
func (a *Authenticator) Apply(form url.Values, header http.Header, at time.Time) error {
	switch a.method {
	case SecretBasic:
		// Both are form-encoded first, so that a colon in the id stays one.
		pair := url.QueryEscape(a.id) + ":" + url.QueryEscape(a.secret.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
		return nil
	case SecretPost:
		form.Set("client_secret", a.secret.Reveal())
	case PrivateKeyJWT:
		jwt, err := a.sign.make(a.id, at)
		if err != nil {
			return fmt.Errorf("client authentication: %w", err)
		}
		form.Set("client_assertion_type", AssertionType)
		form.Set("client_assertion", jwt)
	}
	form.Set("client_id", a.id) // RFC 8705 section 2 demands it with a certificate
	return nil
}

// printable reports whether s is 1 to limit characters of %x20-7E, which is what
// RFC 6749 appendix A.1 and A.2 allow.
func printable(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
