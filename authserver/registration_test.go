package authserver

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// registers posts metadata to the registration endpoint.
func (ts *testServer) registers(body string, options ...option) *reply {
	ts.t.Helper()
	r, err := http.NewRequest(http.MethodPost, ts.front.URL+pathRegister, strings.NewReader(body))
	if err != nil {
		ts.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for _, o := range options {
		o(r)
	}
	return ts.send(ts.http, r)
}

func openTo(everybody Registration) func(*Config) {
	return func(c *Config) {
		c.Registration = everybody
		if everybody == RegistrationByToken {
			c.RegistrationTokens = []holdfast.Secret{secretOf("registrar"), secretOf("second")}
		}
	}
}

var withInitialToken = withField("Authorization", "Bearer registrar-secret-0123456789abcdef")

const publicApp = `{"redirect_uris":["https://new.example/cb"],"token_endpoint_auth_method":"none"}`

// DCR-2-01
func TestRegistrationAnswersWithEverything(t *testing.T) {
	ts := newTestServer(t, openTo(RegistrationOpen))
	r := ts.registers(`{
		"client_id": "alice", "client_secret": "chosen", "redirect_uris": ["https://new.example/cb", "http://127.0.0.1/cb"],
		"token_endpoint_auth_method": "none", "client_name": "New", "dpop_bound_access_tokens": true, "unknown": [5]
	}`)
	if r.status != http.StatusCreated || r.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d %s", r.status, r.raw)
	}
	id := r.text("client_id")
	if id == "alice" || !strings.HasPrefix(id, "client-") || len(id) < 40 { // BCP-4.15-01
		t.Errorf("client_id is %q", id)
	}
	delete(r.body, "client_id")
	want := map[string]any{ // DCR-2-01
		"redirect_uris":              []any{"https://new.example/cb", "http://127.0.0.1/cb"}, // BCP-2.6-01
		"token_endpoint_auth_method": "none", "client_name": "New", "dpop_bound_access_tokens": true,
		"grant_types": []any{"authorization_code"}, "response_types": []any{"code"}, "scope": "read write files",
		"client_id_issued_at": float64(ts.clock.Now().Unix()),
	}
	if d := cmp.Diff(want, r.body); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
	if events := ts.audited(); len(events) != 1 || events[0].Endpoint != "register" || events[0].Decision != "granted" || events[0].Client != id {
		t.Errorf("audited: %+v", events)
	}
	k, err := ts.clients.find(context.Background(), id)
	if err != nil || !k.dynamic || !k.public() || !k.AllowsRedirect("http://127.0.0.1:4711/cb") || k.SkipConsent || k.MayExchange {
		t.Errorf("got %+v, %v", k, err)
	}
}

func TestRegisteredClientsAuthenticate(t *testing.T) {
	h := newKeyHolder(t, "new", nil)
	ts := newTestServer(t, openTo(RegistrationByToken))
	register := func(m metadata.Client) *reply {
		t.Helper()
		m.GrantTypes = []string{grantClient}
		body, _ := json.Marshal(m)
		return ts.registers(string(body), withInitialToken).ok()
	}

	r := register(metadata.Client{AuthMethod: "private_key_jwt", JWKS: h.jwks()})
	if r.body["client_secret"] != nil || r.body["client_secret_expires_at"] != nil || r.body["jwks"] == nil {
		t.Errorf("got %s", r.raw)
	}
	ts.post(pathToken, h.assert(serviceForm(), r.text("client_id"), ts.front.URL, ts.clock.Now()), ts.proof(newKey(t))).ok()

	r = register(metadata.Client{AuthMethod: "client_secret_basic"})
	id, secret := r.text("client_id"), r.text("client_secret")
	if expires, there := r.body["client_secret_expires_at"]; !there || expires != float64(0) || len(secret) != 43 {
		t.Errorf("a secret of %d characters expires at %v", len(secret), expires)
	}
	ts.post(pathToken, serviceForm(), bySecret(id, secret), ts.proof(newKey(t))).ok()
	ts.post(pathToken, serviceForm(), bySecret(id, secret+"x"), ts.proof(newKey(t))).wants(t, 401, errInvalidClient)
	kept, err := ts.store.Get(context.Background(), kindClient, keyOf(id))
	if err != nil || strings.Contains(string(kept.Body), secret) {
		t.Errorf("the secret itself is kept, %v", err)
	}

	r = register(metadata.Client{AuthMethod: "self_signed_tls_client_auth", JWKS: h.jwks(), CertificateBoundTokens: true})
	if r.body["dpop_bound_access_tokens"] != nil {
		t.Errorf("got %s", r.raw)
	}
	ts.postMTLS(ts.with(h.cert), pathToken, serviceForm("client_id", r.text("client_id"))).ok()
}

