package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/pflag"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/keystore"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// What a profile keeps in the keystore, by prefixes of its name.
const (
	grantPrefix  = "grant."
	secretPrefix = "secret." // the client secret
)

const defaultProfile = "default"

// accountFlags are the flags of every command that uses keys or tokens.
type accountFlags struct{ home, profile, passphraseFile string }

func (f *accountFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.home, "home", "", "folder of profiles and keys (default: holdfast in the configuration folder of the user)")
	fl.StringVar(&f.profile, "profile", defaultProfile, "which login to use")
	fl.StringVar(&f.passphraseFile, "passphrase-file", "", `file with the passphrase of the keystore, "-" is stdin (default: $HOLDFAST_PASSPHRASE, else ask)`)
}

// account is a profile with what belongs to it: its keys, its grant and how to
// reach its servers.
type account struct {
	app   *app
	home  string
	name  string
	known bool // the profile exists
	profile
	secret holdfast.Secret // client secret that was just given; else it is in the store
	store  *keystore.Store
	base   *http.Transport

	renewing chan struct{} // holds one element during a renewal, and after finish
}

// account opens a profile, which need not exist yet.
func (a *app) account(f *accountFlags) (*account, error) {
	if err := checkProfileName(f.profile); err != nil {
		return nil, fmt.Errorf("--profile: %w", err)
	}
	home, err := homeFolder(f.home)
	if err != nil {
		return nil, err
	}
	all, err := readProfiles(home)
	if err != nil {
		return nil, err
	}
	x := &account{app: a, home: home, name: f.profile, renewing: make(chan struct{}, 1)}
	x.profile, x.known = all.Profiles[f.profile]
	if x.Key == "" {
		x.Key = f.profile
	}
	x.store, err = keystore.Open(filepath.Join(home, keystoreFile), keystore.Config{
		Passphrase: a.passphrase(f.passphraseFile), Light: a.lightKeys, Now: a.Now,
	})
	if err != nil {
		return nil, keystoreProblem(err)
	}
	return x, nil
}

// known opens a profile that was logged in to at some time.
func (a *app) known(f *accountFlags) (*account, error) {
	x, err := a.account(f)
	if err != nil {
		return nil, err
	}
	if !x.known {
		return nil, advise(fmt.Errorf("there is no profile %q", x.name), x.loginHint())
	}
	x.base, err = a.newBase(x.CAFile)
	return x, err
}

// loggedIn opens a profile that is logged in, and its grant.
func (a *app) loggedIn(ctx context.Context, f *accountFlags) (*account, *client.Grant, error) {
	x, err := a.known(f)
	if err != nil {
		return nil, nil, err
	}
	text, err := x.store.Value(ctx, grantPrefix+x.name)
	if errors.Is(err, keystore.ErrNotFound) {
		return nil, nil, x.notLoggedIn()
	}
	if err != nil {
		return nil, nil, keystoreProblem(err)
	}
	g, err := x.parseGrant(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	return x, g, nil
}

func (x *account) notLoggedIn() error {
	return advise(fmt.Errorf("profile %q is not logged in", x.name), x.loginHint())
}

// loginHint is the command that would help.
func (x *account) loginHint() string {
	hint := "holdfast login"
	if !x.known {
		hint += " URL --client-id ID"
	}
	if x.name != defaultProfile {
		hint += " --profile " + x.name
	}
	return hint
}

// parseGrant reads a stored grant with the key that it is bound to: one of those
// that the name of the profile's key has or had, or none.
func (x *account) parseGrant(ctx context.Context, text holdfast.Secret) (*client.Grant, error) {
	keys, err := x.store.List(ctx)
	if err != nil {
		return nil, keystoreProblem(err)
	}
	g, failed := client.ParseGrant(text, nil)
	if failed == nil {
		return g, nil
	}
	for _, info := range slices.Backward(keys) { // the latest first
		if info.Name != x.Key {
			continue
		}
		k, err := x.store.ByThumbprint(ctx, info.Thumbprint)
		if err != nil {
			return nil, keystoreProblem(err)
		}
		if g, err := client.ParseGrant(text, k); err == nil {
			return g, nil
		}
	}
	return nil, fail(exitUndetermined, fmt.Errorf("no key named %q opens the login: %w", x.Key, failed), "log in again")
}

// finish waits for a renewal that is under way and lets no other begin. The
// process ends after a command, also because of its time or the user: a refresh
// token that the server rotates just then would be lost, and the login with it.
func (x *account) finish() {
	defer x.app.slow("finishing the renewal of the token")()
	x.renewing <- struct{}{}
}

// Update implements [client.GrantStore] over the keystore, whose lock holds
// between processes. It is for one goroutine at a time: that of a renewal.
func (x *account) Update(ctx context.Context, change func(*client.Grant) (*client.Grant, error)) error {
	began := false
	defer func() {
		if began {
			<-x.renewing
		}
	}()
	return x.store.Update(ctx, grantPrefix+x.name, func(old holdfast.Secret) (holdfast.Secret, error) {
		select {
		case x.renewing <- struct{}{}:
			began = true
		default:
			return old, errors.New("the command has ended")
		}
		var current *client.Grant
		if !old.IsZero() {
			var err error
			if current, err = x.parseGrant(ctx, old); err != nil {
				return old, err
			}
		}
		next, err := change(current)
		if err != nil {
			return old, err
		}
		return next.Seal()
	})
}

// client makes a client of the profile's authorization server; without metadata
// it is fetched.
func (x *account) client(ctx context.Context, k *holdfast.Key, m *metadata.Server) (*client.Client, error) {
	auth := client.Auth{Method: client.AuthMethod(x.ClientAuth), Secret: x.secret}
	if auth.Secret.IsZero() && auth.Method != "" && auth.Method != client.AuthNone {
		var err error
		if auth.Secret, err = x.store.Value(ctx, secretPrefix+x.name); err != nil && !errors.Is(err, keystore.ErrNotFound) {
			return nil, keystoreProblem(err)
		}
	}
	c, err := client.New(ctx, client.Config{
		Issuer: x.Issuer, Metadata: m, ClientID: x.ClientID, Auth: auth, Key: k, Scope: x.Scope, Resource: x.Resource,
		RedirectURL: x.RedirectURL, HTTP: serverClient(x.base), AllowBearer: x.AllowBearer, Now: x.app.Now,
	})
	return c, serverProblem(err)
}

// source gives the token of a grant, and renews it when that is due. Only then
// it needs the authorization server, so only then its metadata is fetched.
func (x *account) source(g *client.Grant) client.TokenSource {
	return &lazySource{account: x, grant: g}
}

type lazySource struct {
	account *account
	grant   *client.Grant

	mu     sync.Mutex
	source client.TokenSource
}

// Token implements [client.TokenSource].
func (s *lazySource) Token(ctx context.Context) (*client.Token, error) {
	t := s.grant.Token
	if t.Expires.IsZero() || s.account.app.Now().Before(t.Expires.Add(-client.RenewMargin)) {
		return t, nil
	}
	source, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return source.Token(ctx)
}

// Renew implements [client.Renewer].
func (s *lazySource) Renew(ctx context.Context, spent *client.Token) (*client.Token, error) {
	source, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return source.(client.Renewer).Renew(ctx, spent) // sources of a Client are
}

func (s *lazySource) open(ctx context.Context) (client.TokenSource, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == nil {
		c, err := s.account.client(ctx, s.grant.Key, nil)
		if err != nil {
			return nil, err
		}
		s.source = c.Source(s.account)
	}
	return s.source, nil
}
