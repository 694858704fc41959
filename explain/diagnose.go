package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Limits of a diagnosis: what is left out is said.
const (
	maxCauses = 8
	maxSteps  = 30
	maxFacts  = 12
)

// diagnose puts the answer together.
func (s *scene) diagnose() *Diagnosis {
	d := &Diagnosis{Format: Format, Incomplete: s.ev.Broken()}
	for _, p := range s.ev.Problems {
		d.Problems = append(d.Problems, p.Error())
	}
	found := rank(s.search())
	d.Problems = append(d.Problems, s.notes...)
	found = slices.DeleteFunc(found, func(f *finding) bool { return f.at != nil && s.unrelated(f.at) })
	open := slices.DeleteFunc(s.problems(), s.unrelated)
	var primary *finding
	switch {
	case len(found) > 0:
		primary = found[0]
		s.failure(d, found)
	case len(open) > 0:
		s.undecided(d, open)
	case s.unanswered() != nil:
		s.undecided(d, []*sight{s.unanswered()})
	case !s.anything():
		s.nothing(d)
	default:
		s.healthy(d)
	}
	d.Exchanges = s.timeline(primary, found, open)
	s.checks(d, primary, open)
	v := newVault(s.ev)
	d.scrub(v)
	return d
}

// unrelated reports whether a refusal belongs to somebody else's story: a site
// that never got credentials of ours while another one did, or a plain API key
// beside a DPoP story.
func (s *scene) unrelated(g *sight) bool {
	if g.proof != nil || g.role.atServer() || g.role == rolePreflight || g.redirected != nil {
		return false
	}
	own, all := s.find.use[g.origin], s.find.total
	others := own.credentials + own.server
	if g.usesToken() || g.hides(holdfast.FactAuthorization|holdfast.FactProof) {
		others-- // itself
	}
	here, elsewhere, dpopElsewhere := others > 0, all.credentials > own.credentials, all.dpop > own.dpop
	switch {
	case here:
		return false
	case !g.usesToken() && g.token == nil:
		return elsewhere && !g.hides(holdfast.FactAuthorization)
	case g.bearer() && s.issueOf(g.token) == nil && !s.bound(g) && g.token.claims == nil:
		return dpopElsewhere && !g.said.offers("DPoP")
	}
	return false
}

// anything reports whether the evidence shows OAuth at all.
func (s *scene) anything() bool {
	for _, g := range s.sights {
		if g.relevant() {
			return true
		}
	}
	return false
}

// unanswered finds a request with credentials that got no answer.
func (s *scene) unanswered() *sight {
	for _, g := range s.sights {
		if g.x.Status == 0 && (g.proof != nil || g.usesToken() || g.role.atServer()) && s.retry(g) == nil && g.viewOf == nil {
			return g
		}
	}
	return nil
}

// failure fills in a diagnosis whose cause was found.
func (s *scene) failure(d *Diagnosis, found []*finding) {
	d.Verdict = Failure
	first := found[0]
	d.Family = first.cause.family
	if first.at != nil {
		d.FailingExchange = first.at.n
	}
	for i, f := range found[:min(len(found), maxCauses)] {
		c := f.asCause()
		switch {
		case i == 0:
			c.Rank = Primary
		case f.conf == High && s.independent(first, f):
			c.Rank = Additional
		default:
			c.Rank = Candidate
			if c.Confidence == High {
				c.Confidence = Medium
			}
		}
		d.Causes = append(d.Causes, c)
	}
	d.Summary = d.Causes[0].Summary
	if first.conf != High {
		d.Missing = s.asks(first.at, first)
	}
}

// independent reports whether a second cause holds by itself: a recomputed fact
// that will fail next, at the same exchange or at one of the same story.
func (s *scene) independent(first, f *finding) bool {
	if f.cause.code == "token-missing" || f.cause.code == "grant-invalid" {
		return false // follows from the first
	}
	return slices.ContainsFunc(f.because, func(b Fact) bool { return b.Source == Computed })
}

