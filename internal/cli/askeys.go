package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// shownSigningKeys are what the server says of its keys.
type shownSigningKeys struct {
	Keys []struct {
		KeyID string    `json:"kid"`
		Alg   string    `json:"alg"`
		State string    `json:"state"`
		From  time.Time `json:"from"`
		Until time.Time `json:"until"`
	} `json:"keys"`
}

func (k *shownSigningKeys) rows() (lines []string) {
	for _, k := range k.Keys {
		line := []string{k.KeyID, k.Alg, k.State, "from " + stamp(k.From)}
		if !k.Until.IsZero() {
			line = append(line, "until "+stamp(k.Until))
		}
		lines = append(lines, row(line...))
	}
	return lines
}

func (a *app) asKeysCommand() *cobra.Command {
	return asGroup("keys", "Manage the keys that sign tokens, and see those of clients",
		"Keys are made, published and replaced by the server itself; the commands are for\nwhen that is not soon enough. holdfast as keys seen shows keys of clients.", "  holdfast as keys list",
		a.asKeysListCommand(), a.asKeysRotateCommand(), a.asKeysRetireCommand(), a.asKeysSeenCommand())
}

// signingKeys asks for a change of the signing keys, or just for them.
func (a *app) signingKeys(c *cobra.Command, s *adminServer, f *asFlags, method, below string) error {
	var keys shownSigningKeys
	answer, err := s.do(c.Context(), method, "/signing-keys"+below, nil, &keys)
	if err != nil {
		return err
	}
	return a.show(f, answer, keys.rows)
}

func (a *app) asKeysListCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "list", Short: "List the signing keys", Example: "  holdfast as keys list",
		Long: "List shows the keys that sign access tokens, the oldest first: pending\n(published, signs later), signing, or published (signs no more).",
		Args: cobra.NoArgs,
	}, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		return a.signingKeys(c, s, &f, http.MethodGet, "")
	})
}

func (a *app) asKeysRotateCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "rotate", Short: "Make a new signing key", Example: "  holdfast as keys rotate",
		Long: "Rotate makes a key that signs once it has been published for the overlap of the\nconfiguration. The one before stays published until its tokens have expired.",
		Args: cobra.NoArgs,
	}, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		return a.signingKeys(c, s, &f, http.MethodPost, "/rotate")
	})
}

func (a *app) asKeysRetireCommand() *cobra.Command {
	var f asFlags
	var yes bool
	c := &cobra.Command{
		Use: "retire KID --yes", Short: "Take back a compromised signing key", Example: "  holdfast as keys retire 3gT8cVwUmQ --yes",
		Long: "Retire removes a signing key at once, for one that somebody else may have. Every\ntoken that it signed stops to work.",
		Args: exactArgs(1),
	}
	c.Flags().BoolVar(&yes, "yes", false, "needed, because every token of the key stops to work")
	return a.asSub(c, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		if !yes {
			return advise(errors.New("this would end every token that the key has signed"), "add --yes if that is meant; holdfast as keys rotate replaces a key that nobody has stolen")
		}
		return a.signingKeys(c, s, &f, http.MethodPost, "/"+url.PathEscape(args[0])+"/retire")
	})
}

func (a *app) asKeysSeenCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "seen CLIENT", Short: "List the keys that a client has used", Example: "  holdfast as keys seen my-tool",
		Long: "Seen shows the keys that tokens of a client were bound to: jkt is a proof key\n(DPoP), x5t#S256 a certificate. One that should not be there is blocked by\nholdfast as block.",
		Args: exactArgs(1),
	}, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		var list struct {
			Keys []struct {
				Kind       string    `json:"kind"`
				Thumbprint string    `json:"thumbprint"`
				First      time.Time `json:"first"`
				Last       time.Time `json:"last"`
			} `json:"keys"`
		}
		answer, err := s.do(c.Context(), http.MethodGet, fmt.Sprintf("/clients/%s/keys", url.PathEscape(args[0])), nil, &list)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() (lines []string) {
			for _, k := range list.Keys {
				lines = append(lines, row(k.Kind, k.Thumbprint, "first "+stamp(k.First), "last "+stamp(k.Last)))
			}
			return lines
		})
	})
}
