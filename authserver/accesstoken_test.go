package authserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// someone is the proof key thumbprint of RFC 7638 section 3.1's kind of text.
func someone() holdfast.Thumbprint { return holdfast.Thumbprint{1, 2, 3} }

// plain describes a token that nothing is special about.
func plain() accessToken {
	return accessToken{Client: webID, Subject: "alice", Scope: []string{"read", "write"}, Resource: apiID, Holder: binding{JKT: someone()}}
}

// minted issues a token.
func (ts *testServer) minted(t accessToken) (holdfast.Secret, *accessToken) {
	ts.t.Helper()
	raw, err := ts.mint(ts.t.Context(), &t)
	if err != nil {
		ts.t.Fatal(err)
	}
	return raw, &t
}

// opened returns header and claims of a JWT that our own keys verify.
func (ts *testServer) opened(raw holdfast.Secret) (jose.JWS, strictjson.Object) {
	ts.t.Helper()
	facts, err := ts.signing.read(ts.t.Context(), raw)
	if err != nil || facts.State != holdfast.TokenAuthentic {
		ts.t.Fatalf("the token is not authentic: %v, %v", facts, err)
	}
	j, err := jose.Parse(raw.Reveal(), holdfast.MaxTokenBytes)
	if err != nil {
		ts.t.Fatal(err)
	}
	o, err := j.Claims()
	if err != nil {
		ts.t.Fatal(err)
	}
	return j, o
}

func TestAJWTAccessTokenSaysWhatRFC9068Wants(t *testing.T) {
	ts := newTestServer(t, nil)
	in := plain()
	in.Session, in.ACR, in.Actor = "s1", "phr", backendID
	in.AuthTime = ts.now().Add(-time.Minute)
	grant := [32]byte{7}
	in.Grant = &grant
	raw, minted := ts.minted(in)
	j, o := ts.opened(raw)
	if j.Type != "at+jwt" || j.Alg != jose.ES256 { // AT-2.1-01
		t.Errorf("typ is %q, alg %s", j.Type, j.AlgName)
	}
	now := ts.now().Unix()
	want := map[string]any{ // AT-2.2-01, B-5.2-03, AT-3-01
		"iss": ts.config.Issuer, "sub": "alice", "client_id": webID, "aud": apiID, "jti": minted.ID,
		"iat": float64(now), "exp": float64(now + 600), "scope": "read write", "auth_time": float64(now - 60), "acr": "phr", "sid": "s1",
		"cnf": map[string]any{"jkt": someone().String()}, "act": map[string]any{"sub": backendID}, "grant": jose.EncodeSegment(grant[:]),
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(j.Payload), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) || o.Len() != len(want) {
		t.Errorf("claims are %v", got)
	}
	for name, value := range want {
		g, _ := json.Marshal(got[name])
		w, _ := json.Marshal(value)
		if string(g) != string(w) {
			t.Errorf("%s is %s, want %s", name, g, w)
		}
	}
	// Tokens live one hour or less, ten minutes by default: B-5.3-03, D-11.2-01.
	if life := minted.Expires.Sub(minted.Issued); life != DefaultAccessLifetime || life > MaxAccessLifetime {
		t.Errorf("the token lives for %v", life)
	}
}

func TestTheThumbprintOfAKnownKeyIsInTheToken(t *testing.T) {
	ts := newTestServer(t, nil)
	// The key of RFC 9449 section 4.1: D-6.1-01, D-5-05.
	jkt, err := holdfast.ThumbprintOf(`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`)
	if err != nil {
		t.Fatal(err)
	}
	in := plain()
	in.Holder.JKT = jkt
	raw, _ := ts.minted(in)
	_, o := ts.opened(raw)
	cnf, _ := o.Get("cnf")
	if want := `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`; cnf.Raw() != want {
		t.Errorf("cnf is %s, want %s", cnf.Raw(), want)
	}
}

