package authserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
	"github.com/holdfast-oauth/holdfast/store"
)

// tokenIDBytes is the size of a jti.
const tokenIDBytes = 16

// accessToken is what an access token of ours says.
type accessToken struct {
	ID       string    `json:"jti"` // jti
	Client   string    `json:"client"`
	Subject  string    `json:"sub"` // of client_credentials: the client_id
	Scope    []string  `json:"scope"`
	Resource string    `json:"aud"` // aud
	Holder   binding   `json:"holder,omitzero"`
	Session  string    `json:"sid,omitempty"`   // sid
	Grant    *[32]byte `json:"grant,omitempty"` // key of the grant that it came from; nil: of none
	AuthTime time.Time `json:"auth_time,omitzero"`
	ACR      string    `json:"acr,omitempty"`
	Actor    string    `json:"act,omitempty"` // act.sub: who acts for the subject after a token exchange (RFC 8693 section 4.1)
	Issued   time.Time `json:"iat"`
	Expires  time.Time `json:"exp"`
}

// mint issues an access token for one resource: a JWT (RFC 9068) or a
// reference. It sets ID, Issued and Expires of t; an Issued that was set is the
// one, in whole seconds, an Expires the latest one that is allowed. The holder of
// a token for a resource that wants bearer tokens is removed.
func (s *Server) mint(ctx context.Context, t *accessToken) (holdfast.Secret, error) {
	r, ok := s.resource(t.Resource)
	if !ok {
		return holdfast.Secret{}, refuse(errInvalidTarget, "the resource is not offered any more")
	}
	if r.Unbound {
		t.Holder = binding{}
	}
	switch {
	case t.Client == "" || t.Subject == "": // RFC 9068 section 2.2: both are required
		return holdfast.Secret{}, errors.New("an access token without client or subject is not issued")
	case !t.Holder.JKT.IsZero() && !t.Holder.X5T.IsZero(): // RFC 7800 section 3.1: one key
		return holdfast.Secret{}, errors.New("an access token for a proof key and a certificate at once is not issued")
	case !t.Holder.bound() && !r.Unbound && !s.config.AllowUnbound:
		return holdfast.Secret{}, errors.New("an access token without a holder is not issued")
	}
	var id [tokenIDBytes]byte
	_, _ = rand.Read(id[:]) // never fails
	t.ID = jose.EncodeSegment(id[:])
	if t.Issued.IsZero() {
		t.Issued = s.now()
	}
	t.Issued = t.Issued.UTC().Truncate(time.Second)
	expires := t.Issued.Add(s.accessLifetime(r))
	if t.Expires.IsZero() || expires.Before(t.Expires) {
		t.Expires = expires
	}
	if r.Opaque {
		handle := newHandle()
		err := create(ctx, s.store, kindToken, keyOf(handle.Reveal()), t.Client, t.Expires, t)
		return handle, err
	}
	text, err := s.signing.sign(ctx, typAccess, s.claims(t))
	return holdfast.NewSecret(text), err
}

// accessLifetime is how long tokens for a resource live.
func (s *Server) accessLifetime(r *Resource) time.Duration {
	if r.Lifetime > 0 {
		return r.Lifetime
	}
	return s.config.AccessLifetime
}

