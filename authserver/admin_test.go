package authserver

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// adminTest is a server whose administration listens on loopback.
type adminTest struct {
	*testServer
	listener *httptest.Server
}

func newAdminTest(t *testing.T, edit func(*Config)) *adminTest {
	t.Helper()
	ts := newTestServer(t, edit)
	h := httptest.NewServer(ts.AdminHandler())
	t.Cleanup(h.Close)
	return &adminTest{ts, h}
}

// ask sends a request with a JSON body; "" is none.
func (at *adminTest) ask(method, path, body string, options ...option) *reply {
	at.t.Helper()
	r, err := http.NewRequest(method, at.listener.URL+path, strings.NewReader(body))
	if err != nil {
		at.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(r)
	}
	return at.send(at.listener.Client(), r)
}

// list returns the objects of a list.
func (at *adminTest) list(path, name string) []map[string]any {
	at.t.Helper()
	answer := at.ask(http.MethodGet, path, "").ok()
	all, ok := answer.body[name].([]any)
	if !ok {
		at.t.Fatalf("answer %s has no %s", answer.raw, name)
	}
	out := make([]map[string]any, len(all))
	for i, one := range all {
		out[i] = one.(map[string]any)
	}
	return out
}

func (r *reply) wantStatus(want int) *reply {
	r.t.Helper()
	if r.status != want {
		r.t.Errorf("answer is %d %s, want %d", r.status, r.raw, want)
	}
	return r
}

func TestTheAdministrationIsNotForBrowsers(t *testing.T) {
	at := newAdminTest(t, nil)
	host := func(name string) option { return func(r *http.Request) { r.Host = name } }
	field := func(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }
	for _, tt := range []struct {
		name   string
		option option
		want   int
	}{
		{"a command", func(*http.Request) {}, http.StatusOK},
		{"by the name of the machine", host("localhost:8080"), http.StatusOK},
		{"by its IPv6 address", host("[::1]:8080"), http.StatusOK},
		{"a script of a page", field("Origin", "https://evil.example"), http.StatusForbidden},
		{"a script of a page on this machine", field("Origin", "http://127.0.0.1"), http.StatusForbidden},
		{"a page without an origin", field("Origin", "null"), http.StatusForbidden},
		{"a name that was made to point here", host("evil.example"), http.StatusForbidden},
		{"such a name with a port", host("evil.example:8080"), http.StatusForbidden},
		{"a name that begins like ours", host("localhost.evil.example"), http.StatusForbidden},
		{"an address of the network", host("10.0.0.1"), http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at.ask(http.MethodGet, "/clients", "", tt.option).wantStatus(tt.want)
		})
	}
	for _, e := range at.audited() {
		if e.Endpoint != "admin" || e.Decision != "refused" {
			t.Errorf("event %+v", e)
		}
	}
	if got := at.ask(http.MethodGet, "/clients", ""); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("scripts may read the answer")
	}
}

func TestTheAdministrationOnASocket(t *testing.T) {
	ts := newTestServer(t, nil)
	path := filepath.Join(t.TempDir(), "admin")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewUnstartedServer(ts.AdminHandler())
	_ = h.Listener.Close()
	h.Listener = l
	h.Start()
	defer h.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, "http://socket/clients", nil)
	if err != nil {
		t.Fatal(err)
	}
	ts.send(&http.Client{Transport: transport}, r).wantStatus(http.StatusOK)
}

