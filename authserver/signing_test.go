package authserver

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

// awayStore is a store that cannot be reached while it is away, and counts what
// it is asked.
type awayStore struct {
	store.Store
	away   atomic.Bool
	reads  atomic.Int64
	writes atomic.Int64
}

var errAway = errors.New("the store is away")

func (s *awayStore) Get(ctx context.Context, k store.Kind, key [32]byte) (store.Record, error) {
	s.reads.Add(1)
	if s.away.Load() {
		return store.Record{}, errAway
	}
	return s.Store.Get(ctx, k, key)
}

func (s *awayStore) Create(ctx context.Context, r store.Record) error {
	s.writes.Add(1)
	if s.away.Load() {
		return errAway
	}
	return s.Store.Create(ctx, r)
}

func (s *awayStore) Swap(ctx context.Context, r store.Record) error {
	s.writes.Add(1)
	if s.away.Load() {
		return errAway
	}
	return s.Store.Swap(ctx, r)
}

func (s *awayStore) Delete(ctx context.Context, k store.Kind, key [32]byte) error {
	s.writes.Add(1)
	if s.away.Load() {
		return errAway
	}
	return s.Store.Delete(ctx, k, key)
}

func (s *awayStore) List(ctx context.Context, k store.Kind, owner string) iter.Seq2[store.Record, error] {
	if s.away.Load() {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errAway) }
	}
	return s.Store.List(ctx, k, owner)
}

// ringTest is a store and a clock that several rings share.
type ringTest struct {
	t     testing.TB
	clock *holdfasttest.Clock
	store *awayStore
}

func newRingTest(t testing.TB) *ringTest {
	clock := holdfasttest.NewClock(time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC))
	return &ringTest{t, clock, &awayStore{Store: store.NewMemory(clock.Now)}}
}

// replica starts a ring, as one process has it.
func (rt *ringTest) replica(c Signing) *keyRing {
	rt.t.Helper()
	k, err := rt.start(c, ProfileDefault)
	if err != nil {
		rt.t.Fatal(err)
	}
	return k
}

func (rt *ringTest) start(c Signing, p Profile) (*keyRing, error) {
	return newKeyRing(rt.t.Context(), &Server{
		config: Config{Issuer: "https://as.example", Signing: c, Profile: p}, store: rt.store, now: rt.clock.Now,
	})
}

const ringClaims = `{"iss":"https://as.example","exp":4102444800}`

// signedBy returns the kid that signs now and the JWT.
func (rt *ringTest) signedBy(k *keyRing) (kid string, raw holdfast.Secret) {
	rt.t.Helper()
	text, err := k.sign(rt.t.Context(), typAccess, []byte(ringClaims))
	if err != nil {
		rt.t.Fatal(err)
	}
	j, err := jose.Parse(text, holdfast.MaxTokenBytes)
	if err != nil || j.Type != typAccess || j.KeyID == "" {
		rt.t.Fatalf("typ %q, kid %q: %v", j.Type, j.KeyID, err)
	}
	return j.KeyID, holdfast.NewSecret(text)
}

// states returns the state of each key, oldest first.
func (rt *ringTest) states(k *keyRing) string {
	rt.t.Helper()
	all, err := k.states(rt.t.Context())
	if err != nil {
		rt.t.Fatal(err)
	}
	var names []string
	for _, s := range all {
		names = append(names, s.State)
	}
	return strings.Join(names, " ")
}

func (rt *ringTest) wantStates(k *keyRing, want string) {
	rt.t.Helper()
	if got := rt.states(k); got != want {
		rt.t.Errorf("keys are %q, want %q", got, want)
	}
}

func (rt *ringTest) wantRead(k *keyRing, raw holdfast.Secret, want holdfast.TokenState) {
	rt.t.Helper()
	got, err := k.read(rt.t.Context(), raw)
	if err != nil || got.State != want {
		rt.t.Errorf("state %v, %v, want %v", got, err, want)
	}
}

