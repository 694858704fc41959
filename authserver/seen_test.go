package authserver

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/store"
)

// seenTest is a store that several processes note keys in.
type seenTest struct {
	t     *testing.T
	clock *holdfasttest.Clock
	store *awayStore
}

func newSeenTest(t *testing.T) *seenTest {
	clock := holdfasttest.NewClock(time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC))
	return &seenTest{t, clock, &awayStore{Store: store.NewMemory(clock.Now)}}
}

func (st *seenTest) process() *seenKeys {
	return newSeenKeys(&Server{store: st.store, now: st.clock.Now})
}

func (st *seenTest) note(k *seenKeys, client string, b binding) {
	st.t.Helper()
	if err := k.note(st.t.Context(), client, b); err != nil {
		st.t.Fatal(err)
	}
}

func (st *seenTest) keys(client string) []seenRecord {
	st.t.Helper()
	all, _, err := listed[seenRecord](st.t.Context(), st.store, kindSeen, client, MaxAdminEntries)
	if err != nil {
		st.t.Fatal(err)
	}
	out := make([]seenRecord, len(all))
	for i, e := range all {
		out[i] = e.Value
	}
	return out
}

func TestFirstAndLastUseOfAKeyAreKept(t *testing.T) {
	st := newSeenTest(t)
	k, first := st.process(), st.clock.Now()
	st.note(k, webID, binding{JKT: someone()})
	st.note(k, webID, binding{}) // an unbound token has no key
	if got := st.keys(webID); len(got) != 1 || got[0].Kind != "jkt" || got[0].Thumbprint != someone() || !got[0].First.Equal(first) || !got[0].Last.Equal(first) {
		t.Fatalf("keys are %+v", got)
	}
	writes := st.store.writes.Load()
	for range 59 { // at most once a minute
		st.clock.Advance(time.Second)
		st.note(k, webID, binding{JKT: someone()})
	}
	if st.store.writes.Load() != writes {
		t.Error("a use is written more than once a minute")
	}
	st.clock.Advance(time.Second)
	st.note(k, webID, binding{JKT: someone()})
	if got := st.keys(webID)[0]; !got.First.Equal(first) || !got.Last.Equal(first.Add(time.Minute)) {
		t.Errorf("first %v, last %v", got.First, got.Last)
	}
}

func TestKeysOfClientsAreKeptApart(t *testing.T) {
	st := newSeenTest(t)
	k := st.process()
	st.note(k, webID, binding{JKT: someone(), X5T: someone()}) // one thumbprint of two kinds
	st.note(k, otherID, binding{JKT: someone()})
	if got := st.keys(webID); len(got) != 2 || got[0].Kind == got[1].Kind {
		t.Errorf("keys are %+v", got)
	}
	if got := st.keys(otherID); len(got) != 1 {
		t.Errorf("keys are %+v", got)
	}
}

func TestReplicasNoteTheSameKey(t *testing.T) {
	st := newSeenTest(t)
	var wg sync.WaitGroup
	for range 16 {
		k := st.process()
		wg.Go(func() { st.note(k, webID, binding{JKT: someone()}) })
	}
	wg.Wait()
	if got := st.keys(webID); len(got) != 1 {
		t.Errorf("keys are %+v", got)
	}
}

func TestTheFirstUseIsDurable(t *testing.T) {
	st := newSeenTest(t)
	k := st.process()
	st.store.away.Store(true)
	for range 2 { // what failed is not remembered as done
		if err := k.note(t.Context(), webID, binding{JKT: someone()}); !errors.Is(err, errAway) {
			t.Fatalf("error %v, want that of the store", err)
		}
	}
	st.store.away.Store(false)
	st.note(k, webID, binding{JKT: someone()})
	if len(st.keys(webID)) != 1 {
		t.Error("the key is not there")
	}
}

func TestTheMemoryOfNotedKeysIsBounded(t *testing.T) {
	st := newSeenTest(t)
	k := st.process()
	for i := range maxSeenRecent {
		k.recent[[32]byte{byte(i), byte(i >> 8), byte(i >> 16)}] = st.clock.Now()
	}
	st.note(k, webID, binding{JKT: someone()})
	if len(k.recent) != 1 {
		t.Errorf("%d keys are remembered", len(k.recent))
	}
}

func TestAKeyThatIsNotUsedIsForgotten(t *testing.T) {
	st := newSeenTest(t)
	k := st.process()
	st.note(k, webID, binding{JKT: someone()})
	st.clock.Advance(SeenLifetime - time.Second)
	st.note(k, webID, binding{JKT: someone()})
	st.clock.Advance(SeenLifetime - time.Second)
	if len(st.keys(webID)) != 1 {
		t.Error("a key that was used is forgotten")
	}
	st.clock.Advance(time.Second)
	if len(st.keys(webID)) != 0 {
		t.Error("a key is kept for ever")
	}
}

// The token endpoint notes the key that it binds a token to.
func TestATokenRequestNotesItsKey(t *testing.T) {
	ts := newTestServer(t, nil)
	key := newKey(t)
	ts.post(pathToken, form("grant_type", grantClient, "scope", "read"), as(webID), ts.proof(key)).ok()
	all, _, err := listed[seenRecord](t.Context(), ts.store, kindSeen, webID, 10)
	if err != nil || len(all) != 1 || all[0].Value.Thumbprint != holdfast.Thumbprint(key.Thumbprint()) {
		t.Errorf("keys are %v, %v", all, err)
	}
}
