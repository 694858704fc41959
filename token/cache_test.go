package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// reader is a TokenReader that answers as the test says, and counts.
type reader struct {
	read       func(raw string) (*holdfast.Token, error)
	asked      atomic.Int64
	generation atomic.Uint64
}

func (r *reader) ReadToken(_ context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	r.asked.Add(1)
	return r.read(raw.Reveal())
}

func (r *reader) Generation() uint64 { return r.generation.Load() }

// always reads the same facts.
func always(t holdfast.Token) *reader {
	return &reader{read: func(string) (*holdfast.Token, error) { return &t, nil }}
}

func newCache(t testing.TB, r holdfast.TokenReader, c *clock, limit int) *Cache {
	t.Helper()
	k, err := NewCache(CacheConfig{Tokens: r, Max: limit, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCacheConfig(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    CacheConfig
		want []string
	}{
		{"a reader is enough", CacheConfig{Tokens: &reader{}}, nil},
		{"every mistake at once", CacheConfig{Max: -1, Lifetime: -1}, []string{"Tokens", "Max", "Lifetime"}},
		{"a lifetime of introspected tokens that is negative", CacheConfig{Tokens: &reader{}, IntrospectedLifetime: -1}, []string{"negative"}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantMistakes(t, func() error { _, err := NewCache(tt.c); return err }(), tt.want) })
	}
}

func TestCacheLifetime(t *testing.T) {
	signed := holdfast.Token{State: holdfast.TokenAuthentic, Typed: true}
	introspected := holdfast.Token{State: holdfast.TokenAuthentic}
	expires := func(t holdfast.Token, in time.Duration) holdfast.Token {
		t.Expires = (&clock{}).now().Add(in)
		return t
	}
	for _, tt := range []struct {
		name  string
		token holdfast.Token
		lives time.Duration // 0: not at all
	}{
		{"a signed token", signed, DefaultLifetime},
		{"INT-4-02: an introspected token", introspected, DefaultIntrospectedLifetime},
		{"a signed token that expires later", expires(signed, time.Hour), DefaultLifetime},
		{"INT-4-01: not beyond exp, signed", expires(signed, 10*time.Second), 10 * time.Second},
		{"INT-4-01: not beyond exp, introspected", expires(introspected, 2*time.Second), 2 * time.Second},
		{"an expired token", expires(signed, 0), 0},
		{"a malformed token", holdfast.Token{State: holdfast.TokenMalformed}, 0},
		{"an unknown key", holdfast.Token{State: holdfast.TokenUnknownKey}, 0},
		{"a bad signature", holdfast.Token{State: holdfast.TokenBadSignature}, 0},
		{"an inactive token", holdfast.Token{State: holdfast.TokenInactive}, 0},
		{"a token that nobody could judge", holdfast.Token{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, c := always(tt.token), &clock{}
			k := newCache(t, r, c, 0)
			wantState(t, k, "raw", tt.token.State)
			if tt.lives == 0 {
				if k.Len() != 0 {
					t.Error("it is in the cache")
				}
				return
			}
			c.advance(tt.lives - time.Second)
			wantState(t, k, "raw", tt.token.State)
			if n := r.asked.Load(); n != 1 {
				t.Errorf("read %d times before its time, want once", n)
			}
			c.advance(time.Second)
			wantState(t, k, "raw", tt.token.State)
			if n := r.asked.Load(); n != 2 {
				t.Errorf("read %d times at its time, want twice", n)
			}
		})
	}
}

func TestCacheKeepsNoErrors(t *testing.T) {
	down := errors.New("down")
	r := &reader{read: func(string) (*holdfast.Token, error) { return nil, down }}
	k := newCache(t, r, &clock{}, 0)
	if got, err := k.ReadToken(t.Context(), holdfast.NewSecret("raw")); got != nil || !errors.Is(err, down) {
		t.Errorf("got %v, %v", got, err)
	}
	r.read = func(string) (*holdfast.Token, error) { return nil, nil } // a reader that breaks its contract
	if got, err := k.ReadToken(t.Context(), holdfast.NewSecret("raw")); got != nil || err != nil || k.Len() != 0 {
		t.Errorf("got %v, %v, %d held", got, err, k.Len())
	}
}

// INT-4-02: an entry belongs to one whole token.
func TestCacheTellsTokensApart(t *testing.T) {
	r := &reader{read: func(raw string) (*holdfast.Token, error) {
		return &holdfast.Token{State: holdfast.TokenAuthentic, Typed: true, Subject: raw}, nil
	}}
	k := newCache(t, r, &clock{}, 0)
	for range 2 {
		for _, raw := range []string{"prefix", "prefix.a", "prefix.b", "Prefix"} {
			got, err := k.ReadToken(t.Context(), holdfast.NewSecret(raw))
			if err != nil || got.Subject != raw {
				t.Errorf("%q gives the facts of %q", raw, got.Subject)
			}
			hashed, err := k.ReadTokenHashed(t.Context(), holdfast.NewSecret(raw), sha256.Sum256([]byte(raw)))
			if err != nil || hashed != got {
				t.Errorf("%q with its sum gives another answer", raw)
			}
		}
	}
	if n := r.asked.Load(); n != 4 {
		t.Errorf("read %d times, want 4", n)
	}
}

func TestCachePurge(t *testing.T) {
	r := always(holdfast.Token{State: holdfast.TokenAuthentic, Typed: true})
	k := newCache(t, r, &clock{}, 0)
	wantState(t, k, "raw", holdfast.TokenAuthentic)
	k.Purge()
	if k.Len() != 0 {
		t.Error("it is still there")
	}
	revoked := holdfast.Token{State: holdfast.TokenInactive}
	r.read = func(string) (*holdfast.Token, error) { return &revoked, nil }
	wantState(t, k, "raw", holdfast.TokenInactive)

	// What was read before a purge must not come back after it.
	r.read = func(string) (*holdfast.Token, error) {
		k.Purge()
		return &holdfast.Token{State: holdfast.TokenAuthentic, Typed: true}, nil
	}
	wantState(t, k, "raw", holdfast.TokenAuthentic)
	if k.Len() != 0 {
		t.Error("a token that was read before the purge is kept")
	}
}

func TestCacheForgetsWhenKeysChange(t *testing.T) {
	c := &clock{}
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	remote := newRemote(t, p, c)
	all, err := NewByIssuer(map[string]holdfast.TokenReader{testIssuer: remote}, &reader{})
	if err != nil {
		t.Fatal(err)
	}
	k := newCache(t, all, c, 0)
	old := signedWith(t, "es", "k1")
	wantState(t, k, old, holdfast.TokenAuthentic)
	wantState(t, k, old, holdfast.TokenAuthentic)

	c.advance(DefaultMinRefetch)
	p.answers(publishes(jwk(t, "other", `,"kid":"k2"`)))
	wantState(t, k, signedWith(t, "other", "k2"), holdfast.TokenAuthentic) // fetches
	wantState(t, k, old, holdfast.TokenUnknownKey)                         // its key was taken back

	r := always(holdfast.Token{State: holdfast.TokenAuthentic, Typed: true})
	k = newCache(t, r, c, 0)
	wantState(t, k, "raw", holdfast.TokenAuthentic)
	r.generation.Add(1)
	wantState(t, k, "raw", holdfast.TokenAuthentic)
	wantState(t, k, "raw", holdfast.TokenAuthentic)
	if n := r.asked.Load(); n != 2 {
		t.Errorf("read %d times, want once per generation", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	for _, limit := range []int{1, 3, 50} {
		c := &clock{}
		r := always(holdfast.Token{State: holdfast.TokenAuthentic, Typed: true})
		k := newCache(t, r, c, limit)
		for i := range 4 * limit {
			wantState(t, k, "token "+strconv.Itoa(i), holdfast.TokenAuthentic)
			if k.Len() > limit {
				t.Fatalf("%d tokens, at most %d", k.Len(), limit)
			}
		}
		last, asked := "token "+strconv.Itoa(4*limit-1), r.asked.Load()
		wantState(t, k, last, holdfast.TokenAuthentic)
		if r.asked.Load() != asked {
			t.Error("the newest token was not kept")
		}
		c.advance(DefaultLifetime) // a token that is there is replaced in place
		wantState(t, k, last, holdfast.TokenAuthentic)
		if k.Len() != limit {
			t.Errorf("%d tokens, want %d", k.Len(), limit)
		}
	}
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	c := &clock{}
	r := &reader{read: func(raw string) (*holdfast.Token, error) {
		return &holdfast.Token{State: holdfast.TokenAuthentic, Typed: true, Subject: raw}, nil
	}}
	k := newCache(t, r, c, 8)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				raw := strconv.Itoa(i % 16)
				if got, err := k.ReadToken(t.Context(), holdfast.NewSecret(raw)); err != nil || got.Subject != raw {
					t.Errorf("%q gives %v, %v", raw, got, err)
				}
				if g == 0 && i%50 == 0 {
					k.Purge()
					c.advance(time.Second)
				}
			}
		})
	}
	all.Wait()
	if k.Len() > 8 {
		t.Errorf("%d tokens, at most 8", k.Len())
	}
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	all, err := NewByIssuer(map[string]holdfast.TokenReader{testIssuer: newRemote(t, p, &clock{})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	k := newCache(t, all, &clock{}, 0)
	text := sign(t, "es", jose.ES256, `,"kid":"k1"`, goodClaims)
	raw, sum := holdfast.NewSecret(text), sha256.Sum256([]byte(text))
	wantState(t, k, text, holdfast.TokenAuthentic)
	wantState(t, k, text, holdfast.TokenAuthentic)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = k.ReadTokenHashed(ctx, raw, sum) }); n != 0 {
		t.Errorf("%v allocations per hit, want none", n)
	}
	p.wantAsked(t, 1)
}

// A revoked token is refused when the lifetime of the answer ends (INT-4-02).
func TestCacheOverIntrospection(t *testing.T) {
	c := &clock{}
	p := newPeer(t, says(http.StatusOK, `{"active":true,"exp":1700009999}`))
	k := newCache(t, newIntrospector(t, p, nil), c, 0)
	wantState(t, k, "opaque", holdfast.TokenAuthentic)
	p.answers(says(http.StatusOK, `{"active":false}`))
	c.advance(DefaultIntrospectedLifetime - time.Second)
	wantState(t, k, "opaque", holdfast.TokenAuthentic)
	c.advance(time.Second)
	wantState(t, k, "opaque", holdfast.TokenInactive)
	p.answers(says(http.StatusInternalServerError, ""))
	wantError(t, k, "opaque", Unusable)
	p.wantAsked(t, 3)
}
