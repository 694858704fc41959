package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/token"
)

// maxDecode is the largest text that decode reads.
const maxDecode = 64 << 10

func (a *app) decodeCommand() *cobra.Command {
	var format string
	var jwks []string
	c := &cobra.Command{
		Use:   "decode [flags] [FILE]",
		Short: "Show what a proof, an access token or a key says",
		Long: `Decode reads one DPoP proof, JWT access token, JWK or JWK set from a file or
from stdin ("-", the default) and shows its header, its claims, its thumbprint
and what can be checked without the request it belongs to.

It never prints the proof, the token, a signature, a private member of a key or
a claim that it does not know. Claims are shown whether the signature verifies
or not: read the signature line before you believe them.

Exit status: 0 nothing wrong was found, 1 something is wrong, 2 nothing was
readable.`,
		Example: `  holdfast decode proof.txt
  echo "$TOKEN" | holdfast decode --jwks keys.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := choice("format", format, "text", "json"); err != nil {
				return err
			}
			name := "-"
			if len(args) == 1 {
				name = args[0]
			}
			d, err := a.decode(c, name, jwks)
			if err != nil {
				return err
			}
			if d.wrong {
				a.status = exitFailure
			}
			if format == "json" {
				e := json.NewEncoder(a.Stdout)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				return e.Encode(d)
			}
			_, err = a.Stdout.Write([]byte(d.text()))
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text or json")
	c.Flags().StringArrayVar(&jwks, "jwks", nil, "file with a JSON Web Key Set that signs access tokens (may be repeated)")
	completeWords(c, "format", "text", "json")
	return c
}

// decoded is the answer of decode. It has no member for a secret.
type decoded struct {
	Kind       string             `json:"kind"` // proof, token, jws (unreadable), jwk, jwk-set
	Header     []member           `json:"header,omitempty"`
	Claims     []member           `json:"claims,omitempty"`
	Keys       []decodedKey       `json:"keys,omitempty"`
	Thumbprint string             `json:"thumbprint,omitempty"` // of the key of a proof
	BoundTo    string             `json:"bound_to,omitempty"`   // what the cnf of a token names
	Signature  string             `json:"signature,omitempty"`  // valid, invalid, not checked
	Reason     string             `json:"reason,omitempty"`     // why something is wrong or was not checked
	Faults     []string           `json:"faults,omitempty"`     // what a lenient reading recognises
	Checks     []holdfast.Outcome `json:"checks,omitempty"`

	wrong bool
}

// member is one line: a name and what may be shown of its value.
type member struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// decodedKey is a JWK without values that could be private.
type decodedKey struct {
	Members    []member `json:"members"`
	Thumbprint string   `json:"thumbprint,omitempty"`
	Problem    string   `json:"problem,omitempty"`
}

// decode reads the input and finds out what it is.
func (a *app) decode(c *cobra.Command, name string, jwks []string) (*decoded, error) {
	b, err := a.readFile(name, maxDecode)
	if err != nil {
		return nil, err
	}
	text := bareValue(string(b))
	switch {
	case text == "":
		return nil, advise(errors.New("nothing to decode"), "pipe a proof, a token or a JWK into holdfast decode")
	case strings.HasPrefix(text, "{"):
		return decodeJWK(text)
	case strings.ContainsAny(text, " \t\r\n"):
		return nil, advise(errors.New("the input is more than one word"),
			"decode reads one proof, token or key; holdfast explain reads whole captures")
	}
	j, err := jose.Parse(text, maxDecode)
	if err != nil && strings.Count(text, ".") != 2 {
		return nil, advise(fmt.Errorf("neither a compact JWS nor a JWK: %w", err),
			"an access token without dots is opaque: only its issuer can read it (RFC 7662)")
	}
	// A broken header cannot say what it is. The proof table names the fault.
	if err != nil || strings.EqualFold(j.Type, "dpop+jwt") {
		return decodeProof(c.Context(), j, text, err)
	}
	sets, err := a.keySets(jwks)
	if err != nil {
		return nil, err
	}
	return decodeToken(c.Context(), j, text, sets)
}

// bareValue strips what people copy along: a field name and a scheme.
func bareValue(s string) string {
	s = strings.TrimSpace(s)
	for _, prefix := range []string{"authorization:", "dpop:", "dpop ", "bearer "} {
		if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
			s = strings.TrimSpace(s[len(prefix):])
		}
	}
	return s
}

func (a *app) keySets(names []string) ([]token.KeySet, error) {
	var sets []token.KeySet
	for _, name := range names {
		b, err := a.readFile(name, token.MaxJWKSBytes)
		if err != nil {
			return nil, fmt.Errorf("--jwks: %w", err)
		}
		set, err := token.ParseJWKS(b)
		if err != nil {
			return nil, fmt.Errorf("--jwks %s: %w", name, err)
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// text is the answer for people.
func (d *decoded) text() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s%s\n", name, value)
		}
	}
	list := func(title string, members []member) {
		if len(members) == 0 {
			return
		}
		width := 8
		for _, m := range members {
			width = max(width, min(len(m.Name), 24))
		}
		b.WriteString(title + "\n")
		for _, m := range members {
			fmt.Fprintf(&b, "  %-*s  %s\n", width, m.Name, m.Value)
		}
	}
	line("kind", d.Kind)
	list("header", d.Header)
	list("claims", d.Claims)
	for _, k := range d.Keys {
		list("key", k.Members)
		line("thumbprint", k.Thumbprint)
		line("problem", k.Problem)
	}
	line("thumbprint", d.Thumbprint)
	line("bound to", d.BoundTo)
	line("signature", d.Signature)
	line("reason", d.Reason)
	for _, f := range d.Faults {
		line("fault", f)
	}
	if len(d.Checks) > 0 {
		b.WriteString("checks\n")
	}
	for _, o := range d.Checks {
		fmt.Fprintf(&b, "  %-8s%-18s%s\n", o.Status, o.Check, o.Title)
		if o.Status == holdfast.Fail {
			fmt.Fprintf(&b, "          code      %s\n          observed  %s\n          expected  %s\n          remedy    %s\n",
				o.Code, o.Got, o.Want, o.Code.Remedy())
		}
	}
	return b.String()
}
