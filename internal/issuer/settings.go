package issuer

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"html/template"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/store"
)

// maxCAFile is the longest file of certificates that is read.
const maxCAFile = 4 << 20

// Check reports every mistake that can be found without opening a store, a
// listener or a connection. It reads the files that the configuration names.
// getenv is where environment variables are.
func (c *Config) Check(ctx context.Context, getenv func(string) string) error {
	var errs []error
	problem := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	c.checkSources(problem)
	c.checkListeners(problem)
	c.checkPeople(problem)
	if c.Audit != auditStdout && !filepath.IsAbs(c.Audit) {
		problem(fmt.Errorf("audit: %.200q, want stdout or an absolute path", c.Audit))
	}
	for _, d := range []struct {
		field string
		value ops.Duration
	}{{"stop.delay", c.Stop.Delay}, {"stop.drain", c.Stop.Drain}} {
		if time.Duration(d.value) > maxStop {
			problem(fmt.Errorf("%s: %v, want at most %v", d.field, time.Duration(d.value), maxStop))
		}
	}
	if !c.Nonces.SealingKey.IsZero() {
		_, err := c.Nonces.SealingKey.ReadKey(getenv)
		problem(err)
	}
	keys, err := c.sealingKeys(getenv, false)
	problem(err)
	if len(keys) == 0 {
		keys = []holdfast.Secret{standIn()}
	}
	settings, err := c.settings(ctx, getenv)
	problem(err)
	problem(rehearse(ctx, settings, keys, c.Replicas))
	return errors.Join(errs...)
}

// rehearse lets the server judge its settings, with a store of this process.
func rehearse(ctx context.Context, settings authserver.Config, keys []holdfast.Secret, replicas int) error {
	settings.Store, settings.SealingKeys = store.NewMemory(nil), keys
	if replicas > 1 { // the data source names were judged before
		nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: settings.Issuer})
		if err != nil {
			return err
		}
		replays, err := holdfast.NewReplays(holdfast.ReplayConfig{})
		if err != nil {
			return err
		}
		settings.Proof.Nonces, settings.Proof.Replays = nonces, replays
	}
	s, err := authserver.New(ctx, settings)
	if err != nil {
		return err
	}
	return s.Close()
}

func (c *Config) checkListeners(problem func(error)) {
	place := func(field string, err error) {
		if err != nil {
			problem(fmt.Errorf("listen.%s: %w", field, err))
		}
	}
	for _, l := range []struct {
		field string
		ops.Endpoint
		local, needed bool
	}{
		{"public", c.Listen.Public.Endpoint, false, true},
		{"mtls", c.Listen.MTLS, false, c.MTLSURL != ""},
		{"metrics", c.Listen.Metrics, false, false},
		{"admin", c.Listen.Admin, true, false},
	} {
		if l.Address == "" {
			if l.needed {
				place(l.field, errors.New("address: one is needed"))
			}
			continue
		}
		if err := l.Check(l.local); err != nil {
			place(l.field, err)
			continue
		}
		if l.Certificate != "" {
			_, err := tls.LoadX509KeyPair(l.Certificate, l.Key)
			place(l.field, err)
		}
	}
	p := c.Listen.Public
	if p.Address != "" && p.Certificate == "" && len(p.Proxies) == 0 && !p.Local() {
		place("public", errors.New("certificate: one is needed where others can connect, unless TLS ends at proxies"))
	}
	_, err := p.networks()
	place("public", err)
	if c.Listen.MTLS.Address != "" {
		if c.MTLSURL == "" {
			problem(errors.New("mtls_url: the address of listen.mtls for clients is needed"))
		}
		if c.Listen.MTLS.Certificate == "" {
			place("mtls", errors.New("certificate: one is needed"))
		}
	}
}

// networks are the proxies.
func (p *public) networks() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for i, text := range p.Proxies {
		network, err := netip.ParsePrefix(text)
		if err != nil || network != network.Masked() {
			return nil, fmt.Errorf("proxies[%d]: %.60q, want a network such as 10.0.0.0/8", i, text)
		}
		out = append(out, network)
	}
	return out, nil
}

