package holdfast

import (
	"context"
	"errors"
	"net/url"
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
