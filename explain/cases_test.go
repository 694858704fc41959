package explain

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// expectation is what a case expects of a diagnosis.
type expectation struct {
	Verdict Verdict `json:"verdict"`
	Family  Family  `json:"family"`
	Primary struct {
		Code string `json:"code"`
	} `json:"primary"`
	Additional []struct {
		Code string `json:"code"`
	} `json:"additional"`
	Alternates []string   `json:"acceptable_alternates"`
	Wrong      []string   `json:"wrong_answers"`
	Confidence Confidence `json:"confidence"`
	Mention    []entry    `json:"must_mention"`
	Missing    []entry    `json:"missing_evidence"`
	Secrets    []struct {
		Kind  string `json:"kind"`
		Value string `json:"value"`
	} `json:"secrets"`
}

type entry struct {
	AnyOf []string `json:"any_of"`
}

// result is the score of one case out of 100, counted as the cases define it:
// 40 for the cause, 20 for the family, 20 for what must be mentioned, 10 for
// additional causes, 10 for stated confidence; a leak makes it 0.
type result struct {
	score         float64
	exact, family bool
	leaks         []string
	notes         []string
}

func caseDirs(t testing.TB, root string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, "*", "expected.json"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in %s (%v)", root, err)
	}
	for i := range dirs {
		dirs[i] = filepath.Dir(dirs[i])
	}
	return dirs
}

func readExpectation(t testing.TB, dir string) expectation {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var e expectation
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return e
}

// explainCopy reads a case without its expectation, as a user would have it.
func explainCopy(t testing.TB, dir string) (*Evidence, *Diagnosis) {
	t.Helper()
	ev, err := ReadFolder(dir)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	d, err := Explain(t.Context(), ev, Knowledge{})
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return ev, d
}

