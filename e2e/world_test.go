package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

// world is an authorization server, a resource that trusts it, one holder of a
// key and a clock for all three.
type world struct {
	t        *testing.T
	clock    *holdfasttest.Clock
	server   *holdfasttest.Server
	resource *holdfasttest.Resource
	key      *holdfast.Key
	tape     *tape
}

const clientID = "app"

func clientSecret() holdfast.Secret { return holdfast.NewSecret("the secret of the test client") }

func newWorld(t *testing.T, s holdfasttest.ServerConfig, r holdfasttest.ResourceConfig) *world {
	t.Helper()
	w := &world{t: t, clock: holdfasttest.NewClock(time.Now().Truncate(time.Second)), key: holdfasttest.NewKey(t), tape: &tape{}}
	s.Now = w.clock.Now
	s.Clients = append(s.Clients, holdfasttest.Client{ID: clientID, Secret: clientSecret(), RedirectURLs: []string{redirectURL}})
	w.server = holdfasttest.NewServer(t, s)
	r.Server = w.server
	w.resource = holdfasttest.NewResource(t, r)
	return w
}

const redirectURL = "https://app.example/callback"

// given is a source of one token.
type given struct{ token *client.Token }

// Token returns the token.
func (g given) Token(context.Context) (*client.Token, error) { return g.token, nil }

// token makes a token for the key of the world.
func (w *world) token(spec holdfasttest.TokenSpec) *client.Token {
	if spec.Key == nil {
		spec.Key = w.key
	}
	if spec.Audience == nil {
		spec.Audience = []string{w.resource.URL}
	}
	return &client.Token{Value: w.server.Issue(spec), Type: "DPoP", Key: w.key}
}

// transport is a Transport for the resource whose exchanges are on the tape.
func (w *world) transport(tokens client.TokenSource) *client.Transport {
	return &client.Transport{
		Tokens: tokens, Origins: []string{w.resource.URL}, Base: w.resource.Client().Transport,
		Now: w.clock.Now, OnExchange: w.tape.add,
	}
}

// get asks for a path of the resource.
func (w *world) get(c *http.Client, path string) *http.Response {
	w.t.Helper()
	return do(w.t, c, http.MethodGet, w.resource.URL+path, nil)
}

// do sends a request and reads the answer, whose body can be read again.
func do(t *testing.T, c *http.Client, method, target string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp
}

func wantStatus(t *testing.T, r *http.Response, want int) {
	t.Helper()
	if r.StatusCode != want {
		text, _ := io.ReadAll(r.Body)
		t.Fatalf("%s %s: status %d, want %d\n%s", r.Request.Method, r.Request.URL.Path, r.StatusCode, want, text)
	}
}

// tape is the evidence of a test, in the order in which answers came.
type tape struct {
	mu        sync.Mutex
	exchanges []holdfast.Exchange
}

func (p *tape) add(x *holdfast.Exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := *x
	c.ID = len(p.exchanges) + 1
	p.exchanges = append(p.exchanges, c)
}

// all returns what is on the tape so far.
func (p *tape) all() []holdfast.Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]holdfast.Exchange(nil), p.exchanges...)
}

// proofs returns the DPoP values of all requests on the tape.
func (p *tape) proofs() []string {
	var out []string
	for _, x := range p.all() {
		for _, proof := range x.Request.Proofs {
			out = append(out, proof.Reveal())
		}
	}
	return out
}

func (p *tape) wantDistinctProofs(t *testing.T) {
	t.Helper()
	seen := map[string]bool{}
	for _, proof := range p.proofs() {
		if seen[proof] {
			t.Error("one proof is in two requests")
		}
		seen[proof] = true
	}
}

// wantCause explains the tape: want is the cause that is found, "" that nothing
// failed in the end.
func (p *tape) wantCause(t *testing.T, want string) {
	t.Helper()
	wantCause(t, p.all(), explain.Knowledge{}, want)
}

func wantCause(t *testing.T, exchanges []holdfast.Exchange, k explain.Knowledge, want string) {
	t.Helper()
	if want == "" {
		wantDiagnosis(t, exchanges, k, explain.NoFailure, "")
		return
	}
	wantDiagnosis(t, exchanges, k, explain.Failure, want)
}

// published is what anybody can know of the two servers: their metadata and keys.
func (w *world) published() explain.Knowledge {
	w.t.Helper()
	c := w.server.Client()
	read := func(target string) []byte { return []byte(bodyOf(w.t, do(w.t, c, http.MethodGet, target, nil))) }
	return explain.Knowledge{
		Keys: [][]byte{read(w.server.Metadata().JWKSURI)},
		Metadata: [][]byte{
			read(w.server.URL + "/.well-known/oauth-authorization-server"),
			read(w.resource.URL + "/.well-known/oauth-protected-resource"),
		},
	}
}

// wantDiagnosis explains exchanges and compares the verdict and, unless want is
// empty, the best cause. With the verdict undetermined that is a candidate.
func wantDiagnosis(t *testing.T, exchanges []holdfast.Exchange, k explain.Knowledge, verdict explain.Verdict, want string) {
	t.Helper()
	d, err := explain.Explain(t.Context(), &explain.Evidence{Vantage: "client", Exchanges: exchanges}, k)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	if len(d.Causes) > 0 {
		got = d.Causes[0].Code
	}
	if d.Verdict != verdict || want != "" && got != want {
		var text bytes.Buffer
		if err := d.WriteText(&text, explain.TextOptions{Width: 120}); err != nil {
			t.Fatal(err)
		}
		t.Errorf("verdict %s, cause %q; want %s, %q\n%s", d.Verdict, got, verdict, want, &text)
	}
}

// recorder puts what passes through it on a tape, bodies included.
type recorder struct {
	base http.RoundTripper
	tape *tape
	now  func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (c *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	x := &holdfast.Exchange{Origin: "client", RequestHeader: r.Header.Clone(), Sent: c.now()}
	p, err := holdfast.Present(r, &url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host})
	if err != nil {
		return nil, err
	}
	x.Request = *p
	if r.Body != nil {
		if x.RequestBody, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(x.RequestBody))
	}
	resp, err := c.base.RoundTrip(r)
	if err != nil {
		x.Err = err.Error()
		c.tape.add(x)
		return nil, err
	}
	x.Status, x.Header = resp.StatusCode, resp.Header.Clone()
	if x.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(x.Body))
	c.tape.add(x)
	return resp, nil
}

// recording is an HTTP client for the authorization server, on the tape.
func (w *world) recording() *http.Client {
	c := w.server.Client()
	c.Transport = &recorder{base: c.Transport, tape: w.tape, now: w.clock.Now}
	return c
}

// bodyOf returns the body of an answer that do has read.
func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
