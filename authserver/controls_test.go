package authserver

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// cut cuts off everything that was issued until now.
func (ts *testServer) cut(d dimension, value string) {
	ts.t.Helper()
	if _, err := ts.cutOff(ts.t.Context(), d, value, order{Reason: "stolen", By: "bob"}); err != nil {
		ts.t.Fatal(err)
	}
}

// blocked blocks a holder or a client.
func (ts *testServer) blocked(d dimension, value string) {
	ts.t.Helper()
	if _, err := ts.block(ts.t.Context(), d, value, order{Reason: "stolen", By: "bob"}); err != nil {
		ts.t.Fatal(err)
	}
}

func TestACutOffEndsWhatWasIssuedBefore(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 500e6, time.UTC)
	everything := party{Client: webID, Subject: "alice", Session: "s1", Holder: binding{JKT: someone(), X5T: holdfast.Thumbprint{9}}}
	for _, tt := range []struct {
		name    string
		d       dimension
		value   string
		issued  time.Time
		refused bool
	}{
		{"of the client", byClient, webID, at.Add(-time.Hour), true},
		{"of the user", byUser, "alice", at.Add(-time.Hour), true},
		{"of the session", bySession, "s1", at.Add(-time.Hour), true},
		{"of the key", byThumbprint, someone().String(), at.Add(-time.Hour), true},
		{"of the certificate", byThumbprint, holdfast.Thumbprint{9}.String(), at.Add(-time.Hour), true},
		{"of a user who is called like the client", byUser, webID, at.Add(-time.Hour), false},
		{"of another key", byThumbprint, holdfast.Thumbprint{8}.String(), at.Add(-time.Hour), false},
		{"at the same moment", byUser, "alice", at, true},
		{"a JWT of the same second", byUser, "alice", at.Truncate(time.Second), true},
		{"later in the same second", byUser, "alice", at.Add(time.Millisecond), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := newTestServer(t, nil)
			ts.clock.Advance(at.Sub(ts.clock.Now()))
			p := everything
			p.At = tt.issued
			if err := ts.standing(t.Context(), p); err != nil {
				t.Fatalf("before the cut-off: %v", err)
			}
			ts.cut(tt.d, tt.value)
			err := ts.standing(t.Context(), p)
			var f *refusal
			if tt.refused != (errors.As(err, &f) && f.code == errInvalidGrant && f.status == http.StatusBadRequest) || !tt.refused && err != nil {
				t.Errorf("standing is %v", err)
			}
		})
	}
}

func TestTheLatestCutOffWins(t *testing.T) {
	ts := newTestServer(t, nil)
	ts.cut(byUser, "alice")
	ts.clock.Advance(time.Hour)
	p := party{Subject: "alice", At: ts.now()}
	ts.clock.Advance(time.Hour)
	if err := ts.standing(t.Context(), p); err != nil {
		t.Fatalf("issued after the first: %v", err)
	}
	ts.cut(byUser, "alice")
	if err := ts.standing(t.Context(), p); err == nil {
		t.Error("issued before the second, and alive")
	}
	// A replica whose clock is behind changes nothing.
	ts.clock.Advance(-90 * time.Minute)
	ts.cut(byUser, "alice")
	if err := ts.standing(t.Context(), p); err == nil {
		t.Error("an earlier cut-off replaced a later one")
	}
}

func TestACutOffIsKeptForAsLongAsAnythingLives(t *testing.T) {
	ts := newTestServer(t, nil)
	at := ts.now()
	ts.cut(byUser, "alice")
	ts.clock.Advance(366 * 24 * time.Hour) // the longest lifetime of a grant
	if err := ts.standing(t.Context(), party{Subject: "alice", At: at}); err == nil {
		t.Error("the cut-off is forgotten before the grant")
	}
}

