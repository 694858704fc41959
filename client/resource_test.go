package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// callTime is the present in the tests of Transport.
var callTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tokenValue is the access token; its text must not turn up in errors.
const tokenValue = "tok-Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"

// api is a resource server over TLS that verifies with the engine, and what it
// was sent.
type api struct {
	*httptest.Server
	key      *holdfast.Key
	verifier *holdfast.Verifier
	ring     *nonceRing
	offset   atomic.Int64 // of its clock from callTime

	mu      sync.Mutex
	seen    []sight
	live    map[string]bool // tokens that are good
	problem bool            // refusals have a problem document
	before  func(w http.ResponseWriter, r *http.Request, n int) bool
	serve   http.HandlerFunc // answers accepted requests; nil: 200 with the method
}

// sight is one request as it arrived.
type sight struct {
	Method, Path, Proto, Body    string
	Authorization, Proofs, Proxy []string
	Claims                       proofClaims
	Code                         holdfast.Code
	Trailer                      string
}

type proofClaims struct {
	JTI, HTM, HTU, Ath, Nonce string
	Iat                       int64
}

// newAPI starts a server; change may adjust its configuration and TLS.
func newAPI(t testing.TB, change func(*api, *holdfast.Config)) *api {
	t.Helper()
	a := &api{key: newKey(t), ring: &nonceRing{}, live: map[string]bool{tokenValue: true}}
	a.ring.now = a.now
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.handle))
	a.EnableHTTP2 = true
	// Enough for every caller of a test: when the streams of a connection are used
	// up, net/http dials many more and fails requests on those that it gives up.
	a.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 4096}
	a.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that a test gives up
	c := holdfast.Config{
		Tokens: a, Issuers: []string{"https://as.example"}, Audience: []string{"https://api.example"},
		Proof: holdfast.ProofPolicy{Now: a.now, Nonces: a.ring, Nonce: holdfast.NonceOptional},
	}
	if change != nil {
		change(a, &c)
	}
	a.offset.Store(int64(-time.Hour)) // the server was started an hour ago
	var err error
	if a.verifier, err = holdfast.NewVerifier(c); err != nil {
		t.Fatal(err)
	}
	a.offset.Store(0)
	a.StartTLS()
	t.Cleanup(a.Close)
	return a
}

func newKey(t testing.TB) *holdfast.Key {
	t.Helper()
	k, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *api) now() time.Time { return callTime.Add(time.Duration(a.offset.Load())) }

// ReadToken implements holdfast.TokenReader.
func (a *api) ReadToken(_ context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := &holdfast.Token{
		State: holdfast.TokenAuthentic, Typed: true, Type: "at+jwt", Issuer: "https://as.example",
		Audience: []string{"https://api.example"}, Expires: callTime.Add(time.Hour),
		Confirmation: holdfast.Confirmation{JKT: a.key.Thumbprint()},
	}
	if !a.live[raw.Reveal()] {
		k.Expires = callTime.Add(-time.Hour)
	}
	return k, nil
}

func (a *api) handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", a.now().UTC().Format(http.TimeFormat))
	s := sight{
		Method: r.Method, Path: r.URL.Path, Proto: r.Proto,
		Authorization: r.Header["Authorization"], Proofs: r.Header["Dpop"], Proxy: r.Header["Proxy-Authorization"],
	}
	if len(s.Proofs) == 1 {
		s.Claims = claimsOf(s.Proofs[0])
	}
	a.mu.Lock()
	a.seen = append(a.seen, s)
	n := len(a.seen)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.seen[n-1] = s
		a.mu.Unlock()
	}()
	if a.before != nil && a.before(w, r, n) {
		return
	}
	public, _ := url.Parse(a.URL)
	p, err := holdfast.Present(r, public)
	if err == nil {
		_, err = a.verifier.Verify(r.Context(), p, holdfast.Requirement{})
	}
	if err != nil {
		s.Code = holdfast.CodeOf(err)
		a.refuse(w, s.Code)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.Body, s.Trailer = string(body), r.Trailer.Get("X-End")
	if a.serve != nil {
		a.serve(w, r)
		return
	}
	fmt.Fprint(w, r.Method)
}

// refuse answers as a resource does (RFC 9449 section 7.1).
func (a *api) refuse(w http.ResponseWriter, code holdfast.Code) {
	w.Header().Set("WWW-Authenticate", holdfast.Challenge{Scheme: "DPoP", Error: code.OAuthError(), Description: code.Public()}.String())
	if code.OAuthError() == "use_dpop_nonce" {
		nonce, _ := a.ring.Issue(context.Background())
		w.Header().Set("DPoP-Nonce", nonce)
	}
	if !a.problem {
		w.WriteHeader(code.Status())
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Del("Date")
	w.WriteHeader(code.Status())
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code.String(), "server_time": a.now().Format(time.RFC3339)})
}

// sights returns what arrived so far.
func (a *api) sights() []sight {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]sight(nil), a.seen...)
}

// nonceRing is a NonceSource whose nonces are numbered, so that a test decides
// which one is current.
type nonceRing struct {
	epoch atomic.Int64
	keep  int64 // how many earlier ones are accepted, too
	now   func() time.Time
}

func (n *nonceRing) Issue(context.Context) (string, error) {
	return "n" + strconv.FormatInt(n.epoch.Load(), 10), nil
}

func (n *nonceRing) Judge(_ context.Context, nonce string) (holdfast.Nonce, error) {
	i, err := strconv.ParseInt(strings.TrimPrefix(nonce, "n"), 10, 64)
	switch {
	case err != nil:
		return holdfast.Nonce{State: holdfast.NonceForeign}, nil
	case i < n.epoch.Load()-n.keep:
		return holdfast.Nonce{State: holdfast.NonceExpired}, nil
	}
	return holdfast.Nonce{State: holdfast.NonceCurrent, Issued: n.now(), Expires: n.now().Add(time.Minute)}, nil
}

func claimsOf(proof string) (c proofClaims) {
	if parts := strings.Split(proof, "."); len(parts) == 3 {
		b, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(b, &c)
	}
	return c
}

// tokens is a TokenSource of one token.
type tokens struct{ token *client.Token }

func (s tokens) Token(context.Context) (*client.Token, error) { return s.token, nil }

// transport returns a Transport for the server with a token that it accepts.
func (a *api) transport() *client.Transport {
	return &client.Transport{
		Tokens:  tokens{&client.Token{Value: holdfast.NewSecret(tokenValue), Type: "DPoP", Key: a.key}},
		Origins: []string{a.URL}, Base: a.Client().Transport, Now: func() time.Time { return callTime },
	}
}

// get sends a GET and returns status and body.
func get(t testing.TB, tr http.RoundTripper, url string) (int, string) {
	t.Helper()
	r, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, r)
}

func read(t testing.TB, r *http.Response) (int, string) {
	t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// closing is a body that notes whether it was closed.
type closing struct {
	io.Reader
	closed atomic.Int32
}

func (c *closing) Close() error {
	c.closed.Add(1)
	return nil
}
