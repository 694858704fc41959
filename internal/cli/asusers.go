package cli

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
)

// shownUser is what the server says of a person.
type shownUser struct {
	Name        string    `json:"name"`
	Subject     string    `json:"subject"`
	DisplayName string    `json:"display_name"`
	Disabled    bool      `json:"disabled"`
	Created     time.Time `json:"created"`
}

func (u *shownUser) row() string {
	state := "enabled"
	if u.Disabled {
		state = "disabled"
	}
	return row(u.Name, u.Subject, state, "created "+stamp(u.Created), u.DisplayName)
}

func (a *app) asUsersCommand() *cobra.Command {
	return asGroup("users", "Manage the people who log in with a password",
		"Users are the people who have a password at the server itself, which the setting\nusers allows. Their subject is the sub of their tokens.", "  holdfast as users list",
		a.asUsersListCommand(), a.asUsersAddCommand(), a.asUsersPasswordCommand(),
		a.asUserChange("disable", "Keep somebody from logging in", "Disable keeps somebody from logging in and revokes what was granted.", http.MethodPost, "/disable", true),
		a.asUserChange("enable", "Let somebody log in again", "Enable lets somebody log in again who was disabled.", http.MethodPost, "/enable", false),
		a.asUserChange("remove", "Forget somebody", "Remove forgets somebody and revokes what was granted. Another person of that\nname gets another subject.", http.MethodDelete, "", true))
}

func (a *app) asUsersListCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "list", Short: "List the users", Example: "  holdfast as users list --format json",
		Long: "List shows name, subject and state of everybody who has a password at the\nserver.",
		Args: cobra.NoArgs,
	}, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		var list struct {
			Users []shownUser `json:"users"`
		}
		answer, err := s.do(c.Context(), http.MethodGet, "/users", nil, &list)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() (lines []string) {
			for i := range list.Users {
				lines = append(lines, list.Users[i].row())
			}
			return lines
		})
	})
}

func (a *app) asUsersAddCommand() *cobra.Command {
	var f asFlags
	var display, acr, file string
	var scopes []string
	c := &cobra.Command{
		Use: "add NAME", Short: "Add somebody",
		Long: `Add makes an account. The password is asked for at the terminal, or read from a
file. Without --scope the person may grant every scope that is offered.`,
		Example: "  holdfast as users add alice\n  holdfast as users add bob --scope orders.read --password-file bob.txt",
		Args:    exactArgs(1),
	}
	c.Flags().StringVar(&file, "password-file", "", `file with the password, "-" is stdin`)
	c.Flags().StringVar(&display, "display-name", "", "name that is shown on pages")
	c.Flags().StringVar(&acr, "acr", "", "authentication context class of a login (RFC 9470)")
	c.Flags().StringSliceVar(&scopes, "scope", nil, "scope that the person may grant (may be repeated, or with commas)")
	return a.asSub(c, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		password, err := a.newPassword(c, file)
		if err != nil {
			return err
		}
		body := map[string]any{"name": args[0], "password": password.Reveal()}
		for name, value := range map[string]string{"display_name": display, "acr": acr} {
			if value != "" {
				body[name] = value
			}
		}
		if len(scopes) > 0 {
			body["scopes"] = scopes
		}
		var u shownUser
		answer, err := s.do(c.Context(), http.MethodPost, "/users", body, &u)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() []string { return []string{u.row()} })
	})
}

func (a *app) asUsersPasswordCommand() *cobra.Command {
	var f asFlags
	var file string
	c := &cobra.Command{
		Use: "password NAME", Short: "Replace a password", Example: "  holdfast as users password alice",
		Long: "Password replaces the password of somebody and revokes what was granted with the\none before. It is asked for at the terminal, or read from a file.",
		Args: exactArgs(1),
	}
	c.Flags().StringVar(&file, "password-file", "", `file with the password, "-" is stdin`)
	return a.asSub(c, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		password, err := a.newPassword(c, file)
		if err != nil {
			return err
		}
		body := map[string]string{"password": password.Reveal()}
		return a.changeUser(c, s, &f, http.MethodPost, "/users/"+url.PathEscape(args[0])+"/password", body, true)
	})
}

// asUserChange is a command that needs a name and nothing else.
func (a *app) asUserChange(verb, short, long, method, below string, revoke bool) *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: verb + " NAME", Short: short, Long: long, Example: "  holdfast as users " + verb + " alice", Args: exactArgs(1),
	}, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		return a.changeUser(c, s, &f, method, "/users/"+url.PathEscape(args[0])+below, nil, revoke)
	})
}

// changeUser changes an account and revokes what was granted to whoever had it.
func (a *app) changeUser(c *cobra.Command, s *adminServer, f *asFlags, method, path string, body any, revoke bool) error {
	var u shownUser
	answer, err := s.do(c.Context(), method, path, body, &u)
	if err != nil {
		return err
	}
	if revoke {
		if _, err := s.do(c.Context(), http.MethodPost, "/revoke", map[string]string{"user": u.Subject, "reason": "holdfast as users " + c.Name()}, nil); err != nil {
			return fail(exitUndetermined, err, "the account was changed; what was granted was not revoked: holdfast as revoke --user "+u.Subject)
		}
	}
	return a.show(f, answer, func() []string { return []string{u.row()} })
}

// newPassword reads a password from a file, or asks for it twice.
func (a *app) newPassword(c *cobra.Command, file string) (holdfast.Secret, error) {
	if file != "" {
		return a.secretOf("password-file", file, maxSecretFile)
	}
	err := errNoTerminal
	var once, again holdfast.Secret
	if a.Password != nil {
		if once, err = a.Password(c.Context(), "Password: "); err == nil {
			again, err = a.Password(c.Context(), "Once more: ")
		}
	}
	switch {
	case errors.Is(err, errNoTerminal):
		return once, advise(errors.New("there is no terminal to ask at"), "--password-file FILE, or - for stdin")
	case err == nil && once != again:
		return once, errors.New("the two passwords differ")
	}
	return once, err
}
