package explain

import (
	"net/url"
	"slices"
	"strings"
)

// Issuer, audience and scope: what a sound token is good for.

// configured finds values that a server's configuration or log names for a
// purpose, such as issuer or audience.
func (s *scene) configured(t topic) []logLine {
	var out []logLine
	for _, l := range s.logs {
		if l.topics&t != 0 && (l.doc.Kind == KindServerConfig || l.doc.Kind == KindServerLog || l.doc.Kind == KindNote) {
			out = append(out, l)
		}
	}
	return out
}

func findIssuer(s *scene, g *sight) *finding {
	if g.token == nil || g.role != roleResource {
		return nil
	}
	iss := text(g.token.claims, "iss")
	if iss == "" {
		return nil
	}
	f := found(High, "").heavier(5)
	about := g.said.topics&topicIssuer != 0 && !strings.Contains(strings.ToLower(g.said.quote()), "audience")
	expected := ""
	if r := s.resourceOf(g); r != nil && len(r.AuthorizationServers) > 0 && !slices.Contains(r.AuthorizationServers, iss) {
		if slices.ContainsFunc(r.AuthorizationServers, func(a string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(iss, "/") }) || about || g.said.topics&topicTokenKey != 0 || !g.dpop() && g.said.specific() == 0 {
			expected = strings.Join(r.AuthorizationServers, " or ")
			f.computed("authorization_servers of the resource metadata", iss+" (iss of the token)", expected, "token.issuer", "RFC 9728 2")
		}
	}
	for _, d := range append(append([]*Document{}, s.documents[KindServerConfig]...), s.documents[KindServerLog]...) {
		if expected != "" {
			break
		}
		for _, raw := range urlIn.FindAllString(string(d.Body[:min(len(d.Body), 64<<10)]), -1) {
			if u := issuerLike(raw, iss, d, about); u != "" {
				expected = u
				f.because = append(f.because, Fact{Fact: "issuer that the server is configured with (" + d.Kind + ")", Observed: iss + " (iss of the token)", Expected: u, Source: Stated, Check: "token.issuer", RFC: "RFC 9068 4"})
				break
			}
		}
	}
	switch {
	case expected == "" && !about:
		return nil
	case expected == "":
		f.conf = Medium
		f.computed("iss of the token", iss, "the issuer that the resource server expects", "token.issuer", "RFC 9068 4")
		f.summary = "The server does not accept the issuer of the token: iss is " + iss + "."
	default:
		f.summary = "iss of the token is " + iss + ", the resource server expects " + expected + "."
		if !about && g.said.specific() != 0 && g.said.specific()&topicToken == 0 {
			f.conf = Medium
		}
	}
	return f.stated("the server said", g.said.quote())
}

// issuerLike returns a configured URL that plays the part of the issuer: it
// shares host name or path with iss, or stands beside the word issuer.
func issuerLike(raw, iss string, d *Document, about bool) string {
	a, err1 := url.Parse(raw)
	b, err2 := url.Parse(iss)
	if err1 != nil || err2 != nil || a.Host == "" {
		return ""
	}
	trimmed := strings.TrimSuffix(raw, "/")
	if trimmed == strings.TrimSuffix(iss, "/") && raw == iss {
		return ""
	}
	i := strings.Index(string(d.Body), raw)
	near := strings.ToLower(string(d.Body[max(0, i-60):i]))
	named := strings.Contains(near, "issuer") || strings.Contains(near, "authority") || strings.Contains(near, "auth-server") || strings.Contains(near, "auth_server") || strings.Contains(near, "\"iss\"") || strings.Contains(near, "iss=") || strings.Contains(near, "expected")
	if strings.Contains(near, "jwks") || strings.Contains(near, "audience") || strings.HasSuffix(a.Path, "/jwks") || strings.HasSuffix(a.Path, "/certs") {
		return ""
	}
	if named && trimmed != strings.TrimSuffix(iss, "/") {
		if a.Host == b.Host && strings.HasPrefix(b.Path, strings.TrimSuffix(a.Path, "/")+"/") && !about {
			return "" // a base URL of the same server
		}
		if a.Host == b.Host && a.Scheme == b.Scheme && strings.HasPrefix(strings.TrimSuffix(b.Path, "/"), strings.TrimSuffix(a.Path, "/")) && d.Kind == KindServerConfig {
			return ""
		}
		return raw
	}
	if named && raw != iss {
		return raw // differs in the final slash only
	}
	return ""
}

