package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast/internal/issuer"
)

// serveASFlags are the flags of holdfast serve as.
type serveASFlags struct {
	config, readyFile  string
	check, printConfig bool
}

func (a *app) serveASCommand() *cobra.Command {
	var f serveASFlags
	c := &cobra.Command{
		Use:   "as --config FILE",
		Short: "Run an authorization server that binds tokens",
		Long: `Serve as runs an authorization server. The configuration is a YAML file; what it
does not know in it is refused. Secrets are not in the file but in files or
variables that it refers to. docs/examples/as.yaml shows every setting.

The audit log goes to stdout, or to the file that the configuration names;
everything else goes to stderr. SIGTERM or an interrupt ends the server when the
requests that are under way have been answered; SIGHUP opens the audit log anew.

Exit status: 0 stopped as told, or the configuration is right, 2 the
configuration is wrong, 3 the server could not start or failed.`,
		Example: `  holdfast serve as --config as.yaml --check
  holdfast serve as --config as.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.serveAS(c.Context(), &f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.config, "config", "", "configuration file (YAML)")
	fl.BoolVar(&f.check, "check", false, "report every mistake in the configuration and end")
	fl.BoolVar(&f.printConfig, "print-config", false, "print the configuration with its defaults, without secrets, and end")
	fl.StringVar(&f.readyFile, "ready-file", "", "file to write the addresses of the listeners to (JSON), once they are open")
	c.MarkFlagsMutuallyExclusive("check", "print-config")
	return c
}

func (a *app) serveAS(ctx context.Context, f *serveASFlags) error {
	if f.config == "" {
		return advise(errors.New("a configuration is needed"), "--config FILE; docs/examples/as.yaml is one")
	}
	c, err := readIssuer(f.config)
	if err != nil {
		return fmt.Errorf("%s: %w", f.config, err)
	}
	if err := c.Check(ctx, a.Getenv); err != nil {
		return fmt.Errorf("%s: %w", f.config, err)
	}
	switch {
	case f.check:
		_, err := fmt.Fprintf(a.Stdout, "%s: no mistake was found\n", f.config)
		return err
	case f.printConfig:
		return issuer.Effective(a.Stdout, c)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	reopen, end := hangups()
	defer end()
	// Who reads stdout may go away: then decisions are lost, and counted. Without
	// somebody who is told of the signal it would end the process.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe)
	log := slog.New(slog.NewTextHandler(a.Stderr, nil))
	err = issuer.Run(ctx, c, issuer.Process{
		Getenv: a.Getenv, Stdout: a.Stdout, Log: log, Version: version(), Reopen: reopen,
		Ready: func(addresses issuer.Addresses) error {
			log.Info("listening", "issuer", c.Issuer, "public", addresses.Public, "mtls", addresses.MTLS, "metrics", addresses.Metrics, "admin", addresses.Admin)
			return writeReadyFile(f.readyFile, addresses)
		},
	})
	if err != nil {
		return fail(exitUndetermined, err)
	}
	log.Info("stopped")
	return nil
}

func readIssuer(name string) (*issuer.Config, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, errors.Unwrap(err) // the name is said already
	}
	defer f.Close()
	return issuer.Read(f)
}

// hangups reports each SIGHUP, until end is called.
func hangups() (reopen <-chan struct{}, end func()) {
	signals, out := make(chan os.Signal, 1), make(chan struct{})
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-signals:
			case <-done:
				return
			}
			select {
			case out <- struct{}{}:
			case <-done:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(done)
	}
}

// writeReadyFile writes the addresses for those who wait for them: whoever finds
// the file finds all of it.
func writeReadyFile(name string, addresses issuer.Addresses) error {
	if name == "" {
		return nil
	}
	b, err := json.Marshal(addresses)
	if err != nil {
		return err
	}
	temp := name + ".tmp"
	if err := os.WriteFile(temp, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	if err := os.Rename(temp, name); err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	return nil
}
