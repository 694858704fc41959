package client

import (
	"context"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Token is an access token together with the key it is bound to: they travel
// as one, so they cannot be mismatched. It prints redacted. A Token is not
// modified after it was made and is then safe for concurrent use; the zero value
// is no token.
type Token struct {
	Value   holdfast.Secret
	Type    string        // token_type as the server wrote it: "DPoP", "Bearer"
	Key     *holdfast.Key // proof key; nil for a token that is not bound to one
	Expires time.Time     // zero if the server did not say
}

// TokenSource gives the token to use now, the same one as long as it is good.
// Token must be safe for concurrent use and returns an error rather than a
// token that is known to be of no use.
type TokenSource interface {
	Token(ctx context.Context) (*Token, error)
}

// Renewer is an optional ability of a [TokenSource]: to get another token after
// a resource refused the one that was spent with invalid_token. Concurrent calls
// for one spent token cause one renewal.
type Renewer interface {
	Renew(ctx context.Context, spent *Token) (*Token, error)
}
