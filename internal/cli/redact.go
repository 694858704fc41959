package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast/explain"
)

func (a *app) redactCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "redact [flags] PATH...",
		Short: "Write captures as one evidence bundle without credentials",
		Long: `Redact reads captures as explain does and writes them as one evidence bundle in
which tokens, codes, cookies and client secrets are replaced by marks, so that
it can be shown to others. Proofs keep header and claims and lose the signature;
explain can still judge the bundle. Free text, such as server logs, is kept
where no credential is recognised: look at the result before you share it.`,
		Example: "  holdfast redact capture.har -o shareable.json",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return advise(errors.New("no evidence was named"), "holdfast redact capture.har -o shareable.json")
			}
			return a.redact(args, out)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write instead of stdout")
	return c
}

func (a *app) redact(paths []string, out string) error {
	done := a.slow("reading evidence")
	defer done()
	ev, err := explain.ReadPaths(paths, a.Stdin)
	if err != nil {
		return err
	}
	done()
	for _, p := range ev.Problems {
		a.note("not read: " + p.Error())
	}
	if ev.Broken() {
		a.status = exitUndetermined
	}
	w, finish, err := a.output(out)
	if err != nil {
		return err
	}
	return errors.Join(explain.WriteBundle(w, explain.Redact(ev)), finish())
}

// note tells something on stderr that is not an error.
func (a *app) note(text string) {
	_, _ = a.Stderr.Write([]byte("holdfast: " + printable(text) + "\n"))
}
