package interop

import (
	"cmp"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/token"
)

// site is an HTTP server on loopback with protected paths, each with a guard of
// its own. Their handler answers who the token is of.
type site struct {
	*httptest.Server
	mux       *http.ServeMux
	described bool // the metadata of the resource is published
}

func newSite(t *testing.T) *site {
	t.Helper()
	mux := http.NewServeMux()
	s := &site{Server: httptest.NewServer(mux), mux: mux}
	t.Cleanup(s.Close)
	return s
}

// protect adds a protected path and returns its URL, which configure gets too.
// A token is good for that URL and for the whole site.
func (s *site) protect(t *testing.T, path string, configure func(c *resource.Config, api string)) string {
	t.Helper()
	api := s.URL + path
	c := resource.Config{
		PublicURL: s.URL,
		Verify:    holdfast.Config{Audience: []string{api, s.URL}},
		Log:       slog.New(slog.DiscardHandler),
	}
	c.Verify.Proof.Replays = establishedReplays(t)
	configure(&c, api)
	guard, err := resource.New(c)
	if err != nil {
		t.Fatal(err)
	}
	protected, err := guard.Protect(holdfast.Requirement{Scope: []string{"read"}}, http.HandlerFunc(greet))
	if err != nil {
		t.Fatal(err)
	}
	if now := c.Verify.Proof.Now; now != nil {
		protected = dated(now, protected)
	}
	s.mux.Handle(path, protected)
	if !s.described {
		s.mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
		s.described = true
	}
	return api
}

// dated makes the Date of every answer that of the server's own clock.
func dated(now func() time.Time, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	})
}

