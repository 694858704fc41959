package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// bearerCauses are the causes of classes bearer and authorization: the call
// would have failed with any token of this kind.
func bearerCauses() []cause {
	const class = "bearer"
	row := func(code, severity, rfc string, codes []holdfast.Code, words topic, decides, rulesOut string, fix Fix, find func(*scene, *sight) *finding, beats ...string) cause {
		return cause{code: code, class: class, family: FamilyBearer, severity: severity, rfc: rfc, codes: codes, topics: words, decides: decides, rulesOut: rulesOut, fix: fix, find: find, beats: beats}
	}
	one := func(c holdfast.Code) []holdfast.Code { return []holdfast.Code{c} }
	all := []cause{
		row("token-missing", "medium", "RFC 6750 2, 3", one(holdfast.CodeRequestAuthMissing), topicTokenMissing|topicToken, "no Authorization in a complete capture, and no later success", "present",
			Fix{Client: "send the access token in the Authorization header", ResourceServer: "challenge with resource_metadata, so that clients find the authorization server"}, findTokenMissing),
		row("token-malformed", "medium", "RFC 6750 2.1", one(holdfast.CodeRequestAuthMalformed), topicTokenForm|topicToken|topicTokenMissing|topicScheme, "the value: quotes, blanks, a doubled scheme, a cut", "well formed",
			Fix{Client: "send the scheme, one space and the whole token exactly as issued: trim quotes, blanks and line breaks, write the scheme once, do not cut the value"}, findTokenMalformed, "token-missing", "token-signature-invalid"),
		row("token-expired", "medium", "RFC 6750 3.1, RFC 9068 4", one(holdfast.CodeTokenTimeExpired), topicExpired|topicToken, "exp against Date", "exp ahead",
			Fix{Client: "refresh: obtain a new token before exp"}, findExpired, "token-revoked", "token-key-unknown"),
		row("token-not-yet-valid", "medium", "RFC 9068 4", one(holdfast.CodeTokenTimeEarly), topicNotYet|topicToken|topicClock, "nbf (or iat) of the token against Date", "nbf passed",
			Fix{Client: "wait, and report it", ResourceServer: "allow some minutes of leeway for nbf and iat", AuthorizationServer: "sync the clock (NTP)"}, findNotYet),
		row("token-issuer-mismatch", "high", "RFC 9068 4", one(holdfast.CodeTokenIssuerMismatch), topicIssuer|topicToken, "iss beside configuration or resource metadata", "equal",
			Fix{ResourceServer: "expect the public issuer name (hostname) that the tokens carry in iss", AuthorizationServer: "use one public issuer name (hostname) everywhere"}, findIssuer, "token-key-unknown"),
		row("token-key-unknown", "high", "RFC 7517 4.5, RFC 9068 4", one(holdfast.CodeTokenSignatureUnknownKey), topicTokenKey|topicTokenSignature|topicToken, "kid in the live set, not in the cached one", "kid cached",
			Fix{ResourceServer: "refetch the key set (JWKS) once per unknown kid, at a limited rate", AuthorizationServer: "publish a new key before it signs, and overlap old and new keys"}, findKeyUnknown, "token-signature-invalid"),
		row("token-signature-invalid", "high", "RFC 9068 4, RFC 7515 5.2", one(holdfast.CodeTokenSignatureInvalid), topicTokenSignature|topicToken, "verification with the live key set", "verifies",
			Fix{Client: "find out who altered the token: send it exactly as issued", ResourceServer: "find out who altered the token on the way (and use the key set of the right issuer)"}, findTokenSignature),
		row("token-wrong-type", "high", "RFC 9068 4, RFC 8725 3.11", one(holdfast.CodeTokenTypWrong), topicTokenType|topicAudience|topicToken|topicTyp, "nonce, at_hash, aud equal to the client, typ", "typ at+jwt",
			Fix{Client: "send the access token (access_token), not the ID token or the refresh token", ResourceServer: "check typ (at+jwt)"}, findWrongType, "audience-mismatch", "token-not-bound", "token-signature-invalid", "insufficient-scope"),
		row("token-revoked", "medium", "RFC 7662 2.2, RFC 7009", one(holdfast.CodeTokenActiveInactive), topicRevoked|topicToken|topicExpired, "introspection says active: false before exp", "active: true",
			Fix{Client: "authorize again: log in or obtain a new token; this one was revoked"}, findRevoked),
		row("refresh-token-replayed", "high", "RFC 6749 10.4, RFC 9700 4.14", nil, topicRefreshReuse|topicGrant|topicRevoked, "the same refresh token twice, the first use succeeded; the proofs are valid and different", "value new",
			Fix{Client: "refresh in single flight (one at a time) and store the new refresh token atomically before it is used", AuthorizationServer: "allow a short grace period for identical retries"}, findRefreshReplayed, "grant-invalid", "refresh-key-mismatch"),
		row("grant-invalid", "medium", "RFC 6749 5.2", nil, topicGrant, "invalid_grant with none of the proof causes: a code wrong, used or expired, PKCE or redirect URI", "a proof cause was found",
			Fix{Client: "start again with a new authorization: a code is used once, at once, with its own code_verifier and redirect_uri"}, findGrantInvalid),
		row("client-authentication-failed", "medium", "RFC 6749 5.2", nil, topicClientAuth, "invalid_client at the first use of the assertion", "the assertion was repeated",
			Fix{Client: "check the client authentication: secret, key, and aud of the client assertion"}, findClientAuth),
	}
	access := []cause{
		row("audience-mismatch", "high", "RFC 8707, RFC 9068 4", one(holdfast.CodeTokenAudienceMismatch), topicAudience|topicToken, "aud against the resource identifier", "aud contains it",
			Fix{Client: "send the resource parameter (RFC 8707) naming this API with the authorization and token request", ResourceServer: "state resource_metadata in the challenge", AuthorizationServer: "honour resource: put it into aud"}, findAudience, "token-issuer-mismatch"),
		row("insufficient-scope", "medium", "RFC 6750 3.1", one(holdfast.CodeAccessScopeInsufficient), topicScope, "scope against the challenge; all proof checks pass", "the scope contains it",
			Fix{Client: "ask for the scope that the resource requires", ResourceServer: "answer 403 insufficient_scope and name the scope"}, findScope),
	}
	for i := range access {
		access[i].class = "authorization"
	}
	return append(all, access...)
}

