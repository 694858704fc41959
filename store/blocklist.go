package store

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/holdfast-oauth/holdfast"
)

// KindBlock is the kind of the records that say who is blocked: whoever has one
// under [HolderBlockKey] or [ClientBlockKey], until it expires. Its body is for
// those who manage blocks.
const KindBlock Kind = "block"

// HolderBlockKey returns the key of the record that blocks a holder.
func HolderBlockKey(t holdfast.Thumbprint) [32]byte {
	return sha256.Sum256([]byte("jkt\x00" + t.String()))
}

// ClientBlockKey returns the key of the record that blocks a client.
func ClientBlockKey(clientID string) [32]byte {
	return sha256.Sum256([]byte("client\x00" + clientID))
}

// NewBlockList returns the [holdfast.BlockList] of the records of [KindBlock] in
// s. It only asks whether a record is there and reads no body, so that s need not
// be sealed where the blocks were written through a sealed store: a resource
// server needs no sealing key. Safe for concurrent use.
func NewBlockList(s Store) holdfast.BlockList { return blockList{s} }

type blockList struct{ store Store }

// Blocked reports whether the holder or the client is blocked. A zero
// thumbprint and an empty client id are nobody.
func (b blockList) Blocked(ctx context.Context, holder holdfast.Thumbprint, clientID string) (bool, error) {
	if !holder.IsZero() {
		if blocked, err := b.has(ctx, HolderBlockKey(holder)); blocked || err != nil {
			return blocked, err
		}
	}
	if clientID == "" {
		return false, nil
	}
	return b.has(ctx, ClientBlockKey(clientID))
}

func (b blockList) has(ctx context.Context, key [32]byte) (bool, error) {
	_, err := b.store.Get(ctx, KindBlock, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
