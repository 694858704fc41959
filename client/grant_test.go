package client_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

func TestWhatTokenTypeMeans(t *testing.T) {
	warned := []string{"the access token is a bearer token: whoever has it can use it"}
	for _, row := range []struct {
		name     string
		typ      string
		proof    bool // a key is configured
		bearer   bool // AllowBearer
		refresh  bool // the answer has a refresh token
		public   bool
		bound    bool // expected
		err      string
		warnings []string
	}{
		{"DPoP for a proof", "DPoP", true, false, false, false, true, "", nil},
		{"the type in other letters (D-5-11)", "dpop", true, false, false, false, true, "", nil},
		{"Bearer for a proof (D-5-10)", "Bearer", true, false, true, false, false, "token_type is Bearer although a proof was sent", nil},
		{"bearer in other letters (D-5-10)", "bEARER", true, false, true, true, false, "token_type is Bearer although a proof was sent", nil},
		{"Bearer for a proof where that is allowed (D-5-10)", "Bearer", true, true, false, false, false, "", warned},
		{
			"only the refresh token is bound", "Bearer", true, true, true, true, false, "",
			append([]string{}, warned[0], "only the refresh token is bound to the proof key"),
		},
		{"no proof and Bearer, as configured (D-5-14)", "Bearer", false, true, false, false, false, "", warned},
		{"no proof and DPoP: bound to a key of somebody else", "DPoP", false, true, false, false, false, "token_type is DPoP although no proof was sent", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
				withoutNonces(t, p)
				s.edit = func(out map[string]any) {
					out["token_type"] = row.typ
					if row.refresh {
						out["refresh_token"] = "refresh-token-x"
					}
				}
			})
			c := s.client(t, func(conf *client.Config) {
				if !row.public {
					confidential(t)(conf)
				}
				if !row.proof {
					conf.Key = nil
				}
				conf.AllowBearer = row.bearer
			})
			g, err := c.Exchange(t.Context(), client.ExchangeRequest{Subject: holdfast.NewSecret("subject")})
			if row.err != "" {
				e := wantError(t, err, row.err)
				if g != nil || row.proof && !strings.Contains(e.Hint, "dpop_bound_access_tokens") {
					t.Errorf("hint %q", e.Hint)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (g.Token.Key != nil) != row.bound || g.RefreshBound != (row.refresh && row.public) || g.Token.Type != row.typ {
				t.Errorf("bound %v, refresh bound %v, type %s", g.Token.Key != nil, g.RefreshBound, g.Token.Type)
			}
			equalWords(t, "warnings", g.Warnings, row.warnings)
			for _, r := range s.requests("") {
				if row.proof != (r.header.Get("DPoP") != "") {
					t.Errorf("a proof was sent: %v", !row.proof)
				}
			}
		})
	}
}

func TestScopeAndLifetimeOfTheAnswer(t *testing.T) {
	year := client.MaxTokenLifetime
	for _, row := range []struct {
		name     string
		edit     map[string]any
		scope    []string
		lifetime time.Duration // 0: unknown
		warnings []string
	}{
		{"nothing said means as asked", map[string]any{"expires_in": nil, "scope": nil}, []string{"read", "write"}, 0, nil},
		{"the same in another order", map[string]any{"scope": "write read"}, []string{"write", "read"}, 300 * time.Second, nil},
		{"less", map[string]any{"scope": "read"}, []string{"read"}, 300 * time.Second, []string{"the server did not grant the scope write"}},
		{"more", map[string]any{"scope": "read write admin"}, []string{"read", "write", "admin"}, 300 * time.Second, []string{"the server granted more scope than asked for: admin"}},
		{"nothing", map[string]any{"scope": ""}, []string{}, 300 * time.Second, []string{"the server did not grant the scope read write"}},
		{"a fraction that is none", map[string]any{"expires_in": 60.0}, []string{"read", "write"}, time.Minute, nil},
		{"for ever", map[string]any{"expires_in": int64(1) << 60}, []string{"read", "write"}, year, []string{"31622400 are believed"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			s := newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
				s.now = func() time.Time { return now }
				withoutNonces(t, p)
				s.edit = func(out map[string]any) {
					for name, v := range row.edit {
						out[name] = v
					}
				}
			})
			c := s.client(t, func(conf *client.Config) { confidential(t)(conf); conf.Now = func() time.Time { return now } })
			g, err := c.ClientCredentials(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			equalWords(t, "scope", g.Scope, row.scope)
			if row.lifetime == 0 != g.Token.Expires.IsZero() || row.lifetime != 0 && !g.Token.Expires.Equal(now.Add(row.lifetime)) {
				t.Errorf("the token ends at %v, want %v after %v", g.Token.Expires, row.lifetime, now)
			}
			if len(g.Warnings) != len(row.warnings) || len(g.Warnings) > 0 && !strings.Contains(g.Warnings[0], row.warnings[0]) {
				t.Errorf("warnings %q, want %q", g.Warnings, row.warnings)
			}
		})
	}
}

