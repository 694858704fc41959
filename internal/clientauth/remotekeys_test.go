package clientauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// site is where a client publishes its keys.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	body   []byte
	asked  int
	during func() // called by every request, may be nil
}

func (s *site) set(status int, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.during != nil {
		s.during()
	}
	if s.status == http.StatusFound {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
		return
	}
	w.WriteHeader(s.status)
	_, _ = w.Write(s.body)
}

// fetches returns how often the site was asked, and forgets it.
func (s *site) fetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.asked
	s.asked = 0
	return n
}

// newSite returns a site, and a verifier that may ask it.
func newSite(t testing.TB) (*world, *site) {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return newWorld(t, func(c *VerifierConfig) { c.HTTP = s.Client() }), s
}

func TestKeysAreFetchedAndKept(t *testing.T) {
	w, site := newSite(t)
	alice, bob := newPerson(t), newPerson(t)
	bob.id = "k2"
	site.set(http.StatusOK, alice.jwks())
	c := w.client(t, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKSURI: site.URL + "/jwks"})
	ask := func(p *person, name string, want Reason, fetches int) {
		t.Helper()
		_, err := w.judge(c, assertionForm(p.assert(map[string]any{"iat": w.clock().Unix(), "exp": w.clock().Unix() + 60})))
		if want != 0 {
			wantRefusal(t, err, want)
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := site.fetches(); n != fetches {
			t.Errorf("%s: %d fetches, want %d", name, n, fetches)
		}
	}
	ask(alice, "the first assertion", 0, 1)
	ask(alice, "the next one", 0, 0)
	ask(bob, "a key that is not known yet, at once", WrongKey, 0)
	w.advance(KeysMinRefetch)
	ask(bob, "a key that is not known yet", WrongKey, 1)
	ask(bob, "again at once", WrongKey, 0)
	bob.count = 100 // jti are the client's
	site.set(http.StatusOK, []byte(`{"keys":[`+alice.jwk()+`,{"kty":"AKP","kid":"new"},`+bob.jwk()+`]}`))
	w.advance(KeysMinRefetch)
	ask(bob, "a key that was added, beside one that is not supported", 0, 1)
	site.set(http.StatusOK, bob.jwks())
	ask(alice, "a key that was removed, while the set is fresh", 0, 0)
	w.advance(KeysMaxAge)
	ask(alice, "a key that was removed", WrongKey, 1)
}

func TestTheHostOfTheKeysIsDown(t *testing.T) {
	w, site := newSite(t)
	alice := newPerson(t)
	c := w.client(t, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKSURI: site.URL + "/jwks?secret=s3cr3t"})
	judge := func() error {
		_, err := w.judge(c, assertionForm(alice.assert(map[string]any{"iat": nil, "exp": w.clock().Unix() + 60})))
		return err
	}
	open := func(name string) {
		t.Helper()
		if err := judge(); err == nil || errors.As(err, new(*Refusal)) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	site.set(http.StatusBadGateway, nil)
	open("nothing is known yet")
	open("asked again at once")
	if n := site.fetches(); n != 1 {
		t.Errorf("%d fetches, want 1 within %v", n, KeysRetryPause)
	}
	w.advance(KeysRetryPause)
	site.set(http.StatusOK, alice.jwks())
	if err := judge(); err != nil {
		t.Fatal(err)
	}
	site.set(http.StatusBadGateway, nil)
	w.advance(KeysMaxAge)
	if err := judge(); err != nil {
		t.Errorf("the last keys serve for a while: %v", err)
	}
	alice.id = "k9"
	open("whether there is a new key cannot be known")
	alice.id = "k1"
	w.advance(KeysMaxStale)
	open("the last keys are too old")
	site.set(http.StatusOK, alice.jwks())
	w.advance(KeysRetryPause)
	if err := judge(); err != nil {
		t.Errorf("the host is back: %v", err)
	}
	site.Close()
	w.advance(KeysMaxStale)
	open("nobody answers")
}