// D-5.2-01: the default is false, where unbound tokens are allowed; the server
// replaces it where they are not.
func TestRegistrationOfBinding(t *testing.T) {
	const service = `{"token_endpoint_auth_method":"client_secret_basic","grant_types":["client_credentials"]`
	for _, tt := range []struct {
		name, member string
		unbound      bool
		want         any
	}{
		{"nothing asked for, bound only", "", false, true},
		{"false asked for, bound only", `,"dpop_bound_access_tokens":false`, false, true},
		{"bound to a certificate", `,"tls_client_certificate_bound_access_tokens":true`, false, nil},
		{"nothing asked for, unbound too", "", true, nil}, // D-5.2-01
		{"asked for, unbound too", `,"dpop_bound_access_tokens":true`, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := newTestServer(t, func(c *Config) { openTo(RegistrationByToken)(c); c.AllowUnbound = tt.unbound })
			r := ts.registers(service+tt.member+"}", withInitialToken)
			if r.status != http.StatusCreated || r.body["dpop_bound_access_tokens"] != tt.want {
				t.Fatalf("got %d %s, want %v", r.status, r.raw, tt.want)
			}
			if tt.unbound && tt.want == nil { // D-5.2-01
				answer := ts.post(pathToken, serviceForm(), bySecret(r.text("client_id"), r.text("client_secret")))
				if answer.status != http.StatusOK || answer.body["token_type"] != "Bearer" {
					t.Errorf("without a proof: %d %s", answer.status, answer.raw)
				}
			}
		})
	}
}

// DCR-3.2.2-01
func TestRegistrationRefusesBadMetadata(t *testing.T) {
	own, other := newKeyHolder(t, "own", nil), newKeyHolder(t, "other", nil)
	mixed := strings.Replace(string(own.jwks()), strings.Split(string(own.jwks()), `"`)[5], strings.Split(string(other.jwks()), `"`)[5], 1)
	with := func(members string) string { return strings.TrimSuffix(publicApp, "}") + "," + members + "}" }
	keyed := func(members string) string {
		return `{"redirect_uris":["https://new.example/cb"],"token_endpoint_auth_method":` + members + `}`
	}
	open := newTestServer(t, func(c *Config) { openTo(RegistrationOpen)(c); c.AllowSecrets, c.Clients = false, nil })
	for _, tt := range []struct {
		name, body string
		code       string
		names      string
	}{
		{"a member of the wrong type", with(`"dpop_bound_access_tokens":"yes"`), errInvalidMetadata, "dpop_bound_access_tokens"}, // DCR-3.2.2-01
		{"no JSON", "redirect_uris=x", errInvalidMetadata, "client metadata"},
		{"a list", "[]", errInvalidMetadata, "client metadata"},
		{"a member twice", `{"scope":"read","scope":"write"}`, errInvalidMetadata, "duplicate"},
		{"redirect over http", strings.Replace(publicApp, "https", "http", 1), errInvalidRedirectURI, "redirect_uris[0]"}, // BCP-2.6-01
		{"a wildcard", strings.Replace(publicApp, "new.", "*.", 1), errInvalidRedirectURI, "redirect_uris[0]"},
		{"no redirect", `{"token_endpoint_auth_method":"none"}`, errInvalidRedirectURI, "redirect_uris"},
		{"redirects that are no list", `{"redirect_uris":"https://new.example/cb"}`, errInvalidRedirectURI, "redirect_uris"},
		{"no method, which means a secret", `{"redirect_uris":["https://new.example/cb"]}`, errInvalidMetadata, "client_secret_basic is not offered"}, // BCP-2.5-01
		{"a secret", keyed(`"client_secret_post"`), errInvalidMetadata, "client_secret_post is not offered"},                                          // BCP-2.5-01
		{"a method that nobody has", keyed(`"x\u001b"`), errInvalidMetadata, "token_endpoint_auth_method"},
		{"both places of keys", keyed(`"private_key_jwt","jwks":` + string(own.jwks()) + `,"jwks_uri":"https://new.example/jwks"`), errInvalidMetadata, "jwks_uri"}, // DCR-5-01
		{"keys in the network", keyed(`"private_key_jwt","jwks_uri":"https://192.168.0.1/jwks"`), errInvalidMetadata, "jwks_uri"},                                   // DCR-5-01
		{"no keys", keyed(`"private_key_jwt"`), errInvalidMetadata, "jwks"},
		{"a private key", keyed(`"private_key_jwt","jwks":` + strings.Replace(string(own.jwks()), "{\"x5c", "{\"d\":\"AAAA\",\"x5c", 1)), errInvalidMetadata, "jwks"},
		{"a certificate of another key", keyed(`"self_signed_tls_client_auth","jwks":` + mixed), errInvalidMetadata, "not the key beside it"},                          // M-2.2.2-01
		{"no subject", keyed(`"tls_client_auth"`), errInvalidMetadata, "tls_client_auth"},                                                                              // M-2.1.2-01
		{"two subjects", keyed(`"tls_client_auth","tls_client_auth_san_dns":"a.example","tls_client_auth_san_ip":"192.0.2.1"`), errInvalidMetadata, "tls_client_auth"}, // M-2.1.2-01
		{"an implicit grant", with(`"grant_types":["authorization_code","implicit"]`), errInvalidMetadata, "implicit is not offered"},
		{"tokens without a person", keyed(`"private_key_jwt","grant_types":["client_credentials"],"jwks":` + string(own.jwks())), errInvalidMetadata, "needs a client that the operator knows"},
		{"an exchange", with(`"grant_types":["authorization_code","` + grantExchange + `"]`), errInvalidMetadata, "needs a client that the operator knows"},
		{"a scope that nobody offers", with(`"scope":"read admin"`), errInvalidMetadata, "admin is not offered"},
		{"a page that is a script", with(`"client_uri":"javascript:alert(1)"`), errInvalidMetadata, "client_uri"},
		{"much", with(`"contacts":["` + strings.Repeat(`","`, 5000) + `"]`), errInvalidMetadata, "contacts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := open.registers(tt.body)
			if r.status != http.StatusBadRequest || r.body["error"] != tt.code {
				t.Fatalf("got %d %s, want %s", r.status, r.raw, tt.code)
			}
			text := r.text("error_description")
			if !strings.Contains(text, tt.names) || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
				t.Errorf("error_description is %q, want %q in it", text, tt.names)
			}
		})
		open.clock.Advance(time.Minute) // it is the metadata that is judged here
	}
	if n := open.count(kindClient); n != 0 {
		t.Errorf("%d clients were kept", n)
	}
}

