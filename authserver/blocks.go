package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// Limits of the list of blocks.
const (
	MaxBlocks      = 5000      // holders and clients; the next one is refused
	MaxBlocksBytes = 700 << 10 // of the claims: signed, less than token.MaxBlockListBytes

	// BlocksLifetime is how long a published list may be used. Resource servers
	// ask much more often; without a list that is current they refuse.
	BlocksLifetime = time.Minute

	blocksEvery = time.Second // how often the list is made anew at most
)

// blocksTimeout is how long making the list may take.
const blocksTimeout = 5 * time.Second

// blockText is the list as it was signed last, or why it could not be.
type blockText struct {
	mu   sync.Mutex // held while it is made
	text string
	err  error
	made time.Time
}

// blockClaims is the published list.
type blockClaims struct {
	Issuer  string   `json:"iss"`
	Issued  int64    `json:"iat"`
	Expires int64    `json:"exp"`
	JKT     []string `json:"jkt"`
	Client  []string `json:"client"`
}

// blockKey is where the block of a holder or a client is.
func blockKey(d dimension, value string) ([32]byte, error) {
	if d == byClient {
		return store.ClientBlockKey(value), nil
	}
	t, err := holdfast.ParseThumbprint(value)
	return store.HolderBlockKey(t), err
}

// block stops serving a holder or a client, from now on and on all replicas. One
// that is blocked already stays so, for the reason it was.
func (s *Server) block(ctx context.Context, d dimension, value string, o order) (blockRecord, error) {
	b := blockRecord{Dimension: d, Value: value, At: s.now().UTC(), order: o}
	key, err := blockKey(d, value)
	if err != nil {
		return b, err
	}
	if e, err := load[blockRecord](ctx, s.store, store.KindBlock, key); err == nil {
		return e.Value, nil
	} else if !missing(err) {
		return b, err
	}
	all, _, err := listed[blockRecord](ctx, s.store, store.KindBlock, "", MaxBlocks)
	if err != nil {
		return b, err
	}
	// A list that nobody can read would block everybody.
	claims, err := s.blockClaims(append(all, &entry[blockRecord]{Value: b}), b.At)
	if err != nil {
		return b, err
	}
	if len(all) >= MaxBlocks || len(claims) > MaxBlocksBytes {
		return b, withStatus(http.StatusConflict, fmt.Sprintf("%d holders and clients are blocked already, as many as a list can name", len(all)))
	}
	if err := create(ctx, s.store, store.KindBlock, key, string(d), time.Time{}, b); err != nil && !contended(err) {
		return b, err
	}
	return b, nil
}

// unblock serves a holder or a client again, and reports whether it was blocked.
func (s *Server) unblock(ctx context.Context, d dimension, value string) (bool, error) {
	key, err := blockKey(d, value)
	if err != nil {
		return false, err
	}
	if _, err := s.store.Get(ctx, store.KindBlock, key); missing(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, s.store.Delete(ctx, store.KindBlock, key)
}

// serveBlocks publishes who is blocked, as a JWT that resource servers poll.
func (s *Server) serveBlocks(w http.ResponseWriter, r *http.Request) {
	text, err := s.signedBlocks(r.Context())
	if err != nil {
		unavailable(err).write(w, s.now())
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	w.Header().Set("Cache-Control", "no-store") // an old list hides a block
	_, _ = w.Write([]byte(text))
}

// signedBlocks returns the list, made at most once per second, also if that
// failed: those who wait for it do not each wait for the store.
func (s *Server) signedBlocks(ctx context.Context) (string, error) {
	b := &s.signing.blocks
	b.mu.Lock()
	defer b.mu.Unlock()
	now := s.now()
	if age := now.Sub(b.made); b.made.IsZero() || age < 0 || age >= blocksEvery {
		// Many get the result: it must not depend on the patience of one.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), blocksTimeout)
		defer cancel()
		b.text, b.err = s.makeBlocks(ctx, now)
		b.made = now
	}
	return b.text, b.err
}

func (s *Server) makeBlocks(ctx context.Context, now time.Time) (string, error) {
	all, more, err := listed[blockRecord](ctx, s.store, store.KindBlock, "", 2*MaxBlocks)
	if err == nil && more {
		err = errors.New("there are more than can be listed")
	}
	var claims []byte
	if err == nil {
		// Its time is from before the reading: what is blocked later is in a later list.
		claims, err = s.blockClaims(all, now)
	}
	var text string
	if err == nil {
		text, err = s.signing.sign(ctx, typBlocks, claims)
	}
	if err != nil {
		return "", fmt.Errorf("list of blocks: %w", err)
	}
	return text, nil
}

// blockClaims writes the list.
func (s *Server) blockClaims(all []*entry[blockRecord], now time.Time) ([]byte, error) {
	c := blockClaims{Issuer: s.config.Issuer, Issued: now.Unix(), Expires: now.Add(BlocksLifetime).Unix(), JKT: []string{}, Client: []string{}}
	for _, e := range all {
		if e.Value.Dimension == byClient {
			c.Client = append(c.Client, e.Value.Value)
		} else {
			c.JKT = append(c.JKT, e.Value.Value)
		}
	}
	return json.Marshal(c)
}
