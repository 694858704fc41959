package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// publicID is a client that authenticates with nothing.
const publicID = "native"

func publicClient() holdfasttest.Client {
	return holdfasttest.Client{ID: publicID, RedirectURLs: []string{redirectURL, "http://127.0.0.1/callback"}}
}

// client makes a client of the server whose requests are on the tape. Its
// metadata is found by the issuer alone.
func (w *world) client(change func(c *client.Config)) *client.Client {
	w.t.Helper()
	c := client.Config{
		Issuer: w.server.URL, ClientID: clientID, Auth: client.Auth{Method: client.AuthSecretBasic, Secret: clientSecret()},
		Key: w.key, Scope: []string{"read"}, Resource: []string{w.resource.URL}, RedirectURL: redirectURL,
		HTTP: w.recording(), Now: w.clock.Now,
	}
	if change != nil {
		change(&c)
	}
	out, err := client.New(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func public(c *client.Config) { c.ClientID, c.Auth = publicID, client.Auth{} }

// browse opens an authorization URL as a browser of a user who agrees, and
// returns where that leads: the redirect URL with the answer.
func (w *world) browse(address string) *url.URL {
	w.t.Helper()
	browser := w.server.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r := do(w.t, browser, http.MethodGet, address, nil)
	u, err := r.Location()
	if err != nil {
		w.t.Fatalf("no redirect: status %d: %s", r.StatusCode, bodyOf(w.t, r))
	}
	return u
}

// Every way to a token ends in a call that the resource accepts.
func TestFlows(t *testing.T) {
	code := func(t *testing.T, w *world, c *client.Client) (*client.Grant, error) {
		a, err := c.Begin(t.Context())
		if err != nil {
			return nil, err
		}
		return a.Finish(t.Context(), w.browse(a.URL()).Query())
	}
	tests := []struct {
		name   string
		server holdfasttest.ServerConfig
		config func(c *client.Config)
		run    func(t *testing.T, w *world, c *client.Client) (*client.Grant, error)
	}{
		{"client credentials", holdfasttest.ServerConfig{}, nil, func(t *testing.T, _ *world, c *client.Client) (*client.Grant, error) {
			return c.ClientCredentials(t.Context())
		}},
		{"authorization code, pushed", holdfasttest.ServerConfig{RequirePAR: true}, nil, code}, // PAR-5-01
		{"authorization code of a public client", holdfasttest.ServerConfig{}, public, code},
		{"authorization code to a loopback address", holdfasttest.ServerConfig{}, func(c *client.Config) {
			public(c)
			c.RedirectURL = "http://127.0.0.1/callback"
		}, func(t *testing.T, w *world, c *client.Client) (*client.Grant, error) {
			return c.LoginLoopback(t.Context(), func(address string) error {
				back := w.browse(address)
				go func() { // a browser waits for the page while the program goes on
					if r, err := http.Get(back.String()); err == nil {
						r.Body.Close()
					}
				}()
				return nil
			})
		}},
		{"device code", holdfasttest.ServerConfig{DevicePolls: 1}, public, func(t *testing.T, _ *world, c *client.Client) (*client.Grant, error) {
			return c.Device(t.Context(), func(client.DeviceCode) error { return nil })
		}},
		{"token exchange", holdfasttest.ServerConfig{}, nil, func(t *testing.T, w *world, c *client.Client) (*client.Grant, error) {
			subject := w.server.Issue(holdfasttest.TokenSpec{Key: holdfasttest.NewKey(t), Scope: "read"})
			return c.Exchange(t.Context(), client.ExchangeRequest{Subject: subject})
		}},
		{"opaque tokens", holdfasttest.ServerConfig{Opaque: true}, nil, func(t *testing.T, _ *world, c *client.Client) (*client.Grant, error) {
			return c.ClientCredentials(t.Context())
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.server.Clients = []holdfasttest.Client{publicClient()}
			w := newWorld(t, tt.server, holdfasttest.ResourceConfig{Need: holdfast.Requirement{Scope: []string{"read"}}})
			c := w.client(tt.config)
			g, err := tt.run(t, w, c)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.EqualFold(g.Token.Type, "DPoP") || g.Token.Key != w.key || !slices.Equal(g.Scope, []string{"read"}) || len(g.Warnings) > 0 { // D-5-01, D-5-02
				t.Errorf("type %q, scope %q, warnings %q", g.Token.Type, g.Scope, g.Warnings)
			}
			calls := &http.Client{Transport: w.transport(c.Source(client.NewMemoryStore(g)))}
			wantStatus(t, w.get(calls, "/"), http.StatusOK)
			w.tape.wantDistinctProofs(t) // D-4-01
			w.tape.wantCause(t, "")
		})
	}
}

func TestGrantEnds(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{Opaque: true, Clients: []holdfasttest.Client{publicClient()}}, holdfasttest.ResourceConfig{})
	c := w.client(public)
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := a.Finish(t.Context(), w.browse(a.URL()).Query())
	if err != nil {
		t.Fatal(err)
	}
	calls := &http.Client{Transport: w.transport(given{g.Token})}
	wantStatus(t, w.get(calls, "/"), http.StatusOK)
	if err := c.Revoke(t.Context(), g); err != nil { // REV-2-01
		t.Fatal(err)
	}
	wantStatus(t, w.get(calls, "/"), http.StatusUnauthorized)
	w.tape.wantCause(t, "token-revoked")
	if _, err := c.Refresh(t.Context(), g); err == nil {
		t.Error("a revoked grant was refreshed")
	}
}

// All callers find out at once that the token has expired.
func TestManyCallersOnAnExpiredToken(t *testing.T) {
	const callers = 100
	tests := []struct {
		name  string
		known bool // the client was told when the token expires
	}{
		{"that the client knows to be expired", true},
		{"that only the resource knows to be expired", false}, // B-3.1-05
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, holdfasttest.ServerConfig{Clients: []holdfasttest.Client{publicClient()}}, holdfasttest.ResourceConfig{})
			c := w.client(public)
			a, err := c.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			g, err := a.Finish(t.Context(), w.browse(a.URL()).Query())
			if err != nil {
				t.Fatal(err)
			}
			if !tt.known {
				g.Token.Expires = time.Time{}
			}
			tr := w.transport(c.Source(client.NewMemoryStore(g)))
			calls := &http.Client{Transport: tr}
			wantStatus(t, w.get(calls, "/"), http.StatusOK)
			w.clock.Advance(holdfasttest.DefaultLifetime + time.Minute)
			before := w.server.TokenRequests()

			if err := together(callers, func() error { return getOK(calls, w.resource.URL) }); err != nil {
				t.Fatal(err)
			}
			// One refresh; the nonce of the server has expired meanwhile.
			if n := w.server.TokenRequests() - before; n > 2 {
				t.Errorf("%d token requests for one refresh", n)
			}
			w.tape.wantDistinctProofs(t) // D-7-02
		})
	}
}

