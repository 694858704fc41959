package holdfast

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func newTestNonces(t testing.TB, c NonceConfig) (*Nonces, *time.Time) {
	t.Helper()
	now := testTime
	c.Now = func() time.Time { return now }
	n, err := NewNonces(c)
	if err != nil {
		t.Fatal(err)
	}
	return n, &now
}

func keyOf(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func judge(t *testing.T, n *Nonces, nonce string, want NonceState) {
	t.Helper()
	got, err := n.Judge(t.Context(), nonce)
	if err != nil || got.State != want {
		t.Errorf("%.60q is %v (%v), want %v", nonce, got.State, err, want)
	}
	if want == NonceForeign && (!got.Issued.IsZero() || !got.Expires.IsZero()) {
		t.Errorf("%.60q is foreign and has times", nonce)
	}
}

func TestNoncesOverTheirLifetime(t *testing.T) { // D-8-09
	n, now := newTestNonces(t, NonceConfig{})
	s, err := n.Issue(t.Context())
	if err != nil || len(s) != 48 || !validNonce(s) { // D-8.1-01
		t.Fatalf("issued %q (%d characters): %v", s, len(s), err)
	}
	judge(t, n, s, NonceCurrent)
	*now = testTime.Add(DefaultNonceLifetime - time.Millisecond)
	judge(t, n, s, NonceCurrent)
	*now = testTime.Add(DefaultNonceLifetime)
	judge(t, n, s, NonceExpired)
	*now = testTime.Add(-nonceAhead) // a replica whose clock is behind
	judge(t, n, s, NonceCurrent)
	*now = testTime.Add(-nonceAhead - time.Millisecond)
	judge(t, n, s, NonceExpired)
}

func TestNoncesThroughARotationOfKeys(t *testing.T) { // D-8-09 D-11.1-06
	before, _ := newTestNonces(t, NonceConfig{Keys: [][]byte{keyOf(1)}})
	during, _ := newTestNonces(t, NonceConfig{Keys: [][]byte{keyOf(2), keyOf(1)}})
	after, _ := newTestNonces(t, NonceConfig{Keys: [][]byte{keyOf(2)}})
	replica, _ := newTestNonces(t, NonceConfig{Keys: [][]byte{keyOf(1), keyOf(2)}})
	old, _ := before.Issue(t.Context())
	fresh, _ := during.Issue(t.Context())
	judge(t, during, old, NonceCurrent)
	judge(t, replica, fresh, NonceCurrent)
	judge(t, after, fresh, NonceCurrent)
	judge(t, after, old, NonceForeign)
	judge(t, before, fresh, NonceForeign)
}

func TestNoncesOfAnotherRealmAreForeign(t *testing.T) { // D-4.3-10b
	as, _ := newTestNonces(t, NonceConfig{Keys: [][]byte{keyOf(1)}, Realm: "as"})
	rs, _ := newTestNonces(t, NonceConfig{Keys: [][]byte{keyOf(1)}, Realm: "rs"})
	s, _ := as.Issue(t.Context())
	judge(t, as, s, NonceCurrent)
	judge(t, rs, s, NonceForeign)
}

func TestAlteredNoncesAreForeign(t *testing.T) { // D-8-03 D-8-07
	n, _ := newTestNonces(t, NonceConfig{})
	s, _ := n.Issue(t.Context())
	for i := range s {
		judge(t, n, s[:i]+flip(s[i])+s[i+1:], NonceForeign)
		judge(t, n, s[:i], NonceForeign)
	}
	judge(t, n, s+"A", NonceForeign)
	for _, p := range append(readPublished(t, "nonce"), readPublished(t, "nonce_invalid")...) {
		judge(t, n, p.Nonce, NonceForeign)
	}
}

func TestNoncesAreDistinct(t *testing.T) { // D-8-03
	n, _ := newTestNonces(t, NonceConfig{})
	seen := map[string]bool{}
	for range 100_000 {
		s, _ := n.Issue(t.Context())
		if seen[s] {
			t.Fatalf("%q was issued twice", s)
		}
		seen[s] = true
	}
}

func TestNonceSyntax(t *testing.T) { // D-8.1-01
	for _, p := range readPublished(t, "nonce") {
		if !validNonce(p.Nonce) {
			t.Errorf("%s: %q is refused", p.ID, p.Nonce)
		}
	}
	for _, p := range readPublished(t, "nonce_invalid") {
		if validNonce(p.Nonce) {
			t.Errorf("%s: %q is accepted", p.ID, p.Nonce)
		}
	}
	for c := range 256 {
		want := c == 0x21 || c >= 0x23 && c <= 0x5b || c >= 0x5d && c <= 0x7e
		if got := validNonce(string([]byte{byte(c)})); got != want {
			t.Errorf("character %#x: %v, want %v", c, got, want)
		}
	}
	if long := string(bytes.Repeat([]byte{'a'}, MaxNonceBytes)); !validNonce(long) || validNonce(long+"a") {
		t.Error("the limit is not MaxNonceBytes")
	}
}

// A nonce is no proof of first use: clients go on using it.
func TestANonceServesManyProofs(t *testing.T) { // D-11.1-07 D-4.3-10a
	nonces, now := newTestNonces(t, NonceConfig{})
	f := newFixture(t, func(c *Config) { c.Proof.Nonces, c.Proof.Nonce = nonces, NonceRequired })
	c := f.claims()
	refused(t, f, f.present(t, c), Requirement{}, CodeProofNonceRequired)
	c.Nonce, _ = f.v.Nonce(t.Context())
	var last *Presentation
	for range 10 {
		last = f.present(t, c)
		a, err := f.v.Verify(t.Context(), last, Requirement{})
		if err != nil || a.Nonce.State != NonceCurrent {
			t.Fatalf("access %+v, %v", a, err)
		}
	}
	// D-11.1-08: as long as the nonce is current the jti is remembered.
	for _, age := range []time.Duration{2 * time.Minute, 4 * time.Minute, DefaultNonceLifetime - time.Millisecond} {
		f.now = testTime.Add(age)
		*now = f.now
		refused(t, f, last, Requirement{}, CodeReplayJTIReplayed)
	}
	f.now = testTime.Add(DefaultNonceLifetime)
	*now = f.now
	refused(t, f, last, Requirement{}, CodeProofNonceExpired)
}

func TestColdStartChallengesAndThenAccepts(t *testing.T) {
	f := newFixture(t, nil)
	started := f.now.Add(-5 * time.Second)
	replays, _ := NewReplays(ReplayConfig{Now: func() time.Time { return started }})
	g := newFixture(t, func(c *Config) { c.Proof.Replays = replays; c.Proof.Now = func() time.Time { return f.now } })
	replays.now = func() time.Time { return f.now }
	c := g.claims()
	c.Time = f.now.Add(-10 * time.Second)
	refused(t, g, g.present(t, c), Requirement{}, CodeProofNonceRequired)
	c.Nonce, _ = g.v.Nonce(t.Context())
	if _, err := g.v.Verify(t.Context(), g.present(t, c), Requirement{}); err != nil {
		t.Errorf("with the nonce of the challenge: %v", err)
	}
	c.Nonce = "of-somebody-else"
	refused(t, g, g.present(t, c), Requirement{}, CodeProofNonceRequired)
}

func TestNonceConfigurationMistakes(t *testing.T) {
	for _, c := range []NonceConfig{
		{Keys: [][]byte{make([]byte, 31)}}, {Lifetime: -1}, {Keys: make([][]byte, MaxNonceKeys+1)}, {Keys: [][]byte{nil}},
	} {
		n, err := NewNonces(c)
		if err == nil || n != nil {
			t.Errorf("%d keys, lifetime %v: got %v, %v", len(c.Keys), c.Lifetime, n, err)
		}
	}
	if _, err := NewProofVerifier(ProofPolicy{Nonce: NonceRequired}); err == nil || errors.Is(err, CodeServerNonce) {
		t.Errorf("a mode without a source: %v", err)
	}
}
