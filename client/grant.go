package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Grant is what a flow got: an access token and what renews it. It prints
// redacted, as JSON too; [Grant.Seal] is the way to store one. A Grant is not
// modified after it was made and is then safe for concurrent use; the zero value
// is no grant.
type Grant struct {
	Token   *Token
	Refresh holdfast.Secret // zero if there is none
	IDToken holdfast.Secret // as received: nothing in it was verified
	Scope   []string        // granted; what was asked for if the server did not say

	Issuer   string // it is sent to this server only
	ClientID string
	Type     string // grant_type that it began with, such as "authorization_code"

	// Key is the proof key that the grant began with and stays with. Token.Key is
	// the same, or nil if the access token is not bound to it.
	Key *holdfast.Key

	// RefreshBound says that the refresh token works with Key only: it was issued
	// to a public client with a proof (RFC 9449 section 5). Without it, client
	// authentication protects the refresh token.
	RefreshBound bool

	Certificate holdfast.Thumbprint // client certificate it was got with, zero if none
	Obtained    time.Time
	Warnings    []string // what is less safe or other than asked for; printable ASCII
}

// MaxGrantBytes is the longest text that [ParseGrant] reads.
const MaxGrantBytes = 256 << 10

// grantFormat names the form of stored grants.
const grantFormat = "holdfast.grant/1"

// storedGrant is a grant as JSON. It holds secrets and leaves this file only
// inside a [holdfast.Secret].
type storedGrant struct {
	Format       string              `json:"format"`
	Issuer       string              `json:"issuer"`
	ClientID     string              `json:"client_id"`
	Type         string              `json:"grant_type"`
	JKT          string              `json:"jkt,omitempty"`
	Certificate  holdfast.Thumbprint `json:"x5t#S256,omitzero"`
	AccessToken  string              `json:"access_token"`
	TokenType    string              `json:"token_type"`
	TokenBound   bool                `json:"token_bound"`
	Expires      int64               `json:"expires,omitempty"` // seconds since 1970
	RefreshToken string              `json:"refresh_token,omitempty"`
	RefreshBound bool                `json:"refresh_bound"`
	IDToken      string              `json:"id_token,omitempty"`
	Scope        []string            `json:"scope,omitempty"`
	Obtained     int64               `json:"obtained"`
	Warnings     []string            `json:"warnings,omitempty"`
}

// Seal returns the grant as text with its tokens in clear, for a store that
// encrypts. The proof key is not part of it, only its thumbprint: keys stay where
// they are kept.
func (g *Grant) Seal() (holdfast.Secret, error) {
	if g == nil || g.Token == nil {
		return holdfast.Secret{}, &Error{Op: opStored, Err: errors.New("there is no grant")}
	}
	s := storedGrant{
		Format: grantFormat, Issuer: g.Issuer, ClientID: g.ClientID, Type: g.Type, Certificate: g.Certificate,
		AccessToken: g.Token.Value.Reveal(), TokenType: g.Token.Type, TokenBound: g.Token.Key != nil,
		RefreshToken: g.Refresh.Reveal(), RefreshBound: g.RefreshBound, IDToken: g.IDToken.Reveal(),
		Scope: g.Scope, Obtained: g.Obtained.Unix(), Warnings: g.Warnings,
	}
	if g.Key != nil {
		s.JKT = g.Key.Thumbprint().String()
	}
	if !g.Token.Expires.IsZero() {
		s.Expires = g.Token.Expires.Unix()
	}
	b, err := json.Marshal(s)
	if err != nil {
		return holdfast.Secret{}, &Error{Op: opStored, Err: err}
	}
	if len(b) > MaxGrantBytes {
		return holdfast.Secret{}, &Error{Op: opStored, Err: fmt.Errorf("the grant has %d bytes, at most %d can be stored", len(b), MaxGrantBytes)}
	}
	return holdfast.NewSecret(string(b)), nil
}

// ParseGrant reads what [Grant.Seal] wrote. The key has to be the one that the
// grant is bound to; nil only if it is bound to none. Tokens with another key
// would be refused by the server, and the error says so beforehand.
func ParseGrant(text holdfast.Secret, key *holdfast.Key) (*Grant, error) {
	g, err := parseGrant(text.Reveal(), key)
	if err != nil {
		return nil, &Error{Op: opStored, Err: err}
	}
	return g, nil
}

func parseGrant(text string, key *holdfast.Key) (*Grant, error) {
	// encoding/json alone would take the last of two members of one name.
	o, err := strictjson.Parse(text, MaxGrantBytes)
	if err != nil {
		return nil, err
	}
	if f := said(o, "format"); f != grantFormat {
		return nil, fmt.Errorf("the format is %.40q, %q is needed", f, grantFormat)
	}
	var s storedGrant
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) {
			return nil, fmt.Errorf("the member %s has the wrong type", typ.Field)
		}
		return nil, errors.New("a member has a value that cannot be read")
	}
	if s.AccessToken == "" || s.TokenType == "" || s.Issuer == "" || s.ClientID == "" {
		return nil, errors.New("the members access_token, token_type, issuer and client_id are needed")
	}
	switch {
	case s.JKT == "" && (key != nil || s.TokenBound || s.RefreshBound):
		return nil, errors.New("the grant names no key: it was not got with the one given")
	case s.JKT != "" && key == nil:
		return nil, fmt.Errorf("the grant is bound to the key %.43s, which is needed", s.JKT)
	case s.JKT != "" && key.Thumbprint().String() != s.JKT:
		return nil, fmt.Errorf("the grant is bound to the key %.43s, the key given is %s", s.JKT, key.Thumbprint())
	}
	g := &Grant{
		Token:   &Token{Value: holdfast.NewSecret(s.AccessToken), Type: s.TokenType},
		Refresh: holdfast.NewSecret(s.RefreshToken), IDToken: holdfast.NewSecret(s.IDToken), Scope: s.Scope,
		Issuer: s.Issuer, ClientID: s.ClientID, Type: s.Type, Key: key, RefreshBound: s.RefreshBound,
		Certificate: s.Certificate, Obtained: time.Unix(s.Obtained, 0), Warnings: s.Warnings,
	}
	if s.TokenBound {
		g.Token.Key = key
	}
	if s.Expires != 0 {
		g.Token.Expires = time.Unix(s.Expires, 0)
	}
	return g, nil
}