func TestABlockedPartyGetsNothing(t *testing.T) {
	ts := newTestServer(t, nil)
	key := newKey(t)
	first := ts.tokens(webID, key)
	get := func() *reply {
		return ts.post(pathToken, form("grant_type", grantClient, "scope", "read"), as(webID), ts.proof(key))
	}
	refresh := func() *reply {
		return ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", first.text("refresh_token")), as(webID), ts.proof(key))
	}
	get().ok()
	ts.blocked(byThumbprint, key.Thumbprint().String())
	for _, answer := range []*reply{get(), refresh()} {
		answer.refused(errInvalidGrant)
		if answer.body["code"] != holdfast.CodeAccessBlockedBlocked.String() {
			t.Errorf("code is %v", answer.body["code"])
		}
	}
	// Another key is as good as ever; a blocked client is not.
	ts.post(pathToken, form("grant_type", grantClient, "scope", "read"), as(webID), ts.proof(newKey(t))).ok()
	ts.blocked(byClient, webID)
	ts.post(pathToken, form("grant_type", grantClient, "scope", "read"), as(webID), ts.proof(newKey(t))).refused(errInvalidClient)

	for d, value := range map[dimension]string{byClient: webID, byThumbprint: key.Thumbprint().String()} {
		was, err := ts.unblock(t.Context(), d, value)
		if err != nil || !was {
			t.Fatalf("unblock: %v, %v", was, err)
		}
	}
	get().ok()
	refresh().ok() // a block ends nothing that a cut-off would
	if was, err := ts.unblock(t.Context(), byClient, webID); was || err != nil {
		t.Errorf("unblocked twice: %v, %v", was, err)
	}
}

func TestAfterARevocationByKeyTheKeyCannotRefresh(t *testing.T) {
	ts := newTestServer(t, nil)
	key := newKey(t)
	answer := ts.tokens(appID, key)
	ts.cut(byThumbprint, key.Thumbprint().String())
	ts.introspected(answer.text("access_token")).wantInactive()
	ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", answer.text("refresh_token"), "client_id", appID), ts.proof(key)).refused(errInvalidGrant)
	ts.clock.Advance(time.Second)
	ts.tokens(appID, key) // unlike a block, a cut-off is about the past
}

func TestAResourceServerOnTheSameStoreSeesABlock(t *testing.T) {
	var shared store.Store
	ts := newTestServer(t, func(c *Config) { shared = c.Store })
	list := store.NewBlockList(shared) // without a sealing key
	ts.blocked(byThumbprint, someone().String())
	ts.blocked(byClient, webID)
	for _, tt := range []struct {
		holder holdfast.Thumbprint
		client string
		want   bool
	}{{someone(), "", true}, {holdfast.Thumbprint{4}, webID, true}, {holdfast.Thumbprint{4}, otherID, false}} {
		if got, err := list.Blocked(t.Context(), tt.holder, tt.client); err != nil || got != tt.want {
			t.Errorf("%v %q: %v, %v", tt.holder, tt.client, got, err)
		}
	}
}

func TestNobodyStandsWhileTheStoreIsAway(t *testing.T) {
	away := &awayStore{}
	ts := newTestServer(t, func(c *Config) { away.Store = c.Store; c.Store = away })
	away.away.Store(true)
	for _, p := range []party{{Client: webID, At: ts.now()}, {Subject: "alice", At: ts.now()}, {Holder: binding{JKT: someone()}}} {
		err := ts.standing(t.Context(), p)
		if f := refusalOf(err); !errors.Is(err, errAway) || f.status != http.StatusServiceUnavailable {
			t.Errorf("%+v: %v", p, err)
		}
		if lives, err := alive(err); lives || err == nil {
			t.Error("a failure to find out counts as dead, or alive")
		}
	}
	if _, err := ts.cutOff(t.Context(), byUser, "alice", order{}); !errors.Is(err, errAway) {
		t.Errorf("cut off: %v", err)
	}
	if _, err := ts.block(t.Context(), byClient, webID, order{}); !errors.Is(err, errAway) {
		t.Errorf("block: %v", err)
	}
}

func TestABlockSaysWhoseKeyOnlyIfItIsOne(t *testing.T) {
	ts := newTestServer(t, nil)
	if _, err := ts.block(t.Context(), byThumbprint, "x", order{}); err == nil || !strings.Contains(err.Error(), "43 of base64url") {
		t.Errorf("error %v", err)
	}
}
