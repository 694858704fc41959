package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

const shortClaims = `{"iss":"https://as.example.com","exp":1700000600}`

func signedWith(t testing.TB, key, kid string) string {
	t.Helper()
	return sign(t, key, jose.ES256, `,"typ":"at+jwt","kid":"`+kid+`"`, shortClaims)
}

func TestRemoteConfig(t *testing.T) {
	discover := func(context.Context) (string, error) { return "", nil }
	for _, tt := range []struct {
		name string
		c    RemoteConfig
		want []string // parts of the error; nil: none
	}{
		{"issuer and address are enough", RemoteConfig{Issuer: "i", JWKSURI: "https://as.example/jwks"}, nil},
		{"an issuer that is discovered", RemoteConfig{Issuer: "i", Discover: discover}, nil},
		{"a long MaxAge makes MaxStale longer", RemoteConfig{Issuer: "i", Discover: discover, MaxAge: 24 * time.Hour}, nil},
		{"a short MaxAge makes MinRefetch shorter", RemoteConfig{Issuer: "i", Discover: discover, MaxAge: time.Second}, nil},
		{"every mistake at once", RemoteConfig{MaxAge: -1, Algs: []holdfast.Alg{"HS256"}}, []string{"Issuer", "JWKSURI and Discover", "negative", "HS256"}},
		{"two places", RemoteConfig{Issuer: "i", JWKSURI: "https://as.example/jwks", Discover: discover}, []string{"exactly one"}},
		{"D-2-01: keys over http", RemoteConfig{Issuer: "i", JWKSURI: "http://as.example/jwks"}, []string{"https is needed"}},
		{"no algorithm", RemoteConfig{Issuer: "i", Discover: discover, Algs: []holdfast.Alg{}}, []string{"no algorithm"}},
		{"stale before old", RemoteConfig{Issuer: "i", Discover: discover, MaxStale: time.Minute}, []string{"MaxAge"}},
		{"asked less often than keys get old", RemoteConfig{Issuer: "i", Discover: discover, MinRefetch: time.Hour}, []string{"MaxAge"}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantMistakes(t, func() error { _, err := NewRemote(tt.c); return err }(), tt.want) })
	}
}

