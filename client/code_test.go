package client_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// D-5-01, D-10-01, D-10.1-01, PK-4.2-01, BCP-2.1.1-01, PRM-7.4-01, F2-5.3.3.2-01
func TestTheCodeFlowIsPushedBoundAndProven(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*client.Config)
	}{
		{"a public client", func(*client.Config) {}},
		{"a confidential client", confidential(t)},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, nil)
			var key *holdfast.Key
			age := 0
			c := s.client(t, func(conf *client.Config) {
				row.change(conf)
				conf.Resource = []string{"https://api.example/"}
				conf.ACR, conf.MaxAge = []string{"urn:acr:high"}, &age // SU-4-01
				key = conf.Key
			})
			a, err := c.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(a.URL())
			if err != nil {
				t.Fatal(err)
			}
			names := make([]string, 0, 2)
			for name := range u.Query() {
				names = append(names, name)
			}
			slices.Sort(names)
			equalWords(t, "parameters of the browser's URL", names, []string{"client_id", "request_uri"})

			pushes := s.requests("/par")
			push := pushes[len(pushes)-1]
			if len(pushes) != 2 || pushes[0].nonce != "" || push.jkt != key.Thumbprint() {
				t.Errorf("%d pushes, by %v", len(pushes), push.jkt)
			}
			for name, want := range map[string]string{
				"response_type": "code", "dpop_jkt": key.Thumbprint().String(), "code_challenge_method": "S256", "scope": "read write",
				"redirect_uri": "https://app.example/cb", "client_id": "app", "resource": "https://api.example/",
				"acr_values": "urn:acr:high", "max_age": "0", "state": a.State().Reveal(),
			} {
				if got := push.form.Get(name); got != want {
					t.Errorf("pushed %s is %q, want %q", name, got, want)
				}
			}
			g, err := a.Finish(t.Context(), s.agree(t, a.URL()))
			if err != nil {
				t.Fatal(err)
			}
			got := s.requests("/token")
			if len(got) != 1 || got[0].jkt != key.Thumbprint() || got[0].form.Get("resource") != "https://api.example/" {
				t.Errorf("%d token requests, by %v", len(got), got[0].jkt)
			}
			if g.Token.Type != "DPoP" || g.Token.Key != key || g.Refresh.IsZero() || len(g.Warnings) != 0 || g.Issuer != s.URL || g.Type != "authorization_code" {
				t.Errorf("got %+v", g)
			}
			if public := row.name == "a public client"; g.RefreshBound != public {
				t.Errorf("RefreshBound is %v", g.RefreshBound)
			}
			equalWords(t, "scope", g.Scope, []string{"read", "write"})
		})
	}
}

// Without PAR the same parameters are in the URL, after the endpoint's own query.
func TestTheCodeFlowWithoutPush(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.meta.PAREndpoint, s.meta.AuthorizationEndpoint = "", s.URL+"/authorize?tenant=a%20b"
	})
	c := s.client(t, nil)
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(a.URL())
	if q := u.Query(); q.Get("tenant") != "a b" || len(q.Get("dpop_jkt")) != 43 || q.Get("state") != a.State().Reveal() || q.Has("code_verifier") {
		t.Errorf("the query has %d parameters", len(q))
	}
	if _, err := a.Finish(t.Context(), s.agree(t, a.URL())); err != nil { // D-10-05: PKCE and dpop_jkt together
		t.Error(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if got := fmt.Sprintf(verb, a); got != "authorization at "+s.URL {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// PK-4.1-01, PK-4.2-01, BCP-2.1.1-05, PAR-4-01
func TestEveryFlowHasItsOwnVerifierStateAndPush(t *testing.T) {
	s := newAuthServer(t, nil)
	c := s.client(t, nil)
	for range 40 {
		s.login(t, c)
	}
	verifiers := collect(s.requests("/token"), func(r asked) string { return r.form.Get("code_verifier") })
	pattern := regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
	for _, v := range verifiers {
		if !pattern.MatchString(v) {
			t.Error("a verifier of the wrong form")
		}
	}
	pushes := s.requests("/par")[1:] // after the challenge
	if len(pushes) != 40 {
		t.Errorf("%d pushes, want 40", len(pushes))
	}
	for _, name := range []string{"state", "code_challenge"} {
		if !distinct(collect(pushes, func(r asked) string { return r.form.Get(name) })) {
			t.Errorf("%s was used twice", name)
		}
	}
	if !distinct(verifiers) {
		t.Error("a verifier was used twice")
	}
}

// PK-4.2-02: no request with plain, whatever the server says.
func TestPKCENeverFallsBackToPlain(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.meta.CodeChallengeMethods = []string{"plain"} })
	_, err := s.client(t, nil).Begin(t.Context())
	wantError(t, err, "code challenge methods plain, S256 is needed")

	s = newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
		s.override = func(w http.ResponseWriter, _ *http.Request, _ int) bool { deny(w, "invalid_request"); return true }
	})
	_, err = s.client(t, nil).Begin(t.Context())
	wantError(t, err, "pushed authorization request: status 400: invalid_request")
	if n := len(s.requests("")); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}

	s = newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.meta.ResponseTypesSupported = []string{"token"} })
	_, err = s.client(t, nil).Begin(t.Context())
	wantError(t, err, "response types token, code is needed")
}

func TestCallbacksThatAreRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(url.Values)
		want   []string
		again  bool // the right callback still works
	}{
		{"a foreign state (BCP-2.1-04)", func(v url.Values) { v.Set("state", "forged") }, []string{"it may be forged"}, true},
		{"no state (BCP-2.1-04)", func(v url.Values) { v.Del("state") }, []string{"it may be forged"}, true},
		{"the state twice", func(v url.Values) { v.Add("state", v.Get("state")) }, []string{"it may be forged"}, true},
		{"another issuer (BCP-2.1-05)", func(v url.Values) { v.Set("iss", "https://evil.example") }, []string{"is of issuer https://evil.example"}, false},
		{"the issuer with a slash (ISS-2.4-01)", func(v url.Values) { v.Set("iss", v.Get("iss")+"/") }, []string{"is of issuer"}, false},
		{"the issuer in capitals (ISS-2.4-01)", func(v url.Values) { v.Set("iss", strings.ToUpper(v.Get("iss"))) }, []string{"is of issuer"}, false},
		{"an empty issuer", func(v url.Values) { v.Set("iss", "") }, []string{"is of issuer"}, false},
		{"no issuer from a server that sends it (ISS-2.4-02)", func(v url.Values) { v.Del("iss") }, []string{"no iss although the server sends it"}, false},
		{"two issuers", func(v url.Values) { v.Add("iss", v.Get("iss")) }, []string{"iss not once"}, false},
		{"an issuer without a value", func(v url.Values) { v["iss"] = nil }, []string{"iss not once"}, false},
		{"two codes", func(v url.Values) { v.Add("code", "x") }, []string{"code not once"}, false},
		{"a code that is too long", func(v url.Values) { v.Set("code", strings.Repeat("c", client.MaxCallbackBytes+1)) }, []string{"more than 8192 bytes"}, false},
		{"neither code nor error", func(v url.Values) { v.Del("code") }, []string{"neither code nor error"}, false},
		{
			"the user's refusal", func(v url.Values) {
				v.Set("error", "access_denied")
				v.Set("error_description", "no\x1b[31m "+v.Get("state"))
			},
			[]string{`authorization: access_denied (no\x1b[31m [redacted])`},
			false,
		},
		{
			"an error of another issuer is not believed", func(v url.Values) { v.Set("error", "access_denied"); v.Set("iss", "https://evil.example") },
			[]string{"is of issuer"},
			false,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, nil)
			a, err := s.client(t, nil).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			right := s.agree(t, a.URL())
			wrong := url.Values{}
			for name, values := range right {
				wrong[name] = slices.Clone(values)
			}
			row.change(wrong)
			g, err := a.Finish(t.Context(), wrong)
			e := wantError(t, err, row.want...)
			if g != nil || len(s.requests("/token")) != 0 || e.Status != 0 {
				t.Error("the code was sent to the token endpoint")
			}
			if strings.Contains(err.Error(), a.State().Reveal()) {
				t.Error("the error shows the state")
			}
			_, err = a.Finish(t.Context(), right)
			if (err == nil) != row.again {
				t.Errorf("the right callback afterwards: %v", err)
			}
			if row.again {
				_, err = a.Finish(t.Context(), right)
			}
			wantError(t, err, "finished before")
		})
	}
}

