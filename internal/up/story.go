package up

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Step is one step that succeeded.
type Step struct {
	Number int      `json:"step"`
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Notes  []string `json:"notes,omitempty"`
	Trail  []Hop    `json:"requests,omitempty"`
}

// Broken is one injected failure: what the API answered, and what it comes from
// in the words of package explain.
type Broken struct {
	Letter     string `json:"failure"`
	Name       string `json:"name"`
	Answer     Hop    `json:"answer"`
	Says       string `json:"challenge,omitempty"`
	Verdict    string `json:"verdict"`
	Cause      string `json:"cause"`
	Expected   string `json:"expected"`
	Right      bool   `json:"right"`
	Confidence string `json:"confidence"`
	Summary    string `json:"summary"`
	Fix        Fix    `json:"fix"`
}

// Fix says who has to change what.
type Fix struct {
	Party string `json:"party"`
	Text  string `json:"text"`
}

// story tells the steps as they happen, as text or as one JSON object per line.
type story struct {
	w     io.Writer
	json  bool
	width int
	count int
	err   error // the first of writing
}

func newStory(w io.Writer, asJSON bool, width int) *story {
	return &story{w: w, json: asJSON, width: max(width, 60)}
}

func (s *story) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintln(s.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func (s *story) object(v any) {
	if s.err == nil {
		s.err = json.NewEncoder(s.w).Encode(v)
	}
}

// tell shows a step.
func (s *story) tell(step Step) {
	s.count++
	step.Number = s.count
	if s.json {
		s.object(step)
		return
	}
	s.line("%d  %s", step.Number, step.Title)
	for _, n := range step.Notes {
		s.line("   %s", n)
	}
	for _, h := range step.Trail {
		s.line("     %s", h)
	}
	s.line("")
}

// String is the hop as one line.
func (h Hop) String() string {
	return strings.TrimRight(fmt.Sprintf("%-4s %-40s %d %s", h.Method, h.Path, h.Status, h.Error), " ")
}

// broken shows a failure: the answer on the left, why on the right.
func (s *story) broken(b *Broken) {
	if s.json {
		s.object(b)
		return
	}
	if b.Letter == "a" {
		s.line("%d  five things go wrong: what the API answers, and what explain makes of it", s.count+1)
		s.line("")
	}
	mark := "right"
	if !b.Right {
		mark = "WRONG, it is " + b.Expected
	}
	s.line("%d%s %s", s.count+1, b.Letter, b.Name)
	gap := 3
	left := (s.width - 3 - gap) * 2 / 5
	right := s.width - 3 - gap - left
	var l, r []string
	l = append(l, wrap(fmt.Sprintf("%s %s", b.Answer.Method, b.Answer.Path), left)...)
	l = append(l, wrap(fmt.Sprintf("%d %s", b.Answer.Status, b.Answer.Error), left)...)
	l = append(l, wrap(b.Says, left)...)
	l = append(l, wrap(b.Answer.Code, left)...)
	r = append(r, wrap(fmt.Sprintf("%s, %s confidence: %s", b.Cause, b.Confidence, mark), right)...)
	r = append(r, wrap(b.Summary, right)...)
	r = append(r, wrap("fix, "+b.Fix.Party+": "+b.Fix.Text, right)...)
	for i := range max(len(l), len(r)) {
		s.line("   %-*s | %s", left, at(l, i), at(r, i))
	}
	s.line("")
}

// verdict ends the failures.
func (s *story) verdict(right, all int) {
	if s.json {
		s.object(struct {
			Right int `json:"explanations_right"`
			All   int `json:"explanations"`
		}{right, all})
		return
	}
	if right == all {
		s.line("all %d explanations are right", all)
		return
	}
	s.line("%d of %d explanations are right", right, all)
}

// running says what to do while the servers go on.
func (s *story) running(p Profile, try []Command) {
	if s.json {
		s.object(struct {
			Issuer string    `json:"issuer"`
			Orders string    `json:"url"`
			Name   string    `json:"user"`
			Try    []Command `json:"try"`
		}{p.Issuer, p.Orders, p.Name, try})
		return
	}
	s.line("")
	s.line("still running: try these commands, and end with Ctrl-C")
	s.line("the person is %s with the password %s", p.Name, p.Password.Reveal()) // of this run only
	for _, c := range try {
		s.line("")
		s.line("   # %s", c.About)
		s.line("   %s", c.Line)
	}
}

// wrap breaks text at spaces; a word that is longer than a line is not broken.
func wrap(text string, width int) []string {
	var out []string
	for _, word := range strings.Fields(text) {
		if n := len(out); n > 0 && len(out[n-1])+1+len(word) <= width {
			out[n-1] += " " + word
		} else {
			out = append(out, word)
		}
	}
	return out
}

// at returns an element, or "" behind the end.
func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
