package explain

import (
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// replayCauses are the causes of class replay.
func replayCauses() []cause {
	const class = "replay"
	codes := []holdfast.Code{holdfast.CodeReplayJTIReplayed}
	return []cause{
		{
			code: "proof-reused-on-retry", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4, 7.3, 11.1",
			codes: codes, topics: topicReplay | topicProof, decides: "identical proof bytes sent twice to one URL, the second refused", rulesOut: "different jti",
			beats: []string{"jti-not-unique", "replay-checked-twice", "proof-stale-when-sent", "nonce-challenge-unhandled"},
			fix: Fix{
				Client:              "sign inside the retry loop: a fresh proof with a new jti for every attempt; no transparent retries below it",
				ResourceServer:      "keep jti for the life of a proof plus skew",
				AuthorizationServer: "keep jti for the life of a proof plus skew",
			},
			find: findProofReused,
		},
		{
			code: "jti-not-unique", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.2, 11.1",
			codes: codes, topics: topicReplay | topicProof, decides: "equal jti, different signature or iat", rulesOut: "identical bytes",
			beats: []string{"replay-checked-twice"},
			fix: Fix{
				Client:              "make jti unique: 96 random bits or more (or a version 4 UUID) for every proof",
				ResourceServer:      "key the replay store by thumbprint and jti",
				AuthorizationServer: "key the replay store by thumbprint and jti",
			},
			find: findJTI,
		},
		{
			code: "replay-checked-twice", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 11.1",
			codes: codes, topics: topicReplay | topicProof, decides: "two log lines for one request: two verifiers consume one jti", rulesOut: "one verifier",
			fix:  Fix{ResourceServer: "let one component consume the jti (verify once, at the edge or at the service), or give the two verifiers separate stores"},
			find: findCheckedTwice,
		},
	}
}

func findProofReused(s *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden || g.viewOf != nil {
		return nil
	}
	first := s.sameProofBefore(g)
	if first == nil || s.redirectedWith(g) != nil {
		return nil
	}
	if first.place() != g.place() || first.x.Request.Method != g.x.Request.Method {
		return nil
	}
	status := first.statusText()
	f := found(High, fmt.Sprintf("The same proof was sent twice: exchange %d is a retry of exchange %d (answer %s) with identical bytes, so its jti %s is already used.", g.n, first.n, status, g.proof.jti)).heavier(15).
		computed("proof of the retry", fmt.Sprintf("identical to that of exchange %d (same jti %s, reused), which was answered %s", first.n, g.proof.jti, status), "a new proof with a new jti", "replay.jti", "RFC 9449 11.1").stated("the server said", g.said.quote())
	return f
}

// sameProofBefore finds the same proof bytes in an earlier request.
func (s *scene) sameProofBefore(g *sight) *sight {
	if g.proof.hidden {
		return nil
	}
	list := before(s.find.proofs[g.proof.raw], g)
	for i := len(list) - 1; i >= 0; i-- {
		if o := list[i]; o.viewOf == nil && o.view != g {
			return o
		}
	}
	return nil
}

// redirectedWith finds the redirect that led here with the same proof.
func (s *scene) redirectedWith(g *sight) *sight {
	for o := g.redirected; o != nil; o = o.redirected {
		if o.proof != nil && g.proof != nil && o.proof.raw == g.proof.raw {
			return o
		}
	}
	return nil
}

func findJTI(s *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden || g.proof.jti == "" || marked(g.proof.jti) {
		return nil
	}
	if len(g.x.Request.Proofs) > 1 {
		return nil
	}
	first := s.previous(g, func(o *sight) bool {
		return o.proof != nil && !o.proof.hidden && o.proof.jti == g.proof.jti && o.proof.raw != g.proof.raw && o.origin == g.origin
	})
	if first == nil {
		first = s.previous(g, func(o *sight) bool {
			return o.proof != nil && !o.proof.hidden && o.proof.jti == g.proof.jti && o.proof.raw != g.proof.raw && g.said.topics&topicReplay != 0
		})
	}
	if first == nil {
		return nil
	}
	return found(High, fmt.Sprintf("Two different proofs share one jti (%s): exchanges %d and %d.", g.proof.jti, first.n, g.n)).heavier(10).
		computed("jti of the proof", fmt.Sprintf("%s, as in exchange %d with other content", g.proof.jti, first.n), "a jti of its own: at least 96 random bits", "replay.jti", "RFC 9449 4.2").stated("the server said", g.said.quote())
}

func findCheckedTwice(s *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden && len(s.logs) == 0 {
		return nil
	}
	if g.said.topics&topicReplay == 0 && !s.logSays(topicReplay) {
		return nil
	}
	if !g.proof.hidden && s.sameProofBefore(g) != nil {
		return nil
	}
	lines := s.jtiLines(g)
	f := found(High, fmt.Sprintf("One request was checked for replay twice: two verifiers consume the same jti %s, and the second one refuses it.", g.proof.jti)).heavier(8)
	switch {
	case len(lines) >= 2:
		for _, l := range lines[:min(len(lines), 4)] {
			f.stated("log", l)
		}
		f.computed("requests with this proof", "one in the capture", "one check of its jti", "replay.jti", "RFC 9449 11.1")
	case s.twoVerifiers() != "":
		f.conf = Medium
		f.computed("requests with this proof", "one in the capture", "one check of its jti", "replay.jti", "RFC 9449 11.1").stated("way of the request", s.twoVerifiers())
	default:
		return nil
	}
	return f.stated("the server said", g.said.quote())
}

func (s *scene) logSays(t topic) bool {
	for _, l := range s.logs {
		if l.topics&t != 0 {
			return true
		}
	}
	return false
}

// jtiLines are the log lines about one request's jti: those that quote it, and
// the lines about replay or an accepted proof around them.
func (s *scene) jtiLines(g *sight) []string {
	var out []string
	for _, l := range s.logs {
		if l.doc.Kind != KindServerLog && l.doc.Kind != KindNote {
			continue
		}
		quotes := !g.proof.hidden && g.proof.jti != "" && strings.Contains(l.text, g.proof.jti)
		if quotes || jtiWords.MatchString(l.text) {
			out = append(out, l.text)
		}
	}
	return out
}

var jtiWords = words(`\bjti\b|replay|dpop.{0,30}(verified|validated|accepted|ok\b|valid\b|passed|checked|stored)|(proof).{0,30}(verified|validated|accepted|ok\b|passed|checked|stored|already)`)

// twoVerifiers looks for a topology in which two stations verify proofs.
func (s *scene) twoVerifiers() string {
	n, say := 0, ""
	for _, l := range s.logs {
		if l.doc.Kind != KindTopology && l.doc.Kind != KindServerConfig && l.doc.Kind != KindNote {
			continue
		}
		if verifyWords.MatchString(l.text) {
			n += len(verifyWords.FindAllString(l.text, -1))
			say = join(say, l.text)
		}
	}
	if n >= 2 {
		return say
	}
	return ""
}

var verifyWords = words(`(verif|validat|check|inspect|consum|enforc)\w*[^.;,]{0,40}(dpop|proof|jti|replay)|(dpop|proof|jti|replay)[^.;,]{0,40}(verif|validat|check|enforc|consum|plugin|filter|on\b|enabled|true)`)
