package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/login"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// maxUserBody is the longest request about a person.
const maxUserBody = 16 << 10

// adminHandler serves authserver.Server.AdminHandler and, under the same rules:
//
//	GET    /users                  {"users":[USER]}
//	POST   /users                  {"name", "password", "display_name", "scopes", "acr"}; 201 USER
//	POST   /users/{name}/password  {"password"}; 200 USER
//	POST   /users/{name}/disable   no body; 200 USER
//	POST   /users/{name}/enable    no body; 200 USER
//	DELETE /users/{name}           200 USER as it was
//	GET    /backup                 a snapshot of the embedded store
//	POST   /reseal                 no body; seals under the first sealing key what
//	                               another one sealed; {"resealed":N}
//
//	USER  {"name", "subject", "display_name", "scopes", "acr", "disabled", "created", "password_changed"}
//
// What somebody who is disabled or removed, or whose password was changed, has
// been granted is revoked by POST /revoke with the subject.
func (g *program) adminHandler() http.Handler {
	m := http.NewServeMux()
	m.Handle("/", g.server.AdminHandler())
	m.Handle("/users", g.withUsers(map[string]userOperation{http.MethodGet: g.listUsers, http.MethodPost: g.addUser}))
	m.Handle("/users/{name}", g.withUsers(map[string]userOperation{http.MethodDelete: g.removeUser}))
	m.Handle("/users/{name}/password", g.withUsers(map[string]userOperation{http.MethodPost: g.setPassword}))
	m.Handle("/users/{name}/disable", g.withUsers(map[string]userOperation{http.MethodPost: g.disableUser}))
	m.Handle("/users/{name}/enable", g.withUsers(map[string]userOperation{http.MethodPost: g.enableUser}))
	m.HandleFunc("GET /backup", g.backup)
	m.HandleFunc("POST /reseal", g.reseal)
	return localOnly(m)
}

// localOnly refuses what a browser sends for some page: to a name that was
// pointed at this machine, or with an Origin.
func localOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || !fetch.Loopback(host) {
			writeAdmin(w, http.StatusForbidden, adminError{"access_denied", "the administration is not for browsers, want the Host localhost and no Origin"})
			return
		}
		h.ServeHTTP(w, r)
	})
}

// adminError has the members of RFC 6749 section 5.2.
type adminError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func writeAdmin(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the peer has gone away otherwise
}

// user is a login.Account on the wire.
type user struct {
	Name            string    `json:"name"`
	Subject         string    `json:"subject"`
	DisplayName     string    `json:"display_name,omitempty"`
	Scopes          []string  `json:"scopes,omitzero"`
	ACR             string    `json:"acr,omitempty"`
	Disabled        bool      `json:"disabled,omitempty"`
	Created         time.Time `json:"created"`
	PasswordChanged time.Time `json:"password_changed"`
}

func userOf(a login.Account) user {
	return user{a.Name, a.Subject, a.DisplayName, a.Scopes, a.ACR, a.Disabled, a.Created, a.PasswordChanged}
}

// userOperation does one thing about people and returns the answer, and the
// person whom it changed.
type userOperation func(r *http.Request) (status int, answer any, changed *login.Account, err error)

// withUsers answers by method, and records changes.
func (g *program) withUsers(operations map[string]userOperation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		do, ok := operations[r.Method]
		if !ok {
			writeAdmin(w, http.StatusMethodNotAllowed, adminError{"invalid_request", "the method " + r.Method + " is not for " + r.URL.Path})
			return
		}
		if g.users == nil {
			writeAdmin(w, http.StatusConflict, adminError{"invalid_request", "this server has no users of its own: the setting users is not on"})
			return
		}
		status, answer, changed, err := do(r)
		if r.Method != http.MethodGet {
			g.recordUser(r, changed, err)
		}
		if err != nil {
			status, answer = refusalOf(err)
		}
		writeAdmin(w, status, answer)
	})
}

// refusalOf is the answer to an error: what is not a failure of ours is about
// the request.
func refusalOf(err error) (int, adminError) {
	var failed *storeFailure
	var busy *authserver.TooManyAttempts
	switch {
	case errors.As(err, &failed), errors.As(err, &busy), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, adminError{"temporarily_unavailable", "it is not known whether the change was made, the log says why"}
	case errors.Is(err, login.ErrNoUser):
		return http.StatusNotFound, adminError{"invalid_request", err.Error()}
	case errors.Is(err, login.ErrExists):
		return http.StatusConflict, adminError{"invalid_request", err.Error()}
	}
	return http.StatusBadRequest, adminError{"invalid_request", err.Error()}
}

