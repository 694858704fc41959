package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
)

// logoutFlags are the flags of holdfast logout.
type logoutFlags struct {
	accountFlags
	forget, all bool
}

func (a *app) logoutCommand() *cobra.Command {
	var f logoutFlags
	c := &cobra.Command{
		Use:   "logout [flags]",
		Short: "Revoke and forget the tokens of a login",
		Long: `Logout revokes the tokens of a login at the authorization server and then
forgets them. The profile, the client secret and the key stay, so that holdfast
login works without flags; --all forgets the first two as well (holdfast keys
delete deletes keys).

If the server cannot be reached, or cannot revoke, the tokens are kept, because
they still work; --forget forgets them without asking the server. Exit status: 0
logged out, 1 the server refused, 2 wrong usage or not logged in, 3 it could not
be tried.`,
		Example: `  holdfast logout
  holdfast logout --profile work --all`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.logout(c, &f) },
	}
	fl := c.Flags()
	f.add(fl)
	fl.BoolVar(&f.forget, "forget", false, "forget the tokens without revoking them: they go on working until they expire")
	fl.BoolVar(&f.all, "all", false, "forget the profile and its client secret as well")
	return c
}

func (a *app) logout(c *cobra.Command, f *logoutFlags) error {
	ctx := c.Context()
	x, err := a.known(&f.accountFlags)
	if err != nil {
		return err
	}
	had, failed := false, false
	// Under the lock of the grant: it could be renewed meanwhile, and the new
	// tokens would be forgotten without being revoked.
	err = x.store.Update(ctx, grantPrefix+x.name, func(old holdfast.Secret) (holdfast.Secret, error) {
		had = !old.IsZero()
		if f.forget || !had {
			return holdfast.Secret{}, nil
		}
		err := serverProblem(x.revoke(ctx, old))
		failed = err != nil
		return holdfast.Secret{}, err
	})
	switch {
	case failed:
		a.note("the tokens are kept, because they still work; --forget forgets them without revoking")
		return err
	case err != nil:
		return keystoreProblem(err)
	case !had && !f.all:
		return x.notLoggedIn()
	}
	if f.all {
		if err := x.store.Update(ctx, secretPrefix+x.name, replaceBy(holdfast.Secret{})); err != nil {
			return keystoreProblem(err)
		}
		if err := changeProfiles(x.home, func(p *profiles) { delete(p.Profiles, x.name) }); err != nil {
			return err
		}
	}
	what := "revoked and forgotten"
	if f.forget {
		what = "forgotten, not revoked"
	}
	if had {
		a.note(fmt.Sprintf("profile %s: tokens %s", x.name, what))
	}
	return nil
}

// revoke revokes the tokens of a stored grant.
func (x *account) revoke(ctx context.Context, stored holdfast.Secret) error {
	g, err := x.parseGrant(ctx, stored)
	if err != nil {
		return err
	}
	c, err := x.client(ctx, g.Key, nil)
	if err != nil {
		return err
	}
	return c.Revoke(ctx, g)
}
