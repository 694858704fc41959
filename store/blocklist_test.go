package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

func TestBlockList(t *testing.T) {
	now, advance := store.NewClock()
	shared := store.NewMemory(now)
	as := sealed(t, shared, keyA)
	blocked, other := holdfast.Thumbprint{1}, holdfast.Thumbprint{2}
	for _, key := range [][32]byte{store.HolderBlockKey(blocked), store.ClientBlockKey("alice-app")} {
		err := as.Create(t.Context(), store.Record{Kind: store.KindBlock, Key: key, Expires: now().Add(time.Hour), Body: []byte("why")})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := store.NewBlockList(shared) // as at a resource server, without the sealing key
	expect := func(t *testing.T, holder holdfast.Thumbprint, client string, want bool) {
		t.Helper()
		if got, err := list.Blocked(t.Context(), holder, client); got != want || err != nil {
			t.Errorf("Blocked = %v, %v, want %v", got, err, want)
		}
	}
	for _, c := range []struct {
		name   string
		holder holdfast.Thumbprint
		client string
		want   bool
	}{
		{"a blocked holder", blocked, "bob-app", true},
		{"a blocked client", other, "alice-app", true},
		{"a blocked client without a holder", holdfast.Thumbprint{}, "alice-app", true},
		{"a blocked holder of nobody's", blocked, "", true},
		{"neither", other, "bob-app", false},
		{"nobody", holdfast.Thumbprint{}, "", false},
		{"a client that is called like the thumbprint", other, blocked.String(), false},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, c.holder, c.client, c.want) })
	}
	advance(2 * time.Hour)
	t.Run("a block that has expired", func(t *testing.T) { expect(t, blocked, "alice-app", false) })
	if err := shared.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("a store that cannot be asked is an error", func(t *testing.T) {
		got, err := list.Blocked(t.Context(), other, "bob-app")
		if got || err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Blocked = %v, %v, want an error", got, err)
		}
	})
}