func TestServerThatIgnoresProofs(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{Faults: holdfasttest.Faults{IgnoreProofs: true}}, holdfasttest.ResourceConfig{})
	_, err := w.client(nil).ClientCredentials(t.Context())
	var e *client.Error
	if !errors.As(err, &e) { // D-5-10
		t.Fatalf("error %v: a Bearer token was accepted", err)
	}
	w.tape.wantCause(t, "as-ignored-proof")

	g, err := w.client(func(c *client.Config) { c.AllowBearer = true }).ClientCredentials(t.Context())
	if err != nil || len(g.Warnings) == 0 || g.Token.Key != nil {
		t.Fatalf("error %v, grant %v", err, g)
	}
	tr := w.transport(given{g.Token})
	tr.AllowBearer = true
	wantStatus(t, w.get(&http.Client{Transport: tr}, "/"), http.StatusUnauthorized) // the resource wants bound tokens
	w.tape.wantCause(t, "as-ignored-proof")
}

func TestWrongAudience(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{Faults: holdfasttest.Faults{WrongAudience: true}}, holdfasttest.ResourceConfig{})
	g, err := w.client(nil).ClientCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, w.get(&http.Client{Transport: w.transport(given{g.Token})}, "/"), http.StatusUnauthorized)
	wantCause(t, w.tape.all(), w.published(), "audience-mismatch")
}

// The client has lost its key and made another one.
func TestRefreshWithAnotherKey(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{Clients: []holdfasttest.Client{publicClient()}}, holdfasttest.ResourceConfig{})
	c := w.client(public)
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := a.Finish(t.Context(), w.browse(a.URL()).Query())
	if err != nil {
		t.Fatal(err)
	}
	lost := *g
	lost.Key = holdfasttest.NewKey(t)
	_, err = c.Refresh(t.Context(), &lost)
	var e *client.Error
	if !errors.As(err, &e) || e.Code != "invalid_grant" || !strings.Contains(e.Hint, "key") { // D-5-08
		t.Fatalf("error %v", err)
	}
	w.tape.wantCause(t, "refresh-key-mismatch")
	// What the error itself carries is redacted: it must not mislead.
	wantDiagnosis(t, []holdfast.Exchange{*e.Exchange}, explain.Knowledge{}, explain.Undetermined, "")
}

