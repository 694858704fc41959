package cli

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/up"
)

// upPassphraseFile is where the passphrase of the keystore of holdfast up is,
// beside it: what is in there ends with the servers.
const upPassphraseFile = "passphrase"

type upFlags struct {
	once           bool
	format, folder string
}

func (a *app) upCommand() *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up [flags]",
		Short: "Show an authorization server, an API and a client at work",
		Long: `Up starts, on 127.0.0.1, an authorization server that binds tokens to keys and
an API that takes nothing else. It logs somebody in, calls the API, refreshes
the token, and then lets five things go wrong: the answer of the API stands
beside what holdfast explain says about it. Every request is really sent.

Then the servers go on, with a client profile and commands to try, until Ctrl-C;
with --once they end. Records, keys and the profile are in a new folder, which
is removed in the end unless --folder names it.

Exit status: 0 every step and every explanation was right, 1 one was not, 2
wrong usage, 3 the servers could not be started.`,
		Example: `  holdfast up
  holdfast up --once`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.up(c.Context(), &f) },
	}
	fl := c.Flags()
	fl.BoolVar(&f.once, "once", false, "end after the last step")
	fl.StringVar(&f.format, "format", "text", "text, or json: one object per line")
	fl.StringVar(&f.folder, "folder", "", "new or empty folder for records, keys and the profile (default: a temporary one)")
	completeWords(c, "format", "text", "json")
	return c
}

func (a *app) up(ctx context.Context, f *upFlags) (err error) {
	if err := choice("format", f.format, "text", "json"); err != nil {
		return err
	}
	folder, remove, err := upFolder(f.folder)
	if err != nil {
		return err
	}
	defer func() {
		if failed := remove(); err == nil && failed != nil {
			err = fail(exitFailure, failed)
		}
	}()
	o := up.Options{Folder: folder, Out: a.Stdout, JSON: f.format == "json", Width: a.width(), Once: f.once}
	if f.once {
		o.Key, err = holdfast.GenerateKey()
	} else {
		var x *account
		if x, err = a.upAccount(folder); err == nil {
			o.Key, err = x.store.Generate(ctx, x.Key, holdfast.ES256)
			o.Ready = x.upReady
		}
	}
	if err != nil {
		return fail(exitUndetermined, err)
	}
	if err := up.Run(ctx, o); err != nil {
		return upProblem(err)
	}
	return nil
}

// upProblem is the status of a tour that failed.
func upProblem(err error) error {
	if errors.Is(err, up.ErrStart) {
		return fail(exitUndetermined, err)
	}
	return fail(exitFailure, err)
}

// upFolder makes the folder of the tour, and says how to remove it.
func upFolder(named string) (folder string, remove func() error, err error) {
	if named == "" {
		folder, err = os.MkdirTemp("", "holdfast-up-")
		return folder, func() error { return os.RemoveAll(folder) }, err
	}
	if folder, err = filepath.Abs(named); err != nil {
		return "", nil, err
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", nil, err
	}
	entries, err := os.ReadDir(folder)
	if err == nil && len(entries) > 0 {
		err = advise(fmt.Errorf("--folder: %s is not empty", folder), "name a folder that does not exist yet")
	}
	return folder, func() error { return nil }, err
}

// upAccount is the profile of the tour, in its own folder, with a passphrase in
// a file beside it.
func (a *app) upAccount(folder string) (*account, error) {
	file := filepath.Join(folder, upPassphraseFile)
	var secret [24]byte
	_, _ = rand.Read(secret[:]) // never fails
	if err := os.WriteFile(file, []byte(base64.RawURLEncoding.EncodeToString(secret[:])), 0o600); err != nil {
		return nil, err
	}
	b := *a
	b.lightKeys = true // the passphrase cannot be guessed
	return b.account(&accountFlags{home: folder, profile: defaultProfile, passphraseFile: file})
}

// upReady keeps the login of the tour as a profile and returns what can be done
// with it.
func (x *account) upReady(ctx context.Context, p up.Profile) ([]up.Command, error) {
	x.profile = profile{
		Issuer: p.Issuer, ClientID: up.ClientID, Scope: []string{up.Scope},
		Resource: []string{p.API}, Origins: []string{p.API}, Key: x.Key,
	}
	if err := x.keep(ctx, p.Grant); err != nil {
		return nil, err
	}
	if err := changeProfiles(x.home, func(all *profiles) { all.Profiles[x.name] = x.profile }); err != nil {
		return nil, err
	}
	program := thisProgram()
	return []up.Command{
		{Line: fmt.Sprintf("export HOLDFAST_HOME=%s HOLDFAST_PASSPHRASE_FILE=%s", shellWord(x.home), shellWord(filepath.Join(x.home, upPassphraseFile))), About: "the profile that was made, in this shell"},
		{Line: program + " call -v " + p.Orders, About: "call the API with the bound token"},
		{Line: program + " token", About: "look at the token"},
		{Line: "curl -i " + p.Orders, About: "see what the API demands"},
		{Line: program + " login", About: "log in again, with your own browser"},
	}, nil
}

// thisProgram is how to call this program from a shell.
func thisProgram() string {
	path, err := os.Executable()
	if err != nil {
		return "holdfast"
	}
	return shellWord(path)
}

// shellWord quotes a word for a POSIX shell if it has to be.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