// noProofTrouble reports whether nothing about proof and binding fails.
func (s *scene) noProofTrouble(g *sight) bool {
	if g.report == nil {
		return true
	}
	for _, o := range g.report.Outcomes {
		if o.Status == holdfast.Fail && (strings.HasPrefix(o.Check, "proof.") || strings.HasPrefix(o.Check, "binding.")) {
			return false
		}
	}
	return true
}

func findTokenMissing(s *scene, g *sight) *finding {
	if g.role != roleResource || len(g.x.Request.Authorization) > 0 || g.hides(holdfast.FactAuthorization) || g.x.Status != 401 && g.said.topics&topicTokenMissing == 0 && len(g.said.challenges) == 0 {
		return nil
	}
	if g.redirected != nil && len(g.redirected.x.Request.Authorization) > 0 || g.viewOf != nil {
		return nil
	}
	conf := High
	if g.source != nil && (g.source.Sanitised || g.source.Kind == "") && g.source.Sanitised {
		return nil
	}
	if g.proof != nil && g.proof.ath != "" {
		return nil // ath shows that a token was sent: the capture lost it
	}
	f := found(conf, "The request carries no access token: there is no Authorization header.").
		computed("Authorization of the request", "absent (no credentials)", "a scheme and an access token", "request.auth", "RFC 6750 2.1")
	if len(g.x.Request.Query) > 0 {
		f.computed("access_token in the query", "present", "the Authorization header", "request.auth", "RFC 6750 2.3")
	}
	if n := g.said.schemes(); len(n) > 0 {
		f.computed("schemes of the challenge", strings.Join(n, ", "), "", "", "")
	}
	return f.stated("the server said", g.said.quote())
}

