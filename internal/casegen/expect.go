package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// An expectation is the verdict of one case, taken from the taxonomy.
type expectation struct {
	verdict, family string
	primary         string
	additional      []string
	alternates      []string
	wrong           []string
	failing         int
	confidence      string
	mention         []mention
	missing         []mention
}

// A mention is something an explanation must say, in one of several wordings.
type mention struct {
	Kind  string   `json:"kind"`
	AnyOf []string `json:"any_of"`
}

// fails sets a failure verdict; class and family follow from the cause.
func (s *scene) fails(code, confidence string, failing int) {
	s.want.verdict, s.want.primary, s.want.confidence, s.want.failing = "failure", code, confidence, failing
	s.want.family = causes[code].family
}

// healthy sets the verdict that nothing failed.
func (s *scene) healthy() {
	s.want.verdict, s.want.primary, s.want.confidence, s.want.family = "no-failure", "no-failure", "high", "none"
}

// open sets the verdict that the evidence does not decide.
func (s *scene) open(failing int) {
	s.want.verdict, s.want.primary, s.want.confidence, s.want.family = "undetermined", "undetermined", "low", "undetermined"
	s.want.failing = failing
}

func (s *scene) also(codes ...string)      { s.want.additional = codes }
func (s *scene) orElse(codes ...string)    { s.want.alternates = codes }
func (s *scene) notThese(codes ...string)  { s.want.wrong = codes }
func (s *scene) fact(anyOf ...string)      { s.say("fact", anyOf) }
func (s *scene) fix(anyOf ...string)       { s.say("fix", anyOf) }
func (s *scene) say(k string, of []string) { s.want.mention = append(s.want.mention, mention{k, of}) }

func (s *scene) lacks(anyOf ...string) {
	s.want.missing = append(s.want.missing, mention{"missing", anyOf})
}

func (s *scene) caseJSON() []byte {
	files := []any{}
	for _, f := range s.files {
		files = append(files, append(object{{"path", f.path}, {"kind", f.kind}}, f.more...))
	}
	return indented(object{{"case", s.id}, {"observed_at", stamp(s.observed)}, {"vantage", s.vantage}, {"files", files}})
}

func (s *scene) expectedJSON() []byte {
	w := s.want
	additional := []any{}
	for _, code := range w.additional {
		additional = append(additional, primary(code))
	}
	return indented(object{
		{"case", s.id},
		{"title", s.title},
		{"stack", s.stack},
		{"observed_at", stamp(s.observed)},
		{"verdict", w.verdict},
		{"family", w.family},
		{"primary", primary(w.primary)},
		{"additional", additional},
		{"acceptable_alternates", list(w.alternates)},
		{"wrong_answers", list(w.wrong)},
		{"failing_exchange", w.failing},
		{"confidence", w.confidence},
		{"must_mention", list(w.mention)},
		{"missing_evidence", list(w.missing)},
		{"secrets", list(s.secrets)},
	})
}

func primary(code string) object { return object{{"code", code}, {"class", causes[code].class}} }

// list makes sure that nothing is written as null.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// write puts the case in its own directory below root, replacing what is there.
func (s *scene) write(root string) error {
	dir := filepath.Join(root, s.id)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear case: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make case: %w", err)
	}
	all := append([]file{{path: "case.json", data: s.caseJSON()}, {path: "expected.json", data: s.expectedJSON()}}, s.files...)
	for _, f := range all {
		if err := os.WriteFile(filepath.Join(dir, f.path), f.data, 0o644); err != nil {
			return fmt.Errorf("write case: %w", err)
		}
	}
	return nil
}
