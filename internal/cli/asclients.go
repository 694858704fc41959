package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast/metadata"
)

// shownClient is what is shown of a client.
type shownClient struct {
	metadata.Client
	Source string `json:"source"`
}

func (a *app) asClientsCommand() *cobra.Command {
	return asGroup("clients", "Manage the clients of the server",
		"Clients are those of the configuration, which are changed there, and those that\nwere registered.", "  holdfast as clients list",
		a.asClientsListCommand(), a.asClientsAddCommand(), a.asClientsRemoveCommand())
}

func (a *app) asClientsListCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "list", Short: "List the clients", Example: "  holdfast as clients list --format json",
		Long: "List shows identifier, way to authenticate, origin and name of each client. It\nshows no secret.",
		Args: cobra.NoArgs,
	}, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		var list struct {
			Clients []shownClient `json:"clients"`
		}
		answer, err := s.do(c.Context(), http.MethodGet, "/clients", nil, &list)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() (lines []string) {
			for _, k := range list.Clients {
				lines = append(lines, row(k.ClientID, k.AuthMethod, k.Source, k.Name))
			}
			return lines
		})
	})
}

func (a *app) asClientsAddCommand() *cobra.Command {
	var f asFlags
	var secretFile string
	c := &cobra.Command{
		Use: "add FILE", Short: "Register a client",
		Long: `Add registers a client by its metadata (RFC 7591, JSON) and prints its
identifier. "-" is stdin. A client with a secret needs --secret-file, where the
secret is written: it is not shown again.`,
		Example: "  holdfast as clients add - < client.json\n  holdfast as clients add client.json --secret-file job.secret",
		Args:    exactArgs(1),
	}
	c.Flags().StringVar(&secretFile, "secret-file", "", "new file for the client secret")
	return a.asSub(c, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		text, err := a.readFile(args[0], metadata.MaxClientBytes)
		if err != nil {
			return err
		}
		m, err := metadata.ParseClient(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		// RFC 7591 section 2: without a method it is client_secret_basic.
		secret := m.AuthMethod == "" || strings.HasPrefix(m.AuthMethod, "client_secret_")
		if secret != (secretFile != "") {
			return advise(errors.New("--secret-file is for a client with a secret, and such a client needs it"),
				`"token_endpoint_auth_method" of the client decides: private_key_jwt needs no secret`)
		}
		return a.addClient(c, s, &f, text, secretFile)
	})
}

// addClient registers a client. Its secret goes to a file that was made before,
// so that it is not lost.
func (a *app) addClient(c *cobra.Command, s *adminServer, f *asFlags, text []byte, secretFile string) (err error) {
	var out *os.File
	if secretFile != "" {
		if out, err = os.OpenFile(secretFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
		defer func() {
			if err = errors.Join(err, out.Close()); err != nil {
				os.Remove(secretFile)
			}
		}()
	}
	members := map[string]json.RawMessage{}
	if _, err := s.do(c.Context(), http.MethodPost, "/clients", json.RawMessage(text), &members); err != nil {
		return err
	}
	if secretFile != "" {
		var secret string
		if err := json.Unmarshal(members["client_secret"], &secret); err != nil || secret == "" {
			return fail(exitUndetermined, errors.New("the server registered the client without a secret"))
		}
		if _, err := fmt.Fprintln(out, secret); err != nil {
			return fail(exitUndetermined, err, "the client is registered and its secret is lost: remove it")
		}
	}
	delete(members, "client_secret")
	shown, err := json.Marshal(members)
	if err != nil {
		return err
	}
	var k shownClient
	if err := json.Unmarshal(shown, &k); err != nil {
		return fail(exitUndetermined, errors.New("the answer is not that of an admin listener"))
	}
	return a.show(f, shown, func() []string { return []string{k.ClientID} })
}

func (a *app) asClientsRemoveCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "remove CLIENT", Short: "Remove a registered client", Example: "  holdfast as clients remove s6BhdRkqt3",
		Long: "Remove forgets a client that was registered and revokes everything that was\nissued to it. One of the configuration is removed there.",
		Args: exactArgs(1),
	}, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		answer, err := s.do(c.Context(), http.MethodDelete, "/clients/"+url.PathEscape(args[0]), nil, nil)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() []string { return []string{"removed " + args[0]} })
	})
}