func TestWhatIsKeptOfAClientIsBounded(t *testing.T) {
	ts := newTestServer(t, openTo(RegistrationOpen))
	var uris []string
	for range metadata.MaxClientItems {
		uris = append(uris, `"https://new.example/`+strings.Repeat("&", 1800)+`"`) // six times as long in our JSON
	}
	r := ts.registers(`{"token_endpoint_auth_method":"none","redirect_uris":[` + strings.Join(uris, ",") + `]}`)
	r.wants(t, 400, errInvalidMetadata)
	if !strings.Contains(r.text("error_description"), "bytes") {
		t.Errorf("got %s", r.raw)
	}
}

func TestRegistrationReadsOnlyOneKindOfRequest(t *testing.T) {
	ts := newTestServer(t, openTo(RegistrationOpen))
	for _, tt := range []struct {
		name   string
		body   string
		change option
		status int
		code   string
	}{
		{"GET", "", func(r *http.Request) { r.Method = http.MethodGet }, 405, errInvalidRequest},
		{"a form", "x=y", withField("Content-Type", "application/x-www-form-urlencoded"), 415, errInvalidRequest},
		{"no type", publicApp, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, errInvalidRequest},
		{"a query", publicApp, func(r *http.Request) { r.URL.RawQuery = "access_token=x" }, 400, errInvalidRequest},
		{"a long body", `{"a":"` + strings.Repeat("x", metadata.MaxClientBytes) + `"}`, func(*http.Request) {}, 413, errInvalidMetadata},
		{"a charset", publicApp, withField("Content-Type", "application/json; charset=utf-8"), 201, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ts.registers(tt.body, tt.change)
			if code, _ := r.body["error"].(string); r.status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s", r.status, r.raw, tt.status, tt.code)
			}
		})
	}
}

