package resource

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/token"
)

const (
	issuer   = "https://as.example.com"
	public   = "https://api.example.com/v1" // a proxy removes /v1
	audience = "https://api.example.com"
)

var startTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is set by a test and read by servers.
type clock struct{ nanos atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) Set(t time.Time)         { c.nanos.Store(t.UnixNano()) }
func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// countingReplays remembers everything, counts and can be broken.
type countingReplays struct {
	mu   sync.Mutex
	seen map[holdfast.ReplayID]bool
	uses int
	err  error
}

func (c *countingReplays) Use(_ context.Context, id holdfast.ReplayID, _ time.Time) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	if c.err != nil {
		return false, c.err
	}
	if c.seen == nil {
		c.seen = map[holdfast.ReplayID]bool{}
	}
	first := !c.seen[id]
	c.seen[id] = true
	return first, nil
}

func (c *countingReplays) Peek(_ context.Context, id holdfast.ReplayID) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[id], c.err
}

func (c *countingReplays) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uses
}

// lockedBuffer is a log that handlers write and a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is an issuer, a holder and a protected server that listens on loopback
// with TLS and is addressed as [public].
type world struct {
	t       testing.TB
	clock   clock
	signer  *ecdsa.PrivateKey // of the issuer
	key     *holdfast.Key
	replays *countingReplays
	config  Config
	need    holdfast.Requirement
	guard   *Guard
	srv     *httptest.Server
	reached atomic.Int32
	handler http.HandlerFunc // behind the guard; nil says hello
	log     lockedBuffer
	denied  chan *holdfast.Report
}

func newKey(t testing.TB) *holdfast.Key {
	t.Helper()
	k, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newWorld starts the server; change adapts the configuration before.
func newWorld(t testing.TB, change func(*world)) *world {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, signer: signer, key: newKey(t), replays: &countingReplays{}, denied: make(chan *holdfast.Report, 100)}
	w.clock.Set(startTime)
	set, err := token.ParseJWKS(w.jwks())
	if err != nil {
		t.Fatal(err)
	}
	set.Issuer = issuer
	w.config = Config{
		PublicURL: public,
		Verify: holdfast.Config{
			Tokens: token.NewJWT([]token.KeySet{set}), Issuers: []string{issuer}, Audience: []string{audience},
			Proof: holdfast.ProofPolicy{Replays: w.replays, Now: w.clock.Now},
		},
		Log:    slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnDeny: func(_ context.Context, r *holdfast.Report) { w.denied <- r },
	}
	if change != nil {
		change(w)
	}
	if w.guard, err = New(w.config); err != nil {
		t.Fatal(err)
	}
	protected, err := w.guard.Protect(w.need, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.reached.Add(1)
		if w.handler != nil {
			w.handler(rw, r)
			return
		}
		_, _ = io.WriteString(rw, "hello")
	}))
	if err != nil {
		t.Fatal(err)
	}
	w.srv = httptest.NewUnstartedServer(protected)
	w.srv.EnableHTTP2 = true
	w.srv.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that a client gave up
	w.srv.Config.MaxHeaderBytes = 4 << 20              // what net/http would cut is to reach the guard
	w.srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	w.srv.StartTLS()
	t.Cleanup(w.srv.Close)
	return w
}