// BCP-2.1-05: a server that does not promise iss may leave it out.
func TestAMissingIssuerIsAcceptedFromAServerThatDoesNotSendIt(t *testing.T) {
	s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) { s.meta.IssParameterSupported = false })
	a, err := s.client(t, nil).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	back := s.agree(t, a.URL())
	back.Del("iss")
	back.Set("target", "https://evil.example") // BCP-2.1-03: ignored
	if _, err := a.Finish(t.Context(), back); err != nil {
		t.Error(err)
	}
}

// BCP-2.1-06: what changes in the configuration meanwhile sends the code nowhere else.
func TestTheCodeGoesToTheServerThatTheFlowBeganWith(t *testing.T) {
	s, evil := newAuthServer(t, nil), newAuthServer(t, nil)
	conf := s.config(t)
	meta := s.meta
	conf.Metadata = &meta
	c, err := client.New(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meta.TokenEndpoint, meta.Issuer, conf.Issuer = evil.URL+"/token", evil.URL, evil.URL
	if _, err := a.Finish(t.Context(), s.agree(t, a.URL())); err != nil {
		t.Error(err)
	}
	if n := len(evil.requests("")); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

// D-10-06: a key for every flow, by a Client for every key.
func TestTwoFlowsWithTheirOwnKeys(t *testing.T) {
	s := newAuthServer(t, nil)
	var grants []*client.Grant
	var clients []*client.Client
	for range 2 {
		c := s.client(t, func(conf *client.Config) { conf.Metadata = &s.meta })
		clients, grants = append(clients, c), append(grants, s.login(t, c))
	}
	if grants[0].Key.Thumbprint() == grants[1].Key.Thumbprint() {
		t.Fatal("one key for both")
	}
	// The grant brings its key: even the other client refreshes with the right one.
	if _, err := clients[0].Refresh(t.Context(), grants[1]); err != nil {
		t.Error(err)
	}
	if got := s.requests("/token"); got[len(got)-1].jkt != grants[1].Key.Thumbprint() {
		t.Error("the refresh was proven with another key")
	}
}

func TestPushAnswersThatAreRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		status int
		body   map[string]any
		want   string
	}{
		{"no request_uri", http.StatusCreated, map[string]any{"expires_in": 60}, "request_uri has 0 bytes"},
		{"a request_uri that is too long", http.StatusCreated, map[string]any{"request_uri": strings.Repeat("u", client.MaxRequestURIBytes+1)}, "request_uri has 2049 bytes"},
		{"a success of another kind", http.StatusAccepted, map[string]any{"request_uri": "urn:x"}, "the status is 202, 201 is needed"},
		{"a redirect", http.StatusSeeOther, map[string]any{"request_uri": "urn:x"}, "redirects are not followed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newAuthServer(t, func(s *authServer, _ *holdfast.ProofPolicy) {
				s.override = func(w http.ResponseWriter, r *http.Request, _ int) bool {
					w.Header().Set("Location", r.URL.Path)
					answer(w, row.status, row.body)
					return true
				}
			})
			_, err := s.client(t, nil).Begin(t.Context())
			wantError(t, err, "pushed authorization request", row.want)
		})
	}
}

func TestRedirectURLs(t *testing.T) {
	for _, row := range []struct {
		url    string
		accept bool
	}{
		{"https://app.example/cb?x=1", true},
		{"http://127.0.0.1:8080/cb", true},
		{"http://[::1]/cb", true},
		{"com.example.app:/cb", true}, // RFC 8252 section 7.1
		{"http://app.example/cb", false},
		{"https://app.example/cb#x", false},
		{"com.example.app:/cb#x", false},
		{"myapp:/cb", false},
		{"javascript:alert(1)", false},
		{"/cb", false},
	} {
		t.Run(row.url, func(t *testing.T) {
			s := newAuthServer(t, nil)
			conf := s.config(t)
			conf.RedirectURL, conf.Metadata = row.url, &s.meta
			if _, err := client.New(t.Context(), conf); (err == nil) != row.accept {
				t.Errorf("got %v", err)
			}
		})
	}
	s := newAuthServer(t, nil)
	_, err := s.client(t, func(c *client.Config) { c.RedirectURL = "" }).Begin(t.Context())
	wantError(t, err, "RedirectURL is needed")
}
