package issuer

import (
	"fmt"
	"io"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/ops"
)

// Defaults of a configuration. Those of the protocol are in package authserver.
const (
	DefaultDrain   = 20 * time.Second    // for requests that are under way at the end
	DefaultRotate  = 30 * 24 * time.Hour // how long a signing key signs
	DefaultOverlap = 15 * time.Minute    // how long it is published before

	maxStop = 10 * time.Minute
)

// Config is the configuration file of an authorization server. Issuer, listen,
// store and resources are required; what is absent is the safe choice. Read it
// with [Read].
type Config struct {
	Issuer string `yaml:"issuer"`
	Listen listen `yaml:"listen"`

	// Store is a data source name as store.Open reads it. SealingKeys encrypt
	// what is in it, newest first; an embedded store makes one at the first
	// start, in a file next to it.
	Store       string          `yaml:"store"`
	SealingKeys []ops.SecretRef `yaml:"sealing_keys,omitempty"`

	// Replicas of this server share Store, and the data source names of Replays
	// and Nonces.
	Replicas int    `yaml:"replicas,omitempty"`
	Replays  string `yaml:"replays,omitempty"`
	Nonces   nonces `yaml:"nonces,omitempty"`

	Resources []resource `yaml:"resources"`
	Clients   []client   `yaml:"clients,omitempty"`

	Profile      string `yaml:"profile,omitempty"` // default or fapi2
	AllowUnbound bool   `yaml:"allow_unbound,omitempty"`
	AllowSecrets bool   `yaml:"allow_secrets,omitempty"`
	RequirePAR   bool   `yaml:"require_par,omitempty"`

	Proof        proof        `yaml:"proof,omitempty"`
	Registration registration `yaml:"registration,omitempty"`
	Signing      signing      `yaml:"signing,omitempty"`

	MTLSURL   string `yaml:"mtls_url,omitempty"`   // where clients reach listen.mtls
	ClientCAs string `yaml:"client_cas,omitempty"` // PEM file: who signs certificates of tls_client_auth

	Users     bool       `yaml:"users,omitempty"` // people log in with a password here
	Upstreams []upstream `yaml:"upstreams,omitempty"`
	Templates string     `yaml:"templates,omitempty"` // folder of *.html that replace pages

	Origins   []string  `yaml:"origins,omitempty"` // sites whose scripts may call (CORS)
	Lifetimes lifetimes `yaml:"lifetimes,omitempty"`

	Audit string `yaml:"audit,omitempty"` // stdout or an absolute path
	Stop  stop   `yaml:"stop,omitempty"`
}

// listen are the listeners. Metrics and admin are there if they are named; an
// embedded store has the socket admin.sock next to it.
type listen struct {
	Public  public       `yaml:"public"`
	MTLS    ops.Endpoint `yaml:"mtls,omitempty"`
	Metrics ops.Endpoint `yaml:"metrics,omitempty"`
	Admin   ops.Endpoint `yaml:"admin,omitempty"`
}

// public is the listener of clients and browsers. Without a certificate it has to
// be local, or TLS has to end at proxies: networks such as 10.0.0.0/8, from which
// alone requests are taken then. What they say in X-Forwarded-For is believed, so
// that nobody else should be in these networks.
type public struct {
	ops.Endpoint `yaml:",inline"`
	Proxies      []string `yaml:"proxies,omitempty"`
}

// nonces are kept at a server that replicas share, sealed by a key of their own.
type nonces struct {
	Store      string        `yaml:"store,omitempty"`
	SealingKey ops.SecretRef `yaml:"sealing_key,omitempty"`
}

// resource is an authserver.Resource.
type resource struct {
	ID       string       `yaml:"id"`
	Scopes   []string     `yaml:"scopes"`
	Opaque   bool         `yaml:"opaque,omitempty"`
	Lifetime ops.Duration `yaml:"lifetime,omitempty"`
	Unbound  bool         `yaml:"unbound,omitempty"`
}

// proof is a holdfast.ProofPolicy.
type proof struct {
	Algorithms []string     `yaml:"algorithms,omitempty"`
	MaxAge     ops.Duration `yaml:"max_age,omitempty"`
	Skew       ops.Duration `yaml:"skew,omitempty"`
	Nonce      string       `yaml:"nonce,omitempty"` // required or optional
}

