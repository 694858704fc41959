package holdfast

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stubTokens gives every token the same facts.
type stubTokens struct {
	token Token
	err   error
}

func (s *stubTokens) ReadToken(context.Context, Secret) (*Token, error) {
	if s.err != nil {
		return nil, s.err
	}
	t := s.token
	return &t, nil
}

// bench is a verifier with a key, a token bound to it and a clock.
type fixture struct {
	key    *Key
	now    time.Time
	tokens *stubTokens
	v      *Verifier
}

const fixtureToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"

func newFixture(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{key: key, now: testTime.Add(-time.Hour)}
	f.tokens = &stubTokens{token: Token{
		State: TokenAuthentic, Typed: true, Type: "at+jwt", Issuer: "https://as.example", ClientID: "app",
		Audience: []string{"https://api.example"}, Scope: []string{"read"},
		Expires: testTime.Add(time.Hour), Confirmation: Confirmation{JKT: key.Thumbprint()},
	}}
	c := Config{
		Tokens: f.tokens, Issuers: []string{"https://as.example"}, Audience: []string{"https://api.example"},
		Proof: ProofPolicy{Now: func() time.Time { return f.now }},
	}
	if change != nil {
		change(&c)
	}
	if f.v, err = NewVerifier(c); err != nil {
		t.Fatal(err)
	}
	f.now = testTime // the verifier was started an hour ago
	return f
}

func (f *fixture) claims() ProofClaims {
	u, _ := url.Parse("https://api.example/orders/81?x=1")
	return ProofClaims{Method: "GET", URL: u, Token: NewSecret(fixtureToken), Time: f.now}
}

func (f *fixture) present(t testing.TB, c ProofClaims) *Presentation {
	t.Helper()
	proof, err := f.key.Prove(c)
	if err != nil {
		t.Fatal(err)
	}
	return &Presentation{
		Method: "GET", URL: "https://api.example/orders/81",
		Authorization: []Secret{NewSecret("DPoP " + fixtureToken)}, Proofs: []Secret{NewSecret(proof)},
	}
}

func TestVerifyAcceptsOnceAndRefusesTheReplay(t *testing.T) { // D-11.1-02
	f := newFixture(t, nil)
	p := f.present(t, f.claims())
	a, err := f.v.Verify(t.Context(), p, Requirement{Scope: []string{"read"}})
	if err != nil {
		t.Fatalf("first use: %v", err)
	}
	if a.Holder != f.key.Thumbprint() || a.By != SchemeDPoP {
		t.Errorf("access is by %v for holder %v, want DPoP for %v", a.By, a.Holder, f.key.Thumbprint())
	}
	if _, err = f.v.Verify(t.Context(), p, Requirement{}); !errors.Is(err, CodeReplayJTIReplayed) {
		t.Errorf("second use: got %v, want %v", err, CodeReplayJTIReplayed)
	}
}

// stubNonces judges every nonce alike.
type stubNonces struct {
	nonce Nonce
	err   error
}

func (s stubNonces) Issue(context.Context) (string, error)        { return "issued", s.err }
func (s stubNonces) Judge(context.Context, string) (Nonce, error) { return s.nonce, s.err }

// stubReplays answers every use alike.
type stubReplays struct {
	err, sinceErr error
	since         time.Time
}

func (s stubReplays) Use(context.Context, ReplayID, time.Time) (bool, error) { return true, s.err }
func (s stubReplays) Peek(context.Context, ReplayID) (bool, error)           { return false, s.err }
func (s stubReplays) Since(context.Context) (time.Time, error)               { return s.since, s.sinceErr }

// stubBlocks answers every question alike.
type stubBlocks struct {
	blocked bool
	err     error
}

func (s stubBlocks) Blocked(context.Context, Thumbprint, string) (bool, error) {
	return s.blocked, s.err
}

