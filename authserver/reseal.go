package authserver

import (
	"context"
	"slices"

	"github.com/holdfast-oauth/holdfast/store"
)

// kinds are the kinds of all records of the server.
func kinds() []store.Kind {
	return []store.Kind{
		kindPushed, kindCode, kindGrant, kindToken, kindRevoked, kindDevice, kindUserCode, kindSession,
		kindConsent, kindClient, kindAssertion, kindCutoff, kindSeen, kindSigning, store.KindBlock,
	}
}

// Reseal seals anew, under the first of [Config.SealingKeys], every record that
// another of them sealed, and returns how many. others are kinds of records that
// the store has besides those of the server, sealed under the same keys. It may
// run while the server and its replicas work, and may be repeated. Once it has
// returned 0 where every replica has the same first key, nothing in the store
// needs the other keys any more; who is logging in or enters a user code at that
// time has to begin again without them.
func (s *Server) Reseal(ctx context.Context, others ...store.Kind) (n int, err error) {
	return store.Reseal(ctx, s.store, slices.Concat(kinds(), others)...)
}
