package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// stolen and lost are thumbprints of holders.
var (
	stolen = holdfast.Thumbprint{1, 2, 3}
	lost   = holdfast.Thumbprint{4, 5, 6}
)

// blockText is a list that the key es signed.
func blockText(t testing.TB, claims string) string {
	t.Helper()
	return sign(t, "es", jose.ES256, `,"typ":"holdfast-blocks+jwt","kid":"k1"`, claims)
}

// blockClaims are the claims of a list that is made now.
func blockClaims(c *clock, jkt, client string) string {
	now := c.now().Unix()
	return fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,"jkt":[%s],"client":[%s]}`, testIssuer, now, now+60, jkt, client)
}

// newTestBlocks is a list that is asked for only when the test says so.
func newTestBlocks(t testing.TB, p *peer, c *clock) *BlockList {
	t.Helper()
	b, err := newBlockList(BlockListConfig{Issuer: testIssuer, URL: p.URL + "/blocks", JWKSURI: p.URL + "/jwks", HTTP: p.Client(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	close(b.first)
	return b
}

// issues answers with a key set and a list.
func issues(list string, jwks ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks" {
			publishes(jwks...)(w, r)
			return
		}
		_, _ = io.WriteString(w, list)
	}
}

func wantBlocked(t testing.TB, b *BlockList, holder holdfast.Thumbprint, client string, want bool) {
	t.Helper()
	got, err := b.Blocked(t.Context(), holder, client)
	if err != nil || got != want {
		t.Errorf("blocked is %v, %v, want %v", got, err, want)
	}
}

func wantUnknown(t testing.TB, b *BlockList, part string) {
	t.Helper()
	blocked, err := b.Blocked(t.Context(), lost, "someone")
	var typed *Error
	if blocked || !errors.As(err, &typed) || typed.Op != opBlockList && typed.Op != opKeySet {
		t.Fatalf("blocked is %v, %v, want an *Error", blocked, err)
	}
	if !strings.Contains(err.Error(), part) || len(err.Error()) > 1000 {
		t.Errorf("error %.1100q lacks %q", err, part)
	}
}

func TestABlockListNamesHoldersAndClients(t *testing.T) {
	c := &clock{}
	list := blockText(t, blockClaims(c, `"`+stolen.String()+`","`+holdfast.Thumbprint{}.String()+`"`, `"evil",""`))
	b := newTestBlocks(t, newPeer(t, issues(list, jwk(t, "es", `,"kid":"k1"`))), c)
	b.refresh(t.Context())
	for _, tt := range []struct {
		name   string
		holder holdfast.Thumbprint
		client string
		want   bool
	}{
		{"a blocked holder with any client", stolen, "someone", true},
		{"a blocked client with any holder", lost, "evil", true},
		{"a blocked client without a holder", holdfast.Thumbprint{}, "evil", true},
		{"neither", lost, "someone", false},
		{"nobody, even if a list names nobody", holdfast.Thumbprint{}, "", false},
		{"a client whose name is a prefix", lost, "evi", false},
	} {
		t.Run(tt.name, func(t *testing.T) { wantBlocked(t, b, tt.holder, tt.client, tt.want) })
	}
}

func TestABlockListThatIsNotGoodIsNotTaken(t *testing.T) {
	c := &clock{}
	now := c.now().Unix()
	good := blockClaims(c, "", "")
	es := jwk(t, "es", `,"kid":"k1"`)
	signed := func(claims string) string { return blockText(t, claims) }
	for _, tt := range []struct{ name, list, want string }{
		{"an access token of the issuer", sign(t, "es", jose.ES256, `,"typ":"at+jwt","kid":"k1"`, good), `typ is "at+jwt"`},
		{"no typ", sign(t, "es", jose.ES256, `,"kid":"k1"`, good), `typ is ""`},
		{"a key that is not published", sign(t, "other", jose.ES256, `,"typ":"holdfast-blocks+jwt","kid":"k1"`, good), "no key that the issuer publishes"},
		{"alg none", unsigned(`{"alg":"none","typ":"holdfast-blocks+jwt"}`, good, ""), "asymmetric"},
		{"HMAC", unsigned(`{"alg":"HS256","typ":"holdfast-blocks+jwt"}`, good, "c2ln"), "asymmetric"},
		{"another issuer", signed(strings.Replace(good, testIssuer, "https://other.example", 1)), "iss is"},
		{"no iat", signed(strings.Replace(good, `"iat"`, `"was"`, 1)), "iat and exp are required"},
		{"no exp", signed(strings.Replace(good, `"exp"`, `"was"`, 1)), "iat and exp are required"},
		{"of a minute ago", signed(fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,"jkt":[],"client":[]}`, testIssuer, now-60, now+3600)), "our clock says"},
		{"expired by its own words", signed(fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,"jkt":[],"client":[]}`, testIssuer, now-5, now)), "our clock says"},
		{"of the future", signed(fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,"jkt":[],"client":[]}`, testIssuer, now+11, now+71)), "our clock says"},
		{"no holders", signed(strings.Replace(good, `"jkt"`, `"jtk"`, 1)), "jkt: missing"},
		{"no clients", signed(strings.Replace(good, `"client"`, `"clients"`, 1)), "client: missing"},
		{"a holder that is none", signed(blockClaims(c, `"x"`, "")), "jkt: thumbprint has 1 characters"},
		{"a client that is no text", signed(blockClaims(c, "", "7")), "client: holds number"},
		{"holders twice", signed(strings.Replace(good, `"jkt":[]`, `"jkt":[],"jkt":[]`, 1)), "duplicate"},
		{"no JWT", "<html>", "not"},
		{"nothing", "", "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newTestBlocks(t, newPeer(t, issues(tt.list, es)), c)
			b.refresh(t.Context())
			wantUnknown(t, b, tt.want)
		})
	}
}

