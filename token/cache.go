package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// What the zero values of [CacheConfig] mean.
const (
	DefaultCacheMax             = 4096
	DefaultLifetime             = time.Minute
	DefaultIntrospectedLifetime = 5 * time.Second
)

// CacheConfig configures NewCache. Tokens is required.
type CacheConfig struct {
	// Tokens reads what is not in the cache.
	Tokens holdfast.TokenReader

	Max int // tokens at most; 0 means DefaultCacheMax

	// How long a token is believed without reading it again, at most until its
	// exp. That is how long a revocation may go unnoticed.
	Lifetime             time.Duration // of a signed token; 0 means DefaultLifetime
	IntrospectedLifetime time.Duration // of one without typ, as introspection gives; 0 means DefaultIntrospectedLifetime

	Now func() time.Time // nil means time.Now
}

// Cache remembers tokens that were found authentic, under the SHA-256 of the
// whole token. Nothing else is remembered: neither a token that was refused nor
// an error. A token is forgotten at its exp (RFC 7662 section 4), after its
// lifetime, by [Cache.Purge], and when the reader tells by a method
// Generation() uint64 that its keys have changed. When the cache is full, any
// token may be forgotten: that costs time and never changes a verdict.
//
// Safe for concurrent use; there is no usable zero value.
type Cache struct {
	tokens      holdfast.TokenReader
	generations generations // tokens, if it has the ability
	max         int
	now         func() time.Time

	signed, introspected time.Duration

	mu      sync.RWMutex
	entries map[[32]byte]entry
	purges  uint64
}

type entry struct {
	token      *holdfast.Token
	until      time.Time
	generation uint64
}

// generations is an optional ability of a reader: a number that grows whenever
// what it said before may no longer hold.
type generations interface{ Generation() uint64 }

// NewCache checks the configuration and reports every mistake at once.
func NewCache(c CacheConfig) (*Cache, error) {
	var errs []error
	if c.Tokens == nil {
		errs = append(errs, errors.New("token cache: Tokens is required"))
	}
	if c.Max < 0 {
		errs = append(errs, errors.New("token cache: Max must not be negative"))
	}
	if c.Lifetime < 0 || c.IntrospectedLifetime < 0 {
		errs = append(errs, errors.New("token cache: Lifetime and IntrospectedLifetime must not be negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	k := &Cache{
		tokens: c.Tokens, max: c.Max, now: c.Now,
		signed:       or(c.Lifetime, DefaultLifetime),
		introspected: or(c.IntrospectedLifetime, DefaultIntrospectedLifetime),
		entries:      make(map[[32]byte]entry),
	}
	k.generations, _ = c.Tokens.(generations)
	if k.max == 0 {
		k.max = DefaultCacheMax
	}
	if k.now == nil {
		k.now = time.Now
	}
	return k, nil
}

// ReadToken implements [holdfast.TokenReader].
func (c *Cache) ReadToken(ctx context.Context, raw holdfast.Secret) (*holdfast.Token, error) {
	return c.ReadTokenHashed(ctx, raw, sha256.Sum256([]byte(raw.Reveal())))
}

// ReadTokenHashed is ReadToken for a caller that has the SHA-256 of raw at hand:
// it is also what ath has to equal. The caller computes it from the token that
// was presented and never takes it from a claim; a sum of another token would
// bring the facts of that one.
func (c *Cache) ReadTokenHashed(ctx context.Context, raw holdfast.Secret, sum [32]byte) (*holdfast.Token, error) {
	now, generation := c.now(), uint64(0)
	if c.generations != nil {
		generation = c.generations.Generation()
	}
	c.mu.RLock()
	e, ok := c.entries[sum]
	purges := c.purges
	c.mu.RUnlock()
	if ok && e.generation == generation && now.Before(e.until) {
		return e.token, nil
	}
	t, err := c.tokens.ReadToken(ctx, raw)
	if err != nil || t == nil || t.State != holdfast.TokenAuthentic {
		return t, err
	}
	until := now.Add(c.signed)
	if !t.Typed {
		until = now.Add(c.introspected)
	}
	if !t.Expires.IsZero() && t.Expires.Before(until) {
		until = t.Expires
	}
	if now.Before(until) {
		c.keep(sum, entry{t, until, generation}, now, purges)
	}
	return t, nil
}

// keep remembers a token, unless what was read may be older than a purge.
func (c *Cache) keep(sum [32]byte, e entry, now time.Time, purges uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.purges != purges {
		return
	}
	if _, there := c.entries[sum]; !there && len(c.entries) >= c.max {
		c.forgetOne(now)
	}
	c.entries[sum] = e
}

// forgetOne makes room: it looks at a few tokens, which range picks at random,
// for one that has had its time, and takes the last one otherwise.
func (c *Cache) forgetOne(now time.Time) {
	const looks = 8
	var victim [32]byte
	n := 0
	for sum, e := range c.entries {
		victim = sum
		if n++; n == looks || !now.Before(e.until) {
			break
		}
	}
	delete(c.entries, victim)
}

// Purge forgets every token, those included that are being read at the moment:
// for a revocation that must not wait for the lifetime.
func (c *Cache) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	clear(c.entries)
}

// Len returns how many tokens are held, those included that have had their time.
func (c *Cache) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries)
}
