package explain

import (
	"sort"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// index finds exchanges by what they have in common, so that a capture of a
// hundred thousand exchanges costs no more per exchange than one of ten. Every
// list is in the order of the exchanges.
type index struct {
	proofs   map[string][]*sight // by the bytes of the proof
	places   map[string][]*sight // by origin and path
	accepted map[string][]*sight // by intent: those whose credentials were good enough
	tokens   map[string][]*sight // by identity of the token
	algs     map[string][]*sight // by origin: those that list proof algorithms
	issues   map[string]*issue   // by identity of the access token
	use      map[string]*use     // by origin
	total    use
	behind   bool // something was captured behind a proxy
}

// use counts what was sent to one origin.
type use struct{ credentials, dpop, server int }

func newIndex() index {
	return index{
		proofs: map[string][]*sight{}, places: map[string][]*sight{}, accepted: map[string][]*sight{},
		tokens: map[string][]*sight{}, algs: map[string][]*sight{}, issues: map[string]*issue{}, use: map[string]*use{},
	}
}

// add notes what is known of an exchange as soon as it is read.
func (x *index) add(g *sight) {
	if g.proof != nil && !g.proof.hidden {
		x.proofs[g.proof.raw] = append(x.proofs[g.proof.raw], g)
	}
	if g.token != nil && g.token.id != "" {
		x.tokens[g.token.id] = append(x.tokens[g.token.id], g)
	}
	x.places[g.placeKey()] = append(x.places[g.placeKey()], g)
	if len(g.said.algs) > 0 {
		x.algs[g.origin] = append(x.algs[g.origin], g)
	}
	x.behind = x.behind || g.behind
	u := x.use[g.origin]
	if u == nil {
		u = &use{}
		x.use[g.origin] = u
	}
	for _, n := range [...]*use{u, &x.total} {
		if g.usesToken() || g.proof != nil || g.hides(holdfast.FactAuthorization|holdfast.FactProof) {
			n.credentials++
		}
		if g.proof != nil || g.dpop() {
			n.dpop++
		}
		if g.role.atServer() {
			n.server++
		}
	}
}

// after returns the part of a list that comes later than g.
func after(list []*sight, g *sight) []*sight {
	return list[sort.Search(len(list), func(i int) bool { return list[i].index > g.index }):]
}

// before returns the part of a list that comes earlier than g.
func before(list []*sight, g *sight) []*sight {
	return list[:sort.Search(len(list), func(i int) bool { return list[i].index >= g.index })]
}

func (g *sight) placeKey() string { return g.origin + strings.TrimSuffix(g.url.EscapedPath(), "/") }

// intentKey is what two attempts at the same thing have in common.
func (g *sight) intentKey() string {
	return g.x.Request.Method + " " + string(g.role) + " " + g.origin + strings.TrimSuffix(g.url.Path, "/")
}

// redirectKey is the placeKey that the Location of an answer leads to.
func (g *sight) redirectKey() (string, bool) {
	if g.x.Status < 300 || g.x.Status > 399 {
		return "", false
	}
	to, err := g.url.Parse(g.x.Header.Get("Location"))
	if err != nil {
		return "", false
	}
	return originOf(to) + strings.TrimSuffix(to.EscapedPath(), "/"), true
}