func TestSigningKeysAreMadeForEachAlgorithm(t *testing.T) {
	for _, alg := range []holdfast.Alg{"", holdfast.ES256, holdfast.EdDSA, holdfast.PS256, holdfast.RS256} {
		t.Run("alg "+string(alg), func(t *testing.T) {
			rt := newRingTest(t)
			k := rt.replica(Signing{Alg: alg})
			kid, raw := rt.signedBy(k)
			rt.wantRead(k, raw, holdfast.TokenAuthentic)
			set, err := token.ParseJWKS(k.current.Load().jwks)
			if err != nil || set.Len() != 1 || len(set.Skipped()) != 0 {
				t.Fatalf("published: %d keys, skipped %v, %v", set.Len(), set.Skipped(), err)
			}
			set.Issuer = "https://as.example"
			facts, err := token.NewJWT([]token.KeySet{set}).ReadToken(t.Context(), raw)
			if err != nil || facts.State != holdfast.TokenAuthentic {
				t.Errorf("with the published keys: %v, %v", facts, err)
			}
			// The kid is the thumbprint (RFC 7638), and nothing private is published.
			o := jwksOf(t, k)
			if got, err := holdfast.ThumbprintOf(o); err != nil || got.String() != kid {
				t.Errorf("kid is %s, the thumbprint %v, %v", kid, got, err)
			}
			for _, private := range []string{`"d"`, `"p"`, `"q"`, `"dp"`} {
				if strings.Contains(o, private) {
					t.Errorf("the published key has a member %s", private)
				}
			}
		})
	}
}

// jwksOf returns the one key that is published.
func jwksOf(t testing.TB, k *keyRing) string {
	t.Helper()
	text := string(k.current.Load().jwks)
	text, ok1 := strings.CutPrefix(text, `{"keys":[`)
	text, ok2 := strings.CutSuffix(text, `]}`)
	if !ok1 || !ok2 {
		t.Fatal("no key set")
	}
	return text
}

func TestSigningIsCheckedAtTheStart(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	for _, tt := range []struct {
		name    string
		c       Signing
		profile Profile
		want    []string
	}{
		{"no such algorithm", Signing{Alg: "none"}, 0, []string{`algorithm "none"`}},
		{"HMAC", Signing{Alg: "HS256"}, 0, []string{"algorithm"}},
		{"an algorithm that is not offered for tokens", Signing{Alg: holdfast.ES512}, 0, []string{"want ES256, EdDSA, PS256 or RS256"}},
		{"RS256 under FAPI 2.0", Signing{Alg: holdfast.RS256}, ProfileFAPI2, []string{"FAPI"}},
		{"several mistakes at once", Signing{Alg: "x", Overlap: time.Second, Rotate: time.Minute}, 0, []string{"algorithm", "overlap is 1s", "rotation is 1m0s"}},
		{"a rotation shorter than the overlaps", Signing{Overlap: time.Hour, Rotate: time.Hour}, 0, []string{"rotation"}},
		{"a signer of another type", Signing{Signers: []crypto.Signer{ec, ed}}, 0, []string{"signer 1", "OKP cannot sign with ES256"}},
		{"a weak signer and none at all", Signing{Alg: holdfast.PS256, Signers: []crypto.Signer{small, nil}}, 0, []string{"signer 0", "signer 1: no signer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newRingTest(t).start(tt.c, tt.profile)
			for _, part := range tt.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v lacks %q", err, part)
				}
			}
		})
	}
}

func TestSigningKeysRotateWithOverlap(t *testing.T) {
	rt := newRingTest(t)
	k := rt.replica(Signing{})
	first, raw := rt.signedBy(k)
	rt.wantStates(k, "signing")

	rt.clock.Advance(DefaultSigningRotation - DefaultSigningOverlap - time.Second)
	rt.wantStates(k, "signing")
	rt.clock.Advance(RingPoll)
	rt.wantStates(k, "signing pending") // published before it signs
	if kid, _ := rt.signedBy(k); kid != first {
		t.Error("the new key signs before it is known")
	}
	rt.clock.Advance(DefaultSigningOverlap)
	rt.wantStates(k, "published signing")
	second, _ := rt.signedBy(k)
	if second == first {
		t.Error("the old key still signs")
	}
	rt.wantRead(k, raw, holdfast.TokenAuthentic)

	// A token of the last moment of the old key can live for an hour.
	rt.clock.Advance(MaxAccessLifetime)
	rt.wantRead(k, raw, holdfast.TokenAuthentic)
	rt.clock.Advance(ringLeeway + RingStale + RingPoll)
	rt.wantStates(k, "signing")
	rt.wantRead(k, raw, holdfast.TokenUnknownKey)
}