func greet(w http.ResponseWriter, r *http.Request) {
	a, ok := resource.AccessFrom(r.Context())
	if !ok || r.Header["Authorization"] != nil {
		http.Error(w, "the guard let a stranger in", http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, cmp.Or(a.Token.Subject, a.Token.ClientID))
}

// problem is what a test reads of a refusal.
type problem struct {
	Code string `json:"code"`
}

// send makes one request with the given header fields and returns its status
// and the code of the refusal, if it was one.
func send(t *testing.T, url string, fields [][2]string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		r.Header.Add(f[0], f[1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var p problem
	if answer.StatusCode != http.StatusOK {
		if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
			t.Fatalf("status %d with a body that is no problem+json: %v", answer.StatusCode, err)
		}
	}
	return answer.StatusCode, p.Code
}

// minted is what jose's side of the table makes, see node/mint.mjs.
type minted struct {
	JWKS     json.RawMessage        `json:"jwks"`
	Requests map[string][][2]string `json:"requests"`
}

// mintedCodes is what the guard says to every request of node/mint.mjs; CodeOK
// means that it is accepted.
var mintedCodes = map[string]holdfast.Code{
	"proof with ES256":   holdfast.CodeOK,
	"proof with ES384":   holdfast.CodeOK,
	"proof with PS256":   holdfast.CodeOK,
	"proof with EdDSA":   holdfast.CodeOK,
	"proof with Ed25519": holdfast.CodeOK,
	"proof with RS256":   holdfast.CodeProofAlgRefused,   // D-4.3-05b
	"alg none":           holdfast.CodeProofAlgSymmetric, // D-4.3-05a
	"alg HS256":          holdfast.CodeProofAlgSymmetric,

	"htu with a query":        holdfast.CodeOK,               // D-4.3-09a: query and fragment are ignored
	"htu of another path":     holdfast.CodeProofHTUMismatch, // D-4.3-09a
	"htm of another method":   holdfast.CodeProofHTMMismatch, // D-4.3-08
	"iat two minutes ago":     holdfast.CodeProofIatOld,      // D-4.3-11a
	"iat in two minutes":      holdfast.CodeProofIatFuture,
	"iat as text":             holdfast.CodeProofClaimsBad,     // D-4.3-03
	"no jti":                  holdfast.CodeProofClaimsMissing, // D-4.3-03
	"no ath":                  holdfast.CodeProofAthMissing,    // D-4.3-12a
	"ath of another token":    holdfast.CodeProofAthMismatch,   // D-4.3-12a
	"nonce of another server": holdfast.CodeProofNonceForeign,  // D-4.3-10b
	"typ JWT":                 holdfast.CodeProofTypWrong,      // D-4.3-04

	"no key in the header":               holdfast.CodeProofJWKMissing,
	"private key in the header":          holdfast.CodeProofJWKPrivate,        // D-4.3-07a
	"key of somebody else in the header": holdfast.CodeProofSignatureInvalid,  // D-4.3-06
	"claims changed after signing":       holdfast.CodeProofSignatureInvalid,  // D-4.3-06
	"proof of another key":               holdfast.CodeBindingJKTMismatch,     // D-4.3-12b, D-6-02
	"two proofs":                         holdfast.CodeProofSingleSeveral,     // D-4.3-01b
	"no proof":                           holdfast.CodeProofSingleMissing,     // D-7.1-03
	"bound token as Bearer":              holdfast.CodeBindingSchemeDowngrade, // D-7.2-01
	"unbound token as DPoP":              holdfast.CodeBindingSchemeNotBound,  // D-6-03
	"expired token":                      holdfast.CodeTokenTimeExpired,       // AT-4-02
	"token for another resource":         holdfast.CodeTokenAudienceMismatch,  // AT-4-02
	"token of another issuer":            holdfast.CodeTokenIssuerMismatch,    // AT-4-02
	"token without the scope":            holdfast.CodeAccessScopeInsufficient,
	"token with typ JWT":                 holdfast.CodeTokenTypWrong,         // AT-4-01
	"token signed by somebody else":      holdfast.CodeTokenSignatureInvalid, // AT-4-02
}

func TestGuardJudgesWhatNPMJoseMinted(t *testing.T) {
	const issuer = "https://as.example"
	var m minted
	api := newSite(t).protect(t, "/api", func(c *resource.Config, api string) {
		runScript(t, "mint.mjs", map[string]string{"url": api, "issuer": issuer, "nonce": foreignNonce(t)}, &m)
		keys, err := token.ParseJWKS(m.JWKS)
		if err != nil {
			t.Fatal(err)
		}
		c.Verify.Tokens = token.NewJWT([]token.KeySet{keys})
		c.Verify.Issuers = []string{issuer}
		c.Verify.Proof.Nonces = newNonces(t, "api")
	})
	for _, name := range slices.Sorted(maps.Keys(mintedCodes)) {
		want := mintedCodes[name]
		t.Run(name, func(t *testing.T) {
			fields, ok := m.Requests[name]
			if !ok {
				t.Fatal("mint.mjs makes no such request")
			}
			wantCode := ""
			if want != holdfast.CodeOK {
				wantCode = want.String()
			}
			status, code := send(t, api, fields)
			if code != wantCode || status != cmp.Or(want.Status(), http.StatusOK) {
				t.Fatalf("status %d with code %q, want code %q", status, code, wantCode)
			}
			if want != holdfast.CodeOK {
				return
			}
			// D-11.1-02: what was accepted once is refused the second time.
			if _, code := send(t, api, fields); code != holdfast.CodeReplayJTIReplayed.String() {
				t.Errorf("the same request again: code %q, want %s", code, holdfast.CodeReplayJTIReplayed)
			}
		})
	}
	for name := range m.Requests {
		if _, ok := mintedCodes[name]; !ok {
			t.Errorf("mint.mjs makes %q, which is not in the table", name)
		}
	}
}

// answerOf is what call.mjs says about one call.
type answerOf struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Type   string `json:"type"`
}

func TestGuardServesNPMOpenIDClient(t *testing.T) {
	as := startProvider(t)
	for _, mode := range []struct {
		name  string
		nonce holdfast.NonceMode
	}{
		{"without nonces", holdfast.NonceOptional},
		{"with a nonce required in every proof", holdfast.NonceRequired},
	} {
		t.Run(mode.name, func(t *testing.T) {
			api := newSite(t).protect(t, "/api", func(c *resource.Config, _ string) {
				c.Verify.Issuers = []string{as.Strict}
				if mode.nonce == holdfast.NonceRequired {
					c.Verify.Proof.Nonces, c.Verify.Proof.Nonce = newNonces(t, "api"), mode.nonce
				}
			})
			calls := []string{"good", "good", "bearer", "fresh key", "good"}
			var answers []answerOf
			runScript(t, "call.mjs", map[string]any{
				"issuer": as.Strict, "clientID": "service", "clientSecret": as.Secrets.Service, "resource": api, "calls": calls,
			}, &answers)
			want := map[string]answerOf{
				"good":      {http.StatusOK, "", "dpop"}, // the library gives token_type in lower case
				"bearer":    {http.StatusUnauthorized, holdfast.CodeBindingSchemeDowngrade.String(), "dpop"},
				"fresh key": {http.StatusUnauthorized, holdfast.CodeBindingJKTMismatch.String(), "dpop"},
			}
			if len(answers) != len(calls) {
				t.Fatalf("%d answers to %d calls", len(answers), len(calls))
			}
			for i, call := range calls {
				if answers[i] != want[call] {
					t.Errorf("call %d, %s: %+v, want %+v", i+1, call, answers[i], want[call])
				}
			}
		})
	}
}

// newNonces makes a source of nonces.
func newNonces(t *testing.T, realm string) *holdfast.Nonces {
	t.Helper()
	n, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: realm, Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// establishedReplays is a replay cache that has been there for a while: a proof
// from before its start would be challenged, not judged.
func establishedReplays(t *testing.T) *holdfast.Replays {
	t.Helper()
	now := time.Now().Add(-time.Minute)
	r, err := holdfast.NewReplays(holdfast.ReplayConfig{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	now = time.Now()
	return r
}

// foreignNonce is a nonce of another server, of the same form as ours.
func foreignNonce(t *testing.T) string {
	t.Helper()
	nonce, err := newNonces(t, "elsewhere").Issue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return nonce
}