func (g *program) recordUser(r *http.Request, changed *login.Account, err error) {
	e := authserver.Event{Time: time.Now(), Endpoint: "admin", Decision: "granted", Reason: r.Method + " " + r.Pattern, Remote: r.RemoteAddr}
	if changed != nil {
		e.Subject = changed.Subject
	}
	if err != nil {
		status, answer := refusalOf(err)
		e.Decision, e.Error, e.Reason = "refused", answer.Error, e.Reason+": "+err.Error()
		if status == http.StatusServiceUnavailable {
			e.Decision = "unavailable"
		}
	}
	g.records.record(r.Context(), e)
}

func (g *program) listUsers(r *http.Request) (int, any, *login.Account, error) {
	list := struct {
		Users     []user `json:"users"`
		Truncated bool   `json:"truncated,omitempty"`
	}{Users: []user{}}
	for a, err := range g.users.List(r.Context()) {
		if err != nil {
			return 0, nil, nil, err
		}
		if len(list.Users) == authserver.MaxAdminEntries {
			list.Truncated = true
			break
		}
		list.Users = append(list.Users, userOf(a))
	}
	return http.StatusOK, list, nil, nil
}

// readUser reads a body that has the members and no others, all of them
// optional: texts, and the list scopes.
func readUser(r *http.Request, members ...string) (a login.Account, password holdfast.Secret, err error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return a, password, errors.New("the body is not application/json")
	}
	body, err := fetch.ReadAll(r.Body, maxUserBody)
	if err != nil {
		return a, password, err
	}
	o, err := strictjson.Parse(string(body), maxUserBody)
	if err != nil {
		return a, password, err
	}
	texts := map[string]func(string){
		"name":         func(s string) { a.Name = s },
		"password":     func(s string) { password = holdfast.NewSecret(s) },
		"display_name": func(s string) { a.DisplayName = s },
		"acr":          func(s string) { a.ACR = s },
	}
	known := map[string]bool{}
	for _, m := range members {
		known[m] = true
	}
	for name, v := range o.All() {
		text, isText := v.Text()
		list, isList := textsOf(v)
		switch set := texts[name]; {
		case !known[name]:
			err = fmt.Errorf("member %.40q is not known here", name)
		case set != nil && isText:
			set(text)
		case name == "scopes" && isList:
			a.Scopes = list
		default:
			err = fmt.Errorf("member %s has the wrong type", name)
		}
		if err != nil {
			return a, password, err
		}
	}
	return a, password, nil
}

// textsOf returns an array of texts.
func textsOf(v strictjson.Value) (list []string, ok bool) {
	array, ok := v.Array()
	if !ok {
		return nil, false
	}
	list = make([]string, 0, len(array))
	for _, v := range array {
		text, ok := v.Text()
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

func (g *program) addUser(r *http.Request) (int, any, *login.Account, error) {
	a, password, err := readUser(r, "name", "password", "display_name", "scopes", "acr")
	if err != nil {
		return 0, nil, nil, err
	}
	return changed(http.StatusCreated)(g.users.Add(r.Context(), a, password))
}

func (g *program) setPassword(r *http.Request) (int, any, *login.Account, error) {
	_, password, err := readUser(r, "password")
	if err != nil {
		return 0, nil, nil, err
	}
	return changed(http.StatusOK)(g.users.SetPassword(r.Context(), r.PathValue("name"), password))
}

func (g *program) disableUser(r *http.Request) (int, any, *login.Account, error) {
	return changed(http.StatusOK)(g.users.Disable(r.Context(), r.PathValue("name")))
}

func (g *program) enableUser(r *http.Request) (int, any, *login.Account, error) {
	return changed(http.StatusOK)(g.users.Enable(r.Context(), r.PathValue("name")))
}

func (g *program) removeUser(r *http.Request) (int, any, *login.Account, error) {
	return changed(http.StatusOK)(g.users.Remove(r.Context(), r.PathValue("name")))
}

// changed is the answer to a change.
func changed(status int) func(login.Account, error) (int, any, *login.Account, error) {
	return func(a login.Account, err error) (int, any, *login.Account, error) {
		if err != nil {
			return 0, nil, nil, err
		}
		return status, userOf(a), &a, nil
	}
}
