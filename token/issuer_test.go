package token

import (
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

func TestByIssuer(t *testing.T) {
	const first, second = "https://one.example.com", "https://two.example.com"
	named := func(name string) *reader {
		return always(holdfast.Token{State: holdfast.TokenAuthentic, Subject: name})
	}
	jwts := map[string]holdfast.TokenReader{first: named("one"), second: named("two")}
	of := func(claims string) string { return sign(t, "es", jose.ES256, `,"typ":"at+jwt"`, claims) }
	for _, tt := range []struct {
		name   string
		jwts   map[string]holdfast.TokenReader
		opaque *reader
		raw    string
		reader string // the name of the reader that is asked, "" for none
		state  holdfast.TokenState
	}{
		{"a token of the first issuer", jwts, named("opaque"), of(`{"iss":"` + first + `","exp":1}`), "one", holdfast.TokenAuthentic},
		{"a token of the second issuer", jwts, named("opaque"), of(`{"iss":"` + second + `","exp":1}`), "two", holdfast.TokenAuthentic},
		{"AT-4-03: a token of another issuer goes nowhere", jwts, named("opaque"), of(`{"iss":"https://three.example.com","exp":1}`), "", holdfast.TokenUnknownKey},
		{"issuers are compared exactly", jwts, named("opaque"), of(`{"iss":"` + first + `/","exp":1}`), "", holdfast.TokenUnknownKey},
		{"no issuer", jwts, named("opaque"), of(`{"exp":1}`), "", holdfast.TokenUnknownKey},
		{"an opaque token", jwts, named("opaque"), "2YotnFZFEjr1zCsicMWpAA", "opaque", holdfast.TokenAuthentic},
		{"an opaque token with dots", jwts, named("opaque"), "v1.local.AAAA", "opaque", holdfast.TokenAuthentic},
		{"an encrypted token", jwts, named("opaque"), "a.b.c.d.e", "opaque", holdfast.TokenAuthentic},
		{"an opaque token where none is expected", jwts, nil, "2YotnFZFEjr1zCsicMWpAA", "", holdfast.TokenMalformed},
		{"claims that cannot be read", jwts, named("opaque"), of(`{"iss":1}`), "", holdfast.TokenMalformed},
		{"a JWT where only opaque tokens are expected", nil, named("opaque"), of(`{"iss":"` + first + `","exp":1}`), "", holdfast.TokenUnknownKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var opaque holdfast.TokenReader
			if tt.opaque != nil {
				opaque = tt.opaque
			}
			b, err := NewByIssuer(tt.jwts, opaque)
			if err != nil {
				t.Fatal(err)
			}
			got, err := b.ReadToken(t.Context(), holdfast.NewSecret(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if tt.reader == "" && got.State == holdfast.TokenAuthentic || tt.reader != "" && got.Subject != tt.reader || got.State != tt.state {
				t.Errorf("got state %d by %q, want %d by %q", got.State, got.Subject, tt.state, tt.reader)
			}
		})
	}
}

func TestNewByIssuer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		jwts   map[string]holdfast.TokenReader
		opaque holdfast.TokenReader
		want   []string
	}{
		{"nobody", nil, nil, []string{"one at least"}},
		{"every mistake at once", map[string]holdfast.TokenReader{"": &reader{}, "b": nil}, nil, []string{"empty", `"b" is nil`}},
		{"only opaque tokens", nil, &reader{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantMistakes(t, func() error { _, err := NewByIssuer(tt.jwts, tt.opaque); return err }(), tt.want)
		})
	}
}

func TestByIssuerGeneration(t *testing.T) {
	one, two, opaque := &reader{}, &reader{}, &reader{}
	b, err := NewByIssuer(map[string]holdfast.TokenReader{"1": one, "2": two, "3": NewJWT(nil)}, opaque)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*reader{one, two, opaque} {
		before := b.Generation()
		r.generation.Add(1)
		if b.Generation() <= before {
			t.Error("a reader has changed, the generation has not grown")
		}
	}
}