// A check that cannot be made is the server's fault, whoever asks: 503, with
// the cause for the operator and without it for the peer.
func TestServerFaultsRefuse(t *testing.T) { // D-7.1-04
	cause := errors.New("connection refused")
	for _, tt := range []struct {
		name   string
		change func(*Config)
		nonce  string
		hide   Fact
		want   Code
		causes bool
	}{
		{"token reader fails", func(c *Config) { c.Tokens = &stubTokens{err: cause} }, "", 0, CodeServerToken, true},
		{"token reader says nothing", func(c *Config) { c.Tokens = nilTokens{} }, "", 0, CodeServerToken, false},
		{"nonce source fails", func(c *Config) { c.Proof.Nonces = stubNonces{err: cause} }, "n", 0, CodeServerNonce, true},
		{"nonce source says nothing", func(c *Config) { c.Proof.Nonces = stubNonces{} }, "n", 0, CodeServerNonce, false},
		{"replay cache fails", func(c *Config) { c.Proof.Replays = stubReplays{err: cause} }, "", 0, CodeServerReplay, true},
		{"replay cache cannot say since when", func(c *Config) { c.Proof.Replays = stubReplays{sinceErr: cause} }, "", 0, CodeServerNonce, true},
		{"replay cache is full", func(c *Config) { c.Proof.Replays = stubReplays{err: CodeServerReplayFull} }, "", 0, CodeServerReplayFull, false},
		{"replay cache is full and says where", func(c *Config) {
			c.Proof.Replays = stubReplays{err: errors.Join(cause, CodeServerReplayFull)}
		}, "", 0, CodeServerReplayFull, true},
		{"block list fails", func(c *Config) { c.Blocks = stubBlocks{err: cause} }, "", 0, CodeServerBlocks, true},
		{"something is hidden", func(*Config) {}, "", FactTime, CodeServerEvidence, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, tt.change)
			c := f.claims()
			c.Nonce = tt.nonce
			p := f.present(t, c)
			p.Hidden = tt.hide
			if tt.hide == 0 {
				if r := f.v.Explain(t.Context(), p, Requirement{}); r.Code != tt.want || r.Verdict != Unknown {
					t.Errorf("Explain: %v (%v), want unknown (%v)", r.Verdict, r.Code, tt.want)
				}
			}
			_, err := f.v.Verify(t.Context(), p, Requirement{})
			if CodeOf(err) != tt.want || !errors.Is(err, tt.want) {
				t.Errorf("Verify: %v, want %v", err, tt.want)
			}
			if errors.Is(err, cause) != tt.causes {
				t.Errorf("Verify: %v, want the cause in it: %v", err, tt.causes)
			}
			if tt.want.Status() != 503 || tt.want.OAuthError() != "" {
				t.Errorf("%v is %d %q for the peer", tt.want, tt.want.Status(), tt.want.OAuthError())
			}
		})
	}
}

type nilTokens struct{}

func (nilTokens) ReadToken(context.Context, Secret) (*Token, error) { return nil, nil }

// A URL of ours that is no URL is our own fault.
func TestBrokenPublicURLIsNotTheClientsFault(t *testing.T) {
	f := newFixture(t, nil)
	p := f.present(t, f.claims())
	p.URL = "api.example/orders/81"
	if _, err := f.v.Verify(t.Context(), p, Requirement{}); !errors.Is(err, CodeServerEvidence) {
		t.Errorf("got %v, want %v", err, CodeServerEvidence)
	}
}

// Two spellings of one URL are one memory of used proofs.
func TestReplayIsSeenUnderAnotherSpellingOfTheHost(t *testing.T) { // D-11.1-02
	f := newFixture(t, nil)
	p := f.present(t, f.claims())
	if _, err := f.v.Verify(t.Context(), p, Requirement{}); err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"HTTPS://api.example/orders/81", "https://API.example/orders/81", "https://api.example:443/orders/81", "https://api.example/orders/%381"} {
		p.URL = u
		if _, err := f.v.Verify(t.Context(), p, Requirement{}); !errors.Is(err, CodeReplayJTIReplayed) {
			t.Errorf("%s: got %v, want %v", u, err, CodeReplayJTIReplayed)
		}
	}
}

