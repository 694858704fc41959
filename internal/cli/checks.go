package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
)

func (a *app) checksCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "checks",
		Short: "List the rules that a request is judged by, with their codes",
		Long: `Checks prints the table that decides: one row per rule, in the order in which
the rules are judged, with its section of the RFCs and, for each code that it
can give, the HTTP status, the OAuth error and the remedy.`,
		Example: `  holdfast checks
  holdfast checks --format json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := choice("format", format, "text", "json", "markdown"); err != nil {
				return err
			}
			switch format {
			case "json":
				return writeChecksJSON(a.Stdout)
			case "markdown":
				return writeChecksMarkdown(a.Stdout)
			}
			return writeChecksText(a.Stdout)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json or markdown")
	completeWords(c, "format", "text", "json", "markdown")
	return c
}

func writeChecksText(w io.Writer) error {
	var b strings.Builder
	stage := ""
	for row := range holdfast.Checks() {
		if row.Stage != stage {
			stage = row.Stage
			fmt.Fprintf(&b, "%s\n", strings.ToUpper(stage))
		}
		fmt.Fprintf(&b, "  %-22s %s", row.ID, row.Title)
		if row.RFC != "" {
			fmt.Fprintf(&b, " (%s)", row.RFC)
		}
		b.WriteByte('\n')
		for _, code := range row.Codes {
			fmt.Fprintf(&b, "      %-35s %d %s\n", code, code.Status(), code.OAuthError())
			fmt.Fprintf(&b, "          %s\n", code.Remedy())
		}
	}
	b.WriteString("SERVER (a check could not be made)\n")
	for _, code := range serverCodes() {
		fmt.Fprintf(&b, "      %-35s %d\n          %s\n", code, code.Status(), code.Remedy())
	}
	_, err := io.WriteString(w, trimLines(b.String()))
	return err
}

// trimLines removes blanks at the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// serverCodes are the codes that belong to no row: a check could not be made.
func serverCodes() []holdfast.Code {
	var out []holdfast.Code
	for _, c := range holdfast.Codes() {
		if c.Area() == holdfast.AreaServer {
			out = append(out, c)
		}
	}
	return out
}

// checkCode is one code in the JSON form.
type checkCode struct {
	Code    string          `json:"code"`
	Area    holdfast.Area   `json:"area"`
	Family  holdfast.Family `json:"family"`
	Status  int             `json:"status"`
	Error   string          `json:"error,omitempty"`
	Message string          `json:"message"`
	Remedy  string          `json:"remedy"`
}

func writeChecksJSON(w io.Writer) error {
	table := struct {
		Checks []holdfast.CheckInfo `json:"checks"`
		Codes  []checkCode          `json:"codes"`
	}{}
	for row := range holdfast.Checks() {
		table.Checks = append(table.Checks, row)
	}
	for _, c := range holdfast.Codes() {
		table.Codes = append(table.Codes, checkCode{c.String(), c.Area(), c.Family(), c.Status(), c.OAuthError(), c.Public(), c.Remedy()})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(table)
}

const checksHead = `# Checks and codes

Written by ` + "`holdfast checks --format markdown`" + `; run ` + "`make docs`" + ` instead of editing.

A request is judged by these rows from top to bottom. Enforcement stops at the
first failure; a diagnosis runs every row whose facts are known. A code is the
id of its row and a suffix, and never changes. The status is that of a protected
resource; an authorization server answers a client's fault with 400.

`

func writeChecksMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString(checksHead)
	b.WriteString("| stage | check | rule | RFC | judged at |\n|---|---|---|---|---|\n")
	for row := range holdfast.Checks() {
		fmt.Fprintf(&b, "| %s | [%s](#%s) | %s | %s | %s |\n", row.Stage, row.ID, row.ID, row.Title, row.RFC, strings.Join(row.At, ", "))
	}
	for row := range holdfast.Checks() {
		fmt.Fprintf(&b, "\n## <a id=\"%s\"></a>%s\n\nRule: %s", row.ID, row.ID, row.Title)
		if row.RFC != "" {
			fmt.Fprintf(&b, " (%s)", row.RFC)
		}
		b.WriteString(".\n")
		if len(row.Requirements) > 0 {
			fmt.Fprintf(&b, "Requirements: %s.\n", strings.Join(row.Requirements, ", "))
		}
		writeCodes(&b, row.Codes)
	}
	b.WriteString("\n## <a id=\"server\"></a>server\n\nA check could not be made. Never the fault of the peer, always a refusal.\n")
	writeCodes(&b, serverCodes())
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCodes(b *strings.Builder, codes []holdfast.Code) {
	b.WriteString("\n| code | family | status | OAuth error | message | remedy |\n|---|---|---|---|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(b, "| <a id=\"%s\"></a>`%s` | %s | %d | %s | %s | %s |\n",
			c, c, c.Family(), c.Status(), c.OAuthError(), c.Public(), c.Remedy())
	}
}
