package store

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

const (
	target   = "https://as.example/token"
	replicas = 3
)

// cluster is three verifiers on one store, each with a connection of its own.
type cluster struct {
	clock     *clock
	key       *holdfast.Key
	caches    [replicas]*Replays
	verifiers [replicas]*holdfast.ProofVerifier
}

func newCluster(t testing.TB, dsn string, mode holdfast.NonceMode) *cluster {
	t.Helper()
	c := &cluster{clock: new(clock)}
	var err error
	if c.key, err = holdfast.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	shared := make([]byte, 32)
	for i := range replicas {
		c.caches[i] = settled(t, c.clock, dsn)
		nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Keys: [][]byte{shared}, Now: c.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		c.verifiers[i], err = holdfast.NewProofVerifier(holdfast.ProofPolicy{
			Replays: c.caches[i], Nonces: nonces, Nonce: mode, Now: c.clock.now,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Proofs made from now on are not of the time before the store: its first
	// use is a cold start as well.
	c.clock.advance(holdfast.DefaultSkew + 2*time.Second)
	return c
}

// prove makes a proof whose iat is that far ahead.
func (c *cluster) prove(t testing.TB, nonce string, ahead time.Duration) holdfast.Secret {
	t.Helper()
	u, _ := url.Parse(target)
	p, err := c.key.Prove(holdfast.ProofClaims{Method: "POST", URL: u, Nonce: nonce, Time: c.clock.now().Add(ahead)})
	if err != nil {
		t.Fatal(err)
	}
	return holdfast.NewSecret(p)
}

func (c *cluster) present(ctx context.Context, replica int, proof holdfast.Secret) error {
	_, err := c.verifiers[replica].Verify(ctx, &holdfast.Presentation{
		Method: "POST", URL: target, Proofs: []holdfast.Secret{proof},
	}, holdfast.ProofNeed{Required: true})
	return err
}

// D-11.1-03: three verifiers on one store, every proof presented 200 times at
// once, is accepted once.
func TestOfManyPresentationsOfAProofOneIsAccepted(t *testing.T) {
	proofs, times := 1000, 200
	if raceEnabled || testing.Short() {
		proofs, times = 200, 30
	}
	s := testservers.Redis(t)
	c := newCluster(t, redisDSN(s), holdfast.NonceOptional)
	made := make([]holdfast.Secret, proofs)
	for i := range made {
		made[i] = c.prove(t, "", 0)
	}
	order := make([]int, proofs*times) // the presentations of one proof lie close together
	for i := range order {
		order[i] = i / times
	}
	for i := range order {
		j := i + rand.IntN(min(500, len(order)-i))
		order[i], order[j] = order[j], order[i]
	}
	accepted := make([]atomic.Int32, proofs)
	var next, replayed atomic.Int64
	var all sync.WaitGroup
	for worker := range 48 {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(order) {
					return
				}
				switch code := holdfast.CodeOf(c.present(t.Context(), worker%replicas, made[order[n]])); code {
				case holdfast.CodeOK:
					accepted[order[n]].Add(1)
				case holdfast.CodeReplayJTIReplayed:
					replayed.Add(1)
				default:
					t.Errorf("a presentation was refused with %v", code)
					return
				}
			}
		})
	}
	all.Wait()
	for i := range accepted {
		if n := accepted[i].Load(); n != 1 {
			t.Errorf("proof %d was accepted %d times, want once", i, n)
		}
	}
	t.Logf("%d presentations of %d proofs at %d verifiers, %d refused as replays", len(order), proofs, replicas, replayed.Load())
}

// D-7.1-04: the store is killed and started while proofs are being presented.
func TestNoProofIsAcceptedTwiceOverACrash(t *testing.T) {
	for _, b := range []struct {
		name  string
		saved bool
		start func(t testing.TB) (dsn string, crash, start func())
	}{
		{"Redis without persistence", false, func(t testing.TB) (string, func(), func()) {
			s := testservers.Redis(t)
			return redisDSN(s), s.Kill, s.Start
		}},
		{"Redis with a snapshot that has the epoch and not the last ids", true, func(t testing.TB) (string, func(), func()) {
			s := testservers.Redis(t, "--save", "3600", "1000000")
			return redisDSN(s), s.Kill, s.Start
		}},
		{"PostgreSQL", false, func(t testing.TB) (string, func(), func()) {
			s := testservers.Postgres(t)
			return postgresDSN(s), s.Crash, s.Start
		}},
	} {
		t.Run(b.name, func(t *testing.T) {
			dsn, crash, start := b.start(t)
			overACrash(t, newCluster(t, dsn, holdfast.NonceOptional), b.saved, crash, start)
		})
	}
}

