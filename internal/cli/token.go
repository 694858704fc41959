package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
)

// tokenFlags are the flags of holdfast token.
type tokenFlags struct {
	accountFlags
	reveal bool
	format string
}

func (a *app) tokenCommand() *cobra.Command {
	var f tokenFlags
	c := &cobra.Command{
		Use:   "token [flags]",
		Short: "Describe the token of a login",
		Long: `Token says what a login got: issuer, scope, the key that the token is bound to
and when it expires. It sends nothing and shows no secret.

With --reveal it prints the access token itself and nothing else, renewed first
if it has expired. A bound token is of no use without proofs: holdfast proof
makes one. Exit status: 0 fine, 1 the server refused to renew, 2 wrong usage or
not logged in, 3 it could not be tried.`,
		Example: `  holdfast token
  holdfast token --format json
  holdfast token --reveal > token.txt`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.token(c, &f) },
	}
	fl := c.Flags()
	f.add(fl)
	fl.BoolVar(&f.reveal, "reveal", false, "print the access token, which is a secret")
	fl.StringVar(&f.format, "format", "text", "text or json")
	completeWords(c, "format", "text", "json")
	return c
}

func (a *app) token(c *cobra.Command, f *tokenFlags) error {
	if err := choice("format", f.format, "text", "json"); err != nil {
		return err
	}
	x, g, err := a.loggedIn(c.Context(), &f.accountFlags)
	if err != nil {
		return err
	}
	if !f.reveal {
		return a.writeGrant(x, g, f.format)
	}
	defer x.finish()
	t, err := x.source(g).Token(c.Context())
	if err != nil {
		return serverProblem(err)
	}
	_, err = fmt.Fprintln(a.Stdout, t.Value.Reveal())
	return err
}

// describedGrant is a grant without its secrets.
type describedGrant struct {
	Profile      string               `json:"profile"`
	Issuer       string               `json:"issuer"`
	ClientID     string               `json:"client_id"`
	TokenType    string               `json:"token_type"`
	Key          *holdfast.Thumbprint `json:"key,omitempty"` // nil: bound to none
	Scope        []string             `json:"scope"`
	Origins      []string             `json:"origins"`
	Obtained     time.Time            `json:"obtained"`
	Expires      time.Time            `json:"expires,omitzero"`
	Expired      bool                 `json:"expired"`
	Refresh      bool                 `json:"refresh"`
	RefreshBound bool                 `json:"refresh_bound"`
	Warnings     []string             `json:"warnings,omitempty"`
}

// writeGrant describes a grant on stdout.
func (a *app) writeGrant(x *account, g *client.Grant, format string) error {
	d := describedGrant{
		Profile: x.name, Issuer: g.Issuer, ClientID: g.ClientID, TokenType: g.Token.Type, Scope: append([]string{}, g.Scope...),
		Origins: append([]string{}, x.Origins...), Obtained: g.Obtained.UTC(), Expires: g.Token.Expires, Warnings: g.Warnings,
		Refresh: !g.Refresh.IsZero(), RefreshBound: g.RefreshBound,
	}
	if g.Token.Key != nil {
		t := g.Token.Key.Thumbprint()
		d.Key = &t
	}
	if !d.Expires.IsZero() {
		d.Expires = d.Expires.UTC()
		d.Expired = !a.Now().Before(d.Expires)
	}
	if format == "json" {
		return a.writeJSON(d)
	}
	_, err := fmt.Fprint(a.Stdout, d.text(a.Now()))
	return err
}

// text is the description for people.
func (d *describedGrant) text(now time.Time) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-10s %s\n", name, printable(value)) }
	line("profile", d.Profile)
	line("issuer", d.Issuer)
	line("client", d.ClientID)
	if d.Key != nil {
		line("token", d.TokenType+", bound to the key "+d.Key.String())
	} else {
		line("token", d.TokenType+", bound to no key: whoever steals it can use it")
	}
	switch {
	case d.Expires.IsZero():
		line("expires", "the server did not say")
	case d.Expired:
		line("expires", d.Expires.Format(time.RFC3339)+", which is past")
	default:
		line("expires", fmt.Sprintf("%s, in %s", d.Expires.Format(time.RFC3339), d.Expires.Sub(now).Round(time.Second)))
	}
	line("scope", orNone(d.Scope))
	line("for", orNone(d.Origins))
	switch {
	case d.RefreshBound:
		line("refresh", "yes, bound to the key")
	case d.Refresh:
		line("refresh", "yes")
	default:
		line("refresh", "no")
	}
	for _, w := range d.Warnings {
		line("warning", w)
	}
	return b.String()
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}