func TestWhoMayRegister(t *testing.T) {
	closed := newTestServer(t, nil)
	if r := closed.registers(publicApp); r.status != http.StatusNotFound {
		t.Errorf("closed: %d %s", r.status, r.raw)
	}
	ts := newTestServer(t, openTo(RegistrationByToken))
	for _, tt := range []struct {
		name      string
		fields    []string
		status    int
		challenge string // error in the challenge
	}{
		{"with the token", []string{"Bearer " + secretOf("registrar").Reveal()}, 201, ""},
		{"with the second token", []string{"bearer " + secretOf("second").Reveal()}, 201, ""},
		{"with nothing", nil, 401, ""},
		{"with another token", []string{"Bearer s3cr3t-that-is-wrong"}, 401, errInvalidToken},
		{"with the beginning of the token", []string{"Bearer registrar-secret"}, 401, errInvalidToken},
		{"with an empty token", []string{"Bearer "}, 401, errInvalidToken},
		{"with the token under another scheme", []string{"DPoP " + secretOf("registrar").Reveal()}, 401, errInvalidToken},
		{"with two tokens", []string{"Bearer s3cr3t-that-is-wrong", "Bearer " + secretOf("registrar").Reveal()}, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts.audited()
			r := ts.registers(publicApp, func(r *http.Request) { r.Header["Authorization"] = tt.fields })
			if r.status != tt.status {
				t.Fatalf("got %d %s, want %d", r.status, r.raw, tt.status)
			}
			challenges := holdfast.ParseChallenges(r.header.Values("WWW-Authenticate"))
			if (tt.status == 401) != (len(challenges) == 1) || len(challenges) == 1 && (!challenges[0].Is("Bearer") || challenges[0].Error != tt.challenge) {
				t.Errorf("WWW-Authenticate is %q", r.header.Values("WWW-Authenticate"))
			}
			if events := ts.audited(); len(events) != 1 || strings.Contains(events[0].Reason+string(r.raw), "s3cr3t") {
				t.Errorf("audited: %+v", events)
			}
		})
	}
}

func TestOpenRegistrationHasARate(t *testing.T) {
	ts := newTestServer(t, openTo(RegistrationOpen))
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := map[int]int{}
	for range RegistrationsPerMinute + 4 {
		wg.Go(func() {
			status := ts.registers(publicApp).status
			mu.Lock()
			defer mu.Unlock()
			done[status]++
		})
	}
	wg.Wait()
	if d := cmp.Diff(map[int]int{201: RegistrationsPerMinute, 429: 4}, done); d != "" {
		t.Errorf("statuses (-want +got):\n%s", d)
	}
	ts.clock.Advance(59*time.Second + time.Millisecond)
	if r := ts.registers(publicApp); r.status != 429 || r.header.Get("Retry-After") != "1" {
		t.Errorf("got %d, again after %q", r.status, r.header.Get("Retry-After"))
	}
	ts.clock.Advance(time.Second)
	ts.registers(publicApp).ok()
}

func TestARateSurvivesAClockThatIsSetBack(t *testing.T) {
	var r rate
	now := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	for range RegistrationsPerMinute {
		if wait := r.take(now); wait != 0 {
			t.Fatalf("wait %v", wait)
		}
	}
	if wait := r.take(now.Add(time.Second)); wait != 59*time.Second {
		t.Errorf("wait %v", wait)
	}
	if wait := r.take(now.Add(-time.Hour)); wait != 0 {
		t.Errorf("an hour back: wait %v", wait)
	}
}

func TestAStoreThatFailsRegistersNobody(t *testing.T) {
	ts := newTestServer(t, func(c *Config) {
		openTo(RegistrationOpen)(c)
		broken := &faultyStore{Store: c.Store, kind: kindClient}
		broken.down.Store(true)
		c.Store = broken
	})
	ts.registers(publicApp).wants(t, http.StatusServiceUnavailable, errUnavailable)
}

func FuzzRegistration(f *testing.F) {
	ts := newTestServer(f, openTo(RegistrationOpen))
	f.Add(publicApp)
	f.Add(`{"redirect_uris":["com.example.app:/cb"],"token_endpoint_auth_method":"client_secret_basic","jwks":{"keys":[]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		m, err := metadata.ParseClient([]byte(body))
		if err != nil {
			return
		}
		out, err := ts.clients.register(context.Background(), m, UnusedClientLifetime)
		if err != nil {
			if refusal := refusalOf(err); refusal.status >= 500 {
				t.Errorf("%s: %v", body, err)
			}
			return
		}
		k, err := ts.clients.find(context.Background(), out.ClientID)
		if err != nil {
			t.Fatalf("%s was registered and is not found: %v", body, err)
		}
		if !k.DPoPBoundTokens && !k.CertificateBoundTokens {
			t.Errorf("%s gets unbound tokens", body)
		}
	})
}
