package holdfast

import (
	"strings"
	"time"
)

func tokenCases(g *generator) []*vector {
	c := &cases{g: g}
	at := func(d time.Duration) string { return g.now.Add(d).Format(time.RFC3339) }
	c.add("token.form", "pass", "authentic", "a token that was read", "", nil)
	c.add("token.form", "near-miss", "opaque", "an introspected token has no form of its own", "", set("token.typ"))
	c.add("token.form", "malformed", "state", "not a token of the expected form", "D-3-02", set("token.state", "malformed"))
	c.add("token.typ", "pass", "at-jwt", "at+jwt", "AT-4-01", nil)
	c.add("token.typ", "near-miss", "letter-case", "media types have no case", "AT-4-01", set("token.typ", "AT+JWT"))
	c.add("token.typ", "near-miss", "named", "a type that the policy names", "AT-4-01", sets(set("token.typ", "JWT"), set("policy.types", "at+jwt JWT")))
	for _, typ := range []string{"JWT", "", "dpop+jwt"} {
		c.add("token.typ", "wrong", "typ-"+strings.ToLower(strings.ReplaceAll(typ, "+", "-")), "typ is "+quote(typ), "AT-4-01 J-3.12-01", set("token.typ", typ))
	}
	c.add("token.signature", "pass", "authentic", "verified", "", nil)
	c.add("token.signature", "near-miss", "introspected", "vouched for by introspection", "", set("token.typ"))
	c.add("token.signature", "unknown_key", "state", "signed by a key that is not published", "AT-4-03", set("token.state", "unknown-key"))
	c.add("token.signature", "invalid", "state", "the signature does not verify", "B-5.2-02 AT-4-02", set("token.state", "bad-signature"))
	c.add("token.active", "pass", "active", "active", "", nil)
	c.add("token.active", "near-miss", "almost-expired", "active in its last second", "", set("token.expires", at(time.Second)))
	c.add("token.active", "inactive", "state", "introspection says inactive", "B-3.1-02", set("token.state", "inactive"))
	c.add("token.issuer", "pass", "exact", "the expected issuer", "AT-4-02", nil)
	c.add("token.issuer", "near-miss", "other-members", "issuer is right, subject is nobody's business here", "", set("token.client", "another"))
	for suffix, iss := range map[string]string{"other": "https://evil.example", "slash": "https://as.example/", "empty": ""} {
		c.add("token.issuer", "mismatch", suffix, "issuer is "+quote(iss), "AT-4-02 D-3-02", set("token.issuer", iss))
	}
	c.add("token.audience", "pass", "exact", "this resource", "BCP-2.3-02", nil)
	c.add("token.audience", "near-miss", "one-of-several", "one of several audiences", "AT-4-02", set("token.audience", "https://b.example https://api.example"))
	c.add("token.audience", "mismatch", "other", "another resource", "BCP-2.3-02 D-3-02", set("token.audience", "https://b.example"))
	c.add("token.audience", "mismatch", "none", "no audience", "AT-4-02", set("token.audience"))
	c.add("token.audience", "mismatch", "prefix", "the prefix of a name is another name", "AT-4-02", set("token.audience", "https://api.example/"))
	c.add("token.time", "pass", "valid", "exp ahead", "AT-4-02", nil)
	c.add("token.time", "near-miss", "leeway", "expired within the leeway", "AT-4-04", set("token.expires", at(-9*time.Second)))
	c.add("token.time", "near-miss", "nbf-leeway", "not before, within the leeway", "", set("token.not_before", at(10*time.Second)))
	c.add("token.time", "expired", "leeway", "expired for as long as the leeway", "D-3-02 B-3.1-02", set("token.expires", at(-10*time.Second)))
	c.add("token.time", "expired", "hour", "expired an hour ago", "D-3-02", set("token.expires", at(-time.Hour)))
	c.add("token.time", "early", "nbf", "valid in a minute", "", set("token.not_before", at(time.Minute)))
	return c.out
}