// AT-6-01: an opaque token and a JWT are the same to the client, whatever is in it.
func TestATokenIsNotLookedInto(t *testing.T) {
	expired := "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSIsImV4cCI6MX0.AAAA"
	for _, value := range []string{"opaque", expired} {
		s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
			s.edit = func(out map[string]any) { out["access_token"] = value }
		})
		c := s.client(t, confidential(t))
		g, err := c.ClientCredentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if k := mustToken(t, c.Source(client.NewMemoryStore(g))); k.Value.Reveal() != value || time.Until(k.Expires) < 4*time.Minute {
			t.Errorf("the token ends at %v", k.Expires)
		}
	}
}

// D-5-08: a grant that was stored is refreshed with the same key after a restart.
func TestASealedGrantIsTheSameAfterwards(t *testing.T) {
	s := newAuthServer(t, nil)
	var key *holdfast.Key
	c := s.client(t, func(conf *client.Config) { key = conf.Key })
	g := s.login(t, c)
	for range 5 {
		sealed, err := g.Seal()
		if err != nil {
			t.Fatal(err)
		}
		read, err := client.ParseGrant(sealed, key)
		if err != nil {
			t.Fatal(err)
		}
		reveal := cmp.Transformer("reveal", func(s holdfast.Secret) string { return s.Reveal() })
		thumb := cmp.Transformer("thumb", func(k *holdfast.Key) string { return k.String() })
		if d := cmp.Diff(g, read, reveal, thumb, cmpopts.EquateApproxTime(time.Second)); d != "" {
			t.Errorf("a member changed:\n%s", d)
		}
		next := s.client(t, func(conf *client.Config) { conf.Key = key }) // another process
		if g, err = next.Refresh(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
	proven := 0
	for _, r := range s.requests("/token") {
		if r.header.Get("DPoP") == "" || !r.jkt.IsZero() && r.jkt != key.Thumbprint() {
			t.Error("a token request without a proof, or with another key")
		}
		if !r.jkt.IsZero() { // the others were asked for a nonce
			proven++
		}
	}
	if proven != 6 {
		t.Errorf("%d token requests were proven, want the first and five refreshes", proven)
	}
}

func TestGrantsThatAreNotRead(t *testing.T) {
	s := newAuthServer(t, nil)
	g := s.login(t, s.client(t, nil))
	sealed, err := g.Seal()
	if err != nil {
		t.Fatal(err)
	}
	text := sealed.Reveal()
	other, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, text string
		key        *holdfast.Key
		want       string
	}{
		{"another key", text, other, "the key given is " + other.Thumbprint().String()},
		{"no key", text, nil, "which is needed"},
		{"a key for a grant without one", strings.Replace(text, g.Key.Thumbprint().String(), "", 1), g.Key, "names no key"},
		{"another format", strings.Replace(text, "grant/1", "grant/2", 1), g.Key, `"holdfast.grant/1" is needed`},
		{"no token", strings.Replace(text, `"access_token"`, `"was"`, 1), g.Key, "members access_token"},
		{"a member of another type", strings.Replace(text, `"refresh_bound":true`, `"refresh_bound":"access-token-9"`, 1), g.Key, "refresh_bound has the wrong type"},
		{"a thumbprint that is none", strings.Replace(text, `{`, `{"x5t#S256":"access-token-9",`, 1), g.Key, "cannot be read"},
		{"two members of a name", strings.Replace(text, `{`, `{"jkt":"",`, 1), g.Key, "duplicate"},
		{"no JSON", "access-token-9", g.Key, "stored grant"},
		{"too much", strings.Repeat(" ", client.MaxGrantBytes) + text, g.Key, "too large"},
		{"nothing", "", g.Key, "stored grant"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := client.ParseGrant(holdfast.NewSecret(row.text), row.key)
			wantError(t, err, row.want)
			if got != nil {
				t.Error("there is a grant")
			}
		})
	}
	_, err = (&client.Grant{}).Seal()
	wantError(t, err, "there is no grant")
	big := *g
	big.Warnings = []string{strings.Repeat("w", client.MaxGrantBytes)}
	_, err = big.Seal()
	wantError(t, err, "at most 262144 can be stored")
}