func findAudience(s *scene, g *sight) *finding {
	if g.token == nil || g.role != roleResource {
		return nil
	}
	aud := stringsOf(g.token.claims["aud"])
	if aud == nil && g.token.claims == nil && s.introspec != nil {
		aud = stringsOf(s.introspec.facts["aud"])
	}
	about := g.said.topics&topicAudience != 0
	for _, l := range s.logs {
		if l.doc.Kind == KindServerLog && l.topics&topicAudience != 0 {
			about = true
		}
	}
	if len(aud) == 0 {
		if !about {
			return nil
		}
		if g.token.claims == nil {
			return found(Low, "The server says that the token is for another audience; the token itself cannot be read in this evidence.").stated("the server said", g.said.quote())
		}
		aud = []string{"(none)"}
	}
	want, how, source := "", "", Computed
	if r := s.resourceOf(g); r != nil {
		want, how = r.Resource, "resource of the resource metadata"
	} else if v, l := s.namedAudience(aud); v != "" {
		want, how, source = v, l, Stated
	}
	f := found(High, "").heavier(4)
	switch {
	case want != "" && !slices.ContainsFunc(aud, func(a string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(want, "/") }):
		f.because = append(f.because, Fact{Fact: "aud of the token against " + how, Observed: strings.Join(aud, " "), Expected: want, Source: source, Check: "token.audience", RFC: "RFC 9068 4"})
		f.summary = "The token is for another resource: aud is " + strings.Join(aud, " ") + ", this resource is " + want + "."
		if !about && g.said.specific()&^topicTokenForm != 0 {
			f.conf = Medium
		}
		if !about && g.said.specific() != 0 && g.said.topics&(topicExpired|topicRevoked|topicIssuer|topicTokenKey|topicBinding|topicScope) != 0 {
			return nil
		}
	case want == "" && about && !slices.ContainsFunc(aud, func(a string) bool { return audienceCovers(a, g) }):
		f.because = append(f.because, Fact{Fact: "aud of the token against the URL of the resource", Observed: strings.Join(aud, " "), Expected: g.origin, Source: Computed, Check: "token.audience", RFC: "RFC 9068 4"})
		f.summary = "The token is for another resource: aud is " + strings.Join(aud, " ") + ", the request went to " + g.place() + "."
	case want == "" && about:
		f.conf = Medium
		f.computed("aud of the token", strings.Join(aud, " "), "the name that the resource expects", "token.audience", "RFC 9068 4")
		f.summary = "The server does not accept the audience of the token: aud is " + strings.Join(aud, " ") + "."
	default:
		return nil
	}
	if is := s.issueOf(g.token); is != nil && is.from != nil && is.from.form != nil && !is.from.form.Has("resource") && !is.from.form.Has("audience") {
		f.computed("resource parameter of the token request", "absent", "resource="+firstOf(want, g.origin), "", "RFC 8707 2")
	}
	return f.stated("the server said", g.said.quote())
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// audienceCovers reports whether an aud value names the server of the request.
func audienceCovers(aud string, g *sight) bool {
	u, err := url.Parse(aud)
	if err == nil && u.Host != "" {
		return originOf(u) == g.origin && strings.HasPrefix(g.url.Path, strings.TrimSuffix(u.Path, "/"))
	}
	return strings.EqualFold(aud, g.url.Hostname()) || strings.HasSuffix(strings.ToLower(aud), ":"+strings.ToLower(g.url.Hostname()))
}

var expectedAudience = words(`(?:expected?|want(?:ed|s)?|required?|valid|allowed|configured|must (?:be|contain))[^\n]{0,24}?(?:aud(?:ience)?s?)?["' :=\[]+([A-Za-z][\w.:/~-]{2,120})|(?:audience|valid_audiences?|aud)["']?\s*[:=]\s*\[?["']?([A-Za-z][\w.:/~-]{2,120})`)

// namedAudience finds the audience that configuration, log or answer expects.
func (s *scene) namedAudience(aud []string) (value, how string) {
	for _, l := range s.configured(topicAudience) {
		for _, m := range expectedAudience.FindAllStringSubmatch(l.text, -1) {
			for _, v := range m[1:] {
				if v = strings.TrimRight(v, ".,;"); v != "" && !slices.Contains(aud, v) && !slices.Contains([]string{"audience", "aud", "one", "the", "false", "true", "none", "null", "got", "token"}, strings.ToLower(v)) {
					return v, l.doc.Kind
				}
			}
		}
	}
	return "", ""
}

func findScope(s *scene, g *sight) *finding {
	if g.role != roleResource || g.token == nil {
		return nil
	}
	about := g.said.errorCode == "insufficient_scope" || g.said.topics&topicScope != 0 && scopeWords.MatchString(g.said.quote())
	if !about || !s.noProofTrouble(g) {
		return nil
	}
	scopes := strings.Fields(text(g.token.claims, "scope"))
	for _, n := range [...]string{"scope", "scp", "scopes", "permissions"} {
		if list := stringsOf(g.token.claims[n]); len(scopes) == 0 && len(list) > 0 {
			scopes = list
			if len(list) == 1 {
				scopes = strings.Fields(list[0])
			}
		}
	}
	known := g.token.claims != nil
	if !known && s.introspec != nil {
		scopes, known = strings.Fields(text(s.introspec.facts, "scope")), true
	}
	if is := s.issueOf(g.token); !known && is != nil && is.scope != "" {
		scopes, known = strings.Fields(is.scope), true
	}
	want := g.said.scope
	if len(want) == 0 {
		want = namedScopes(g.said.description, scopes)
	}
	for _, l := range s.logs {
		if len(want) == 0 && l.doc.Kind == KindServerLog && l.topics&topicScope != 0 {
			want = namedScopes(l.text, scopes)
		}
	}
	f := found(Low, "The server says that the token lacks a scope.").stated("the server said", g.said.quote())
	var lacking []string
	for _, w := range want {
		if !slices.Contains(scopes, w) {
			lacking = append(lacking, w)
		}
	}
	switch {
	case known && len(want) > 0 && len(lacking) > 0:
		f.conf = High
		f.summary = "The token lacks the scope " + strings.Join(lacking, " ") + "; it was granted " + shownScopes(scopes) + "."
		f.computed("scope of the token", "granted: "+shownScopes(scopes), strings.Join(want, " "), "access.scope", "RFC 6750 3.1")
	case known && len(want) > 0:
		return nil
	case known:
		f.conf = Medium
		f.computed("scope of the token", "granted: "+shownScopes(scopes), "the scope that the resource requires", "access.scope", "RFC 6750 3.1")
		if g.said.errorCode != "insufficient_scope" && g.said.topics&topicScope != 0 && !strings.Contains(strings.ToLower(g.said.quote()), "scope") {
			f.conf = Low
		}
	case len(want) > 0:
		f.conf = Medium
		f.summary = "The resource requires the scope " + strings.Join(want, " ") + ", which the token lacks, as the server says."
	}
	return f
}

var scopeWords = words(`scope|permission|privilege|\bclaims? .{0,20}(role|group)`)

func shownScopes(s []string) string {
	if len(s) == 0 {
		return "no scope (none)"
	}
	return strings.Join(s, " ")
}

var scopeName = words(`[A-Za-z][\w.-]*[:./][\w.:/*-]+|"([\w.:/-]+)"|'([\w.:/-]+)'`)

// namedScopes finds scope names in a sentence: words with a colon or dot, or in
// quotes.
func namedScopes(sentence string, have []string) []string {
	if !strings.Contains(strings.ToLower(sentence), "scope") && !strings.Contains(strings.ToLower(sentence), "permission") {
		return nil
	}
	var out []string
	for _, m := range scopeName.FindAllString(sentence, -1) {
		m = strings.Trim(m, `"'.,:`)
		if m == "" || slices.Contains(have, m) || strings.HasPrefix(m, "http") || strings.EqualFold(m, "scope") || strings.EqualFold(m, "insufficient_scope") {
			continue
		}
		out = append(out, m)
	}
	return out
}
