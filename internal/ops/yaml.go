package ops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// MaxConfigBytes is the longest configuration file that is read.
const MaxConfigBytes = 1 << 20

// maxDepth is how deep a configuration may be nested.
const maxDepth = 32

// Decode reads one YAML document into v and reports every mistake with its line
// and field: fields that v does not have, fields that are there twice, values of
// a wrong type, a second document. Errors do not quote values: one may be a
// secret in the wrong place.
func Decode(r io.Reader, v any) error {
	text, err := fetch.ReadAll(r, MaxConfigBytes)
	if err != nil {
		return err
	}
	// Once for the places of the fields, since a decoder of nodes does not know
	// KnownFields and errors of the other name lines only.
	d := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := d.Decode(&document); errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	} else if err != nil {
		return inOurWords(err, nil)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("the file has a second document, want one")
	}
	fields := map[int]string{}
	if err := locate(fields, &document, "", 0); err != nil {
		return err
	}
	d = yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return inOurWords(d.Decode(v), fields)
}

// locate notes which field each line is about: the last that begins on it.
func locate(fields map[int]string, n *yaml.Node, path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("line %d: nested deeper than %d levels", n.Line, maxDepth)
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("line %d: anchors and aliases are not used here", n.Line)
	}
	for i, child := range n.Content {
		below := path
		switch n.Kind {
		case yaml.SequenceNode:
			below = path + "[" + strconv.Itoa(i) + "]"
			if _, taken := fields[child.Line]; !taken {
				fields[child.Line] = below
			}
		case yaml.MappingNode:
			name := n.Content[i-i%2].Value
			if below = name; path != "" {
				below = path + "." + name
			}
			if i%2 == 0 {
				fields[child.Line] = below
			}
		}
		if err := locate(fields, child, below, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// The forms of the library's errors that are put into other words.
var (
	lineForm    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownForm = regexp.MustCompile(`^field (.+) not found in type \S+$`)
	typeForm    = regexp.MustCompile("^cannot (?:unmarshal|construct) !!(\\w+)(?: `.*`)? into (\\S+)$")
	twiceForm   = regexp.MustCompile(`^mapping key (".*") already defined at line (\d+)$`)
)

// inOurWords rewrites an error of the library: without values and Go types, with
// the field.
func inOurWords(err error, fields map[int]string) error {
	var several *yaml.TypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		var errs []error
		for _, e := range several.Errors {
			errs = append(errs, reword(e, fields))
		}
		return errors.Join(errs...)
	}
	return reword(err.Error(), fields)
}

func reword(text string, fields map[int]string) error {
	m := lineForm.FindStringSubmatch(text)
	if m == nil {
		return errors.New(strings.TrimPrefix(text, "yaml: "))
	}
	line, what := m[1], m[2]
	n, _ := strconv.Atoi(line) // digits, as the form says; too many are no known line
	field := fields[n]
	switch {
	case unknownForm.MatchString(what):
		what = fmt.Sprintf("unknown field %q", unknownForm.FindStringSubmatch(what)[1])
		if above, _, nested := cutLast(field, "."); nested {
			what += " in " + above
		}
		field = ""
	case typeForm.MatchString(what):
		t := typeForm.FindStringSubmatch(what)
		what = "is " + seenWord(t[1]) + ", want " + wantedWord(t[2])
	case twiceForm.MatchString(what):
		t := twiceForm.FindStringSubmatch(what)
		what = fmt.Sprintf("field %s is there already, at line %s", t[1], t[2])
		field = ""
	}
	if field != "" {
		what = field + ": " + what
	}
	return fmt.Errorf("line %s: %s", line, what)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// seenWord names the kind of a YAML value.
func seenWord(tag string) string {
	switch tag {
	case "seq":
		return "a list"
	case "map":
		return "a mapping"
	case "str":
		return "a text"
	case "int", "float":
		return "a number"
	case "bool":
		return "true or false"
	}
	return "nothing"
}

// wantedWord names what a Go type takes.
func wantedWord(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "string":
		return "a text"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"), strings.HasPrefix(goType, "float"):
		return "a number"
	}
	return "a mapping"
}

// Encode writes v as YAML, as [Decode] reads it.
func Encode(w io.Writer, v any) error {
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return err
	}
	return e.Close()
}

// Duration is a length of time in a configuration file, such as 10m or 36h. The
// zero value means the default.
type Duration time.Duration

// mistake is an error that is reported beside those of other fields.
func mistake(n *yaml.Node, what string) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %s", n.Line, what)}}
}

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode || v < 0 {
		return mistake(n, "want a duration such as 90s, 10m or 36h")
	}
	*d = Duration(v)
	return nil
}

// MarshalYAML writes the duration as it is read.
func (d Duration) MarshalYAML() (any, error) {
	text := time.Duration(d).String()
	if trimmed, ok := strings.CutSuffix(text, "m0s"); ok {
		text = trimmed + "m"
	}
	if trimmed, ok := strings.CutSuffix(text, "h0m"); ok {
		text = trimmed + "h"
	}
	return text, nil
}
