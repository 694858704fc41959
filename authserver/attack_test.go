package authserver

import (
	"context"
	"crypto/sha256"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/store"
)

// RFC 8693 section 2.1: without authentication whoever has a token could have
// it exchanged.
func TestAPublicClientIsNoWayToAnotherKeyForTokensOfOthers(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) {
		app := configured(t, c, appID)
		app.GrantTypes, app.MayExchange = append(app.GrantTypes, grantExchange), true
	})
	thief := newKey(t)
	for _, client := range []string{webID, appID} {
		stolen := ts.tokens(client, newKey(t))
		ts.post(pathToken, exchanging(stolen, "client_id", appID), ts.proof(thief)).refused(errInvalidRequest).names("subject_token")
	}
}

func TestAPublicClientExchangesTokensOfAProviderOnlyIfTheOperatorSaysSo(t *testing.T) {
	t.Parallel()
	for _, may := range []bool{true, false} {
		ts := newTestServer(t, func(c *Config) {
			c.Upstreams = []Upstream{fakeUpstream{answer: func(string, string, string) (*Person, error) {
				return &Person{Subject: "p:alice"}, nil
			}}}
			app := configured(t, c, appID)
			app.GrantTypes, app.MayExchange = append(app.GrantTypes, grantExchange), may
		})
		request := form("grant_type", grantExchange, "subject_token", "of alice", "subject_token_type", typeID)
		app := form("client_id", appID)
		for name, values := range request {
			app[name] = values
		}
		answer := ts.post(pathToken, app, ts.proof(newKey(t)))
		if may {
			answer.ok()
		} else {
			answer.refused(errUnauthorizedClient).names("client")
		}
		ts.post(pathToken, request, ts.credentials(webID, newKey(t))...).ok() // it authenticates
	}
}

// A leaked token of a provider must not outlive the revocation that the leak was
// answered with, nor itself.
func TestATokenOfAProviderIsWorthNoMoreThanItSays(t *testing.T) {
	t.Parallel()
	var leaked Person
	ts := newTestServer(t, func(c *Config) {
		c.Upstreams = []Upstream{fakeUpstream{answer: func(string, string, string) (*Person, error) {
			p := leaked
			return &p, nil
		}}}
	})
	leaked = Person{Subject: "p:alice", Issued: ts.clock.Now(), Expires: ts.clock.Now().Add(3 * time.Minute)}
	ask := func() *reply {
		return ts.post(pathToken, form("grant_type", grantExchange, "subject_token", "leaked", "subject_token_type", typeID),
			ts.credentials(webID, newKey(t))...)
	}
	ts.clock.Advance(2 * time.Minute)
	if r := ask().ok(); r.body["expires_in"] != 60.0 {
		t.Errorf("expires_in is %v, want the 60 s that are left", r.body["expires_in"])
	}
	ts.cut(byUser, "p:alice")
	ts.clock.Advance(10 * time.Second)
	ask().refused(errInvalidGrant)
	leaked.Issued = ts.clock.Now()
	ask().ok()
	ts.clock.Advance(2 * time.Minute)
	ask().refused(errInvalidRequest).names("subject_token") // the leeway of the provider is over here
}

func TestWhatWasMadeByAnExchangeEndsWithWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*testServer, *holdfast.Key)
	}{
		{"the client is cut off", func(ts *testServer, _ *holdfast.Key) { ts.cut(byClient, appID) }},
		{"the client is blocked", func(ts *testServer, _ *holdfast.Key) { ts.blocked(byClient, appID) }},
		{"the key is cut off", func(ts *testServer, k *holdfast.Key) { ts.cut(byThumbprint, k.Thumbprint().String()) }},
		{"the key is blocked", func(ts *testServer, k *holdfast.Key) { ts.blocked(byThumbprint, k.Thumbprint().String()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ts := newTestServer(t, nil)
			k1 := newKey(t)
			made := ts.post(pathToken, exchanging(ts.tokens(appID, k1)), ts.credentials(backendID, newKey(t))...).ok()
			if ts.access(made) == nil {
				t.Fatal("the token was never good")
			}
			tt.end(ts, k1)
			if ts.access(made) != nil {
				t.Error("the token outlives what it was made of")
			}
		})
	}
}