func (w *world) jwks() []byte {
	w.t.Helper()
	k, err := jose.NewPublicKey(w.signer.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	return []byte(`{"keys":[` + strings.TrimSuffix(k.JWK(), "}") + `,"kid":"k1","use":"sig"}]}`)
}

// claims are those of a good token that is bound to the key of the world.
func (w *world) claims(change ...func(map[string]any)) map[string]any {
	now := w.clock.Now().Unix()
	c := map[string]any{
		"iss": issuer, "sub": "user-1", "client_id": "client-1", "aud": audience, "scope": "read", "jti": "t1",
		"iat": now, "exp": now + 600, "cnf": map[string]any{"jkt": w.key.Thumbprint().String()},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func with(name string, value any) func(map[string]any) {
	return func(c map[string]any) {
		if value == nil {
			delete(c, name)
			return
		}
		c[name] = value
	}
}

func (w *world) token(change ...func(map[string]any)) string {
	w.t.Helper()
	return w.sign(`{"alg":"ES256","typ":"at+jwt","kid":"k1"}`, w.claims(change...))
}

func (w *world) sign(header string, claims map[string]any) string {
	w.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := jose.Sign(w.signer, jose.ES256, header, string(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// call is one request: what arrives, and what its proof is made for.
type call struct {
	method, path  string // path below the server; the proof is for public + path
	token         string
	scheme        string
	key           *holdfast.Key
	nonce         string
	at            time.Time
	proofFor      string // URL of the proof if it is not that of the request
	proofMethod   string
	proofToken    string // of ath, if it is not the token that is sent
	authorization []string
	proofs        []string
	bare          bool // no proof
	header        http.Header
	body          io.Reader
	client        *http.Client
}

// good is a request that is accepted.
func (w *world) good() *call {
	return &call{method: http.MethodGet, path: "/orders", token: w.token(), scheme: "DPoP", key: w.key, at: w.clock.Now(), header: http.Header{}}
}

func (w *world) proof(c *call) string {
	w.t.Helper()
	target := c.proofFor
	if target == "" {
		target = public + c.path
	}
	u, err := url.Parse(target)
	if err != nil {
		w.t.Fatal(err)
	}
	method, tok := c.proofMethod, c.proofToken
	if method == "" {
		method = c.method
	}
	if tok == "" {
		tok = c.token
	}
	p, err := c.key.Prove(holdfast.ProofClaims{Method: method, URL: u, Token: holdfast.NewSecret(tok), Nonce: c.nonce, Time: c.at})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// fill settles the credentials of a call that are not given.
func (w *world) fill(c *call) {
	if c.authorization == nil && c.scheme != "" {
		c.authorization = []string{c.scheme + " " + c.token}
	}
	if c.proofs == nil && !c.bare {
		c.proofs = []string{w.proof(c)}
	}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (w *world) do(c *call) *answer {
	w.t.Helper()
	w.fill(c)
	r, err := http.NewRequestWithContext(w.t.Context(), c.method, w.srv.URL+c.path, c.body)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, v := range c.header {
		r.Header[name] = v
	}
	for _, v := range c.authorization {
		r.Header.Add("Authorization", v)
	}
	for _, v := range c.proofs {
		r.Header.Add("DPoP", v)
	}
	client := c.client
	if client == nil {
		client = w.srv.Client()
	}
	resp, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read(resp)
}

func (w *world) read(resp *http.Response) *answer {
	w.t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return &answer{resp, string(b)}
}

// raw sends the bytes of an HTTP/1.1 request, for what no client would send.
func (w *world) raw(text string) *answer {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.srv.Listener.Addr().String(), &tls.Config{
		RootCAs: w.srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com", NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.read(resp)
}

// problem is the body of a refusal.
type problem struct {
	Type       string    `json:"type"`
	Title      string    `json:"title"`
	Status     int       `json:"status"`
	Code       string    `json:"code"`
	Error      string    `json:"error"`
	Check      string    `json:"check"`
	RFC        string    `json:"rfc"`
	Hint       string    `json:"hint"`
	ServerTime time.Time `json:"server_time"`
}

func (a *answer) problem(t testing.TB) problem {
	t.Helper()
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d with content type %q, want a problem", a.StatusCode, got)
	}
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("body %q: %v", a.body, err)
	}
	return p
}

// challenge returns the challenge of a scheme; all challenges are in one field
// line, because proxies drop a second one.
func (a *answer) challenge(t testing.TB, scheme string) (holdfast.Challenge, bool) {
	t.Helper()
	fields := a.Header["Www-Authenticate"]
	if len(fields) > 1 {
		t.Fatalf("%d WWW-Authenticate lines, want one: %q", len(fields), fields)
	}
	all := holdfast.ParseChallenges(fields)
	if i := slices.IndexFunc(all, func(c holdfast.Challenge) bool { return c.Is(scheme) }); i >= 0 {
		return all[i], true
	}
	return holdfast.Challenge{}, false
}

// refused checks that an answer is the refusal for exactly this reason, that
// the handler was not reached and that nothing was recorded.
func (w *world) refused(a *answer, want holdfast.Code) {
	w.t.Helper()
	p := a.problem(w.t)
	if p.Code != want.String() || a.StatusCode != want.Status() || p.Status != want.Status() {
		w.t.Errorf("refused with %d %s, want %d %s", a.StatusCode, p.Code, want.Status(), want)
	}
	if n := w.reached.Load(); n != 0 {
		w.t.Errorf("the handler was reached %d times", n)
	}
	if n := w.replays.count(); n != 0 {
		w.t.Errorf("the replay cache was asked %d times", n)
	}
	if a.StatusCode != http.StatusServiceUnavailable && len(a.Header["Www-Authenticate"]) != 1 { // B-3-01
		w.t.Errorf("status %d with %d WWW-Authenticate lines, want one", a.StatusCode, len(a.Header["Www-Authenticate"]))
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		w.t.Errorf("Cache-Control is %q, want no-store", got)
	}
}

func (w *world) accepted(a *answer) {
	w.t.Helper()
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("status %d (%s), want 200", a.StatusCode, a.body)
	}
}
