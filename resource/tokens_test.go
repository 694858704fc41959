package resource

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/token"
)

// authServer publishes metadata and the keys of a world; nothing else.
type authServer struct {
	*httptest.Server
	jwks    atomic.Pointer[[]byte]
	down    atomic.Bool
	fetches atomic.Int32 // of the key set
	iss     string       // in the metadata; "" is its own
}

func newAuthServer(t testing.TB) *authServer {
	t.Helper()
	s := &authServer{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.down.Load():
			http.Error(w, "down", http.StatusBadGateway)
		case r.URL.Path == "/.well-known/oauth-authorization-server":
			iss := s.iss
			if iss == "" {
				iss = s.URL
			}
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"token_endpoint":%q}`, iss, s.URL+"/jwks", s.URL+"/token")
		case r.URL.Path == "/jwks":
			s.fetches.Add(1)
			_, _ = w.Write(*s.jwks.Load())
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// trusting makes a world that reads the tokens of these servers by itself; all
// of them have the keys of the world.
func trusting(t testing.TB, servers ...*authServer) *world {
	return newWorld(t, func(w *world) {
		keys := w.jwks()
		w.config.Verify.Tokens, w.config.Verify.Issuers, w.config.HTTP = nil, nil, servers[0].Client()
		for _, s := range servers {
			s.jwks.Store(&keys)
			w.config.Verify.Issuers = append(w.config.Verify.Issuers, s.URL)
		}
	})
}

func (w *world) from(s *authServer) *call {
	c := w.good()
	c.token = w.token(with("iss", s.URL))
	return c
}

// Without a reader the tokens of the issuers are read with the keys that their
// metadata names, which are fetched once.
func TestTokensAreReadByDefault(t *testing.T) {
	as, second := newAuthServer(t), newAuthServer(t)
	w := trusting(t, as, second)
	for range 3 {
		w.accepted(w.do(w.from(as)))
		w.accepted(w.do(w.from(second)))
	}
	if as.fetches.Load() != 1 || second.fetches.Load() != 1 {
		t.Errorf("%d and %d fetches, want one each", as.fetches.Load(), second.fetches.Load())
	}
}

// AT-4-03: a token cannot choose where its keys come from, and one of an issuer
// that nobody named is refused, not handed on and not blamed on us.
func TestForeignIssuerIsTheFaultOfTheClient(t *testing.T) {
	as, foreign := newAuthServer(t), newAuthServer(t)
	w := trusting(t, as)
	keys := w.jwks()
	foreign.jwks.Store(&keys)
	c := w.good()
	c.token = w.sign(fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":"k1","jku":%q}`, foreign.URL+"/jwks"), w.claims(with("iss", foreign.URL)))
	a := w.do(c)
	w.refused(a, holdfast.CodeTokenSignatureUnknownKey)
	if ch, _ := a.challenge(t, "DPoP"); ch.Error != "invalid_token" || foreign.fetches.Load() != 0 || as.fetches.Load() != 0 {
		t.Errorf("error %q, %d foreign and %d own fetches", ch.Error, foreign.fetches.Load(), as.fetches.Load())
	}
}

// Keys that the issuer takes back are no longer believed, cached tokens included.
func TestRotatedKeysAreNoticed(t *testing.T) {
	as := newAuthServer(t)
	w := trusting(t, as)
	old := w.from(as)
	w.accepted(w.do(old))
	other := newWorld(t, nil)
	keys := []byte(strings.Replace(string(other.jwks()), `"k1"`, `"k2"`, 1))
	as.jwks.Store(&keys)
	w.clock.Advance(time.Minute)

	c := w.good()
	c.token = other.sign(`{"alg":"ES256","typ":"at+jwt","kid":"k2"}`, w.claims(with("iss", as.URL)))
	w.accepted(w.do(c))
	again := w.good()
	again.token = old.token
	if p := w.do(again).problem(t); p.Code != holdfast.CodeTokenSignatureUnknownKey.String() {
		t.Errorf("a token of the old key: %s", p.Code)
	}
}

// D-7.1-04: an authorization server that is down, or that is another one, is
// not the fault of the client.
func TestUnreachableIssuerIs503(t *testing.T) {
	as := newAuthServer(t)
	w := trusting(t, as)
	as.down.Store(true)
	w.refused(w.do(w.from(as)), holdfast.CodeServerToken)
	if log := w.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, as.URL) {
		t.Errorf("log %s", log)
	}
	as.down.Store(false)
	w.clock.Advance(time.Minute)
	w.accepted(w.do(w.from(as)))

	wrong := newAuthServer(t)
	wrong.iss = "https://other.example.com"
	w = trusting(t, wrong)
	w.refused(w.do(w.from(wrong)), holdfast.CodeServerToken)
}

// D-6.2-04 and M-3.2-02: introspection says what a token is bound to, and the
// comparison is made here. D-6.2-03: no proof goes along.
func TestIntrospectedBindingIsCheckedHere(t *testing.T) {
	var proofs atomic.Int32
	var answer atomic.Value
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proofs.Add(int32(len(r.Header["Dpop"])))
		_, _ = w.Write([]byte(answer.Load().(string)))
	}))
	defer endpoint.Close()
	certificate := selfSigned(t)
	for _, tt := range []struct {
		name   string
		cnf    func(*world) string
		bearer bool
		want   holdfast.Code
	}{
		{"the proof key", func(w *world) string { return `"jkt":"` + w.key.Thumbprint().String() + `"` }, false, holdfast.CodeOK},
		{"another proof key", func(w *world) string { return `"jkt":"` + newKey(w.t).Thumbprint().String() + `"` }, false, holdfast.CodeBindingJKTMismatch},
		{"D-6-01: bound to a key, as Bearer", func(w *world) string { return `"jkt":"` + w.key.Thumbprint().String() + `"` }, true, holdfast.CodeBindingSchemeDowngrade},
		{"the certificate", func(*world) string { return `"x5t#S256":"` + x5t(certificate) + `"` }, true, holdfast.CodeOK},
		{"another certificate", func(w *world) string { return `"x5t#S256":"` + x5t(selfSigned(w.t)) + `"` }, true, holdfast.CodeBindingX5TMismatch},
		{"nothing that we know", func(*world) string { return `"foo":"x"` }, true, holdfast.CodeBindingPresentUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) {
				reader, err := token.NewIntrospector(token.IntrospectorConfig{
					Endpoint: endpoint.URL, Issuer: issuer, HTTP: endpoint.Client(),
					Authenticate: token.BasicAuth("rs", holdfast.NewSecret("rs-password")),
				})
				if err != nil {
					t.Fatal(err)
				}
				w.config.Verify.Tokens = reader
			})
			answer.Store(fmt.Sprintf(`{"active":true,"iss":%q,"aud":%q,"exp":%d,"cnf":{%s}}`,
				issuer, audience, startTime.Unix()+60, tt.cnf(w)))
			c := w.good()
			c.token = "opaque-token"
			if tt.bearer {
				c.scheme, c.bare, c.client = "Bearer", true, w.clientWith(certificate)
			}
			a := w.do(c)
			if tt.want == holdfast.CodeOK {
				w.accepted(a)
			} else {
				w.refused(a, tt.want)
			}
			if n := proofs.Load(); n != 0 {
				t.Errorf("%d proofs were sent to the introspection endpoint", n)
			}
		})
	}
}