// What was allowed at one resource is not allowed at another one.
func TestAConsentIsForTheScopesOfEachResource(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, nil)
	alice := ts.person(t)
	alice.granted(asking(webID, "scope", "read", "resource", apiID)).code(testCallback)
	page := alice.open(asking(webID, "scope", "files", "resource", filesID)).shows(http.StatusOK, "Allow access?")
	alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	alice.open(asking(webID, "scope", "files", "resource", filesID)).code(testCallback)
	alice.open(asking(webID, "scope", "read", "resource", apiID)).code(testCallback)
	alice.open(asking(webID, "scope", "read", "resource", filesID)).shows(http.StatusOK, "Allow access?", filesID)
}

// meanwhile is a store in which something happens, once, when a kind of record
// is about to be created.
type meanwhile struct {
	store.Store
	kind store.Kind
	do   atomic.Pointer[func()]
}

func (m *meanwhile) Create(ctx context.Context, r store.Record) error {
	if r.Kind == m.kind {
		if do := m.do.Swap(nil); do != nil {
			(*do)()
		}
	}
	return m.Store.Create(ctx, r)
}

// slowDirectory lets something happen while it judges.
type slowDirectory struct {
	directory
	do atomic.Pointer[func()]
}

func (d *slowDirectory) Authenticate(ctx context.Context, a Attempt) (Person, error) {
	p, err := d.directory.Authenticate(ctx, a)
	if do := d.do.Swap(nil); do != nil {
		(*do)()
	}
	return p, err
}

func TestALoginThatWasUnderWayDoesNotOutliveARevocation(t *testing.T) {
	t.Parallel()
	d := new(slowDirectory)
	ts := newTestServer(t, func(c *Config) { c.Directory = d })
	thief := ts.person(t)
	page := thief.open(asking(webID))
	revoke := func() {
		ts.clock.Advance(time.Second)
		ts.cut(byUser, "subject-of-alice")
		ts.clock.Advance(time.Second)
	}
	d.do.Store(&revoke)
	thief.logIn(page, "alice").shows(http.StatusOK, "Log in")
}

func TestACodeThatWasUnderWayDoesNotOutliveARevocation(t *testing.T) {
	t.Parallel()
	slow := &meanwhile{kind: kindConsent}
	ts, _ := newPeopleServer(t, func(c *Config) { slow.Store, c.Store = c.Store, slow })
	thief := ts.person(t)
	verifier, challenge := pkce()
	page := thief.logIn(thief.open(asking(webID, "code_challenge", challenge)), "alice").shows(http.StatusOK, "Allow access?")
	revoke := func() {
		ts.clock.Advance(time.Second)
		ts.cut(byUser, "subject-of-alice")
		ts.clock.Advance(time.Second)
	}
	slow.do.Store(&revoke)
	code := thief.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	ts.post(pathToken, form("grant_type", grantCode, "code", code, "redirect_uri", testCallback, "code_verifier", verifier),
		ts.credentials(webID, newKey(t))...).refused(errInvalidGrant)
}

func TestATokenThatWasUnderWayDoesNotOutliveARevocation(t *testing.T) {
	t.Parallel()
	slow := &meanwhile{kind: kindGrant}
	ts := newTestServer(t, func(c *Config) { slow.Store, c.Store = c.Store, slow })
	request := ts.approvedCode(webID)
	revoke := func() {
		ts.clock.Advance(time.Second)
		ts.cut(byUser, "alice")
		ts.clock.Advance(time.Second)
	}
	slow.do.Store(&revoke)
	answer := ts.post(pathToken, request, ts.credentials(webID, newKey(t))...).ok()
	if ts.access(answer) != nil {
		t.Error("the access token is good, though everything before the cut-off is dead")
	}
}

// freshElsewhere is a provider that can be asked for a new login.
type freshElsewhere struct {
	elsewhere
	asked []time.Duration
}

func (e *freshElsewhere) BeginFresh(ctx context.Context, redirectURI string, maxAge time.Duration) (string, []byte, error) {
	e.asked = append(e.asked, maxAge)
	return e.Begin(ctx, redirectURI)
}