// settings are those of the server that need nothing to be opened but files.
func (c *Config) settings(ctx context.Context, getenv func(string) string) (authserver.Config, error) {
	out := authserver.Config{
		Issuer: c.Issuer, MTLSURL: c.MTLSURL, Replicas: c.Replicas,
		AllowUnbound: c.AllowUnbound, AllowSecrets: c.AllowSecrets, RequirePAR: c.RequirePAR, Origins: c.Origins,
		AccessLifetime: time.Duration(c.Lifetimes.Access), CodeLifetime: time.Duration(c.Lifetimes.Code),
		PushLifetime: time.Duration(c.Lifetimes.Push), DeviceLifetime: time.Duration(c.Lifetimes.Device),
		RefreshIdle: time.Duration(c.Lifetimes.RefreshIdle), RefreshLifetime: time.Duration(c.Lifetimes.Refresh),
		SessionLifetime: time.Duration(c.Lifetimes.Session),
	}
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	out.Profile, err = word("profile", c.Profile, map[string]authserver.Profile{
		profileDefault: authserver.ProfileDefault, profileFAPI2: authserver.ProfileFAPI2,
	}, "default or fapi2")
	keep(err)
	out.Registration, err = word("registration.by", c.Registration.By, map[string]authserver.Registration{
		registerNobody: authserver.RegistrationClosed, registerToken: authserver.RegistrationByToken, registerAny: authserver.RegistrationOpen,
	}, "nobody, token or anybody")
	keep(err)
	out.RegistrationTokens, err = secrets("registration.tokens", c.Registration.Tokens, getenv)
	keep(err)
	out.Proof, err = c.Proof.policy(c.Issuer)
	keep(err)
	out.Signing, err = c.Signing.settled(getenv)
	keep(err)
	for _, r := range c.Resources {
		out.Resources = append(out.Resources, authserver.Resource{ID: r.ID, Scopes: r.Scopes, Opaque: r.Opaque, Lifetime: time.Duration(r.Lifetime), Unbound: r.Unbound})
	}
	for i := range c.Clients {
		k, err := c.Clients[i].settled(getenv)
		keep(err)
		out.Clients = append(out.Clients, k)
	}
	out.Upstreams, err = c.providers(ctx, getenv)
	keep(err)
	out.ClientCAs, err = readCAs(c.ClientCAs)
	keep(err)
	out.Templates, err = readTemplates(c.Templates)
	keep(err)
	return out, errors.Join(errs...)
}

// policy returns the policy without stores. Replicas share the realm.
func (p *proof) policy(issuer string) (holdfast.ProofPolicy, error) {
	out := holdfast.ProofPolicy{MaxAge: time.Duration(p.MaxAge), Skew: time.Duration(p.Skew), Realm: issuer}
	for _, alg := range p.Algorithms {
		out.Algs = append(out.Algs, holdfast.Alg(alg))
	}
	var err error
	out.Nonce, err = word("proof.nonce", p.Nonce, map[string]holdfast.NonceMode{
		nonceRequired: holdfast.NonceRequired, nonceOptional: holdfast.NonceOptional,
	}, "required or optional")
	return out, err
}

func (s *signing) settled(getenv func(string) string) (authserver.Signing, error) {
	out := authserver.Signing{Alg: holdfast.Alg(s.Alg), Rotate: time.Duration(s.Rotate), Overlap: time.Duration(s.Overlap)}
	texts, err := secrets("signing.keys", s.Keys, getenv)
	if err != nil {
		return out, err
	}
	for i, text := range texts {
		signer, err := readSigner(text)
		if err != nil {
			return out, fmt.Errorf("signing.keys[%d]: %s: %w", i, s.Keys[i], err)
		}
		out.Signers = append(out.Signers, signer)
	}
	return out, nil
}

// readSigner reads a private key. What the parser says of it is not repeated.
func readSigner(text holdfast.Secret) (crypto.Signer, error) {
	if block, _ := pem.Decode([]byte(text.Reveal())); block != nil && block.Type == "PRIVATE KEY" {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if signer, ok := key.(crypto.Signer); ok {
				return signer, nil
			}
		}
	}
	return nil, errors.New("want a private key in PEM (PKCS #8), not encrypted")
}

func readCAs(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("client_cas: %w", err)
	}
	defer f.Close()
	text, err := fetch.ReadAll(f, maxCAFile)
	if err != nil {
		return nil, fmt.Errorf("client_cas: %s: %w", path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("client_cas: %s has no certificate in PEM", path)
	}
	return pool, nil
}

func readTemplates(folder string) (*template.Template, error) {
	if folder == "" {
		return nil, nil
	}
	t, err := template.ParseGlob(filepath.Join(folder, "*.html"))
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return t, nil
}