// B-5.3-01
func TestAGrantPrintsNoSecret(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.edit = func(out map[string]any) { out["id_token"] = "eyJ.s3cr3t.id" }
	})
	g := s.login(t, s.client(t, nil))
	sealed, err := g.Seal()
	if err != nil || !strings.Contains(sealed.Reveal(), "eyJ.s3cr3t.id") {
		t.Fatalf("the ID token is not kept: %v", err)
	}
	asJSON, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "grant", g, "token", *g.Token)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v", g, g, g), fmt.Sprintf("%v %+v %#v", *g.Token, *g.Token, *g.Token),
		fmt.Sprint(sealed), string(asJSON), log.String(),
	} {
		for _, secret := range []string{"access-token", "refresh-token", "s3cr3t"} {
			if strings.Contains(text, secret) {
				t.Errorf("a secret is shown in %s", text)
			}
		}
	}
}

func TestExchangeSendsWhatWasAskedFor(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, func(conf *client.Config) {
		confidential(t)(conf)
		conf.Resource = []string{"https://default.example"}
	})
	g, err := c.Exchange(t.Context(), client.ExchangeRequest{
		Subject: holdfast.NewSecret("the-subject"), SubjectType: "urn:ietf:params:oauth:token-type:id_token",
		Actor: holdfast.NewSecret("the-actor"), Audience: []string{"one", "two"}, Resource: []string{"https://api.example"}, Scope: []string{"narrow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if g.Token.Key == nil || g.Type != "urn:ietf:params:oauth:grant-type:token-exchange" {
		t.Errorf("got %+v", g)
	}
	requests := s.requests("/token")
	form := requests[len(requests)-1].form
	const access = "urn:ietf:params:oauth:token-type:access_token"
	for name, want := range map[string][]string{
		"subject_token": {"the-subject"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:id_token"}, "requested_token_type": {access},
		"actor_token": {"the-actor"}, "actor_token_type": {access}, "audience": {"one", "two"}, "resource": {"https://api.example"}, "scope": {"narrow"},
	} {
		equalWords(t, name, form[name], want)
	}
}

func TestExchangesThatAreRefused(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, nil)
	long := holdfast.NewSecret(strings.Repeat("t", holdfast.MaxTokenBytes+1))
	_, err := c.Exchange(t.Context(), client.ExchangeRequest{
		ActorType: "urn:x", Actor: holdfast.Secret{}, Resource: []string{"relative"}, Scope: []string{""},
	})
	wantError(t, err, "Subject is needed", "there is no Actor", "absolute URI", "scope has")
	_, err = c.Exchange(t.Context(), client.ExchangeRequest{Subject: long})
	wantError(t, err, "at most 16384")
	if len(s.requests("")) != 0 {
		t.Error("something was sent")
	}
	// RFC 8693 section 2.2.1: what was issued is said, and has to be an access token.
	for _, issued := range []any{nil, "urn:ietf:params:oauth:token-type:refresh_token"} {
		s = newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
			s.edit = func(out map[string]any) { out["issued_token_type"] = issued }
		})
		_, err = s.client(t, nil).Exchange(t.Context(), client.ExchangeRequest{Subject: holdfast.NewSecret("subject")})
		wantError(t, err, "issued_token_type is", "an access token was asked for")
	}
}