func TestBodiesOfTheAdministrationAreChecked(t *testing.T) {
	at := newAdminTest(t, nil)
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
		text                     string
	}{
		{"a form", "POST", "/revoke", "user=alice", http.StatusUnsupportedMediaType, "Content-Type"},
		{"no JSON", "POST", "/revoke", "{", http.StatusBadRequest, "JSON object"},
		{"an array", "POST", "/revoke", "[]", http.StatusBadRequest, "JSON object"},
		{"a member twice", "POST", "/revoke", `{"user":"alice","user":"bob"}`, http.StatusBadRequest, "JSON object"},
		{"a member that is not known", "POST", "/revoke", `{"usr":"alice"}`, http.StatusBadRequest, "usr is not known"},
		{"a member that is no text", "POST", "/revoke", `{"user":7}`, http.StatusBadRequest, "user is not text"},
		{"nobody", "POST", "/revoke", `{"reason":"x"}`, http.StatusBadRequest, "0 of user, client, session, thumbprint, token"},
		{"two at once", "POST", "/revoke", `{"user":"alice","client":"web"}`, http.StatusBadRequest, "2 of user"},
		{"an empty name", "POST", "/revoke", `{"user":""}`, http.StatusBadRequest, "0 of user"},
		{"no body", "POST", "/revoke", "", http.StatusBadRequest, "0 of user"},
		{"a thumbprint that is none", "POST", "/revoke", `{"thumbprint":"x"}`, http.StatusBadRequest, "43 characters"},
		{"a long reason", "POST", "/revoke", `{"user":"alice","reason":"` + strings.Repeat("x", MaxAdminText+1) + `"}`, http.StatusBadRequest, "longer than 200"},
		{"a long name", "POST", "/revoke", `{"user":"` + strings.Repeat("x", MaxAdminValue+1) + `"}`, http.StatusBadRequest, "longer than 2048"},
		{"a huge body", "POST", "/revoke", `{"user":"` + strings.Repeat("x", MaxAdminBytes) + `"}`, http.StatusRequestEntityTooLarge, "longer than 65536"},
		{"a block by user", "POST", "/blocks", `{"user":"alice"}`, http.StatusBadRequest, "user is not known"},
		{"an unknown parameter", "DELETE", "/blocks?usr=x", "", http.StatusBadRequest, "usr is not known"},
		{"a repeated parameter", "DELETE", "/blocks?client=x&client=y", "", http.StatusBadRequest, "client is repeated"},
		{"nobody is unblocked", "DELETE", "/blocks", "", http.StatusBadRequest, "0 of thumbprint, client"},
		{"somebody who is not blocked", "DELETE", "/blocks?client=web", "", http.StatusNotFound, "not blocked"},
		{"no subject", "GET", "/sessions", "", http.StatusBadRequest, "subject"},
		{"a key that is not there", "POST", "/signing-keys/x/retire", "", http.StatusNotFound, "signing key"},
		{"a client that is not there", "DELETE", "/clients/x", "", http.StatusNotFound, "no such client"},
		{"a client of the configuration", "DELETE", "/clients/web", "", http.StatusConflict, "configuration"},
		{"metadata that is not allowed", "POST", "/clients", `{"redirect_uris":["http://evil.example/cb"]}`, http.StatusBadRequest, "redirect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := at.ask(tt.method, tt.path, tt.body, func(r *http.Request) {
				if tt.name == "a form" {
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
			}).wantStatus(tt.want)
			if text, _ := got.body["error_description"].(string); !strings.Contains(text, tt.text) {
				t.Errorf("error_description is %q, want %q", text, tt.text)
			}
		})
	}
	if got := at.ask(http.MethodPut, "/clients", ""); got.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT is answered with %d", got.status)
	}
}

func TestClientsAreManaged(t *testing.T) {
	at := newAdminTest(t, nil)
	made := at.ask(http.MethodPost, "/clients", `{"client_name":"reports","redirect_uris":["https://reports.example/cb"],"grant_types":["authorization_code","refresh_token","client_credentials"],"scope":"read"}`).wantStatus(http.StatusCreated)
	id, secret := made.text("client_id"), made.text("client_secret")
	sources := map[any]any{}
	for _, c := range at.list("/clients", "clients") {
		sources[c["client_id"]] = c["source"]
		if c["client_secret"] != nil || c["Secrets"] != nil {
			t.Errorf("client %v is listed with a secret", c["client_id"])
		}
	}
	if len(sources) != 6 || sources[webID] != "configuration" || sources[id] != "registration" {
		t.Errorf("clients are %v", sources)
	}
	key := newKey(t)
	basic := func(r *http.Request) { r.SetBasicAuth(id, secret) }
	access := at.post(pathToken, form("grant_type", grantClient), basic, at.proof(key)).ok().text("access_token")
	seen := at.list("/clients/"+id+"/keys", "keys")
	now := at.now().UTC().Format(time.RFC3339)
	if len(seen) != 1 || seen[0]["kind"] != "jkt" || seen[0]["thumbprint"] != key.Thumbprint().String() || seen[0]["first"] != now || seen[0]["last"] != now {
		t.Errorf("keys are %v", seen)
	}

	at.audited()
	if got := at.ask(http.MethodDelete, "/clients/"+id+"?by=bob&reason=gone", "").wantStatus(http.StatusNoContent); len(got.raw) != 0 {
		t.Errorf("body %q", got.raw)
	}
	if e := at.audited(); len(e) != 1 || e[0].Client != id || e[0].Decision != "granted" || !strings.Contains(e[0].Reason, "by bob: gone") {
		t.Errorf("events %+v", e)
	}
	at.post(pathToken, form("grant_type", grantClient), basic, at.proof(key)).refused(errInvalidClient)
	at.introspected(access).wantInactive()
	if got := at.list("/clients", "clients"); len(got) != 5 {
		t.Errorf("%d clients are left", len(got))
	}
}

