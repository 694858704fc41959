package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast/store"
)

func (a *app) asBackupCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "backup FILE", Short: "Back up the embedded store of a running server", Example: "  holdfast as backup as.backup",
		Long: `Backup writes a snapshot of the embedded store to a new file. What is in it
stays sealed: the sealing key (DATABASE.key) is not in it and has to be kept
elsewhere.`,
		Args: exactArgs(1),
	}, &f, func(c *cobra.Command, s *adminServer, args []string) (err error) {
		out, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if err = errors.Join(err, out.Close()); err != nil {
				os.Remove(args[0])
			}
		}()
		in, err := s.open(c.Context(), http.MethodGet, "/backup", nil)
		if err != nil {
			return err
		}
		defer in.Close()
		n, err := io.Copy(out, io.LimitReader(in, store.MaxBackupBytes+1))
		if err == nil && n > store.MaxBackupBytes {
			err = fmt.Errorf("it is larger than %d bytes", int64(store.MaxBackupBytes))
		}
		if err = errors.Join(err, out.Sync()); err != nil {
			return fail(exitUndetermined, fmt.Errorf("the backup broke off: %w", err))
		}
		answer, err := json.Marshal(map[string]any{"file": args[0], "bytes": n})
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() []string {
			return []string{fmt.Sprintf("wrote %d bytes to %s", n, args[0])}
		})
	})
}

func (a *app) asRestoreCommand() *cobra.Command {
	var database string
	c := &cobra.Command{
		Use: "restore --database PATH FILE", Short: "Make an embedded store from a backup",
		Long: `Restore checks a backup and makes a new database from it, for a server that is
not running. It replaces nothing that is there. The sealing key of the server
that was backed up has to be put beside it as PATH.key.

What was done after the backup is undone: revocations and blocks are gone, and
codes and refresh tokens that were used, people and clients that were removed,
passwords that were replaced and signing keys that were retired are good again.
Do again what has to be before others can reach the server; where it is not
known what that is, revoke what every client has, with holdfast as revoke
--client.`,
		Example: "  holdfast as restore --database /var/lib/holdfast/as.db as.backup",
		Args:    exactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !filepath.IsAbs(database) {
				return advise(errors.New("--database: an absolute path is needed"), "that of the store in the configuration, without bbolt://")
			}
			in, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			if err := store.Restore(c.Context(), database, in); err != nil {
				return fail(exitFailure, err)
			}
			if _, err := os.Stat(database + ".key"); err != nil {
				a.note("put the sealing key of the server that was backed up at " + database + ".key")
			}
			a.note("what was revoked, blocked, removed or retired after the backup is good again: holdfast as restore --help")
			_, err = fmt.Fprintf(a.Stdout, "restored %s\n", database)
			return err
		},
	}
	c.Flags().StringVar(&database, "database", "", "file of the new database")
	return c
}
