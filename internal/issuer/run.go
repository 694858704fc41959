package issuer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/login"
	"github.com/holdfast-oauth/holdfast/internal/ops"
	"github.com/holdfast-oauth/holdfast/store"
)

// Process is what [Run] may use of the process. All fields but Ready and Reopen
// are required.
type Process struct {
	Getenv  func(string) string
	Stdout  io.Writer    // where the audit log goes if it has no file
	Log     *slog.Logger // what the operator should know
	Version string       // in the metrics

	// Ready is told where the server listens, once it does. An error of it ends
	// the server.
	Ready func(Addresses) error

	Reopen <-chan struct{} // opens the audit log anew

	after func(time.Duration) <-chan time.Time // nil means time.After: set by tests only
}

// Addresses are where a running server listens: URLs, or unix:/path. Those of
// listeners that are not there are empty.
type Addresses struct {
	Public  string `json:"public"`
	MTLS    string `json:"mtls,omitempty"`
	Metrics string `json:"metrics,omitempty"`
	Admin   string `json:"admin,omitempty"`
}

// program is a server with everything that it uses. What was opened last is
// closed first.
type program struct {
	config  *Config
	process Process
	closers []func() error

	metrics *ops.Metrics
	audit   *ops.Audit
	records *recorder
	raw     store.Store // sealed bodies, as they are in the store
	server  *authserver.Server
	users   *login.Users // nil: nobody has a password here
	health  *ops.Health
}

// Run checks the configuration and serves it until ctx ends. It then is not
// ready any more, waits for stop.delay, accepts no further connections, finishes
// what is under way within stop.drain, and closes what it has opened. The error
// says what kept it from starting, or what failed.
func Run(ctx context.Context, c *Config, p Process) (err error) {
	if err := c.Check(ctx, p.Getenv); err != nil {
		return err
	}
	if p.after == nil {
		p.after = time.After
	}
	g := &program{config: c, process: p, metrics: ops.NewMetrics(p.Version)}
	defer func() { err = errors.Join(err, g.close()) }()
	if err := g.open(ctx); err != nil {
		return err
	}
	servers, addresses, err := g.listen(ctx)
	if err != nil {
		return err
	}
	if p.Ready != nil {
		if err := p.Ready(addresses); err != nil {
			for _, s := range servers {
				s.Listener.Close()
			}
			return err
		}
	}
	return g.serve(ctx, servers)
}

// later remembers what has to be closed.
func (g *program) later(f func() error) { g.closers = append(g.closers, f) }

func (g *program) close() error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		errs = append(errs, g.closers[i]())
	}
	return errors.Join(errs...)
}

// open opens the audit log and the stores and makes the server.
func (g *program) open(ctx context.Context) error {
	c, p := g.config, g.process
	path := c.Audit
	if path == auditStdout {
		path = ""
	}
	var err error
	g.audit, err = ops.OpenAudit(path, p.Stdout, func(err error) { p.Log.Error("decisions are not written down", "error", err) })
	if err != nil {
		return err
	}
	g.later(g.audit.Close)
	g.records = newRecorder(g.metrics, g.audit)

	settings, err := c.settings(ctx, p.Getenv)
	if err != nil {
		return err
	}
	if settings.SealingKeys, err = c.sealingKeys(p.Getenv, true); err != nil {
		return err
	}
	if g.raw, err = store.Open(ctx, c.Store); err != nil {
		return err
	}
	g.later(g.raw.Close)
	settings.Store = counting(g.raw, g.metrics)
	settings.Audit = g.records.record
	if err := g.share(ctx, &settings); err != nil {
		return err
	}
	if err := g.people(&settings); err != nil {
		return err
	}
	if g.server, err = authserver.New(ctx, settings); err != nil {
		return err
	}
	g.later(g.server.Close)
	g.health = ops.NewHealth(p.Log, readyChecks(settings.Store, settings.Proof.Replays, g.server.Handler(), g.base())...)
	return nil
}

