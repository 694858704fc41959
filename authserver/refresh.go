package authserver

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// A refresh token is the base64url text of three parts of fixed length: the
// handle of its grant, its generation, and an HMAC-SHA256 of both under the seed
// of the grant. So the text of a token can be made again, and an old one of the
// family is told from a forged one without keeping any.
const (
	grantHandleBytes = 16
	generationBytes  = 4
	refreshBytes     = grantHandleBytes + generationBytes + sha256.Size
)

// rotationGrace is how long a token that was just spent gives its successor
// again to whom got it first: an answer may be lost on the way.
const rotationGrace = 10 * time.Second

// usedAfter is which part of the idle time may pass before a use is written
// down, where nothing else is written.
const usedAfter = 16

// refreshText is the refresh token of a generation.
func refreshText(handle [grantHandleBytes]byte, generation uint32, seed []byte) holdfast.Secret {
	text := make([]byte, 0, refreshBytes)
	text = append(text, handle[:]...)
	text = binary.BigEndian.AppendUint32(text, generation)
	m := hmac.New(sha256.New, seed)
	m.Write(text)
	return holdfast.NewSecret(jose.EncodeSegment(m.Sum(text)))
}

// refreshToken is the current refresh token of the grant; empty if it has none.
func (g *grant) refreshToken() holdfast.Secret {
	if len(g.Value.Seed) == 0 {
		return holdfast.Secret{}
	}
	return refreshText(g.handle, g.Value.Generation, g.Value.Seed)
}

// parseRefresh reads the parts of a refresh token that are not secret.
func parseRefresh(raw holdfast.Secret) (handle [grantHandleBytes]byte, generation uint32, ok bool) {
	b, err := jose.DecodeSegment(raw.Reveal())
	if err != nil || len(b) != refreshBytes {
		return handle, 0, false
	}
	return [grantHandleBytes]byte(b), binary.BigEndian.Uint32(b[grantHandleBytes:]), true
}

// readRefresh returns the grant that a refresh token of ours names and the
// generation of the token; nil if it is none of ours. It judges nothing else.
func (s *Server) readRefresh(ctx context.Context, raw holdfast.Secret) (*entry[grantRecord], uint32, error) {
	handle, generation, ok := parseRefresh(raw)
	if !ok {
		return nil, 0, nil
	}
	e, err := load[grantRecord](ctx, s.store, kindGrant, keyOf(string(handle[:])))
	switch {
	case missing(err):
		return nil, 0, nil
	case err != nil:
		return nil, 0, unavailable(err)
	case len(e.Value.Seed) == 0:
		return nil, 0, nil
	}
	want := refreshText(handle, generation, e.Value.Seed)
	if !hmac.Equal([]byte(want.Reveal()), []byte(raw.Reveal())) {
		return nil, 0, nil
	}
	return e, generation, nil
}

// refresh is the refresh token grant (RFC 6749 section 6). What the refresh
// token gives never changes: a request may ask for less for one access token.
func (s *Server) refresh(c *call) (any, error) {
	raw := holdfast.NewSecret(c.form.Get("refresh_token"))
	if raw.IsZero() {
		return nil, refuse(errInvalidRequest, "the parameter refresh_token is missing")
	}
	e, generation, err := s.readRefresh(c.Context(), raw)
	if err != nil {
		return nil, err
	}
	if e == nil || e.Value.Approval.Client != c.client.ClientID {
		return nil, refuse(errInvalidGrant, "the parameter refresh_token is unknown, expired or of another client")
	}
	g := &grant{entry: e}
	g.handle, _, _ = parseRefresh(raw)
	to, scope, err := s.target(c, e.Value.Approval.Resources, e.Value.Approval.Scope)
	if err != nil {
		return nil, err
	}
	holder, err := s.bindRefresh(c, e.Value.Holder, to)
	if err != nil {
		return nil, err
	}
	judged := holder
	if bound := e.Value.Holder.X5T; !bound.IsZero() {
		judged.X5T = bound // also if the proof is by another key
	}
	if err := s.stillApproved(c, &e.Value.Approval, judged); err != nil {
		return nil, err
	}
	if g, err = s.rotate(c, g, generation, holder); err != nil {
		return nil, err
	}
	return s.issue(c, g.access(to, scope), to, holder, g.refreshToken())
}

// bindRefresh is bind for a refresh token that may be bound itself (RFC 9449
// section 5, RFC 8705 section 4).
func (s *Server) bindRefresh(c *call, bound binding, to *Resource) (binding, error) {
	var need holdfast.ProofNeed
	if !bound.JKT.IsZero() {
		need.Refresh = &bound.JKT
	}
	if !bound.X5T.IsZero() && s.certificate(c) != bound.X5T {
		return binding{}, refuse(errInvalidGrant, "the parameter refresh_token is bound to a certificate that this connection does not show")
	}
	return s.bind(c, need, to)
}

// rotate uses a refresh token of a generation: the current one is succeeded by
// the next, and one that was just spent gives the same successor again to whom
// got it, once the answer may have been lost. Any other use of a spent token
// means that two have it, and ends the grant (RFC 9700 section 4.14.2).
func (s *Server) rotate(c *call, g *grant, generation uint32, holder binding) (*grant, error) {
	for range maxSwaps {
		v, now := &g.Value, s.now()
		switch {
		case v.Revoked != "":
			return nil, refuse(errInvalidGrant, "the parameter refresh_token was revoked")
		case !now.Before(v.Until), !now.Before(v.Used.Add(s.config.RefreshIdle)):
			return nil, refuse(errInvalidGrant, "the parameter refresh_token has expired")
		case generation > v.Generation:
			// It is one of ours: the store is older than it, as after a restore, and
			// takes spent tokens for fresh ones. Whoever has the newest cannot go on
			// anyway.
			if err := s.revokeGrant(c.Context(), g.Key, "refresh token newer than the store"); err != nil {
				return nil, err
			}
			return nil, refuse(errInvalidGrant, "the parameter refresh_token is newer than what this server remembers")
		case generation < v.Generation && s.again(c, v, generation, holder, now):
			return g, nil
		case generation < v.Generation:
			if err := s.revokeGrant(c.Context(), g.Key, "refresh token used twice"); err != nil {
				return nil, err
			}
			return nil, refuse(errInvalidGrant, "the parameter refresh_token was used before")
		}
		if s.config.Profile == ProfileFAPI2 { // section 5.3.2.1: no rotation
			if now.Sub(v.Used) < s.config.RefreshIdle/usedAfter {
				return g, nil
			}
			v.Used = now
		} else {
			v.Generation, v.Rotated, v.Used, v.By = generation+1, now, now, holder
		}
		err := g.swap(c.Context(), s.store)
		if err == nil {
			return g, nil
		}
		if !conflicting(err) {
			return nil, unavailable(err)
		}
		if g.entry, err = load[grantRecord](c.Context(), s.store, kindGrant, g.Key); missing(err) {
			return nil, refuse(errInvalidGrant, "the parameter refresh_token has expired")
		} else if err != nil {
			return nil, unavailable(err)
		}
	}
	return nil, unavailable(errBusy)
}

// again reports whether a spent token gives its successor again. Of a public
// client without a key nobody knows who asks.
func (s *Server) again(c *call, v *grantRecord, generation uint32, holder binding, now time.Time) bool {
	return generation == v.Generation-1 && now.Sub(v.Rotated) <= rotationGrace &&
		holder == v.By && (holder.bound() || !c.client.public())
}