func TestTheAlgorithmOfSigningKeysCanBeChanged(t *testing.T) {
	rt := newRingTest(t)
	first, raw := rt.signedBy(rt.replica(Signing{}))
	k := rt.replica(Signing{Alg: holdfast.EdDSA})
	rt.wantStates(k, "signing pending")
	if kid, _ := rt.signedBy(k); kid != first {
		t.Error("the key of the new algorithm signs before it is known")
	}
	rt.clock.Advance(DefaultSigningOverlap)
	rt.wantStates(k, "published signing")
	rt.wantRead(k, raw, holdfast.TokenAuthentic)
}

func TestReplicasShareTheirSigningKeys(t *testing.T) {
	rt := newRingTest(t)
	var wg sync.WaitGroup
	rings := make([]*keyRing, 8)
	for i := range rings { // all start at once on an empty store
		wg.Go(func() { rings[i] = rt.replica(Signing{}) })
	}
	wg.Wait()
	kid, raw := rt.signedBy(rings[0])
	for _, k := range rings {
		if other, _ := rt.signedBy(k); other != kid {
			t.Fatalf("replicas sign with %s and %s", kid, other)
		}
	}
	// A key that is compromised is gone everywhere within RingPoll.
	a, b := rings[0], rings[1]
	if err := a.retire(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	rt.wantRead(a, raw, holdfast.TokenUnknownKey)
	rt.wantStates(a, "signing")
	next, fresh := rt.signedBy(a)
	if next == kid {
		t.Fatal("the compromised key signs")
	}
	rt.clock.Advance(ringRetry)
	rt.wantRead(b, fresh, holdfast.TokenAuthentic) // a kid that is not known makes it look
	rt.clock.Advance(RingPoll)
	for _, k := range rings {
		rt.wantRead(k, raw, holdfast.TokenUnknownKey)
		if strings.Contains(string(k.current.Load().jwks), kid) {
			t.Error("the compromised key is published")
		}
	}
}

func TestRotationByCommand(t *testing.T) {
	rt := newRingTest(t)
	k := rt.replica(Signing{})
	first, _ := rt.signedBy(k)
	for range 3 { // asking again does not add keys
		if err := k.rotateNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	rt.wantStates(k, "signing pending")
	if kid, _ := rt.signedBy(k); kid != first {
		t.Error("the new key signs before it is known")
	}
	// The one that signs is compromised while another waits: that one takes over.
	if err := k.retire(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	rt.wantStates(k, "signing")
	if err := k.retire(t.Context(), first); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that is gone: %v", err)
	}
	for i := 0; i < MaxSigningKeys+2; i++ { // more than can be published
		if err := k.rotateNow(t.Context()); err != nil && !errors.Is(err, errManyKeys) {
			t.Fatal(err)
		}
		rt.clock.Advance(time.Second)
		retirePending(t, rt, k)
	}
	rt.wantStates(k, "signing")
}

// retirePending removes the key that waits.
func retirePending(t *testing.T, rt *ringTest, k *keyRing) {
	t.Helper()
	all, err := k.states(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := all[len(all)-1]; last.State == "pending" {
		if err := k.retire(t.Context(), last.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThereAreNotMoreSigningKeysThanCanBePublished(t *testing.T) {
	rt := newRingTest(t)
	k := rt.replica(Signing{Overlap: 2 * RingStale})
	var last error
	for range MaxSigningKeys + 3 {
		last = k.rotateNow(t.Context())
		rt.clock.Advance(2 * RingStale)
	}
	if !errors.Is(last, errManyKeys) {
		t.Errorf("error %v, want that there are too many", last)
	}
	if all, err := k.states(t.Context()); err != nil || len(all) != MaxSigningKeys {
		t.Errorf("%d keys, %v", len(all), err)
	}
	rt.signedBy(k)
	rt.clock.Advance(ringRetain)
	rt.wantStates(k, "signing")
}

func TestAReplicaGoesOnForAWhileWithoutTheStore(t *testing.T) {
	rt := newRingTest(t)
	k := rt.replica(Signing{})
	_, raw := rt.signedBy(k)
	rt.store.away.Store(true)
	rt.clock.Advance(RingStale)
	rt.signedBy(k)
	rt.wantRead(k, raw, holdfast.TokenAuthentic)
	asked := rt.store.reads.Load()
	for range 50 { // not every request waits for a store that is away
		rt.signedBy(k)
	}
	if got := rt.store.reads.Load(); got != asked {
		t.Errorf("the store was asked %d times more", got-asked)
	}
	rt.clock.Advance(ringRetry)
	if _, err := k.sign(t.Context(), typAccess, []byte(ringClaims)); !errors.Is(err, errAway) {
		t.Errorf("error %v, want that of the store", err)
	}
	if _, err := k.sign(t.Context(), typAccess, []byte(ringClaims)); err == nil || !strings.Contains(err.Error(), "at most 1m0s is accepted") {
		t.Errorf("error %v right after", err)
	}
	if _, err := k.read(t.Context(), raw); err == nil {
		t.Error("a token is believed although the keys may have been retired")
	}
	rt.store.away.Store(false)
	rt.clock.Advance(ringRetry)
	rt.signedBy(k)

	rt.store.away.Store(true)
	if _, err := rt.start(Signing{}, 0); !errors.Is(err, errAway) {
		t.Errorf("a start without the store: %v", err)
	}
}

func TestKeysOfTheConfigurationStay(t *testing.T) {
	rt := newRingTest(t)
	old, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	current, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k := rt.replica(Signing{Signers: []crypto.Signer{current, old}})
	kid, raw := rt.signedBy(k)
	pub, err := jose.NewPublicKey(current.Public())
	if err != nil {
		t.Fatal(err)
	}
	if want := holdfast.Thumbprint(pub.Thumbprint()).String(); kid != want {
		t.Errorf("%s signs, want the first, %s", kid, want)
	}
	rt.wantRead(rt.replica(Signing{Signers: []crypto.Signer{old, current}}), raw, holdfast.TokenAuthentic)
	rt.wantStates(k, "published signing")
	rt.store.away.Store(true)
	rt.clock.Advance(400 * 24 * time.Hour)
	rt.signedBy(k)
	if err := k.rotateNow(t.Context()); !errors.Is(err, errFixedKeys) {
		t.Errorf("rotate: %v", err)
	}
	if err := k.retire(t.Context(), kid); !errors.Is(err, errFixedKeys) {
		t.Errorf("retire: %v", err)
	}
	if rt.store.reads.Load()+rt.store.writes.Load() != 0 {
		t.Error("the store was asked for keys of the configuration")
	}
}

func TestAStoredKeyThatCannotBeReadStopsTheServer(t *testing.T) {
	rt := newRingTest(t)
	record := ringRecord{Keys: []keyRecord{{From: rt.clock.Now(), Alg: "ES256", Private: []byte("no key")}}}
	if err := create(t.Context(), rt.store, kindSigning, ringKey(), "", time.Time{}, record); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.start(Signing{}, 0); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("error %v", err)
	}
}

func TestTheKeySetIsPublished(t *testing.T) {
	ts := newTestServer(t, func(c *Config) { c.Signing.Overlap = 4 * time.Minute; c.Signing.Rotate = time.Hour })
	answer := ts.document(pathJWKS)
	if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/jwk-set+json" {
		t.Fatalf("answer is %d %s", answer.status, answer.header.Get("Content-Type"))
	}
	// Kept by others for less than the overlap, so that they know a key before it signs.
	if got := answer.header.Get("Cache-Control"); got != "public, max-age=120" {
		t.Errorf("Cache-Control is %q", got)
	}
	if answer.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("scripts cannot read the key set")
	}
	if set, err := token.ParseJWKS(answer.raw); err != nil || set.Len() != 1 {
		t.Errorf("%d keys, %v", set.Len(), err)
	}
	if strings.Contains(string(answer.raw), `"d":`) {
		t.Error("a private key is published")
	}
}

// document asks for a document of the public listener.
func (ts *testServer) document(path string) *reply {
	ts.t.Helper()
	r, err := http.NewRequest(http.MethodGet, ts.front.URL+path, nil)
	if err != nil {
		ts.t.Fatal(err)
	}
	return ts.send(ts.http, r)
}
