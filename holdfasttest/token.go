package holdfasttest

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// The grant types.
const (
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantClient   = "client_credentials"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// grant is what somebody once allowed; all tokens of one login share it and die
// with it.
type grant struct {
	client   *Client
	subject  string
	scope    string
	audience []string
	revoked  bool
}

type refreshToken struct {
	grant *grant
	jkt   *holdfast.Thumbprint // the key of a public client (RFC 9449 section 5)
	spent bool
}

type device struct {
	grant   *grant
	polls   int // answers left before the user approves
	expires time.Time
	spent   bool
}

// permission is what a token request gets once its proof has passed. Nothing is
// consumed before (D-5-13).
type permission struct {
	grant    *grant
	need     holdfast.ProofNeed
	audience []string // of this token, like its scope: all of the grant or less
	scope    string
	consume  func(holder holdfast.Thumbprint) error
	refresh  bool   // issue a refresh token
	issued   string // issued_token_type of a token exchange
}

type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IssuedType   string `json:"issued_token_type,omitempty"`
}

// token is the token endpoint.
func (s *Server) token(r *http.Request, c *Client, form url.Values) (any, error) {
	if err := checkResources(form["resource"]); err != nil {
		return nil, err
	}
	var p *permission
	var err error
	switch form.Get("grant_type") {
	case grantCode:
		p, err = s.redeemCode(c, form)
	case grantRefresh:
		p, err = s.redeemRefresh(c, form)
	case grantClient:
		if c.public() {
			return nil, refuse("unauthorized_client", "a public client has no credentials")
		}
		p = &permission{grant: &grant{client: c, subject: c.ID, scope: form.Get("scope"), audience: form["resource"]}}
	case grantDevice:
		p, err = s.redeemDevice(c, form)
	case grantExchange:
		p, err = s.exchange(c, form)
	default:
		return nil, refuse("unsupported_grant_type", "grant_type is none that this server has")
	}
	if err != nil {
		return nil, err
	}
	if p.audience, err = narrow(p.grant.audience, form["resource"]); err != nil {
		return nil, err
	}
	if p.scope, err = narrowScope(p.grant.scope, form); err != nil {
		return nil, err
	}
	p.need.Required = !c.AllowBearer && c.Certificate == nil
	holder, err := s.prove(r, p.need)
	if err != nil {
		return nil, err
	}
	if p.consume != nil {
		if err := p.consume(holder); err != nil {
			return nil, err
		}
	}
	return s.answerToken(p, holder), nil
}

// narrow returns the audience of one token, which stays within that of the grant
// (RFC 8707 section 2.2).
func narrow(granted, asked []string) ([]string, error) {
	for _, a := range asked {
		if len(granted) > 0 && !slices.Contains(granted, a) {
			return nil, refuse("invalid_target", "resource was not part of the grant")
		}
	}
	if len(asked) > 0 {
		return asked, nil
	}
	return granted, nil
}

// narrowScope returns the scope of one token, which stays within that of the
// grant (RFC 6749 section 6).
func narrowScope(granted string, form url.Values) (string, error) {
	if !form.Has("scope") {
		return granted, nil
	}
	for _, asked := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(strings.Fields(granted), asked) {
			return "", refuse("invalid_scope", "scope was not part of the grant")
		}
	}
	return form.Get("scope"), nil
}

func (s *Server) answerToken(p *permission, holder holdfast.Thumbprint) *tokenResponse {
	g := p.grant
	b := confirmation{JKT: holder}
	if holder.IsZero() && g.client.Certificate != nil {
		b.X5T = sha256.Sum256(g.client.Certificate.Raw)
	}
	out := &tokenResponse{
		AccessToken: s.issue(g, p.scope, p.audience, b, s.config.Lifetime), TokenType: b.tokenType(),
		ExpiresIn: int(s.config.Lifetime.Seconds()), Scope: p.scope, IssuedType: p.issued,
	}
	if p.refresh {
		t := &refreshToken{grant: g}
		if g.client.public() && !holder.IsZero() {
			t.jkt = &holder
		}
		out.RefreshToken = handle("refresh-")
		s.refresh[out.RefreshToken] = t
	}
	return out
}

