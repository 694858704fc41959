package authserver

import (
	"context"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// accessToken is what an access token of ours says.
type accessToken struct {
	ID       string // jti
	Client   string
	Subject  string // of client_credentials: the client_id
	Scope    []string
	Resource string // aud
	Holder   binding
	Session  string    // sid
	Grant    *[32]byte // key of the grant that it came from; nil: of none
	AuthTime time.Time
	ACR      string
	Actor    string // act.sub: who acts for the subject after a token exchange (RFC 8693 section 4.1)
	Issued   time.Time
	Expires  time.Time
}

// mint issues an access token for one resource: a JWT (RFC 9068) or a
// reference. It sets ID, Issued and Expires of t.
func (s *Server) mint(ctx context.Context, t *accessToken) (holdfast.Secret, error) {
	return holdfast.Secret{}, unavailable(nil)
}

// readAccess reads an access token of ours in either form and makes all state
// checks: signature, time, revocation, cut-offs, blocks (RFC 7662 section 4).
// The answer is nil if it is not active, for whatever reason; an error means
// that nobody could find out.
func (s *Server) readAccess(ctx context.Context, raw holdfast.Secret) (*accessToken, error) {
	return nil, unavailable(nil)
}
