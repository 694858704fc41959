package authserver

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

// list returns the claims of the published list.
func (ts *testServer) list() (text string, holders, clients []string) {
	ts.t.Helper()
	answer := ts.document(pathBlocks)
	if answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/jwt" || answer.header.Get("Cache-Control") != "no-store" {
		ts.t.Fatalf("answer is %d %v", answer.status, answer.header)
	}
	j, err := jose.Parse(string(answer.raw), 1<<20)
	if err != nil || j.Type != "holdfast-blocks+jwt" {
		ts.t.Fatalf("typ %q, %v", j.Type, err)
	}
	o, err := j.Claims()
	if err != nil {
		ts.t.Fatal(err)
	}
	texts := func(name string) (out []string) {
		v, _ := o.Get(name)
		all, ok := v.Array()
		if !ok {
			ts.t.Fatalf("%s is no array", name)
		}
		for _, one := range all {
			s, _ := one.Text()
			out = append(out, s)
		}
		return out
	}
	iat, _ := o.Get("iat")
	exp, _ := o.Get("exp")
	from, _ := iat.Seconds()
	until, _ := exp.Seconds()
	if until-from != 60 {
		ts.t.Errorf("the list is good for %d s", until-from)
	}
	return string(answer.raw), texts("jkt"), texts("client")
}

func TestTheListOfBlocksIsSignedAndMadeOnceASecond(t *testing.T) {
	ts := newTestServer(t, nil)
	empty, holders, clients := ts.list()
	if len(holders)+len(clients) != 0 {
		t.Errorf("%v and %v are blocked", holders, clients)
	}
	ts.blocked(byThumbprint, someone().String())
	ts.blocked(byClient, webID)
	if again, _, _ := ts.list(); again != empty {
		t.Error("the list is made more than once a second")
	}
	ts.clock.Advance(time.Second)
	_, holders, clients = ts.list()
	if fmt.Sprint(holders, clients) != fmt.Sprint([]string{someone().String()}, []string{webID}) {
		t.Errorf("%v and %v are blocked", holders, clients)
	}
}

// What a resource server polls is what this server publishes, over TLS, with a
// signing key that is replaced meanwhile.
func TestAResourceServerPollsTheList(t *testing.T) {
	ts := newTestServer(t, nil)
	poll := func() *token.BlockList {
		b, err := token.NewBlockList(token.BlockListConfig{
			Issuer: ts.config.Issuer, URL: ts.config.Issuer + pathBlocks, JWKSURI: ts.config.Issuer + pathJWKS,
			HTTP: ts.http, Now: ts.clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	want := func(b *token.BlockList, blocked bool) {
		t.Helper()
		if got, err := b.Blocked(t.Context(), someone(), webID); err != nil || got != blocked {
			t.Errorf("blocked is %v, %v, want %v", got, err, blocked)
		}
	}
	want(poll(), false)
	ts.blocked(byThumbprint, someone().String())
	ts.clock.Advance(time.Second)
	before := poll()
	want(before, true)

	kids, err := ts.signing.states(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := ts.signing.retire(t.Context(), kids[0].ID); err != nil {
		t.Fatal(err)
	}
	ts.clock.Advance(time.Second)
	want(poll(), true)
	ts.clock.Advance(token.MaxBlockListAge)
	if _, err := before.Blocked(t.Context(), someone(), webID); err == nil {
		t.Error("a list that is a minute old is used")
	}
}

func TestTheListOfBlocksHasALimit(t *testing.T) {
	ts := newTestServer(t, nil)
	longest := strings.Repeat("c", 150)
	for i := range MaxBlocks {
		d, value := byThumbprint, holdfast.Thumbprint{byte(i), byte(i >> 8), 1}.String()
		if i%2 == 0 {
			d, value = byClient, fmt.Sprintf("%s%d", longest, i)
		}
		key, err := blockKey(d, value)
		if err != nil {
			t.Fatal(err)
		}
		if err := create(t.Context(), ts.store, store.KindBlock, key, string(d), time.Time{}, blockRecord{Dimension: d, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := ts.block(t.Context(), byClient, webID, order{})
	if f := refusalOf(err); err == nil || f.status != http.StatusConflict || !strings.Contains(f.text, "5000") {
		t.Errorf("one block more: %v", err)
	}
	few := newTestServer(t, nil)
	for i := range MaxBlocksBytes/MaxAdminValue + 1 { // fewer, but longer ones
		if _, err = few.block(t.Context(), byClient, fmt.Sprintf("%*d", MaxAdminValue, i), order{}); err != nil {
			break
		}
	}
	if f := refusalOf(err); err == nil || f.status != http.StatusConflict {
		t.Errorf("blocks of long names: %v", err)
	}
	if text, _, clients := few.list(); len(clients) < 300 || len(text) > token.MaxBlockListBytes {
		t.Errorf("the list has %d entries and %d bytes", len(clients), len(text))
	}
	if _, err := ts.block(t.Context(), byClient, longest+"0", order{}); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	text, holders, clients := ts.list()
	if len(holders)+len(clients) != MaxBlocks || len(text) > token.MaxBlockListBytes {
		t.Errorf("the list has %d entries and %d bytes", len(holders)+len(clients), len(text))
	}
}

func TestWithoutTheStoreThereIsNoList(t *testing.T) {
	away := &awayStore{}
	ts := newTestServer(t, func(c *Config) { away.Store = c.Store; c.Store = away })
	ts.list()
	away.away.Store(true)
	ts.clock.Advance(time.Second)
	if answer := ts.document(pathBlocks); answer.status != http.StatusServiceUnavailable {
		t.Errorf("answer is %d %s", answer.status, answer.raw)
	}
}
