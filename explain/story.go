package explain

import (
	"net/http"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// pair decides which answers were refusals and which of them were answered: a
// nonce challenge, a discovery 401 or a redirect that is followed by success is
// one healthy story.
func (s *scene) pair() {
	for _, g := range s.sights {
		g.refused = s.isRefusal(g)
	}
	for _, g := range s.sights {
		if key, ok := g.redirectKey(); ok {
			for _, o := range after(s.find.places[key], g) {
				if o.redirected == nil {
					o.redirected = g
					break
				}
			}
		}
		if g.viewOf == nil && s.accepted(g) {
			s.find.accepted[g.intentKey()] = append(s.find.accepted[g.intentKey()], g)
		}
	}
	for _, g := range s.sights {
		if !g.refused || g.viewOf != nil {
			continue
		}
		for _, o := range after(s.find.accepted[g.intentKey()], g) {
			if s.sameIntent(g, o) {
				g.recoveredBy = o
				break
			}
		}
	}
}

// isRefusal tells a refused request from an honest error behind accepted
// credentials: a 404, a 422, a rate limit.
func (s *scene) isRefusal(g *sight) bool {
	if g.role == rolePreflight || g.role == roleMetadata {
		return false
	}
	switch st := g.x.Status; {
	case st == 0:
		return false
	case st == http.StatusForbidden && s.businessRefusal(g):
		return false
	case st == http.StatusUnauthorized || st == http.StatusForbidden || st == http.StatusRequestHeaderFieldsTooLarge:
		return true
	case st == http.StatusTooManyRequests || st == http.StatusServiceUnavailable:
		return len(g.said.challenges) > 0
	case g.role.atServer() && st >= 400:
		return true
	case st >= 400 && st < 500 && g.proof != nil && g.viewOf == nil && s.sameProofBefore(g) != nil:
		return true
	case st == http.StatusBadRequest:
		return len(g.said.challenges) > 0 || g.said.errorCode == "use_dpop_nonce" || g.said.topics&authTopics != 0 || s.brokenFact(g)
	case st == 431 || st == 494:
		return true
	case st >= 500:
		return len(g.said.challenges) > 0 || s.brokenFact(g)
	}
	return len(g.said.challenges) > 0 && g.x.Status >= 400
}

// businessRefusal tells a 403 of the application from one of the guard: no
// challenge, no word about credentials, every fact holds, and the same token is
// accepted by the same server otherwise.
func (s *scene) businessRefusal(g *sight) bool {
	if len(g.said.challenges) > 0 || g.said.errorCode == "" && g.said.description == "" || g.said.topics&(authTopics|topicScheme|topicClientAuth) != 0 ||
		g.token == nil || g.token.id == "" || s.brokenFact(g) {
		return false
	}
	for _, o := range s.find.tokens[g.token.id] {
		if o != g && o.ok && o.origin == g.origin {
			return true
		}
	}
	return false
}

// authTopics are the topics that concern credentials rather than the request.
const authTopics = topicHTU | topicHTM | topicIatOld | topicNonce | topicReplay | topicAth | topicProofMissing | topicProofSeveral |
	topicProofForm | topicBinding | topicNotBound | topicProof | topicToken | topicExpired | topicRevoked | topicAudience | topicIssuer |
	topicTokenKey | topicTokenForm | topicTokenMissing | topicSize | topicCertificate | topicScope

// brokenFact reports whether a recomputed fact of the proof or token fails.
func (s *scene) brokenFact(g *sight) bool {
	if g.report == nil {
		return false
	}
	for _, o := range g.report.Outcomes {
		if o.Status == holdfast.Fail && o.Check != "request.auth" && o.Check != "request.scheme" {
			return true
		}
	}
	return g.proof != nil && strings.ContainsAny(g.proof.htu, "?#")
}

// accepted reports whether the credentials of a request were good enough: it
// succeeded, or failed for a reason behind them.
func (s *scene) accepted(g *sight) bool {
	switch st := g.x.Status; {
	case g.ok:
		return true
	case g.role == roleResource && g.usesToken():
		return st == 304 || st == 404 || st == 409 || st == 410 || st == 412 || st == 422 || st >= 300 && st < 400
	case g.role == roleAuthorization:
		return st >= 300 && st < 400
	}
	return false
}

// sameIntent reports whether o tries again what g tried.
func (s *scene) sameIntent(g, o *sight) bool {
	if g.x.Request.Method != o.x.Request.Method || g.origin != o.origin || g.role != o.role ||
		strings.TrimSuffix(g.url.Path, "/") != strings.TrimSuffix(o.url.Path, "/") {
		return false
	}
	if g.role == roleToken {
		ka, va := g.grant()
		kb, vb := o.grant()
		if ka != kb || va != "" && vb != "" && va != vb {
			return false
		}
		ca, cb := g.form.Get("client_id"), o.form.Get("client_id")
		return ca == "" || cb == "" || ca == cb
	}
	if g.role == rolePAR {
		ca, cb := g.form.Get("client_id"), o.form.Get("client_id")
		return ca == "" || cb == "" || ca == cb
	}
	return !s.differentParty(g, o)
}

// differentParty reports whether two requests belong to different users or
// clients: the subjects of their tokens differ, and the second token was not
// obtained in between. A refresh may change everything about a token.
func (s *scene) differentParty(a, b *sight) bool {
	if a.token == nil || b.token == nil {
		return false
	}
	x, y := text(a.token.claims, "sub"), text(b.token.claims, "sub")
	if x == "" || y == "" || x == y || x == mark || y == mark {
		return false
	}
	is := s.issueOf(b.token)
	return is == nil || is.from == nil || is.from.index < a.index
}

// previous returns the latest earlier exchange that satisfies f.
func (s *scene) previous(g *sight, f func(*sight) bool) *sight {
	for i := g.index - 1; i >= 0; i-- {
		if o := s.all[i]; o.viewOf == nil && f(o) {
			return o
		}
	}
	return nil
}

// next returns the first later exchange that satisfies f.
func (s *scene) next(g *sight, f func(*sight) bool) *sight {
	for i := g.index + 1; i > 0 && i < len(s.all); i++ {
		if o := s.all[i]; o.viewOf == nil && f(o) {
			return o
		}
	}
	return nil
}

// retry returns the next attempt at the same intent.
func (s *scene) retry(g *sight) *sight {
	return s.next(g, func(o *sight) bool { return s.sameIntent(g, o) })
}

// issueOf finds how the token of a request was issued.
func (s *scene) issueOf(t *looseToken) *issue {
	if t == nil || t.id == "" {
		return nil
	}
	return s.find.issues[t.id]
}

// boundTo returns the thumbprint that a token is bound to, and where that is
// known from: its own claims, or introspection.
func (s *scene) boundTo(g *sight) (jkt, where string) {
	if v := g.token.confirmation("jkt"); v != "" {
		return v, "the token's cnf.jkt"
	}
	if g.token != nil && g.token.claims == nil && s.introspec != nil {
		cnf, _ := s.introspec.facts["cnf"].(map[string]any)
		if v := text(cnf, "jkt"); v != "" {
			return v, "cnf.jkt of introspection"
		}
	}
	return "", ""
}

// bound reports whether a token is known to be bound to a proof key.
func (s *scene) bound(g *sight) bool {
	if v, _ := s.boundTo(g); v != "" {
		return true
	}
	if is := s.issueOf(g.token); is != nil && strings.EqualFold(is.tokenType, "DPoP") {
		return true
	}
	return false
}

// proofFine reports whether every fact of the proof that could be recomputed
// holds, and that there was one to recompute.
func (s *scene) proofFine(g *sight) bool {
	if g.report == nil || g.proof == nil || g.proof.hidden {
		return false
	}
	passed := 0
	for _, o := range g.report.Outcomes {
		if !strings.HasPrefix(o.Check, "proof.") {
			continue
		}
		switch o.Status {
		case holdfast.Fail:
			return false
		case holdfast.Pass:
			passed++
		}
	}
	return passed >= 6
}

// allFine reports whether no recomputed fact of proof, token or binding fails.
func (s *scene) allFine(g *sight) bool { return s.proofFine(g) && !s.brokenFact(g) }
