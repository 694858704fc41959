package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// How a [BlockList] is polled, and its limits.
const (
	BlockListPoll     = 10 * time.Second // from one request to the next, and for how long one may take
	MaxBlockListAge   = time.Minute      // of the list, whatever it says itself
	MaxBlockListBytes = 1 << 20

	// BlockListSkew is how far the clock of the issuer may be ahead of ours.
	BlockListSkew = 10 * time.Second
)

// typBlockList is the JOSE typ of a list: no other JWT of the issuer, such as an
// access token, passes as one (RFC 8725 section 3.11).
const typBlockList = "holdfast-blocks+jwt"

// BlockListConfig configures [NewBlockList]. Issuer, URL and JWKSURI are
// required.
type BlockListConfig struct {
	Issuer  string         // whose list it is, exactly as in the iss claim
	URL     string         // where the list is: https, or http on loopback
	JWKSURI string         // where the issuer publishes its keys
	Algs    []holdfast.Alg // of the signature; nil means every asymmetric algorithm

	HTTP *http.Client     // nil means a client of its own
	Now  func() time.Time // nil means time.Now
}

// BlockList is a [holdfast.BlockList] that an authorization server signs and
// publishes. It is asked for every [BlockListPoll], so that a block is known
// here about that much later. A list that is not authentic, not current, or older
// than the last one is not taken. While there is no list that is younger than
// [MaxBlockListAge] nobody knows who is blocked: Blocked then returns an
// [*Error], which a verifier answers with 503.
//
// Safe for concurrent use; there is no usable zero value. Close it after use.
type BlockList struct {
	issuer, url string
	keys        *Remote
	http        *http.Client
	now         func() time.Time

	first   chan struct{} // closed after the first attempt
	stop    context.CancelFunc
	poller  sync.WaitGroup
	current atomic.Pointer[blocks]
	failed  atomic.Pointer[error] // why the last attempt gave no list
}

// blocks is one list. Immutable.
type blocks struct {
	issued, until time.Time
	holders       map[holdfast.Thumbprint]struct{}
	clients       map[string]struct{}
}

// NewBlockList checks the configuration, reports every mistake at once, and
// begins to poll.
//
//	blocks, err := token.NewBlockList(token.BlockListConfig{
//		Issuer: "https://as.example", URL: "https://as.example/blocks", JWKSURI: "https://as.example/jwks",
//	})
//	guard, err := resource.New(resource.Config{Verify: holdfast.Config{Blocks: blocks, ...}, ...})
func NewBlockList(c BlockListConfig) (*BlockList, error) {
	b, err := newBlockList(c)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.poller.Go(func() { b.poll(ctx) })
	return b, nil
}

