package authserver

import (
	"context"
	"crypto/rand"
	"fmt"
)

// maxSwaps is how often a change of a record is tried that others change too.
// Each failure means that somebody else succeeded.
const maxSwaps = 32

// errBusy says that a record was changed by others all the time.
var errBusy = fmt.Errorf("the record was changed by others %d times in a row", maxSwaps)

// grant is a grant at the token endpoint: its record and the handle that its
// refresh tokens carry.
type grant struct {
	*entry[grantRecord]
	handle [grantHandleBytes]byte
}

// newGrant records what was approved, with a first refresh token if the client
// may refresh. That of a public client is bound to the holder (RFC 9449 section
// 5); that of a confidential one to its authentication.
func (s *Server) newGrant(ctx context.Context, c *client, a approval, holder binding) (*grant, error) {
	now := s.now()
	g := &grant{entry: &entry[grantRecord]{Value: grantRecord{Approval: a, Used: now, Until: now.Add(MaxAccessLifetime)}}}
	_, _ = rand.Read(g.handle[:]) // never fails
	v := &g.Value
	if c.may(grantRefresh) {
		v.Seed = make([]byte, 32)
		_, _ = rand.Read(v.Seed)
		v.Generation, v.Until = 1, now.Add(s.config.RefreshLifetime)
		if c.public() {
			v.Holder = holder
		}
	}
	g.Key = keyOf(string(g.handle[:]))
	// The record outlives the last access token: who reads the token asks here
	// whether it is revoked.
	g.Expires = v.Until.Add(MaxAccessLifetime)
	if err := create(ctx, s.store, kindGrant, g.Key, "", g.Expires, g.Value); err != nil {
		return nil, unavailable(err)
	}
	return g, nil
}

// access describes an access token of the grant.
func (g *grant) access(to *Resource, scope []string) *accessToken {
	a := &g.Value.Approval
	return &accessToken{
		Client: a.Client, Subject: a.Subject, Scope: scope, Resource: to.ID, Session: a.Session,
		Grant: &g.Key, AuthTime: a.AuthTime, ACR: a.ACR,
	}
}

// onceOnly is a record that holds an approval and turns into one grant.
type onceOnly[T any] interface {
	*T
	spend(grant [32]byte)
	spentOn() (grant [32]byte, spent bool)
}

// spendOn makes a grant of an approval and spends the record that holds it. Of
// any number of calls one succeeds. A later one, which has passed all checks as
// the first did, ends what the first was given (RFC 9700 section 4.2.4); the
// record is kept for as long as that can last.
//
// The grant is written first, under a key that nobody knows: a crash before the
// record is spent leaves it unreachable.
func spendOn[T any, P onceOnly[T]](s *Server, c *call, e *entry[T], a approval, holder binding, parameter string) (*grant, error) {
	ctx := c.Context()
	var g *grant
	for range maxSwaps {
		if key, spent := P(&e.Value).spentOn(); spent {
			if g != nil { // unreachable already; this only saves room
				_ = s.store.Delete(ctx, kindGrant, g.Key)
			}
			if err := s.revokeGrant(ctx, key, parameter+" used twice"); err != nil {
				return nil, err
			}
			return nil, refuse(errInvalidGrant, "the parameter "+parameter+" was used before")
		}
		var err error
		if g == nil {
			if g, err = s.newGrant(ctx, c.client, a, holder); err != nil {
				return nil, err
			}
		}
		P(&e.Value).spend(g.Key)
		e.Expires = g.Expires
		if err = e.swap(ctx, s.store); err == nil {
			return g, nil
		}
		if !conflicting(err) {
			return nil, unavailable(err)
		}
		if e, err = load[T](ctx, s.store, e.Kind, e.Key); missing(err) {
			return nil, refuse(errInvalidGrant, "the parameter "+parameter+" has expired")
		} else if err != nil {
			return nil, unavailable(err)
		}
	}
	return nil, unavailable(errBusy)
}

// stillApproved refuses a grant that was cut off since it was approved, and
// clients and holders that are blocked.
func (s *Server) stillApproved(c *call, a *approval, holder binding) error {
	return s.standing(c.Context(), party{Client: a.Client, Subject: a.Subject, Session: a.Session, Holder: holder, At: a.At})
}

// revokeGrant ends a grant: its refresh tokens, and its access tokens where
// they are introspected. It succeeds if the grant is already dead or gone.
func (s *Server) revokeGrant(ctx context.Context, key [32]byte, why string) error {
	for range maxSwaps {
		g, err := load[grantRecord](ctx, s.store, kindGrant, key)
		switch {
		case missing(err):
			return nil
		case err != nil:
			return unavailable(err)
		case g.Value.Revoked != "":
			return nil
		}
		g.Value.Revoked = why
		if err := g.swap(ctx, s.store); err == nil {
			return nil
		} else if !conflicting(err) {
			return unavailable(err)
		}
	}
	return unavailable(errBusy)
}
