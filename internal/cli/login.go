package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/keystore"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// loginFlags are the flags of holdfast login.
type loginFlags struct {
	accountFlags
	device, clientCredentials, allowBearer   bool
	clientID, clientAuth, clientSecretFile   string
	issuer, key, redirectURL, caFile, format string
	scope, resource, origins                 []string
}

func (a *app) loginCommand() *cobra.Command {
	var f loginFlags
	c := &cobra.Command{
		Use:   "login [flags] [ISSUER_OR_RESOURCE]",
		Short: "Get a token that is bound to a key",
		Long: `Login gets tokens that are bound to a key of the keystore, and keeps them there,
encrypted, for holdfast call. The URL is that of an authorization server, or of
an API that names its authorization server. Without a URL, the profile logs in
again as it did before.

The user signs in with a browser on this machine (the address is printed as
well; $BROWSER names the program), with --device on another device, or not at
all with --client-credentials. The key is made at the first login.

If the server answers with a bearer token, which anybody who steals it could
use, login refuses it unless --allow-bearer is given.

Settings are kept as a profile in config.json in the folder of --home; it holds
no secret. Exit status: 0 logged in, 1 refused by the server, 2 wrong usage, 3
it could not be tried.`,
		Example: `  holdfast login https://api.example.com --client-id my-tool --scope orders.read
  holdfast login https://as.example.com --client-id my-tool --device \
    --resource https://api.example.com --allow-origin https://api.example.com
  holdfast login https://as.example.com --client-id job --client-credentials \
    --client-secret-file secret.txt --resource https://api.example.com \
    --allow-origin https://api.example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.login(c, &f, args) },
	}
	fl := c.Flags()
	f.add(fl)
	fl.BoolVar(&f.device, "device", false, "sign in on another device, by a code")
	fl.BoolVar(&f.clientCredentials, "client-credentials", false, "a token of the client itself, without a user")
	fl.StringVar(&f.clientID, "client-id", "", "client identifier at the authorization server")
	fl.StringVar(&f.clientAuth, "client-auth", "", "none, client_secret_basic or client_secret_post (default: client_secret_basic with a secret)")
	fl.StringVar(&f.clientSecretFile, "client-secret-file", "", `file with the client secret, "-" is stdin`)
	fl.StringSliceVar(&f.scope, "scope", nil, "scope to ask for (may be repeated, or with commas)")
	fl.StringArrayVar(&f.resource, "resource", nil, "resource indicator to ask for (may be repeated; default: that of the API)")
	fl.StringArrayVar(&f.origins, "allow-origin", nil, "server that gets the token, such as https://api.example.com (may be repeated; default: that of the API)")
	fl.StringVar(&f.issuer, "issuer", "", "which authorization server, if the API names several")
	fl.StringVar(&f.key, "key", "", "name of the key (default: that of the profile)")
	fl.StringVar(&f.redirectURL, "redirect-url", "", "http address on 127.0.0.1 that is registered for the client (default: any port, path /callback)")
	fl.StringVar(&f.caFile, "ca-file", "", "PEM file of certificate authorities to trust beside those of the system")
	fl.BoolVar(&f.allowBearer, "allow-bearer", false, "accept a token that is not bound to a key: whoever steals it can use it")
	fl.StringVar(&f.format, "format", "text", "text or json")
	c.MarkFlagsMutuallyExclusive("device", "client-credentials")
	completeWords(c, "client-auth", string(client.AuthNone), string(client.AuthSecretBasic), string(client.AuthSecretPost))
	completeWords(c, "format", "text", "json")
	return c
}

func (a *app) login(c *cobra.Command, f *loginFlags, args []string) error {
	ctx := c.Context()
	x, err := a.loginAccount(c, f)
	if err != nil {
		return err
	}
	server, err := x.findServer(ctx, f, args)
	if err != nil {
		return err
	}
	k, err := x.store.Current(ctx, x.Key)
	if errors.Is(err, keystore.ErrNotFound) {
		if k, err = x.store.Generate(ctx, x.Key, algFor(server)); err == nil {
			a.note(fmt.Sprintf("made a key: %s %s", x.Key, k))
		}
	}
	if err != nil {
		return keystoreProblem(err)
	}
	cl, err := x.client(ctx, k, server)
	if err != nil {
		return err
	}
	g, err := a.runFlow(ctx, cl, f)
	if err != nil {
		return serverProblem(err)
	}
	if err := x.keep(ctx, g); err != nil {
		return keystoreProblem(err)
	}
	if err := changeProfiles(x.home, func(p *profiles) { p.Profiles[x.name] = x.profile }); err != nil {
		return err
	}
	return a.writeGrant(x, g, f.format)
}

// keep stores what a login brought, in place of an older login.
func (x *account) keep(ctx context.Context, g *client.Grant) error {
	sealed, err := g.Seal()
	if err != nil {
		return err
	}
	if !x.secret.IsZero() {
		if err := x.store.Update(ctx, secretPrefix+x.name, replaceBy(x.secret)); err != nil {
			return err
		}
	}
	return x.store.Update(ctx, grantPrefix+x.name, replaceBy(sealed))
}

// replaceBy is a change of a value to s, whatever it was.
func replaceBy(s holdfast.Secret) func(holdfast.Secret) (holdfast.Secret, error) {
	return func(holdfast.Secret) (holdfast.Secret, error) { return s, nil }
}

// loginAccount opens the profile and changes it by the flags that were given. All
// wrong flags are reported at once.
func (a *app) loginAccount(c *cobra.Command, f *loginFlags) (*account, error) {
	var secret holdfast.Secret
	errs := []error{
		choice("format", f.format, "text", "json"),
		choice("client-auth", f.clientAuth, "", string(client.AuthNone), string(client.AuthSecretBasic), string(client.AuthSecretPost)),
	}
	for i, o := range f.origins {
		origin, err := readOrigin(o)
		if err != nil {
			errs = append(errs, fmt.Errorf("--allow-origin: %w", err))
		}
		f.origins[i] = origin
	}
	if f.key != "" {
		if err := keystore.CheckName(f.key); err != nil {
			errs = append(errs, fmt.Errorf("--key: %w", err))
		}
	}
	if f.clientSecretFile != "" {
		var err error
		secret, err = a.secretOf("client-secret-file", f.clientSecretFile, maxSecretFile)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	x, err := a.account(&f.accountFlags)
	if err != nil {
		return nil, err
	}
	x.secret = secret
	if err := x.settle(c, f); err != nil {
		return nil, err
	}
	if f.clientCredentials && (x.ClientAuth == "" || x.ClientAuth == string(client.AuthNone)) {
		return nil, advise(errors.New("--client-credentials is for a client with a secret"), "--client-secret-file FILE, or - for stdin")
	}
	x.base, err = a.newBase(x.CAFile)
	return x, err
}

// settle puts the flags that were given into the profile.
func (x *account) settle(c *cobra.Command, f *loginFlags) error {
	given := c.Flags().Changed
	for flag, set := range map[string]func(){
		"client-id":    func() { x.ClientID = f.clientID },
		"client-auth":  func() { x.ClientAuth = f.clientAuth },
		"scope":        func() { x.Scope = f.scope },
		"resource":     func() { x.Resource = f.resource },
		"allow-origin": func() { x.Origins = f.origins },
		"key":          func() { x.Key = f.key },
		"redirect-url": func() { x.RedirectURL = f.redirectURL },
		"allow-bearer": func() { x.AllowBearer = f.allowBearer },
	} {
		if given(flag) {
			set()
		}
	}
	if given("ca-file") {
		path, err := filepath.Abs(f.caFile)
		if err != nil {
			return err
		}
		x.CAFile = path
	}
	if x.ClientAuth == "" && !x.secret.IsZero() {
		x.ClientAuth = string(client.AuthSecretBasic)
	}
	if x.ClientID == "" {
		return advise(errors.New("a client identifier is needed"), "--client-id ID, as registered at the authorization server")
	}
	return nil
}

// findServer finds the authorization server and notes in the profile what the
// URL says: the issuer and, if it is that of an API, who gets the token.
func (x *account) findServer(ctx context.Context, f *loginFlags, args []string) (*metadata.Server, error) {
	if len(args) == 0 {
		if x.Issuer == "" {
			return nil, advise(errors.New("no authorization server was named"), "holdfast login https://api.example.com --client-id ID")
		}
		m, err := (&metadata.Fetcher{HTTP: serverClient(x.base)}).Server(ctx, x.Issuer)
		return m, serverProblem(err)
	}
	found, err := x.discover(ctx, args[0], f.issuer)
	if err != nil {
		return nil, err
	}
	// The client secret, the scope and the servers of the profile are not for
	// another authorization server.
	if x.known && x.Issuer != found.server.Issuer {
		return nil, advise(fmt.Errorf("profile %s is a login at %s, this is %s", x.name, x.Issuer, found.server.Issuer),
			"--profile NAME makes another profile; holdfast logout --all removes this one")
	}
	if found.resource != nil && f.issuer == "" && !x.known && !x.secret.IsZero() {
		// An API is not asked where a client secret goes.
		return nil, advise(fmt.Errorf("%s names the authorization server %s, and a client secret is sent only to one that you name",
			fetch.Shown(found.resource.Resource), found.server.Issuer), "--issuer "+found.server.Issuer+", if the client is registered there")
	}
	x.Issuer = found.server.Issuer
	if found.resource == nil {
		return found.server, nil
	}
	x.app.note(fmt.Sprintf("%s names the authorization server %s", fetch.Shown(found.resource.Resource), x.Issuer))
	if len(f.resource) == 0 {
		x.Resource = []string{found.resource.Resource}
	}
	if origin, err := readOrigin(found.resource.Resource); err == nil && !slices.Contains(f.origins, origin) {
		x.Origins = append(slices.Clone(f.origins), origin)
	}
	return found.server, nil
}

// runFlow runs the flow that the flags name.
func (a *app) runFlow(ctx context.Context, c *client.Client, f *loginFlags) (*client.Grant, error) {
	switch {
	case f.clientCredentials:
		return c.ClientCredentials(ctx)
	case f.device:
		return c.Device(ctx, func(d client.DeviceCode) error {
			a.note(fmt.Sprintf("open %s and enter the code %s", d.VerificationURI, d.UserCode))
			if d.VerificationURIComplete != "" {
				a.note("or open " + d.VerificationURIComplete)
			}
			return nil
		})
	}
	return c.LoginLoopback(ctx, func(address string) error {
		a.openBrowser(address)
		return nil
	})
}
