package holdfast

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// requirement is one line of testdata/requirements.tsv, a copy of the catalogue.
type requirement struct{ id, rfc, section, role, level, text string }

func readRequirements(t testing.TB) []requirement {
	t.Helper()
	text, err := os.ReadFile("testdata/requirements.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []requirement
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) < 7 {
			t.Fatalf("line %q has %d columns", line, len(f))
		}
		out = append(out, requirement{f[0], f[1], f[2], f[3], f[4], f[5]})
	}
	return out
}

// requirementID finds what may be an id; the catalogue says whether it is one.
var requirementID = regexp.MustCompile(`\b[A-Z][A-Z0-9]*-[0-9][0-9.]*[0-9]?(?:-[0-9]+(?:\.[0-9]+)?[a-z]?)?\b`)

// namedByTests are the ids that test files and vectors of the module name.
func namedByTests(t testing.TB) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		inVectors := strings.HasPrefix(filepath.ToSlash(path), "testdata/vectors/")
		if d.IsDir() || !inVectors && !strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "vector_cases") {
			return nil // the cases count once they are written to testdata/vectors
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, id := range requirementID.FindAllString(string(text), -1) {
			named[id] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return named
}

// excused are the requirements that no test of this module can show, with the
// reason: one "id<TAB>reason" a line.
func excused(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/requirements-untested.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		id, reason, ok := strings.Cut(line, "\t")
		if !ok || len(reason) < 20 || out[id] != "" {
			t.Fatalf("line %q: want an id, a tab and a reason, each id once", line)
		}
		out[id] = reason
	}
	return out
}

// TestRequirementCoverage fails for a MUST that no test names and no reason
// excuses, and prints the reasons.
func TestRequirementCoverage(t *testing.T) {
	named, reasons := namedByTests(t), excused(t)
	for _, r := range readRequirements(t) {
		reason := reasons[r.id]
		delete(reasons, r.id)
		switch {
		case !strings.HasPrefix(r.level, "MUST"):
			if reason != "" {
				t.Errorf("%s is %s and needs no excuse", r.id, r.level)
			}
		case named[r.id]:
			if reason != "" {
				t.Errorf("%s is excused and named by a test", r.id)
			}
		case reason != "":
			t.Logf("%-12s %-6s %-8s not tested: %s", r.id, r.role, r.level, reason)
		default:
			t.Errorf("no test names %s (%s %s, %s): %s", r.id, r.rfc, r.section, r.role, r.text)
		}
	}
	for id := range reasons {
		t.Errorf("%s is excused but not in the catalogue", id)
	}
}

// Every requirement that a row claims to answer exists and is named by a test.
func TestRequirementsOfTheTableExist(t *testing.T) {
	known := map[string]bool{}
	for _, r := range readRequirements(t) {
		known[r.id] = true
	}
	named := namedByTests(t)
	for c := range Checks() {
		for _, id := range c.Requirements {
			if !known[id] {
				t.Errorf("%s names %s, which is not in the catalogue", c.ID, id)
			}
			if !named[id] {
				t.Errorf("%s names %s, which no test names", c.ID, id)
			}
		}
	}
}

// A misspelled id would count as coverage of nothing.
func TestVectorsNameKnownRequirements(t *testing.T) {
	known := map[string]bool{}
	for _, r := range readRequirements(t) {
		known[r.id] = true
	}
	for _, v := range readVectors(t) {
		for _, id := range v.list("covers") {
			if !known[id] {
				t.Errorf("%s covers %s, which is not in the catalogue", v.name, id)
			}
		}
	}
}
