package clientauth

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// Presented is what one request says about the client that sends it, before any
// judgement. The zero value says nothing. It is not modified and prints as
// method and client_id.
type Presented struct {
	// Method is the method that was used. A request with a client_id only has
	// the method None, also over a connection with a client certificate: which
	// of the two it means follows from the registration of the client.
	Method Method

	// ClientID is who the request claims to come from: unverified.
	ClientID string

	secret    holdfast.Secret
	assertion *claimed
	chain     []*x509.Certificate
}

// String names method and client, without any secret.
func (p Presented) String() string { return fmt.Sprintf("%s of %q", p.Method, p.ClientID) }

// Format prints what String returns, whatever the verb.
func (p Presented) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// Credentials reads how a client authenticates with a request whose body was
// read into form. Exactly one method may be used (RFC 6749 section 2.3, RFC 7521
// section 4.2); a client_id beside it has to be the same. A certificate comes
// from the TLS connection and never from a header field. The error is a
// [*Refusal].
func Credentials(r *http.Request, form url.Values) (Presented, error) {
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if len(form[name]) > 1 {
			return Presented{}, refuse(Several, name+" is given more than once")
		}
	}
	p := Presented{Method: None, ClientID: form.Get("client_id")}
	if r.TLS != nil {
		p.chain = r.TLS.PeerCertificates
	}
	fields := r.Header.Values("Authorization")
	hasSecret, hasAssertion := form.Get("client_secret") != "", form.Get("client_assertion") != "" || form.Get("client_assertion_type") != ""
	if len(fields) > 1 || len(fields) > 0 && (hasSecret || hasAssertion) || hasSecret && hasAssertion {
		return Presented{}, refuse(Several, "more than one method of client authentication is used: Authorization, client_secret or client_assertion")
	}
	var err error
	switch {
	case len(fields) == 1:
		err = p.readBasic(fields[0])
	case hasAssertion:
		err = p.readAssertion(form)
	case hasSecret:
		p.Method, p.secret = SecretPost, holdfast.NewSecret(form.Get("client_secret"))
		if p.secret.Len() > MaxSecretBytes {
			err = refuse(Malformed, fmt.Sprintf("client_secret is longer than %d bytes", MaxSecretBytes))
		}
	}
	if err != nil {
		return Presented{}, err
	}
	switch {
	case p.ClientID == "" && len(p.chain) > 0: // RFC 8705 section 2
		return Presented{}, refuse(Missing, "client_id is missing, which a client certificate does not replace")
	case p.ClientID == "":
		return Presented{}, refuse(Missing, "client_id is missing")
	case !printable(p.ClientID, MaxClientIDBytes):
		return Presented{}, refuse(Malformed, fmt.Sprintf("client_id is not 1 to %d printable ASCII characters", MaxClientIDBytes))
	}
	return p, nil
}

// readBasic reads an Authorization field: id and secret were form-encoded before
// they were joined (RFC 6749 section 2.3.1).
func (p *Presented) readBasic(field string) error {
	scheme, rest, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return refuse(Missing, "the scheme of the Authorization field is not Basic")
	}
	malformed := refuse(Malformed, "the Authorization field is not Basic with the base64 of client_id:client_secret, both form-encoded")
	rest = strings.Trim(rest, " ")
	if len(rest) > base64.StdEncoding.EncodedLen(3*(MaxClientIDBytes+MaxSecretBytes)+1) || strings.ContainsAny(rest, "\r\n") {
		return malformed
	}
	pair, err := base64.StdEncoding.Strict().DecodeString(rest)
	if err != nil {
		return malformed
	}
	id, secret, colon := strings.Cut(string(pair), ":")
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	if !colon || err1 != nil || err2 != nil || !printable(id, MaxClientIDBytes) || !printable(secret, MaxSecretBytes) {
		return malformed
	}
	if p.ClientID != "" && p.ClientID != id {
		return refuse(Several, "client_id is not that of the Authorization field")
	}
	p.Method, p.ClientID, p.secret = SecretBasic, id, holdfast.NewSecret(secret)
	return nil
}

// readAssertion reads a signed assertion (RFC 7523 section 2.2), whose subject
// is the client. The client_id is optional beside it (RFC 7521 section 4.2).
func (p *Presented) readAssertion(form url.Values) error {
	if got := form.Get("client_assertion_type"); got != AssertionType {
		return refuse(Malformed, "client_assertion_type is not "+AssertionType)
	}
	c, err := readClaimed(form.Get("client_assertion"))
	if err != nil {
		return err
	}
	if p.ClientID != "" && p.ClientID != c.subject {
		return refuse(BadAssertion, "client_assertion: sub is not the client_id")
	}
	p.Method, p.ClientID, p.assertion = PrivateKeyJWT, c.subject, c
	return nil
}
