package issuer

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const withAdmin = `admin: {address: "127.0.0.1:0"}`

func TestUsersAreManaged(t *testing.T) {
	s := start(t, with(inMemory, withAdmin))
	expect := func(method, path, body string, status int, has string) string {
		t.Helper()
		got, text := s.admin(method, path, body, nil)
		if got != status || !strings.Contains(text, has) {
			t.Errorf("%s %s is answered with %d %s, want %d %s", method, path, got, text, status, has)
		}
		return text
	}
	expect(http.MethodGet, "/users", "", 200, `{"users":[]}`)
	text := expect(http.MethodPost, "/users", `{"name":"Alice","password":"password-of-alice","scopes":["read"],"display_name":"A","acr":"1"}`, 201, `"name":"alice"`)
	if strings.Contains(text, "password-of-alice") || strings.Contains(text, "argon2") {
		t.Errorf("the answer is %s", text)
	}
	var alice user
	if err := json.Unmarshal([]byte(text), &alice); err != nil || alice.Subject == "" || alice.Scopes[0] != "read" || alice.DisplayName != "A" || alice.ACR != "1" {
		t.Errorf("got %+v, %v", alice, err)
	}
	expect(http.MethodPost, "/users", `{"name":"alice","password":"password-of-alice"}`, 409, "there is a user of this name")
	expect(http.MethodPost, "/users/alice/password", `{"password":"another-password"}`, 200, alice.Subject)
	expect(http.MethodPost, "/users/alice/disable", "", 200, `"disabled":true`)
	expect(http.MethodPost, "/users/alice/enable", "", 200, alice.Subject)
	expect(http.MethodDelete, "/users/alice", "", 200, alice.Subject)
	expect(http.MethodDelete, "/users/alice", "", 404, "there is no user of this name")
	expect(http.MethodPost, "/users/alice/disable", "", 404, "there is no user of this name")
	expect(http.MethodGet, "/signing-keys", "", 200, `"state":"signing"`)
	expect(http.MethodGet, "/backup", "", 409, "the store is not an embedded one")
	s.end()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	log := s.audit.String()
	if n := strings.Count(log, `"subject":"`+alice.Subject+`"`); n != 5 {
		t.Errorf("%d changes are in the audit log, want 5:\n%s", n, log)
	}
	for _, secret := range []string{"password-of-alice", "another-password", "argon2"} {
		if strings.Contains(log, secret) || strings.Contains(s.log.String(), secret) {
			t.Errorf("%s is in a log", secret)
		}
	}
}

func TestUserRequestsAreStrict(t *testing.T) {
	s := start(t, with(inMemory, withAdmin))
	for _, c := range []struct {
		name, method, path, body string
		edit                     func(*http.Request)
		status                   int
		want                     string
	}{
		{"an unknown member", "POST", "/users", `{"name":"bob","pasword":"x"}`, nil, 400, `member \"pasword\" is not known here`},
		{"a member of another operation", "POST", "/users/bob/password", `{"name":"bob"}`, nil, 400, `member \"name\" is not known here`},
		{"a member that is there twice", "POST", "/users", `{"name":"bob","name":"eve"}`, nil, 400, "duplicate member"},
		{"a number for a name", "POST", "/users", `{"name":1}`, nil, 400, "member name has the wrong type"},
		{"a text for a list", "POST", "/users", `{"scopes":"read"}`, nil, 400, "member scopes has the wrong type"},
		{"a list of something else", "POST", "/users", `{"scopes":[1]}`, nil, 400, "member scopes has the wrong type"},
		{"no JSON", "POST", "/users", `name=bob`, nil, 400, "invalid_request"},
		{"another content type", "POST", "/users", `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, "the body is not application/json"},
		{"too much", "POST", "/users", `{"name":"` + strings.Repeat("x", maxUserBody) + `"}`, nil, 400, "invalid_request"},
		{"a bad name", "POST", "/users", `{"name":"b ob","password":"long-enough"}`, nil, 400, "name"},
		{"a short password", "POST", "/users", `{"name":"bob","password":"short"}`, nil, 400, "password: 5 bytes, 8 to 1024 are needed"},
		{"another method", "PUT", "/users", `{}`, nil, 405, "the method PUT is not for /users"},
		{"a page of another site", "GET", "/users", "", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "not for browsers"},
		{"a page of this machine", "GET", "/users", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 403, "not for browsers"},
		{"a name that was pointed here", "GET", "/users", "", func(r *http.Request) { r.Host = "evil.example" }, 403, "not for browsers"},
		{"the same for a backup", "GET", "/backup", "", func(r *http.Request) { r.Host = "evil.example:80" }, 403, "not for browsers"},
		{"and for what the server itself does", "GET", "/clients", "", func(r *http.Request) { r.Host = "127.0.0.1.evil.example" }, 403, "not for browsers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := s.admin(c.method, c.path, c.body, c.edit)
			if status != c.status || !strings.Contains(text, c.want) {
				t.Errorf("answered with %d %s, want %d %s", status, text, c.status, c.want)
			}
		})
	}
	if _, text := s.admin("GET", "/users", "", nil); text != "{\"users\":[]}\n" {
		t.Errorf("somebody was added: %s", text)
	}
}

func TestAServerWithoutUsersSaysSo(t *testing.T) {
	s := start(t, with(strings.Replace(inMemory, "users: true", "users: false", 1), withAdmin))
	if status, text := s.admin("GET", "/users", "", nil); status != http.StatusConflict || !strings.Contains(text, "this server has no users of its own") {
		t.Errorf("answered with %d %s", status, text)
	}
}
