package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

const testIssuer = "https://as.example.com"

// testKeys are made once: RSA keys take a while.
var testKeys = sync.OnceValue(func() map[string]crypto.Signer {
	es, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rs, err3 := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"es": es, "other": other, "rs": rs, "ed": ed}
})

// jwk returns the public JWK of a test key with more members.
func jwk(t testing.TB, key, more string) string {
	t.Helper()
	k, err := jose.NewPublicKey(testKeys()[key].Public())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(k.JWK(), "}") + more + "}"
}

func keySet(t testing.TB, issuer string, jwks ...string) KeySet {
	t.Helper()
	s, err := ParseJWKS([]byte(`{"keys":[` + strings.Join(jwks, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Issuer = issuer
	return s
}

// sign makes a token. The header gets alg unless it has one.
func sign(t testing.TB, key string, a jose.Alg, header, payload string) string {
	t.Helper()
	s, err := jose.Sign(testKeys()[key], a, fmt.Sprintf(`{"alg":%q%s}`, a, header), payload)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const goodClaims = `{"iss":"https://as.example.com","sub":"u1","client_id":"c1","aud":["https://api.example.com","x"],` +
	`"scope":"read write","exp":1700000600,"iat":1700000000.9,"nbf":1700000000,"acr":"phr","auth_time":1699999000,` +
	`"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`

func read(t testing.TB, r *JWT, raw string) *holdfast.Token {
	t.Helper()
	got, err := r.ReadToken(context.Background(), holdfast.NewSecret(raw))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestJWTFacts(t *testing.T) {
	r := NewJWT([]KeySet{keySet(t, testIssuer, jwk(t, "es", `,"kid":"k1"`))})
	got := read(t, r, sign(t, "es", jose.ES256, `,"typ":"application/at+jwt","kid":"k1"`, goodClaims))
	jkt, err := holdfast.ParseThumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
	if err != nil {
		t.Fatal(err)
	}
	want := &holdfast.Token{
		State: holdfast.TokenAuthentic, Typed: true, Type: "at+jwt",
		Issuer: testIssuer, Subject: "u1", ClientID: "c1",
		Audience: []string{"https://api.example.com", "x"}, Scope: []string{"read", "write"},
		ACR: "phr", AuthTime: time.Unix(1699999000, 0).UTC(),
		IssuedAt: time.Unix(1700000000, 0).UTC(), NotBefore: time.Unix(1700000000, 0).UTC(), Expires: time.Unix(1700000600, 0).UTC(),
		Confirmation: holdfast.Confirmation{JKT: jkt},
		Claims:       json.RawMessage(goodClaims),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestJWTState(t *testing.T) {
	claims := `{"iss":"https://as.example.com","exp":1700000600}`
	es, ed := jwk(t, "es", `,"kid":"k1"`), jwk(t, "ed", `,"kid":"k2"`)
	rs := jwk(t, "rs", `,"kid":"k3"`)
	all := []KeySet{keySet(t, testIssuer, es, ed, rs)}
	tests := []struct {
		name  string
		sets  []KeySet
		token string
		want  holdfast.TokenState
	}{
		{"AT-4-02: the named key verifies", all, sign(t, "es", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenAuthentic},
		{"AT-2.1-02: RS256 is accepted", all, sign(t, "rs", jose.RS256, `,"kid":"k3"`, claims), holdfast.TokenAuthentic},
		{"PS256 with the same key", all, sign(t, "rs", jose.PS256, `,"kid":"k3"`, claims), holdfast.TokenAuthentic},
		{"J-9864-01: Ed25519 is EdDSA", []KeySet{keySet(t, testIssuer, jwk(t, "ed", `,"alg":"EdDSA"`))}, sign(t, "ed", jose.Ed25519, ``, claims), holdfast.TokenAuthentic},
		{"no kid in the header: every key that fits is tried", all, sign(t, "ed", jose.EdDSA, ``, claims), holdfast.TokenAuthentic},
		{"no kid in the set", []KeySet{keySet(t, testIssuer, jwk(t, "es", ``))}, sign(t, "es", jose.ES256, `,"kid":"k9"`, claims), holdfast.TokenAuthentic},
		{"a set for any issuer", []KeySet{keySet(t, "", es)}, sign(t, "es", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenAuthentic},
		{"no set at all: nobody knows", nil, sign(t, "es", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenUnknown},
		{"AT-4-03: keys of another issuer do not count", []KeySet{keySet(t, "https://other.example.com", es)}, sign(t, "es", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenUnknown},
		{"issuers are compared exactly", []KeySet{keySet(t, testIssuer+"/", es)}, sign(t, "es", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenUnknown},
		{"a set without a usable key", []KeySet{keySet(t, testIssuer)}, sign(t, "es", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenUnknownKey},
		{"a kid that is not published", all, sign(t, "other", jose.ES256, `,"kid":"k4"`, claims), holdfast.TokenUnknownKey},
		{"another key under a published kid", all, sign(t, "other", jose.ES256, `,"kid":"k1"`, claims), holdfast.TokenBadSignature},
		{"another key, no kid", all, sign(t, "other", jose.ES256, ``, claims), holdfast.TokenBadSignature},
		{"J-3.1-01: alg does not fit the named key", all, sign(t, "rs", jose.RS256, `,"kid":"k1"`, claims), holdfast.TokenBadSignature},
		{"J-3.1-01: the set reserves the key for another alg", []KeySet{keySet(t, testIssuer, jwk(t, "rs", `,"kid":"k3","alg":"RS256"`))}, sign(t, "rs", jose.PS256, `,"kid":"k3"`, claims), holdfast.TokenBadSignature},
		{"AT-4-03: jwk, jku and x5u of the header are not looked at", all, sign(t, "other", jose.ES256, `,"kid":"k4","jku":"https://evil.example/","jwk":`+jwk(t, "other", ``), claims), holdfast.TokenUnknownKey},
		{"AT-4-02: alg none", all, unsigned(`{"alg":"none","kid":"k1"}`, claims, ""), holdfast.TokenBadSignature},
		{"alg none needs no key set to be wrong", nil, unsigned(`{"alg":"none"}`, claims, ""), holdfast.TokenBadSignature},
		{"HMAC with the public key as secret", all, unsigned(`{"alg":"HS256","kid":"k1"}`, claims, "c2ln"), holdfast.TokenBadSignature},
		{"no alg", all, unsigned(`{"kid":"k1"}`, claims, "c2ln"), holdfast.TokenBadSignature},
		{"an algorithm that is not implemented", all, unsigned(`{"alg":"ES256K","kid":"k1"}`, claims, "c2ln"), holdfast.TokenUnknownKey},
		{"J-4.1.11-01: an unknown crit", all, sign(t, "es", jose.ES256, `,"kid":"k1","crit":["x"],"x":1`, claims), holdfast.TokenMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, NewJWT(tt.sets), tt.token); got.State != tt.want {
				t.Errorf("state %d, want %d", got.State, tt.want)
			}
		})
	}
}

// unsigned joins a header and a payload with any signature part.
func unsigned(header, payload, sig string) string {
	return jose.EncodeSegment([]byte(header)) + "." + jose.EncodeSegment([]byte(payload)) + "." + sig
}

func TestJWTFlippedBits(t *testing.T) {
	r := NewJWT([]KeySet{keySet(t, testIssuer, jwk(t, "es", `,"kid":"k1"`))})
	good := sign(t, "es", jose.ES256, `,"kid":"k1"`, goodClaims)
	for i := 0; i < len(good); i += 7 {
		b := []byte(good)
		if b[i] ^= 1; b[i] == '.' || good[i] == '.' {
			continue
		}
		got, err := r.ReadToken(context.Background(), holdfast.NewSecret(string(b)))
		if err == nil && got.State == holdfast.TokenAuthentic {
			t.Fatalf("a token with a flipped bit at %d is authentic", i)
		}
	}
}

func TestJWTClaims(t *testing.T) {
	jkt := `"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"`
	tests := []struct {
		name, claims string
		state        holdfast.TokenState
		check        func(*holdfast.Token) bool
	}{
		{"aud as a string", `{"exp":1,"aud":"a"}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return len(t.Audience) == 1 && t.Audience[0] == "a" }},
		{"no aud", `{"exp":1}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return len(t.Audience) == 0 }},
		{"aud of a wrong type", `{"exp":1,"aud":{"a":1}}`, holdfast.TokenMalformed, nil},
		{"aud holding a number", `{"exp":1,"aud":["a",1]}`, holdfast.TokenMalformed, nil},
		{"scp as an array", `{"exp":1,"scp":["a","b"]}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return len(t.Scope) == 2 }},
		{"scope goes before scp", `{"exp":1,"scope":"x","scp":["a","b"]}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return len(t.Scope) == 1 }},
		{"azp stands in for client_id", `{"exp":1,"azp":"c2"}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.ClientID == "c2" }},
		{"client_id goes before azp", `{"exp":1,"azp":"c2","client_id":"c1"}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.ClientID == "c1" }},
		{"AT-2.2-01: no exp", `{"iss":"a"}`, holdfast.TokenMalformed, nil},
		{"exp as text", `{"exp":"1700000000"}`, holdfast.TokenMalformed, nil},
		{"exp beyond any date", `{"exp":1e300}`, holdfast.TokenMalformed, nil},
		{"exp at the epoch is a date", `{"exp":0}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return !t.Expires.IsZero() }},
		{"iss as a number", `{"exp":1,"iss":1}`, holdfast.TokenMalformed, nil},
		{"a claim twice", `{"exp":1,"exp":2}`, holdfast.TokenMalformed, nil},
		{"payload is not an object", `[1]`, holdfast.TokenMalformed, nil},
		{"names are case-sensitive", `{"exp":1,"ISS":"a","iss":"b"}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.Issuer == "b" }},
		{"cnf with jkt", `{"exp":1,"cnf":{` + jkt + `}}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return !t.Confirmation.JKT.IsZero() && !t.Confirmation.Unsupported }},
		{"no cnf", `{"exp":1}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return !t.Confirmation.Bound() }},
		{"C-3.1-01: an unknown method only", `{"exp":1,"cnf":{"foo":"x"}}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.Confirmation.Unsupported }},
		{"C-3.1-02: cnf null", `{"exp":1,"cnf":null}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.Confirmation.Unsupported }},
		{"C-3.1-02: cnf as text", `{"exp":1,"cnf":"x"}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.Confirmation.Unsupported }},
		{"C-3.1-02: cnf as array", `{"exp":1,"cnf":[]}`, holdfast.TokenUnknown, func(t *holdfast.Token) bool { return t.Confirmation.Unsupported }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, NewJWT(nil), sign(t, "es", jose.ES256, "", tt.claims))
			if got.State != tt.state {
				t.Fatalf("state %d, want %d", got.State, tt.state)
			}
			if tt.check != nil && !tt.check(got) {
				t.Errorf("facts are wrong: %+v", got)
			}
		})
	}
}

func TestJWTForm(t *testing.T) {
	for _, tt := range []struct{ name, raw string }{
		{"AT-6-01: a random string", "2YotnFZFEjr1zCsicMWpAA"},
		{"encrypted", "a.b.c.d.e"},
		{"empty", ""},
	} {
		t.Run(tt.name+" is malformed", func(t *testing.T) {
			got, err := NewJWT(nil).ReadToken(context.Background(), holdfast.NewSecret(tt.raw))
			if err != nil || got.State != holdfast.TokenMalformed {
				t.Errorf("got %v, %v, want a malformed token", got, err)
			}
		})
	}
	good := sign(t, "es", jose.ES256, "", `{"exp":1}`)
	for _, tt := range []struct{ name, raw string }{
		{"three parts of nothing", ".."},
		{"padding", good + "="},
		{"line break", good + "\n"},
		{"header is not JSON", "AAAA" + good[strings.Index(good, "."):]},
		{"too long", good + strings.Repeat("A", holdfast.MaxTokenBytes)},
	} {
		t.Run(tt.name+" is malformed", func(t *testing.T) {
			if got := read(t, NewJWT(nil), tt.raw); got.State != holdfast.TokenMalformed || !got.Typed {
				t.Errorf("got state %d", got.State)
			}
		})
	}
}

func TestJWTType(t *testing.T) {
	for _, tt := range []struct{ typ, want string }{
		{"at+jwt", "at+jwt"},
		{"application/at+jwt", "at+jwt"},
		{"Application/AT+JWT", "AT+JWT"},
		{"application/a/b", "application/a/b"},
		{"application/", "application/"},
		{"JWT", "JWT"},
		{"dpop+jwt", "dpop+jwt"},
	} {
		t.Run("AT-4-01: "+tt.typ, func(t *testing.T) {
			got := read(t, NewJWT(nil), sign(t, "es", jose.ES256, `,"typ":"`+tt.typ+`"`, `{"exp":1}`))
			if got.Type != tt.want || !got.Typed {
				t.Errorf("got %q (typed %v), want %q", got.Type, got.Typed, tt.want)
			}
		})
	}
}

func TestWithAlgs(t *testing.T) {
	r := NewJWT([]KeySet{keySet(t, testIssuer, jwk(t, "rs", ``), jwk(t, "ed", ``))})
	fapi, err := r.WithAlgs(holdfast.PS256, holdfast.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	claims := `{"iss":"https://as.example.com","exp":1}`
	for _, tt := range []struct {
		name, key string
		alg       jose.Alg
		want      holdfast.TokenState
	}{
		{"AT-2.1-02: RS256 where FAPI excludes it", "rs", jose.RS256, holdfast.TokenBadSignature},
		{"PS256", "rs", jose.PS256, holdfast.TokenAuthentic},
		{"the other name of EdDSA", "ed", jose.Ed25519, holdfast.TokenAuthentic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, fapi, sign(t, tt.key, tt.alg, "", claims)); got.State != tt.want {
				t.Errorf("state %d, want %d", got.State, tt.want)
			}
		})
	}
	for _, bad := range [][]holdfast.Alg{nil, {"none"}, {"HS256"}, {"RS256", "rs256"}} {
		if _, err := r.WithAlgs(bad...); err == nil {
			t.Errorf("WithAlgs(%q) gives no error", bad)
		}
	}
}

func TestKeysAreTriedABoundedNumberOfTimes(t *testing.T) {
	keys := make([]string, maxTries+1)
	for i := range keys {
		keys[i] = jwk(t, "other", fmt.Sprintf(`,"kid":"k%d"`, i))
	}
	keys = append(keys, jwk(t, "es", `,"kid":"last"`))
	r := NewJWT([]KeySet{keySet(t, testIssuer, keys...)})
	claims := `{"iss":"https://as.example.com","exp":1}`
	if got := read(t, r, sign(t, "es", jose.ES256, "", claims)); got.State != holdfast.TokenUnknownKey {
		t.Errorf("without kid: state %d, want unknown key", got.State)
	}
	if got := read(t, r, sign(t, "es", jose.ES256, `,"kid":"last"`, claims)); got.State != holdfast.TokenAuthentic {
		t.Errorf("with kid: state %d, want authentic", got.State)
	}
}

func TestFromClaims(t *testing.T) {
	got, err := FromClaims("at+jwt", []byte(goodClaims))
	if err != nil || got.State != holdfast.TokenUnknown || got.Issuer != testIssuer || !got.Typed {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := FromClaims("", []byte(`{`)); err != nil || got.State != holdfast.TokenMalformed {
		t.Errorf("broken claims: %+v, %v", got, err)
	}
	if _, err := FromClaims("", make([]byte, holdfast.MaxTokenBytes+1)); err == nil {
		t.Error("no error for claims larger than a token")
	}
}
