package authserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

// Defaults, times and limits of the keys that sign access tokens.
const (
	DefaultSigningRotation = 30 * 24 * time.Hour // how long a key signs
	DefaultSigningOverlap  = 15 * time.Minute    // how long it is published before
	MaxSigningKeys         = 16                  // in the key set at one time

	// RingPoll is how old what a replica knows of the signing keys gets before
	// it looks again: a key that one replica removed is gone at all of them
	// within this time. While the store is away a replica goes on for RingStale;
	// then it signs and publishes nothing.
	RingPoll  = 5 * time.Second
	RingStale = time.Minute

	// JWKSMaxAge is for how long others may keep the key set at most: no longer
	// than half of the overlap, so that they know a key before it signs.
	JWKSMaxAge = 5 * time.Minute

	ringRetry   = time.Second     // pause between readings that failed, or for an unknown kid
	ringTimeout = 2 * time.Second // of one reading
	ringTries   = 8               // against other replicas
	ringLeeway  = time.Minute     // that verifiers may grant after exp

	// ringRetain is how long a key stays published after the next one began to
	// sign: as long as a token can live that a replica signed which had not
	// reached the store.
	ringRetain = MaxAccessLifetime + ringLeeway + RingStale
)

// keyRing holds the keys that sign access tokens: those of the configuration, or
// those that the server makes, rotates and shares with its replicas in one
// sealed record. What is due is decided by whoever uses the ring first, with a
// compare-and-swap.
type keyRing struct {
	issuer  string
	alg     jose.Alg
	rotate  time.Duration
	overlap time.Duration
	fixed   bool // keys of the configuration: nothing changes
	store   store.Store
	now     func() time.Time

	current atomic.Pointer[ring]
	turn    sync.Mutex // held by the one who reads or changes the record
	tried   time.Time  // when it was last read; guarded by turn

	blocks blockText // see blocks.go
}

// ring is what a process works with until it looks again. Immutable.
type ring struct {
	keys   []*signingKey // in the order in which they sign, never empty
	jwks   []byte
	reader *token.JWT
	seen   time.Time // when the store was last reached
}

func newKeyRing(ctx context.Context, s *Server) (*keyRing, error) {
	c := s.config.Signing
	k := &keyRing{issuer: s.config.Issuer, rotate: c.Rotate, overlap: c.Overlap, store: s.store, now: s.now}
	if err := k.settle(c.Alg, s.config.Profile); err != nil {
		return nil, err
	}
	if len(c.Signers) == 0 {
		if err := k.refreshLocked(ctx); err != nil { // nobody else has the ring yet
			return nil, fmt.Errorf("signing keys: %w", err)
		}
		return k, nil
	}
	k.fixed = true
	var errs []error
	var keys []*signingKey
	for i, signer := range c.Signers {
		key, err := newSigningKey(signer, k.alg, time.Time{})
		if err != nil {
			errs = append(errs, fmt.Errorf("signer %d: %w", i, err))
			continue
		}
		keys = append([]*signingKey{key}, keys...) // the last of a ring signs
	}
	if len(c.Signers) > MaxSigningKeys {
		errs = append(errs, fmt.Errorf("%d signers, at most %d", len(c.Signers), MaxSigningKeys))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return k, k.adopt(keys, k.now())
}

// settle fills in the defaults and reports every mistake.
func (k *keyRing) settle(alg holdfast.Alg, profile Profile) error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("signing: "+format, args...)) }
	if alg == "" {
		alg = holdfast.ES256
	}
	k.alg, _ = jose.ParseAlg(string(alg))
	if !slices.Contains([]jose.Alg{jose.ES256, jose.EdDSA, jose.PS256, jose.RS256}, k.alg) {
		problem("algorithm %.20q: want ES256, EdDSA, PS256 or RS256", alg)
	} else if k.alg == jose.RS256 && profile == ProfileFAPI2 {
		problem("FAPI 2.0 forbids RS256") // FAPI 2.0 Security Profile section 5.4.1
	}
	if k.rotate == 0 {
		k.rotate = DefaultSigningRotation
	}
	if k.overlap == 0 {
		k.overlap = DefaultSigningOverlap
	}
	if least := 2 * RingStale; k.overlap < least || k.overlap > 7*24*time.Hour {
		problem("overlap is %v, want from %v to a week", k.overlap, least)
	}
	// So that the ring never has MaxSigningKeys by itself.
	if least := max(time.Hour, 2*k.overlap); k.rotate < least || k.rotate > 366*24*time.Hour {
		problem("rotation is %v, want from %v to a year", k.rotate, least)
	}
	return errors.Join(errs...)
}

// close has nothing to end: the ring is looked after by those who use it.
func (k *keyRing) close() error { return nil }

// sign returns a JWT with the given typ and claims (JSON text), signed by the
// current key.
func (k *keyRing) sign(ctx context.Context, typ string, claims []byte) (string, error) {
	r, err := k.use(ctx)
	if err != nil {
		return "", err
	}
	text, err := r.keys[r.signing(k.now())].sign(typ, claims)
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return text, nil
}