func TestRemoteFacts(t *testing.T) {
	const thumb = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	r := newRemote(t, p, &clock{})
	p.wantAsked(t, 0) // nothing happens before the first token
	for _, tt := range []struct {
		name, cnf string
		check     func(holdfast.Confirmation) bool
	}{
		{"bound to a proof key", `{"jkt":"` + thumb + `"}`, func(c holdfast.Confirmation) bool { return c.JKT.String() == thumb && c.X5T.IsZero() && !c.Unsupported }},
		{"bound to a certificate", `{"x5t#S256":"` + thumb + `"}`, func(c holdfast.Confirmation) bool { return c.X5T.String() == thumb && c.JKT.IsZero() && !c.Unsupported }},
		{"C-3.1-01: bound to something else", `{"foo":"x"}`, func(c holdfast.Confirmation) bool { return c.Unsupported }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := sign(t, "es", jose.ES256, `,"typ":"at+jwt","kid":"k1"`, `{"iss":"https://as.example.com","exp":1700000600,"cnf":`+tt.cnf+`}`)
			got, err := r.ReadToken(t.Context(), holdfast.NewSecret(raw))
			if err != nil || got.State != holdfast.TokenAuthentic || !tt.check(got.Confirmation) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	p.wantAsked(t, 1)
}

// AT-4-02, AT-4-03: what no key of the issuer can make good is refused without
// asking for keys, and nobody but the issuer is ever asked.
func TestRemoteAsksNobodyForHopelessTokens(t *testing.T) {
	attacker := newPeer(t, publishes(jwk(t, "other", `,"kid":"k9"`)))
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`), jwk(t, "rs", `,"kid":"k2"`)))
	c := &clock{}
	r, err := NewRemote(RemoteConfig{Issuer: testIssuer, JWKSURI: p.URL, HTTP: p.Client(), Algs: []holdfast.Alg{holdfast.ES256}, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	foreign := `{"iss":"https://other.example.com","exp":1700000600}`
	for _, tt := range []struct {
		name, raw string
		want      holdfast.TokenState
	}{
		{"opaque", "2YotnFZFEjr1zCsicMWpAA", holdfast.TokenMalformed},
		{"claims that are none", sign(t, "es", jose.ES256, "", `[]`), holdfast.TokenMalformed},
		{"another issuer", sign(t, "es", jose.ES256, `,"kid":"k1"`, foreign), holdfast.TokenUnknownKey},
		{"an issuer with a slash more", sign(t, "es", jose.ES256, `,"kid":"k1"`, strings.Replace(shortClaims, ".com", ".com/", 1)), holdfast.TokenUnknownKey},
		{"no issuer", sign(t, "es", jose.ES256, `,"kid":"k1"`, `{"exp":1700000600}`), holdfast.TokenUnknownKey},
		{"AT-4-02: alg none", unsigned(`{"alg":"none"}`, shortClaims, ""), holdfast.TokenBadSignature},
		{"HMAC", unsigned(`{"alg":"HS256"}`, shortClaims, "c2ln"), holdfast.TokenBadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantState(t, r, tt.raw, tt.want)
			p.wantAsked(t, 0)
		})
	}
	for _, tt := range []struct {
		name, raw string
		want      holdfast.TokenState
		asked     int64 // so far; the first token needs the first keys
	}{
		{"another key under a published kid", signedWith(t, "other", "k1"), holdfast.TokenBadSignature, 1},
		{"AT-2.1-02: an algorithm that is not allowed", sign(t, "rs", jose.RS256, `,"kid":"k3"`, shortClaims), holdfast.TokenBadSignature, 1},
		{"an algorithm that is not known", unsigned(`{"alg":"ES256K","kid":"k3"}`, shortClaims, "c2ln"), holdfast.TokenUnknownKey, 1},
		{"AT-4-03: keys and their places in the header", sign(t, "other", jose.ES256, `,"kid":"k9","jku":"`+attacker.URL+`","x5u":"`+attacker.URL+`","jwk":`+jwk(t, "other", ""), shortClaims), holdfast.TokenUnknownKey, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.advance(DefaultMinRefetch)
			wantState(t, r, tt.raw, tt.want)
			p.wantAsked(t, tt.asked)
			attacker.wantAsked(t, 0)
		})
	}
}

func TestRemoteRotation(t *testing.T) {
	c := &clock{}
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	r := newRemote(t, p, c)
	wantState(t, r, signedWith(t, "es", "k1"), holdfast.TokenAuthentic)
	before := r.Generation()

	p.answers(publishes(jwk(t, "other", `,"kid":"k2"`)))
	wantState(t, r, signedWith(t, "other", "k2"), holdfast.TokenUnknownKey) // too early to ask again
	p.wantAsked(t, 1)
	c.advance(DefaultMinRefetch)
	wantState(t, r, signedWith(t, "other", "k2"), holdfast.TokenAuthentic)
	p.wantAsked(t, 2)
	wantState(t, r, signedWith(t, "es", "k1"), holdfast.TokenUnknownKey) // taken back
	if r.Generation() == before {
		t.Error("keys changed, the generation did not")
	}

	before = r.Generation()
	c.advance(DefaultMaxAge)
	wantState(t, r, signedWith(t, "other", "k2"), holdfast.TokenAuthentic)
	p.wantAsked(t, 3)
	if r.Generation() != before {
		t.Error("the same keys are another generation")
	}

	p.answers(publishes()) // an issuer in distress takes back everything
	c.advance(DefaultMaxAge)
	wantState(t, r, signedWith(t, "other", "k2"), holdfast.TokenUnknownKey)
}

func TestRemoteRotationWithoutKeyIDs(t *testing.T) {
	c := &clock{}
	p := newPeer(t, publishes(jwk(t, "es", "")))
	r := newRemote(t, p, c)
	wantState(t, r, sign(t, "es", jose.ES256, "", shortClaims), holdfast.TokenAuthentic)
	p.answers(publishes(jwk(t, "other", "")))
	c.advance(DefaultMinRefetch)
	wantState(t, r, sign(t, "other", jose.ES256, "", shortClaims), holdfast.TokenAuthentic)
	wantState(t, r, sign(t, "es", jose.ES256, "", shortClaims), holdfast.TokenBadSignature)
	p.wantAsked(t, 2)
}

func TestRemoteStormIsOneFetch(t *testing.T) {
	const callers = 1000
	c := &clock{}
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	r := newRemote(t, p, c)
	storm := func(raw func(i int) string, want holdfast.TokenState) {
		t.Helper()
		start, done := make(chan struct{}), sync.WaitGroup{}
		for i := range callers {
			text := raw(i)
			done.Go(func() {
				<-start
				wantState(t, r, text, want)
			})
		}
		close(start)
		done.Wait()
	}
	known := signedWith(t, "es", "k1")
	storm(func(int) string { return known }, holdfast.TokenAuthentic)
	p.wantAsked(t, 1)

	p.answers(publishes(jwk(t, "other", `,"kid":"k2"`)))
	c.advance(DefaultMinRefetch)
	rotated := signedWith(t, "other", "k2")
	storm(func(int) string { return rotated }, holdfast.TokenAuthentic)
	p.wantAsked(t, 2)

	c.advance(DefaultMinRefetch)
	_, rest, _ := strings.Cut(rotated, ".")
	storm(func(i int) string { // a thousand keys that nobody has
		return jose.EncodeSegment([]byte(fmt.Sprintf(`{"alg":"ES256","kid":"x%d"}`, i))) + "." + rest
	}, holdfast.TokenUnknownKey)
	p.wantAsked(t, 3)
}

func TestRemoteIssuerIsDown(t *testing.T) {
	c := &clock{}
	good := publishes(jwk(t, "es", `,"kid":"k1"`))
	p := newPeer(t, says(http.StatusServiceUnavailable, ""))
	r := newRemote(t, p, c)
	raw := signedWith(t, "es", "k1")

	wantError(t, r, raw, Unusable)
	wantError(t, r, raw, Unusable) // at once
	p.wantAsked(t, 1)
	c.advance(RetryPause)
	p.answers(good)
	wantState(t, r, raw, holdfast.TokenAuthentic)
	p.wantAsked(t, 2)

	p.answers(says(http.StatusServiceUnavailable, ""))
	c.advance(DefaultMaxAge)
	wantState(t, r, raw, holdfast.TokenAuthentic) // stale
	wantState(t, r, raw, holdfast.TokenAuthentic)
	p.wantAsked(t, 3)
	// Whether the issuer has published that key meanwhile nobody can tell.
	wantError(t, r, signedWith(t, "es", "k7"), Unusable)

	c.advance(DefaultMaxStale - DefaultMaxAge)
	wantError(t, r, raw, Unusable)
	wantError(t, r, raw, Unusable)
	p.answers(good)
	c.advance(RetryPause)
	wantState(t, r, raw, holdfast.TokenAuthentic)
}

func TestRemoteNobodyWaitsForAnIssuerThatIsDown(t *testing.T) {
	c := &clock{}
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	r := newRemote(t, p, c)
	raw := signedWith(t, "es", "k1")
	wantState(t, r, raw, holdfast.TokenAuthentic)
	c.advance(DefaultMaxAge)
	p.answers(says(http.StatusBadGateway, ""))
	wantState(t, r, raw, holdfast.TokenAuthentic)

	release, gaveUp := make(chan struct{}), make(chan bool, 1)
	p.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			gaveUp <- false
		case <-r.Context().Done():
			gaveUp <- true
		}
	})
	c.advance(DefaultMinRefetch)
	wantState(t, r, raw, holdfast.TokenAuthentic)
	close(release)
	if <-gaveUp {
		t.Error("the token was read only when the fetch had ended")
	}
}

func TestRemoteSlowIssuer(t *testing.T) {
	release := make(chan struct{})
	good := publishes(jwk(t, "es", `,"kid":"k1"`))
	asked := make(chan struct{}, 1)
	p := newPeer(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		good(w, r)
	})
	r := newRemote(t, p, &clock{})
	raw := signedWith(t, "es", "k1")
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the client hung up")
	go func() { <-asked; cancel(gone) }()
	if _, err := r.ReadToken(ctx, holdfast.NewSecret(raw)); !errors.Is(err, gone) || !errors.Is(err, Unreachable) {
		t.Errorf("got %v, want that the wait was given up", err)
	}
	close(release)
	wantState(t, r, raw, holdfast.TokenAuthentic) // the fetch went on without its first caller
	p.wantAsked(t, 1)
}

// Whatever the issuer answers, keys that were good stay, and without any it is
// an error and not the client's fault.
func TestRemoteBadAnswers(t *testing.T) {
	elsewhere := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	key := jwk(t, "es", `,"kid":"k1"`)
	many := strings.TrimSuffix(strings.Repeat(`{"kty":"EC"},`, 10_000), ",")
	written := make(chan int, 2)
	raw := signedWith(t, "es", "k1")
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   Problem
	}{
		{"a page", says(http.StatusOK, "<html>s3cret</html>"), Unusable},
		{"not there", says(http.StatusNotFound, `{"keys":[`+key+`]}`), Unusable},
		{"a server error with keys", says(http.StatusInternalServerError, `{"keys":[`+key+`]}`), Unusable},
		{"denied", says(http.StatusForbidden, ""), Denied},
		{"a redirect to keys", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}, Unusable},
		{"a redirect to nowhere that is long", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://%zz/"+strings.Repeat("x", 5000))
			w.WriteHeader(http.StatusFound)
		}, Unreachable},
		{"ten thousand keys", says(http.StatusOK, `{"keys":[`+many+`]}`), Unusable},
		{"too long", says(http.StatusOK, `{"keys":[`+key+`]}`+strings.Repeat(" ", MaxJWKSBytes)), Unusable},
		{"a gigabyte", floods(written), Unusable},
		{"the end is missing", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[`+key+`]}`)
		}, Unreachable},
		{"keys twice", says(http.StatusOK, `{"keys":[],"keys":[`+key+`]}`), Unusable},
		{"keys that are no list", says(http.StatusOK, `{"keys":{}}`), Unusable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{}
			p := newPeer(t, tt.answer)
			wantError(t, newRemote(t, p, c), raw, tt.want)

			p.answers(publishes(key))
			r := newRemote(t, p, c)
			wantState(t, r, raw, holdfast.TokenAuthentic)
			p.answers(tt.answer)
			c.advance(DefaultMaxAge)
			wantState(t, r, raw, holdfast.TokenAuthentic)
			p.wantAsked(t, 3)
		})
	}
	elsewhere.wantAsked(t, 0)
	for range 2 {
		if n := <-written; n >= 1<<30 {
			t.Error("the whole gigabyte was taken")
		}
	}
}

