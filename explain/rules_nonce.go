package explain

import (
	"fmt"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// nonceCauses are the causes of class nonce.
func nonceCauses() []cause {
	const class = "nonce"
	required := []holdfast.Code{holdfast.CodeProofNonceRequired}
	return []cause{
		{
			code: "nonce-challenge-unhandled", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 8, 9",
			codes: required, topics: topicNonce, decides: "a challenge with a value, then a proof without it or no retry", rulesOut: "the next proof has it",
			beats: []string{"proof-missing-at-token-endpoint", "grant-invalid"},
			fix:   Fix{Client: "on use_dpop_nonce repeat the request once with a new proof that carries the DPoP-Nonce of the answer as nonce claim, and keep that nonce for this server"},
			find:  findNonceUnhandled,
		},
		{
			code: "nonce-expired", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 8.2",
			codes: []holdfast.Code{holdfast.CodeProofNonceExpired}, topics: topicNonce | topicIatOld, decides: "the nonce is an earlier one of the same origin and newer ones exist", rulesOut: "the newest one was used",
			beats: []string{"nonce-challenge-unhandled", "nonce-not-shared-across-replicas"},
			fix: Fix{
				Client:              "replace the stored nonce after every answer that carries DPoP-Nonce, success included, and use the newest",
				ResourceServer:      "give a new nonce on success before the old one expires",
				AuthorizationServer: "give a new nonce on success before the old one expires",
			},
			find: findNonceExpired,
		},
		{
			code: "nonce-from-other-server", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 8, 9",
			codes: []holdfast.Code{holdfast.CodeProofNonceForeign}, topics: topicNonce, decides: "the nonce was issued by A and sent to B", rulesOut: "issued by the same origin",
			beats: []string{"nonce-challenge-unhandled", "nonce-expired", "nonce-not-shared-across-replicas"},
			fix:   Fix{Client: "store nonces per origin: one separate slot per server, authorization server and resource server apart"},
			find:  findNonceForeign,
		},
		{
			code: "nonce-not-shared-across-replicas", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 8",
			codes: []holdfast.Code{holdfast.CodeProofNonceForeign}, topics: topicNonce, decides: "the newest nonce of the origin is refused at once and instance markers alternate", rulesOut: "one instance, or refused by the issuer itself",
			beats: []string{"nonce-challenge-unhandled", "nonce-expired"},
			fix: Fix{
				ResourceServer:      "make nonces stateless under a key that all replicas (instances) share",
				AuthorizationServer: "make nonces stateless under a key that all replicas (instances) share",
			},
			find: findNonceReplicas,
		},
		{
			code: "nonce-challenge-without-value", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 8",
			codes: required, topics: topicNonce, decides: "use_dpop_nonce and no DPoP-Nonce header, as received by a client that is no browser", rulesOut: "header present",
			beats: []string{"nonce-challenge-unhandled"},
			fix: Fix{
				Client:              "stop and report: without DPoP-Nonce there is nothing to retry with",
				ResourceServer:      "always send DPoP-Nonce with use_dpop_nonce, and let no proxy remove it",
				AuthorizationServer: "always send DPoP-Nonce with use_dpop_nonce, and let no proxy remove it",
			},
			find: findNonceNoValue,
		},
		{
			code: "grant-consumed-by-nonce-challenge", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 8",
			topics: topicGrant, decides: "the same grant in both attempts, the right nonce in the second, invalid_grant", rulesOut: "the first attempt with this grant",
			beats: []string{"grant-invalid", "refresh-token-replayed", "nonce-challenge-unhandled"},
			fix: Fix{
				Client:              "carry a nonce from an earlier answer (PAR or the last token response) so that the first attempt has it; never send two attempts in parallel",
				AuthorizationServer: "judge the proof and its nonce before consuming the grant: a nonce challenge must not consume the code or refresh token",
			},
			find: findGrantConsumed,
		},
		{
			code: "client-assertion-reused-on-nonce-retry", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 7523 3, RFC 9449 8",
			topics: topicClientAuth | topicAssertionReplay | topicReplay, decides: "the same client assertion in both bodies, invalid_client", rulesOut: "different jti",
			beats: []string{"client-authentication-failed", "proof-reused-on-retry", "nonce-challenge-unhandled"},
			fix: Fix{
				Client:              "make a new client assertion (fresh jti) for every attempt, the nonce retry included: one new assertion per attempt",
				AuthorizationServer: `say "assertion replayed" in the error`,
			},
			find: findAssertionReused,
		},
	}
}

// newest returns the answer that gave the latest nonce of an origin before g.
func (s *scene) newest(g *sight) *sight {
	var last *sight
	for _, o := range s.givenBy[g.origin] {
		if o.index < g.index {
			last = o
		}
	}
	return last
}

// nonceGivenAt reports where a nonce was handed out before g: by its own origin,
// by another one.
func (s *scene) nonceGiven(g *sight, nonce string) (here, elsewhere *sight) {
	for _, o := range s.nonces[nonce] {
		if o.at >= g.index {
			continue
		}
		if o.name == g.origin {
			here = s.all[o.at]
		} else {
			elsewhere = s.all[o.at]
		}
	}
	return here, elsewhere
}

// nonceTrouble reports whether a refusal may be about the nonce: it says so, or
// it says nothing more precise.
func nonceTrouble(g *sight) bool {
	return g.said.isNonceChallenge() || g.said.topics&topicNonce != 0 || g.said.specific() == 0
}

func findNonceUnhandled(s *scene, g *sight) *finding {
	if !g.said.isNonceChallenge() || g.said.nonce == "" {
		return s.nonceIgnored(g)
	}
	if g.proof != nil && g.proof.hidden {
		return nil
	}
	next := s.retry(g)
	f := found(High, "").stated("challenge", g.said.quote()).
		computed("DPoP-Nonce of the answer", g.said.nonce, "", "proof.nonce", "RFC 9449 8")
	switch {
	case next == nil && s.usedNewest(g):
		return nil // g was the retry: the client did what it could
	case next == nil:
		if before := s.nonceIgnored(g); before != nil {
			return before
		}
		f.summary = "The server demanded a nonce (use_dpop_nonce, with a DPoP-Nonce value) and the client did not retry with it: there is no retry in the capture."
		f.computed("retry with this nonce", "none in the capture", "one retry with a new proof and the nonce", "proof.nonce", "RFC 9449 8")
	case next.proof == nil || next.proof.hidden:
		return nil
	case !next.proof.hasNonce:
		f.summary = fmt.Sprintf("The server demanded a nonce (use_dpop_nonce) and handed one out in DPoP-Nonce, but the retry (exchange %d, the second attempt) again has no nonce.", next.n)
		f.computed("nonce of the second attempt", "absent", g.said.nonce, "proof.nonce", "RFC 9449 4.3 (10)")
		f.at = next
	default:
		return nil
	}
	return f
}

// usedNewest reports whether the proof carries the latest nonce of its origin.
func (s *scene) usedNewest(g *sight) bool {
	newest := s.newest(g)
	return newest != nil && g.proof != nil && g.proof.hasNonce && g.proof.nonce == newest.said.nonce
}

// nonceIgnored finds an attempt without a nonce after one was handed out for the
// same intent.
func (s *scene) nonceIgnored(g *sight) *finding {
	if g.proof == nil || g.proof.hidden || g.proof.hasNonce || !nonceTrouble(g) {
		return nil
	}
	before := s.previous(g, func(o *sight) bool { return o.said.isNonceChallenge() && o.said.nonce != "" && s.sameIntent(o, g) })
	if before == nil {
		return nil
	}
	return found(High, fmt.Sprintf("The server demanded a nonce in exchange %d (use_dpop_nonce) and handed one out in DPoP-Nonce, but the second attempt again has no nonce.", before.n)).
		computed("nonce of the second attempt", "absent", before.said.nonce, "proof.nonce", "RFC 9449 4.3 (10)").stated("challenge", before.said.quote())
}

func findNonceExpired(s *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden || !g.proof.hasNonce || !nonceTrouble(g) {
		return nil
	}
	here, _ := s.nonceGiven(g, g.proof.nonce)
	newest := s.newest(g)
	if here == nil {
		// Not seen being issued, although others of this origin were: too old for the capture.
		if newest != nil && newest.said.nonce != g.proof.nonce && len(s.nonces[g.proof.nonce]) == 0 && g.said.topics&topicNonce != 0 {
			return found(Medium, "The proof carries a nonce that this server did not hand out in the capture, although a newer one was given: it is probably an old one.").
				computed("nonce of the proof", g.proof.nonce, newest.said.nonce+fmt.Sprintf(" (exchange %d)", newest.n), "proof.nonce", "RFC 9449 8.2")
		}
		return nil
	}
	if newest != nil && newest.said.nonce != g.proof.nonce && newest.index > here.index {
		return found(High, fmt.Sprintf("The proof carries an old nonce (handed out in exchange %d), although the server had given a newer one (exchange %d).", here.n, newest.n)).heavier(10).
			computed("nonce of the proof", g.proof.nonce+fmt.Sprintf(" (old, exchange %d)", here.n), newest.said.nonce+fmt.Sprintf(" (newest, exchange %d)", newest.n), "proof.nonce", "RFC 9449 8.2").
			stated("the server said", g.said.quote())
	}
	if age := g.at.Sub(here.at); newest == here && age.Seconds() > 60 && g.said.topics&topicNonce != 0 && s.retry(g) == nil && instanceOf(here) == instanceOf(g) {
		return found(Medium, fmt.Sprintf("The proof carries a nonce that was handed out %s before (exchange %d); the server no longer accepts it.", age, here.n)).
			computed("age of the nonce", age.String(), "the lifetime that the server allows", "proof.nonce", "RFC 9449 8.2").stated("the server said", g.said.quote())
	}
	return nil
}

func findNonceForeign(s *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden || !g.proof.hasNonce || !nonceTrouble(g) {
		return nil
	}
	here, elsewhere := s.nonceGiven(g, g.proof.nonce)
	if here != nil || elsewhere == nil {
		return nil
	}
	f := found(High, fmt.Sprintf("The proof sent to %s carries a nonce that %s handed out (exchange %d): nonces of two servers share one slot.", g.origin, elsewhere.origin, elsewhere.n)).heavier(15).
		computed("origin that issued the nonce", elsewhere.origin+" (nonce "+g.proof.nonce+")", g.origin, "proof.nonce", "RFC 9449 9").stated("the server said", g.said.quote())
	if n := s.newest(g); n != nil {
		f.computed("newest nonce of this origin", n.said.nonce, "", "proof.nonce", "RFC 9449 8.2")
	}
	return f
}

// instanceOf is the marker by which an answer tells which instance gave it.
func instanceOf(g *sight) string {
	for name, v := range g.x.Header {
		n := strings.ToLower(name)
		for _, w := range [...]string{"instance", "node", "pod", "served-by", "backend", "replica", "upstream", "worker", "server-id", "serverid", "machine", "container", "hostname", "host-id", "shard", "cell", "zone", "region"} {
			if strings.Contains(n, w) && len(v) > 0 {
				return v[0]
			}
		}
	}
	for _, c := range g.x.Header["Set-Cookie"] {
		if name, v, ok := strings.Cut(strings.SplitN(c, ";", 2)[0], "="); ok {
			n := strings.ToLower(name)
			if strings.Contains(n, "route") || strings.Contains(n, "lb") || strings.Contains(n, "sticky") || strings.Contains(n, "server") || strings.Contains(n, "affinity") {
				return v
			}
		}
	}
	return ""
}

func findNonceReplicas(s *scene, g *sight) *finding {
	if g.proof == nil || g.proof.hidden || !g.proof.hasNonce || !(g.said.isNonceChallenge() || g.said.topics&topicNonce != 0) {
		return nil
	}
	here, _ := s.nonceGiven(g, g.proof.nonce)
	newest := s.newest(g)
	if here == nil || newest == nil || newest.said.nonce != g.proof.nonce {
		return nil
	}
	if !g.at.IsZero() && !here.at.IsZero() && g.at.Sub(here.at).Seconds() > 60 {
		return nil
	}
	a, b := instanceOf(here), instanceOf(g)
	if a != "" && a == b {
		return nil
	}
	f := found(Medium, fmt.Sprintf("The newest nonce of this server (exchange %d) was refused at once: its replicas do not share their nonces.", here.n)).heavier(12).
		computed("nonce of the proof", g.proof.nonce+fmt.Sprintf(", issued in exchange %d", here.n), "accepted: it is the newest of this origin", "proof.nonce", "RFC 9449 8").stated("the server said", g.said.quote())
	if a != "" && b != "" {
		f.conf = High
		f.computed("instances that answered", a+" issued the nonce, "+b+" refused it", "one nonce key for all instances", "", "")
	}
	for _, l := range s.logs {
		if replicaWords.MatchString(l.text) {
			f.conf = High
			f.stated(l.doc.Kind, l.text)
		}
	}
	f.anyhow = f.conf == High
	return f
}

var replicaWords = words(`replica|instance|\bpods?\b|\bnodes?\b|load.?balanc|round.?robin|cluster`)

func findNonceNoValue(s *scene, g *sight) *finding {
	if !g.said.isNonceChallenge() || g.said.nonces > 0 {
		return nil
	}
	f := found(High, "The server demands a nonce (use_dpop_nonce) but sends no DPoP-Nonce header: there is nothing to retry with.").
		computed("DPoP-Nonce of the answer", "absent", "one nonce", "proof.nonce", "RFC 9449 8").stated("challenge", g.said.quote())
	if s.crossOrigin(g) {
		f.conf = Medium
	}
	return f
}

func findGrantConsumed(s *scene, g *sight) *finding {
	if g.role != roleToken || g.said.isNonceChallenge() || g.said.errorCode != "invalid_grant" && g.said.topics&topicGrant == 0 {
		return nil
	}
	kind, value := g.grant()
	if kind == "refresh_token" && g.said.errorCode == "" {
		return nil
	}
	first := s.previous(g, func(o *sight) bool {
		k, v := o.grant()
		return o.role == roleToken && o.origin == g.origin && k == kind && value != "" && v == value && o.said.isNonceChallenge()
	})
	if first == nil {
		first = s.previous(g, func(o *sight) bool {
			k, v := o.grant()
			return o.role == roleToken && o.origin == g.origin && k == kind && (value == "" || v == "") && o.said.isNonceChallenge() && s.sameIntent(o, g)
		})
	}
	if first == nil || g.proof == nil || !g.proof.hidden && !g.proof.hasNonce {
		return nil
	}
	name := strings.ReplaceAll(kind, "_", " ")
	if name == "code" {
		name = "authorization code"
	}
	f := found(High, fmt.Sprintf("The nonce challenge in exchange %d consumed the %s: the retry with the right nonce finds it spent.", first.n, name)).heavier(15).
		computed("the same "+name+" in both attempts", fmt.Sprintf("exchange %d (use_dpop_nonce) and exchange %d", first.n, g.n), "a nonce challenge leaves the grant usable", "", "RFC 9449 8").stated("the server said", g.said.quote())
	if !g.proof.hidden && g.proof.nonce == first.said.nonce {
		f.computed("nonce of the retry", g.proof.nonce+", the one that was handed out", first.said.nonce, "proof.nonce", "RFC 9449 4.3 (10)")
	} else if first.said.nonce != "" {
		f.conf = Medium
	}
	return f
}

func findAssertionReused(s *scene, g *sight) *finding {
	a := g.form.Get("client_assertion")
	if a == "" || !g.role.atServer() {
		return nil
	}
	id, jti := identity(a), text(readLooseToken(a).claims, "jti")
	first := s.previous(g, func(o *sight) bool {
		b := o.form.Get("client_assertion")
		if b == "" {
			return false
		}
		return id != "" && identity(b) == id || jti != "" && text(readLooseToken(b).claims, "jti") == jti
	})
	if first == nil || g.said.isNonceChallenge() {
		return nil
	}
	if g.said.errorCode != "invalid_client" && g.said.topics&(topicAssertionReplay|topicClientAuth|topicReplay) == 0 {
		return nil
	}
	what := "the same client assertion (client_assertion) as exchange " + fmt.Sprint(first.n)
	if jti != "" {
		what += ", jti " + jti
	}
	f := found(High, fmt.Sprintf("The retry after the nonce challenge repeats the client assertion of exchange %d; an assertion (its jti) may be used once.", first.n)).heavier(15).
		computed("client_assertion", what, "a new client assertion with a new jti for every attempt", "", "RFC 7523 3").stated("the server said", g.said.quote())
	return f
}
