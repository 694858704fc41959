package cli

import (
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) asSessionsCommand() *cobra.Command {
	return asGroup("sessions", "See the sessions of people", "Sessions are logins in browsers. holdfast as revoke --session ends one.",
		"  holdfast as sessions list u-3q2-7wAAAAAAAAAAAAAAAA", a.asSessionsListCommand())
}

func (a *app) asSessionsListCommand() *cobra.Command {
	var f asFlags
	return a.asSub(&cobra.Command{
		Use: "list SUBJECT", Short: "List the sessions of somebody", Example: "  holdfast as sessions list u-3q2-7wAAAAAAAAAAAAAAAA",
		Long: "List shows the sessions of a subject. holdfast as users list shows the subjects\nof users; those of everybody are in the audit log.",
		Args: exactArgs(1),
	}, &f, func(c *cobra.Command, s *adminServer, args []string) error {
		if err := checkSubject("SUBJECT", args[0]); err != nil {
			return err
		}
		var list struct {
			Sessions []struct {
				Session string    `json:"session"`
				Through string    `json:"through"`
				Started time.Time `json:"started"`
				Expires time.Time `json:"expires"`
			} `json:"sessions"`
		}
		answer, err := s.do(c.Context(), http.MethodGet, "/sessions?subject="+url.QueryEscape(args[0]), nil, &list)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() (lines []string) {
			for _, k := range list.Sessions {
				lines = append(lines, row(k.Session, k.Through, "started "+stamp(k.Started), "expires "+stamp(k.Expires)))
			}
			return lines
		})
	})
}