func overACrash(t *testing.T, c *cluster, saved bool, crash, start func()) {
	if saved {
		v := c.caches[0].backend.(*valkeyServer)
		if err := v.client.Do(t.Context(), v.client.B().Save().Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	var made []holdfast.Secret
	for i := range 400 {
		made = append(made, c.prove(t, "", time.Duration(i%2)*8*time.Second)) // every other one by a clock that is ahead
	}
	accepted := make([]atomic.Int32, len(made))
	present := func(replica, i int) holdfast.Code {
		code := holdfast.CodeOf(c.present(t.Context(), replica, made[i]))
		if code == holdfast.CodeOK {
			accepted[i].Add(1)
		}
		return code
	}
	half := len(made) / 2
	for i := range half {
		if code := present(i%replicas, i); code != holdfast.CodeOK {
			t.Fatalf("proof %d before the crash: %v, want accepted", i, code)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	for worker := range 6 { // presents the other half, and all again, through everything that follows
		crowd.Go(func() {
			for i := worker; ctx.Err() == nil; i++ {
				present(worker%replicas, half+i%half)
				present(worker%replicas, i%len(made))
			}
		})
	}
	crash()
	for i := range made {
		if code := present(i%replicas, i); code != holdfast.CodeServerReplay {
			t.Errorf("proof %d while the store is down: %v, want server.replay: no client is to blame", i, code)
		}
	}
	start()
	for i := range made {
		switch code := present(i%replicas, i); code {
		case holdfast.CodeServerReplay, holdfast.CodeReplayJTIReplayed, holdfast.CodeProofNonceRequired:
		default:
			t.Errorf("proof %d a moment after the crash: %v, want refused for what the store does not know", i, code)
		}
	}
	c.clock.advance(ClockTolerance + time.Second)
	for range 2 * replicas { // each replica may notice only now
		_ = present(0, 0)
		_ = present(1, 0)
		_ = present(2, 0)
	}
	c.clock.advance(ClockTolerance + time.Second)
	for i := range made {
		if code := present(i%replicas, i); code == holdfast.CodeOK {
			t.Errorf("proof %d was accepted after the crash", i)
		}
	}
	stop()
	crowd.Wait()
	for i := range accepted {
		if n := accepted[i].Load(); n > 1 || i < half && n != 1 {
			t.Errorf("proof %d was accepted %d times", i, n)
		}
	}

	for i := range replicas { // and without a restart all is well again
		first := c.prove(t, "", 0)
		if code := holdfast.CodeOf(c.present(t.Context(), i, first)); code != holdfast.CodeProofNonceRequired {
			t.Errorf("replica %d: a proof of just after the crash: %v, want a challenge", i, code)
		}
		nonce, err := c.verifiers[i].Nonce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for at := range replicas {
			second := c.prove(t, nonce, 0)
			if err := c.present(t.Context(), at, second); err != nil {
				t.Errorf("replica %d: a proof with a nonce of replica %d: %v, want accepted", at, i, err)
			}
		}
	}
}

// A request asked since when the store remembers, and then read its token for
// so long that the store lost its memory, another request noticed, and the time
// after it in which nothing is accepted went by.
func TestALossDuringARequestIsSeen(t *testing.T) {
	s := testservers.Redis(t)
	c := new(clock)
	r := settled(t, c, redisDSN(s))
	c.advance(holdfast.DefaultSkew + 2*time.Second)
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var during func()
	v, err := holdfast.NewVerifier(holdfast.Config{
		Issuers: []string{"https://as.example"}, Audience: []string{"https://api.example"},
		Proof: holdfast.ProofPolicy{Replays: r, Now: c.now, Nonce: holdfast.NonceOptional},
		Tokens: tokenFunc(func() *holdfast.Token {
			during()
			return &holdfast.Token{
				State: holdfast.TokenAuthentic, Type: "at+jwt", Issuer: "https://as.example", Audience: []string{"https://api.example"},
				Expires: c.now().Add(time.Hour), Confirmation: holdfast.Confirmation{JKT: key.Thumbprint()},
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("https://api.example/orders")
	proof, err := key.Prove(holdfast.ProofClaims{Method: "GET", URL: u, Token: holdfast.NewSecret("token"), Time: c.now()})
	if err != nil {
		t.Fatal(err)
	}
	verify := func() holdfast.Code {
		_, err := v.Verify(t.Context(), &holdfast.Presentation{
			Method: "GET", URL: u.String(), Proofs: []holdfast.Secret{holdfast.NewSecret(proof)},
			Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP token")},
		}, holdfast.Requirement{})
		return holdfast.CodeOf(err)
	}
	during = func() {}
	if code := verify(); code != holdfast.CodeOK {
		t.Fatalf("the first presentation: %v, want accepted", code)
	}
	during = func() {
		s.Do("FLUSHALL")
		if _, err := r.Use(t.Context(), holdfast.ReplayID{1}, c.now()); err == nil {
			t.Error("Use after the loss was answered")
		}
		c.advance(ClockTolerance + time.Second)
	}
	if code := verify(); code != holdfast.CodeServerReplay {
		t.Errorf("the second presentation: %v, want server.replay", code)
	}
}

type tokenFunc func() *holdfast.Token

func (f tokenFunc) ReadToken(context.Context, holdfast.Secret) (*holdfast.Token, error) {
	return f(), nil
}
