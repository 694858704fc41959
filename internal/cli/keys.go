package cli

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/keystore"
)

// maxKeyFile is the longest file that a private key is imported from.
const maxKeyFile = 64 << 10

// keysFlags are the flags of the commands under holdfast keys.
type keysFlags struct {
	accountFlags
	alg, format string
	yes         bool
}

func (a *app) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Manage the keys that tokens are bound to",
		Long: `Keys are kept in the keystore, a file that is encrypted under a passphrase:
keys.sealed in the folder of --home. They are known by a name and by their
thumbprint, the jkt of the tokens that are bound to them.

Without a name the commands mean the key of the profile. Exit status: 0 fine, 2
wrong usage or no such key, 3 the keystore could not be used.`,
		Example: "  holdfast keys list",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.keysNewCommand(), a.keysListCommand(), a.keysShowCommand(), a.keysRotateCommand(), a.keysImportCommand(), a.keysDeleteCommand())
	return c
}

// keysSub makes one command under keys: run gets the account and the name that
// was given, or that of the profile.
func (a *app) keysSub(c *cobra.Command, f *keysFlags, run func(c *cobra.Command, x *account, name string, args []string) error) *cobra.Command {
	f.add(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.format != "" {
			if err := choice("format", f.format, "text", "json"); err != nil {
				return err
			}
		}
		x, err := a.account(&f.accountFlags)
		if err != nil {
			return err
		}
		name := x.Key
		if len(args) > 0 {
			name = args[0]
		}
		if _, err := holdfast.ParseThumbprint(name); err != nil {
			if err := keystore.CheckName(name); err != nil {
				return err
			}
		}
		return run(c, x, name, args)
	}
	return c
}

func (f *keysFlags) addFormat(c *cobra.Command) {
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	completeWords(c, "format", "text", "json")
}