func TestRemoteNobodyAnswers(t *testing.T) {
	p := newPeer(t, publishes())
	r, err := NewRemote(RemoteConfig{Issuer: testIssuer, JWKSURI: p.URL + "/?key=s3cret", HTTP: p.Client()})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	wantError(t, r, signedWith(t, "es", "k1"), Unreachable)
}

func TestRemoteDiscover(t *testing.T) {
	c := &clock{}
	first := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	second := newPeer(t, publishes(jwk(t, "other", `,"kid":"k2"`)))
	address, problem := first.URL, error(nil)
	r, err := NewRemote(RemoteConfig{
		Issuer: testIssuer, HTTP: first.Client(), Now: c.now,
		Discover: func(context.Context) (string, error) { return address, problem },
	})
	if err != nil {
		t.Fatal(err)
	}
	wantState(t, r, signedWith(t, "es", "k1"), holdfast.TokenAuthentic)

	address = second.URL // the metadata names another place when the keys are stale
	c.advance(DefaultMaxAge)
	wantState(t, r, signedWith(t, "other", "k2"), holdfast.TokenAuthentic)

	c.advance(DefaultMaxStale)
	address = "http://keys.example/?key=s3cret" // D-2-01
	wantError(t, r, signedWith(t, "other", "k2"), Unusable)

	c.advance(RetryPause)
	problem = errors.New("no metadata")
	wantError(t, r, signedWith(t, "other", "k2"), Unreachable)
	if _, err := r.ReadToken(t.Context(), holdfast.NewSecret(signedWith(t, "other", "k2"))); !errors.Is(err, problem) {
		t.Errorf("%v does not wrap why the keys were not found", err)
	}
}

