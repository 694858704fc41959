package authserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

func TestARefreshTokenOfAPublicClientIsBoundToItsKey(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	r := ts.tokens(appID, k1)
	ts.refreshed(r, appID, k2).refused(errInvalidGrant)       // D-5-06
	ts.refreshed(r, appID, nil).refused("invalid_dpop_proof") // D-5-07
	next := ts.refreshed(r, appID, k1).ok()                   // D-5-06: it still works
	ts.refreshed(next, appID, k2).refused(errInvalidGrant)    // D-5-07: at each use
	// BCP-2.2.2-01: bound, and rotated besides.
	if next.text("refresh_token") == r.text("refresh_token") {
		t.Error("the refresh token was not rotated")
	}
}

func TestARefreshTokenOfAConfidentialClientIsNotBoundToAKey(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	k1, k2 := newKey(t), newKey(t)
	r := ts.refreshed(ts.tokens(webID, k1), webID, k2).ok() // D-5-12
	if got := r.claims()["cnf"].(map[string]any)["jkt"]; got != k2.Thumbprint().String() {
		t.Errorf("cnf.jkt is %v, want that of the second key", got)
	}
}

func TestAnUnboundRefreshTokenOfAPublicClientIsRotated(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.AllowUnbound = true })
	first := ts.tokens(appID, nil)
	second := ts.refreshed(first, appID, nil).ok()
	// BCP-2.2.2-01 BCP-2.2.2-02: nobody knows who asks again, however soon.
	ts.refreshed(first, appID, nil).refused(errInvalidGrant)
	ts.refreshed(second, appID, nil).refused(errInvalidGrant)
}

func TestReuseOfARefreshTokenEndsTheFamily(t *testing.T) {
	t.Parallel()
	for _, client := range []string{appID, webID} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			key := newKey(t)
			first := ts.tokens(client, key)
			second := ts.refreshed(first, client, key).ok()
			third := ts.refreshed(second, client, key).ok()
			// BCP-2.2.2-02: the successor was used, so the answer was not lost.
			ts.refreshed(first, client, key).refused(errInvalidGrant).names("refresh_token")
			ts.refreshed(third, client, key).refused(errInvalidGrant).names("refresh_token")
			if ts.access(third) != nil {
				t.Error("the newest access token is still active")
			}
		})
	}
}

func TestOneLostAnswerIsForgiven(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		after time.Duration
		other bool // another key
		ok    bool
	}{
		{"at once", 0, false, true},
		{"ten seconds later", rotationGrace, false, true},
		{"eleven seconds later", rotationGrace + time.Second, false, false},
		{"with another key", 0, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			key := newKey(t)
			first := ts.tokens(webID, key)
			second := ts.refreshed(first, webID, key).ok()
			ts.clock.Advance(tt.after)
			again := key
			if tt.other {
				again = newKey(t)
			}
			r := ts.refreshed(first, webID, again)
			if !tt.ok {
				r.refused(errInvalidGrant)
				ts.refreshed(second, webID, key).refused(errInvalidGrant)
				return
			}
			if r.ok().text("refresh_token") != second.text("refresh_token") {
				t.Error("the successor is another one")
			}
			if r.text("access_token") == second.text("access_token") {
				t.Error("two answers have one access token")
			}
			ts.refreshed(r, webID, key).ok()
		})
	}
}

func TestSomebodyElsesRefreshTokenIsRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	r := ts.tokens(webID, key)
	stolen := form("grant_type", grantRefresh, "refresh_token", r.text("refresh_token"))
	ts.post(pathToken, stolen, ts.credentials(otherID, key)...).refused(errInvalidGrant).names("refresh_token")
	ts.refreshed(r, webID, key).ok()
}

func TestRefreshTokensEnd(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	r := ts.tokens(webID, key)
	for range 6 { // 78 days in use
		ts.clock.Advance(DefaultRefreshIdle - 24*time.Hour)
		r = ts.refreshed(r, webID, key).ok()
	}
	ts.clock.Advance(12 * 24 * time.Hour) // the 90th day
	ts.refreshed(r, webID, key).refused(errInvalidGrant)

	idle := ts.tokens(webID, key)
	ts.clock.Advance(DefaultRefreshIdle)
	ts.refreshed(idle, webID, key).refused(errInvalidGrant) // BCP-2.2.2-04
}

