package explain

import (
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// schemeCauses are the causes of class scheme: the token is presented under the
// wrong scheme, or to a server that does not know the right one.
func schemeCauses() []cause {
	const class = "scheme"
	return []cause{
		{
			code: "bound-token-sent-as-bearer", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 7.1, 7.2",
			codes: []holdfast.Code{holdfast.CodeBindingSchemeDowngrade}, topics: topicScheme | topicProofMissing | topicBinding | topicToken | topicScope,
			decides: "the scheme Bearer and cnf.jkt in the token, whatever the status", rulesOut: "scheme DPoP",
			beats: []string{"insufficient-scope", "proof-missing", "token-malformed", "token-not-bound", "audience-mismatch"},
			fix: Fix{
				Client:         "send the token under the scheme DPoP with a DPoP proof; never as Bearer",
				ResourceServer: "refuse a bound token under Bearer with a DPoP challenge",
			},
			find: findSentAsBearer,
		},
		{
			code: "token-type-case-mishandled", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 6749 5.1, RFC 9449 5",
			codes: []holdfast.Code{holdfast.CodeBindingSchemeDowngrade}, topics: topicScheme | topicProofMissing | topicBinding | topicToken,
			decides: "token_type is not spelled DPoP, then Bearer is used", rulesOut: "token_type spelled DPoP",
			beats: []string{"bound-token-sent-as-bearer", "proof-missing", "as-ignored-proof"},
			fix: Fix{
				Client:              "compare token_type case-insensitively (regardless of case), and fail closed instead of falling back to Bearer",
				AuthorizationServer: "spell token_type DPoP",
			},
			find: findTypeCase,
		},
		{
			code: "scheme-unsupported-by-rs", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 7.2",
			codes: []holdfast.Code{holdfast.CodeRequestSchemeUnsupported}, topics: topicScheme | topicTokenMissing | topicTokenForm,
			decides: "all checks pass, the challenge names another scheme; the same answer without credentials", rulesOut: "a DPoP challenge",
			beats: []string{"token-malformed", "binding-key-mismatch", "token-missing"},
			fix: Fix{
				Client:              "do not downgrade in silence; ask the owner of the resource server",
				ResourceServer:      "add the DPoP scheme on the resource server (the server-side roll-out is not complete)",
				AuthorizationServer: "issue bound tokens, and publish DPoP, only when the resource server can take them",
			},
			find: findSchemeUnsupported,
		},
	}
}

func findSentAsBearer(s *scene, g *sight) *finding {
	if !g.bearer() || g.token == nil || !s.bound(g) {
		return nil
	}
	jkt, where := s.boundTo(g)
	got := where + " " + jkt
	if jkt == "" {
		got = "token_type DPoP in the token response (cnf.jkt in the token)"
	}
	f := found(High, "A token that is bound to a key (cnf.jkt) was sent under the scheme Bearer instead of DPoP.").heavier(20).
		computed("scheme of the request", "Bearer", "DPoP, with a proof", "binding.scheme", "RFC 9449 7.1").
		computed("the token is bound to a key", got, "", "binding.scheme", "RFC 9449 6.1")
	if g.proof == nil && !g.hides(holdfast.FactProof) {
		f.computed("DPoP header of the request", "absent", "one proof", "proof.single", "RFC 9449 7.1")
	}
	return f.stated("the server said", g.said.quote())
}

func findTypeCase(s *scene, g *sight) *finding {
	if !g.bearer() || g.token == nil {
		return nil
	}
	is := s.issueOf(g.token)
	if is == nil && len(s.issues) == 1 && g.token.id == "" {
		is = s.issues[0]
	}
	if is == nil || !strings.EqualFold(is.tokenType, "DPoP") || is.tokenType == "DPoP" {
		return nil
	}
	from := "the token response"
	if is.from != nil {
		from = fmt.Sprintf("exchange %d", is.from.n)
	}
	return found(High, fmt.Sprintf("The token response says token_type %q; the client did not recognise that spelling and fell back to Bearer.", is.tokenType)).heavier(30).
		computed("token_type of "+from, is.tokenType, "DPoP, compared without case", "", "RFC 6749 5.1").
		computed("scheme of the request", "Bearer", "DPoP", "binding.scheme", "RFC 9449 7.1").stated("the server said", g.said.quote())
}

func findSchemeUnsupported(s *scene, g *sight) *finding {
	if !g.dpop() || g.role.atServer() || g.said.offers("DPoP") || g.said.errorCode == "use_dpop_nonce" || g.said.errorCode == "invalid_dpop_proof" {
		return nil
	}
	if g.viewOf != nil || s.brokenFact(g) || len(g.x.Request.Proofs) == 0 && !g.hides(holdfast.FactProof) {
		return nil
	}
	if g.said.topics&(topicExpired|topicRevoked|topicAudience|topicIssuer|topicTokenKey|topicNonce|topicHTU|topicReplay|topicAth|topicBinding|topicNotYet|topicSize) != 0 || g.x.Status == 431 {
		return nil
	}
	schemes := g.said.schemes()
	same := s.sameWithout(g)
	saysScheme := g.said.topics&topicScheme != 0
	if len(schemes) == 0 && !saysScheme && same == nil {
		return nil
	}
	f := found(Medium, "The resource server does not know the DPoP scheme: the proof and the token are sound, and its answer asks for another scheme.").heavier(5)
	if len(schemes) > 0 {
		f.summary = "The resource server does not know the DPoP scheme: the proof and the token are sound, and its challenge offers only " + strings.Join(schemes, ", ") + "."
		f.computed("schemes of the challenge", strings.Join(schemes, ", "), "DPoP", "request.scheme", "RFC 9449 7.1")
		if s.proofFine(g) {
			f.conf = High
		}
	}
	if same != nil {
		f.conf = High
		f.computed("the same answer without credentials", fmt.Sprintf("exchange %d", same.n), "an answer that looks at the credentials", "", "")
	}
	if saysScheme {
		f.conf = High
	}
	if o := s.worked(g); o != nil && o.dpop() {
		return nil
	}
	return f.stated("the server said", g.said.quote())
}

// sameWithout finds an exchange without credentials that got the same answer.
func (s *scene) sameWithout(g *sight) *sight {
	for _, o := range s.all {
		if o != g && o.origin == g.origin && o.role == roleResource && len(o.x.Request.Authorization) == 0 && !o.hides(holdfast.FactAuthorization) &&
			o.x.Status == g.x.Status && o.said.quote() == g.said.quote() && strings.Join(o.said.schemes(), ",") == strings.Join(g.said.schemes(), ",") {
			return o
		}
	}
	return nil
}
