package authserver

import (
	"context"
	"crypto"
	"crypto/x509"
	"html/template"
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// Default lifetimes.
const (
	DefaultAccessLifetime  = 10 * time.Minute // of an access token
	DefaultCodeLifetime    = 60 * time.Second // of an authorization code
	DefaultPushLifetime    = 90 * time.Second // of a pushed request (RFC 9126 section 2.2)
	DefaultDeviceLifetime  = 10 * time.Minute // of a device code
	DefaultRefreshIdle     = 14 * 24 * time.Hour
	DefaultRefreshLifetime = 90 * 24 * time.Hour // of all refresh tokens of one grant together
	DefaultSessionLifetime = 12 * time.Hour      // of a login in a browser
	MaxAccessLifetime      = time.Hour
)

// Profile is a set of rules that goes beyond the defaults.
type Profile uint8

// The profiles.
const (
	ProfileDefault Profile = iota

	// ProfileFAPI2 is the FAPI 2.0 Security Profile: confidential clients that
	// authenticate by private_key_jwt or mTLS, pushed requests, no rotation of
	// refresh tokens, no RS256, no opaque exceptions from binding.
	ProfileFAPI2
)

// Registration says who may register clients (RFC 7591).
type Registration uint8

// The ways to register.
const (
	RegistrationClosed  Registration = iota // there is no endpoint
	RegistrationByToken                     // with one of Config.RegistrationTokens
	RegistrationOpen                        // anybody, at a limited rate
)

// Config configures [New]. Issuer, Store, SealingKeys and Resources are
// required; the zero value of everything else is the safe choice.
type Config struct {
	// Issuer is the https URL (http on loopback) that identifies the server; the
	// endpoints are below it. The handler serves the URL's path, if it has one.
	Issuer string

	// MTLSURL is the https URL of a second listener, which asks for client
	// certificates and is served by MTLSHandler. "" means no mTLS (RFC 8705).
	MTLSURL string

	// ClientCAs are who certificates of tls_client_auth clients must be signed
	// by. The roots of the system are never used.
	ClientCAs *x509.CertPool

	// Store keeps the records; replicas share it. SealingKeys encrypt them
	// before they leave the process: 32 random bytes each, newest first.
	Store       store.Store
	SealingKeys []holdfast.Secret

	Resources []Resource // the first is the default (RFC 8707 section 2)
	Clients   []Client   // clients that are configured here, besides those in the store

	// Proof says which proofs are accepted. Without a nonce source, one of this
	// process is made. Replicas > 1 requires shared Nonces and Replays.
	Proof    holdfast.ProofPolicy
	Replicas int

	Profile Profile

	// AllowUnbound lets clients that do not ask for binding get bearer tokens,
	// which anybody who has one can use.
	AllowUnbound bool

	// AllowSecrets admits client_secret_basic and client_secret_post. RFC 9700
	// section 2.5 advises against them.
	AllowSecrets bool

	RequirePAR bool // from every client (RFC 9126 section 5)

	Registration       Registration
	RegistrationTokens []holdfast.Secret // initial access tokens

	Signing Signing

	Directory Directory  // nil: nobody logs in with a password here
	Upstreams []Upstream // in the order of their buttons

	// Origins may call the token, PAR, revocation and registration endpoints
	// from a browser (CORS), such as https://app.example.
	Origins []string

	// Lifetimes; zero means the default of that name.
	AccessLifetime, CodeLifetime, PushLifetime, DeviceLifetime time.Duration
	RefreshIdle, RefreshLifetime, SessionLifetime              time.Duration

	// Templates replaces pages by name; see [Page].
	Templates *template.Template

	// HTTP fetches key sets of clients (jwks_uri). nil means a client that
	// refuses addresses inside a network.
	HTTP *http.Client

	// Audit is told of every decision, before it is answered. It must not block.
	Audit func(context.Context, Event)

	Now func() time.Time // nil means time.Now
}

// Resource is an API that tokens are issued for. ID and Scopes are required.
type Resource struct {
	ID       string        // its resource identifier (RFC 8707): the aud of tokens
	Scopes   []string      // that it offers
	Opaque   bool          // tokens are references that the resource introspects; otherwise JWT (RFC 9068)
	Lifetime time.Duration // of access tokens; 0 means Config.AccessLifetime
	Unbound  bool          // tokens are bearer tokens even if a proof was sent (RFC 9449 section 5)
}

// Client is a registered client and what this server lets it do.
type Client struct {
	metadata.Client

	// Secrets are the client's current secrets, of 16 bytes or more. Several
	// overlap while one replaces the other.
	Secrets []holdfast.Secret

	Resources   []string // identifiers it may get tokens for; nil means all
	SkipConsent bool     // of the operator's own clients
	Introspects []string // resources whose tokens it may introspect

	// MayExchange lets the client exchange tokens of other clients and holders
	// (RFC 8693). Of one that does not authenticate it says only that it may
	// exchange tokens of the Upstreams, which then anybody can who has one.
	MayExchange bool
}

// Signing says how JWT access tokens are signed.
type Signing struct {
	// Alg is ES256 (the default), EdDSA, PS256 or RS256.
	Alg holdfast.Alg

	// Signers are keys from elsewhere, such as hardware: the first signs, all
	// are published. None: the server makes keys, seals them into the store and
	// rotates them.
	Signers []crypto.Signer

	// Rotate is how long a key of the server signs; 0 means 30 days. Overlap is
	// how long a new key is published before it signs; 0 means 15 minutes.
	Rotate, Overlap time.Duration
}