func TestRevokeTakesTheRefreshTokenFirst(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer func(w http.ResponseWriter, r *http.Request, nth int) bool
		want   string
	}{
		{"both are revoked", nil, ""},
		{"a server that keeps access tokens has done enough", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.PostForm.Get("token_type_hint") != "access_token" {
				return false
			}
			deny(w, "unsupported_token_type")
			return true
		}, ""},
		{"the access token is tried although the refresh token failed", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if r.PostForm.Get("token_type_hint") != "refresh_token" {
				return false
			}
			answer(w, http.StatusServiceUnavailable, map[string]any{"error_description": "cannot revoke " + r.PostForm.Get("token")})
			return true
		}, "revocation: status 503 (cannot revoke [redacted])"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, nil)
			c := s.client(t, confidential(t))
			g := s.login(t, c)
			s.mu.Lock()
			s.override = row.answer
			s.mu.Unlock()
			err := c.Revoke(t.Context(), g)
			if row.want != "" {
				wantError(t, err, row.want)
			} else if err != nil {
				t.Error(err)
			}
			got := s.requests("/revoke")
			equalWords(t, "order", collect(got, func(r asked) string { return r.form.Get("token_type_hint") }), []string{"refresh_token", "access_token"})
			equalWords(t, "tokens", collect(got, func(r asked) string { return r.form.Get("token") }), []string{g.Refresh.Reveal(), g.Token.Value.Reveal()})
			for _, r := range got {
				if r.form.Get("client_assertion") == "" || r.header.Get("DPoP") != "" {
					t.Error("not authenticated, or with a proof")
				}
			}
		})
	}
}

// A grant goes to the server and as the client that it is of, nowhere else.
func TestAGrantOfAnotherServerOrClientIsNotSent(t *testing.T) {
	a, b := newAuthServer(t, nil), newAuthServer(t, nil)
	g := a.login(t, a.client(t, nil))
	elsewhere := b.client(t, nil)
	otherClient := a.client(t, func(c *client.Config) { c.ClientID = "other" })
	sent := len(a.requests(""))
	for _, row := range []struct {
		c    *client.Client
		g    *client.Grant
		want string
	}{
		{elsewhere, g, "the grant is of issuer"},
		{otherClient, g, `the grant is of client "app"`},
		{elsewhere, nil, "there is no grant"},
		{elsewhere, &client.Grant{}, "there is no grant"},
	} {
		_, err := row.c.Refresh(t.Context(), row.g)
		wantError(t, err, "refresh", row.want)
		wantError(t, row.c.Revoke(t.Context(), row.g), "revocation", row.want)
	}
	if len(b.requests("")) != 0 || len(a.requests("")) != sent {
		t.Error("a token was sent")
	}
}

func TestARefreshKeepsWhatTheServerDoesNotRenew(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.edit = func(out map[string]any) { out["id_token"], out["scope"] = "id-1", "read" }
	})
	c := s.client(t, func(conf *client.Config) { conf.Resource = []string{"https://api.example"} })
	g := s.login(t, c)
	s.mu.Lock()
	s.edit = func(out map[string]any) { delete(out, "refresh_token") }
	s.mu.Unlock()
	next, err := c.Refresh(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if next.Refresh.Reveal() != g.Refresh.Reveal() || !next.RefreshBound || next.IDToken.Reveal() != "id-1" || next.Type != "authorization_code" {
		t.Errorf("got %+v", next)
	}
	equalWords(t, "scope", next.Scope, []string{"read"})
	if next.Token.Value.Reveal() == g.Token.Value.Reveal() || next.Key != g.Key {
		t.Error("the wrong token")
	}
	got := s.requests("/token")
	equalWords(t, "resource", got[len(got)-1].form["resource"], []string{"https://api.example"})
	if got[len(got)-1].form.Has("scope") { // RFC 6749 section 6: the same as before
		t.Error("the refresh asks for a scope")
	}
}

// RFC 9449 section 5: the server says no more than invalid_grant.
func TestARefusedRefreshSaysWhatItMayBe(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, nil)
	g := s.login(t, c)
	stolen := *g
	other, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	stolen.Key = other
	_, err = c.Refresh(t.Context(), &stolen)
	e := wantError(t, err, "refresh: status 400: invalid_grant", "bound to another key than "+other.Thumbprint().String())
	if e.Err != nil {
		t.Errorf("the server's word is taken for ours: %v", e.Err)
	}
	if _, err := c.Refresh(t.Context(), g); err != nil { // the token lives on
		t.Error(err)
	}
	_, err = c.Refresh(t.Context(), g) // spent now
	wantError(t, err, "invalid_grant", "spent, expired or revoked")

	none := *g
	none.Refresh = holdfast.Secret{}
	_, err = c.Refresh(t.Context(), &none)
	wantError(t, err, "the grant has no refresh token", "run the flow again")
}
