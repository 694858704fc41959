package resource

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

const nonceLifetime = 5 * time.Minute

// withNonces gives the world a nonce source and a mode.
func withNonces(mode holdfast.NonceMode) func(*world) {
	return func(w *world) {
		n, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: "rs", Lifetime: nonceLifetime, Now: w.clock.Now})
		if err != nil {
			w.t.Fatal(err)
		}
		w.config.Verify.Proof.Nonces, w.config.Verify.Proof.Nonce = n, mode
	}
}

// challenged checks a demand for a nonce and returns the nonce (D-9-01, D-12-02).
func (w *world) challenged(a *answer, want holdfast.Code) string {
	w.t.Helper()
	if p := a.problem(w.t); a.StatusCode != http.StatusUnauthorized || p.Code != want.String() || p.Error != "use_dpop_nonce" {
		w.t.Fatalf("status %d, %+v, want 401 %s", a.StatusCode, p, want)
	}
	if ch, _ := a.challenge(w.t, "DPoP"); ch.Error != "use_dpop_nonce" || len(ch.Algs) == 0 {
		w.t.Errorf("challenge %s", ch)
	}
	nonces := a.Header["Dpop-Nonce"]
	if len(nonces) != 1 || nonces[0] == "" || a.Header.Get("Cache-Control") != "no-store" {
		w.t.Fatalf("%d nonces, Cache-Control %q, want one and no-store", len(nonces), a.Header.Get("Cache-Control"))
	}
	return nonces[0]
}

// D-9-01: where every proof needs a nonce the challenge brings one that works,
// for as many requests as its lifetime allows (D-11.1-07).
func TestNonceRequired(t *testing.T) {
	w := newWorld(t, withNonces(holdfast.NonceRequired))
	first := w.good()
	nonce := w.challenged(w.do(first), holdfast.CodeProofNonceRequired)
	if w.replays.count() != 0 || w.reached.Load() != 0 {
		t.Error("a challenged request left a trace")
	}
	for range 3 {
		c := w.good()
		c.nonce = nonce
		a := w.do(c)
		w.accepted(a)
		if a.Header.Get("DPoP-Nonce") != "" {
			t.Error("a fresh nonce was replaced")
		}
	}
	w.challenged(w.do(first), holdfast.CodeProofNonceRequired) // D-11.3-01: the proof of before the challenge

	c := w.good()
	c.nonce = nonce[:len(nonce)-1] + string(nonce[len(nonce)-1]^1) // D-4.3-10a: one character differs
	w.challenged(w.do(c), holdfast.CodeProofNonceForeign)
}

// D-4.3-10b: the nonce of another realm under the same key is foreign.
func TestNonceOfAnotherServer(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	w := newWorld(t, func(w *world) {
		n, err := holdfast.NewNonces(holdfast.NonceConfig{Keys: [][]byte{key}, Realm: "rs", Now: w.clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		w.config.Verify.Proof.Nonces, w.config.Verify.Proof.Nonce = n, holdfast.NonceRequired
	})
	as, err := holdfast.NewNonces(holdfast.NonceConfig{Keys: [][]byte{key}, Realm: "as", Now: w.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := w.good()
	if c.nonce, err = as.Issue(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.challenged(w.do(c), holdfast.CodeProofNonceForeign)
}

// D-9-05 and RFC 9449 section 8.2: who calls often enough is never challenged
// again, because the next nonce comes before the present one ends.
func TestNonceIsRenewedBeforeItEnds(t *testing.T) {
	w := newWorld(t, withNonces(holdfast.NonceRequired))
	nonce := w.challenged(w.do(w.good()), holdfast.CodeProofNonceRequired)
	renewed := 0
	for range 20 {
		w.clock.Advance(time.Minute)
		c := w.good()
		c.nonce = nonce
		c.header.Set("Origin", "https://app.example")
		a := w.do(c)
		w.accepted(a)
		next := a.Header.Get("DPoP-Nonce")
		if next == "" {
			continue
		}
		renewed++
		nonce = next
		if a.Header.Get("Cache-Control") != "no-store" || !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
			t.Errorf("header %v", a.Header)
		}
	}
	if renewed < 4 || renewed > 7 {
		t.Errorf("%d renewals in 20 minutes with nonces of 5 minutes", renewed)
	}
	w.clock.Advance(nonceLifetime) // silent for too long
	c := w.good()
	c.nonce = nonce
	w.challenged(w.do(c), holdfast.CodeProofNonceExpired)
}

// At a resource nonces are optional unless it is said otherwise: who sends none
// is accepted and not given one, who sends one has it judged.
func TestNonceOptional(t *testing.T) {
	for _, mode := range []holdfast.NonceMode{holdfast.NonceByRole, holdfast.NonceOptional} {
		w := newWorld(t, withNonces(mode))
		a := w.do(w.good())
		w.accepted(a)
		if a.Header.Get("DPoP-Nonce") != "" {
			t.Error("a client that uses no nonce was given one")
		}
		c := w.good()
		c.nonce = "somebody-else"
		nonce := w.challenged(w.do(c), holdfast.CodeProofNonceForeign)
		c = w.good()
		c.nonce = nonce
		w.accepted(w.do(c))
	}
}

// Without a source of nonces there is none to judge (D-9-04), and none comes.
func TestWithoutNonceSource(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	c.nonce = "n"
	a := w.do(c)
	w.accepted(a)
	if a.Header.Get("DPoP-Nonce") != "" {
		t.Error("a nonce of nobody")
	}
}

// D-4.3-11b: where wrong clocks are served through a nonce, only they need one.
func TestNonceForStale(t *testing.T) {
	w := newWorld(t, withNonces(holdfast.NonceForStale))
	w.accepted(w.do(w.good()))
	c := w.good()
	c.at = w.clock.Now().Add(-3 * time.Hour)
	nonce := w.challenged(w.do(c), holdfast.CodeProofNonceRequired)
	c = w.good()
	c.at, c.nonce = w.clock.Now().Add(-3*time.Hour), nonce
	w.accepted(w.do(c))
	w.clock.Advance(nonceLifetime)
	c = w.good()
	c.at, c.nonce = w.clock.Now().Add(-3*time.Hour), nonce
	w.challenged(w.do(c), holdfast.CodeProofNonceExpired)
}

// D-11.1-06: replicas that share the key of their nonces accept each other's.
func TestReplicasShareNonces(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	replica := func(offset time.Duration) *world {
		return newWorld(t, func(w *world) {
			w.clock.Advance(offset)
			n, err := holdfast.NewNonces(holdfast.NonceConfig{Keys: [][]byte{key}, Now: w.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			w.config.Verify.Proof.Nonces, w.config.Verify.Proof.Nonce, w.config.Verify.Replicas = n, holdfast.NonceRequired, 2
		})
	}
	one, two := replica(0), replica(2*time.Second)
	nonce := one.challenged(one.do(one.good()), holdfast.CodeProofNonceRequired)
	c := two.good()
	c.nonce = nonce
	two.accepted(two.do(c))
}
