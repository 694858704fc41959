package client

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/oauth2"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// OAuth2TokenSource hands tokens to code that takes an oauth2.TokenSource. The
// refresh token stays here, so that nobody renews without a proof. The transport
// of oauth2 sends no proof: a bound token needs a [Transport]. oauth2 gives no
// context, so that each call is given 15 s.
func OAuth2TokenSource(ts TokenSource) oauth2.TokenSource { return toOAuth2{ts} }

type toOAuth2 struct{ ts TokenSource }

func (s toOAuth2) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetch.Timeout)
	defer cancel()
	t, err := s.ts.Token(ctx)
	if err != nil {
		return nil, err
	}
	typ := t.Type
	if strings.EqualFold(typ, "DPoP") {
		typ = "DPoP" // oauth2 writes it as the scheme, as it stands
	}
	return &oauth2.Token{AccessToken: t.Value.Reveal(), TokenType: typ, Expiry: t.Expires}, nil
}

// FromOAuth2 makes a [TokenSource] of one of package oauth2, for programs that get
// their tokens elsewhere. The key is the one that those tokens are bound to: a
// token of type DPoP without a key is refused, one of another type is given out
// as unbound, which a [Transport] refuses unless told otherwise. The context ends
// no call of ts, which takes none.
func FromOAuth2(ts oauth2.TokenSource, key *holdfast.Key) TokenSource { return fromOAuth2{ts, key} }

type fromOAuth2 struct {
	ts  oauth2.TokenSource
	key *holdfast.Key
}

func (s fromOAuth2) Token(ctx context.Context) (*Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: opToken, Err: err}
	}
	t, err := s.ts.Token()
	if err != nil {
		return nil, fromRetrieveError(err)
	}
	if !t.Valid() {
		return nil, &Error{Op: opToken, Err: errors.New("the oauth2 token source gave a token that is empty or expired")}
	}
	out := &Token{Value: holdfast.NewSecret(t.AccessToken), Type: t.Type(), Expires: t.Expiry}
	if strings.EqualFold(out.Type, "DPoP") {
		if s.key == nil {
			return nil, &Error{Op: opToken, Err: errors.New("the oauth2 token is bound to a key, and none was given")}
		}
		out.Key = s.key
	}
	return out, nil
}

// fromRetrieveError takes what is fit to print out of an error of oauth2, whose
// own text has the whole body of the answer in it.
func fromRetrieveError(err error) *Error {
	var r *oauth2.RetrieveError
	if !errors.As(err, &r) {
		return &Error{Op: opToken, Err: err}
	}
	e := &Error{Op: opToken, Code: cut(escape(r.ErrorCode), maxErrorCode), Description: escape(r.ErrorDescription)}
	if r.Response != nil {
		e.Status = r.Response.StatusCode
	}
	return e
}