func findTokenMalformed(_ *scene, g *sight) *finding {
	a := g.x.Request.Authorization
	if len(a) > 1 {
		return found(High, fmt.Sprintf("The request carries %d Authorization headers.", len(a))).row(g, "request.auth").heavier(10)
	}
	if len(a) == 0 || g.hides(holdfast.FactAuthorization) || g.token == nil {
		return nil
	}
	what := g.token.broken
	if g.scheme == "" && g.token != nil {
		what = "the token was sent without a scheme"
	}
	if what == "" || g.token.hidden && !g.token.scrubbed {
		return nil
	}
	return found(High, "The access token in the Authorization header is malformed: "+what+".").heavier(15).
		computed("Authorization of the request", what, "the scheme, one space and the bare token", "request.auth", "RFC 6750 2.1").stated("the server said", g.said.quote())
}

func (g *sight) claimTime(name string) (time.Time, bool) {
	if g.token == nil || g.token.claims == nil {
		return time.Time{}, false
	}
	n, ok := number(g.token.claims[name])
	return time.Unix(n, 0), ok
}

func ago(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%s (%d s)", d, int(d.Seconds()))
}

func findExpired(s *scene, g *sight) *finding {
	if g.token == nil || g.role != roleResource {
		return nil
	}
	exp, ok := g.claimTime("exp")
	if !ok && s.introspec != nil && g.token.claims == nil {
		if n, has := number(s.introspec.facts["exp"]); has {
			exp, ok = time.Unix(n, 0), true
		}
	}
	if ok && !g.at.IsZero() {
		if g.at.Before(exp) {
			return nil
		}
		f := found(High, "The access token has expired: exp was "+exp.UTC().Format(time.RFC3339)+", "+ago(g.at.Sub(exp))+" before the request.").
			computed("exp of the token", exp.UTC().Format(time.RFC3339), "after "+g.at.UTC().Format(time.RFC3339), "token.time", "RFC 9068 4").stated("the server said", g.said.quote())
		if iat, ok := g.claimTime("iat"); ok {
			f.computed("lifetime of the token", fmt.Sprintf("issued %s, valid for %d s (%s)", iat.UTC().Format(time.RFC3339), int(exp.Sub(iat).Seconds()), durationText(exp.Sub(iat))), "", "", "")
		}
		return f
	}
	if ok || g.said.topics&topicExpired == 0 || g.said.topics&topicProof != 0 && g.said.errorCode != "invalid_token" {
		return nil
	}
	// Only words are left: the token is opaque or was removed.
	f := found(Low, "The server says that the token has expired; the token itself cannot be read in this evidence.").stated("the server said", g.said.quote())
	if is := s.issueOf(g.token); is != nil && is.from != nil {
		if n, ok := number(is.from.json["expires_in"]); ok && !is.at.IsZero() && g.at.After(is.at.Add(time.Duration(n)*time.Second)) {
			f.conf = High
			f.summary = "The access token has expired: it was issued for " + fmt.Sprint(n) + " s."
			f.computed("expires_in of the token response", fmt.Sprintf("%d s, issued %s", n, is.at.UTC().Format(time.RFC3339)), "after "+g.at.UTC().Format(time.RFC3339), "token.time", "RFC 6749 5.1")
		}
	}
	return f
}

