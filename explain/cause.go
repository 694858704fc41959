package explain

import (
	"slices"

	"github.com/holdfast-oauth/holdfast"
)

// cause is one row of the second table: a name of the taxonomy with what it
// needs, what decides and rules it out, which look-alikes it beats, what each
// party should change, and how to find it.
type cause struct {
	code, class string
	family      Family
	severity    string // critical, high, medium
	rfc         string

	codes    []holdfast.Code // codes of the check table that it explains
	topics   topic           // server's words that fit it
	decides  string          // what decides
	rulesOut string          // what rules it out
	beats    []string        // look-alikes that give way when this one holds
	fix      Fix
	unseen   bool // arises behind what a client sees: that its own side is right does not rule it out

	find func(*scene, *sight) *finding // per refused exchange
	scan func(*scene) []*finding       // over the whole scene
}

// finding is a cause that holds, or may hold, for one exchange.
type finding struct {
	cause   *cause
	at      *sight // nil: no exchange in particular
	conf    Confidence
	weight  int // among findings of one confidence, the more specific first
	summary string
	because []Fact
	fix     Fix  // added to the cause's own
	anyhow  bool // holds even if a later attempt succeeded
}

// found starts a finding.
func found(conf Confidence, summary string) *finding {
	return &finding{conf: conf, summary: summary}
}

func (f *finding) computed(fact, observed, expected, check, rfc string) *finding {
	f.because = append(f.because, Fact{Fact: fact, Observed: observed, Expected: expected, Source: Computed, Check: check, RFC: rfc})
	return f
}

func (f *finding) stated(fact, observed string) *finding {
	if observed != "" {
		f.because = append(f.because, Fact{Fact: fact, Observed: observed, Source: Stated})
	}
	return f
}

// row adds the outcome of a row of the check table as a computed fact.
func (f *finding) row(g *sight, check string) *finding {
	o := g.outcome(check)
	return f.computed(o.Title, o.Got, o.Want, o.Check, o.RFC)
}

func (f *finding) heavier(n int) *finding { f.weight += n; return f }

// clientSays adds to the fix of the client.
func (f *finding) clientSays(t string) *finding { f.fix.Client = join(f.fix.Client, t); return f }

func join(a, b string) string {
	if a == "" {
		return b
	}
	if b == "" {
		return a
	}
	return a + "; " + b
}

// confidenceRank orders confidences.
func confidenceRank(c Confidence) int {
	return slices.Index([]Confidence{Low, Medium, High}, c)
}

// table is every cause, in the order of the taxonomy.
func table() []*cause {
	var all []*cause
	for _, group := range [][]cause{
		proofCauses(), keyCauses(), nonceCauses(), replayCauses(), clockCauses(), targetCauses(),
		schemeCauses(), configCauses(), transportCauses(), bearerCauses(),
	} {
		for i := range group {
			all = append(all, &group[i])
		}
	}
	return all
}
