package cli

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) asBlocksCommand() *cobra.Command {
	return a.restrictionsCommand("blocks", "List who is blocked",
		"Blocks lists the clients and keys that holdfast as block keeps from getting\ntokens.")
}

func (a *app) asCutoffsCommand() *cobra.Command {
	return a.restrictionsCommand("cutoffs", "List what was revoked",
		"Cutoffs lists the users, clients, sessions and keys of which everything that was\nissued before a time is revoked.")
}

// restrictionsCommand lists what stands against somebody.
func (a *app) restrictionsCommand(name, short, long string) *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: name, Short: short, Long: long, Example: "  holdfast as " + name, Args: cobra.NoArgs,
	}, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		type restriction struct {
			User       string    `json:"user"`
			Client     string    `json:"client"`
			Session    string    `json:"session"`
			Thumbprint string    `json:"thumbprint"`
			At         time.Time `json:"at"`
			Before     time.Time `json:"before"`
			Reason     string    `json:"reason"`
			By         string    `json:"by"`
		}
		var list struct {
			Blocks  []restriction `json:"blocks"`
			Cutoffs []restriction `json:"cutoffs"`
		}
		answer, err := s.do(c.Context(), http.MethodGet, "/"+name, nil, &list)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() (lines []string) {
			for _, r := range append(list.Blocks, list.Cutoffs...) {
				kind, whom := "user", r.User
				switch {
				case r.Client != "":
					kind, whom = "client", r.Client
				case r.Session != "":
					kind, whom = "session", r.Session
				case r.Thumbprint != "":
					kind, whom = "key", r.Thumbprint
				}
				when := "since " + stamp(r.At)
				if !r.Before.IsZero() {
					when = "before " + stamp(r.Before)
				}
				lines = append(lines, row(kind, whom, when, r.By, r.Reason))
			}
			return lines
		})
	})
}