func newBlockList(c BlockListConfig) (*BlockList, error) {
	var errs []error
	if _, err := fetch.Secure(c.URL); err != nil {
		errs = append(errs, fmt.Errorf("block list: URL: %w", err))
	}
	keys, err := NewRemote(RemoteConfig{Issuer: c.Issuer, JWKSURI: c.JWKSURI, Algs: c.Algs, HTTP: c.HTTP, Now: c.Now})
	if err != nil {
		errs = append(errs, fmt.Errorf("block list: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &BlockList{
		issuer: c.Issuer, url: c.URL, keys: keys, http: fetch.Client(c.HTTP), now: keys.now,
		first: make(chan struct{}), stop: func() {},
	}, nil
}

// Close ends the polling and waits for it. It may be called twice.
func (b *BlockList) Close() error {
	b.stop()
	b.poller.Wait()
	return nil
}

// Blocked implements [holdfast.BlockList]. It asks nobody, save that before the
// first list has come it waits for it.
func (b *BlockList) Blocked(ctx context.Context, holder holdfast.Thumbprint, clientID string) (bool, error) {
	select {
	case <-b.first:
	case <-ctx.Done():
		return false, b.fault(Unreachable, context.Cause(ctx))
	}
	now, l := b.now(), b.current.Load()
	if l == nil || !l.fresh(now) {
		if failed := b.failed.Load(); failed != nil {
			return false, *failed
		}
		return false, b.fault(Unreachable, fmt.Errorf("the last list is older than %v", MaxBlockListAge))
	}
	_, held := l.holders[holder]
	_, named := l.clients[clientID]
	return held && !holder.IsZero() || named && clientID != "", nil // nobody is never blocked
}

// fresh reports whether the list says who is blocked now.
func (l *blocks) fresh(now time.Time) bool {
	return now.Before(l.until) && !now.Before(l.issued.Add(-BlockListSkew))
}

func (b *BlockList) poll(ctx context.Context) {
	tick := time.NewTicker(BlockListPoll)
	defer tick.Stop()
	b.refresh(ctx)
	close(b.first)
	for {
		select {
		case <-tick.C:
			b.refresh(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// refresh asks for the list and takes it, if it is a good one.
func (b *BlockList) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, BlockListPoll)
	defer cancel()
	l, err := b.fetch(ctx)
	if err != nil {
		b.failed.Store(&err)
		return
	}
	b.current.Store(l)
	b.failed.Store(nil)
}

const opBlockList = "block list"

func (b *BlockList) fault(p Problem, why error) error {
	return &Error{Op: opBlockList, URL: fetch.Shown(b.url), Problem: p, Err: fetch.Cause(why)}
}

func (b *BlockList) fetch(ctx context.Context) (*blocks, error) {
	text, answer, err := fetch.Get(ctx, b.http, b.url, "application/jwt", MaxBlockListBytes)
	if err := refusal(opBlockList, b.url, answer, err); err != nil {
		return nil, err
	}
	j, err := jose.Parse(string(text), MaxBlockListBytes)
	if err != nil {
		return nil, b.fault(Unusable, err)
	}
	if err := b.authentic(ctx, &j); err != nil {
		return nil, err
	}
	l, err := b.read(&j)
	if err != nil {
		return nil, b.fault(Unusable, err)
	}
	return l, nil
}

// authentic verifies the signature with the keys that the issuer publishes, which
// are fetched again if they do not have the one that the list names.
func (b *BlockList) authentic(ctx context.Context, j *jose.JWS) error {
	if mediaType(j.Type) != typBlockList {
		return b.fault(Unusable, fmt.Errorf("typ is %.40q, want %s", j.Type, typBlockList))
	}
	if hopeless(j) {
		return b.fault(Unusable, errors.New("the list is not signed by an asymmetric algorithm"))
	}
	keys, err := b.keys.current(ctx)
	if err != nil {
		return err
	}
	state := keys.judge(j, b.issuer)
	if b.keys.newKeyHelps(j, state) {
		if keys, err = b.keys.newer(ctx, keys); err != nil {
			return err
		}
		state = keys.judge(j, b.issuer)
	}
	if state != holdfast.TokenAuthentic {
		return b.fault(Unusable, errors.New("no key that the issuer publishes verifies the list"))
	}
	return nil
}

// read judges the claims of an authentic list.
func (b *BlockList) read(j *jose.JWS) (*blocks, error) {
	o, err := strictjson.Parse(j.Payload, MaxBlockListBytes)
	if err != nil {
		return nil, err
	}
	c := claims{o: o}
	issuer, l := c.text("iss"), &blocks{issued: c.time("iat"), until: c.time("exp")}
	holders, clients := c.members("jkt"), c.members("client")
	now, last := b.now(), b.current.Load()
	switch latest := l.issued.Add(MaxBlockListAge); {
	case c.err != nil:
		return nil, c.err
	case issuer != b.issuer:
		return nil, fmt.Errorf("iss is %.100q, want %s", issuer, b.issuer)
	case l.issued.IsZero() || l.until.IsZero():
		return nil, errors.New("iat and exp are required")
	case l.until.After(latest):
		l.until = latest
	}
	switch {
	case !l.fresh(now):
		return nil, fmt.Errorf("the list is of %s and good until %s, our clock says %s", clockText(l.issued), clockText(l.until), clockText(now))
	case last != nil && l.issued.Before(last.issued):
		return nil, fmt.Errorf("the list is of %s, one of %s was seen before", clockText(l.issued), clockText(last.issued))
	}
	l.holders = make(map[holdfast.Thumbprint]struct{}, len(holders))
	for _, text := range holders {
		t, err := holdfast.ParseThumbprint(text)
		if err != nil {
			return nil, fmt.Errorf("jkt: %w", err)
		}
		l.holders[t] = struct{}{}
	}
	l.clients = make(map[string]struct{}, len(clients))
	for _, id := range clients {
		l.clients[id] = struct{}{}
	}
	return l, nil
}

// members returns an array of strings that has to be there: a list that names
// nobody says so.
func (c *claims) members(name string) []string {
	if v, _ := c.o.Get(name); v.Kind() != strictjson.ArrayKind {
		c.wrong(name, v.Kind().String()+", want an array of strings")
		return nil
	}
	return c.list(name, false)
}

func clockText(t time.Time) string { return t.UTC().Format(time.RFC3339) }
