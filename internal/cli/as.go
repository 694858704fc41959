package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// asFlags are the flags of the commands under holdfast as.
type asFlags struct {
	admin, format string
	reason        string
}

func (a *app) asCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "as",
		Short: "Administer a running authorization server",
		Long: `As talks to the admin listener of holdfast serve as: --admin, or HOLDFAST_ADMIN,
names its socket (unix:/path) or its address (http://127.0.0.1:port). Whoever
may open the socket may administer the server.

Exit status: 0 done, 1 refused by the server, 2 wrong usage, 3 it could not be
tried, or nobody knows whether it was done.`,
		Example: "  export HOLDFAST_ADMIN=unix:/var/lib/holdfast/admin.sock\n  holdfast as users list",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.asClientsCommand(), a.asUsersCommand(), a.asKeysCommand(), a.asSessionsCommand(),
		a.asRevokeCommand(), a.asCutoffsCommand(), a.asBlockCommand(), a.asUnblockCommand(), a.asBlocksCommand(), a.asBackupCommand(), a.asRestoreCommand(), a.asResealCommand())
	return c
}

// asGroup is a command that only has commands under it.
func asGroup(use, short, long, example string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(commands...)
	return c
}

// asSub makes one command that asks the server.
func (a *app) asSub(c *cobra.Command, f *asFlags, run func(c *cobra.Command, s *adminServer, args []string) error) *cobra.Command {
	c.Flags().StringVar(&f.admin, "admin", "", "admin listener: unix:/path or http://127.0.0.1:port")
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	completeWords(c, "format", "text", "json")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := choice("format", f.format, "text", "json"); err != nil {
			return err
		}
		s, err := newAdminServer(f.admin)
		if err != nil {
			return err
		}
		return run(c, s, args)
	}
	return c
}

func (f *asFlags) addReason(c *cobra.Command) {
	c.Flags().StringVar(&f.reason, "reason", "", "why, for the audit log")
}

// show prints an answer: as it came for --format json, or by text, whose columns
// are separated by tabs.
func (a *app) show(f *asFlags, answer []byte, text func() []string) error {
	if f.format == "json" {
		var out bytes.Buffer
		if len(answer) == 0 {
			answer = []byte("{}")
		}
		if err := json.Indent(&out, answer, "", "  "); err != nil {
			return fail(exitUndetermined, fmt.Errorf("read the answer of the server: %w", err))
		}
		_, err := fmt.Fprintln(a.Stdout, strings.TrimSpace(out.String()))
		return err
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range text() {
		columns := strings.Split(line, "\t")
		for i := range columns {
			columns[i] = printable(columns[i])
		}
		if _, err := fmt.Fprintln(w, strings.Join(columns, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// row joins the columns of a line.
func row(columns ...string) string {
	for i, c := range columns {
		if columns[i] = strings.NewReplacer("\t", " ", "\n", " ").Replace(c); c == "" {
			columns[i] = "-"
		}
	}
	return strings.Join(columns, "\t")
}

// stamp is a time in a column.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
