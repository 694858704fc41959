package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/store"
)

// brokenStore fails the calls about some kinds of records.
type brokenStore struct {
	store.Store
	writes, reads func(store.Kind) bool
	silent        func(store.Kind) bool // swaps that are done, and whose answer is lost
}

var errDown = errors.New("the store is down")

func (b *brokenStore) Get(ctx context.Context, k store.Kind, key [32]byte) (store.Record, error) {
	if b.reads != nil && b.reads(k) {
		return store.Record{}, errDown
	}
	return b.Store.Get(ctx, k, key)
}

func (b *brokenStore) Create(ctx context.Context, r store.Record) error {
	if b.writes != nil && b.writes(r.Kind) {
		return errDown
	}
	return b.Store.Create(ctx, r)
}

func (b *brokenStore) Swap(ctx context.Context, r store.Record) error {
	if b.writes != nil && b.writes(r.Kind) {
		return errDown
	}
	err := b.Store.Swap(ctx, r)
	if err == nil && b.silent != nil && b.silent(r.Kind) {
		return errDown
	}
	return err
}

func only(kinds ...store.Kind) func(store.Kind) bool {
	return func(k store.Kind) bool { return slices.Contains(kinds, k) }
}

func TestAStoreThatIsDownIsNoFaultOfTheClient(t *testing.T) {
	t.Parallel()
	every := func(store.Kind) bool { return true }
	for _, g := range grants {
		if g.name == "client credentials" {
			continue // has no record
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			broken := &brokenStore{}
			ts := newTestServer(t, func(c *Config) { broken.Store, c.Store = c.Store, broken })
			key := newKey(t)
			request := g.make(ts, g.client, key)
			for _, fault := range []brokenStore{
				{reads: every},
				{writes: only(kindGrant, kindCode, kindDevice, kindSeen, kindToken)},
			} {
				if g.name == "token exchange" && fault.writes != nil {
					continue // writes nothing
				}
				broken.reads, broken.writes = fault.reads, fault.writes
				r := ts.post(pathToken, request, ts.credentials(g.client, key)...)
				if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
					t.Fatalf("answer is %d %s, want 503", r.status, r.shown())
				}
				if r.text("error") != errUnavailable {
					t.Errorf("error is %s", r.text("error"))
				}
			}
			broken.reads, broken.writes = nil, nil
			ts.post(pathToken, request, ts.credentials(g.client, key)...).ok()
		})
	}
	t.Run("a pushed request", func(t *testing.T) {
		t.Parallel()
		broken := &brokenStore{}
		ts := newTestServer(t, func(c *Config) { broken.Store, c.Store = c.Store, broken })
		broken.writes = every
		if r := ts.post(pathPAR, goodRequest(webID), as(webID)); r.status != http.StatusServiceUnavailable {
			t.Errorf("answer is %d, want 503", r.status)
		}
	})
}

func TestAWriteWhoseAnswerIsLostGivesNothingTwice(t *testing.T) {
	t.Parallel()
	broken := &brokenStore{}
	ts := newTestServer(t, func(c *Config) { broken.Store, c.Store = c.Store, broken })
	key := newKey(t)
	lost := func(request url.Values) {
		t.Helper()
		broken.silent = only(kindCode, kindDevice, kindGrant, kindPushed)
		if r := ts.post(pathToken, request, ts.credentials(webID, key)...); r.status != http.StatusServiceUnavailable {
			t.Fatalf("answer is %d %s, want 503", r.status, r.shown())
		}
		broken.silent = nil
	}
	for _, request := range []url.Values{ts.approvedCode(webID), ts.approvedDevice(webID, holdfast.Thumbprint{})} {
		lost(request)
		// Nobody knows whether it was spent, so it was.
		ts.post(pathToken, request, ts.credentials(webID, key)...).refused(errInvalidGrant)
	}
	r := ts.tokens(webID, key)
	lost(form("grant_type", grantRefresh, "refresh_token", r.text("refresh_token")))
	ts.refreshed(ts.refreshed(r, webID, key).ok(), webID, key).ok() // as after any lost answer

	q, err := ts.unpush(ts.post(pathPAR, goodRequest(webID), as(webID)).ok(), webID)
	if err != nil {
		t.Fatal(err)
	}
	broken.silent = only(kindPushed)
	if _, err := ts.issueCode(context.Background(), q, ts.approvalOf(q)); refusalOf(err).status != http.StatusServiceUnavailable {
		t.Fatalf("error is %v, want 503", err)
	}
	broken.silent = nil
	_, err = ts.issueCode(context.Background(), q, ts.approvalOf(q))
	wantRefusal(t, err, errInvalidRequestURI, "request_uri")
}
