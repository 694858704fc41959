package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
)

// target is what is revoked or blocked: exactly one of these.
type target struct {
	user, client, session, thumbprint string
	tokenStdin                        bool
}

// members are the members of the request that were given; one is wanted.
func (t *target) members() map[string]string {
	out := map[string]string{}
	for name, value := range map[string]string{"user": t.user, "client": t.client, "session": t.session, "thumbprint": t.thumbprint} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

func (t *target) checkThumbprint() error {
	if t.thumbprint == "" {
		return nil
	}
	if _, err := holdfast.ParseThumbprint(t.thumbprint); err != nil {
		return advise(errors.New("--thumbprint: want the 43 characters of a jkt or x5t#S256"), "holdfast as keys seen CLIENT shows those of a client")
	}
	return nil
}

// checkSubject refuses what cannot be a subject, such as the name of a user: there
// is nothing of that to be revoked, and the answer would say that it was.
func checkSubject(where, subject string) error {
	if subject == "" || strings.HasPrefix(subject, "u-") || strings.HasPrefix(subject, "p-") {
		return nil
	}
	return advise(fmt.Errorf("%s: want a subject, which begins with u- or p-", where),
		"holdfast as users list shows the subjects of users; the audit log has those of everybody")
}

func (a *app) asRevokeCommand() *cobra.Command {
	var f asFlags
	var t target
	c := &cobra.Command{
		Use: "revoke", Short: "Revoke what was issued",
		Long: `Revoke ends everything that was issued until now: to a user (by the subject), to
a client, in a session, or bound to a key. --token-stdin revokes the one token
on stdin. What is issued afterwards is not concerned: see holdfast as block.

Resource servers that read JWT themselves notice when the tokens expire.`,
		Example: "  holdfast as revoke --client my-tool --reason 'laptop stolen'\n  holdfast as revoke --token-stdin < token.txt",
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&t.user, "user", "", "subject of a user, not the name")
	c.Flags().StringVar(&t.client, "client", "", "client identifier")
	c.Flags().StringVar(&t.session, "session", "", "session, as holdfast as sessions list shows it")
	c.Flags().StringVar(&t.thumbprint, "thumbprint", "", "thumbprint of a key (jkt or x5t#S256)")
	c.Flags().BoolVar(&t.tokenStdin, "token-stdin", false, "the token on stdin")
	f.addReason(c)
	return a.asSub(c, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		body := t.members()
		if t.tokenStdin {
			token, err := a.secretOf("token-stdin", "-", maxTokenInput)
			if err != nil {
				return err
			}
			body["token"] = token.Reveal()
		}
		if len(body) != 1 {
			return advise(errors.New("exactly one thing to revoke is needed"), "--user, --client, --session, --thumbprint or --token-stdin")
		}
		if err := errors.Join(t.checkThumbprint(), checkSubject("--user", t.user)); err != nil {
			return err
		}
		if f.reason != "" {
			body["reason"] = f.reason
		}
		var cutoff struct {
			Before time.Time `json:"before"`
		}
		answer, err := s.do(c.Context(), http.MethodPost, "/revoke", body, &cutoff)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() []string {
			if cutoff.Before.IsZero() {
				return []string{"revoked"}
			}
			return []string{"revoked what was issued before " + stamp(cutoff.Before)}
		})
	})
}

// maxTokenInput is the longest token that is read.
const maxTokenInput = 32 << 10

func (a *app) asBlockCommand() *cobra.Command {
	return a.blockCommand("block", "Block a client or a key",
		"Block keeps a client, or whoever has a key, from getting and refreshing tokens\nuntil holdfast as unblock. Resource servers that use the block list refuse the\ntokens that are out.", false)
}

func (a *app) asUnblockCommand() *cobra.Command {
	return a.blockCommand("unblock", "Lift a block", "Unblock lets a client or a key be used again.", true)
}

func (a *app) blockCommand(verb, short, long string, lift bool) *cobra.Command {
	var f asFlags
	var t target
	c := &cobra.Command{Use: verb, Short: short, Long: long, Example: "  holdfast as " + verb + " --client my-tool", Args: cobra.NoArgs}
	c.Flags().StringVar(&t.client, "client", "", "client identifier")
	c.Flags().StringVar(&t.thumbprint, "thumbprint", "", "thumbprint of a key (jkt or x5t#S256)")
	if !lift {
		f.addReason(c)
	}
	return a.asSub(c, &f, func(c *cobra.Command, s *adminServer, _ []string) error {
		body := t.members()
		if len(body) != 1 {
			return advise(errors.New("exactly one thing is needed"), "--client or --thumbprint")
		}
		if err := t.checkThumbprint(); err != nil {
			return err
		}
		method, path := http.MethodPost, "/blocks"
		var send any = body
		if lift {
			query := url.Values{}
			for name, value := range body {
				query.Set(name, value)
			}
			method, path, send = http.MethodDelete, "/blocks?"+query.Encode(), nil
		} else if f.reason != "" {
			body["reason"] = f.reason
		}
		answer, err := s.do(c.Context(), method, path, send, nil)
		if err != nil {
			return err
		}
		return a.show(&f, answer, func() []string { return []string{verb + "ed"} })
	})
}