func TestABlockListGoesOnForAMinute(t *testing.T) {
	c := &clock{}
	es := jwk(t, "es", `,"kid":"k1"`)
	old := blockText(t, blockClaims(c, "", ""))
	p := newPeer(t, issues(old, es))
	b := newTestBlocks(t, p, c)
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", false)

	c.advance(10 * time.Second)
	p.answers(issues(blockText(t, blockClaims(c, `"`+stolen.String()+`"`, "")), es))
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", true)

	// A list from before the block, still good by itself, is not taken.
	p.answers(issues(old, es))
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", true)

	p.answers(says(http.StatusServiceUnavailable, ""))
	c.advance(59 * time.Second)
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", true)
	c.advance(time.Second)
	wantUnknown(t, b, "status 503")

	p.answers(issues(blockText(t, blockClaims(c, "", "")), es))
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", false)

	c.seconds.Store(c.seconds.Load() - 11) // our clock is set back
	wantUnknown(t, b, "older than")
}

func TestABlockListFollowsTheKeysOfItsIssuer(t *testing.T) {
	c := &clock{}
	p := newPeer(t, issues(blockText(t, blockClaims(c, "", "")), jwk(t, "es", `,"kid":"k1"`)))
	b := newTestBlocks(t, p, c)
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", false)

	// k1 is compromised and gone: the next list is by a key not seen before.
	c.advance(DefaultMinRefetch)
	next := sign(t, "other", jose.ES256, `,"typ":"holdfast-blocks+jwt","kid":"k2"`, blockClaims(c, `"`+stolen.String()+`"`, ""))
	p.answers(issues(next, jwk(t, "other", `,"kid":"k2"`)))
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", true)

	// What the old key signs is not taken any more.
	c.advance(time.Second)
	p.answers(issues(blockText(t, blockClaims(c, "", "")), jwk(t, "other", `,"kid":"k2"`)))
	b.refresh(t.Context())
	wantBlocked(t, b, stolen, "", true)
}