// share opens what replicas share besides the store.
func (g *program) share(ctx context.Context, settings *authserver.Config) error {
	c := g.config
	if c.Replays != "" {
		r, err := store.OpenReplays(ctx, c.Replays)
		if err != nil {
			return fmt.Errorf("replays: %w", err)
		}
		g.later(r.Close)
		settings.Proof.Replays = r
	}
	if c.Nonces.Store == "" {
		return nil
	}
	key, err := c.Nonces.SealingKey.ReadKey(g.process.Getenv)
	if err != nil {
		return fmt.Errorf("nonces.sealing_key: %w", err)
	}
	n, err := store.OpenNonceKeys(ctx, c.Nonces.Store, store.NonceKeysConfig{SealingKey: key, Realm: c.Issuer})
	if err != nil {
		return fmt.Errorf("nonces: %w", err)
	}
	g.later(n.Close)
	settings.Proof.Nonces = n
	return nil
}

// people says who can log in.
func (g *program) people(settings *authserver.Config) error {
	if !g.config.Users {
		return nil
	}
	sealed, err := store.Seal(settings.Store, settings.SealingKeys...)
	if err != nil {
		return err
	}
	if g.users, err = login.NewUsers(login.UsersConfig{Store: marking(sealed)}); err != nil {
		return err
	}
	settings.Directory = g.users
	return nil
}

// base is the path of the issuer, without a slash at the end.
func (g *program) base() string {
	u, err := url.Parse(g.config.Issuer)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

// listen opens the listeners, all of them or none.
func (g *program) listen(ctx context.Context) (servers []ops.Server, a Addresses, err error) {
	defer func() {
		if err != nil {
			for _, s := range servers {
				s.Listener.Close()
			}
		}
	}()
	c := g.config
	proxies, err := c.Listen.Public.networks()
	if err != nil {
		return nil, a, err
	}
	measured := func(name string, h http.Handler) http.Handler {
		return g.metrics.Latency("holdfast_"+name+"_request_seconds", "How long requests took.", endpointOf(g.base()), h)
	}
	for _, l := range []struct {
		name string
		ops.Endpoint
		settings *tls.Config
		handler  func() http.Handler
		address  *string
		last     bool
	}{
		{name: "public", Endpoint: c.Listen.Public.Endpoint, address: &a.Public, handler: func() http.Handler {
			return c.Listen.Public.behind(proxies, measured("public", g.server.Handler()))
		}},
		{name: "mtls", Endpoint: c.Listen.MTLS, address: &a.MTLS, settings: &tls.Config{ClientAuth: tls.RequestClientCert}, handler: func() http.Handler {
			return measured("mtls", g.server.MTLSHandler())
		}},
		{name: "admin", Endpoint: c.Listen.Admin, address: &a.Admin, handler: g.adminHandler},
		{name: "metrics", Endpoint: c.Listen.Metrics, address: &a.Metrics, handler: g.metricsHandler, last: true},
	} {
		if l.Address == "" {
			continue
		}
		listener, err := ops.Listen(ctx, l.Endpoint, l.settings, func(err error) {
			g.process.Log.Error("the certificate stays as it was", "listener", l.name, "error", err)
		})
		if err != nil {
			return servers, a, fmt.Errorf("listen.%s: %w", l.name, err)
		}
		servers = append(servers, ops.Server{Name: l.name, Listener: listener, Handler: l.handler(), Last: l.last})
		*l.address = addressOf(listener, l.Certificate != "")
	}
	return servers, a, nil
}

// addressOf is how others reach a listener.
func addressOf(l net.Listener, encrypted bool) string {
	switch {
	case l.Addr().Network() == "unix":
		return "unix:" + l.Addr().String()
	case encrypted:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

func (g *program) metricsHandler() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /metrics", g.metrics.Handler())
	g.health.Handle(m)
	return m
}

// serve runs the servers and what goes with them.
func (g *program) serve(ctx context.Context, servers []ops.Server) error {
	running, end := context.WithCancel(context.Background())
	defer end()
	failed := make(chan error, 1)
	go func() {
		failed <- ops.Serve(running, time.Duration(g.config.Stop.Drain), g.process.Log, servers...)
	}()
	for {
		select {
		case err := <-failed:
			return err
		case <-g.process.Reopen:
			if err := g.audit.Reopen(); err != nil {
				g.process.Log.Error("the audit log stays as it was", "error", err)
			}
		case <-ctx.Done():
			g.health.Drain()
			g.process.Log.Info("stopping")
			select {
			case err := <-failed:
				return err
			case <-g.process.after(time.Duration(g.config.Stop.Delay)):
			}
			end()
			return <-failed
		}
	}
}