func TestATokenHasOneHolderAtMost(t *testing.T) {
	ts := newTestServer(t, func(c *Config) {
		c.Resources = append(c.Resources, Resource{ID: "https://old.example", Scopes: []string{"read"}, Unbound: true})
	})
	for _, tt := range []struct {
		name string
		edit func(*accessToken)
		cnf  string
		err  string
	}{
		{"a certificate", func(a *accessToken) { a.Holder = binding{X5T: someone()} }, `{"x5t#S256":"` + someone().String() + `"}`, ""}, // M-3.1-01
		{"a key", func(*accessToken) {}, `{"jkt":"` + someone().String() + `"}`, ""},
		{"both", func(a *accessToken) { a.Holder.X5T = holdfast.Thumbprint{9} }, "", "at once is not issued"}, // C-3.1-03
		{"neither, where binding is the rule", func(a *accessToken) { a.Holder = binding{} }, "", "without a holder is not issued"},
		{"a key, for a resource of bearer tokens", func(a *accessToken) { a.Resource = "https://old.example" }, "", ""},
		{"no subject", func(a *accessToken) { a.Subject = "" }, "", "without client or subject"},
		{"a resource that is not offered", func(a *accessToken) { a.Resource = "https://gone.example" }, "", errInvalidTarget},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := plain()
			tt.edit(&in)
			raw, err := ts.mint(t.Context(), &in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !raw.IsZero() {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, o := ts.opened(raw)
			if cnf, _ := o.Get("cnf"); cnf.Raw() != tt.cnf {
				t.Errorf("cnf is %s, want %s", cnf.Raw(), tt.cnf)
			}
			back, err := ts.readAccess(t.Context(), raw)
			if err != nil || back == nil || back.Holder != in.Holder {
				t.Errorf("read back: %+v, %v", back, err)
			}
		})
	}
}