func TestWhatIsAtJWKSURIIsNoKeySet(t *testing.T) {
	alice := newPerson(t)
	for _, tt := range []struct {
		name   string
		status int
		body   string
	}{
		{"not there", http.StatusNotFound, ""},
		{"a redirect", http.StatusFound, ""},
		{"a page", http.StatusOK, "<html>"},
		{"no keys", http.StatusOK, `{}`},
		{"keys of another type", http.StatusOK, `{"keys":{}}`},
		{"too many keys", http.StatusOK, `{"keys":[` + strings.Repeat("{},", MaxKeys) + `{}]}`},
		{"too long", http.StatusOK, strings.Repeat(" ", MaxKeysBytes) + string(alice.jwks())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, site := newSite(t)
			site.set(tt.status, []byte(tt.body))
			c := w.client(t, Registration{Method: PrivateKeyJWT, ClientID: "app", JWKSURI: site.URL})
			_, err := w.judge(c, assertionForm(alice.assert(nil)))
			wantRefusal(t, err, BadKeys)
		})
	}
}

// DCR-5-01: a name that leads inside passes registration and is refused when it
// is resolved.
func TestKeysInsideTheNetworkAreNotFetched(t *testing.T) {
	_, site := newSite(t)
	site.set(http.StatusOK, newPerson(t).jwks())
	w := newWorld(t, nil)
	address := strings.Replace(site.URL, "127.0.0.1", "localhost", 1)
	_, err := w.keys.get(context.Background(), address, nil)
	if err == nil || !strings.Contains(err.Error(), "inside a network") || site.fetches() != 0 {
		t.Errorf("got %v", err)
	}
}