func TestSigningKeysAreManaged(t *testing.T) {
	at := newAdminTest(t, nil)
	raw, _ := at.minted(plain())
	keys := at.list("/signing-keys", "keys")
	if len(keys) != 1 || keys[0]["state"] != "signing" || keys[0]["alg"] != "ES256" || keys[0]["from"] == nil || keys[0]["until"] != nil {
		t.Fatalf("keys are %v", keys)
	}
	kid := keys[0]["kid"].(string)
	rotated := at.ask(http.MethodPost, "/signing-keys/rotate", `{"by":"bob"}`).ok()
	all := rotated.body["keys"].([]any)
	if len(all) != 2 || all[1].(map[string]any)["state"] != "pending" || all[0].(map[string]any)["until"] == nil {
		t.Errorf("keys are %s", rotated.raw)
	}
	if got := at.introspected(raw.Reveal()).ok(); got.body["active"] != true {
		t.Error("a rotation ended a token")
	}
	at.audited()
	at.ask(http.MethodPost, "/signing-keys/"+kid+"/retire", `{"reason":"leaked"}`).ok()
	if e := at.audited(); len(e) != 1 || e[0].Reason != `POST /signing-keys/{kid}/retire "`+kid+`": leaked` {
		t.Errorf("events are %+v", e)
	}
	at.introspected(raw.Reveal()).wantInactive()
	if text := string(at.document(pathJWKS).raw); strings.Contains(text, kid) {
		t.Error("the retired key is published")
	}
	next, _ := at.minted(plain())
	if got := at.introspected(next.Reveal()).ok(); got.body["active"] != true {
		t.Error("the next key does not work at once")
	}
}

func TestSessionsAreListedUntilTheyAreRevoked(t *testing.T) {
	at := newAdminTest(t, nil)
	begin := func(id, subject string) {
		v := sessionRecord{ID: id, Person: Person{Subject: subject}, Started: at.now(), Through: "password"}
		if err := create(t.Context(), at.store, kindSession, keyOf(id), subject, at.now().Add(time.Hour), v); err != nil {
			t.Fatal(err)
		}
	}
	begin("s1", "alice")
	begin("s2", "alice")
	begin("s3", "bob")
	if got := at.list("/sessions?subject=alice", "sessions"); len(got) != 2 || got[0]["subject"] != "alice" || got[0]["through"] != "password" || got[0]["started"] == nil || got[0]["expires"] == nil {
		t.Errorf("sessions are %v", got)
	}
	got := at.ask(http.MethodPost, "/revoke", `{"session":"s1","reason":"lost phone"}`).ok()
	if got.body["session"] != "s1" || got.body["reason"] != "lost phone" || got.body["before"] != at.now().UTC().Format(time.RFC3339) {
		t.Errorf("answer is %s", got.raw)
	}
	if got := at.list("/sessions?subject=alice", "sessions"); len(got) != 1 || got[0]["session"] != "s2" {
		t.Errorf("sessions are %v", got)
	}
	at.ask(http.MethodPost, "/revoke", `{"user":"alice"}`).ok()
	if got := at.list("/sessions?subject=alice", "sessions"); len(got) != 0 {
		t.Errorf("sessions are %v", got)
	}
	if got := at.list("/sessions?subject=bob", "sessions"); len(got) != 1 {
		t.Errorf("sessions are %v", got)
	}
	if got := at.list("/cutoffs", "cutoffs"); len(got) != 2 {
		t.Errorf("cut-offs are %v", got)
	}
}

func TestTokensAreRevokedByTheAdministration(t *testing.T) {
	at := newAdminTest(t, nil)
	reference := plain()
	reference.Resource = filesID
	a, _ := at.minted(plain())
	b, _ := at.minted(reference)
	refresh := at.tokens(webID, newKey(t)).text("refresh_token")
	at.audited()
	for _, raw := range []string{a.Reveal(), b.Reveal(), refresh, "unknown", "a.b.c"} {
		at.ask(http.MethodPost, "/revoke", `{"token":"`+raw+`","by":"bob"}`).ok()
	}
	at.introspected(a.Reveal()).wantInactive()
	at.introspected(b.Reveal()).wantInactive()
	at.introspected(refresh, as(webID)).wantInactive()
	for _, e := range at.audited() {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{a.Reveal(), b.Reveal(), refresh} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("an event holds a token: %s", e.Endpoint)
			}
		}
	}
}