func TestAProviderIsAskedForTheLoginThatTheRequestAsksFor(t *testing.T) {
	t.Parallel()
	fresh := &freshElsewhere{elsewhere: elsewhere{name: "one"}}
	ts := newTestServer(t, func(c *Config) { c.Upstreams = []Upstream{fresh} })
	for _, tt := range []struct {
		name  string
		login time.Time
		met   bool
	}{
		{"somebody logs in", ts.clock.Now(), true},
		{"somebody had logged in before", ts.clock.Now().Add(-time.Minute), false},
		{"nobody says when it was", time.Time{}, false},
	} {
		fresh.authTime = tt.login
		for _, wish := range [][]string{{"prompt", "login"}, {"max_age", "30"}} {
			alice := ts.person(t)
			page := alice.open(asking(webID, wish...)).shows(http.StatusOK, "Log in")
			page = alice.open(alice.depart(page, "one") + "&code=alice")
			if tt.met {
				page.shows(http.StatusOK, "Allow access?")
			} else if q := page.answered(testCallback); q.Get("error") != errUnmetRequirements || q.Has("code") {
				t.Errorf("%s, %v: the answer is %v, want %s", tt.name, wish, q, errUnmetRequirements)
			}
		}
	}
	if want := []time.Duration{0, 30 * time.Second}; !slices.Equal(fresh.asked[:2], want) {
		t.Errorf("the provider was asked for %v, want %v", fresh.asked[:2], want)
	}
	// Whoever asks for nothing gets a token that claims nothing.
	alice := ts.person(t)
	verifier, challenge := pkce()
	page := alice.open(alice.depart(alice.open(asking(webID, "code_challenge", challenge)), "one") + "&code=alice")
	code := alice.submit(page, pathConsent, form("decision", "allow")).code(testCallback)
	answer := ts.post(pathToken, form("grant_type", grantCode, "code", code, "redirect_uri", testCallback, "code_verifier", verifier),
		ts.credentials(webID, newKey(t))...).ok()
	if at, claimed := answer.claims()["auth_time"]; claimed {
		t.Errorf("the token says that the login was at %v, which nobody knows", at)
	}
}

// A blocked client is not served: nor does it learn what stolen tokens are for.
func TestABlockedClientIntrospectsNothing(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	user := ts.tokens(appID, newKey(t))
	ask := func() *reply {
		return ts.post(pathIntrospect, form("token", user.text("access_token")), as(backendID))
	}
	if ask().ok().body["active"] != true {
		t.Fatal("the token is not active")
	}
	ts.blocked(byClient, backendID)
	ask().refused(errInvalidClient)
}

// stranger registers a public client of its own, and returns its client_id.
func (ts *testServer) stranger() string {
	ts.t.Helper()
	r, err := http.NewRequest(http.MethodPost, ts.front.URL+pathRegister, strings.NewReader(
		`{"token_endpoint_auth_method":"none","redirect_uris":["`+testCallback+`"],"grant_types":["authorization_code","`+grantDevice+`"]}`))
	if err != nil {
		ts.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return ts.send(ts.http, r).ok().text("client_id")
}

func TestAClientThatNobodyEverUsedIsForgotten(t *testing.T) {
	t.Parallel()
	ts, _ := newPeopleServer(t, func(c *Config) { c.Registration = RegistrationOpen })
	used, device, unused := ts.stranger(), ts.stranger(), ts.stranger()
	alice := ts.person(t)
	alice.granted(asking(used)).code(testCallback)
	started := ts.post(pathDevice, form("client_id", device, "scope", "read")).ok()
	page := alice.submit(alice.open(pathActivate), pathActivate, form("user_code", started.text("user_code")))
	alice.submit(page, pathConsent, form("decision", "allow")).shows(http.StatusOK, "Device connected")
	ts.clock.Advance(UnusedClientLifetime)
	alice.open(asking(unused)).shows(http.StatusBadRequest, "no such client")
	ts.clock.Advance(1000 * time.Hour)
	for _, id := range []string{used, device} {
		if k, err := ts.clients.lookup(t.Context(), id); k == nil || err != nil {
			t.Errorf("a client that somebody uses is %v, %v", k, err)
		}
	}
}

// askedStore counts lists as reads, too.
type askedStore struct{ *awayStore }

func (s askedStore) List(ctx context.Context, k store.Kind, owner string) iter.Seq2[store.Record, error] {
	s.reads.Add(1)
	return s.awayStore.List(ctx, k, owner)
}

// A list or a key that strangers ask for is looked up once, not once for each of
// them in turn, while the store does not answer.
func TestStrangersDoNotQueueForAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	away := &awayStore{}
	ts := newTestServer(t, func(c *Config) { away.Store, c.Store = c.Store, askedStore{away} })
	foreign := newTestServer(t, func(c *Config) { c.Issuer = ts.config.Issuer })
	stranger, err := foreign.signing.sign(t.Context(), typAccess, foreign.claims(&accessToken{Client: appID, Subject: "alice", Resource: apiID, Expires: ts.now().Add(time.Hour)}))
	if err != nil {
		t.Fatal(err)
	}
	ts.clock.Advance(2 * ringRetry)
	away.away.Store(true)
	for name, ask := range map[string]func(context.Context) error{
		"the list of blocks": func(ctx context.Context) error { _, err := ts.signedBlocks(ctx); return err },
		"a key": func(ctx context.Context) error {
			_, err := ts.signing.read(ctx, holdfast.NewSecret(stranger))
			return err
		},
	} {
		before := away.reads.Load()
		for range 5 {
			if err := ask(t.Context()); err == nil {
				t.Fatalf("%s: there is an answer though nobody knows it", name)
			}
		}
		if n := away.reads.Load() - before; n != 1 {
			t.Errorf("%s: the store was asked %d times at one time, want once", name, n)
		}
	}
	away.away.Store(false)
	ts.clock.Advance(2 * ringRetry)
	if _, err := ts.signedBlocks(t.Context()); err != nil {
		t.Errorf("the list of blocks: %v", err)
	}
	if facts, err := ts.signing.read(t.Context(), holdfast.NewSecret(stranger)); err != nil || facts.State != holdfast.TokenUnknownKey {
		t.Errorf("a key: %v", err)
	}
	// Who gives up does not decide for the others.
	ts.clock.Advance(2 * ringRetry)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ts.signedBlocks(gone); err != nil {
		t.Errorf("the list for somebody who has hung up: %v", err)
	}
}