func TestServerWithNoncesThatNeverWork(t *testing.T) {
	for name, f := range map[string]holdfasttest.Faults{
		"stale already": {StaleNonces: true}, "always the same": {NonceNeverChanges: true}, // D-8-12
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, holdfasttest.ServerConfig{Faults: f}, holdfasttest.ResourceConfig{})
			_, err := w.client(nil).ClientCredentials(t.Context())
			var e *client.Error
			if !errors.As(err, &e) || e.Code != "use_dpop_nonce" {
				t.Fatalf("error %v", err)
			}
			if n := w.server.TokenRequests(); n > 2 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestServerWithAHugeAnswer(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	c := w.client(func(c *client.Config) { c.HTTP = w.server.Client() }) // the recorder would read all of it
	w.server.Inject(holdfasttest.Faults{HugeResponse: true})
	if _, err := c.ClientCredentials(t.Context()); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("error %v", err)
	}
}

func TestClockOfTheServerIsOff(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{Nonce: holdfast.NonceOptional, Faults: holdfasttest.Faults{ClockOffset: 5 * time.Minute}}, holdfasttest.ResourceConfig{})
	if _, err := w.client(nil).ClientCredentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.server.TokenRequests(); n != 2 {
		t.Errorf("%d token requests, want 2", n)
	}
}

// The keys of the server change under way; tokens of before stay good.
func TestKeyRotation(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{Lifetime: time.Hour}, holdfasttest.ResourceConfig{})
	old := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	wantStatus(t, w.get(old, "/"), http.StatusOK)
	w.server.RotateKeys()
	w.clock.Advance(time.Minute) // the resource looks for an unknown key once in a while
	renewed := &http.Client{Transport: w.transport(given{w.token(holdfasttest.TokenSpec{})})}
	wantStatus(t, w.get(renewed, "/"), http.StatusOK)
	wantStatus(t, w.get(old, "/"), http.StatusOK)
	w.tape.wantCause(t, "")
}

// A token bound to a certificate (RFC 8705): no proof, but the same certificate.
func TestCertificateBoundToken(t *testing.T) {
	certificate := holdfasttest.NewCertificate(t, "service")
	w := newWorld(t, holdfasttest.ServerConfig{Clients: []holdfasttest.Client{{ID: "service", Certificate: certificate.Leaf}}}, holdfasttest.ResourceConfig{})
	c := w.client(func(c *client.Config) {
		c.ClientID, c.Key, c.HTTP = "service", nil, w.server.Client()
		c.Auth = client.Auth{Method: client.AuthSelfSignedTLS, Certificate: &certificate}
	})
	g, err := c.ClientCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tr := w.transport(given{g.Token})
	tr.AllowBearer, tr.Base = true, w.resource.Client(certificate).Transport // M-3-02
	wantStatus(t, w.get(&http.Client{Transport: tr}, "/"), http.StatusOK)

	thief := w.transport(given{g.Token})
	thief.AllowBearer, thief.Base = true, w.resource.Client(holdfasttest.NewCertificate(t, "service")).Transport
	wantStatus(t, w.get(&http.Client{Transport: thief}, "/"), http.StatusUnauthorized) // M-3-04
}

// The evidence of a whole session, shared in public, still explains.
func TestRedactedEvidenceExplainsTheSame(t *testing.T) {
	w := newWorld(t, holdfasttest.ServerConfig{}, holdfasttest.ResourceConfig{})
	g, err := w.client(nil).ClientCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Hour)
	wantStatus(t, w.get(&http.Client{Transport: w.transport(given{g.Token})}, "/"), http.StatusUnauthorized)
	w.tape.wantCause(t, "token-expired")
	redacted := explain.Redact(&explain.Evidence{Vantage: "client", Exchanges: w.tape.all()})
	wantCause(t, redacted.Exchanges, explain.Knowledge{}, "token-expired")
	for _, x := range redacted.Exchanges {
		for _, secret := range []string{g.Token.Value.Reveal(), clientSecret().Reveal()} {
			if strings.Contains(fmt.Sprint(x.RequestHeader, x.Header)+string(x.RequestBody)+string(x.Body), secret) {
				t.Errorf("exchange %d still holds a secret", x.ID)
			}
		}
	}
}
