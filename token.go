package holdfast

import (
	"context"
	"encoding/json"
	"time"
)

// TokenState says how far a token could be believed.
type TokenState uint8

// The states. The zero value means that nobody could find out: Verify refuses
// it with 503, Explain reports Unknown.
const (
	TokenUnknown      TokenState = iota
	TokenAuthentic               // signature verified, or active by introspection
	TokenMalformed               // not a token of the expected form
	TokenUnknownKey              // signed by a key that the issuer does not publish
	TokenBadSignature            // the signature does not verify
	TokenInactive                // introspection says so
)

// Token is what an access token says, whoever read it. Facts only: the checks
// judge them. The zero value is an unknown token.
type Token struct {
	State TokenState

	// Typed says that the token has a JOSE typ worth checking; false for
	// introspected tokens, whose kind the endpoint vouches for.
	Typed bool
	Type  string // typ without "application/"

	Issuer, Subject, ClientID    string
	Audience, Scope              []string
	ACR                          string
	AuthTime                     time.Time
	IssuedAt, NotBefore, Expires time.Time
	Confirmation                 Confirmation
	Claims                       json.RawMessage // the whole payload; may hold personal data
}

// TokenReader turns an access token into facts. Package token has one for JWT
// (RFC 9068) and one for introspection (RFC 7662).
//
// ReadToken returns an error only if it could not find out, for example because
// the key set cannot be fetched: that is refused with 503 and never blamed on
// the client. A token that is wrong is not an error but a State. The returned
// Token is not modified by the caller and may be cached and shared. ReadToken
// must be safe for concurrent use.
//
// A reader that looks tokens up by their SHA-256 may have the method
// ReadTokenHashed(ctx, raw, sum [32]byte) (*Token, error) too. It is then called
// instead where the verifier has computed that hash already, from the presented
// token, because ath has to equal it.
type TokenReader interface {
	ReadToken(ctx context.Context, raw Secret) (*Token, error)
}

type hashedTokenReader interface {
	ReadTokenHashed(ctx context.Context, raw Secret, sum [32]byte) (*Token, error)
}

// BlockList answers whether a holder key or client may no longer be served.
// Blocked must be safe for concurrent use; an error is refused with 503.
type BlockList interface {
	Blocked(ctx context.Context, holder Thumbprint, clientID string) (bool, error)
}
