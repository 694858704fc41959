package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/store"
)

// The kinds of records. Keys are SHA-256 of an unguessable handle, or of what a
// record is about; bodies are JSON, sealed.
const (
	kindPushed    store.Kind = "pushed"    // authorization requests (RFC 9126); key: handle of the request_uri
	kindCode      store.Kind = "code"      // authorization codes; key: the code
	kindGrant     store.Kind = "grant"     // what a person or client was granted, with its refresh tokens; key: handle
	kindToken     store.Kind = "token"     // opaque access tokens; key: the token
	kindRevoked   store.Kind = "revoked"   // revoked JWT access tokens; key: the jti
	kindDevice    store.Kind = "device"    // device codes; key: the device code
	kindUserCode  store.Kind = "usercode"  // key: keyed hash of the user code
	kindSession   store.Kind = "session"   // logins of browsers; key: the cookie. Owner: subject
	kindConsent   store.Kind = "consent"   // key: subject and client. Owner: subject
	kindClient    store.Kind = "client"    // registered clients; key: client_id
	kindAssertion store.Kind = "assertion" // used client assertions; key: client and jti
	kindCutoff    store.Kind = "cutoff"    // see controls.go
	kindSeen      store.Kind = "seen"      // keys per client. Owner: client_id
	kindSigning   store.Kind = "signing"   // the ring of signing keys: one record
)

// handleBytes is the size of handles: codes, refresh tokens, request URIs.
const handleBytes = 32

// newHandle returns an unguessable value as base64url.
func newHandle() holdfast.Secret {
	var b [handleBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return holdfast.NewSecret(jose.EncodeSegment(b[:]))
}

// keyOf is the key of a record about the given values. A NUL between them keeps
// ("a", "bc") and ("ab", "c") apart.
func keyOf(values ...string) [32]byte {
	h := sha256.New()
	for i, v := range values {
		if i > 0 {
			h.Write([]byte{0})
		}
		h.Write([]byte(v))
	}
	return [32]byte(h.Sum(nil))
}

// entry is a record with its body read.
type entry[T any] struct {
	store.Record
	Value T
}

// load reads a record; the error is store.ErrNotFound or a failure of ours.
func load[T any](ctx context.Context, st store.Store, k store.Kind, key [32]byte) (*entry[T], error) {
	r, err := st.Get(ctx, k, key)
	if err != nil {
		return nil, err
	}
	return open[T](r)
}

// open reads the body of a record.
func open[T any](r store.Record) (*entry[T], error) {
	e := &entry[T]{Record: r}
	if err := json.Unmarshal(r.Body, &e.Value); err != nil {
		return nil, fmt.Errorf("the record of a %s cannot be read: %w", r.Kind, err)
	}
	return e, nil
}

// create writes a new record; store.ErrExists if there is one.
func create[T any](ctx context.Context, st store.Store, k store.Kind, key [32]byte, owner string, expires time.Time, v T) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("the record of a %s cannot be written: %w", k, err)
	}
	return st.Create(ctx, store.Record{Kind: k, Key: key, Owner: owner, Expires: expires, Body: body})
}

// swap writes the changed value, if nobody else has changed it since it was
// loaded; store.ErrConflict otherwise. After a success it may be swapped again.
func (e *entry[T]) swap(ctx context.Context, st store.Store) error {
	body, err := json.Marshal(e.Value)
	if err != nil {
		return fmt.Errorf("the record of a %s cannot be written: %w", e.Kind, err)
	}
	r := e.Record
	r.Body = body
	if err := st.Swap(ctx, r); err != nil {
		return err
	}
	e.Record = r
	e.Version++
	return nil
}

// missing reports whether the error only says that there is no such record.
func missing(err error) bool { return errors.Is(err, store.ErrNotFound) }

// conflicting reports whether the error only says that somebody else was first.
func conflicting(err error) bool { return errors.Is(err, store.ErrConflict) }

// binding is whom a token is bound to: a proof key, a certificate, or neither.
type binding struct {
	JKT holdfast.Thumbprint `json:"jkt,omitzero"`
	X5T holdfast.Thumbprint `json:"x5t,omitzero"`
}

// bound reports whether there is a holder.
func (b binding) bound() bool { return !b.JKT.IsZero() || !b.X5T.IsZero() }