func TestARefreshTokenGivesNoMoreThanWasGranted(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	r := ts.tokens(webID, key, "scope", "read write files", "resource", apiID, "resource", filesID)
	// BCP-2.2.2-03
	ts.refreshed(r, webID, key, "scope", "read admin").refused(errInvalidScope).names("scope")
	ts.refreshed(r, webID, key, "resource", "https://unknown.example").refused(errInvalidTarget).names("resource")

	less := ts.refreshed(r, webID, key, "scope", "read").ok()
	if less.text("scope") != "read" {
		t.Errorf("scope is %q, want read", less.text("scope"))
	}
	// The refresh token itself keeps what was granted (RFC 6749 section 6).
	more := ts.refreshed(less, webID, key, "scope", "read files", "resource", filesID).ok()
	if got := ts.access(more); more.text("scope") != "read files" || got.Resource != filesID {
		t.Errorf("scope is %q at %s, want read files at %s", more.text("scope"), got.Resource, filesID)
	}
	narrow := ts.tokens(webID, key, "scope", "read")
	ts.refreshed(narrow, webID, key, "scope", "write").refused(errInvalidScope)
	ts.refreshed(narrow, webID, key, "resource", filesID).refused(errInvalidTarget) // RI-2.2-01
}

func TestRefreshTokensThatAreNotOursAreRefused(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	good := ts.tokens(webID, key).text("refresh_token")
	plain, err := jose.DecodeSegment(good)
	if err != nil {
		t.Fatal(err)
	}
	change := func(do func([]byte)) string {
		b := bytes.Clone(plain)
		do(b)
		return jose.EncodeSegment(b)
	}
	for _, tt := range []struct{ name, token string }{
		{"too short", good[:len(good)-2]},
		{"too long", good + "AA"},
		{"with a line end", good + "\n"},
		{"padded", good + "=="},
		{"in base64", "+/" + good[2:]},
		{"a forged mac", change(func(b []byte) { b[len(b)-1] ^= 1 })},
		{"another grant", change(func(b []byte) { b[0] ^= 1 })},
		{"an older generation", change(func(b []byte) { binary.BigEndian.PutUint32(b[grantHandleBytes:], 0) })},
		{"a newer generation", change(func(b []byte) { binary.BigEndian.PutUint32(b[grantHandleBytes:], 2) })},
		{"a code", newHandle().Reveal()},
		{"64 KB", strings.Repeat("A", 60000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", tt.token), ts.credentials(webID, key)...).
				refused(errInvalidGrant).names("refresh_token")
		})
	}
	ts.post(pathToken, form("grant_type", grantRefresh), ts.credentials(webID, key)...).refused(errInvalidRequest).names("refresh_token")
	t.Cleanup(func() { // none of them has revoked the family
		ts.post(pathToken, form("grant_type", grantRefresh, "refresh_token", good), ts.credentials(webID, key)...).ok()
	})
}

// As after a restore of an older copy of the store, in which a token that was
// spent since is fresh again: the newer one tells, and ends both.
func TestATokenNewerThanItsRecordEndsTheFamily(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	old := ts.tokens(webID, key)
	raw := holdfast.NewSecret(old.text("refresh_token"))
	backup, _, err := ts.readRefresh(t.Context(), raw)
	if err != nil || backup == nil {
		t.Fatalf("grant is %v, %v", backup, err)
	}
	newest := ts.refreshed(ts.refreshed(old, webID, key).ok(), webID, key).ok()

	now, _, err := ts.readRefresh(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	now.Value = backup.Value
	if err := now.swap(t.Context(), ts.store); err != nil {
		t.Fatal(err)
	}
	ts.refreshed(newest, webID, key).refused(errInvalidGrant).names("refresh_token")
	ts.refreshed(old, webID, key).refused(errInvalidGrant)
}

func TestARevokedGrantStaysRevoked(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	key := newKey(t)
	r := ts.tokens(webID, key)
	g, _, err := ts.readRefresh(context.Background(), holdfast.NewSecret(r.text("refresh_token")))
	if err != nil || g == nil {
		t.Fatalf("grant is %v, %v", g, err)
	}
	for range 2 {
		if err := ts.revokeGrant(context.Background(), g.Key, "test"); err != nil {
			t.Fatal(err)
		}
	}
	ts.refreshed(r, webID, key).refused(errInvalidGrant)
	if err := ts.revokeGrant(context.Background(), [32]byte{1}, "test"); err != nil {
		t.Errorf("a grant that is gone: %v", err)
	}
}

func FuzzRefreshToken(f *testing.F) {
	ts := newTestServer(f, nil)
	good := ts.tokens(webID, newKey(f)).text("refresh_token")
	f.Add(good)
	f.Add(good[:60])
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		raw := holdfast.NewSecret(text)
		g, generation, err := ts.readRefresh(context.Background(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if (g != nil) != (text == good) {
			t.Fatalf("%q is accepted: %v", text, g != nil)
		}
		if handle, n, ok := parseRefresh(raw); ok {
			if g != nil && (n != generation || refreshText(handle, n, g.Value.Seed).Reveal() != text) {
				t.Fatal("the text of a token cannot be made again")
			}
		}
	})
}