// Two verifiers on the way of one request keep apart by their realms.
func TestRealmsSeparateVerifiers(t *testing.T) {
	replays, _ := NewReplays(ReplayConfig{Now: func() time.Time { return testTime }})
	f := newFixture(t, func(c *Config) { c.Proof.Replays = useOnly{replays}; c.Proof.Realm = "gateway" })
	g := newFixture(t, func(c *Config) { c.Proof.Replays = useOnly{replays}; c.Tokens = f.tokens; c.Proof.Realm = "backend" })
	p := f.present(t, f.claims())
	for _, v := range []*Verifier{f.v, g.v} {
		if _, err := v.Verify(t.Context(), p, Requirement{}); err != nil {
			t.Errorf("first use in its realm: %v", err)
		}
	}
}

func TestThumbprintAloneNeedsNoProofAtPAR(t *testing.T) { // D-10.1-04
	key, other := Thumbprint{1}, Thumbprint{2}
	v, err := NewProofVerifier(ProofPolicy{Nonce: NonceOptional})
	if err != nil {
		t.Fatal(err)
	}
	p := &Presentation{Method: "POST", URL: "https://as.example/par"}
	for _, tt := range []struct {
		name string
		need ProofNeed
		want Code
	}{
		{"nothing needed", ProofNeed{}, CodeOK},
		{"dpop_jkt only", ProofNeed{Pushed: &key}, CodeOK},
		{"bound code", ProofNeed{Code: &key}, CodeProofSingleMissing},
		{"bound refresh token", ProofNeed{Refresh: &other}, CodeProofSingleMissing},
		{"required", ProofNeed{Required: true}, CodeProofSingleMissing},
	} {
		holder, err := v.Verify(t.Context(), p, tt.need)
		if CodeOf(err) != tt.want || !holder.IsZero() {
			t.Errorf("%s: got %v and holder %v, want %v", tt.name, err, holder, tt.want)
		}
	}
}

// The block list is asked about the key of the token, not about the one that
// somebody shows: an observing verifier has not compared them.
func TestObserveDoesNotLetABlockedHolderHideBehindAnotherKey(t *testing.T) {
	blocks := &blockedOne{}
	f := newFixture(t, func(c *Config) { c.Blocks = blocks })
	blocks.holder = f.key.Thumbprint()
	other := *f
	other.key, _ = GenerateKey()
	_, code, err := f.v.Observe(t.Context(), other.present(t, f.claims()), Requirement{})
	if code != CodeBindingJKTMismatch || !errors.Is(err, CodeAccessBlockedBlocked) {
		t.Errorf("got %v, error %v, want %v, error %v", code, err, CodeBindingJKTMismatch, CodeAccessBlockedBlocked)
	}
}

// A token that is bound to a key and to a certificate has two holders.
func TestABlockedCertificateDoesNotHideBehindAKey(t *testing.T) {
	cert := readTestCertificate(t, "client.crt")
	blocks := &blockedOne{}
	f := newFixture(t, func(c *Config) { c.Blocks = blocks })
	f.tokens.token.Confirmation.X5T = certificateThumbprint(cert)
	present := func() *Presentation {
		p := f.present(t, f.claims())
		p.PeerCert = cert
		return p
	}
	if _, err := f.v.Verify(t.Context(), present(), Requirement{}); err != nil {
		t.Fatal(err)
	}
	for _, holder := range []Thumbprint{f.key.Thumbprint(), certificateThumbprint(cert)} {
		blocks.holder = holder
		if _, err := f.v.Verify(t.Context(), present(), Requirement{}); !errors.Is(err, CodeAccessBlockedBlocked) {
			t.Errorf("%v: got %v, want %v", holder, err, CodeAccessBlockedBlocked)
		}
	}
}