// What the states and errors become in the check table: a foreign token is the
// client's fault, an issuer that does not answer is not.
func TestRemoteVerdicts(t *testing.T) {
	p := newPeer(t, publishes(jwk(t, "es", `,"kid":"k1"`)))
	down := newPeer(t, says(http.StatusBadGateway, ""))
	c := &clock{}
	ours, err := NewByIssuer(map[string]holdfast.TokenReader{testIssuer: newRemote(t, p, c)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(iss, more string) string {
		return `{"iss":"` + iss + `","aud":"https://api.example.com","exp":1700000600` + more + `}`
	}
	const header = `,"typ":"at+jwt","kid":"k1"`
	for _, tt := range []struct {
		name   string
		reader holdfast.TokenReader
		raw    string
		want   holdfast.Code
	}{
		{"a good token", ours, sign(t, "es", jose.ES256, header, claims(testIssuer, "")), holdfast.CodeOK},
		{"a foreign token", ours, sign(t, "es", jose.ES256, header, claims("https://other.example.com", "")), holdfast.CodeTokenSignatureUnknownKey},
		{"AT-4-02: a token for somebody else", ours, sign(t, "es", jose.ES256, header, `{"iss":"https://as.example.com","aud":"x","exp":1700000600}`), holdfast.CodeTokenAudienceMismatch},
		{"AT-4-02: an expired token", ours, sign(t, "es", jose.ES256, header, `{"iss":"https://as.example.com","aud":"https://api.example.com","exp":1}`), holdfast.CodeTokenTimeExpired},
		{"AT-4-01: an ID token", ours, sign(t, "es", jose.ES256, `,"typ":"JWT","kid":"k1"`, claims(testIssuer, "")), holdfast.CodeTokenTypWrong},
		{"C-3.1-01: a binding that is not known", ours, sign(t, "es", jose.ES256, header, claims(testIssuer, `,"cnf":{"foo":"x"}`)), holdfast.CodeBindingPresentUnsupported},
		{"an opaque token where none is expected", ours, "2YotnFZFEjr1zCsicMWpAA", holdfast.CodeTokenFormMalformed},
		{"an issuer that is down", newRemote(t, down, c), sign(t, "es", jose.ES256, header, claims(testIssuer, "")), holdfast.CodeServerToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := holdfast.NewVerifier(holdfast.Config{
				Tokens: tt.reader, Issuers: []string{testIssuer}, Audience: []string{"https://api.example.com"},
				Accept: holdfast.AcceptBearerToo, Proof: holdfast.ProofPolicy{Now: c.now},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(t.Context(), &holdfast.Presentation{
				Method: "GET", URL: "https://api.example.com/", Authorization: []holdfast.Secret{holdfast.NewSecret("Bearer " + tt.raw)},
			}, holdfast.Requirement{})
			if tt.want == holdfast.CodeOK && err != nil || tt.want != holdfast.CodeOK && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want == holdfast.CodeServerToken && !errors.Is(err, Unusable) {
				t.Errorf("%v hides the cause from the operator", err)
			}
		})
	}
}