// claims writes the claims of RFC 9068 section 2.2, without reflection: this is
// what a busy server does most.
func (s *Server) claims(t *accessToken) []byte {
	b := make([]byte, 0, 640)
	member := func(name, value string) {
		if value != "" {
			b = append(b, name...)
			b = appendText(b, value)
		}
	}
	member(`{"iss":`, s.config.Issuer)
	member(`,"sub":`, t.Subject)
	member(`,"client_id":`, t.Client)
	member(`,"aud":`, t.Resource)
	member(`,"jti":`, t.ID)
	b = strconv.AppendInt(append(b, `,"iat":`...), t.Issued.Unix(), 10)
	b = strconv.AppendInt(append(b, `,"exp":`...), t.Expires.Unix(), 10)
	member(`,"scope":`, strings.Join(t.Scope, " "))
	switch h := t.Holder; {
	case !h.JKT.IsZero(): // RFC 9449 section 6.1
		b = append(append(append(b, `,"cnf":{"jkt":"`...), h.JKT.String()...), `"}`...)
	case !h.X5T.IsZero(): // RFC 8705 section 3.1
		b = append(append(append(b, `,"cnf":{"x5t#S256":"`...), h.X5T.String()...), `"}`...)
	}
	if !t.AuthTime.IsZero() {
		b = strconv.AppendInt(append(b, `,"auth_time":`...), t.AuthTime.Unix(), 10)
	}
	member(`,"acr":`, t.ACR)
	member(`,"sid":`, t.Session)
	if t.Actor != "" {
		b = append(appendText(append(b, `,"act":{"sub":`...), t.Actor), '}')
	}
	if t.Grant != nil {
		member(`,"grant":`, jose.EncodeSegment(t.Grant[:]))
	}
	return append(b, '}')
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			text, _ := json.Marshal(s) // a string never fails
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// readAccess reads an access token of ours in either form and makes all state
// checks: signature, time, revocation, cut-offs, blocks (RFC 7662 section 4).
// The answer is nil if it is not active, for whatever reason; an error means
// that nobody could find out.
func (s *Server) readAccess(ctx context.Context, raw holdfast.Secret) (*accessToken, error) {
	t, err := s.unspent(ctx, raw)
	if t == nil || err != nil {
		return nil, err
	}
	if t.Grant != nil {
		g, err := load[grantRecord](ctx, s.store, kindGrant, *t.Grant)
		if missing(err) || err == nil && g.Value.Revoked != "" {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		// What came of an exchange dies with whom the grant was for.
		if of := g.Value.Approval; of.Client != t.Client {
			if ok, err := alive(s.standing(ctx, party{Client: of.Client, Holder: g.Value.Holder, At: of.At})); !ok {
				return nil, err
			}
		}
	}
	ok, err := alive(s.standing(ctx, party{Client: t.Client, Subject: t.Subject, Session: t.Session, Holder: t.Holder, At: t.Issued}))
	if !ok {
		return nil, err
	}
	return t, nil
}

// unspent reads an access token of ours that has not expired and was not revoked
// itself; nil if it is none. Whether its grant and its parties still stand is
// left open.
func (s *Server) unspent(ctx context.Context, raw holdfast.Secret) (*accessToken, error) {
	read := s.readJWT
	if opaque(raw) {
		read = s.readReference
	}
	t, err := read(ctx, raw)
	if t == nil || err != nil || !s.now().Before(t.Expires) {
		return nil, err
	}
	return t, nil
}

// opaque tells a reference, which is base64url, from a JWT.
func opaque(raw holdfast.Secret) bool { return !strings.Contains(raw.Reveal(), ".") }

// readReference reads a token that is a reference.
func (s *Server) readReference(ctx context.Context, raw holdfast.Secret) (*accessToken, error) {
	e, err := load[accessToken](ctx, s.store, kindToken, keyOf(raw.Reveal()))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &e.Value, nil
}

// readJWT reads a token that is a JWT of ours, unless it is revoked.
func (s *Server) readJWT(ctx context.Context, raw holdfast.Secret) (*accessToken, error) {
	facts, err := s.signing.read(ctx, raw)
	if err != nil || facts.State != holdfast.TokenAuthentic || facts.Type != typAccess {
		return nil, err
	}
	o, err := strictjson.Parse(string(facts.Claims), holdfast.MaxTokenBytes)
	if err != nil || len(facts.Audience) != 1 {
		return nil, nil
	}
	text := func(o strictjson.Object, name string) string {
		v, _ := o.Get(name)
		s, _ := v.Text()
		return s
	}
	act, _ := o.Get("act")
	actor, _ := act.Object()
	t := &accessToken{
		ID: text(o, "jti"), Client: facts.ClientID, Subject: facts.Subject, Scope: facts.Scope, Resource: facts.Audience[0],
		Holder:  binding{JKT: facts.Confirmation.JKT, X5T: facts.Confirmation.X5T},
		Session: text(o, "sid"), AuthTime: facts.AuthTime, ACR: facts.ACR, Actor: text(actor, "sub"),
		Issued: facts.IssuedAt, Expires: facts.Expires,
	}
	if grant := text(o, "grant"); grant != "" {
		key, err := jose.DecodeSegment(grant)
		if err != nil || len(key) != len(t.Grant) {
			return nil, nil
		}
		t.Grant = (*[32]byte)(key)
	}
	_, err = s.store.Get(ctx, kindRevoked, keyOf(t.ID))
	if missing(err) {
		return t, nil
	}
	return nil, err
}

// revokeAccess ends one access token, which unspent has returned for raw.
func (s *Server) revokeAccess(ctx context.Context, raw holdfast.Secret, t *accessToken) error {
	if opaque(raw) {
		return s.store.Delete(ctx, kindToken, keyOf(raw.Reveal()))
	}
	err := s.store.Create(ctx, store.Record{Kind: kindRevoked, Key: keyOf(t.ID), Owner: t.Client, Expires: t.Expires.Add(ringLeeway)})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("revoke an access token: %w", err)
	}
	return nil
}