func (f *finding) asCause() Cause {
	c := f.cause
	// What was recomputed comes before what was said.
	slices.SortStableFunc(f.because, func(a, b Fact) int { return strings.Compare(string(a.Source), string(b.Source)) })
	out := Cause{
		Code: c.code, Class: c.class, Family: c.family, Confidence: f.conf, Severity: c.severity, Summary: f.summary, RFC: c.rfc,
		Because: f.because[:min(len(f.because), maxFacts)],
		Fix: Fix{
			Client:              join(f.fix.Client, c.fix.Client),
			ResourceServer:      join(f.fix.ResourceServer, c.fix.ResourceServer),
			AuthorizationServer: join(f.fix.AuthorizationServer, c.fix.AuthorizationServer),
		},
	}
	if f.at != nil {
		out.Exchange = f.at.n
		// At an authorization server the advice for a resource server is not wanted, and the reverse.
		switch {
		case f.at.role.atServer() && out.Fix.AuthorizationServer != "":
			out.Fix.ResourceServer = ""
		case f.at.role == roleResource && out.Fix.ResourceServer != "" && out.Fix.AuthorizationServer == out.Fix.ResourceServer:
			out.Fix.AuthorizationServer = ""
		}
	}
	return out
}

// undecided fills in a diagnosis without a cause: what was said, what is
// possible, what would settle it.
func (s *scene) undecided(d *Diagnosis, open []*sight) {
	d.Verdict = Undetermined
	g := open[0]
	for _, o := range open { // the one that says most; a nonce challenge is a step, not the fault
		if o.said.specific() != 0 && g.said.specific() == 0 || g.said.isNonceChallenge() && !o.said.isNonceChallenge() {
			g = o
		}
	}
	d.FailingExchange = g.n
	d.Family = s.familyOf(g)
	d.Missing = s.asks(g, nil)
	d.Causes = s.candidates(g)
	what := "was refused (" + g.statusText() + ")"
	if g.x.Status == 0 {
		what = "got no answer"
	}
	d.Summary = fmt.Sprintf("Exchange %d %s, and the evidence does not decide why", g.n, what)
	switch {
	case s.allFine(g):
		d.Summary += ": every fact that can be recomputed holds, and the server gives no reason that decides."
	case g.hides(holdfast.FactProof | holdfast.FactTokenValue | holdfast.FactAuthorization):
		d.Summary += ": the values that matter were removed from the capture."
	default:
		d.Summary += "."
	}
	if q := g.said.quote(); q != "" {
		d.Summary += " The server said: " + q + "."
	}
}

const (
	popTopics = topicHTU | topicHTM | topicNonce | topicReplay | topicAth | topicProofMissing | topicProofSeveral | topicBinding | topicNotBound | topicProof
)

// familyOf is the family of an undecided refusal, if the server's words give it.
func (s *scene) familyOf(g *sight) Family {
	if g.said.errorCode == "invalid_dpop_proof" || g.said.errorCode == "use_dpop_nonce" || g.said.topics&popTopics != 0 {
		return FamilyPoP
	}
	return FamilyUndetermined
}

// candidates are the causes that the server's words would fit.
func (s *scene) candidates(g *sight) []Cause {
	var out []Cause
	for _, c := range table() {
		if g.said.specific()&c.topics&^(topicTokenForm|topicTokenMissing) == 0 || len(out) >= 3 || c.find == nil || len(c.codes) == 0 {
			continue
		}
		if s.ruledOut(g, c) {
			continue
		}
		f := &finding{cause: c, at: g, conf: Low, summary: "Possible: the server's words fit, but nothing in the evidence shows it."}
		if c.unseen && s.allFine(g) {
			f.conf, f.summary = Medium, "Possible: the proof is right for the URL that was called, and the server compares with another: a proxy may have changed it on the way."
		}
		k := f.stated("the server said", g.said.quote()).asCause()
		k.Rank = Candidate
		out = append(out, k)
	}
	return out
}

