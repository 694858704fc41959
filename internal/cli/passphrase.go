package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/keystore"
)

// minPassphrase is the shortest passphrase that a new keystore takes, in bytes.
// It stops accidents; only the user can choose a good one.
const minPassphrase = 8

// maxSecretFile is the longest file that a passphrase or client secret is read
// from.
const maxSecretFile = 4 << 10

// passphraseVariable holds the passphrase for programs that cannot use a file.
const passphraseVariable = "HOLDFAST_PASSPHRASE"

var errNoTerminal = errors.New("no terminal")

// passphrase tells a keystore where its passphrase comes from: the file if one
// is named, the environment, or whoever sits at the terminal.
func (a *app) passphrase(file string) func(context.Context, bool) (holdfast.Secret, error) {
	return func(ctx context.Context, create bool) (holdfast.Secret, error) {
		p, err := a.findPassphrase(ctx, file, create)
		if err == nil && create && p.Len() < minPassphrase {
			err = fmt.Errorf("it has %d characters, a new keystore wants at least %d", p.Len(), minPassphrase)
		}
		return p, err
	}
}

func (a *app) findPassphrase(ctx context.Context, file string, create bool) (holdfast.Secret, error) {
	if file != "" {
		return a.secretOf("passphrase-file", file, maxSecretFile)
	}
	if v := a.Getenv(passphraseVariable); v != "" {
		return holdfast.NewSecret(v), nil
	}
	prompt := "Passphrase of the keystore: "
	if create {
		prompt = "Passphrase for a new keystore: "
	}
	p, err := a.ask(ctx, prompt)
	if err != nil || !create {
		return p, err
	}
	again, err := a.ask(ctx, "Once more: ")
	if err == nil && again != p {
		err = errors.New("the two passphrases differ")
	}
	return p, err
}

// ask asks somebody at the terminal.
func (a *app) ask(ctx context.Context, prompt string) (holdfast.Secret, error) {
	err := errNoTerminal
	var s holdfast.Secret
	if a.Password != nil {
		s, err = a.Password(ctx, prompt)
	}
	if errors.Is(err, errNoTerminal) {
		return s, advise(errors.New("there is no terminal to ask at"),
			"--passphrase-file FILE, HOLDFAST_PASSPHRASE_FILE or "+passphraseVariable+" gives it without asking")
	}
	return s, err
}

// secretOf reads a secret from the file that a flag names, "-" being stdin,
// without the end of its line.
func (a *app) secretOf(flag, name string, limit int64) (holdfast.Secret, error) {
	b, err := a.readFile(name, limit)
	if err != nil {
		return holdfast.Secret{}, fmt.Errorf("--%s: %w", flag, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return holdfast.Secret{}, fmt.Errorf("--%s: want one line that is not empty", flag)
	}
	return holdfast.NewSecret(text), nil
}

// askTerminal asks without echo at the terminal of the process, which need not be
// its stdin.
func askTerminal(ctx context.Context, prompt string) (holdfast.Secret, error) {
	in, out := os.Stdin, os.Stderr
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		defer tty.Close()
		in, out = tty, tty
	}
	fd := int(in.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return holdfast.Secret{}, errNoTerminal
	}
	fmt.Fprint(out, prompt)
	defer fmt.Fprintln(out)
	type answer struct {
		text []byte
		err  error
	}
	// Reading from a terminal cannot be interrupted. If ctx ends first, so does
	// the process, and takes the goroutine along.
	read := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- answer{text, err}
	}()
	select {
	case r := <-read:
		return holdfast.NewSecret(string(r.text)), r.err
	case <-ctx.Done():
		return holdfast.Secret{}, errors.Join(ctx.Err(), term.Restore(fd, state))
	}
}

// keystoreProblem gives an error of the keystore its status and advice.
func keystoreProblem(err error) error {
	var p *problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p): // advice, on what stands around it
		return fail(exitUndetermined, err, p.hints...)
	case errors.Is(err, keystore.ErrNotFound):
		return advise(err, "holdfast keys list shows what there is")
	case errors.Is(err, keystore.ErrExists):
		return advise(err, "holdfast keys rotate NAME makes another key beside the current one")
	case errors.Is(err, keystore.ErrPassphrase):
		return fail(exitUndetermined, err, "check HOLDFAST_PASSPHRASE, --passphrase-file or what was typed")
	case errors.Is(err, keystore.ErrDamaged):
		return fail(exitUndetermined, err, "put back a copy, or remove the file and log in again")
	}
	return fail(exitUndetermined, err)
}
