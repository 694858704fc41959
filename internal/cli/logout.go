package cli

import (
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
		Long: `Logout revokes the tokens of a login at the authorization server and then forgets
them. The profile, the client secret and the key stay, so that holdfast login works
without flags; --all forgets the first two as well (holdfast keys delete deletes
keys).

If the server cannot be reached, or cannot revoke, the tokens are kept, because
they still work; --forget forgets them without asking the server. Exit status: 0
logged out, 1 the server refused, 2 wrong usage or not logged in, 3 it could not be
tried.`,
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
	x, g, err := a.loggedIn(ctx, &f.accountFlags)
	if err != nil {
		return err
	}
	if !f.forget {
		cl, err := x.client(ctx, g.Key, nil)
		if err != nil {
			return err
		}
		if err := cl.Revoke(ctx, g); err != nil {
			a.note("the tokens are kept, because they still work; --forget forgets them without revoking")
			return serverProblem(err)
		}
	}
	forget := replaceBy(holdfast.Secret{})
	if err := x.store.Update(ctx, grantPrefix+x.name, forget); err != nil {
		return keystoreProblem(err)
	}
	if f.all {
		if err := x.store.Update(ctx, secretPrefix+x.name, forget); err != nil {
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
	a.note(fmt.Sprintf("profile %s: tokens %s", x.name, what))
	return nil
}