// ruledOut reports whether every code of a cause was recomputed and passed, and
// the other side cannot see it otherwise.
func (s *scene) ruledOut(g *sight, c *cause) bool {
	if c.unseen {
		return false
	}
	for _, code := range c.codes {
		id, _, ok := cutLast(code.String(), '.')
		if ok && g.outcome(id).Status != holdfast.Pass {
			return false
		}
	}
	return true
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func (s *scene) nothing(d *Diagnosis) {
	d.Verdict, d.Family = Undetermined, FamilyUndetermined
	d.Summary = "The evidence shows no request with an access token or a proof, and no OAuth endpoint."
	d.Missing = []Ask{{
		What: "the refused request with its response", Why: "nothing in the evidence carries a token, a proof or a challenge",
		How: "capture the failing call, for example with curl -v or as a HAR with sensitive data included, DPoP and Authorization headers with it",
	}}
}

// healthy says that nothing failed, and which refusals were normal.
func (s *scene) healthy(d *Diagnosis) {
	d.Verdict, d.Family = NoFailure, FamilyNone
	var nonce, discovery, other, honest []string
	for _, g := range s.sights {
		n := fmt.Sprint(g.n)
		switch {
		case g.viewOf != nil:
		case g.refused && g.said.isNonceChallenge():
			nonce = append(nonce, n)
		case g.refused && !g.usesToken() && g.role == roleResource:
			discovery = append(discovery, n)
		case g.refused:
			other = append(other, n)
		case g.x.Status >= 400:
			honest = append(honest, n)
		}
	}
	var parts []string
	say := func(list []string, one string) {
		if len(list) > 0 {
			parts = append(parts, one+" (exchange "+strings.Join(list, ", ")+")")
		}
	}
	say(nonce, "a nonce challenge (use_dpop_nonce) that is part of a normal round trip and was answered with the nonce")
	say(discovery, "a 401 without credentials, normal discovery, that was answered")
	say(other, "a refusal that a later attempt recovered from")
	say(honest, "an error behind accepted credentials, which is no failure of authentication")
	d.Summary = "Nothing failed: every request with credentials succeeded."
	if len(parts) > 0 {
		d.Summary = "Nothing failed: the same calls succeeded later. The refusals are normal and expected: " + strings.Join(parts, "; ") + "."
	}
}

// viewAsk is the ask that settles causes of class target-uri.
const viewAsk = "the verifier's own view of method and URL"

// asks names the evidence that would settle a refusal.
func (s *scene) asks(g *sight, f *finding) []Ask {
	var out []Ask
	ask := func(what, why, how string) { out = append(out, Ask{what, why, how}) }
	if g == nil {
		ask("the refused request with its response", "no exchange shows the failure", "capture the failing call with curl -v or as a HAR")
		return out
	}
	proofKnown := g.proof != nil && !g.proof.hidden
	switch {
	case g.proof != nil && g.proof.hidden || g.hides(holdfast.FactProof):
		ask("the DPoP proof, header and claims", "it was removed from the capture, so htm, htu, iat, ath, nonce, key and signature cannot be checked",
			"send the DPoP header again with only its third part replaced (holdfast redact does that); header and claims are no secret")
	case !proofKnown && (g.dpop() || g.said.offers("DPoP") || g.hides(holdfast.FactAuthorization)):
		ask("the DPoP header of the request, or that there was none", "the capture does not show whether a proof was sent", "capture the request as it was sent, DPoP header included")
	}
	if g.role == roleResource && (g.token == nil || g.token.claims == nil && s.introspec == nil) {
		ask("the claims of the access token, an introspection answer, or the token response", "audience, expiry, scope and confirmation (cnf) of the token cannot be checked",
			"send the token's claims without its signature (holdfast redact does that), or the introspection response")
	}
	if g.role == roleResource && g.token != nil && g.token.claims != nil && g.outcome("token.signature").Status == holdfast.Unknown {
		ask("the key set (JWKS) of the issuer, or an introspection answer", "whether the token is genuine and still active cannot be checked",
			"fetch jwks_uri of the issuer and pass it with --jwks, or send the introspection response")
	}
	if len(g.said.challenges) == 0 {
		ask("the WWW-Authenticate challenge of the response", "the server's reason is not in the capture", "capture the response headers; in a browser the server has to expose WWW-Authenticate")
	} else if g.said.errorCode == "" {
		ask("a WWW-Authenticate challenge with an error", "the challenge names no error", "turn on error details or debug logging at the resource server")
	}
	if g.date.IsZero() {
		ask("the Date header of the response", "without the clock of the server iat and exp cannot be judged", "send the response headers, or the time of the request in the server log")
	}
	ask("the server log lines for this request", "they name the check that refused it, and the clock of the server", "search the log of the verifier for the time of the request or for the jti")
	if proofKnown && s.proofFine(g) {
		ask(viewAsk, "the proof is right for the URL that the client called; a proxy may have changed scheme, host, port or path on the way",
			"log the URL that the server compares with htu, or capture the request behind the proxy")
		ask("the nonce and jti history of this server", "a replay or a nonce of another instance cannot be seen in one exchange", "capture from the first call on, all attempts included")
	}
	if g.role.atServer() && len(s.servers) == 0 {
		ask("the authorization server metadata", "the accepted algorithms and endpoints are not known", "fetch /.well-known/oauth-authorization-server and pass it with --metadata")
	}
	if f != nil && f.cause.class == "target-uri" { // what is open there is one thing only
		i := slices.IndexFunc(out, func(a Ask) bool { return a.What == viewAsk })
		if i > 0 {
			out[0], out[i] = out[i], out[0]
		}
	}
	if f != nil && len(out) > 3 {
		out = out[:3]
	}
	return out
}

// timeline picks the exchanges that matter, in order.
func (s *scene) timeline(primary *finding, found []*finding, open []*sight) []Step {
	weight := map[*sight]int{}
	for _, g := range s.sights {
		switch {
		case g.refused || g.recoveredBy != nil:
			weight[g] = 6
		case g.role.atServer():
			weight[g] = 5
		case g.usesToken() || g.proof != nil:
			weight[g] = 3
		case g.role == rolePreflight || g.role == roleMetadata:
			weight[g] = 1
		default:
			weight[g] = 2
		}
		if g.said.nonce != "" {
			weight[g]++
		}
	}
	mark := func(g *sight) {
		if g == nil || g.index < 0 {
			return
		}
		weight[g] = 20
		for _, o := range s.sights {
			if s.sameIntent(g, o) {
				weight[o] += 4
			}
		}
		if is := s.issueOf(g.token); is != nil && is.from != nil {
			weight[is.from] += 8
		}
		if g.recoveredBy != nil {
			weight[g.recoveredBy] += 4
		}
	}
	for _, f := range found[:min(len(found), 3)] {
		mark(f.at)
	}
	if primary == nil && len(open) > 0 {
		mark(open[0])
	}
	picked := slices.Clone(s.sights)
	slices.SortStableFunc(picked, func(a, b *sight) int { return weight[b] - weight[a] })
	picked = picked[:min(len(picked), maxSteps)]
	slices.SortStableFunc(picked, func(a, b *sight) int { return a.index - b.index })
	steps := make([]Step, 0, len(picked))
	for _, g := range picked {
		steps = append(steps, s.step(g))
	}
	return steps
}

func (s *scene) step(g *sight) Step {
	st := Step{Exchange: g.n, Method: g.x.Request.Method, URL: g.place(), Status: g.x.Status, Role: string(g.role)}
	if !g.at.IsZero() {
		st.At = g.at.UTC().Format(time.RFC3339)
	}
	var notes []string
	switch {
	case g.viewOf != nil:
		st.Outcome = "refused"
		if s.accepted(g) {
			st.Outcome = "success"
		}
		notes = append(notes, fmt.Sprintf("exchange %d as a later station saw it", g.viewOf.n))
	case g.said.isNonceChallenge():
		st.Outcome = "challenge"
		notes = append(notes, "nonce challenge (use_dpop_nonce)")
	case g.refused && s.unrelated(g):
		st.Outcome = "unrelated"
		notes = append(notes, "another site, not part of this")
	case g.refused && g.role == roleResource && !g.usesToken() && g.recoveredBy != nil:
		st.Outcome = "challenge"
		notes = append(notes, "no credentials yet")
	case g.refused:
		st.Outcome = "refused"
		if q := g.said.quote(); q != "" {
			notes = append(notes, q)
		}
	case g.x.Status >= 300 && g.x.Status < 400:
		st.Outcome = "redirect"
	case s.accepted(g):
		st.Outcome = "success"
		if g.json["token_type"] != nil && g.json["access_token"] != nil {
			notes = append(notes, "token issued, token_type "+text(g.json, "token_type"))
		}
		if g.x.Status >= 400 {
			notes = append(notes, "an honest error behind accepted credentials")
		}
	case g.x.Status == 0:
		st.Outcome = "error"
		notes = append(notes, firstOf(g.x.Err, "no answer"))
	default:
		st.Outcome = "error"
	}
	if g.recoveredBy != nil {
		notes = append(notes, fmt.Sprintf("recovered in exchange %d: normal", g.recoveredBy.n))
	}
	if g.said.nonce != "" && !g.said.isNonceChallenge() {
		notes = append(notes, "hands out a new nonce")
	}
	st.Note = strings.Join(notes, "; ")
	return st
}

// checks lists the rows of the check table for the failing exchange.
func (s *scene) checks(d *Diagnosis, primary *finding, open []*sight) {
	var g *sight
	if primary != nil {
		g = primary.at
	} else if len(open) > 0 {
		g = open[0]
	}
	if g == nil || g.report == nil {
		return
	}
	for _, o := range g.report.Outcomes {
		if o.Status == holdfast.NotApplicable {
			continue
		}
		c := Check{Exchange: g.n, ID: o.Check, RFC: o.RFC, Title: o.Title, Status: o.Status}
		if o.Code != holdfast.CodeOK {
			c.Code = o.Code.String()
		}
		if o.Status == holdfast.Fail {
			c.Observed, c.Expected = o.Got, o.Want
		}
		d.Checks = append(d.Checks, c)
	}
	if g.proof != nil {
		d.NotCovered = "A proof covers method, URL without query, access token, time and nonce. It does not cover query, other header fields or the body."
	}
}

// scrub makes every text of a diagnosis fit to leave.
func (d *Diagnosis) scrub(v *vault) {
	fix := func(s *string) { *s = v.text(*s) }
	fix(&d.Summary)
	for i := range d.Problems {
		fix(&d.Problems[i])
	}
	for i := range d.Causes {
		c := &d.Causes[i]
		fix(&c.Summary)
		fix(&c.Fix.Client)
		fix(&c.Fix.ResourceServer)
		fix(&c.Fix.AuthorizationServer)
		for j := range c.Because {
			b := &c.Because[j]
			fix(&b.Fact)
			fix(&b.Observed)
			fix(&b.Expected)
		}
	}
	for i := range d.Checks {
		fix(&d.Checks[i].Observed)
		fix(&d.Checks[i].Expected)
	}
	for i := range d.Exchanges {
		e := &d.Exchanges[i]
		fix(&e.Method)
		fix(&e.URL)
		fix(&e.Note)
	}
	for i := range d.Missing {
		fix(&d.Missing[i].What)
		fix(&d.Missing[i].Why)
		fix(&d.Missing[i].How)
	}
}