func durationText(d time.Duration) string {
	if d%time.Hour == 0 && d > 0 {
		if d == time.Hour {
			return "1 hour"
		}
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return d.String()
}

func findNotYet(s *scene, g *sight) *finding {
	if g.token == nil || g.role != roleResource || g.at.IsZero() {
		return nil
	}
	for _, name := range [...]string{"nbf", "iat"} {
		t, ok := g.claimTime(name)
		if !ok || !t.After(g.at) {
			continue
		}
		vague := g.said.specific()&^(topicTokenForm|topicTokenMissing) == 0 && t.Sub(g.at) > ordinarySkew
		if name == "iat" && g.said.topics&(topicNotYet|topicClock|topicIatFuture) == 0 && !vague {
			continue
		}
		if name == "nbf" && t.Sub(g.at) < 2*time.Second && g.said.topics&topicNotYet == 0 {
			continue
		}
		return found(High, fmt.Sprintf("The token is not valid yet: its %s is %s ahead of the resource server's clock.", name, ago(t.Sub(g.at)))).heavier(3).
			computed(name+" of the token", t.UTC().Format(time.RFC3339), "at or before "+g.at.UTC().Format(time.RFC3339)+" (Date)", "token.time", "RFC 9068 4").stated("the server said", g.said.quote())
	}
	return nil
}

func findKeyUnknown(s *scene, g *sight) *finding {
	if g.token == nil || !g.token.jwt || g.role != roleResource {
		return nil
	}
	kid := text(g.token.header, "kid")
	if kid == "" {
		return nil
	}
	words := g.said.topics&topicTokenKey != 0
	var lines []string
	for _, l := range s.configured(topicTokenKey) {
		lines = append(lines, l.text)
	}
	about := words || len(lines) > 0
	in, out := 0, 0
	var have []string
	for _, d := range s.documents[KindJWKS] {
		ids := kidsOf(d.Body)
		if slices.Contains(ids, kid) {
			in++
		} else if len(ids) > 0 {
			out++
			have = ids
		}
	}
	for _, o := range s.all {
		if o.json["keys"] == nil {
			continue
		}
		if ids := kidsOf(o.x.Body); slices.Contains(ids, kid) {
			in++
		} else if len(ids) > 0 {
			out++
			have = ids
		}
	}
	if !about && !(out > 0 && g.fails(holdfast.CodeTokenSignatureUnknownKey)) {
		return nil
	}
	f := found(Medium, "The token is signed with key "+kid+" (kid), which the resource server does not know: its key set (JWKS) is older than the key.").heavier(8).
		computed("kid of the token", kid, "a kid that the verifier has cached", "token.signature", "RFC 7517 4.5")
	switch {
	case in > 0 && out > 0:
		f.conf = High
		f.computed("key sets in the evidence", kid+" is in one (live) and not in the other (cached: "+strings.Join(have, ", ")+")", "in both", "token.signature", "RFC 7517 5")
	case in > 0 && about:
		f.conf = High
		f.computed("live key set", "contains "+kid, "", "token.signature", "RFC 7517 5")
	case out > 0:
		f.conf = High
		f.computed("key set", strings.Join(have, ", "), kid, "token.signature", "RFC 7517 5")
	}
	for _, l := range lines[:min(len(lines), 3)] {
		f.stated("server log", l)
		if strings.Contains(l, kid) {
			f.conf = High
		}
	}
	if in == 0 && out == 0 && len(lines) == 0 {
		f.conf = Low
	}
	return f.stated("the server said", g.said.quote())
}

func kidsOf(body []byte) []string {
	keys, _ := looseObject(body)["keys"].([]any)
	var out []string
	for _, k := range keys {
		if m, ok := k.(map[string]any); ok {
			if kid := text(m, "kid"); kid != "" {
				out = append(out, kid)
			}
		}
	}
	return out
}

func findTokenSignature(s *scene, g *sight) *finding {
	if !g.fails(holdfast.CodeTokenSignatureInvalid) {
		return nil
	}
	return found(High, "The signature of the access token does not verify with the issuer's key (kid "+text(g.token.header, "kid")+"): the token was altered.").heavier(6).
		computed("signature of the token", "fails with the key "+text(g.token.header, "kid")+" of the live key set", "verifies", "token.signature", "RFC 7515 5.2").stated("the server said", g.said.quote())
}

func findWrongType(s *scene, g *sight) *finding {
	if g.token == nil || g.role != roleResource {
		return nil
	}
	for _, is := range s.issues {
		if g.token.id == "" {
			break
		}
		switch "sha256=" + g.token.id {
		case is.idToken:
			return wrongType(g, "ID token", "it is the id_token of the token response").stated("the server said", g.said.quote())
		case is.refresh:
			return wrongType(g, "refresh token", "it is the refresh_token of the token response").stated("the server said", g.said.quote())
		}
	}
	c := g.token.claims
	if c == nil {
		return nil
	}
	typ := strings.ToLower(strings.TrimPrefix(text(g.token.header, "typ"), "application/"))
	claimTyp := strings.ToLower(firstString(c, "typ", "token_use", "token_type", "use"))
	aud := stringsOf(c["aud"])
	client := firstString(c, "azp", "client_id", "cid", "appid")
	var signs []string
	if c["at_hash"] != nil {
		signs = append(signs, "at_hash")
	}
	if c["nonce"] != nil {
		signs = append(signs, "nonce")
	}
	if c["c_hash"] != nil || c["s_hash"] != nil {
		signs = append(signs, "c_hash")
	}
	if len(aud) == 1 && client != "" && aud[0] == client && c["scope"] == nil && c["scp"] == nil {
		signs = append(signs, "aud equals the client "+client)
	}
	if c["auth_time"] != nil && c["scope"] == nil && c["scp"] == nil && len(signs) > 0 {
		signs = append(signs, "auth_time")
	}
	switch {
	case typ == "dpop+jwt":
		return wrongType(g, "DPoP proof", "typ is dpop+jwt").stated("the server said", g.said.quote())
	case strings.Contains(typ, "refresh") || strings.Contains(claimTyp, "refresh") || typ == "rt+jwt" || claimTyp == "offline":
		return wrongType(g, "refresh token", "typ is "+firstString(c, "typ", "token_use")+text(g.token.header, "typ")).stated("the server said", g.said.quote())
	case claimTyp == "id" || claimTyp == "id_token" || typ == "id+jwt" || typ == "id_token":
		return wrongType(g, "ID token", "typ or token_use says id"+sign(signs)).stated("the server said", g.said.quote())
	case typ == "at+jwt" || claimTyp == "access" || claimTyp == "bearer" || claimTyp == "dpop":
		return nil
	case len(signs) >= 2 || len(signs) == 1 && (c["at_hash"] != nil || g.said.topics&topicTokenType != 0):
		return wrongType(g, "ID token", strings.Join(signs, ", ")+" in the claims").stated("the server said", g.said.quote())
	}
	return nil
}

func sign(signs []string) string {
	if len(signs) == 0 {
		return ""
	}
	return " (" + strings.Join(signs, ", ") + ")"
}

func wrongType(g *sight, what, why string) *finding {
	return found(High, "An "+what+" was sent where an access token is due: "+why+".").heavier(15).
		computed("kind of the token", what+": "+why, "an access token (typ at+jwt)", "token.typ", "RFC 9068 4")
}

func stringsOf(v any) []string {
	switch t := v.(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, e := range t {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func findRevoked(s *scene, g *sight) *finding {
	if g.token == nil || g.role != roleResource {
		return nil
	}
	exp, hasExp := g.claimTime("exp")
	ahead := hasExp && g.at.Before(exp)
	f := found(High, "The token was revoked: it is no longer active, although it has not expired.").heavier(10)
	switch {
	case s.introspec != nil && s.introspec.facts["active"] == false:
		f.computed("introspection answer", "active: false", "active: true", "token.active", "RFC 7662 2.2")
		if hasExp && !ahead {
			return nil
		}
		if !hasExp {
			f.summary = "Introspection says that the token is not active (active: false): it was revoked, or its session ended."
		}
	case s.revokedBefore(g) != nil:
		o := s.revokedBefore(g)
		f.computed("revocation", fmt.Sprintf("exchange %d revoked this token", o.n), "", "token.active", "RFC 7009 2")
	case g.said.topics&topicRevoked != 0 && g.said.topics&topicExpired == 0 && g.said.topics&topicRefreshReuse == 0 && revokedWords.MatchString(g.said.quote()):
		f.conf = Low
		f.summary = "The server says that the token is no longer active: revoked, or its session ended."
	case s.revokedLog() != "":
		f.stated("server log", s.revokedLog())
	default:
		return nil
	}
	if ahead {
		f.computed("exp of the token", exp.UTC().Format(time.RFC3339)+", still ahead", "", "token.time", "RFC 9068 4")
	}
	return f.stated("the server said", g.said.quote())
}

var revokedWords = words(`revoked|inactive|not active|no longer (active|valid)|session.{0,15}(ended|terminated|closed|not active|logged)|logged out|unknown token|token not found`)

var revokedLine = words(`token[^.]{0,40}(revoked|inactive|not active)|"?active"?[:=] ?false|revoked[^.]{0,20}token`)

func (s *scene) revokedLog() string {
	for _, l := range s.logs {
		if l.doc.Kind == KindServerLog && revokedLine.MatchString(l.text) {
			return l.text
		}
	}
	return ""
}

func (s *scene) revokedBefore(g *sight) *sight {
	return s.previous(g, func(o *sight) bool {
		return o.role == roleRevocation && o.ok && g.token.id != "" && identity(o.form.Get("token")) == "sha256="+g.token.id
	})
}
