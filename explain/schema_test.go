package explain

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// schemaNode is the part of JSON Schema that docs/diagnosis.schema.json uses.
type schemaNode struct {
	Ref        string                `json:"$ref"`
	Const      any                   `json:"const"`
	Type       string                `json:"type"`
	Enum       []string              `json:"enum"`
	Minimum    *float64              `json:"minimum"`
	Required   []string              `json:"required"`
	Properties map[string]schemaNode `json:"properties"`
	Items      *schemaNode           `json:"items"`
	Defs       map[string]schemaNode `json:"$defs"`
}

func loadSchema(t *testing.T) schemaNode {
	t.Helper()
	b, err := os.ReadFile("../docs/diagnosis.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root schemaNode
	if err := json.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// conform reports where a value does not fit.
func (n schemaNode) conform(t *testing.T, defs map[string]schemaNode, at string, v any) {
	t.Helper()
	if n.Ref != "" {
		def, ok := defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
		if !ok {
			t.Fatalf("%s: no definition %s", at, n.Ref)
		}
		n = def
	}
	if n.Const != nil && n.Const != v {
		t.Errorf("%s is %v, want %v", at, v, n.Const)
	}
	switch v := v.(type) {
	case string:
		n.wantType(t, at, "string")
		if n.Enum != nil && !slices.Contains(n.Enum, v) {
			t.Errorf("%s is %q, want one of %q", at, v, n.Enum)
		}
	case bool:
		n.wantType(t, at, "boolean")
	case float64:
		n.wantType(t, at, "integer")
		if n.Minimum != nil && v < *n.Minimum {
			t.Errorf("%s is %v, want at least %v", at, v, *n.Minimum)
		}
	case []any:
		n.wantType(t, at, "array")
		for _, item := range v {
			n.Items.conform(t, defs, at+"[]", item)
		}
	case map[string]any:
		n.wantType(t, at, "object")
		for _, name := range n.Required {
			if _, ok := v[name]; !ok {
				t.Errorf("%s lacks %s", at, name)
			}
		}
		for name, member := range v {
			p, ok := n.Properties[name]
			if !ok {
				t.Errorf("%s.%s is not in the schema", at, name)
				continue
			}
			p.conform(t, defs, at+"."+name, member)
		}
	default:
		t.Errorf("%s is %v", at, v)
	}
}

func (n schemaNode) wantType(t *testing.T, at, got string) {
	t.Helper()
	if n.Type != got && n.Const == nil {
		t.Errorf("%s is %s, want %s", at, got, n.Type)
	}
}

func TestDiagnosesConformToTheSchema(t *testing.T) {
	root := loadSchema(t)
	samples := renderSamples()
	delete(samples, "hostile") // its enums are broken on purpose
	for _, c := range samples {
		for i := range c.Causes {
			if c.Causes[i].Class == "" {
				t.Fatal("a sample cause has no class")
			}
		}
	}
	samples["empty lists"] = &Diagnosis{Verdict: Undetermined, Family: FamilyUndetermined}
	for name, d := range samples {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := d.WriteJSON(&b); err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(b.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			root.conform(t, root.Defs, "diagnosis", v)
		})
	}
}

// The schema names exactly the members of the Go types, and the required ones
// are those that are always written.
func TestSchemaNamesTheMembersOfTheTypes(t *testing.T) {
	root := loadSchema(t)
	for _, tt := range []struct {
		name string
		node schemaNode
		of   any
	}{
		{"diagnosis", root, Diagnosis{}},
		{"cause", root.Defs["cause"], Cause{}},
		{"fact", root.Defs["fact"], Fact{}},
		{"check", root.Defs["check"], Check{}},
		{"exchange", root.Defs["exchange"], Step{}},
		{"ask", root.Defs["ask"], Ask{}},
		{"fix", root.Defs["cause"].Properties["fix"], Fix{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			typ := reflect.TypeOf(tt.of)
			for i := range typ.NumField() {
				name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if _, ok := tt.node.Properties[name]; !ok {
					t.Errorf("%s is not in the schema", name)
				}
				if required := slices.Contains(tt.node.Required, name); required == strings.Contains(options, "omitempty") {
					t.Errorf("%s: required is %v, JSON option is %q", name, required, options)
				}
			}
			if len(tt.node.Properties) != typ.NumField() {
				t.Errorf("the schema has %d members, the type %d", len(tt.node.Properties), typ.NumField())
			}
		})
	}
}
