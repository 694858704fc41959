package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// Limits of a login at a provider.
const (
	LoginTimeout     = 15 * time.Minute // from Begin to Finish
	MaxCallbackBytes = 8 << 10          // of one parameter
	maxKeepBytes     = 8 << 10
)

// attempt is what Finish has to know. The server keeps it sealed.
type attempt struct {
	Issuer   string `json:"iss"`
	Redirect string `json:"redirect"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Begun    int64  `json:"begun"` // Unix seconds
}

// Begin implements authserver.Upstream: an authorization code request with PKCE
// (RFC 7636, always S256), a state and a nonce.
func (p *Provider) Begin(ctx context.Context, redirectURI string) (string, []byte, error) {
	return p.begin(ctx, redirectURI, nil)
}

// BeginFresh is Begin for a login that is not older than maxAge: the provider
// then has to say when it was (OpenID Connect Core section 3.1.2.1).
func (p *Provider) BeginFresh(ctx context.Context, redirectURI string, maxAge time.Duration) (string, []byte, error) {
	fresh := url.Values{"max_age": {strconv.FormatInt(int64(maxAge/time.Second), 10)}}
	if maxAge == 0 {
		fresh.Set("prompt", "login") // some take a max_age of 0 for none
	}
	return p.begin(ctx, redirectURI, fresh)
}

func (p *Provider) begin(ctx context.Context, redirectURI string, more url.Values) (string, []byte, error) {
	server, err := p.about.get(ctx)
	if err != nil {
		return "", nil, p.failed(err)
	}
	target, err := url.Parse(server.AuthorizationEndpoint)
	if err != nil {
		return "", nil, p.failed(fmt.Errorf("metadata: authorization_endpoint: %w", err))
	}
	a := attempt{
		Issuer: p.issuer, Redirect: redirectURI, State: random(), Nonce: random(), Verifier: random(), Begun: p.now().Unix(),
	}
	keep, err := json.Marshal(a)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256([]byte(a.Verifier))
	form := url.Values{
		"response_type": {"code"}, "client_id": {p.client.ClientID()}, "redirect_uri": {redirectURI},
		"scope": {strings.Join(append([]string{"openid"}, p.scopes...), " ")},
		"state": {a.State}, "nonce": {a.Nonce},
		"code_challenge": {jose.EncodeSegment(sum[:])}, "code_challenge_method": {"S256"},
	}
	maps.Copy(form, more)
	if target.RawQuery != "" { // RFC 6749 section 3.1: a query of the endpoint stays
		target.RawQuery += "&"
	}
	target.RawQuery += form.Encode()
	return target.String(), keep, nil
}

// random returns 256 random bits as 43 characters of base64url, which is what a
// code verifier has to be (RFC 7636 section 4.1).
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return jose.EncodeSegment(b[:])
}

// Finish implements authserver.Upstream. It redeems the code and judges the ID
// token (OpenID Connect Core section 3.1.3.7). at_hash and c_hash are not needed:
// the token came from the provider itself over TLS, and the access token beside
// it is not used.
func (p *Provider) Finish(ctx context.Context, redirectURI string, keep []byte, callback url.Values) (authserver.Person, error) {
	a, err := p.begun(redirectURI, keep)
	if err != nil {
		return authserver.Person{}, err
	}
	if err := p.answers(a, callback); err != nil {
		return authserver.Person{}, err
	}
	server, err := p.about.get(ctx)
	if err != nil {
		return authserver.Person{}, p.failed(err)
	}
	code, err := p.code(callback, server)
	if err != nil {
		return authserver.Person{}, err
	}
	raw, err := p.redeem(ctx, server, a, code)
	if err != nil {
		return authserver.Person{}, err
	}
	t, err := p.keys.ReadToken(ctx, raw)
	if err != nil {
		return authserver.Person{}, p.failed(err)
	}
	claims, err := p.authentic(t)
	if err != nil {
		return authserver.Person{}, err
	}
	if err := p.judgeIDToken(t, claims); err != nil {
		return authserver.Person{}, err
	}
	if err := p.judgeFresh(t, claims, a.Nonce); err != nil {
		return authserver.Person{}, err
	}
	return p.person(t, claims)
}

// begun reads what Begin gave. It was sealed by us, but may be old or have been
// made for another provider.
func (p *Provider) begun(redirectURI string, keep []byte) (*attempt, error) {
	var a attempt
	if len(keep) > maxKeepBytes || json.Unmarshal(keep, &a) != nil || a.State == "" || a.Nonce == "" || a.Verifier == "" {
		return nil, p.failed(errors.New("what was kept of the login cannot be read"))
	}
	age := p.now().Sub(time.Unix(a.Begun, 0))
	switch {
	case a.Issuer != p.issuer || a.Redirect != redirectURI: // RFC 9700 section 4.4: a mix-up
		return nil, p.denied("this login began elsewhere: start again")
	case age > LoginTimeout || age < -maxSkew:
		return nil, p.denied("the login took more than %v: start again", LoginTimeout)
	}
	return &a, nil
}

// answers reports why a callback is not the answer to the attempt.
func (p *Provider) answers(a *attempt, callback url.Values) error {
	for _, name := range [...]string{"state", "iss", "code", "error"} {
		if v := callback[name]; len(v) > 1 || len(v) == 1 && len(v[0]) > MaxCallbackBytes {
			return p.denied("the answer has %s more than once, or with more than %d bytes", name, MaxCallbackBytes)
		}
	}
	if subtle.ConstantTimeCompare([]byte(callback.Get("state")), []byte(a.State)) != 1 { // RFC 9700 section 4.7
		return p.denied("the answer is to another login (state): start again")
	}
	return nil
}

// unable are errors that are nobody's decision: the provider cannot answer now,
// or our client is not registered as it is configured (RFC 6749 section 4.1.2.1).
var unable = regexp.MustCompile(`^(server_error|temporarily_unavailable|invalid_request|unauthorized_client|unsupported_response_type|invalid_scope)$`)

// code returns the authorization code of an answer.
func (p *Provider) code(callback url.Values, server *metadata.Server) (holdfast.Secret, error) {
	// RFC 9207 section 2.4: before anything else is believed, and compared as it
	// stands.
	switch iss := callback["iss"]; {
	case len(iss) > 0 && iss[0] != p.issuer: // ISS-2.4-01
		return holdfast.Secret{}, p.denied("the answer is of another issuer (iss): start again")
	case len(iss) == 0 && server.IssParameterSupported: // ISS-2.4-02
		return holdfast.Secret{}, p.denied("the answer does not say whose it is (iss): start again")
	}
	switch e := callback.Get("error"); {
	case e == "access_denied":
		return holdfast.Secret{}, p.denied("you were not let in (access_denied)")
	case unable.MatchString(e):
		return holdfast.Secret{}, p.failed(fmt.Errorf("authorization request: error %s", e))
	case callback.Has("error"):
		return holdfast.Secret{}, p.denied("you were not let in")
	case callback.Get("code") == "":
		return holdfast.Secret{}, p.denied("the answer has neither code nor error: start again")
	}
	return holdfast.NewSecret(callback.Get("code")), nil
}
