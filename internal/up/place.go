package up

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/login"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/store"
)

// databaseName is the file of records in the folder of the tour.
const databaseName = "records.db"

// Settings of the listeners.
const (
	readTimeout = 10 * time.Second
	stopTimeout = 2 * time.Second
	headerBytes = 32 << 10
)

// place is everything that is started: the authorization server, the API, and
// the same API behind a proxy that it knows nothing of.
type place struct {
	issuer, api string
	database    string
	password    holdfast.Secret // of the one person
	proxy       *proxied
	failed      chan error // why a listener ended
	stops       []func() error
}

// openPlace starts everything on free ports of 127.0.0.1.
func openPlace(ctx context.Context, folder string) (p *place, err error) {
	p = &place{database: filepath.Join(folder, databaseName), password: newSecret(), failed: make(chan error, 3)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	records, err := store.Open(ctx, (&url.URL{Scheme: "bbolt", Path: filepath.ToSlash(p.database)}).String())
	if err != nil {
		return p, err
	}
	p.stops = append(p.stops, records.Close)
	var doors [2]net.Listener // first, because their ports are part of every address
	for i := range doors {
		if doors[i], err = listen(ctx); err != nil {
			return p, err
		}
		p.stops = append(p.stops, doors[i].Close)
	}
	p.issuer, p.api = "http://"+doors[0].Addr().String(), "http://"+doors[1].Addr().String()
	server, err := p.newServer(ctx, records)
	if err != nil {
		return p, err
	}
	p.stops = append(p.stops, server.Close)
	api, err := p.newAPI(p.api)
	if err != nil {
		return p, err
	}
	p.serve(doors[0], server.Handler())
	p.serve(doors[1], api)
	if p.proxy, err = p.openProxy(ctx); err != nil {
		return p, err
	}
	return p, nil
}

// newServer makes the authorization server and its one user.
func (p *place) newServer(ctx context.Context, records store.Store) (*authserver.Server, error) {
	seal := make([]byte, 32)
	_, _ = rand.Read(seal) // never fails
	key := holdfast.NewSecret(string(seal))
	sealed, err := store.Seal(records, key)
	if err != nil {
		return nil, err
	}
	users, err := login.NewUsers(login.UsersConfig{Store: sealed})
	if err != nil {
		return nil, err
	}
	if _, err := users.Add(ctx, login.Account{Name: UserName}, p.password); err != nil {
		return nil, err
	}
	return authserver.New(ctx, authserver.Config{
		Issuer: p.issuer, Store: records, SealingKeys: []holdfast.Secret{key}, Directory: users, RequirePAR: true,
		Resources: []authserver.Resource{{ID: p.api, Scopes: []string{Scope}}},
		Clients: []authserver.Client{{Client: metadata.Client{
			ClientID: ClientID, Name: "the tour of holdfast", AuthMethod: "none",
			GrantTypes:    []string{"authorization_code", "refresh_token"},
			ResponseTypes: []string{"code"}, RedirectURIs: []string{"http://127.0.0.1/callback"},
		}}},
	})
}

// newAPI makes the API as one that believes to be at publicURL. It begins cold,
// so that its first answer to a proof is a nonce to put into the next one.
func (p *place) newAPI(publicURL string) (http.Handler, error) {
	nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: publicURL})
	if err != nil {
		return nil, err
	}
	guard, err := resource.New(resource.Config{
		PublicURL: publicURL,
		Verify:    holdfast.Config{Issuers: []string{p.issuer}, Audience: []string{p.api}, Proof: holdfast.ProofPolicy{Nonces: nonces}},
		Metadata:  &metadata.Resource{Resource: publicURL, ScopesSupported: []string{Scope}},
		Log:       slog.New(slog.DiscardHandler), // what was refused is the story
	})
	if err != nil {
		return nil, err
	}
	orders, err := guard.Protect(holdfast.Requirement{Scope: []string{Scope}}, http.HandlerFunc(serveOrders))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+path, orders)
	mux.Handle("GET "+guard.MetadataPath(), guard.MetadataHandler())
	return mux, nil
}

func serveOrders(w http.ResponseWriter, r *http.Request) {
	access, ok := resource.AccessFrom(r.Context())
	if !ok {
		http.Error(w, "the guard is missing", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"orders": []string{"tea", "biscuits"}, "subject": access.Token.Subject, "holder": access.Holder.String(),
	})
}

func listen(ctx context.Context) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
}

// serve answers at a listener until the place is closed.
func (p *place) serve(l net.Listener, h http.Handler) {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, MaxHeaderBytes: headerBytes,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- fmt.Errorf("the listener %s ended: %w", l.Addr(), err)
		}
	}()
	p.stops = append(p.stops, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		err := s.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = s.Close()
		}
		<-ended
		return err
	})
}

// wait returns nil when the context is done, or why a listener ended.
func (p *place) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// close stops everything, the last first.
func (p *place) close() error {
	var errs []error
	for i := len(p.stops) - 1; i >= 0; i-- {
		if err := p.stops[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	p.stops = nil
	return errors.Join(errs...)
}

// newSecret makes a password that nobody guesses, fit to be typed.
func newSecret() holdfast.Secret {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return holdfast.NewSecret(base64.RawURLEncoding.EncodeToString(b[:]))
}