func TestABlockListIsReadUpToALimit(t *testing.T) {
	c := &clock{}
	written := make(chan int, 1)
	flood := floods(written)
	b := newTestBlocks(t, newPeer(t, flood), c)
	b.refresh(t.Context())
	wantUnknown(t, b, fmt.Sprintf("longer than %d", MaxBlockListBytes))
	if n := <-written; n > 64<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

// transportFunc answers requests without a network, so that time is that of the
// bubble.
type transportFunc func(*http.Request) *http.Response

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func TestABlockListIsPolledAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var blocked atomic.Value
		blocked.Store("")
		c := BlockListConfig{Issuer: testIssuer, URL: "https://as.example/blocks", JWKSURI: "https://as.example/jwks"}
		c.HTTP = &http.Client{Transport: transportFunc(func(r *http.Request) *http.Response {
			w := httptest.NewRecorder()
			if r.URL.Path == "/blocks" {
				asked.Add(1)
			}
			now := time.Now().Unix()
			list := fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,"jkt":[],"client":[%s]}`, testIssuer, now, now+60, blocked.Load())
			issues(blockText(t, list), jwk(t, "es", `,"kid":"k1"`))(w, r)
			return w.Result()
		})}
		b, err := NewBlockList(c)
		if err != nil {
			t.Fatal(err)
		}
		wantBlocked(t, b, lost, "evil", false) // waits for the first list

		blocked.Store(`"evil"`)
		time.Sleep(BlockListPoll + time.Millisecond)
		synctest.Wait()
		wantBlocked(t, b, lost, "evil", true)
		if got := asked.Load(); got != 2 {
			t.Errorf("the list was asked for %d times, want 2", got)
		}
		for range 2 {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * BlockListPoll)
		if asked.Load() != 2 {
			t.Error("the list was asked for after Close")
		}
		wantUnknown(t, b, "older than 1m0s")
	})
}

func TestAskingABlockListWaitsNoLongerThanTheCaller(t *testing.T) {
	b, err := newBlockList(BlockListConfig{Issuer: testIssuer, URL: "https://as.example/blocks", JWKSURI: "https://as.example/jwks"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Blocked(ctx, stolen, ""); !errors.Is(err, context.Canceled) || !errors.Is(err, Unreachable) {
		t.Errorf("error %v, want that the caller went away", err)
	}
}

func TestNewBlockListReportsEveryMistake(t *testing.T) {
	_, err := NewBlockList(BlockListConfig{URL: "http://as.example/blocks", JWKSURI: "ftp://as.example", Algs: []holdfast.Alg{"HS256"}})
	wantMistakes(t, err, []string{"block list: URL", "Issuer is required", "JWKSURI", "HS256"})
}

// A verifier refuses whoever is blocked, and everybody while nobody knows.
func TestAVerifierAsksABlockList(t *testing.T) {
	c := &clock{}
	es := jwk(t, "es", `,"kid":"k1"`)
	p := newPeer(t, issues(blockText(t, blockClaims(c, "", `"evil"`)), es))
	blocks := newTestBlocks(t, p, c)
	blocks.refresh(t.Context())
	v, err := holdfast.NewVerifier(holdfast.Config{
		Tokens: newRemote(t, p, c), Issuers: []string{testIssuer}, Audience: []string{"https://api.example.com"},
		Accept: holdfast.AcceptBearerToo, Blocks: blocks, Proof: holdfast.ProofPolicy{Now: c.now},
	})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(client string) holdfast.Code {
		claims := fmt.Sprintf(`{"iss":%q,"aud":"https://api.example.com","sub":"alice","client_id":%q,"exp":%d}`, testIssuer, client, c.now().Unix()+600)
		r := httptest.NewRequest(http.MethodGet, "https://api.example.com/", nil)
		r.Header.Set("Authorization", "Bearer "+sign(t, "es", jose.ES256, `,"typ":"at+jwt","kid":"k1"`, claims))
		presented, err := holdfast.Present(r, r.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), presented, holdfast.Requirement{})
		return holdfast.CodeOf(err)
	}
	if got := verify("evil"); got != holdfast.CodeAccessBlockedBlocked {
		t.Errorf("a blocked client got %v", got)
	}
	if got := verify("good"); got != holdfast.CodeOK {
		t.Errorf("another client got %v", got)
	}
	c.advance(MaxBlockListAge)
	if got := verify("good"); got != holdfast.CodeServerBlocks {
		t.Errorf("with a list that is too old, a client got %v", got)
	}
}

// FuzzReadBlockList: no text of an issuer makes a list that blocks nobody by
// accident: what is taken has both members and is current.
func FuzzReadBlockList(f *testing.F) {
	c := &clock{}
	f.Add(blockClaims(c, `"`+stolen.String()+`"`, `"evil"`))
	f.Add(blockClaims(c, "", ""))
	f.Add(`{"iss":"` + testIssuer + `","iat":1e3,"exp":99999999999,"jkt":{},"client":null}`)
	b, err := newBlockList(BlockListConfig{Issuer: testIssuer, URL: "https://as.example/blocks", JWKSURI: "https://as.example/jwks", Now: c.now})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		l, err := b.read(&jose.JWS{Payload: payload})
		if err != nil {
			if l != nil {
				t.Error("a list and an error")
			}
			return
		}
		if l.holders == nil || l.clients == nil || !l.fresh(c.now()) || l.until.Sub(l.issued) > MaxBlockListAge {
			t.Errorf("taken: %+v", l)
		}
	})
}
