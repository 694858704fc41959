package authserver

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goodRequest is an authorization request that lacks nothing.
func goodRequest(clientID string) url.Values {
	_, challenge := pkce()
	return form("response_type", "code", "client_id", clientID, "redirect_uri", testCallback, "state", "s1",
		"scope", "read", "code_challenge", challenge, "code_challenge_method", "S256")
}

// read checks a request of a client of the test configuration.
func (ts *testServer) read(clientID string, form url.Values) (*authorizationRequest, error) {
	ts.t.Helper()
	c, err := ts.clients.find(context.Background(), clientID)
	if err != nil {
		ts.t.Fatal(err)
	}
	return ts.readRequest(context.Background(), c, form)
}

// failer is a test, or one step of a property.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// wantRefusal fails unless err is that OAuth error and its text names what.
func wantRefusal(t failer, err error, code, names string) {
	t.Helper()
	var f *refusal
	if !errors.As(err, &f) || f.code != code || !strings.Contains(f.text, names) {
		t.Fatalf("error is %v, want %s naming %q", err, code, names)
	}
	if f.text != shownAll(f.text) {
		t.Errorf("text %q has characters that RFC 6749 section 5.2 does not allow", f.text)
	}
}

func shownAll(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, text)
}

func TestAuthorizationRequestsAreRefusedByName(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		configured(t, c, webID).Resources = []string{apiID}
		configured(t, c, webID).Scope = "read"
		backend := configured(t, c, backendID)
		backend.GrantTypes, backend.ResponseTypes = []string{grantClient}, nil
	})
	long := strings.Repeat("x", 3000)
	for _, tt := range []struct {
		name, client, code, names string
		with                      []string // names and values; no value removes
	}{
		// BCP-2.1.2-01: no token in the front channel.
		{"response type token", appID, errUnsupportedType, "response_type", []string{"response_type", "token"}},
		{"response type code token", appID, errUnsupportedType, "response_type", []string{"response_type", "code token"}},
		{"response type id_token", appID, errUnsupportedType, "response_type", []string{"response_type", "id_token"}},
		{"no response type", appID, errInvalidRequest, "response_type", []string{"response_type", ""}},
		// PK-4.4-02
		{"no challenge", appID, errInvalidRequest, "code_challenge", []string{"code_challenge", ""}},
		{"method S512", appID, errInvalidRequest, "code_challenge_method", []string{"code_challenge_method", "S512"}},
		{"method plain", appID, errInvalidRequest, "code_challenge_method", []string{"code_challenge_method", "plain"}},
		{"no method, which means plain", appID, errInvalidRequest, "code_challenge_method", []string{"code_challenge_method", ""}},
		{"a challenge of 42 characters", appID, errInvalidRequest, "code_challenge", []string{"code_challenge", strings.Repeat("A", 42)}},
		{"a padded challenge", appID, errInvalidRequest, "code_challenge", []string{"code_challenge", strings.Repeat("A", 43) + "="}},
		// D-10-04
		{"dpop_jkt too short", appID, errInvalidRequest, "dpop_jkt", []string{"dpop_jkt", strings.Repeat("A", 42)}},
		{"dpop_jkt in base64", appID, errInvalidRequest, "dpop_jkt", []string{"dpop_jkt", strings.Repeat("+", 43)}},
		{"dpop_jkt in hex", appID, errInvalidRequest, "dpop_jkt", []string{"dpop_jkt", strings.Repeat("0", 64)}},
		{"dpop_jkt of zeros", appID, errInvalidRequest, "dpop_jkt", []string{"dpop_jkt", strings.Repeat("A", 43)}},
		// BCP-2.1-01
		{"a redirect URI with a slash more", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", testCallback + "/"}},
		{"a redirect URI with a query", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", testCallback + "?x=1"}},
		{"a redirect URI with another case", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", "https://APP.example/cb"}},
		{"a redirect URI with a port", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", "https://app.example:443/cb"}},
		{"a redirect URI with an escape", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", "https://app.example/%63b"}},
		// BCP-2.1-02
		{"another path on loopback", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", "http://127.0.0.1:54321/other"}},
		{"a host that begins like loopback", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", "http://127.0.0.1.evil.example/cb"}},
		{"no redirect URI of two", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", ""}},
		{"a long redirect URI", appID, errInvalidRequest, "redirect_uri", []string{"redirect_uri", testCallback + long}},
		// RI-2-02
		{"an unknown resource", appID, errInvalidTarget, "resource", []string{"resource", "https://unknown.example"}},
		{"a resource of others", webID, errInvalidTarget, "resource", []string{"resource", filesID}},
		{"one known and one unknown resource", appID, errInvalidTarget, "resource", []string{"resource", apiID, "resource", "https://unknown.example"}},
		{"a scope that nobody offers", appID, errInvalidScope, "scope", []string{"scope", "admin"}},
		{"a scope of another resource", appID, errInvalidScope, "scope", []string{"scope", "files", "resource", apiID}},
		{"a scope that is not registered", webID, errInvalidScope, "scope", []string{"scope", "write"}},
		{"no scope, and none registered", appID, errInvalidScope, "scope", []string{"scope", ""}},
		{"two spaces in scope", appID, errInvalidScope, "scope", []string{"scope", "read  write"}},
		{"a quote in scope", appID, errInvalidScope, "scope", []string{"scope", `re"ad`}},
		{"65 scopes", appID, errInvalidScope, "scope", []string{"scope", strings.TrimSpace(strings.Repeat("read ", 65))}},
		{"a long state", appID, errInvalidRequest, "state", []string{"state", long}},
		{"a state with a line end", appID, errInvalidRequest, "state", []string{"state", "a\r\nSet-Cookie: b"}},
		{"a fragment response", appID, errInvalidRequest, "response_mode", []string{"response_mode", "fragment"}},
		{"a request object", appID, errRequestNotSupported, "request", []string{"request", "eyJ"}},
		{"another client_id", appID, errInvalidRequest, "client_id", []string{"client_id", webID}},
		{"an unknown prompt", appID, errInvalidRequest, "prompt", []string{"prompt", "shout"}},
		{"none together with login", appID, errInvalidRequest, "prompt", []string{"prompt", "none login"}},
		{"a negative max_age", appID, errInvalidRequest, "max_age", []string{"max_age", "-1"}},
		{"a huge max_age", appID, errInvalidRequest, "max_age", []string{"max_age", "99999999999999999999"}},
		{"nine acr_values", appID, errInvalidRequest, "acr_values", []string{"acr_values", strings.Repeat("a ", 9)}},
		{"a long acr value", appID, errInvalidRequest, "acr_values", []string{"acr_values", long}},
		{"a long login_hint", appID, errInvalidRequest, "login_hint", []string{"login_hint", long}},
		{"a login_hint with a control character", appID, errInvalidRequest, "login_hint", []string{"login_hint", "a\x1b[2J"}},
		{"a login_hint in Latin-1", appID, errInvalidRequest, "login_hint", []string{"login_hint", "J\xfcrgen"}},
		{"a client without the code grant", backendID, errUnauthorizedClient, "code grant", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := goodRequest(tt.client)
			for name, values := range form(tt.with...) {
				if q[name] = values; values[0] == "" {
					delete(q, name)
				}
			}
			got, err := ts.read(tt.client, q)
			wantRefusal(t, err, tt.code, tt.names)
			// What is valid of the three is there, so that the error gets to the client.
			if tt.names != "redirect_uri" && got.RedirectURI != testCallback {
				t.Errorf("redirect URI is %q, want that of the request", got.RedirectURI)
			}
			if tt.names != "redirect_uri" && tt.names != "state" && got.State != "s1" {
				t.Errorf("state is %q, want s1", got.State)
			}
		})
	}
}

func TestAuthorizationRequestsAreRead(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		configured(t, c, webID).Scope = "read files"
	})
	key := newKey(t)
	for _, tt := range []struct {
		name, client string
		with         []string
		want         func(*authorizationRequest)
	}{
		{"the default resource is the first", appID, nil, func(*authorizationRequest) {}},
		{"the scope is what was asked and is offered", appID, []string{"scope", "write admin read"}, func(q *authorizationRequest) {
			q.Scope = []string{"write", "read"} // BCP-2.3-01: the intersection
		}},
		{"a repeated scope counts once", appID, []string{"scope", "read read"}, func(*authorizationRequest) {}},
		{"several resources", appID, []string{"scope", "files read", "resource", filesID, "resource", apiID, "resource", filesID}, func(q *authorizationRequest) {
			q.Scope, q.Resources = []string{"files", "read"}, []string{filesID, apiID}
		}},
		{"a scope that is left out is what is registered", webID, []string{"scope", "", "resource", filesID}, func(q *authorizationRequest) {
			q.Client, q.Scope, q.Resources = webID, []string{"read", "files"}, []string{filesID}
		}},
		{"a single redirect URI may be left out", webID, []string{"redirect_uri", ""}, func(q *authorizationRequest) {
			q.Client, q.RedirectImplied = webID, true
		}},
		// BCP-2.1-02
		{"any port on loopback", appID, []string{"redirect_uri", "http://127.0.0.1:54321/cb"}, func(q *authorizationRequest) {
			q.RedirectURI = "http://127.0.0.1:54321/cb"
		}},
		{"a key", appID, []string{"dpop_jkt", key.Thumbprint().String()}, func(q *authorizationRequest) { q.JKT = key.Thumbprint() }},
		{"everything about the person", appID, []string{"prompt", "login", "max_age", "0", "acr_values", "gold silver", "login_hint", "alice"}, func(q *authorizationRequest) {
			q.Prompt, q.MaxAge, q.ACR, q.LoginHint = "login", new(0), []string{"gold", "silver"}, "alice"
		}},
		{"form_post", appID, []string{"response_mode", "form_post"}, func(q *authorizationRequest) { q.FormPost = true }},
		{"parameters of OpenID Connect and unknown ones are ignored", appID, []string{"nonce", "n", "display", "page", "foo", "bar"}, func(*authorizationRequest) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := goodRequest(tt.client)
			for name, values := range form(tt.with...) {
				if q[name] = values; values[0] == "" {
					delete(q, name)
				}
			}
			got, err := ts.read(tt.client, q)
			if err != nil {
				t.Fatal(err)
			}
			want := authorizationRequest{
				Client: appID, RedirectURI: testCallback, State: "s1", Scope: []string{"read"}, Resources: []string{apiID},
				Challenge: q.Get("code_challenge"),
			}
			tt.want(&want)
			if len(got.ACR) == 0 {
				got.ACR = nil
			}
			if diff := cmp.Diff(want, *got); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzAuthorizationRequest(f *testing.F) {
	ts := newTestServer(f, nil)
	app, err := ts.clients.find(context.Background(), appID)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(goodRequest(appID).Encode())
	f.Add("response_type=code&redirect_uri=http://127.0.0.1:1/cb&dpop_jkt=x&resource=&resource=%00&scope=+")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil || once(q) != nil {
			return
		}
		got, err := ts.readRequest(context.Background(), app, q)
		if got.RedirectURI != "" && !slices.Contains([]string{testCallback}, got.RedirectURI) && !strings.HasPrefix(got.RedirectURI, "http://127.0.0.1") {
			t.Fatalf("the error would be sent to %q", got.RedirectURI)
		}
		if !printable(got.State) {
			t.Fatalf("state %q is not printable", got.State)
		}
		if err != nil {
			wantRefusal(t, err, refusalOf(err).code, "")
			return
		}
		if len(got.Scope) == 0 || len(got.Resources) == 0 || len(got.Challenge) != 43 || got.Client != appID {
			t.Fatalf("an incomplete request was accepted: %+v", got)
		}
		for _, id := range got.Resources {
			if _, ok := ts.resource(id); !ok {
				t.Fatalf("resource %q was accepted", id)
			}
		}
	})
}
