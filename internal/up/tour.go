package up

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// Timeout is how long the steps of the tour may take together.
const Timeout = time.Minute

// The parties of the tour.
const (
	ClientID = "tour"
	UserName = "alice"
	Scope    = "orders.read"
	path     = "/orders"
)

// Options say how to run the tour. Folder, Key and Out are required.
type Options struct {
	// Folder is an empty folder that nobody else may enter: the records of the
	// authorization server go there. It is not removed.
	Folder string

	Key *holdfast.Key // proof key of the client, P-256

	Out   io.Writer
	JSON  bool // one object per line instead of text
	Width int  // columns of text; 0 means 80

	// Once ends the tour after the last step; otherwise the servers go on until
	// the context is done.
	Once bool

	// Ready is told of the login once every step has succeeded, before the servers
	// go on. It returns the commands to try, and is not called if Once is set.
	Ready func(context.Context, Profile) ([]Command, error)
}

// Profile is what a client has to know to use what was started.
type Profile struct {
	Issuer, API string
	Orders      string        // address that takes the tokens
	Grant       *client.Grant // bound to the key of the Options

	// Name and Password are those of the one person who can log in.
	Name     string
	Password holdfast.Secret
}

// ErrStart says that the servers could not be started: nothing was tried.
var ErrStart = errors.New("the servers cannot be started")

// Command is a line for a shell and what it is for.
type Command struct {
	Line  string `json:"command"`
	About string `json:"about"`
}

// Run goes through the steps and tells each to Out when it is done. The error
// names the step that did not do what it should; a tour that is interrupted
// after its last step has succeeded.
func Run(ctx context.Context, o Options) (err error) {
	if o.Folder == "" || o.Key == nil || o.Out == nil {
		return errors.New("the tour needs a folder, a key and an output")
	}
	s := newStory(o.Out, o.JSON, cmp.Or(o.Width, 80))
	steps, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	place, err := openPlace(steps, o.Folder)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStart, err)
	}
	defer func() { err = errors.Join(err, place.close()) }()
	t := newTour(place, s, o.Key)
	if err := t.run(steps); err != nil {
		return err
	}
	if o.Once {
		return s.err
	}
	p := Profile{Issuer: place.issuer, API: place.api, Orders: place.api + path, Grant: t.grant, Name: UserName, Password: place.password}
	var try []Command
	if o.Ready != nil {
		if try, err = o.Ready(ctx, p); err != nil {
			return fmt.Errorf("write the client profile: %w", err)
		}
	}
	s.running(p, try)
	if s.err != nil {
		return s.err
	}
	return place.wait(ctx)
}

// tour is one run through the steps.
type tour struct {
	*place
	story  *story
	tape   *tape
	key    *holdfast.Key
	nonces *client.NonceJar
	client *client.Client
	grant  *client.Grant
}

func newTour(p *place, s *story, key *holdfast.Key) *tour {
	return &tour{place: p, story: s, key: key, nonces: &client.NonceJar{}, tape: newTape()}
}

// run goes through the steps in order: each needs what the one before has got.
func (t *tour) run(ctx context.Context) error {
	for _, s := range []struct {
		name string
		do   func(context.Context) (Step, error)
	}{
		{"authorization server", t.showServer},
		{"API", t.showAPI},
		{"login", t.login},
		{"call", t.call},
		{"refresh", t.refresh},
	} {
		step, err := s.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		step.Name = s.name
		t.story.tell(step)
	}
	return t.breakThings(ctx, failures())
}

func (t *tour) showServer(ctx context.Context) (Step, error) {
	trail, err := t.look(ctx, t.issuer+"/.well-known/oauth-authorization-server")
	return Step{
		Title: "the authorization server is ready: " + t.issuer,
		Notes: []string{"authorization code with PKCE and pushed requests, DPoP with nonces", "records in " + t.database},
		Trail: trail,
	}, err
}

func (t *tour) showAPI(ctx context.Context) (Step, error) {
	trail, err := t.look(ctx, t.api+"/.well-known/oauth-protected-resource")
	return Step{
		Title: "the API is ready: " + t.api,
		Notes: []string{"GET " + path + " wants a token that is bound to a key, with scope " + Scope},
		Trail: trail,
	}, err
}

// look asks for a public document and returns how that went.
func (t *tour) look(ctx context.Context, address string) ([]Hop, error) {
	from := t.tape.mark()
	x, err := t.tape.get(ctx, address, nil)
	if err == nil && x.Status != http.StatusOK {
		err = fmt.Errorf("status %d of %s", x.Status, address)
	}
	return t.tape.trail(from), err
}

func (t *tour) login(ctx context.Context) (Step, error) {
	from := t.tape.mark()
	var err error
	t.client, err = client.New(ctx, client.Config{
		Issuer: t.issuer, ClientID: ClientID, Key: t.key, Scope: []string{Scope}, Resource: []string{t.api},
		HTTP: t.tape.http(), Nonces: t.nonces,
	})
	if err != nil {
		return Step{}, err
	}
	t.grant, err = t.client.LoginLoopback(ctx, func(address string) error {
		return (&Person{Name: UserName, Password: t.password, HTTP: t.tape.http()}).Visit(ctx, address)
	})
	if err != nil {
		return Step{}, err
	}
	trail := t.tape.trail(from)
	step := Step{
		Title: UserName + " logs in and agrees: the token is bound to the key " + t.key.Thumbprint().String(),
		Notes: []string{"PKCE S256, token_type " + t.grant.Token.Type + ", the refresh token is bound as well"},
		Trail: trail,
	}
	return step, errors.Join(
		need(t.grant.Token.Key == t.key && t.grant.RefreshBound, "the tokens are not bound to the key"),
		need(passed(trail, "/par", http.StatusCreated), "no request was pushed"),
	)
}

func (t *tour) call(ctx context.Context) (Step, error) {
	from := t.tape.mark()
	c := &http.Client{Transport: &client.Transport{
		Tokens: t.client.Source(client.NewMemoryStore(t.grant)), Origins: []string{t.api}, Nonces: t.nonces, Base: t.tape,
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.api+path, nil)
	if err != nil {
		return Step{}, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return Step{}, err
	}
	defer answer.Body.Close()
	return Step{
		Title: "a call with the token and a fresh proof is served",
		Trail: t.tape.trail(from),
	}, need(answer.StatusCode == http.StatusOK, fmt.Sprintf("the API answers %d", answer.StatusCode))
}

func (t *tour) refresh(ctx context.Context) (Step, error) {
	from, old := t.tape.mark(), t.grant
	next, err := t.client.Refresh(ctx, old)
	if err != nil {
		return Step{}, err
	}
	t.grant = next
	step := Step{
		Title: "the refresh token gives a new pair of tokens, for the same key",
		Trail: t.tape.trail(from),
	}
	return step, errors.Join(
		need(next.Token.Value.Reveal() != old.Token.Value.Reveal(), "the access token is the old one"),
		need(!next.Refresh.IsZero() && next.Refresh.Reveal() != old.Refresh.Reveal(), "the refresh token was not rotated"),
	)
}

// need is an error unless something is so.
func need(is bool, otherwise string) error {
	if is {
		return nil
	}
	return errors.New(otherwise)
}
