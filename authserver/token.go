package authserver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// The grant types (RFC 6749, RFC 8628 section 3.4, RFC 8693 section 2.1).
const (
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantClient   = "client_credentials"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// typeAccessToken names access tokens (RFC 8693 section 3).
const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// tokenAnswer is a token response (RFC 6749 section 5.1). It holds secrets in
// the clear and exists only to be written.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IssuedType   string `json:"issued_token_type,omitempty"` // RFC 8693 section 2.2.1
}

// token is the token endpoint (RFC 6749 section 3.2). Every grant goes the same
// way: read the parameters, look up what was granted, judge the proof, ask
// whether it still stands, and only then consume and issue.
func (s *Server) token(c *call) (any, error) {
	var do func(*call) (any, error)
	kind := c.form.Get("grant_type")
	switch kind {
	case grantCode:
		do = s.redeem
	case grantRefresh:
		do = s.refresh
	case grantClient:
		do = s.clientCredentials
	case grantDevice:
		do = s.poll
	case grantExchange:
		do = s.exchange
	case "":
		return nil, refuse(errInvalidRequest, "the parameter grant_type is missing")
	default:
		return nil, refuse(errUnsupportedGrant, "the parameter grant_type is none of those in the metadata")
	}
	c.event.Grant = kind
	if !c.client.may(kind) || s.config.Profile == ProfileFAPI2 && c.client.public() {
		return nil, refuse(errUnauthorizedClient, "the client may not use this grant_type")
	}
	return do(c)
}

// target chooses what an access token is for: one of the resources that were
// granted, the first if the request names none (RFC 8707 section 2.2), and those
// of the granted scopes that the resource offers and the client may still have,
// or fewer if the request asks for fewer.
func (s *Server) target(c *call, granted, scope []string) (*Resource, []string, error) {
	id := granted[0]
	if wanted := c.form["resource"]; len(wanted) > 1 {
		return nil, nil, oneResource(len(wanted))
	} else if len(wanted) == 1 {
		id = wanted[0]
	}
	to, ok := s.resource(id)
	if !ok || !c.client.mayReach(id) || !slices.Contains(granted, id) {
		return nil, nil, refuse(errInvalidTarget, "the parameter resource names none that was granted")
	}
	wanted, err := readScope(c.form)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range wanted {
		if !slices.Contains(scope, v) {
			return nil, nil, refuse(errInvalidScope, "the parameter scope has more than was granted")
		}
	}
	if wanted == nil {
		wanted = scope
	}
	if wanted = inOrder(wanted, narrow(c.client, to, wanted)); len(wanted) == 0 {
		return nil, nil, refuse(errInvalidScope, "the resource offers none of the scopes that were granted")
	}
	return to, wanted, nil
}

// oneResource refuses a token request for several resources: a token that is
// good at two of them lets each act at the other (RFC 9700 section 2.3).
func oneResource(n int) error {
	return refuse(errInvalidTarget, fmt.Sprintf("the parameter resource is given %d times: a token is for one resource", n))
}

// issue makes the access token and the answer. The token is bound to the holder,
// unless the resource wants unbound ones; a refresh token is left as it is (RFC
// 9449 section 5).
func (s *Server) issue(c *call, t *accessToken, to *Resource, holder binding, refresh holdfast.Secret) (*tokenAnswer, error) {
	if !to.Unbound {
		t.Holder = holder
	}
	// From before anything was judged: a revocation that came meanwhile ends it.
	t.Issued = c.event.Time
	raw, err := s.mint(c.Context(), t)
	if err != nil {
		return nil, err
	}
	if holder.bound() {
		if err := s.seen.note(c.Context(), c.client.ClientID, holder); err != nil {
			return nil, err
		}
	}
	c.event.Subject = t.Subject
	a := &tokenAnswer{
		AccessToken: raw.Reveal(), TokenType: "Bearer", ExpiresIn: int64(t.Expires.Sub(t.Issued) / time.Second),
		Scope: strings.Join(t.Scope, " "), RefreshToken: refresh.Reveal(),
	}
	if !t.Holder.JKT.IsZero() {
		a.TokenType = "DPoP" // RFC 9449 section 5
	}
	return a, nil
}
