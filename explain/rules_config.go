package explain

import (
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// configCauses are the causes of class as-config: the authorization server does
// not do, or does not say, what the client and the resource count on.
func configCauses() []cause {
	const class = "as-config"
	return []cause{
		{
			code: "as-ignored-proof", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 5",
			codes: []holdfast.Code{holdfast.CodeBindingSchemeNotBound, holdfast.CodeBindingPresentUnbound}, topics: topicNotBound | topicBinding | topicToken,
			decides: "a token request with proof, answered by token_type Bearer or a token without cnf", rulesOut: "token_type DPoP",
			beats: []string{"token-not-bound", "dpop-not-advertised", "scheme-unsupported-by-rs", "proof-missing"},
			fix: Fix{
				Client:              "check token_type and fail closed: a Bearer answer to a request with a proof is not a bound token",
				AuthorizationServer: "enable DPoP on the authorization server (for this client) and enforce it: answer token_type DPoP and write cnf.jkt",
			},
			find: findIgnored, scan: scanIgnored,
		},
		{
			code: "dpop-not-advertised", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 5.1",
			codes: []holdfast.Code{holdfast.CodeBindingPresentUnbound}, topics: topicNotBound | topicProofMissing | topicBinding | topicScheme | topicProof,
			decides: "no dpop_signing_alg_values_supported in one or all metadata documents, and the client sent no proof", rulesOut: "listed",
			beats: []string{"token-not-bound", "proof-missing"},
			fix: Fix{
				Client:              "fail closed if bound tokens are required and the metadata does not list DPoP",
				AuthorizationServer: "publish dpop_signing_alg_values_supported in both metadata documents (oauth-authorization-server and openid-configuration)",
			},
			find: findNotAdvertised,
		},
		{
			code: "introspection-cnf-missing", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 6.2",
			codes: []holdfast.Code{holdfast.CodeBindingPresentUnbound, holdfast.CodeBindingPresentUnsupported}, topics: topicNotBound | topicBinding | topicToken,
			decides: "introspection says active and token_type DPoP, without cnf; the issue was seen with a proof", rulesOut: "cnf present",
			beats: []string{"token-not-bound", "as-ignored-proof", "binding-key-mismatch"},
			fix:   Fix{ResourceServer: "go on refusing: a bound token without a confirmation cannot be checked", AuthorizationServer: "copy cnf (with jkt) into the introspection response of bound tokens"},
			find:  findIntrospectionCnf,
		},
	}
}

// unbound reports whether an issue answered a request with proof by a token
// that is not bound.
func (is *issue) unbound() bool {
	if !is.proofSeen {
		return false
	}
	if strings.EqualFold(is.tokenType, "DPoP") {
		return false
	}
	return strings.EqualFold(is.tokenType, "Bearer") && (is.access.claims == nil || is.access.claims["cnf"] == nil) ||
		is.access.jwt && is.access.claims != nil && is.access.claims["cnf"] == nil && is.tokenType == ""
}

func ignoredFinding(is *issue) *finding {
	from := "the token request"
	if is.from != nil {
		from = fmt.Sprintf("the token request (exchange %d)", is.from.n)
	}
	f := found(High, "The client sent a proof with "+from+", but the authorization server ignored it: it answered with token_type "+is.tokenType+" and an unbound token.").heavier(25).
		computed("token_type of the token response", is.tokenType, "DPoP", "", "RFC 9449 5")
	if is.access.claims != nil {
		f.computed("confirmation of the token", "no cnf", "cnf.jkt "+is.jkt, "binding.present", "RFC 9449 6.1")
	} else {
		f.computed("confirmation of the token", "unknown: the token is opaque (cnf would show it)", "cnf.jkt "+is.jkt, "binding.present", "RFC 9449 6.1")
	}
	return f
}

func findIgnored(s *scene, g *sight) *finding {
	if g.role.atServer() || g.token == nil {
		return nil
	}
	is := s.issueOf(g.token)
	if is == nil && g.token.id == "" && len(s.issues) == 1 {
		is = s.issues[0]
	}
	if is == nil || !is.unbound() {
		return nil
	}
	if s.introspec != nil && s.introspec.facts["cnf"] != nil {
		return nil
	}
	if g.bearer() && g.said.topics&(topicNotBound|topicBinding|topicProof|topicProofMissing) == 0 && !g.said.offers("DPoP") {
		return nil // refused as an ordinary bearer token
	}
	return ignoredFinding(is).stated("the server said", g.said.quote())
}

// scanIgnored finds the case in which the client stopped at the token response.
func scanIgnored(s *scene) []*finding {
	var out []*finding
	for _, is := range s.issues {
		if is.from == nil || !is.unbound() {
			continue
		}
		used := s.next(is.from, func(o *sight) bool { return o.token != nil && o.token.id == is.access.id && is.access.id != "" })
		if used != nil {
			continue
		}
		later := s.next(is.from, func(o *sight) bool { return o.role == roleResource && o.relevant() })
		if later != nil {
			continue
		}
		f := ignoredFinding(is)
		f.at = is.from
		out = append(out, f)
	}
	return out
}

func findNotAdvertised(s *scene, g *sight) *finding {
	if g.proof != nil || g.hides(holdfast.FactProof) {
		return nil
	}
	if g.role.atServer() {
		if g.said.topics&(topicProofMissing|topicProof|topicNotBound) == 0 {
			return nil
		}
	} else if g.said.topics&(topicNotBound|topicProofMissing|topicBinding|topicProof) == 0 && !(g.said.offers("DPoP") && !g.said.offers("Bearer")) {
		return nil
	}
	var silent *metadata.Server
	listed := false
	for _, m := range s.servers {
		if len(m.DPoPSigningAlgs) == 0 {
			silent = m
		} else {
			listed = true
		}
	}
	if silent == nil {
		return nil
	}
	for _, is := range s.issues {
		if is.proofSeen {
			return nil
		}
	}
	f := found(High, "The metadata of the authorization server does not advertise DPoP (no dpop_signing_alg_values_supported), so the client did not try and got an unbound token.").heavier(20).
		computed("metadata of "+silent.Issuer, "no dpop_signing_alg_values_supported", "the list of proof algorithms", "", "RFC 9449 5.1").
		computed("proof in the token request", "none", "one proof", "", "RFC 9449 5")
	if listed {
		f.computed("the other metadata document", "lists dpop_signing_alg_values_supported", "both documents agree", "", "RFC 9449 5.1")
	}
	return f.stated("the server said", g.said.quote())
}

func findIntrospectionCnf(s *scene, g *sight) *finding {
	in := s.introspec
	if in == nil || in.facts["active"] != true || in.facts["cnf"] != nil || g.role.atServer() || g.token == nil {
		return nil
	}
	isDPoP := strings.EqualFold(text(in.facts, "token_type"), "DPoP")
	is := s.issueOf(g.token)
	if is == nil && len(s.issues) == 1 {
		is = s.issues[0]
	}
	issuedBound := is != nil && (strings.EqualFold(is.tokenType, "DPoP") || is.access.confirmation("jkt") != "")
	bound := issuedBound || g.token.confirmation("jkt") != ""
	if !isDPoP && !bound {
		return nil
	}
	f := found(High, "Introspection calls the token active but gives no cnf, although the token was issued bound to a key: the resource server cannot check the binding.").heavier(30).
		computed("introspection answer", "active: true, no cnf", "cnf with jkt", "binding.present", "RFC 9449 6.2")
	if isDPoP {
		f.computed("token_type of introspection", "DPoP", "", "", "RFC 9449 6.2")
	}
	if issuedBound {
		f.computed("token_type of the token response", is.tokenType, "", "", "RFC 9449 5")
		if is.jkt != "" {
			f.computed("key of the token request", is.jkt, "", "", "")
		}
	}
	return f.stated("the server said", g.said.quote())
}
