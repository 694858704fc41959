package client

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// OAuth errors that decide what happens next.
const (
	codeUseNonce      = "use_dpop_nonce"
	codeInvalidProof  = "invalid_dpop_proof"
	codeInvalidClient = "invalid_client"
	codeInvalidGrant  = "invalid_grant"
	codePending       = "authorization_pending"
	codeSlowDown      = "slow_down"
)

// MaxDescription is how many characters of an error_description are kept.
const MaxDescription = 200

// maxErrorCode is how many characters of an OAuth error are kept.
const maxErrorCode = 64

// refusal reads an answer that is not a success: the JSON members of RFC 6749
// section 5.2, or what a challenge says (RFC 9449 section 12.2). Nothing that
// was sent can be in it.
func (a *reply) refusal(auth *clientauth.Authenticator) *Error {
	e := &Error{Op: a.call.op, Status: a.status, Exchange: a.exchange}
	if o, err := strictjson.Parse(string(a.body), MaxAnswerBytes); err == nil {
		e.Code, e.Description = said(o, "error"), said(o, "error_description")
	}
	if e.Code == "" {
		for _, ch := range holdfast.ParseChallenges(a.exchange.Header["Www-Authenticate"]) {
			if ch.Is("DPoP") && ch.Error != "" {
				e.Code, e.Description = ch.Error, ch.Description
			}
		}
	}
	e.Code = cut(escape(scrub(e.Code, a.secrets)), maxErrorCode)
	e.Description = escape(scrub(e.Description, a.secrets))
	switch {
	case a.status/100 == 3:
		e.Hint = "redirects are not followed: the server's metadata has to name the address itself"
	case e.Code == codeUseNonce || e.Code == codeInvalidProof:
		e.Hint = "no proof was sent, and the server wants one: set Key"
		if a.call.key != nil {
			e.Hint = "the server refused the proof: compare the clocks, the endpoint's URL and the algorithms it lists"
		}
	case e.Code == codeInvalidClient:
		e.Hint = "the server did not accept " + auth.String() + ": compare with how the client is registered"
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		e.Hint = "the server is not able to answer: try again later"
	}
	return e
}

func said(o strictjson.Object, name string) string {
	v, _ := o.Get(name)
	s, _ := v.Text()
	return s
}

// secretValues returns the values of a form that a server must not get into our
// messages by repeating them.
func secretValues(form url.Values) []string {
	var out []string
	for _, name := range [...]string{
		"client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "device_code",
		"subject_token", "actor_token", "token", "state",
	} {
		for _, v := range form[name] {
			out = append(out, v, url.QueryEscape(v)) // as it was sent
		}
	}
	return out
}

// minEcho is the length from which a value is taken for a repeated secret.
const minEcho = 8

// escape makes text of a peer fit for terminals and logs: printable ASCII, at
// most [MaxDescription] characters, everything else as Go escapes it.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '"' {
			b.WriteByte('"')
		} else {
			q := strconv.QuoteToASCII(string(r))
			b.WriteString(q[1 : len(q)-1])
		}
		if b.Len() > MaxDescription {
			break
		}
	}
	return cut(b.String(), MaxDescription)
}

// cut shortens printable ASCII to limit characters and shows that it did.
func cut(s string, limit int) string {
	if len(s) > limit {
		return s[:limit-3] + "..."
	}
	return s
}