// read returns the facts of a JWT of ours. A kid that is not known may be of a
// key that another replica has just put in the place of a compromised one.
func (k *keyRing) read(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	r, err := k.use(ctx)
	if err != nil {
		return nil, err
	}
	t, err := r.reader.ReadToken(ctx, raw)
	if err != nil || t.State != holdfast.TokenUnknownKey || k.fixed || k.now().Sub(r.seen) < ringRetry {
		return t, err
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	if k.current.Load() == r { // nobody else was faster
		if pause := k.now().Sub(k.tried); pause >= 0 && pause < ringRetry {
			return nil, errors.New("signing keys: the store could not be reached a moment ago")
		}
		if err := k.refreshLocked(ctx); err != nil {
			return nil, fmt.Errorf("signing keys: %w", err)
		}
	}
	return k.current.Load().reader.ReadToken(ctx, raw)
}

// use returns a ring that is young enough. Only one caller at a time looks after
// it; the others wait only if there is nothing to go on with.
func (k *keyRing) use(ctx context.Context) (*ring, error) {
	r := k.current.Load()
	switch age := k.now().Sub(r.seen); {
	case k.fixed || age >= 0 && age < RingPoll:
		return r, nil
	case age > RingStale:
		k.turn.Lock()
	case !k.turn.TryLock():
		return r, nil
	}
	defer k.turn.Unlock()
	now := k.now()
	if k.current.Load() != r {
		return k.current.Load(), nil // somebody else was faster
	}
	stale := now.Sub(r.seen) > RingStale
	if pause := now.Sub(k.tried); pause >= 0 && pause < ringRetry {
		if stale {
			return nil, fmt.Errorf("signing keys: the store was last reached %v ago, at most %v is accepted", now.Sub(r.seen).Round(time.Second), RingStale)
		}
		return r, nil
	}
	if err := k.refreshLocked(ctx); err != nil && stale {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	return k.current.Load(), nil
}

// refreshLocked brings the ring of this process and the stored one together.
// The caller holds turn.
func (k *keyRing) refreshLocked(ctx context.Context) error {
	return k.changeLocked(ctx, func(*ringRecord, time.Time) (bool, error) { return false, nil })
}

// change edits the stored ring and takes it over.
func (k *keyRing) change(ctx context.Context, edit ringEdit) error {
	if k.fixed {
		return errFixedKeys
	}
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.changeLocked(ctx, edit)
}

func (k *keyRing) changeLocked(ctx context.Context, edit ringEdit) error {
	// Many go on with the result: it must not depend on the patience of one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ringTimeout)
	defer cancel()
	k.tried = k.now()
	for range ringTries {
		err := k.exchange(ctx, edit)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	return errors.New("other replicas kept changing the signing keys")
}

// exchange reads the record, edits it, does what is due and writes it back if
// anything changed.
func (k *keyRing) exchange(ctx context.Context, edit ringEdit) error {
	now := k.now()
	e, err := load[ringRecord](ctx, k.store, kindSigning, ringKey())
	lost := missing(err)
	if err != nil && !lost {
		return err
	}
	if lost {
		e = &entry[ringRecord]{}
	}
	edited, err := edit(&e.Value, now)
	if err != nil {
		return err
	}
	turned, err := k.due(&e.Value, now)
	if err != nil {
		return err
	}
	switch {
	case lost:
		err = create(ctx, k.store, kindSigning, ringKey(), "", time.Time{}, e.Value)
	case edited || turned:
		err = e.swap(ctx, k.store)
	}
	if err != nil {
		return err
	}
	keys := make([]*signingKey, len(e.Value.Keys))
	for i := range keys {
		if keys[i], err = e.Value.Keys[i].open(); err != nil {
			return err
		}
	}
	return k.adopt(keys, now)
}

// adopt makes the ring that this process works with.
func (k *keyRing) adopt(keys []*signingKey, now time.Time) error {
	var text bytes.Buffer
	text.WriteString(`{"keys":[`)
	for i, key := range keys {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(key.published())
	}
	text.WriteString(`]}`)
	set, err := token.ParseJWKS(text.Bytes())
	if err != nil {
		return err
	}
	set.Issuer = k.issuer
	k.current.Store(&ring{keys: keys, jwks: text.Bytes(), reader: token.NewJWT([]token.KeySet{set}), seen: now})
	return nil
}

// signing returns the place of the key that signs: the newest whose time has
// come. The first one does not wait for the clock of another replica.
func (r *ring) signing(now time.Time) int {
	for i := len(r.keys) - 1; i > 0; i-- {
		if !r.keys[i].from.After(now) {
			return i
		}
	}
	return 0
}

// keyState is what the administration is told of a key.
type keyState struct {
	ID    string    `json:"kid"`
	Alg   string    `json:"alg"`
	State string    `json:"state"`
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// states describes the keys, oldest first.
func (k *keyRing) states(ctx context.Context) ([]keyState, error) {
	r, err := k.use(ctx)
	if err != nil {
		return nil, err
	}
	signing := r.signing(k.now())
	out := make([]keyState, len(r.keys))
	for i, key := range r.keys {
		out[i] = keyState{ID: key.id, Alg: key.alg.String(), State: "published", From: key.from.UTC()}
		switch {
		case i == signing:
			out[i].State = "signing"
		case i > signing:
			out[i].State = "pending"
		}
		if !k.fixed && i+1 < len(r.keys) {
			out[i].Until = r.keys[i+1].from.Add(ringRetain).UTC()
		}
	}
	return out, nil
}

// serveJWKS publishes the public keys (RFC 8414 section 2, jwks_uri).
func (s *Server) serveJWKS(w http.ResponseWriter, r *http.Request) {
	keys, err := s.signing.use(r.Context())
	if err != nil {
		unavailable(err).write(w, s.now())
		return
	}
	age := min(JWKSMaxAge, s.signing.overlap/2)
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(age/time.Second)))
	_, _ = w.Write(keys.jwks)
}
