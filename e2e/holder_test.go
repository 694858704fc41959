package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// errAway says that there was no answer, or a 503: nobody knows what was done.
var errAway = errors.New("no answer")

// holder speaks to replicas by hand, one request at a time, so that a test sees
// each answer. One goroutine.
type holder struct {
	t     testing.TB
	key   *holdfast.Key
	jar   http.CookieJar
	nonce string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   map[string]any
	page   string
}

func (a *answer) text(name string) string { s, _ := a.body[name].(string); return s }

func newHolder(t testing.TB) *holder {
	t.Helper()
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &holder{t: t, key: key, jar: jar}
}

// send asks a replica; errAway if it is not there.
func (h *holder) send(r *replica, q *http.Request) (*answer, error) {
	c := *r.client
	c.Jar = h.jar
	resp, err := c.Do(q)
	if err != nil {
		return nil, errAway
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusServiceUnavailable {
		return nil, errAway
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, page: string(text)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &a.body); err != nil {
			return nil, fmt.Errorf("%s: %w", q.URL.Path, err)
		}
	}
	if n := resp.Header.Get("DPoP-Nonce"); n != "" {
		h.nonce = n
	}
	return a, nil
}

// post sends a form with a new proof, and once more after a nonce challenge.
func (h *holder) post(r *replica, path string, form url.Values, id, secret string) (*answer, error) {
	for range 3 {
		target, _ := url.Parse(replicaIssuer + path)
		proof, err := h.key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: target, Nonce: h.nonce})
		if err != nil {
			return nil, err
		}
		a, err := h.postProof(r, path, form, id, secret, proof)
		if err != nil || a.text("error") != "use_dpop_nonce" {
			return a, err
		}
	}
	return nil, fmt.Errorf("%s: challenged three times", path)
}

func (h *holder) postProof(r *replica, path string, form url.Values, id, secret, proof string) (*answer, error) {
	q, err := http.NewRequest(http.MethodPost, replicaIssuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("DPoP", proof)
	if secret != "" {
		q.SetBasicAuth(id, secret)
	}
	return h.send(r, q)
}

func (h *holder) get(r *replica, address string) (*answer, error) {
	q, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return h.send(r, q)
}

// flow is one authorization under way.
type flow struct{ handle, verifier, code string }

// push pushes an authorization request.
func (h *holder) push(r *replica) (*flow, error) {
	f := &flow{verifier: rand.Text() + rand.Text()}
	sum := sha256.Sum256([]byte(f.verifier))
	a, err := h.post(r, "/par", url.Values{
		"client_id": {replicaApp}, "response_type": {"code"}, "redirect_uri": {replicaCallback}, "scope": {"read"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}, replicaApp, "")
	if err != nil {
		return nil, err
	}
	if f.handle = a.text("request_uri"); a.status != http.StatusCreated || f.handle == "" {
		return nil, fmt.Errorf("push: %d %v", a.status, a.body)
	}
	return f, nil
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	formTicket = regexp.MustCompile(`name="ticket" value="([^"]+)"`)
)

// authorize takes a pushed request to a code, logging in where it is asked to.
func (h *holder) authorize(r *replica, f *flow) error {
	address := replicaIssuer + "/authorize?" + url.Values{"client_id": {replicaApp}, "request_uri": {f.handle}}.Encode()
	for range 6 {
		a, err := h.get(r, address)
		if err != nil {
			return err
		}
		if a.status == http.StatusOK {
			if a, err = h.submit(r, a.page); err != nil {
				return err
			}
		}
		if a.status != http.StatusSeeOther && a.status != http.StatusFound {
			return fmt.Errorf("authorize: %d %s", a.status, errorOf(a.page))
		}
		address = a.header.Get("Location")
		if strings.HasPrefix(address, replicaCallback) {
			back, _ := url.Parse(address)
			if f.code = back.Query().Get("code"); f.code == "" {
				if back.Query().Get("error") == "temporarily_unavailable" { // what a 503 is called in a redirect
					return errAway
				}
				return fmt.Errorf("authorize: %s", back.Query().Get("error"))
			}
			return nil
		}
		if strings.HasPrefix(address, "/") {
			address = replicaIssuer + address
		}
	}
	return errors.New("authorize: no code after six steps")
}

// submit fills in the login page.
func (h *holder) submit(r *replica, page string) (*answer, error) {
	action, ticket := formAction.FindStringSubmatch(page), formTicket.FindStringSubmatch(page)
	if action == nil || ticket == nil {
		return nil, fmt.Errorf("there is no form with a ticket on the page")
	}
	form := url.Values{"ticket": {html.UnescapeString(ticket[1])}, "username": {"alice"}, "password": {alicePassword}}
	target := html.UnescapeString(action[1])
	if strings.HasPrefix(target, "/") {
		target = replicaIssuer + target
	}
	q, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.send(r, q)
}

var pageError = regexp.MustCompile(`invalid_[a-z_]+`)

// errorOf is the OAuth error that an error page names.
func errorOf(page string) string { return pageError.FindString(page) }

// redeem exchanges the code. The status says whether it was accepted.
func (h *holder) redeem(r *replica, f *flow) (*answer, error) {
	return h.post(r, "/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {replicaApp}, "code": {f.code},
		"redirect_uri": {replicaCallback}, "code_verifier": {f.verifier},
	}, replicaApp, "")
}

func (h *holder) refresh(r *replica, token string) (*answer, error) {
	return h.post(r, "/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {replicaApp}, "refresh_token": {token},
	}, replicaApp, "")
}

// introspect asks as the API whether an access token is active.
func (h *holder) introspect(r *replica, token string) (bool, error) {
	a, err := h.post(r, "/introspect", url.Values{"token": {token}}, replicaBatch, batchSecret)
	if err != nil {
		return false, err
	}
	active, ok := a.body["active"].(bool)
	if !ok {
		return false, fmt.Errorf("introspect: %d %v", a.status, a.body)
	}
	return active, nil
}

// gate lets workers wait until a server is back.
type gate struct {
	mu   sync.Mutex
	cond *sync.Cond
	turn int
}

func newGate() *gate { g := &gate{}; g.cond = sync.NewCond(&g.mu); return g }

// now returns the turn, to be awaited after a failure that follows.
func (g *gate) now() int { g.mu.Lock(); defer g.mu.Unlock(); return g.turn }

// open says that the server is back.
func (g *gate) open() { g.mu.Lock(); g.turn++; g.mu.Unlock(); g.cond.Broadcast() }

// after waits until the turn is later than the given one.
func (g *gate) after(turn int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.turn <= turn {
		g.cond.Wait()
	}
}
