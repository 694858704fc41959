package login

import (
	"context"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Token types of RFC 8693 section 3.
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken     = "urn:ietf:params:oauth:token-type:id_token"
)

// Exchange implements authserver.Upstream. A token that is no JWT is of nobody
// here: there is no introspection. A token that is bound to somebody's key is
// refused, because whoever exchanges it has not proved to hold that key.
func (p *Provider) Exchange(ctx context.Context, issuer, tokenType string, raw holdfast.Secret) (*authserver.Person, error) {
	t, err := p.keys.ReadToken(ctx, raw)
	if err != nil {
		return nil, p.failed(err)
	}
	if t.Issuer != p.issuer {
		return nil, nil
	}
	claims, err := p.authentic(t)
	if err != nil {
		return nil, err
	}
	switch tokenType {
	case typeIDToken:
		err = p.judgeIDToken(t, claims)
	case typeAccessToken, typeJWT:
		err = p.judgeAccessToken(t, claims, issuer)
	default:
		err = p.denied("a token of that type is not accepted (subject_token_type), one of access_token, jwt and id_token is needed")
	}
	if err != nil {
		return nil, err
	}
	person, err := p.person(t, claims)
	if err != nil {
		return nil, err
	}
	person.Issued, person.Expires = t.IssuedAt, t.Expires
	return &person, nil
}

// judgeAccessToken accepts what RFC 9068 section 4 does, with us as the resource.
func (p *Provider) judgeAccessToken(t *holdfast.Token, claims strictjson.Object, issuer string) error {
	plain := t.Type == "" && strings.EqualFold(p.accessType, "JWT")
	_, events := claims.Get("events")
	switch {
	case !plain && !strings.EqualFold(t.Type, p.accessType):
		return p.denied("the token is not an access token (typ), %s is needed", p.accessType)
	case events:
		return p.denied("the token is not an access token (events)")
	case !slices.Contains(t.Audience, issuer):
		return p.denied("the access token is for somebody else (aud), %s is needed", issuer)
	case t.ClientID != "" && t.ClientID == t.Subject: // RFC 9068 section 2.2
		return p.denied("the access token is of a client, not of a person (sub)")
	}
	return p.judgeTimesAndSubject(t)
}
