package cli

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast/explain"
)

// explainFlags are the flags of holdfast explain.
type explainFlags struct {
	format, at, publicURL, color string
	jwks, metadata               []string
}

func (a *app) explainCommand() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain [flags] PATH...",
		Short: "Say why a call was refused, from captures of it",
		Long: `Explain reads captures and answers: did the call fail, was it an ordinary bearer
failure or a failure of the proof of possession, which cause, how sure, because
of which facts, what should each party change, and what evidence is missing if
it cannot be decided.

A PATH is a file or a folder; "-" is stdin. The kind is found by content: HAR,
output of curl -v, raw HTTP messages, evidence bundles, key sets, metadata,
logs. Nothing is fetched and nothing is sent: keys and metadata that are not in
the capture are given by flags. The answer contains no credentials.`,
		Example: `  holdfast explain capture.har
  curl -v https://api.example.com/orders -H @headers 2>&1 | holdfast explain -
  holdfast explain --jwks keys.json --format markdown capture.har server.log`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.explain(c, &f, args) },
	}
	fl := c.Flags()
	fl.StringVar(&f.format, "format", "text", "text, json or markdown")
	fl.StringVar(&f.at, "at", "", "when the evidence was taken (RFC 3339), where it does not say so itself")
	fl.StringArrayVar(&f.jwks, "jwks", nil, "file with a JSON Web Key Set that signs access tokens (may be repeated)")
	fl.StringArrayVar(&f.metadata, "metadata", nil, "file with metadata of the authorization server or resource (may be repeated)")
	fl.StringVar(&f.publicURL, "public-url", "", "base URL that clients use to reach the server")
	fl.StringVar(&f.color, "color", "auto", "auto, always or never")
	completeWords(c, "format", "text", "json", "markdown")
	completeWords(c, "color", "auto", "always", "never")
	return c
}

func (a *app) explain(c *cobra.Command, f *explainFlags, paths []string) error {
	know, err := a.knowledge(f)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return advise(errors.New("no evidence was named"), "holdfast explain capture.har", `use "-" to read stdin`)
	}
	done := a.slow("reading evidence")
	defer done()
	ev, err := explain.ReadPaths(paths, a.Stdin)
	if err != nil {
		return advise(err, "a browser's developer tools save a HAR file; curl -v prints a readable transcript")
	}
	d, err := explain.Explain(c.Context(), ev, *know)
	if err != nil {
		return err
	}
	done()
	a.status = d.ExitStatus()
	switch f.format {
	case "json":
		return d.WriteJSON(a.Stdout)
	case "markdown":
		return d.WriteMarkdown(a.Stdout)
	}
	return d.WriteText(a.Stdout, explain.TextOptions{Color: a.color(f.color), Width: a.width()})
}

// knowledge checks the flags, all of them at once, and reads the files.
func (a *app) knowledge(f *explainFlags) (*explain.Knowledge, error) {
	k := &explain.Knowledge{PublicURL: f.publicURL}
	errs := []error{
		choice("format", f.format, "text", "json", "markdown"),
		choice("color", f.color, "auto", "always", "never"),
	}
	if f.at != "" {
		at, err := time.Parse(time.RFC3339, f.at)
		if err != nil {
			errs = append(errs, fmt.Errorf("--at is %q, want a time such as 2026-01-31T09:00:00Z", f.at))
		}
		k.At = at
	}
	if f.publicURL != "" {
		if u, err := url.Parse(f.publicURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			errs = append(errs, fmt.Errorf("--public-url is %q, want an absolute URL such as https://api.example.com", f.publicURL))
		}
	}
	read := func(flag string, names []string) (out [][]byte) {
		for _, name := range names {
			b, err := a.readFile(name, explain.MaxDocumentBytes)
			if err != nil {
				errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
			}
			out = append(out, b)
		}
		return out
	}
	k.Keys, k.Metadata = read("jwks", f.jwks), read("metadata", f.metadata)
	return k, errors.Join(errs...)
}
