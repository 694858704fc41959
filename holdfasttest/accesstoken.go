package holdfasttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// confirmation is the cnf of a token: one key at most (RFC 7800 section 3.1).
type confirmation struct {
	JKT holdfast.Thumbprint `json:"jkt,omitzero"`
	X5T holdfast.Thumbprint `json:"x5t#S256,omitzero"`
}

// tokenType is DPoP for a token bound to a proof key (RFC 9449 section 5), else
// Bearer, also for one bound to a certificate (RFC 8705 section 3).
func (b confirmation) tokenType() string {
	if !b.JKT.IsZero() {
		return "DPoP"
	}
	return "Bearer"
}

// accessToken is a token that was issued.
type accessToken struct {
	grant   *grant
	binding confirmation
	claims  claims
}

// claims are those of a JWT access token (RFC 9068 section 2.2), which are also
// the members of an introspection response (RFC 7662 section 2.2).
type claims struct {
	Active    bool         `json:"active,omitempty"`
	TokenType string       `json:"token_type,omitempty"`
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	Audience  []string     `json:"aud"`
	Expires   int64        `json:"exp"`
	IssuedAt  int64        `json:"iat"`
	ID        string       `json:"jti"`
	ClientID  string       `json:"client_id"`
	Scope     string       `json:"scope,omitempty"`
	Cnf       confirmation `json:"cnf,omitzero"` // RFC 9449 section 6, RFC 8705 section 3
}

// TokenSpec describes an access token for [Server.Issue]. The zero value is an
// unbound token of client "test" for [DefaultAudience].
type TokenSpec struct {
	Key         *holdfast.Key     // binds the token to a proof key
	Certificate *x509.Certificate // binds it to a certificate, if there is no Key
	Subject     string            // "alice" if empty
	ClientID    string            // "test" if empty
	Scope       string
	Audience    []string
	Lifetime    time.Duration // negative: it has expired; 0 means that of the server
}

// Issue makes an access token without any flow.
func (s *Server) Issue(spec TokenSpec) holdfast.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b confirmation
	switch {
	case spec.Key != nil:
		b.JKT = spec.Key.Thumbprint()
	case spec.Certificate != nil:
		b.X5T = sha256.Sum256(spec.Certificate.Raw)
	}
	if spec.Lifetime == 0 {
		spec.Lifetime = s.config.Lifetime
	}
	g := &grant{client: &Client{ID: orElse(spec.ClientID, "test")}, subject: orElse(spec.Subject, "alice"), scope: spec.Scope}
	return holdfast.NewSecret(s.issue(g, spec.Scope, spec.Audience, b, spec.Lifetime))
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// issue makes and records an access token.
func (s *Server) issue(g *grant, scope string, audience []string, b confirmation, lifetime time.Duration) string {
	now := s.now()
	if len(audience) == 0 {
		audience = []string{DefaultAudience}
	}
	if s.faults.Load().WrongAudience {
		audience = []string{"https://elsewhere.example"}
	}
	t := &accessToken{grant: g, binding: b, claims: claims{
		Issuer: s.URL, Subject: g.subject, Audience: audience, Expires: now.Add(lifetime).Unix(), IssuedAt: now.Unix(),
		ID: rand.Text(), ClientID: g.client.ID, Scope: scope, Cnf: b,
	}}
	raw := handle("access-")
	if !s.config.Opaque {
		raw = s.sign(t.claims)
	}
	s.access[raw] = t
	return raw
}

func (s *Server) sign(c claims) string {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("holdfasttest: encode claims: %v", err)) // strings and numbers only
	}
	key := s.keys[0]
	raw, err := jose.Sign(key.signer, jose.ES256, `{"typ":"at+jwt","alg":"ES256","kid":"`+key.id+`"}`, string(payload))
	if err != nil {
		panic(fmt.Sprintf("holdfasttest: sign: %v", err)) // a fresh P-256 key
	}
	return raw
}

// RotateKeys makes a new signing key. The one before stays published, older ones
// do not.
func (s *Server) RotateKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append([]signingKey{newSigningKey()}, s.keys[:min(1, len(s.keys))]...)
}

// ReplaceKeys makes a new signing key and withdraws all others, as after a theft:
// tokens signed by them can no longer be verified.
func (s *Server) ReplaceKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = []signingKey{newSigningKey()}
}

func newSigningKey() signingKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("holdfasttest: generate key: %v", err)) // crypto/rand does not fail
	}
	return signingKey{id: rand.Text(), signer: crypto.Signer(k)}
}

func (s *Server) jwks() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := make([]map[string]string, 0, len(s.keys))
	for _, k := range s.keys {
		pub, err := jose.NewPublicKey(k.signer.Public())
		if err != nil {
			panic(fmt.Sprintf("holdfasttest: public key: %v", err)) // made by newSigningKey
		}
		member := map[string]string{}
		_ = json.Unmarshal([]byte(pub.JWK()), &member) // our own JSON, strings only
		member["kid"], member["alg"], member["use"] = k.id, "ES256", "sig"
		set = append(set, member)
	}
	return map[string]any{"keys": set}
}

// RevokeAll ends every token that was issued so far. A resource sees that by
// introspection only.
func (s *Server) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.access {
		t.grant.revoked = true
	}
	for _, t := range s.refresh {
		t.grant.revoked = true
	}
}

func (s *Server) alive(t *accessToken) bool {
	return !t.grant.revoked && s.now().Unix() < t.claims.Expires
}

// introspect is the introspection endpoint (RFC 7662) for clients that
// authenticate. Of a token that is not good nothing is said.
func (s *Server) introspect(_ *http.Request, c *Client, form url.Values) (any, error) {
	if c.public() {
		return nil, invalidClient("introspection is for clients that authenticate")
	}
	t := s.access[form.Get("token")]
	if t == nil || !s.alive(t) {
		return map[string]bool{"active": false}, nil
	}
	answer := t.claims
	answer.Active, answer.TokenType = true, t.binding.tokenType()
	return answer, nil
}

// revoke is the revocation endpoint (RFC 7009): the end of a refresh token is
// that of the grant, whatever the hint said.
func (s *Server) revoke(_ *http.Request, c *Client, form url.Values) (any, error) {
	raw := form.Get("token")
	if strings.TrimSpace(raw) == "" {
		return nil, refuse("invalid_request", "token is missing")
	}
	var g *grant
	if t := s.refresh[raw]; t != nil {
		g = t.grant
	} else if t := s.access[raw]; t != nil {
		g = t.grant
	}
	switch {
	case g == nil: // RFC 7009 section 2.2: also fine
	case g.client != c:
		return nil, refuse("invalid_request", "the token belongs to another client")
	default:
		g.revoked = true
	}
	return nil, nil
}