func bindingCases(g *generator) []*vector {
	c := &cases{g: g}
	bearer := sets(set("authorization", "Bearer "+fixtureToken), set("proof"))
	cert := certificateThumbprint(readTestCertificate(g.t, "client.crt")).String()
	x5t := set("token.cnf", `{"x5t#S256":"`+cert+`"}`)
	jkt := readTestKey(g.t, "k1").Thumbprint().String()
	both := set("token.cnf", `{"x5t#S256":"`+cert+`","jkt":"`+jkt+`"}`)
	mine, theirs := set("cert", "client.crt"), set("cert", "rfc8705.crt")

	const scheme = "binding.scheme"
	c.add(scheme, "pass", "dpop", "a bound token under DPoP", "D-7.1-01", nil)
	c.add(scheme, "near-miss", "bearer-certificate", "a certificate-bound token comes as Bearer", "M-3-06", sets(bearer, x5t, mine))
	c.add(scheme, "downgrade", "without-proof", "a bound token as Bearer, without a proof", "D-7.2-01", bearer)
	c.add(scheme, "downgrade", "with-proof", "a bound token as Bearer, with a valid proof", "D-7.2-01", set("authorization", "Bearer "+fixtureToken))
	c.add(scheme, "downgrade", "bearer-admitted", "not even where bearer tokens are admitted", "D-7.2-01", sets(bearer, set("policy.accept", "bearer")))
	c.add(scheme, "downgrade", "both-bound", "bound to key and certificate, and no proof", "M-3.1-03", sets(bearer, both, mine))
	c.add(scheme, "not_bound_to_key", "unbound", "a plain bearer token under DPoP", "D-6-03", set("token.cnf"))
	c.add(scheme, "not_bound_to_key", "bearer-admitted", "not even where bearer tokens are admitted", "D-6-03", sets(set("token.cnf"), set("policy.accept", "bearer")))
	c.add(scheme, "not_bound_to_key", "certificate", "a certificate-bound token under DPoP", "D-6-03", sets(x5t, mine))

	const present = "binding.present"
	c.add(present, "pass", "jkt", "a token with cnf.jkt", "D-6-01", nil)
	c.add(present, "pass", "bearer-admitted", "an unbound token where the policy admits it", "", sets(bearer, set("token.cnf"), set("policy.accept", "bearer")))
	c.add(present, "near-miss", "unknown-beside", "an unknown method beside jkt", "C-3.1-01", set("token.cnf", `{"foo":1,"jkt":"`+jkt+`"}`))
	c.add(present, "near-miss", "route-admits", "an unbound token where the route admits it", "", sets(bearer, set("token.cnf"), set("need.accept", "bearer")))
	c.add(present, "unbound", "bearer", "an unbound token where only bound ones are admitted", "BCP-2.2.1-01", sets(bearer, set("token.cnf")))
	c.add(present, "unbound", "dpop-only", "a certificate-bound token where only DPoP is admitted", "", sets(bearer, x5t, mine, set("policy.accept", "dpop")))
	c.add(present, "unbound", "route-dpop-only", "the route is stricter than the policy", "", sets(bearer, x5t, mine, set("need.accept", "dpop")))
	for _, bad := range []struct{ suffix, cnf, covers string }{
		{"unknown-method", `{"foo":"x"}`, "C-3.1-01 D-6-01"},
		{"empty", `{}`, "C-3.1-01"},
		{"string", `"jkt"`, "C-3.1-02"},
		{"array", `[]`, "C-3.1-02"},
		{"null", `null`, "C-3.1-02"},
		{"jkt-short", `{"jkt":"abc"}`, "D-11.8-01"},
		{"jkt-number", `{"jkt":1}`, "C-3.1-02"},
		{"jkt-padded", `{"jkt":"` + jkt + `="}`, "M-3.1-02"},
		{"jkt-zero", `{"jkt":"` + strings.Repeat("A", 43) + `"}`, ""},
		{"x5t-padded", `{"x5t#S256":"` + cert + `="}`, "M-3.1-02"},
		{"duplicate", `{"jkt":"` + jkt + `","jkt":"` + cert + `"}`, ""},
		{"x5t-published-trailing-bits", `{"x5t#S256":"` + readPublished(g.t, "opaque")[0].X5T + `"}`, "M-3.1-02"},
	} {
		c.add(present, "unsupported", bad.suffix, "cnf is "+bad.suffix, bad.covers, set("token.cnf", bad.cnf))
	}
	c.add(present, "unsupported", "bearer", "an unreadable cnf is never unbound", "C-3.1-01",
		sets(bearer, set("token.cnf", `{"foo":"x"}`), set("policy.accept", "bearer")))

	const row = "binding.jkt"
	c.add(row, "pass", "same", "token and proof name one key", "D-4.3-12b D-6-02", nil)
	c.add(row, "near-miss", "both", "bound to key and certificate, both hold", "M-3.1-03", sets(both, mine))
	c.add(row, "mismatch", "k2", "a valid proof by another key", "D-4.3-12b D-6-02 D-7.1-14", set("proof", g.proofBy("k2")))
	c.add(row, "mismatch", "both", "bound to key and certificate, the key is another", "M-3.1-03", sets(both, mine, set("proof", g.proofBy("k2"))))

	const x = "binding.x5t"
	c.add(x, "pass", "same", "the certificate of the token", "M-3-04 M-6.2-01", sets(bearer, x5t, mine))
	c.add(x, "pass", "published", "V-8705-x5t", "M-3.1-02", sets(bearer, theirs, set("token.cnf", `{"x5t#S256":"`+readPublished(g.t, "x5t_s256")[0].X5T+`"}`)))
	c.add(x, "near-miss", "both", "bound to key and certificate, both hold", "M-3.1-03", sets(both, mine))
	c.add(x, "missing", "none", "no certificate", "M-3-04 M-3-06", sets(bearer, x5t))
	c.add(x, "missing", "both", "right proof, no certificate", "M-3.1-03", both)
	c.add(x, "mismatch", "other", "another certificate", "M-3-04", sets(bearer, x5t, theirs))
	c.add(x, "mismatch", "both", "right proof, another certificate", "M-3.1-03", sets(both, theirs))
	return c.out
}