// authorizationRequest is a checked request for authorization (RFC 6749 section
// 4.1.1): everything in it is allowed for the client. It is what a pushed
// request, a browser's ticket and a code hold.
type authorizationRequest struct {
	Client      string `json:"client"`
	RedirectURI string `json:"redirect"`

	// RedirectImplied says that the request had no redirect_uri: the token
	// request then needs none either (RFC 6749 section 4.1.3).
	RedirectImplied bool `json:"implied,omitempty"`

	State     string              `json:"state,omitempty"`
	FormPost  bool                `json:"form_post,omitempty"`
	Scope     []string            `json:"scope"`
	Resources []string            `json:"resources"`         // at least one
	Challenge string              `json:"challenge"`         // S256
	JKT       holdfast.Thumbprint `json:"jkt,omitzero"`      // dpop_jkt, or the key of the pushed request
	Prompt    string              `json:"prompt,omitempty"`  // "", none, login, consent
	MaxAge    *int                `json:"max_age,omitempty"` // seconds
	ACR       []string            `json:"acr,omitempty"`     // acr_values
	LoginHint string              `json:"hint,omitempty"`
	Pushed    *[32]byte           `json:"pushed,omitempty"` // key of the record to spend when the code is issued
}

// pushedRecord is a pushed request. Its record outlives Until by the time a
// login may take, so that it is seen to be spent.
type pushedRecord struct {
	Request authorizationRequest `json:"request"`
	Until   time.Time            `json:"until"`
	Spent   bool                 `json:"spent,omitempty"`
}

// approval is what somebody allowed a client to have.
type approval struct {
	Client    string    `json:"client"`
	Subject   string    `json:"sub"`
	Scope     []string  `json:"scope"`
	Resources []string  `json:"resources"`
	Session   string    `json:"sid,omitempty"` // public name of the browser session, never its cookie
	AuthTime  time.Time `json:"auth_time,omitzero"`
	ACR       string    `json:"acr,omitempty"`
	At        time.Time `json:"at"` // when it was allowed: what a cut-off is compared with
}

// codeRecord is an authorization code.
type codeRecord struct {
	Approval    approval `json:"approval"`
	RedirectURI string   `json:"redirect"`

	// RedirectImplied is that of the authorization request.
	RedirectImplied bool `json:"implied,omitempty"`

	Challenge string              `json:"challenge"`
	JKT       holdfast.Thumbprint `json:"jkt,omitzero"`
	Until     time.Time           `json:"until"`
	Spent     bool                `json:"spent,omitempty"`
	Grant     [32]byte            `json:"grant"` // key of the grant that it became
}

// grantRecord is a grant and the state of its refresh tokens: a token names the
// grant and a generation, and is authenticated by Seed. Exactly one generation
// is current.
type grantRecord struct {
	Approval   approval  `json:"approval"`
	Seed       []byte    `json:"seed,omitempty"`  // 32 random bytes; none: there is no refresh token
	Holder     binding   `json:"holder,omitzero"` // of a public client: who may refresh
	Generation uint32    `json:"generation"`
	Rotated    time.Time `json:"rotated,omitzero"`  // when the current generation was made
	By         binding   `json:"by,omitzero"`       // who made it: only they get it again
	Used       time.Time `json:"used,omitzero"`     // last refresh
	Until      time.Time `json:"until"`             // the end of the grant
	Revoked    string    `json:"revoked,omitempty"` // why; empty: it is alive
}

// deviceRecord is a device authorization (RFC 8628).
type deviceRecord struct {
	Client    string              `json:"client"`
	Scope     []string            `json:"scope"`
	Resources []string            `json:"resources"`
	JKT       holdfast.Thumbprint `json:"jkt,omitzero"` // key of the device authorization request, if it had a proof
	UserCode  [32]byte            `json:"user_code"`    // key of its kindUserCode record
	Until     time.Time           `json:"until"`
	Interval  int                 `json:"interval"` // seconds
	Polled    time.Time           `json:"polled,omitzero"`
	Decision  string              `json:"decision,omitempty"` // "", approved, denied, spent
	Approval  *approval           `json:"approval,omitempty"`
	Grant     [32]byte            `json:"grant"` // key of the grant that it became
}

// userCodeRecord leads from a user code to its device code.
type userCodeRecord struct {
	Device [32]byte `json:"device"`
}

// sessionRecord is a login of a browser.
type sessionRecord struct {
	ID      string    `json:"id"` // public name, the sid of tokens
	Person  Person    `json:"person"`
	Started time.Time `json:"started"`
	Through string    `json:"through"` // "password" or the name of an upstream
}

// consentRecord is what a person has allowed a client before.
type consentRecord struct {
	Client string              `json:"client"`
	Access map[string][]string `json:"access"` // scopes by resource
	At     time.Time           `json:"at"`
}