func rendered(t testing.TB, d *Diagnosis) (text, all string) {
	t.Helper()
	var a, b, c bytes.Buffer
	for _, err := range []error{d.WriteText(&a, TextOptions{}), d.WriteJSON(&b), d.WriteMarkdown(&c)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return a.String(), a.String() + b.String() + c.String()
}

func score(t testing.TB, want expectation, d *Diagnosis) result {
	t.Helper()
	var r result
	text, all := rendered(t, d)
	for _, s := range want.Secrets {
		if strings.Contains(all, s.Value) {
			r.leaks = append(r.leaks, s.Kind)
		}
	}
	var codes []string
	for _, c := range d.Causes {
		codes = append(codes, c.Code)
	}
	first := ""
	if len(codes) > 0 {
		first = codes[0]
	}
	high := func(known ...string) bool {
		return slices.ContainsFunc(d.Causes, func(c Cause) bool { return c.Confidence == High && !slices.Contains(known, c.Code) })
	}
	switch {
	case want.Verdict != Failure:
		if r.exact = d.Verdict == want.Verdict && !high(string(want.Verdict)); r.exact {
			r.score += 40
		}
	case d.Verdict == Failure && first == want.Primary.Code:
		r.exact, r.score = true, 40
	case d.Verdict == Failure && slices.Contains(want.Alternates, first):
		r.exact, r.score = true, 30
	}
	if !r.exact {
		r.notes = append(r.notes, "said "+string(d.Verdict)+"/"+first+", want "+string(want.Verdict)+"/"+want.Primary.Code)
	}
	if r.family = d.Family == want.Family; r.family {
		r.score += 20
	}
	entries := append(slices.Clone(want.Mention), want.Missing...)
	said := 0
	low := strings.ToLower(text)
	for _, e := range entries {
		if slices.ContainsFunc(e.AnyOf, func(a string) bool { return strings.Contains(low, strings.ToLower(a)) }) {
			said++
		} else {
			r.notes = append(r.notes, "does not mention "+e.AnyOf[0])
		}
	}
	if len(entries) == 0 {
		r.score += 20
	} else {
		r.score += 20 * float64(said) / float64(len(entries))
	}
	known := append([]string{want.Primary.Code}, want.Alternates...)
	ok := true
	for _, a := range want.Additional {
		ok = ok && slices.Contains(codes, a.Code)
	}
	if len(want.Additional) == 0 {
		ok = !high(known...)
	}
	if ok {
		r.score += 10
	} else {
		r.notes = append(r.notes, "additional causes: "+strings.Join(codes, " "))
	}
	switch {
	case want.Verdict != Failure && r.exact:
		r.score += 10
	case want.Verdict == Failure && len(d.Causes) > 0:
		switch diff := confidenceRank(d.Causes[0].Confidence) - confidenceRank(want.Confidence); diff {
		case 0:
			r.score += 10
		case 1, -1:
			r.score += 5
		}
	}
	if len(r.leaks) > 0 {
		r.score = 0
	}
	return r
}

// TestCases scores the bundled cases and captures and holds the figures that
// the diagnosis has to reach.
func TestCases(t *testing.T) {
	for _, set := range []struct {
		root        string
		mean, exact float64 // at least, out of 100
	}{{"testdata/cases", 93, 95}, {"testdata/captures", 93, 95}} {
		t.Run(filepath.Base(set.root), func(t *testing.T) {
			dirs := caseDirs(t, set.root)
			total, exact := 0.0, 0
			for _, dir := range dirs {
				want := readExpectation(t, dir)
				_, d := explainCopy(t, dir)
				r := score(t, want, d)
				total += r.score
				if r.exact {
					exact++
				}
				if len(r.leaks) > 0 {
					t.Errorf("%s leaks %v", dir, r.leaks)
				}
				if !r.family {
					t.Errorf("%s: family %s, want %s", dir, d.Family, want.Family)
				}
				if want.Verdict == NoFailure && d.Verdict == Failure {
					t.Errorf("%s: a healthy capture is blamed", dir)
				}
				if status := map[Verdict]int{Failure: 1, NoFailure: 0, Undetermined: 3}[want.Verdict]; r.exact && d.ExitStatus() != status {
					t.Errorf("%s: exit status %d, want %d", dir, d.ExitStatus(), status)
				}
				if r.score < 100 {
					t.Logf("%s %.1f %s", dir, r.score, strings.Join(r.notes, "; "))
				}
			}
			n := float64(len(dirs))
			t.Logf("%d cases: mean %.1f, exact %d", len(dirs), total/n, exact)
			if total/n < set.mean {
				t.Errorf("mean %.1f, want at least %.1f", total/n, set.mean)
			}
			if float64(exact) < n*set.exact/100 {
				t.Errorf("exact %d of %d, want at least %.0f %%", exact, len(dirs), set.exact)
			}
		})
	}
}

// TestSameEvidenceGivesTheSameText runs every case twice.
func TestSameEvidenceGivesTheSameText(t *testing.T) {
	for _, dir := range caseDirs(t, "testdata/cases") {
		_, a := explainCopy(t, dir)
		_, b := explainCopy(t, dir)
		_, one := rendered(t, a)
		_, two := rendered(t, b)
		if one != two {
			t.Errorf("%s: two runs differ", dir)
		}
	}
}

// TestRedactedEvidenceKeepsTheVerdict writes each case redacted, reads it back
// and explains it: no secret may be in the copy, and the verdict stays wherever
// the facts allow.
func TestRedactedEvidenceKeepsTheVerdict(t *testing.T) {
	kept, all := 0, 0
	for _, root := range []string{"testdata/cases", "testdata/captures"} {
		for _, dir := range caseDirs(t, root) {
			want := readExpectation(t, dir)
			ev, before := explainCopy(t, dir)
			var bundle bytes.Buffer
			if err := WriteBundle(&bundle, Redact(ev)); err != nil {
				t.Fatalf("%s: %v", dir, err)
			}
			for _, s := range want.Secrets {
				if strings.Contains(bundle.String(), s.Value) {
					t.Errorf("%s: the redacted copy holds the %s", dir, s.Kind)
				}
			}
			back, err := ReadBundle(bytes.NewReader(bundle.Bytes()))
			if err != nil {
				t.Fatalf("%s: read back: %v", dir, err)
			}
			after, err := Explain(t.Context(), back, Knowledge{})
			if err != nil {
				t.Fatal(err)
			}
			all++
			if code(before) == code(after) && before.Verdict == after.Verdict && before.Family == after.Family {
				kept++
			} else {
				t.Logf("%s: %s/%s became %s/%s", dir, before.Verdict, code(before), after.Verdict, code(after))
			}
		}
	}
	t.Logf("%d of %d verdicts kept", kept, all)
	if kept*100 < all*95 {
		t.Errorf("%d of %d redacted cases keep their verdict, want 95 %%", kept, all)
	}
}

func code(d *Diagnosis) string {
	if len(d.Causes) == 0 || d.Verdict != Failure {
		return ""
	}
	return d.Causes[0].Code
}