func accessCases(g *generator) []*vector {
	c := &cases{g: g}
	k1, k2 := readTestKey(g.t, "k1").Thumbprint().String(), readTestKey(g.t, "k2").Thumbprint().String()
	c.add("access.blocked", "pass", "nobody", "somebody else is blocked", "", set("policy.blocked", strings.Repeat("A", 42)+"E"))
	c.add("access.blocked", "near-miss", "other-key", "another key is blocked", "", set("policy.blocked", k2))
	c.add("access.blocked", "blocked", "key", "the holder key is blocked", "", set("policy.blocked", k1))

	const scope = "access.scope"
	c.add(scope, "pass", "one", "the required scope", "B-3.1-03", set("need.scope", "read"))
	c.add(scope, "near-miss", "none-needed", "no scope needed, none there", "", set("token.scope"))
	c.add(scope, "near-miss", "any", "one of two", "B-3.1-03", sets(set("need.scope", "write read"), set("need.any_scope", "yes")))
	c.add(scope, "insufficient", "missing", "another scope", "B-3.1-03", set("need.scope", "write"))
	c.add(scope, "insufficient", "all", "one of two where both are needed", "B-3.1-03", set("need.scope", "read write"))
	c.add(scope, "insufficient", "any", "none of two", "B-3.1-03", sets(set("need.scope", "write delete"), set("need.any_scope", "yes")))
	c.add(scope, "insufficient", "letter-case", "scopes have letter case", "B-3.1-03", set("need.scope", "READ"))

	const row = "access.authentication"
	old := g.now.Add(-5 * time.Minute).Format(time.RFC3339)
	c.add(row, "pass", "acr", "the required acr", "SU-3-01", sets(set("need.acr", "phr"), set("token.acr", "phr")))
	c.add(row, "pass", "max-age", "recent enough", "SU-3-01", sets(set("need.max_age", "10m"), set("token.auth_time", old)))
	c.add(row, "near-miss", "leeway", "as old as allowed, and the leeway", "SU-3-01", sets(set("need.max_age", "4m50s"), set("token.auth_time", old)))
	c.add(row, "insufficient", "acr", "a lower acr", "SU-3-01", sets(set("need.acr", "phr phrh"), set("token.acr", "pwd")))
	c.add(row, "insufficient", "max-age", "too long ago", "SU-3-01", sets(set("need.max_age", "4m49s"), set("token.auth_time", old)))
	c.add(row, "insufficient", "no-auth-time", "nobody knows when", "SU-3-01", set("need.max_age", "10m"))
	return c.out
}

// publishedCases are the proofs that RFC 9449 prints, at their own time.
func publishedCases(g *generator) []*vector {
	c := &cases{g: g}
	for _, p := range readPublished(g.t, "dpop_proof") {
		if p.AccessToken != "" {
			c.add("binding.jkt", "pass", "published", p.ID+": RFC 9449 Figures 13 and 14", "D-4.2-11 D-6.1-01", func(v *vector) {
				v.set("now", "2019-07-04T17:50:18Z")
				v.set("url", "https://resource.example.org/protectedresource")
				v.set("authorization", "DPoP "+p.AccessToken)
				v.set("proof", p.JWS)
				v.set("token.cnf", `{"jkt":"`+p.JKT+`"}`)
				v.set("token.expires", "2019-07-04T18:00:00Z")
			})
			continue
		}
		now := "2019-07-04T17:50:16Z"
		if strings.HasSuffix(p.ID, "refresh") {
			now = "2019-07-04T18:34:56Z"
		}
		c.server("proof.bound_key", "pass", strings.ToLower(p.ID), p.ID+": RFC 9449 Figures 2 and 7", "D-4.3-06 D-6.1-01", func(v *vector) {
			v.set("now", now)
			v.set("url", "https://server.example.com/token")
			v.set("proof", p.JWS)
			v.set("need.code", p.JKT)
		})
	}
	return c.out
}
