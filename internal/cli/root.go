// Package cli is the command line of holdfast: one file per command, each of
// which turns flags into a call of a library package and prints the answer.
//
// [Main] runs a command line against an [Env] and returns the exit status;
// cmd/holdfast does nothing else. stdout carries the answer only, stderr
// everything else.
//
// The package holds no knowledge of the protocols: what is right or wrong is
// decided by the packages below it. Secrets are never accepted as values of
// flags, and never printed.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-oauth/holdfast"
)

// Exit statuses of every command.
const (
	exitFine         = 0 // no failure
	exitFailure      = 1 // a failure was found, or a server refused
	exitUsage        = 2 // wrong usage, or nothing could be read
	exitUndetermined = 3 // the evidence does not decide, or it could not be tried
)

// helpColumns is the width of help: that of the narrowest usual terminal.
const helpColumns = 80

// Env is what a command may use of the process.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string

	StdoutTerminal, StderrTerminal bool
	Columns                        int // of the terminal, 0 if unknown

	// Password asks somebody at the terminal without echo; nil, or
	// errNoTerminal, if nobody is there.
	Password func(ctx context.Context, prompt string) (holdfast.Secret, error)

	Now func() time.Time // nil means time.Now

	lightKeys bool // new keystores are cheap to open: set by tests only
}

// app is one run of the program.
type app struct {
	Env
	status  int  // what the answer amounts to
	running bool // the command line was understood
}

// problem is an error with advice, and with the status it ends in.
type problem struct {
	err    error
	hints  []string
	status int // 0 means exitUsage
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// advise adds hints to an error.
func advise(err error, hints ...string) error { return &problem{err: err, hints: hints} }

// fail is an error that ends in another status than that of wrong usage.
func fail(status int, err error, hints ...string) error {
	return &problem{err: err, hints: hints, status: status}
}

// statusOf is the exit status of an error.
func statusOf(err error) int {
	var p *problem
	if errors.As(err, &p) && p.status != 0 {
		return p.status
	}
	return exitUsage
}

// Main runs one command line, without the name of the program, and returns the
// exit status.
func Main(ctx context.Context, args []string, env Env) int {
	a := &app{Env: env}
	if a.Now == nil {
		a.Now = time.Now
	}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		a.complain(err)
		return statusOf(err)
	}
	return a.status
}

// complain prints an error and its hints.
func (a *app) complain(err error) {
	fmt.Fprintf(a.Stderr, "holdfast: error: %s\n", printable(err.Error()))
	var p *problem
	if errors.As(err, &p) {
		for _, h := range p.hints {
			fmt.Fprintf(a.Stderr, "holdfast: hint: %s\n", printable(h))
		}
	} else if !a.running {
		fmt.Fprintln(a.Stderr, "holdfast: hint: --help shows the flags of a command, with an example")
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Use and explain sender-constrained tokens (OAuth DPoP)",
		Long: `Holdfast reads captures of OAuth calls and says why a call was refused: an
ordinary bearer failure or a failure of the proof of possession, which cause,
how sure, and what each party should change. That works offline.

It also gets tokens that are bound to a key and calls APIs with them: login,
call, token, proof, logout; keys manages the keys.

serve as runs an authorization server that binds tokens, as administers it, and
up shows both ends on this machine.

Exit status: 0 no failure, 1 a failure was found or a server refused, 2 wrong
usage or nothing readable, 3 undetermined or not possible to try. Every flag can
be given as an environment variable: --public-url as HOLDFAST_PUBLIC_URL.`,
		Example: `  holdfast explain capture.har
  holdfast login https://api.example.com --client-id my-tool
  holdfast call https://api.example.com/orders`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			err := a.fromEnvironment(c)
			a.running = err == nil
			return err
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return advise(fmt.Errorf("unknown command %q", args[0]), "holdfast help lists the commands")
			}
			return c.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	// The words are those of cobra's own template, which sets no width.
	root.SetUsageTemplate(strings.NewReplacer(
		".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", helpColumns), "for more information about a command", "for more about a command",
	).Replace(root.UsageTemplate()))
	root.AddCommand(a.explainCommand(), a.decodeCommand(), a.checksCommand(), a.redactCommand(), a.versionCommand())
	root.AddCommand(a.loginCommand(), a.callCommand(), a.tokenCommand(), a.proofCommand(), a.logoutCommand(), a.keysCommand())
	root.AddCommand(a.upCommand(), a.serveCommand(), a.asCommand())
	return root
}

// fromEnvironment sets the flags that were not given from HOLDFAST_*
// variables.
func (a *app) fromEnvironment(c *cobra.Command) error {
	var errs []error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		name := "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := a.Getenv(name); v != "" {
			if err := c.Flags().Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", name, err))
			}
		}
	})
	return errors.Join(errs...)
}

// choice checks the value of a flag that has a fixed set of them.
func choice(flag, value string, allowed ...string) error {
	for _, v := range allowed {
		if v == value {
			return nil
		}
	}
	return advise(fmt.Errorf("--%s is %q, want %s", flag, value, strings.Join(allowed, ", ")))
}

// exactArgs wants n arguments, and says how the command is used otherwise.
func exactArgs(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return advise(fmt.Errorf("%d arguments were given, %d are needed", len(args), n), c.UseLine())
	}
}

// completeWords offers fixed words for a flag in shell completion.
func completeWords(c *cobra.Command, flag string, words ...string) {
	// The only error is that the flag does not exist or is registered twice.
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// readFile reads at most limit bytes of a file, "-" being stdin.
func (a *app) readFile(name string, limit int64) ([]byte, error) {
	r := a.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, nil
}