func (a *app) keysNewCommand() *cobra.Command {
	var f keysFlags
	c := &cobra.Command{
		Use: "new [flags] [NAME]", Short: "Make a key", Example: "  holdfast keys new work --alg ES256",
		Long: "New makes a key for a name that has none and prints its thumbprint. holdfast\nlogin does so by itself.",
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().StringVar(&f.alg, "alg", string(holdfast.ES256), "algorithm that the key signs with: "+strings.Join(algNames(), ", "))
	completeWords(c, "alg", algNames()...)
	return a.keysSub(c, &f, func(c *cobra.Command, x *account, name string, _ []string) error {
		if err := choice("alg", f.alg, algNames()...); err != nil {
			return err
		}
		k, err := x.store.Generate(c.Context(), name, holdfast.Alg(f.alg))
		return a.writeKey(k, err)
	})
}

// algNames are the algorithms of new keys, the most widely accepted first.
func algNames() []string {
	var names []string
	for _, alg := range keyAlgs() {
		names = append(names, string(alg))
	}
	return names
}

// writeKey prints the thumbprint of a key that was just made.
func (a *app) writeKey(k *holdfast.Key, err error) error {
	if err != nil {
		return keystoreProblem(err)
	}
	_, err = fmt.Fprintln(a.Stdout, k.Thumbprint())
	return err
}

func (a *app) keysListCommand() *cobra.Command {
	var f keysFlags
	c := &cobra.Command{
		Use: "list [flags]", Short: "List the keys", Example: "  holdfast keys list --format json",
		Long: "List shows name, algorithm, thumbprint, age and whether a key was retired by\nkeys rotate. It shows no secret.",
		Args: cobra.NoArgs,
	}
	f.addFormat(c)
	return a.keysSub(c, &f, func(c *cobra.Command, x *account, _ string, _ []string) error {
		list, err := x.store.List(c.Context())
		if err != nil {
			return keystoreProblem(err)
		}
		if f.format == "json" {
			return a.writeJSON(list)
		}
		for _, k := range list {
			state := "current"
			if !k.Retired.IsZero() {
				state = "retired " + k.Retired.UTC().Format(time.RFC3339)
			}
			_, err := fmt.Fprintf(a.Stdout, "%-16s %-7s %s  created %s  %s\n", k.Name, k.Alg, k.Thumbprint, k.Created.UTC().Format(time.RFC3339), state)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) writeJSON(v any) error {
	e := json.NewEncoder(a.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// shownKey is what keys show tells of a key.
type shownKey struct {
	keystore.Info
	JWK json.RawMessage `json:"jwk"`
}

func (a *app) keysShowCommand() *cobra.Command {
	var f keysFlags
	c := &cobra.Command{
		Use: "show [flags] [NAME|THUMBPRINT]", Short: "Show one key", Example: "  holdfast keys show work --format json",
		Long: "Show describes one key, its public part included. The private part is never\nshown.",
		Args: cobra.MaximumNArgs(1),
	}
	f.addFormat(c)
	return a.keysSub(c, &f, func(c *cobra.Command, x *account, name string, _ []string) error {
		list, err := x.store.List(c.Context())
		if err != nil {
			return keystoreProblem(err)
		}
		i := findKey(list, name)
		if i < 0 {
			return keystoreProblem(fmt.Errorf("key %q: %w", name, keystore.ErrNotFound))
		}
		k, err := x.store.ByThumbprint(c.Context(), list[i].Thumbprint)
		if err != nil {
			return keystoreProblem(err)
		}
		pub, err := jose.NewPublicKey(k.Public())
		if err != nil {
			return err
		}
		s := shownKey{list[i], json.RawMessage(pub.JWK())}
		if f.format == "json" {
			return a.writeJSON(s)
		}
		_, err = fmt.Fprintf(a.Stdout, "name        %s\nthumbprint  %s\nalgorithm   %s\ncreated     %s\n", s.Name, s.Thumbprint, s.Alg, s.Created.UTC().Format(time.RFC3339))
		if err == nil && !s.Retired.IsZero() {
			_, err = fmt.Fprintf(a.Stdout, "retired     %s\n", s.Retired.UTC().Format(time.RFC3339))
		}
		if err == nil {
			_, err = fmt.Fprintf(a.Stdout, "public      %s\n", s.JWK)
		}
		return err
	})
}

// findKey finds a key by thumbprint, or the current one of a name; -1 if there is
// none.
func findKey(list []keystore.Info, which string) int {
	if t, err := holdfast.ParseThumbprint(which); err == nil {
		if i := slices.IndexFunc(list, func(k keystore.Info) bool { return k.Thumbprint == t }); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(list, func(k keystore.Info) bool { return k.Name == which && k.Retired.IsZero() })
}

func (a *app) keysRotateCommand() *cobra.Command {
	var f keysFlags
	c := &cobra.Command{
		Use: "rotate [flags] [NAME]", Short: "Make a new key beside the current one", Example: "  holdfast keys rotate",
		Long: "Rotate makes a new key for a name and retires the current one, which stays for\nthe tokens that are bound to it. The next holdfast login uses the new one.",
		Args: cobra.MaximumNArgs(1),
	}
	return a.keysSub(c, &f, func(c *cobra.Command, x *account, name string, _ []string) error {
		k, err := x.store.Rotate(c.Context(), name)
		return a.writeKey(k, err)
	})
}

func (a *app) keysImportCommand() *cobra.Command {
	var f keysFlags
	c := &cobra.Command{
		Use: "import [flags] NAME FILE", Short: "Take a private key from a PEM file", Example: "  openssl genpkey -algorithm ed25519 | holdfast keys import work -",
		Long: "Import takes a private key (PKCS #8, SEC 1 or PKCS #1 in PEM, not encrypted)\ninto the keystore and prints its thumbprint. \"-\" is stdin. The file stays:\nremove it.",
		Args: exactArgs(2),
	}
	return a.keysSub(c, &f, func(c *cobra.Command, x *account, name string, args []string) error {
		b, err := a.readFile(args[1], maxKeyFile)
		if err != nil {
			return err
		}
		signer, err := parsePrivateKey(b)
		if err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		if _, err := holdfast.NewKey(signer); err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		k, err := x.store.Import(c.Context(), name, signer)
		return a.writeKey(k, err)
	})
}

// parsePrivateKey reads the first private key of a PEM file. What parsers say of
// it is not repeated.
func parsePrivateKey(b []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, advise(errors.New("the private key is encrypted"), "openssl pkey -in FILE | holdfast keys import NAME -")
		default:
			continue // such as the parameters that openssl writes before the key
		}
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, fmt.Errorf("the block %s holds no private key that can sign", block.Type)
		}
		return signer, nil
	}
	return nil, errors.New("there is no private key in PEM")
}

func (a *app) keysDeleteCommand() *cobra.Command {
	var f keysFlags
	c := &cobra.Command{
		Use: "delete [flags] --yes NAME|THUMBPRINT", Short: "Delete keys for good", Example: "  holdfast keys delete work --yes",
		Long: "Delete forgets one key, by its thumbprint, or all keys of a name, retired ones\nincluded. There is no way back: tokens that are bound to them cannot be used any\nmore.",
		Args: exactArgs(1),
	}
	c.Flags().BoolVar(&f.yes, "yes", false, "needed, because there is no way back")
	return a.keysSub(c, &f, func(c *cobra.Command, x *account, name string, _ []string) error {
		if !f.yes {
			return advise(fmt.Errorf("this would delete %s for good: every key of that name, and the use of the tokens that are bound to it", strings.TrimSpace(name)), "add --yes if that is meant")
		}
		if t, err := holdfast.ParseThumbprint(name); err == nil {
			if err := x.store.DeleteKey(c.Context(), t); !errors.Is(err, keystore.ErrNotFound) {
				return keystoreProblem(err)
			}
		}
		return keystoreProblem(x.store.Delete(c.Context(), name))
	})
}
