package authserver

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/store"
)

// A kind that is not resealed cannot be read any more once the old key is gone.
func TestEveryKindOfRecordIsResealed(t *testing.T) {
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	all, found := kinds(), 1 // store.KindBlock
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.ValueSpec)
			if !ok || len(s.Values) != 1 {
				return true
			}
			if of, ok := s.Type.(*ast.SelectorExpr); ok && of.Sel.Name == "Kind" {
				found++
				text := s.Values[0].(*ast.BasicLit).Value
				if !slices.Contains(all, store.Kind(strings.Trim(text, `"`))) {
					t.Errorf("%s: the kind %s is not among kinds()", name, text)
				}
			}
			return true
		})
	}
	if found != len(all) {
		t.Errorf("%d kinds are declared, kinds() has %d", found, len(all))
	}
}

func TestASealingKeyIsReplaced(t *testing.T) {
	clock := holdfasttest.NewClock(time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC))
	shared := store.NewMemory(clock.Now)
	before, after := holdfast.NewSecret(strings.Repeat("a", 32)), holdfast.NewSecret(strings.Repeat("b", 32))
	under := func(keys ...holdfast.Secret) func(*Config) {
		return func(c *Config) { c.Store, c.SealingKeys, c.Now = shared, keys, clock.Now }
	}
	key := newKey(t)
	first := newTestServer(t, under(before))
	token := first.tokens(webID, key)
	if _, err := first.block(t.Context(), byClient, otherID, order{}); err != nil {
		t.Fatal(err)
	}

	both := newTestServer(t, under(after, before))
	if n, err := both.Reseal(t.Context()); n < 4 || err != nil {
		t.Errorf("Reseal = %d, %v, want the grant, the block, the ring and the key that hides owners", n, err)
	}
	if n, err := both.Reseal(t.Context()); n != 0 || err != nil {
		t.Errorf("Reseal again = %d, %v, want nothing to do", n, err)
	}

	last := newTestServer(t, under(after))
	last.post(pathToken, form("grant_type", grantRefresh, "refresh_token", token.text("refresh_token")), last.credentials(webID, key)...).ok()
	if err := last.unblocked(t.Context(), otherID, binding{}); err == nil {
		t.Error("a block is gone")
	}
}

// Nothing is written under a key that does not open what is there.
func TestAServerDoesNotStartWithAnotherSealingKey(t *testing.T) {
	wrong := holdfast.NewSecret(strings.Repeat("w", 32))
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		with Signing
	}{
		{"signing keys of its own", Signing{}},
		{"signing keys of the configuration", Signing{Signers: []crypto.Signer{signer}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Config
			ts := newTestServer(t, func(of *Config) {
				of.Signing = tt.with
				c = *of
			})
			ts.tokens(webID, newKey(t))
			before := held(t, c.Store)
			c.SealingKeys = []holdfast.Secret{wrong}
			s, err := New(context.Background(), c)
			if err == nil {
				_ = s.Close()
				t.Fatal("it starts")
			}
			if !strings.Contains(err.Error(), "sealing keys: ") || !strings.Contains(err.Error(), "sealed under another key") {
				t.Errorf("the error is %v", err)
			}
			if after := held(t, c.Store); after != before {
				t.Errorf("there were %d records, now there are %d", before, after)
			}
		})
	}
}

// held is how many records a store has.
func held(t *testing.T, s store.Store) (n int) {
	t.Helper()
	for _, k := range append(kinds(), store.KindSealing) {
		for _, err := range s.List(t.Context(), k, "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}
