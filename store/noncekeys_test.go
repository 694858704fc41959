package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

func nonceKeyBackends(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("Redis", func(t *testing.T) { test(t, redisDSN(testservers.Redis(t))) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, postgresDSN(testservers.Postgres(t))) })
}

func openNonceKeys(t testing.TB, dsn string, c *clock, seal holdfast.Secret, realm string) *NonceKeys {
	t.Helper()
	n, err := OpenNonceKeys(t.Context(), dsn, NonceKeysConfig{SealingKey: seal, Realm: realm, Rotation: time.Hour, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func randomKey() holdfast.Secret {
	b := make([]byte, sealingKeySize)
	_, _ = rand.Read(b)
	return holdfast.NewSecret(string(b))
}

func state(t testing.TB, n *NonceKeys, nonce string) holdfast.NonceState {
	t.Helper()
	v, err := n.Judge(t.Context(), nonce)
	if err != nil {
		t.Fatal(err)
	}
	return v.State
}

func issue(t testing.TB, n *NonceKeys) string {
	t.Helper()
	nonce, err := n.Issue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return nonce
}

// D-8-09, D-11.1-06, D-4.3-10b, D-11.1-07
func TestReplicasAcceptEachOthersNonces(t *testing.T) {
	nonceKeyBackends(t, func(t *testing.T, dsn string) {
		c, behind := new(clock), new(clock)
		behind.advance(-2 * time.Second)
		seal := randomKey()
		a := openNonceKeys(t, dsn, c, seal, "as")
		b := openNonceKeys(t, dsn, behind, seal, "as")
		rs := openNonceKeys(t, dsn, c, seal, "rs")
		for range 3 { // a nonce is not single-use
			if got := state(t, b, issue(t, a)); got != holdfast.NonceCurrent {
				t.Errorf("a nonce of a at b, whose clock is 2 s behind: state %d, want current", got)
			}
			nonce := issue(t, b)
			for range 2 {
				if got := state(t, a, nonce); got != holdfast.NonceCurrent {
					t.Errorf("a nonce of b at a: state %d, want current", got)
				}
			}
		}
		if got := state(t, rs, issue(t, a)); got != holdfast.NonceForeign {
			t.Errorf("a nonce of another realm: state %d, want foreign", got)
		}
	})
}

// D-8-09: three rotations, with replicas that hear of them one after the other.
func TestRotationRefusesNobody(t *testing.T) {
	nonceKeyBackends(t, func(t *testing.T, dsn string) {
		c, seal := new(clock), randomKey()
		nodes := []*NonceKeys{openNonceKeys(t, dsn, c, seal, ""), openNonceKeys(t, dsn, c, seal, ""), openNonceKeys(t, dsn, c, seal, "")}
		keys := map[[32]byte]bool{}
		type issued struct {
			nonce string
			at    time.Time
		}
		var window []issued
		step := nonceKeysPoll
		for i := range int(3 * time.Hour / step) {
			if err := nodes[i%len(nodes)].refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				window = append(window, issued{issue(t, n), c.now()})
			}
			for len(window) > 0 && c.now().Sub(window[0].at) > holdfast.DefaultNonceLifetime-time.Second {
				window = window[1:]
			}
			for _, w := range []issued{window[0], window[len(window)/2], window[len(window)-1]} {
				for at, n := range nodes {
					if got := state(t, n, w.nonce); got != holdfast.NonceCurrent {
						t.Fatalf("at %v a nonce of %v ago is in state %d at node %d, want current", time.Duration(i)*step, c.now().Sub(w.at), got, at)
					}
				}
			}
			for _, k := range nodes[0].current.Load().keys {
				keys[k.key] = true
			}
			c.advance(step)
		}
		if n := len(keys); n < 3 || n > 5 {
			t.Errorf("%d keys in three hours of one hour each", n)
		}
		if n := len(nodes[0].current.Load().keys); n > 3 {
			t.Errorf("the ring has %d keys, those that expired should be gone", n)
		}
	})
}

func TestKeysThatTheStoreLostAreWrittenBack(t *testing.T) {
	s := testservers.Redis(t)
	c, seal := new(clock), randomKey()
	a := openNonceKeys(t, redisDSN(s), c, seal, "")
	nonce := issue(t, a)
	s.Kill()
	if err := a.refresh(t.Context()); err == nil {
		t.Error("refresh without a store: no error")
	}
	if got := state(t, a, nonce); got != holdfast.NonceCurrent {
		t.Errorf("while the store is away: state %d, want current", got)
	}
	s.Start()
	if err := a.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(t, openNonceKeys(t, redisDSN(s), c, seal, ""), nonce); got != holdfast.NonceCurrent {
		t.Errorf("at a replica that came later: state %d, want current", got)
	}
}

// D-7.1-04: who has not heard of the store for a whole rotation knows nothing.
func TestKeysThatAreTooOldAreAnError(t *testing.T) {
	c := new(clock)
	n := openNonceKeys(t, redisDSN(testservers.Redis(t)), c, randomKey(), "")
	nonce := issue(t, n)
	c.advance(time.Hour + time.Minute)
	if _, err := n.Judge(t.Context(), nonce); err == nil {
		t.Error("Judge: no error")
	}
	if _, err := n.Issue(t.Context()); err == nil {
		t.Error("Issue: no error")
	}
}

func TestKeysAreSealedInTheStore(t *testing.T) {
	nonceKeyBackends(t, func(t *testing.T, dsn string) {
		c, seal := new(clock), randomKey()
		n := openNonceKeys(t, dsn, c, seal, "")
		stored, err := n.backend.loadKeys(t.Context())
		if err != nil || len(stored) == 0 {
			t.Fatalf("stored ring: %d bytes, %v", len(stored), err)
		}
		for _, k := range n.current.Load().keys {
			if bytes.Contains(stored, k.key[:]) {
				t.Error("a key is in the store as it is")
			}
		}
		_, err = OpenNonceKeys(t.Context(), dsn, NonceKeysConfig{SealingKey: randomKey(), Now: c.now})
		if err == nil || !strings.Contains(err.Error(), "another sealing key") {
			t.Errorf("another sealing key: %v, want an error that says so", err)
		}
		stored[len(stored)-1] ^= 1
		if _, err := openRing(n.seal, stored); err == nil {
			t.Error("an altered ring was opened")
		}
		if _, err := openRing(n.seal, n.seal.Seal(nil, nil, make([]byte, 41), nil)); err == nil {
			t.Error("a ring of a broken size was opened")
		}
	})
}

// Replicas that start together end up with one ring.
func TestReplicasThatStartTogetherAgree(t *testing.T) {
	nonceKeyBackends(t, func(t *testing.T, dsn string) {
		c, seal := new(clock), randomKey()
		opened := make(chan *NonceKeys, 6)
		for range cap(opened) {
			go func() {
				n, err := OpenNonceKeys(context.WithoutCancel(t.Context()), dsn, NonceKeysConfig{SealingKey: seal, Now: c.now})
				if err != nil {
					t.Error(err)
				}
				opened <- n
			}()
		}
		var nonces []string
		var nodes []*NonceKeys
		for range cap(opened) {
			if n := <-opened; n != nil {
				defer n.Close()
				nodes, nonces = append(nodes, n), append(nonces, issue(t, n))
			}
		}
		for i, n := range nodes {
			for j, nonce := range nonces {
				if got := state(t, n, nonce); got != holdfast.NonceCurrent {
					t.Errorf("the nonce of %d at %d: state %d, want current", j, i, got)
				}
			}
		}
	})
}

func TestNonceKeysNameEveryMistake(t *testing.T) {
	_, err := OpenNonceKeys(t.Context(), "redis://:hunter2@as.example", NonceKeysConfig{
		SealingKey: holdfast.NewSecret("too-short-a-key"), Lifetime: 2 * time.Hour, Rotation: time.Second,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"sealing key has 15 bytes", "lifetime is 2h0m0s", "rotation is 1s", "not encrypted"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not say %q", err, want)
		}
	}
	for _, secret := range []string{"hunter2", "too-short-a-key"} {
		if strings.Contains(err.Error(), secret) {
			t.Error("the error has a secret in it")
		}
	}
}