func TestObserveRefusesWhereNoTokenCanBeFound(t *testing.T) {
	f := newFixture(t, nil)
	for _, tt := range []struct {
		authorization []Secret
		want          Code
	}{
		{nil, CodeRequestAuthMissing},
		{[]Secret{NewSecret("Basic YTpi")}, CodeRequestSchemeUnsupported},
		{[]Secret{NewSecret("DPoP a b")}, CodeRequestAuthMalformed},
	} {
		a, code, err := f.v.Observe(t.Context(), &Presentation{Method: "GET", URL: "https://api.example/", Authorization: tt.authorization}, Requirement{})
		if a != nil || code != tt.want || !errors.Is(err, tt.want) {
			t.Errorf("got %v, %v, %v, want %v", a, code, err, tt.want)
		}
	}
}

// The key of a token is what its cnf says, not any other claim.
func TestJKTOutsideCnfBindsNothing(t *testing.T) { // D-6.1-02
	f := newFixture(t, nil)
	f.tokens.token.Claims = []byte(`{"jkt":"` + f.key.Thumbprint().String() + `"}`)
	f.tokens.token.Confirmation = ParseConfirmation("")
	refused(t, f, f.present(t, f.claims()), Requirement{}, CodeBindingSchemeNotBound)
}

func TestTokensAreBounded(t *testing.T) {
	f := newFixture(t, nil)
	for n, want := range map[int]Code{MaxTokenBytes: CodeOK, MaxTokenBytes + 1: CodeRequestAuthMalformed} {
		c := f.claims()
		c.Token = NewSecret(strings.Repeat("a", n))
		p := f.present(t, c)
		p.Authorization = []Secret{NewSecret("DPoP " + c.Token.Reveal())}
		if _, err := f.v.Verify(t.Context(), p, Requirement{}); CodeOf(err) != want {
			t.Errorf("a token of %d bytes: got %v, want %v", n, err, want)
		}
	}
}

// Whether a nonce was needed cannot be said where the time is not known.
func TestNonceForStaleIsUnknownWithoutATime(t *testing.T) {
	nonces, _ := newTestNonces(t, NonceConfig{})
	f := newFixture(t, func(c *Config) { c.Proof.Nonces, c.Proof.Nonce = nonces, NonceForStale })
	p := f.present(t, f.claims())
	p.Hidden = FactTime
	if o, _ := f.v.Explain(t.Context(), p, Requirement{}).Outcome("proof.nonce"); o.Status != Unknown || o.Code != CodeServerNonce {
		t.Errorf("proof.nonce is %v (%v), want unknown", o.Status, o.Code)
	}
}

// An Access is a copy: the caller cannot change what a token cache holds.
func TestAccessIsACopy(t *testing.T) {
	shared := &sharedToken{}
	f := newFixture(t, func(c *Config) { c.Tokens = shared })
	shared.token = f.tokens.token
	shared.token.Claims = []byte(`{"a":1}`)
	a, err := f.v.Verify(t.Context(), f.present(t, f.claims()), Requirement{})
	if err != nil {
		t.Fatal(err)
	}
	a.Token.Scope[0], a.Token.Audience[0], a.Token.Claims[2] = "admin", "x", 'z'
	if shared.token.Scope[0] != "read" || shared.token.Audience[0] != "https://api.example" || string(shared.token.Claims) != `{"a":1}` {
		t.Errorf("the token of the reader was changed: %+v", shared.token)
	}
}

type sharedToken struct{ token Token }

func (s *sharedToken) ReadToken(context.Context, Secret) (*Token, error) { return &s.token, nil }

// Every mistake is reported, all at once.
func TestConfigurationMistakesAreRefusedTogether(t *testing.T) { // D-11.6-01 AT-4-04
	small, _ := NewReplays(ReplayConfig{Window: time.Minute})
	_, err := NewVerifier(Config{
		Leeway: 10 * time.Minute, Accept: 9, Replicas: 2,
		Proof: ProofPolicy{Algs: []Alg{"none"}, MaxAge: time.Hour, Skew: -1, Nonce: 77},
	})
	for _, want := range []string{"Tokens", "Issuers", "Audience", "Leeway", "Accept", "Replays", "Nonces", "none", "MaxAge", "Skew", "unknown value 77"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no complaint about %s in: %v", want, err)
		}
	}
	for _, a := range []Alg{"none", "HS256", "RS1", "ES256K", ""} {
		if _, err := NewProofVerifier(ProofPolicy{Nonce: NonceOptional, Algs: []Alg{ES256, a}}); err == nil {
			t.Errorf("algorithm %q is accepted", a)
		}
	}
	if _, err := NewProofVerifier(ProofPolicy{}); err == nil {
		t.Error("an authorization server without nonces is accepted")
	}
	if _, err := NewProofVerifier(ProofPolicy{Nonce: NonceOptional, Replays: small}); err == nil {
		t.Error("a replay cache that forgets too early is accepted")
	}
}