func TestBothFormsSayTheSame(t *testing.T) {
	ts := newTestServer(t, nil)
	ctx := t.Context()
	grant := [32]byte{7}
	if err := create(ctx, ts.store, kindGrant, grant, "", time.Time{}, grantRecord{Until: ts.now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	in := plain()
	in.Session, in.ACR, in.Actor, in.Grant, in.Scope = "s1", "ac\"r", "back\\end\u00e9", &grant, []string{"read"}
	in.AuthTime = ts.now().Add(-time.Minute)
	ids := map[string]bool{}
	for _, resource := range []string{apiID, filesID} {
		in.Resource = resource
		raw, minted := ts.minted(in)
		if opaque(raw) != (resource == filesID) {
			t.Errorf("%s: the token has the wrong form", resource)
		}
		got, err := ts.readAccess(ctx, raw)
		if err != nil || got == nil {
			t.Fatalf("%s: %v, %v", resource, got, err)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(minted)
		if string(g) != string(w) {
			t.Errorf("%s: read %s\nwant %s", resource, g, w)
		}
		ids[minted.ID] = true
	}
	if len(ids) != 2 {
		t.Error("two tokens have one jti")
	}
}

// Reference tokens cannot be guessed: B-5.2-01.
func TestReferencesAreLongAndDifferent(t *testing.T) {
	ts := newTestServer(t, nil)
	in := plain()
	in.Resource = filesID
	seen := map[string]bool{}
	for range 1000 {
		raw, _ := ts.minted(in)
		b, err := jose.DecodeSegment(raw.Reveal())
		if err != nil || len(b) < 16 || seen[raw.Reveal()] {
			t.Fatalf("a reference of %d bytes, seen before: %v, %v", len(b), seen[raw.Reveal()], err)
		}
		seen[raw.Reveal()] = true
	}
}

func TestAnExchangedTokenDoesNotOutliveTheFirst(t *testing.T) {
	ts := newTestServer(t, nil)
	for _, tt := range []struct {
		name        string
		limit, want time.Duration
	}{
		{"a limit before the lifetime", time.Minute, time.Minute},
		{"a limit after the lifetime", time.Hour, DefaultAccessLifetime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := plain()
			in.Expires = ts.now().Add(tt.limit)
			_, minted := ts.minted(in)
			if got := minted.Expires.Sub(ts.now()); got != tt.want {
				t.Errorf("the token lives for %v, want %v", got, tt.want)
			}
		})
	}
}

// Any change of a token makes it inactive: B-5.2-02.
func TestAChangedTokenIsNotRead(t *testing.T) {
	ts := newTestServer(t, nil)
	raw, _ := ts.minted(plain())
	text := raw.Reveal()
	for i := range text {
		for _, c := range []byte{text[i] ^ 1, 'A', '.'} {
			if c == text[i] {
				continue
			}
			changed := text[:i] + string(rune(c)) + text[i+1:]
			if got, err := ts.readAccess(t.Context(), holdfast.NewSecret(changed)); got != nil || err != nil {
				t.Fatalf("changed at %d of %d: %v, %v", i, len(text), got, err)
			}
		}
	}
	reference := plain()
	reference.Resource = filesID
	handle, _ := ts.minted(reference)
	for _, other := range []string{"", handle.Reveal() + "A", handle.Reveal()[1:], strings.ToUpper(handle.Reveal())} {
		if got, err := ts.readAccess(t.Context(), holdfast.NewSecret(other)); got != nil || err != nil {
			t.Errorf("a reference that was changed: %v, %v", got, err)
		}
	}
}

func TestATokenThatIsNotOursIsNotRead(t *testing.T) {
	ts, other := newTestServer(t, nil), newTestServer(t, nil)
	now := ts.now().Unix()
	sign := func(s *testServer, typ, claims string) string {
		text, err := s.signing.sign(t.Context(), typ, []byte(claims))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	claims := func(more string) string {
		b, _ := json.Marshal(ts.config.Issuer)
		return `{"iss":` + string(b) + `,"sub":"alice","client_id":"web","jti":"x","iat":1,"exp":` + jsonInt(now+600) + more + `}`
	}
	foreign, _ := other.minted(plain())
	for _, tt := range []struct{ name, raw string }{
		{"of another server", foreign.Reveal()},
		{"by another key", sign(other, typAccess, claims(`,"aud":"https://api.example"`))},
		{"a list of blocks", sign(ts, typBlocks, claims(`,"aud":"https://api.example"`))},
		{"no audience", sign(ts, typAccess, claims(""))},
		{"two audiences", sign(ts, typAccess, claims(`,"aud":["https://api.example","https://files.example"]`))},
		{"a grant that is none", sign(ts, typAccess, claims(`,"aud":"https://api.example","grant":"x"`))},
		{"a grant of another size", sign(ts, typAccess, claims(`,"aud":"https://api.example","grant":"AAAA"`))},
		{"dots", "..."},
		{"longer than any token", strings.Repeat("a.", holdfast.MaxTokenBytes)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := ts.readAccess(t.Context(), holdfast.NewSecret(tt.raw)); got != nil || err != nil {
				t.Errorf("read %+v, %v", got, err)
			}
		})
	}
}

func jsonInt(n int64) string { b, _ := json.Marshal(n); return string(b) }

func TestATokenIsNotBelievedWhileTheStoreIsAway(t *testing.T) {
	away := &awayStore{}
	ts := newTestServer(t, func(c *Config) { away.Store = c.Store; c.Store = away })
	for _, resource := range []string{apiID, filesID} {
		in := plain()
		in.Resource = resource
		away.away.Store(false)
		raw, _ := ts.minted(in)
		away.away.Store(true)
		if got, err := ts.readAccess(t.Context(), raw); got != nil || !errors.Is(err, errAway) {
			t.Errorf("%s: read %v, %v", resource, got, err)
		}
		if resource == filesID {
			if _, err := ts.mint(t.Context(), &in); !errors.Is(err, errAway) {
				t.Errorf("a reference that was not recorded is issued: %v", err)
			}
		}
	}
	if f := refusalOf(errAway); f.status != http.StatusServiceUnavailable {
		t.Errorf("status %d", f.status)
	}
}

// FuzzClaims: whatever a client, a person or an upstream is called, the claims
// are strict JSON and say the same again.
func FuzzClaims(f *testing.F) {
	f.Add("web", "alice", "read", "s1")
	f.Add("a\"b", "\\", "\x00\u2028", "é<>&")
	f.Add("\xff", "", "\u007f", "{}")
	s := &Server{config: Config{Issuer: "https://as.example"}}
	f.Fuzz(func(t *testing.T, client, subject, scope, session string) {
		b := s.claims(&accessToken{
			ID: "x", Client: client, Subject: subject, Scope: []string{scope}, Resource: apiID, Session: session, Actor: client,
			Issued: time.Unix(1, 0), Expires: time.Unix(2, 0),
		})
		o, err := strictjson.Parse(string(b), 1<<20)
		if err != nil {
			t.Fatalf("%v in %q", err, b)
		}
		for name, want := range map[string]string{"client_id": client, "sub": subject, "scope": scope, "sid": session} {
			v, present := o.Get(name)
			got, _ := v.Text()
			if present != (want != "") || utf8.ValidString(want) && got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

func TestTheHolderOfAProofIsInTheTokenOfEachGrant(t *testing.T) {
	ts := newTestServer(t, nil)
	key := newKey(t)
	client := ts.post(pathToken, form("grant_type", grantClient, "scope", "read"), as(webID), ts.proof(key)).ok()
	code := ts.tokens(appID, key)
	for _, answer := range []*reply{client, code} {
		c := answer.claims()
		cnf, _ := c["cnf"].(map[string]any)
		if len(cnf) != 1 || cnf["jkt"] != key.Thumbprint().String() { // D-5-05
			t.Errorf("cnf is %v", cnf)
		}
		for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} { // AT-2.2-01
			if c[name] == nil {
				t.Errorf("claim %s is missing", name)
			}
		}
	}
	if got := client.claims()["sub"]; got != webID {
		t.Errorf("sub of client_credentials is %v", got)
	}
	if scope := strings.Fields(client.claims()["scope"].(string)); !slices.Contains(scope, "read") {
		t.Errorf("scope is %v", scope)
	}
}
