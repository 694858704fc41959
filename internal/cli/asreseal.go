package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func (a *app) asResealCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "reseal", Short: "Seal the store anew under a new sealing key", Example: "  holdfast as reseal",
		Long: `Reseal seals under the first of the sealing_keys what another of them sealed. To
replace a sealing key: put the new one behind the others in the configuration of
every replica, then first; reseal until there is nothing to do; wait an hour,
for logins and user codes that are under way; leave the old key out, and destroy
it. Backups from before need it as well. It can be interrupted and repeated
while the server works.`,
		Args: cobra.NoArgs,
	}, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		var done struct {
			Resealed int `json:"resealed"`
		}
		answer, err := s.wait(c.Context(), http.MethodPost, "/reseal", nil, &done)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() []string { return []string{fmt.Sprintf("sealed %d records anew", done.Resealed)} })
	})
}
