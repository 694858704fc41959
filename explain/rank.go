package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// problems are the refusals that no later success answered.
func (s *scene) problems() []*sight {
	var out []*sight
	for _, g := range s.sights {
		if g.refused && g.viewOf == nil && g.recoveredBy == nil {
			out = append(out, g)
		}
	}
	return out
}

// search asks every cause about every refusal.
func (s *scene) search() []*finding {
	var all []*finding
	examined := s.examined()
	for _, c := range table() {
		if c.scan != nil {
			for _, f := range c.scan(s) {
				f.cause = c
				all = append(all, f)
			}
		}
		if c.find == nil {
			continue
		}
		for _, g := range examined {
			f := c.find(s, g)
			if f == nil || g.recoveredBy != nil && !f.anyhow {
				continue
			}
			f.cause = c
			if f.at == nil {
				f.at = g
			}
			all = append(all, f)
		}
	}
	return all
}

// Limits of the search: refusals of one kind tell one story.
const (
	maxExamined = 500 // refusals in all
	maxOfAKind  = 20  // refusals with the same endpoint, status, words and outcomes
)

// examined are the refusals that the causes are asked about.
func (s *scene) examined() []*sight {
	var out []*sight
	kinds := map[string]int{}
	left := 0
	for _, g := range s.sights {
		if !g.refused || g.viewOf != nil || g.recoveredBy != nil && !g.said.isNonceChallenge() {
			continue
		}
		kind := g.kind()
		if kinds[kind]++; kinds[kind] > maxOfAKind {
			continue // more of the same
		}
		if len(out) == maxExamined {
			left++
			continue
		}
		out = append(out, g)
	}
	if left > 0 {
		s.note("%d further refusals were not examined (limit maxExamined)", left)
	}
	return out
}

// kind is what makes two refusals the same story.
func (g *sight) kind() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %d %t %s", g.origin, g.role, g.x.Request.Method, g.x.Status, g.recoveredBy != nil, g.said.quote())
	if g.report != nil {
		for _, o := range g.report.Outcomes {
			if o.Status == holdfast.Fail {
				b.WriteString(" " + o.Code.String())
			}
		}
	}
	return b.String()
}

// score orders findings: a recomputed fact before an inference before words;
// among those, what the server's words fit, then the more specific, then the
// earlier exchange.
func (f *finding) score() int {
	n := 1000 * (confidenceRank(f.conf) + 1)
	if f.at != nil {
		fits := f.at.said.topics & f.cause.topics
		if fits&^(topicProof|topicToken) != 0 {
			n += 300
		} else if fits != 0 {
			n += 60
		}
	}
	return n + f.weight
}

// rank drops look-alikes that give way, merges one cause over several exchanges
// and sorts the best first.
func rank(all []*finding) []*finding {
	slices.SortStableFunc(all, func(a, b *finding) int { return b.score() - a.score() })
	var kept []*finding
	for _, f := range all {
		drop := false
		for _, o := range all {
			if o == f || o.cause == f.cause {
				continue
			}
			if slices.Contains(o.cause.beats, f.cause.code) && confidenceRank(o.conf) >= confidenceRank(f.conf) && related(o, f) &&
				!slices.Contains(f.cause.beats, o.cause.code) {
				drop = true
			}
		}
		for _, o := range kept {
			if o.cause == f.cause {
				drop = true
			}
		}
		if !drop {
			kept = append(kept, f)
		}
	}
	return kept
}

// related reports whether two findings are about one story: the same exchange,
// the same server, or none in particular.
func related(a, b *finding) bool {
	if a.at == nil || b.at == nil || a.at == b.at {
		return true
	}
	return a.at.origin == b.at.origin || strings.HasPrefix(a.cause.code, "as-") || a.at.index < b.at.index
}