// The defaults of all parts fit together.
func TestDefaultsFitTogether(t *testing.T) {
	nonces, err := NewNonces(NonceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	replays, err := NewReplays(ReplayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewProofVerifier(ProofPolicy{Nonces: nonces, Replays: replays}); err != nil {
		t.Error(err)
	}
}

func TestPolicyIsCopied(t *testing.T) {
	algs := []Alg{ES256}
	v, err := NewProofVerifier(ProofPolicy{Algs: algs, Nonce: NonceOptional})
	if err != nil {
		t.Fatal(err)
	}
	algs[0] = RS256
	v.Algs()[0] = RS256
	if got := v.Algs()[0]; got != ES256 {
		t.Errorf("the policy of a verifier was changed to %v", got)
	}
}

// D-7.1-08: a fault of the proof is invalid_dpop_proof or use_dpop_nonce, and a
// fault of the token is neither.
func TestOAuthErrorsOfAreas(t *testing.T) { // D-12-01 D-7.1-08 D-7.1-14
	for _, code := range Codes() {
		proofish := code.OAuthError() == "invalid_dpop_proof" || code.OAuthError() == "use_dpop_nonce"
		switch code.Area() {
		case AreaProof, AreaKey, AreaTarget, AreaClock, AreaReplay:
			if code.OAuthError() != "invalid_dpop_proof" {
				t.Errorf("%v is %q", code, code.OAuthError())
			}
		case AreaNonce:
			if code.OAuthError() != "use_dpop_nonce" {
				t.Errorf("%v is %q", code, code.OAuthError())
			}
		default:
			if proofish {
				t.Errorf("%v is %q", code, code.OAuthError())
			}
		}
		if code.Remedy() == "" || code.Area() == "" || code.Status() < 400 {
			t.Errorf("%v lacks a remedy, an area or a status", code)
		}
		if back, ok := ParseCode(code.String()); !ok || back != code {
			t.Errorf("ParseCode(%q) = %v, %v", code, back, ok)
		}
	}
}

// A presentation may be judged by several goroutines at once: one is first.
func TestConcurrentUseOfOneProof(t *testing.T) { // D-11.1-03
	f := newFixture(t, nil)
	p := f.present(t, f.claims())
	var wg sync.WaitGroup
	var accepted atomic.Int32
	for range 100 {
		wg.Go(func() {
			f.v.Explain(t.Context(), p, Requirement{})
			if _, err := f.v.Verify(t.Context(), p, Requirement{}); err == nil {
				accepted.Add(1)
			} else if !errors.Is(err, CodeReplayJTIReplayed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 1 {
		t.Errorf("accepted %d times", accepted.Load())
	}
}

// nonceSourceOf is a source of another package that tells how long a nonce lives.
type nonceSourceOf struct {
	stubNonces
	lifetime time.Duration
}

func (n nonceSourceOf) Lifetime() time.Duration { return n.lifetime }

func TestAReplayCacheHasToOutliveTheNonces(t *testing.T) {
	short, err := NewReplays(ReplayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p := ProofPolicy{Nonces: nonceSourceOf{lifetime: time.Hour}, Replays: short}
	if _, err := NewProofVerifier(p); err == nil {
		t.Error("nonces that live longer than the cache remembers are accepted")
	}
	p.Replays = nil
	if _, err := NewProofVerifier(p); err != nil {
		t.Errorf("a cache of its own: %v", err)
	}
}