func TestManyAsksAreOneFetch(t *testing.T) {
	w, site := newSite(t)
	site.set(http.StatusOK, newPerson(t).jwks())
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := w.keys.get(context.Background(), site.URL, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := site.fetches(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// Whoever has a client whose host does not answer holds up some requests, not all.
func TestRequestsThatWaitForKeysAreBounded(t *testing.T) {
	w, hanging := newSite(t)
	_, other := newSite(t)
	hanging.set(http.StatusOK, newPerson(t).jwks())
	release := make(chan struct{})
	hanging.during = func() { <-release }
	var all sync.WaitGroup
	for range MaxKeySetWaits {
		all.Go(func() {
			if _, err := w.keys.get(context.Background(), hanging.URL, nil); err != nil {
				t.Error(err)
			}
		})
	}
	for full := false; !full; {
		runtime.Gosched()
		w.keys.mu.Lock()
		full = w.keys.waiting == MaxKeySetWaits
		w.keys.mu.Unlock()
	}
	if _, err := w.keys.get(context.Background(), hanging.URL, nil); !errors.Is(err, errCrowded) {
		t.Errorf("one more is answered with %v", err)
	}
	other.set(http.StatusOK, newPerson(t).jwks())
	if _, err := w.keys.get(context.Background(), other.URL, nil); err != nil {
		t.Errorf("another client: %v", err)
	}
	close(release)
	all.Wait()
	if n := w.keys.waiting; n != 0 {
		t.Errorf("%d places are not given back", n)
	}
}

// What is remembered is good enough when there is no place to wait for more.
func TestACrowdDoesNotKeepOutWhoseKeysAreRemembered(t *testing.T) {
	w, site := newSite(t)
	site.set(http.StatusOK, newPerson(t).jwks())
	first, err := w.keys.get(context.Background(), site.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.keys.waiting = MaxKeyWaits
	w.now = w.now.Add(KeysMaxAge)
	if got, err := w.keys.get(context.Background(), site.URL, nil); got != first || err != nil {
		t.Errorf("got %v, %v, want what is remembered", got, err)
	}
	if _, err := w.keys.get(context.Background(), site.URL, first); !errors.Is(err, errCrowded) {
		t.Errorf("newer ones: %v", err)
	}
	w.now = w.now.Add(KeysMaxStale)
	if _, err := w.keys.get(context.Background(), site.URL, nil); !errors.Is(err, errCrowded) {
		t.Errorf("when it is too old: %v", err)
	}
}

func TestWhoHangsUpDoesNotWait(t *testing.T) {
	w := newWorld(t, nil)
	w.keys.set("https://app.example/jwks").turn <- struct{}{} // somebody is fetching
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.keys.get(ctx, "https://app.example/jwks", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A client that hangs up must not make the fetch fail for all others.
func TestAFetchDoesNotEndWithTheRequest(t *testing.T) {
	w, site := newSite(t)
	site.set(http.StatusOK, newPerson(t).jwks())
	ctx, cancel := context.WithCancel(context.Background())
	site.during = cancel
	if _, err := w.keys.get(ctx, site.URL, nil); err != nil {
		t.Error(err)
	}
}

func TestKeySetsThatAreRememberedAreBounded(t *testing.T) {
	now := at
	r := &remoteKeys{http: fetch.Outside(), now: func() time.Time { now = now.Add(time.Second); return now }, sets: map[string]*remoteSet{}}
	for i := range MaxKeySets {
		r.set(fmt.Sprintf("https://app.example/%d", i))
	}
	r.set("https://app.example/0")
	r.set("https://app.example/more")
	if _, there := r.sets["https://app.example/1"]; there || len(r.sets) != MaxKeySets {
		t.Errorf("%d sets are held, the one not used for longest among them: %v", len(r.sets), there)
	}
}

func TestReadKeys(t *testing.T) {
	alice := newPerson(t)
	other := selfSigned(t, 1)[0]
	with := func(member string) string {
		return strings.Replace(string(alice.jwks()), `{"kid"`, `{`+member+`,"kid"`, 1)
	}
	encoded := base64.StdEncoding.EncodeToString(other.Raw)
	for _, tt := range []struct {
		name, text string
		keys       int
		fault      string
	}{
		{"one key", string(alice.jwks()), 1, ""},
		{"a key for encryption", with(`"use":"enc"`), 0, ""},
		{"a certificate of another key", with(`"x5c":["` + encoded + `"]`), 0, "not the key beside it"}, // M-2.2.2-01
		{"a certificate in base64url", with(`"x5c":["` + base64.RawURLEncoding.EncodeToString(other.Raw) + `"]`), 0, "x5c[0]"},
		{"no certificate", with(`"x5c":["AAAA"]`), 0, "not a certificate"},
		{"an empty chain", with(`"x5c":[]`), 0, "not a list"},
		{"a chain of another type", with(`"x5c":"` + encoded + `"`), 0, "not a list"},
		{"a kid of another type", strings.Replace(string(alice.jwks()), `"k1"`, "5", 1), 0, "kid is number"},
		{"a private key", with(`"d":"AAAA"`), 0, "keys[0]"},
		{"a symmetric key", `{"keys":[{"kty":"oct","k":"AAAA"}]}`, 0, "keys[0]"},
		{"no object", `{"keys":[5]}`, 0, "number, want an object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, faults, err := readKeys([]byte(tt.text))
			if err != nil || len(set.keys) != tt.keys {
				t.Fatalf("got %v, %v", set, err)
			}
			if got := errors.Join(faults...); (tt.fault == "") != (got == nil) || got != nil && !strings.Contains(got.Error(), tt.fault) {
				t.Errorf("got %v, want %q", got, tt.fault)
			}
			w := newWorld(t, nil)
			if _, err := w.NewClient(Registration{Method: None, ClientID: "app", JWKS: []byte(tt.text)}); (err == nil) != (tt.fault == "") {
				t.Errorf("registered: %v", err) // M-2.2.2-01
			}
		})
	}
	if _, named := (&keySet{}).signer(&jose.JWS{}); named {
		t.Error("an empty set names a key")
	}
}