// Whoever has a stolen certificate has a proof key, too.
func TestAProofDoesNotHideACertificateThatIsBlockedOrCutOff(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testServer, string){
		"blocked": func(ts *testServer, x5t string) { ts.blocked(byThumbprint, x5t) },
		"cut off": func(ts *testServer, x5t string) { ts.cut(byThumbprint, x5t) },
	} {
		ts := newTestServer(t, nil)
		certificate := holdfasttest.NewCertificate(t, "alice")
		own := ts.with(certificate)
		first := ts.postMTLS(own, pathToken, ts.approvedCode(certID)).ok()
		refresh := form("grant_type", grantRefresh, "refresh_token", first.text("refresh_token"), "client_id", certID)
		end(ts, holdfast.Thumbprint(sha256.Sum256(certificate.Leaf.Raw)).String())
		ts.clock.Advance(time.Second)
		ts.postMTLS(own, pathToken, refresh).refused(errInvalidGrant)
		ts.postMTLS(own, pathToken, refresh, ts.proof(newKey(t))).refused(errInvalidGrant)
		code := ts.postMTLS(own, pathToken, ts.approvedCode(certID), ts.proof(newKey(t)))
		if name == "blocked" {
			code.refused(errInvalidGrant)
		} else {
			code.ok() // unlike a block, a cut-off is about the past
		}
	}
}

// Anybody can say to be a client without credentials.
func TestStrangersDoNotFillTheStore(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	send := func(from, path string, f url.Values, options ...option) *httptest.ResponseRecorder {
		r := ts.request(ts.front.URL+path, f, options...)
		r.RequestURI, r.RemoteAddr = path, from
		w := httptest.NewRecorder()
		ts.Handler().ServeHTTP(w, r)
		return w
	}
	push, begin := goodRequest(appID), form("client_id", appID, "scope", "read")
	for i := range AnonymousPerMinute {
		answer := send("192.0.2.1:4000", pathPAR, push)
		if i%2 == 0 {
			answer = send("[2001:db8::1]:4000", pathDevice, begin)
		}
		if answer.Code/100 != 2 {
			t.Fatalf("request %d: %d %s", i, answer.Code, answer.Body)
		}
	}
	kept := ts.count(kindPushed)
	over := send("192.0.2.1:4001", pathPAR, push)
	if over.Code != http.StatusTooManyRequests || over.Header().Get("Retry-After") != "60" || !strings.Contains(over.Body.String(), errUnavailable) {
		t.Errorf("one more gives %d %s", over.Code, over.Body)
	}
	if n := ts.count(kindPushed); n != kept {
		t.Errorf("there are %d records, want %d", n, kept)
	}
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"another address":           send("192.0.2.2:4000", pathPAR, push),
		"a client with credentials": send("192.0.2.1:4000", pathPAR, goodRequest(webID), as(webID)),
		"the machine of the server": send("127.0.0.1:4000", pathPAR, push),
	} {
		if answer.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", name, answer.Code, answer.Body)
		}
	}
	ts.clock.Advance(time.Minute)
	if answer := send("192.0.2.1:4000", pathPAR, push); answer.Code != http.StatusCreated {
		t.Errorf("a minute later: %d %s", answer.Code, answer.Body)
	}
}