func TestBlocksAreManaged(t *testing.T) {
	at := newAdminTest(t, nil)
	jkt := someone().String()
	got := at.ask(http.MethodPost, "/blocks", `{"thumbprint":"`+jkt+`","reason":"stolen","by":"bob"}`).ok()
	if got.body["thumbprint"] != jkt || got.body["at"] == nil || got.body["reason"] != "stolen" || got.body["by"] != "bob" {
		t.Errorf("answer is %s", got.raw)
	}
	if e := at.audited(); len(e) != 1 || e[0].Holder != someone() || e[0].Endpoint != "admin" || e[0].Reason != "POST /blocks thumbprint, by bob: stolen" {
		t.Errorf("events are %+v", e)
	}
	at.ask(http.MethodPost, "/blocks", `{"thumbprint":"`+jkt+`","reason":"again"}`).ok()
	at.ask(http.MethodPost, "/blocks", `{"client":"web"}`).ok()
	blocks := at.list("/blocks", "blocks")
	if len(blocks) != 2 {
		t.Fatalf("blocks are %v", blocks)
	}
	for _, b := range blocks {
		if b["thumbprint"] != nil && b["reason"] != "stolen" {
			t.Errorf("the reason of the first block is lost: %v", b)
		}
	}
	at.ask(http.MethodDelete, "/blocks?thumbprint="+jkt, "").wantStatus(http.StatusNoContent)
	if blocks := at.list("/blocks", "blocks"); len(blocks) != 1 || blocks[0]["client"] != webID {
		t.Errorf("blocks are %v", blocks)
	}
}

func TestListsOfTheAdministrationEnd(t *testing.T) {
	ts := newTestServer(t, nil)
	for _, user := range []string{"alice", "bob", "carol"} {
		ts.cut(byUser, user)
	}
	all, more, err := listed[cutoffRecord](t.Context(), ts.store, kindCutoff, "", 2)
	if err != nil || len(all) != 2 || !more {
		t.Errorf("%d records, more %v, %v", len(all), more, err)
	}
	if m := page("cutoffs", all, more, func(e *entry[cutoffRecord]) string { return e.Value.Value }); m["truncated"] != true {
		t.Errorf("page %v does not say that it ends", m)
	}
}

func TestTheAdministrationIsUnavailableWithTheStore(t *testing.T) {
	away := &awayStore{}
	at := newAdminTest(t, func(c *Config) { away.Store = c.Store; c.Store = away })
	away.away.Store(true)
	for _, tt := range [][3]string{
		{"GET", "/clients", ""},
		{"POST", "/clients", `{"redirect_uris":["https://reports.example/cb"],"token_endpoint_auth_method":"none"}`},
		{"DELETE", "/clients/x", ""},
		{"GET", "/clients/web/keys", ""},
		{"POST", "/signing-keys/rotate", ""},
		{"POST", "/signing-keys/x/retire", ""},
		{"GET", "/sessions?subject=alice", ""},
		{"POST", "/revoke", `{"user":"alice"}`},
		{"POST", "/revoke", `{"token":"x"}`},
		{"GET", "/cutoffs", ""},
		{"GET", "/blocks", ""},
		{"POST", "/blocks", `{"client":"web"}`},
		{"DELETE", "/blocks?client=web", ""},
	} {
		at.ask(tt[0], tt[1], tt[2]).wantStatus(http.StatusServiceUnavailable)
	}
	for _, e := range at.audited() {
		if e.Decision != "unavailable" {
			t.Errorf("event %+v", e)
		}
	}
}

// FuzzAdminBody: whatever is sent, a request is about at most one thing, which is
// known, and reason and by are short.
func FuzzAdminBody(f *testing.F) {
	f.Add(`{"user":"alice","reason":"x"}`)
	f.Add(`{"thumbprint":"` + holdfast.Thumbprint{1}.String() + `"}`)
	f.Add(`{"token":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/revoke", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		values, o, err := adminBody(r, byUser, byThumbprint)
		if err != nil {
			return
		}
		if len(o.Reason) > MaxAdminText || len(o.By) > MaxAdminText {
			t.Error("a long reason is taken")
		}
		if d, value, err := aboutOne(values, byUser, byThumbprint); err == nil && (d != byUser && d != byThumbprint || value == "") {
			t.Errorf("about %q", d)
		}
	})
}

// What the administration lists of a client is what was registered: the type has
// no place for a secret.
func TestAListedClientHasNoPlaceForASecret(t *testing.T) {
	text, err := json.Marshal(clientState{metadata.Client{ClientID: "x"}, "configuration"})
	if err != nil || string(text) != `{"client_id":"x","source":"configuration"}` {
		t.Errorf("%s, %v", text, err)
	}
}

// Where anybody may register, strangers' clients are forgotten unless somebody
// uses them; the operator's are not.
func TestAClientOfTheOperatorStays(t *testing.T) {
	at := newAdminTest(t, openTo(RegistrationOpen))
	added := at.ask(http.MethodPost, "/clients", `{"grant_types":["client_credentials"],"response_types":[],"token_endpoint_auth_method":"client_secret_basic"}`).wantStatus(http.StatusCreated)
	at.clock.Advance(UnusedClientLifetime + time.Hour)
	if k, err := at.clients.find(t.Context(), added.text("client_id")); k == nil || err != nil {
		t.Errorf("a day later there is %v, %v", k, err)
	}
}
