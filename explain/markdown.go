package explain

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteMarkdown writes the diagnosis fit for a public issue. Whatever came
// from the evidence is shown, not obeyed: a word that could be markup, HTML, a
// mention, an issue reference, a link or a formula is put into a code span, and
// everything tabular is in a fenced block.
func (d *Diagnosis) WriteMarkdown(w io.Writer) error {
	m := &mdWriter{}
	m.verdict(d)
	m.timeline(d)
	if c := renderPrimary(d); c != nil {
		m.because(c)
		m.fixes(c)
		m.heading("How sure")
		m.paragraph("", renderSure(c))
		m.paragraph("", renderChecks(d))
	}
	m.others(d)
	m.asks(d)
	if len(d.Problems) > 0 {
		m.heading("Could not be read")
		for _, p := range d.Problems {
			m.item("- ", p)
		}
	}
	if d.NotCovered != "" {
		m.heading("Not covered by a proof")
		m.paragraph("", d.NotCovered)
	}
	_, err := io.WriteString(w, m.b.String())
	return err
}

// mdWriter collects the Markdown.
type mdWriter struct{ b strings.Builder }

func (m *mdWriter) heading(title string) {
	if !strings.HasSuffix(m.b.String(), "\n\n") {
		m.b.WriteByte('\n')
	}
	m.b.WriteString("### " + title + "\n\n")
}

// paragraph writes one line; label is markup of ours.
func (m *mdWriter) paragraph(label, text string) {
	if text != "" {
		m.b.WriteString(label + mdText(text) + "\n")
	}
}

func (m *mdWriter) item(prefix, text string) { m.b.WriteString(prefix + mdText(text) + "\n") }

func (m *mdWriter) verdict(d *Diagnosis) {
	title := renderVerdict(d)
	if c := renderPrimary(d); c != nil && d.Verdict == Failure {
		title += ": " + mdCode(c.Code)
		m.b.WriteString("## " + title + "\n\n")
		m.b.WriteString("Family: **" + renderFamily(d.Family) + "**. Confidence: **" + mdText(string(c.Confidence)) + "**.\n\n")
	} else {
		m.b.WriteString("## " + title + "\n\n")
	}
	m.paragraph("", renderSummary(d))
	if d.Incomplete {
		m.b.WriteString("\n" + renderIncomplete + "\n")
	}
}

func (m *mdWriter) timeline(d *Diagnosis) {
	if len(d.Exchanges) == 0 {
		return
	}
	m.heading("Exchanges")
	t := &renderer{width: 100}
	t.timeline(&Diagnosis{Exchanges: d.Exchanges, FailingExchange: d.FailingExchange})
	_, table, _ := strings.Cut(strings.TrimPrefix(t.b.String(), "\n"), "\n") // without the heading of the text form
	m.fence(table)
}

// fence writes a block that its content cannot end.
func (m *mdWriter) fence(content string) {
	mark := strings.Repeat("`", max(3, mdTicks(content)+1))
	m.b.WriteString(mark + "text\n" + strings.TrimRight(content, "\n") + "\n" + mark + "\n")
}

func (m *mdWriter) because(c *Cause) {
	if len(c.Because) == 0 {
		return
	}
	m.heading("Because")
	for _, f := range c.Because {
		text := clean(f.Fact, renderTextMax)
		if ref := renderReference(&f); ref != "" {
			text += " (" + ref + ")"
		}
		m.item("- **"+mdText(string(f.Source))+"**: ", text)
		if f.Observed != "" || f.Expected != "" {
			m.b.WriteByte('\n')
			for _, line := range strings.Split(strings.TrimRight(mdCompare(&f), "\n"), "\n") {
				m.b.WriteString("  " + line + "\n")
			}
			m.b.WriteByte('\n')
		}
	}
}

// mdCompare is a fenced block with both values below each other.
func mdCompare(f *Fact) string {
	var lines []string
	for _, v := range [][2]string{{"observed", f.Observed}, {"expected", f.Expected}} {
		if v[1] != "" {
			lines = append(lines, fmt.Sprintf("%s  %s", v[0], clean(v[1], renderValueMax)))
		}
	}
	m := &mdWriter{}
	m.fence(strings.Join(lines, "\n"))
	return m.b.String()
}

func (m *mdWriter) fixes(c *Cause) {
	parties := renderFixes(&c.Fix)
	if len(parties) == 0 {
		return
	}
	m.heading("What to change")
	for _, p := range parties {
		m.item("- **"+p.party+"**: ", p.text)
	}
}

func (m *mdWriter) others(d *Diagnosis) {
	for _, g := range renderOthers(d) {
		m.heading(g.title)
		for _, c := range g.causes {
			m.item("- ", renderOther(c))
			for _, p := range renderFixes(&c.Fix) {
				m.item("  - "+p.party+": ", p.text)
			}
		}
	}
}

func (m *mdWriter) asks(d *Diagnosis) {
	if len(d.Missing) == 0 {
		return
	}
	m.heading("What would settle it")
	for _, a := range d.Missing {
		m.b.WriteString("- **" + mdText(a.What) + "**\n")
		if a.Why != "" {
			m.item("  - why: ", a.Why)
		}
		if a.How != "" {
			m.item("  - how: ", a.How)
		}
	}
}

// mdText makes a sentence inert: every word that Markdown or the page it is
// shown on might interpret becomes a code span. A backslash would not do,
// because mentions and references are looked for after Markdown is done.
func mdText(s string) string {
	words := strings.Fields(clean(s, renderTextMax))
	for i, w := range words {
		if mdActive(w) || i == 0 && mdLeads(w) {
			bare := strings.TrimRight(w, ",.;:")
			words[i] = mdCode(bare) + w[len(bare):]
		}
	}
	return strings.Join(words, " ")
}

// mdActive reports whether a word holds a character that starts markup, HTML,
// an entity, a mention, a reference, a link, an emoji or a formula.
func mdActive(w string) bool {
	return strings.ContainsAny(w, "`*_[]<>&@#|\\~$!^{}") || strings.Contains(w, "://") ||
		strings.Contains(strings.ToLower(w), "www.") || strings.Count(w, ":") > 1 || strings.HasPrefix(strings.ToUpper(w), "GH-")
}

// mdLeads reports whether a word at the beginning of a line makes it a list, a
// heading or a rule.
func mdLeads(w string) bool {
	if strings.Trim(w, "-+=") == "" {
		return true
	}
	digits := strings.TrimLeftFunc(w, unicode.IsDigit)
	return digits != w && (strings.HasPrefix(digits, ".") || strings.HasPrefix(digits, ")"))
}

// mdCode writes a code span that its content cannot end.
func mdCode(s string) string {
	s = clean(s, renderValueMax)
	if s == "" {
		return ""
	}
	mark := strings.Repeat("`", mdTicks(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		return mark + " " + s + " " + mark
	}
	return mark + s + mark
}

// mdTicks is the length of the longest run of backticks.
func mdTicks(s string) int {
	longest, run := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] == '`' {
			run++
		} else {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}