func (s *Server) redeemCode(c *Client, form url.Values) (*permission, error) {
	a := s.codes[form.Get("code")]
	if a == nil || a.client != c || !s.now().Before(a.expires) {
		return nil, refuse("invalid_grant", "the code is unknown, expired or of another client")
	}
	if a.spent {
		a.grant.revoked = true // RFC 6749 section 4.1.2: somebody stole it
		return nil, refuse("invalid_grant", "the code was used before; its tokens are revoked")
	}
	if a.named && form.Get("redirect_uri") != a.redirectURL {
		return nil, refuse("invalid_grant", "redirect_uri is not that of the authorization request")
	}
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	if len(verifier) < 43 || len(verifier) > 128 || jose.EncodeSegment(sum[:]) != a.challenge {
		return nil, refuse("invalid_grant", "code_verifier does not fit the code_challenge")
	}
	return &permission{
		grant: a.grant, need: holdfast.ProofNeed{Code: a.jkt}, refresh: true,
		consume: func(holdfast.Thumbprint) error { a.spent = true; return nil },
	}, nil
}

// redeemRefresh rotates: a refresh token is good once, and a second use ends the
// whole grant (RFC 9700 section 4.14.2).
func (s *Server) redeemRefresh(c *Client, form url.Values) (*permission, error) {
	t := s.refresh[form.Get("refresh_token")]
	if t == nil || t.grant.client != c || t.grant.revoked {
		return nil, refuse("invalid_grant", "the refresh token is unknown, revoked or of another client")
	}
	if t.spent {
		t.grant.revoked = true
		return nil, refuse("invalid_grant", "the refresh token was used before; all tokens of the grant are revoked")
	}
	return &permission{
		grant: t.grant, need: holdfast.ProofNeed{Refresh: t.jkt}, refresh: true,
		consume: func(holdfast.Thumbprint) error { t.spent = true; return nil },
	}, nil
}

// startDevice is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) startDevice(_ *http.Request, c *Client, form url.Values) (any, error) {
	code, user := handle("device-"), handle("")[:8]
	s.devices[code] = &device{
		grant:   &grant{client: c, subject: "alice", scope: form.Get("scope"), audience: form["resource"]},
		polls:   s.config.DevicePolls,
		expires: s.now().Add(DeviceLifetime),
	}
	return map[string]any{
		"device_code": code, "user_code": user,
		"verification_uri": s.URL + "/verify", "verification_uri_complete": s.URL + "/verify?user_code=" + user,
		"expires_in": int(DeviceLifetime.Seconds()), "interval": int(s.config.DeviceInterval.Seconds()),
	}, nil
}

func (s *Server) redeemDevice(c *Client, form url.Values) (*permission, error) {
	d := s.devices[form.Get("device_code")]
	switch {
	case d == nil || d.grant.client != c || d.spent:
		return nil, refuse("invalid_grant", "the device code is unknown, used or of another client")
	case !s.now().Before(d.expires):
		return nil, refuse("expired_token", "the device code has expired")
	}
	return &permission{grant: d.grant, refresh: true, consume: func(holdfast.Thumbprint) error {
		if d.polls > 0 {
			d.polls--
			return refuse("authorization_pending", "the user has not approved yet")
		}
		d.spent = true
		return nil
	}}, nil
}

// exchange is RFC 8693 for access tokens of this server. A public client has to
// hold the key of the subject token; who authenticates may exchange any.
func (s *Server) exchange(c *Client, form url.Values) (*permission, error) {
	if form.Get("subject_token_type") != typeAccessToken || form.Has("actor_token") {
		return nil, refuse("invalid_request", "only subject tokens of type access_token are exchanged")
	}
	t := s.access[form.Get("subject_token")]
	if t == nil || !s.alive(t) {
		return nil, refuse("invalid_request", "the subject token is unknown, expired or revoked")
	}
	g := &grant{client: c, subject: t.grant.subject, scope: t.grant.scope, audience: slices.Concat(form["resource"], form["audience"])}
	return &permission{grant: g, issued: typeAccessToken, consume: func(holder holdfast.Thumbprint) error {
		if c.public() && holder != t.binding.JKT {
			return refuse("invalid_request", "the subject token is bound to another key than that of the proof")
		}
		return nil
	}}, nil
}
