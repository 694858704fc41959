package explain

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-oauth/holdfast"
)

// Bounds of what a rendered diagnosis quotes. They are far above what a rule
// writes; they stop a hostile value from filling the screen.
const (
	renderTextMax  = 2000 // characters of a sentence
	renderValueMax = 600  // characters of a quoted value
)

// TextOptions say how [Diagnosis.WriteText] prints. The zero value is 80
// columns without colour.
type TextOptions struct {
	Color bool // ANSI colours
	Width int  // columns; 0 means 80, less than 40 means 40
}

// WriteText writes the diagnosis for people. Long sentences wrap; a value that
// somebody will search for, such as a thumbprint or a URL, is never broken,
// even if its line becomes too long.
func (d *Diagnosis) WriteText(w io.Writer, o TextOptions) error {
	t := &renderer{color: o.Color, width: o.Width}
	if t.width == 0 {
		t.width = 80
	}
	t.width = max(t.width, 40)

	t.verdict(d)
	t.timeline(d)
	if c := renderPrimary(d); c != nil {
		t.because(c)
		t.fixes(c)
		t.sure(d, c)
	}
	t.others(d)
	t.asks(d)
	t.unread(d)
	if d.NotCovered != "" {
		t.section("Not covered by a proof")
		t.wrap("  ", "  ", d.NotCovered)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// renderer collects the text.
type renderer struct {
	b     strings.Builder
	color bool
	width int
}

// Styles, as SGR parameters.
const (
	renderBold   = "1"
	renderRed    = "1;31"
	renderGreen  = "1;32"
	renderYellow = "1;33"
	renderDim    = "2"
)

// style wraps text that is already clean.
func (t *renderer) style(sgr, text string) string {
	if !t.color {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (t *renderer) section(title string) {
	t.b.WriteString("\n" + t.style(renderBold, title) + "\n")
}

// wrap writes text behind a first prefix, further lines behind another one of
// the same visible width. Words are never broken.
func (t *renderer) wrap(first, rest, text string) {
	t.b.WriteString(renderWrap(first, rest, clean(text, renderTextMax), t.width))
}

// renderWrap breaks text at spaces, so that lines keep to the width where the
// words allow it.
func renderWrap(first, rest, text string, width int) string {
	var b strings.Builder
	b.WriteString(first)
	used, empty := utf8.RuneCountInString(first), true
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case empty:
		case used+1+n > width:
			b.WriteString("\n" + rest)
			used = utf8.RuneCountInString(rest)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used, empty = used+n, false
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

func (t *renderer) verdict(d *Diagnosis) {
	sgr := map[Verdict]string{Failure: renderRed, NoFailure: renderGreen}[d.Verdict]
	if sgr == "" || d.Incomplete && d.Verdict == NoFailure {
		sgr = renderYellow
	}
	line := t.style(sgr, renderVerdict(d))
	if c := renderPrimary(d); c != nil && d.Verdict == Failure {
		line += "  " + renderFamily(d.Family) + "  " + t.style(renderBold, clean(c.Code, renderValueMax)) +
			"  (" + clean(string(c.Confidence), renderValueMax) + ")"
	}
	t.b.WriteString(line + "\n\n")
	t.wrap("", "", renderSummary(d))
	if d.Incomplete {
		t.wrap("", "", renderIncomplete)
	}
}

// timeline writes two lines per exchange: what was sent and what came back,
// then what happened. The failing one is marked.
func (t *renderer) timeline(d *Diagnosis) {
	if len(d.Exchanges) == 0 {
		return
	}
	t.section("Exchanges")
	for _, s := range d.Exchanges {
		mark := "  "
		if s.Exchange == d.FailingExchange && s.Exchange != 0 {
			mark = "=>"
		}
		head := fmt.Sprintf("%s %3d  %-9s  %-7s %s  ", mark, s.Exchange, renderClock(s.At), clean(s.Method, 20), renderStatus(s.Status))
		if mark != "  " {
			head = t.style(renderRed, head)
		}
		t.b.WriteString(head + renderTarget(s.URL) + "\n")
		if note := renderNote(&s); note != "" {
			t.wrap("        ", "        ", note)
		}
	}
}

func (t *renderer) because(c *Cause) {
	if len(c.Because) == 0 {
		return
	}
	t.section("Because")
	const indent = "            "
	for _, f := range c.Because {
		text := clean(f.Fact, renderTextMax)
		if ref := renderReference(&f); ref != "" {
			text += " (" + ref + ")"
		}
		t.wrap(fmt.Sprintf("  %-8s  ", clean(string(f.Source), 20)), indent, text)
		t.value(indent+"observed  ", f.Observed)
		t.value(indent+"expected  ", f.Expected)
	}
}

// value writes a quoted value; an empty one is left out. One that fits on the
// line stands as it is, spaces included.
func (t *renderer) value(label, value string) {
	value = clean(value, renderValueMax)
	switch {
	case value == "":
	case len(label)+utf8.RuneCountInString(value) <= t.width:
		t.b.WriteString(label + value + "\n")
	default:
		t.wrap(label, strings.Repeat(" ", len(label)), value)
	}
}

func (t *renderer) fixes(c *Cause) {
	parties := renderFixes(&c.Fix)
	if len(parties) == 0 {
		return
	}
	t.section("What to change")
	for _, p := range parties {
		t.wrap(fmt.Sprintf("  %-22s", p.party), strings.Repeat(" ", 24), p.text)
	}
}

func (t *renderer) sure(d *Diagnosis, c *Cause) {
	t.section("How sure")
	t.wrap("  ", "  ", renderSure(c))
	if line := renderChecks(d); line != "" {
		t.wrap("  ", "  ", line)
	}
}

// others writes every cause but the primary one, in short.
func (t *renderer) others(d *Diagnosis) {
	for _, group := range renderOthers(d) {
		t.section(group.title)
		for _, c := range group.causes {
			t.wrap("  - ", "    ", renderOther(c))
			for _, p := range renderFixes(&c.Fix) {
				t.wrap("    "+p.party+": ", "      ", p.text)
			}
		}
	}
}

func (t *renderer) asks(d *Diagnosis) {
	if len(d.Missing) == 0 {
		return
	}
	t.section("What would settle it")
	for i, a := range d.Missing {
		t.wrap(fmt.Sprintf("  %d. ", i+1), "     ", a.What)
		if a.Why != "" {
			t.wrap("     why: ", "          ", a.Why)
		}
		if a.How != "" {
			t.wrap("     how: ", "          ", a.How)
		}
	}
}

func (t *renderer) unread(d *Diagnosis) {
	if len(d.Problems) == 0 {
		return
	}
	t.section("Could not be read")
	for _, p := range d.Problems {
		t.wrap("  - ", "    ", p)
	}
}

// renderPrimary returns the cause to explain at length: the first one if it is
// more than a candidate.
func renderPrimary(d *Diagnosis) *Cause {
	if len(d.Causes) == 0 || d.Causes[0].Rank == Candidate {
		return nil
	}
	return &d.Causes[0]
}

// renderGroup is a list of causes under a common heading.
type renderGroup struct {
	title  string
	causes []*Cause
}

// renderOthers groups the causes that are not explained at length.
func renderOthers(d *Diagnosis) []renderGroup {
	also, maybe := renderGroup{title: "Also true"}, renderGroup{title: "Possible, not shown"}
	for i := range d.Causes {
		c := &d.Causes[i]
		switch {
		case c == renderPrimary(d):
		case c.Rank == Candidate:
			maybe.causes = append(maybe.causes, c)
		default:
			also.causes = append(also.causes, c)
		}
	}
	var out []renderGroup
	for _, g := range []renderGroup{also, maybe} {
		if len(g.causes) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// What follows are the words that text and Markdown share.

const renderIncomplete = "Part of the evidence could not be read, so this holds for the rest only."

func renderVerdict(d *Diagnosis) string {
	switch d.Verdict {
	case Failure:
		return "FAILURE"
	case NoFailure:
		if d.Incomplete {
			return "NO FAILURE in what could be read"
		}
		return "NO FAILURE"
	}
	return "UNDETERMINED"
}

func renderFamily(f Family) string {
	switch f {
	case FamilyPoP:
		return "proof of possession"
	case FamilyBearer:
		return "bearer"
	case FamilyNone:
		return "none"
	}
	return "undetermined"
}

// renderSummary is the one sentence: that of the primary cause if there is one.
func renderSummary(d *Diagnosis) string {
	if c := renderPrimary(d); c != nil && c.Summary != "" {
		return c.Summary
	}
	return d.Summary
}

// renderClock cuts the time of day out of an RFC 3339 time: the date seldom
// matters, and the JSON has it.
func renderClock(at string) string {
	if _, clock, ok := strings.Cut(at, "T"); ok {
		at = clock
		if hms, _, fraction := strings.Cut(at, "."); fraction && strings.HasSuffix(at, "Z") {
			at = hms + "Z"
		}
	}
	if at == "" {
		return "-"
	}
	return clean(at, 20)
}

func renderStatus(status int) string {
	if status == 0 {
		return "---" // no answer was seen
	}
	return fmt.Sprintf("%3d", status)
}

// renderTarget drops the scheme that every URL should have; any other one is
// worth seeing.
func renderTarget(url string) string {
	return strings.TrimPrefix(clean(url, renderValueMax), "https://")
}

func renderNote(s *Step) string {
	lead := s.Role
	if s.Outcome != "" && s.Outcome != "unrelated" {
		lead = strings.TrimPrefix(lead+", "+s.Outcome, ", ")
	}
	switch {
	case s.Note == "":
		return lead
	case lead == "":
		return s.Note
	}
	return lead + ": " + s.Note
}

// renderReference names the row of the check table and the rule behind a fact.
func renderReference(f *Fact) string {
	ref := clean(f.Check, renderValueMax)
	if f.RFC != "" {
		if ref != "" {
			ref += ", "
		}
		ref += clean(f.RFC, renderValueMax)
	}
	return ref
}

type renderFix struct{ party, text string }

func renderFixes(f *Fix) []renderFix {
	var out []renderFix
	for _, p := range []renderFix{
		{"client", f.Client}, {"resource server", f.ResourceServer}, {"authorization server", f.AuthorizationServer},
	} {
		if p.text != "" {
			out = append(out, p)
		}
	}
	return out
}

func renderSure(c *Cause) string {
	text := "Confidence " + string(c.Confidence)
	switch c.Confidence {
	case High:
		text += ": a fact that was recomputed from the evidence decides."
	case Medium:
		text += ": the facts fit, and one inference was needed."
	case Low:
		text += ": only the words of the server speak for it."
	default:
		text += "."
	}
	if c.Severity != "" {
		text += " Severity " + c.Severity + "."
	}
	if c.RFC != "" {
		text += " See " + c.RFC + "."
	}
	return text
}

// renderChecks counts the outcomes of the check table and names those that
// failed or could not be judged.
func renderChecks(d *Diagnosis) string {
	if len(d.Checks) == 0 {
		return ""
	}
	passed := 0
	var failed, unknown []string
	for _, c := range d.Checks {
		switch c.Status {
		case holdfast.Pass:
			passed++
		case holdfast.Fail:
			failed = append(failed, c.Code)
		case holdfast.Unknown:
			unknown = append(unknown, c.ID)
		case holdfast.NotApplicable:
		}
	}
	text := "Checks of exchange " + strconv.Itoa(d.Checks[0].Exchange) + ": " + strconv.Itoa(passed) + " passed"
	if len(failed) > 0 {
		text += ", " + strconv.Itoa(len(failed)) + " failed (" + strings.Join(failed, ", ") + ")"
	}
	if len(unknown) > 0 {
		text += ", " + strconv.Itoa(len(unknown)) + " not judged (" + strings.Join(unknown, ", ") + ")"
	}
	return text + "."
}

func renderOther(c *Cause) string {
	text := c.Code + " (" + renderFamily(c.Family) + ", " + string(c.Confidence) + ")"
	if c.Exchange != 0 {
		text += " in exchange " + strconv.Itoa(c.Exchange)
	}
	if c.Summary != "" {
		text += ": " + c.Summary
	}
	return text
}