// registration says who may register clients.
type registration struct {
	By     string          `yaml:"by,omitempty"` // nobody, token or anybody
	Tokens []ops.SecretRef `yaml:"tokens,omitempty"`
}

// signing is an authserver.Signing. Keys are private keys in PEM (PKCS #8).
type signing struct {
	Alg     string          `yaml:"alg,omitempty"`
	Rotate  ops.Duration    `yaml:"rotate,omitempty"`
	Overlap ops.Duration    `yaml:"overlap,omitempty"`
	Keys    []ops.SecretRef `yaml:"keys,omitempty"`
}

// lifetimes are those of authserver.Config.
type lifetimes struct {
	Access      ops.Duration `yaml:"access,omitempty"`
	Code        ops.Duration `yaml:"code,omitempty"`
	Push        ops.Duration `yaml:"push,omitempty"`
	Device      ops.Duration `yaml:"device,omitempty"`
	RefreshIdle ops.Duration `yaml:"refresh_idle,omitempty"`
	Refresh     ops.Duration `yaml:"refresh,omitempty"`
	Session     ops.Duration `yaml:"session,omitempty"`
}

// stop says how the server ends: it is not ready for Delay, for balancers to
// notice, and then has Drain to finish what is under way.
type stop struct {
	Delay ops.Duration `yaml:"delay,omitempty"`
	Drain ops.Duration `yaml:"drain,omitempty"`
}

// Read reads a configuration file and fills in the defaults. What the values mean
// is for [Config.Check].
func Read(r io.Reader) (*Config, error) {
	c := &Config{}
	if err := ops.Decode(r, c); err != nil {
		return nil, err
	}
	c.settle()
	return c, nil
}

// Effective writes the configuration with its defaults. It holds no secret.
func Effective(w io.Writer, c *Config) error { return ops.Encode(w, c) }

// settle fills in the defaults.
func (c *Config) settle() {
	for _, d := range []struct {
		value     *ops.Duration
		otherwise time.Duration
	}{
		{&c.Lifetimes.Access, authserver.DefaultAccessLifetime},
		{&c.Lifetimes.Code, authserver.DefaultCodeLifetime},
		{&c.Lifetimes.Push, authserver.DefaultPushLifetime},
		{&c.Lifetimes.Device, authserver.DefaultDeviceLifetime},
		{&c.Lifetimes.RefreshIdle, authserver.DefaultRefreshIdle},
		{&c.Lifetimes.Refresh, authserver.DefaultRefreshLifetime},
		{&c.Lifetimes.Session, authserver.DefaultSessionLifetime},
		{&c.Signing.Rotate, DefaultRotate},
		{&c.Signing.Overlap, DefaultOverlap},
		{&c.Stop.Drain, DefaultDrain},
	} {
		if *d.value == 0 {
			*d.value = ops.Duration(d.otherwise)
		}
	}
	for _, d := range []struct {
		value     *string
		otherwise string
	}{
		{&c.Profile, profileDefault},
		{&c.Proof.Nonce, nonceRequired},
		{&c.Registration.By, registerNobody},
		{&c.Signing.Alg, "ES256"},
		{&c.Audit, auditStdout},
	} {
		if *d.value == "" {
			*d.value = d.otherwise
		}
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if path, ok := c.embedded(); ok && c.Listen.Admin.Address == "" {
		c.Listen.Admin.Address = "unix:" + adminSocket(path)
	}
}

// Words of the configuration.
const (
	profileDefault = "default"
	profileFAPI2   = "fapi2"
	nonceRequired  = "required"
	nonceOptional  = "optional"
	registerNobody = "nobody"
	registerToken  = "token"
	registerAny    = "anybody"
	auditStdout    = "stdout"
)

// word returns what a word of the configuration stands for.
func word[T any](field, value string, meanings map[string]T, words string) (T, error) {
	m, ok := meanings[value]
	if !ok {
		return m, fmt.Errorf("%s: %.40q, want %s", field, value, words)
	}
	return m, nil
}
