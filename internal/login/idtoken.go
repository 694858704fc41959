package login

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// MaxIDTokenAge is how long before Finish the ID token of a login may have been
// issued.
const MaxIDTokenAge = 10 * time.Minute

// authentic returns the claims of a token if the provider signed it, with an
// algorithm that is allowed.
func (p *Provider) authentic(t *holdfast.Token) (strictjson.Object, error) {
	var err error
	switch {
	case t.State == holdfast.TokenMalformed:
		err = p.denied("the token cannot be read")
	case t.Issuer != p.issuer:
		err = p.denied("the token is of another issuer (iss)")
	case t.State == holdfast.TokenBadSignature:
		err = p.denied("the signature of the token is wrong, or of an algorithm that is not accepted")
	case t.State == holdfast.TokenUnknownKey:
		err = p.denied("the token is signed with a key that is not published")
	case t.State != holdfast.TokenAuthentic:
		err = p.failed(fmt.Errorf("a token could not be judged (state %d)", t.State))
	}
	if err != nil {
		return strictjson.Object{}, err
	}
	claims, err := strictjson.Parse(string(t.Claims), holdfast.MaxTokenBytes)
	if err != nil {
		return strictjson.Object{}, p.failed(fmt.Errorf("claims: %w", err))
	}
	return claims, nil
}

// judgeTimesAndSubject judges what every token needs.
func (p *Provider) judgeTimesAndSubject(t *holdfast.Token) error {
	now := p.now()
	switch {
	case !printable(t.Subject, MaxSubjectBytes): // OpenID Connect Core section 2
		return p.denied("the subject of the token (sub) is not 1 to %d ASCII characters", MaxSubjectBytes)
	case t.ACR != "" && !printable(t.ACR, MaxACRBytes):
		return p.denied("the acr of the token is not at most %d ASCII characters", MaxACRBytes)
	case t.Expires.IsZero() || !now.Before(t.Expires.Add(maxSkew)): // 3.1.3.7 (9)
		return p.denied("the token has expired (exp)")
	case t.NotBefore.After(now.Add(maxSkew)):
		return p.denied("the token is not valid yet (nbf)")
	case t.IssuedAt.IsZero() || t.IssuedAt.After(now.Add(maxSkew)): // 3.1.3.7 (10)
		return p.denied("the token does not say when it was issued (iat), or that lies ahead")
	case t.AuthTime.After(now.Add(maxSkew)):
		return p.denied("the token is of a login that lies ahead (auth_time)")
	case t.Confirmation.Bound():
		return p.denied("the token is bound to somebody's key (cnf)")
	}
	return nil
}

// judgeIDToken applies OpenID Connect Core section 3.1.3.7, as far as it does not
// need the request. Signature and issuer were checked by read.
func (p *Provider) judgeIDToken(t *holdfast.Token, claims strictjson.Object) error {
	us := p.client.ClientID()
	party, hasParty := claims.Get("azp")
	azp, _ := party.Text()
	_, events := claims.Get("events")
	switch {
	case t.Type != "" && !strings.EqualFold(t.Type, "JWT"):
		return p.denied("the token is not an ID token (typ)") // RFC 8725 section 3.11
	case events: // a logout token or another security event (RFC 8417 section 2.2)
		return p.denied("the token is not an ID token (events)")
	case !slices.Contains(t.Audience, us): // (3)
		return p.denied("the ID token is for somebody else (aud)")
	case len(t.Audience) > 1 && !hasParty: // (4)
		return p.denied("the ID token is for several parties and does not say whom it was issued to (azp)")
	case hasParty && azp != us: // (5)
		return p.denied("the ID token was issued to somebody else (azp)")
	}
	return p.judgeTimesAndSubject(t)
}

// judgeFresh ties an ID token to one login.
func (p *Provider) judgeFresh(t *holdfast.Token, claims strictjson.Object, nonce string) error {
	v, _ := claims.Get("nonce")
	got, ok := v.Text()
	switch {
	case !ok || subtle.ConstantTimeCompare([]byte(got), []byte(nonce)) != 1: // (11)
		return p.denied("the ID token is of another login (nonce): start again")
	case p.now().Sub(t.IssuedAt) > MaxIDTokenAge+maxSkew: // (10)
		return p.denied("the ID token was issued more than %v ago (iat)", MaxIDTokenAge)
	}
	return nil
}
