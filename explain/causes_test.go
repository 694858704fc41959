package explain

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update-causes", false, "write docs/causes.md")

// TestEveryCauseHasARule compares the table with the list of causes: each has a
// row with the right class, family and severity, says what decides and what
// rules it out, names a fix and knows the look-alikes it beats.
func TestEveryCauseHasARule(t *testing.T) {
	list, err := os.ReadFile("testdata/causes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]*cause{}
	for _, c := range table() {
		if rows[c.code] != nil {
			t.Errorf("%s has two rows", c.code)
		}
		rows[c.code] = c
	}
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n")[1:] {
		f := strings.Split(line, "\t")
		n++
		c := rows[f[0]]
		if c == nil {
			t.Errorf("%s has no row", f[0])
			continue
		}
		if c.class != f[1] || string(c.family) != f[2] || c.severity != f[3] {
			t.Errorf("%s is %s %s %s, want %s", c.code, c.class, c.family, c.severity, strings.Join(f[1:], " "))
		}
		if c.decides == "" || c.rulesOut == "" || c.rfc == "" || c.topics == 0 {
			t.Errorf("%s lacks what decides, what rules it out, its section or its words", c.code)
		}
		if c.fix == (Fix{}) {
			t.Errorf("%s has no fix", c.code)
		}
		if c.find == nil && c.scan == nil {
			t.Errorf("%s cannot be found", c.code)
		}
		for _, b := range c.beats {
			if rows[b] == nil || b == c.code {
				t.Errorf("%s beats %s, which is no other cause", c.code, b)
			}
		}
	}
	if n != len(rows) {
		t.Errorf("%d rows for %d causes", len(rows), n)
	}
}

// TestEveryCauseIsShownByACase: no rule without a capture that needs it.
func TestEveryCauseIsShownByACase(t *testing.T) {
	shown := map[string]int{}
	for _, root := range []string{"testdata/cases", "testdata/captures"} {
		for _, dir := range caseDirs(t, root) {
			shown[readExpectation(t, dir).Primary.Code]++
		}
	}
	for _, c := range table() {
		if shown[c.code] < 2 {
			t.Errorf("%s is the cause of %d cases, want 2", c.code, shown[c.code])
		}
	}
}

// TestCausesDocument holds docs/causes.md to the table; -update-causes writes it.
func TestCausesDocument(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Causes\n\nWhat `holdfast explain` can name as the cause of a refused call. Written from the table of rules\n" +
		"(`go test ./explain -run TestCausesDocument -update-causes`).\n")
	class := ""
	for _, c := range table() {
		if c.class != class {
			class = c.class
			fmt.Fprintf(&b, "\n## %s\n", class)
		}
		fmt.Fprintf(&b, "\n### %s\n\nFamily %s, severity %s. %s.\n\n- **decides:** %s\n- **ruled out by:** %s\n", c.code, c.family, c.severity, c.rfc, c.decides, c.rulesOut)
		if len(c.beats) > 0 {
			beats := slices.Clone(c.beats)
			slices.Sort(beats)
			fmt.Fprintf(&b, "- **goes before:** %s\n", strings.Join(beats, ", "))
		}
		if len(c.codes) > 0 {
			var codes []string
			for _, k := range c.codes {
				codes = append(codes, "`"+k.String()+"`")
			}
			fmt.Fprintf(&b, "- **check codes:** %s\n", strings.Join(codes, ", "))
		}
		for _, f := range [...]struct{ who, what string }{{"client", c.fix.Client}, {"resource server", c.fix.ResourceServer}, {"authorization server", c.fix.AuthorizationServer}} {
			if f.what != "" {
				fmt.Fprintf(&b, "- **%s:** %s\n", f.who, f.what)
			}
		}
	}
	const path = "../docs/causes.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("docs/causes.md is not current (%v): run with -update-causes", err)
	}
}
