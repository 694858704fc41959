package client_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// wallClock is a clock that tests move, of client and server alike.
type wallClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *wallClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *wallClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// stored is a server, a client with its key, and a grant that it got.
type stored struct {
	*authServer
	clock *wallClock
	conf  client.Config
	c     *client.Client
	grant *client.Grant
}

func newStored(t testing.TB, change func(*client.Config)) *stored {
	t.Helper()
	r := &stored{clock: &wallClock{at: time.Unix(1_700_000_000, 0)}}
	r.authServer = newAuthServer(t, func(s *authServer, p *holdfast.ProofPolicy) {
		s.now = r.clock.now
		p.Now = r.clock.now
		withoutNonces(t, p)
	})
	r.conf = r.config(t)
	r.conf.Now = r.clock.now
	if change != nil {
		change(&r.conf)
	}
	r.c = r.again(t)
	if r.conf.Auth.Method == "" {
		r.grant = r.login(t, r.c)
	}
	return r
}

// again makes another client of the same configuration, as another process would.
func (r *stored) again(t testing.TB) *client.Client {
	t.Helper()
	c, err := client.New(t.Context(), r.conf)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *stored) refreshes() (n int) {
	for _, a := range r.requests("/token") {
		if a.form.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}

func mustToken(t testing.TB, ts client.TokenSource) *client.Token {
	t.Helper()
	k, err := ts.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestATokenIsRenewedShortlyBeforeItExpires(t *testing.T) {
	r := newStored(t, nil)
	ts := r.c.Source(client.NewMemoryStore(r.grant))
	for _, row := range []struct {
		pass      time.Duration
		refreshes int
	}{
		{0, 0},
		{300*time.Second - client.RenewMargin - time.Second, 0},
		{time.Second, 1},
		{0, 1},
		{time.Hour, 2},
	} {
		r.clock.pass(row.pass)
		k := mustToken(t, ts)
		if got := r.refreshes(); got != row.refreshes || k.Key == nil || !r.clock.now().Before(k.Expires) {
			t.Errorf("after %v more: %d refreshes, want %d; the token ends %v", row.pass, got, row.refreshes, k.Expires)
		}
	}
}

// A token of twenty seconds would always be within the margin.
func TestAShortTokenIsUsedForMostOfItsLife(t *testing.T) {
	r := newStored(t, nil)
	r.lifetime = 20
	r.clock.pass(time.Hour)
	ts := r.c.Source(client.NewMemoryStore(r.grant))
	first := mustToken(t, ts)
	r.clock.pass(15 * time.Second)
	if k := mustToken(t, ts); k != first || r.refreshes() != 1 {
		t.Errorf("%d refreshes, want 1", r.refreshes())
	}
	r.clock.pass(time.Second)
	if mustToken(t, ts) == first {
		t.Error("it was not renewed")
	}
}

// RFC 9700 section 4.14.2: a rotated refresh token is spent once.
func TestManyCallersCauseOneRefresh(t *testing.T) {
	r := newStored(t, nil)
	ts := r.c.Source(client.NewMemoryStore(r.grant))
	spent := mustToken(t, ts)
	for _, row := range []struct {
		name string
		ask  func() (*client.Token, error)
	}{
		{"when the token has expired", func() (*client.Token, error) { return ts.Token(t.Context()) }},
		{"when a resource refused it", func() (*client.Token, error) { return ts.(client.Renewer).Renew(t.Context(), spent) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := r.refreshes()
			if row.name == "when the token has expired" {
				r.clock.pass(time.Hour)
			} else {
				spent = mustToken(t, ts)
			}
			got := make([]*client.Token, 100)
			var wg sync.WaitGroup
			for i := range got {
				wg.Go(func() {
					var err error
					if got[i], err = row.ask(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, k := range got {
				if k != got[0] {
					t.Error("two tokens")
				}
			}
			if n := r.refreshes() - before; n != 1 || got[0] == spent {
				t.Errorf("%d refreshes, want 1", n)
			}
		})
	}
}

// fileStore keeps a sealed grant in a file, behind a lock file: what two
// processes would share.
type fileStore struct {
	path string
	key  *holdfast.Key
}

func (f fileStore) Update(ctx context.Context, fn func(*client.Grant) (*client.Grant, error)) error {
	for {
		lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_ = lock.Close()
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	defer func() { _ = os.Remove(f.path + ".lock") }()
	var current *client.Grant
	if text, err := os.ReadFile(f.path); err == nil {
		if current, err = client.ParseGrant(holdfast.NewSecret(string(text)), f.key); err != nil {
			return err
		}
	}
	next, err := fn(current)
	if err != nil {
		return err
	}
	sealed, err := next.Seal()
	if err != nil {
		return err
	}
	return os.WriteFile(f.path, []byte(sealed.Reveal()), 0o600)
}

// Whoever comes second uses what is there.
func TestTwoProcessesCauseOneRefresh(t *testing.T) {
	r := newStored(t, nil)
	path := filepath.Join(t.TempDir(), "grant")
	store := func() fileStore { return fileStore{path, r.conf.Key} }
	if err := store().Update(t.Context(), func(*client.Grant) (*client.Grant, error) { return r.grant, nil }); err != nil {
		t.Fatal(err)
	}
	a, b := r.c.Source(store()), r.again(t).Source(store())
	spent := mustToken(t, a)
	if mustToken(t, b).Value.Reveal() != spent.Value.Reveal() {
		t.Fatal("two tokens")
	}
	for round := range 3 {
		r.clock.pass(time.Hour)
		var wg sync.WaitGroup
		got := make([]string, 20)
		for i := range got {
			ts := []client.TokenSource{a, b}[i%2]
			wg.Go(func() {
				k, err := ts.Token(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = k.Value.Reveal()
			})
		}
		wg.Wait()
		for _, v := range got {
			if v != got[0] {
				t.Error("two tokens")
			}
		}
		if n := r.refreshes(); n != round+1 {
			t.Errorf("%d refreshes, want %d", n, round+1)
		}
	}
}

// A renewal that one process made serves another that was refused (B-3.1-05).
func TestRenewLooksIntoTheStoreFirst(t *testing.T) {
	r := newStored(t, nil)
	store := client.NewMemoryStore(r.grant)
	a, b := r.c.Source(store), r.again(t).Source(store)
	spent := mustToken(t, a)
	mustToken(t, b)
	fresh, err := a.(client.Renewer).Renew(t.Context(), spent)
	if err != nil {
		t.Fatal(err)
	}
	also, err := b.(client.Renewer).Renew(t.Context(), spent)
	if err != nil || also.Value.Reveal() != fresh.Value.Reveal() || r.refreshes() != 1 {
		t.Errorf("%d refreshes, want 1: %v", r.refreshes(), err)
	}
	_, err = a.(client.Renewer).Renew(t.Context(), nil)
	wantError(t, err, "there is no spent token")
}

func TestATokenThatIsStillGoodOutlivesAFailedRenewal(t *testing.T) {
	r := newStored(t, nil)
	ts := r.c.Source(client.NewMemoryStore(r.grant))
	first := mustToken(t, ts)
	r.mu.Lock()
	r.override = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	r.mu.Unlock()
	r.clock.pass(280 * time.Second)
	for range 5 {
		if mustToken(t, ts) != first {
			t.Error("another token")
		}
	}
	if n := r.refreshes(); n != 1 {
		t.Errorf("%d refreshes, want 1: a failure is not repeated at once", n)
	}
	r.clock.pass(10 * time.Second)
	mustToken(t, ts)
	if n := r.refreshes(); n != 2 {
		t.Errorf("%d refreshes, want 2: it is tried again later", n)
	}
	r.clock.pass(10 * time.Second)
	_, err := ts.Token(t.Context())
	wantError(t, err, "refresh: status 503")
	_, err = ts.(client.Renewer).Renew(t.Context(), first)
	wantError(t, err, "refresh: status 503")
}

// brittle is a store that cannot write while broken is set.
type brittle struct {
	client.GrantStore
	broken error
}

func (b *brittle) Update(ctx context.Context, fn func(*client.Grant) (*client.Grant, error)) error {
	return b.GrantStore.Update(ctx, func(g *client.Grant) (*client.Grant, error) {
		next, err := fn(g)
		if err == nil && next != g && b.broken != nil {
			return nil, b.broken
		}
		return next, err
	})
}

// The server has rotated the refresh token: losing the answer would end the grant.
func TestARenewedGrantThatCouldNotBeStoredIsNotLost(t *testing.T) {
	r := newStored(t, nil)
	full := errors.New("disk full")
	store := &brittle{client.NewMemoryStore(r.grant), full}
	ts := r.c.Source(store)
	r.clock.pass(time.Hour)
	for range 3 {
		if _, err := ts.Token(t.Context()); !errors.Is(err, full) {
			t.Fatalf("got %v", err)
		}
	}
	store.broken = nil
	k := mustToken(t, ts)
	if n := r.refreshes(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	if mustToken(t, r.again(t).Source(store)).Value.Reveal() != k.Value.Reveal() {
		t.Error("it was not stored afterwards")
	}
}

func TestAGrantThatWasTakenAwayIsNotBroughtBack(t *testing.T) {
	r := newStored(t, nil)
	store := &brittle{client.NewMemoryStore(r.grant), errors.New("disk full")}
	ts := r.c.Source(store)
	r.clock.pass(time.Hour)
	if _, err := ts.Token(t.Context()); !errors.Is(err, store.broken) {
		t.Fatalf("got %v", err)
	}
	store.broken = nil
	logout := func(*client.Grant) (*client.Grant, error) { return nil, nil }
	if err := store.Update(t.Context(), logout); err != nil {
		t.Fatal(err)
	}
	_, err := ts.Token(t.Context())
	wantError(t, err, "there is no grant", "run the flow again")
}

// A caller that gives up does not take the renewal with it.
func TestACallerThatGivesUpDoesNotSpoilTheRenewal(t *testing.T) {
	r := newStored(t, nil)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	r.mu.Lock()
	r.override = func(http.ResponseWriter, *http.Request, int) bool {
		close(arrived)
		<-proceed
		return false
	}
	r.mu.Unlock()
	ts := r.c.Source(client.NewMemoryStore(r.grant))
	r.clock.pass(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := ts.Token(ctx)
		gone <- err
	}()
	<-arrived
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(proceed)
	mustToken(t, ts)
	if n := r.refreshes(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// M-3-02, M-6.3-01: after a change of certificate the next request gets a new token.
func TestATokenOfAnotherCertificateIsRenewed(t *testing.T) {
	r := newStored(t, func(c *client.Config) { c.Auth.Certificate = newCertificate(t, "app.example") })
	store := client.NewMemoryStore(r.grant)
	old := mustToken(t, r.c.Source(store))
	r.conf.Auth.Certificate = newCertificate(t, "app.example")
	if k := mustToken(t, r.again(t).Source(store)); k.Value.Reveal() == old.Value.Reveal() || r.refreshes() != 1 {
		t.Errorf("%d refreshes, want 1", r.refreshes())
	}
}

func TestClientCredentialsAreRenewedByAskingAgain(t *testing.T) {
	r := newStored(t, confidential(t))
	g, err := r.c.ClientCredentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ts := r.c.Source(client.NewMemoryStore(g))
	for range 3 {
		r.clock.pass(time.Hour)
		mustToken(t, ts)
	}
	if got := r.requests("/token"); len(got) != 4 || r.refreshes() != 0 {
		t.Errorf("%d requests, want 4", len(got))
	}
}

func TestSourcesThatHaveNothingToGive(t *testing.T) {
	r := newStored(t, nil)
	_, err := r.c.Source(client.NewMemoryStore(nil)).Token(t.Context())
	wantError(t, err, "there is no grant", "run the flow again")

	other := *r.grant
	other.Issuer = "https://evil.example"
	_, err = r.c.Source(client.NewMemoryStore(&other)).Token(t.Context())
	wantError(t, err, "the grant is of issuer")

	ended := *r.grant
	ended.Refresh = holdfast.Secret{}
	r.clock.pass(time.Hour)
	_, err = r.c.Source(client.NewMemoryStore(&ended)).Token(t.Context())
	wantError(t, err, "no refresh token")

	r.mu.Lock()
	r.edit = func(out map[string]any) { out["access_token"] = r.grant.Token.Value.Reveal() }
	r.mu.Unlock()
	_, err = r.c.Source(client.NewMemoryStore(r.grant)).(client.Renewer).Renew(t.Context(), r.grant.Token)
	wantError(t, err, "it has expired or is the spent one")

	// A store that is locked by somebody else is waited for as long as the caller likes.
	store := client.NewMemoryStore(r.grant)
	_ = store.Update(t.Context(), func(g *client.Grant) (*client.Grant, error) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := store.Update(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		_, err := r.c.Source(store).Token(ctx)
		wantError(t, err, "context canceled")
		return g, nil
	})
}

func TestTokensForOAuth2(t *testing.T) {
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	ts := client.OAuth2TokenSource(tokens{&client.Token{Value: holdfast.NewSecret("a"), Type: "dpop", Key: key, Expires: end}})
	k, err := ts.Token()
	if err != nil || k.AccessToken != "a" || k.TokenType != "DPoP" || !k.Expiry.Equal(end) || k.RefreshToken != "" {
		t.Errorf("got type %q: %v", k.TokenType, err)
	}
	broken := errors.New("broken")
	if _, err := client.OAuth2TokenSource(brokenSource{broken}).Token(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestTokensFromOAuth2(t *testing.T) {
	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	for _, row := range []struct {
		name  string
		given *oauth2.Token
		key   *holdfast.Key
		bound bool
		want  string
	}{
		{"a bound token with its key", &oauth2.Token{AccessToken: "a", TokenType: "dpop", Expiry: end}, key, true, ""},
		{"a bound token without a key", &oauth2.Token{AccessToken: "a", TokenType: "DPoP", Expiry: end}, nil, false, "bound to a key, and none was given"},
		{"a bearer token stays one", &oauth2.Token{AccessToken: "a", Expiry: end}, key, false, ""},
		{"an expired token", &oauth2.Token{AccessToken: "a", TokenType: "DPoP", Expiry: end.Add(-2 * time.Hour)}, key, false, "empty or expired"},
		{"no token", &oauth2.Token{}, key, false, "empty or expired"},
	} {
		t.Run(row.name, func(t *testing.T) {
			k, err := client.FromOAuth2(oauth2.StaticTokenSource(row.given), row.key).Token(t.Context())
			if row.want != "" {
				wantError(t, err, row.want)
				return
			}
			if err != nil || (k.Key != nil) != row.bound || k.Value.Reveal() != "a" || !k.Expires.Equal(end) {
				t.Errorf("got %+v: %v", k, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.FromOAuth2(oauth2.StaticTokenSource(nil), key).Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// failingOAuth2 is a source of package oauth2 that fails.
type failingOAuth2 struct{ error }

func (f failingOAuth2) Token() (*oauth2.Token, error) { return nil, f.error }

func TestAnErrorOfOAuth2IsShownWithoutTheAnswer(t *testing.T) {
	_, err := client.FromOAuth2(failingOAuth2{&oauth2.RetrieveError{
		Response: &http.Response{StatusCode: http.StatusBadRequest}, Body: []byte("refresh-token-1"),
		ErrorCode: "invalid_grant", ErrorDescription: "no\x1b[2J",
	}}, nil).Token(t.Context())
	e := wantError(t, err, "token request: status 400: invalid_grant (no\\x1b[2J)")
	if strings.Contains(e.Error(), "refresh-token") || e.Err != nil {
		t.Error("the answer is in the error")
	}
	broken := errors.New("broken")
	if _, err := client.FromOAuth2(failingOAuth2{broken}, nil).Token(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// A token whose end is unknown is used until a resource refuses it.
func TestATokenWithoutAnEndIsRenewedOnlyWhenItWasRefused(t *testing.T) {
	r := newStored(t, nil)
	r.lifetime = 0
	ts := r.c.Source(client.NewMemoryStore(r.login(t, r.c)))
	k := mustToken(t, ts)
	r.clock.pass(1000 * time.Hour)
	if mustToken(t, ts) != k || r.refreshes() != 0 {
		t.Error("it was renewed")
	}
	if next, err := ts.(client.Renewer).Renew(t.Context(), k); err != nil || next == k || r.refreshes() != 1 {
		t.Errorf("%d refreshes, want 1: %v", r.refreshes(), err)
	}
}
