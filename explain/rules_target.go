package explain

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// targetCauses are the causes of class target-uri: the client and the verifier
// do not mean the same URL.
func targetCauses() []cause {
	const class = "target-uri"
	codes := []holdfast.Code{holdfast.CodeProofHTUMismatch}
	words := topicHTU | topicProof
	row := func(code, severity, decides, rulesOut string, fix Fix, beats ...string) cause {
		return cause{
			code: code, class: class, family: FamilyPoP, severity: severity, rfc: "RFC 9449 4.3 (9)", codes: codes, topics: words,
			decides: decides, rulesOut: rulesOut, fix: fix, beats: beats,
			find: func(s *scene, g *sight) *finding { return s.target(g, code) },
		}
	}
	behindProxy := func(c cause) cause {
		c.unseen = true
		return c
	}
	const publicURL = "configure the public URL (external URL) that clients use"
	return []cause{
		behindProxy(row("htu-scheme-mismatch-behind-proxy", "high", "the client's side is right and the server's view starts with http://", "the server's view equals the client's",
			Fix{
				ResourceServer:      "trust the proxy header X-Forwarded-Proto or Forwarded of the TLS-terminating proxy, or " + publicURL + " with https",
				AuthorizationServer: "trust the proxy header X-Forwarded-Proto or Forwarded of the TLS-terminating proxy, or " + publicURL + " with https",
			})),
		behindProxy(row("htu-host-mismatch-behind-proxy", "high", "both hosts", "hosts equal",
			Fix{
				Client:              "if it is documented, sign the URL that the server owns",
				ResourceServer:      "let the proxy pass Host or X-Forwarded-Host, or " + publicURL,
				AuthorizationServer: "let the proxy pass Host or X-Forwarded-Host, or " + publicURL + " (custom domain)",
			})),
		row("htu-port-mismatch", "medium", "the authorities differ in port only", "ports equal after defaults",
			Fix{
				Client:              "leave out default ports in htu and sign the port that is used",
				ResourceServer:      "let the proxy pass Host with the port (X-Forwarded-Port), or " + publicURL,
				AuthorizationServer: "let the proxy pass Host with the port (X-Forwarded-Port), or " + publicURL,
			}, "htu-host-mismatch-behind-proxy"),
		behindProxy(row("htu-path-prefix-mismatch", "high", "the paths differ by a prefix", "paths equal",
			Fix{
				ResourceServer:      publicURL + ", path prefix included, or pass and trust X-Forwarded-Prefix",
				AuthorizationServer: "compare with the original URL, not with the one relative to the mount point: " + publicURL + ", path prefix included (X-Forwarded-Prefix)",
			}, "htu-wrong-endpoint")),
		row("htu-trailing-slash-mismatch", "medium", "only a final or double slash differs", "equal",
			Fix{
				Client:              "sign the URL that is sent, final slash included",
				ResourceServer:      "join URLs with care, so that no slash is added or lost",
				AuthorizationServer: "join URLs with care, so that no slash is added or lost",
			}, "htu-wrong-endpoint", "htu-path-prefix-mismatch"),
		row("htu-query-or-fragment-included", "high", "htu before ? or # equals the target", "no ? and no #",
			Fix{
				Client:              "strip query and fragment: htu is the URL without query and fragment",
				ResourceServer:      "ignoring query and fragment on both sides is permitted (RFC 9449 4.3)",
				AuthorizationServer: "ignoring query and fragment on both sides is permitted (RFC 9449 4.3)",
			}, "htu-wrong-endpoint", "htu-scheme-mismatch-behind-proxy", "htu-host-mismatch-behind-proxy"),
		row("htu-path-encoding-mismatch", "medium", "equal after decoding; fails only for such paths", "no encoded characters",
			Fix{
				Client:              "sign the path exactly as it is sent, and avoid needless percent-encoding",
				ResourceServer:      "normalise percent-encoding on both sides (RFC 3986 section 6.2.2) before comparing; do not decode one side only",
				AuthorizationServer: "normalise percent-encoding on both sides (RFC 3986 section 6.2.2) before comparing; do not decode one side only",
			}, "htu-wrong-endpoint"),
		row("htu-wrong-endpoint", "high", "htu beside the URL", "equal up to normalisation",
			Fix{Client: "sign the final URL of this very request: expand templates, and use the actual request URL, not the issuer, the base or another endpoint"}),
		{
			code: "redirect-followed-with-same-proof", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 7.3", codes: codes, topics: words | topicReplay,
			decides: "3xx, Location equals the next URL, the same proof bytes", rulesOut: "a new proof",
			beats: []string{"htu-trailing-slash-mismatch", "htu-wrong-endpoint", "htu-host-mismatch-behind-proxy", "htu-path-prefix-mismatch", "htu-scheme-mismatch-behind-proxy", "htu-port-mismatch", "proof-reused-on-retry", "authorization-header-stripped", "htm-mismatch"},
			fix: Fix{
				Client:         "re-sign on every hop: a new proof (fresh proof) for the URL of the redirect, or do not follow it",
				ResourceServer: "do not redirect API calls",
			},
			find: findRedirected,
		},
	}
}

func findRedirected(s *scene, g *sight) *finding {
	from := s.redirectedWith(g)
	if from == nil {
		return nil
	}
	f := found(High, fmt.Sprintf("The redirect (%d) from exchange %d was followed with the same proof: htu still names %s, not %s.", from.x.Status, from.n, g.proof.htu, g.place())).heavier(30).
		computed(fmt.Sprintf("redirect %d of exchange %d", from.x.Status, from.n), "Location leads to "+g.place()+", same proof (jti "+g.proof.jti+")", "a new proof for the new URL", "proof.htu", "RFC 9449 7.3")
	f.computed("htu of the proof", g.proof.htu, g.place(), "proof.htu", "RFC 9449 4.3 (9)")
	return f.stated("the server said", g.said.quote())
}

// targets are the two URLs that disagree: what the client signed and what the
// verifier compared it with.
type targets struct {
	signed, seen *url.URL
	source       FactSource // of what the verifier saw
	how          string
	conf         Confidence
	shown        string // the path as the server wrote it, where a URL cannot hold it
	as           string // the cause, where the two URLs alone do not tell
	clientSide   bool   // htu differs from the client's own URL
}

// target decides which of the htu causes holds, and returns a finding if it is
// the wanted one.
func (s *scene) target(g *sight, want string) *finding {
	if g.proof == nil || g.proof.hidden || g.proof.htu == "" {
		return nil
	}
	// A fault of the client that the RFC tells servers to ignore.
	if i := strings.IndexAny(g.proof.htu, "?#"); i >= 0 && !g.fails(holdfast.CodeProofHTUMismatch) {
		if want != "htu-query-or-fragment-included" || g.said.specific()&^topicHTU&^topicTokenForm != 0 && g.said.topics&topicHTU == 0 {
			return nil
		}
		part := "query"
		if g.proof.htu[i] == '#' {
			part = "fragment"
		}
		f := found(High, "htu in the proof includes the "+part+" of the URL, and this server compares strictly.").heavier(10).
			computed("htu of the proof", shownURI(g.proof.htu)+" (with "+part+")", g.place(), "proof.htu", "RFC 9449 4.2").stated("the server said", g.said.quote())
		if g.said.topics&topicHTU == 0 {
			f.conf = Medium
		}
		return f
	}
	t := s.targetsOf(g)
	if t != nil && t.clientSide && t.as == "" && t.shown == "" && classify(t) == "" { // differs in what net/url hides: user information, a broken form
		t.as = "htu-wrong-endpoint"
	}
	if t != nil && t.as != "" {
		if t.as != want {
			return nil
		}
	} else if t == nil || t.shown == "" && classify(t) != want || t.shown != "" && want != "htu-path-encoding-mismatch" {
		return nil
	}
	f := found(t.conf, summaryOf(t, want)).heavier(5)
	if t.clientSide {
		f.computed("htu of the proof", shownURI(g.proof.htu), g.place(), "proof.htu", "RFC 9449 4.3 (9)")
	} else {
		f.computed("htu of the proof", shownURI(g.proof.htu)+", which is the URL that the client called", "", "proof.htu", "RFC 9449 4.3 (9)")
		f.because = append(f.because, Fact{Fact: "URL as the server saw it (" + t.how + ")", Observed: t.seenText(), Expected: t.signed.String(), Source: t.source, Check: "proof.htu", RFC: "RFC 9449 4.3 (9)"})
	}
	if want == "htu-wrong-endpoint" && strings.ContainsAny(g.proof.htu, "{}<>") || strings.Contains(g.proof.htu, "/:") {
		f.computed("htu holds a template", "unexpanded placeholder in "+shownURI(g.proof.htu)+", taken literally", "the final URL", "", "")
		f.summary = "htu in the proof is an unexpanded URL template (" + shownURI(g.proof.htu) + "), not the request URL."
	}
	if want == "htu-path-encoding-mismatch" {
		f.computed("the two paths are equal after decoding", "percent-encoded on one side, decoded on the other: "+pathAsWritten(t.signed)+" and "+firstOf(t.shown, pathAsWritten(t.seen)), "", "proof.htu", "RFC 3986 6.2.2")
	}
	return f.stated("the server said", g.said.quote())
}

func (t *targets) seenText() string {
	if t.shown != "" {
		return t.seen.Scheme + "://" + t.seen.Host + t.shown
	}
	return t.seen.String()
}

// shownURI is a URI of a proof as it may be shown: a query may hold a token.
func shownURI(u string) string {
	i := strings.IndexAny(u, "?#")
	if i < 0 {
		return u
	}
	return u[:i] + redactQuery(u[i:])
}

func (s *scene) targetsOf(g *sight) *targets {
	signed, err := url.Parse(g.proof.htu)
	if err != nil || signed.Host == "" {
		if g.fails(holdfast.CodeProofHTUMismatch) {
			if signed == nil {
				signed = &url.URL{Opaque: "broken"}
			}
			return &targets{signed: signed, seen: g.url, source: Computed, conf: High, clientSide: true}
		}
		return nil
	}
	if g.fails(holdfast.CodeProofHTUMismatch) {
		// With a public URL or a later view the client may be right after all.
		if g.viewOf == nil || g.viewOf.proof == nil {
			if s.k.PublicURL == "" && s.ev.Vantage != "client" && g.behind || s.serverSide(g) {
				return &targets{signed: signed, seen: g.url, source: Computed, how: "the request as it reached the server", conf: High}
			}
			return &targets{signed: signed, seen: g.url, source: Computed, conf: High, clientSide: true}
		}
		return nil
	}
	about := g.said.topics&topicHTU != 0
	vague := vagueWords(g)
	logAbout := s.logSays(topicHTU)
	if t := s.strictly(g, signed, about || logAbout); t != nil && (about || vague || logAbout) {
		return t
	}
	if !about && !vague && !logAbout {
		return nil
	}
	if v := g.view; v != nil && (about || vague || logAbout) {
		if seen := v.url; classify(&targets{signed: signed, seen: seen}) != "" {
			return &targets{signed: signed, seen: seen, source: Computed, how: "the backend's copy of the request", conf: High}
		}
		if seen := forwardedURL(v); seen != nil && classify(&targets{signed: signed, seen: seen}) != "" {
			return &targets{signed: signed, seen: seen, source: Computed, how: "forwarding headers of the backend's copy", conf: Medium}
		}
	}
	if seen, line := s.loggedURL(signed, about); seen != nil {
		return &targets{signed: signed, seen: seen, source: Stated, how: line, conf: High}
	}
	if !about && !logAbout {
		return nil
	}
	if t := s.encodedPath(g, signed); t != nil {
		return t
	}
	if t := s.prefixNote(signed); t != nil {
		return t
	}
	if seen, how := s.hintedURL(g, signed); seen != nil {
		conf := Medium
		if strings.HasPrefix(how, "issuer") {
			conf = High
		}
		return &targets{signed: signed, seen: seen, source: Stated, how: how, conf: conf}
	}
	return nil
}

// vagueWords reports whether the server's words name no other fault than that
// the proof, or the token, or the grant was not accepted.
func vagueWords(g *sight) bool {
	rest := g.said.specific() &^ (topicTokenForm | topicTokenMissing | topicScope | topicScheme)
	if strings.Contains(strings.ToLower(g.said.description), "dpop") {
		rest &^= topicGrant | topicProofForm | topicProofSignature | topicTokenSignature
	}
	return rest == 0
}

// serverSide reports whether an exchange was captured at the server itself,
// with an inner URL that no client would call.
func (s *scene) serverSide(g *sight) bool {
	return s.ev.Vantage == "server" && (innerHost(g.url.Hostname()) || g.url.Scheme == "http") || g.behind && g.view == nil && g.viewOf == nil && innerHost(g.url.Hostname())
}

// strictly finds a difference that normalisation removes (RFC 3986 section 6.2)
// and a server that compares strings does not forgive: a default port, an
// encoded "~", dot segments.
func (s *scene) strictly(g *sight, signed *url.URL, about bool) *targets {
	htu, called := g.proof.htu, g.x.Request.URL
	for _, v := range [...]*string{&htu, &called} {
		if i := strings.IndexAny(*v, "?#"); i >= 0 {
			*v = (*v)[:i]
		}
	}
	if htu == called {
		return nil
	}
	t := &targets{signed: signed, seen: g.url, source: Computed, conf: Medium, clientSide: true}
	if about {
		t.conf = High
	}
	sp, cp := pathAsWritten(signed), pathAsWritten(g.url)
	switch {
	case signed.Port() != g.url.Port():
		t.as = "htu-port-mismatch"
	case strings.Contains(sp, "/.") != strings.Contains(cp, "/."):
		t.as = "htu-wrong-endpoint"
	case sp != cp && decoded(sp) == decoded(cp):
		t.as = "htu-path-encoding-mismatch"
	case slashed(sp) == slashed(cp) && sp != cp:
		t.as = "htu-trailing-slash-mismatch"
	default:
		return nil // letter case of scheme and host: no server is known to care
	}
	return t
}

var prefixWords = words(`prefix|strip|rewrite|proxy_pass|mount|location|context.?path|base.?path|path.?base|remov|route`)

var pathWord = words(`/[\w.~%/-]+`)

// prefixNote infers a path prefix that is removed on the way from what is said
// about the way: a topology, a configuration, a note.
func (s *scene) prefixNote(signed *url.URL) *targets {
	path := pathAsWritten(signed)
	for _, l := range s.logs {
		if l.doc.Kind == KindServerLog || l.doc.Kind == KindConsole || !prefixWords.MatchString(l.text) {
			continue
		}
		for _, m := range pathWord.FindAllString(l.text, -1) {
			p := strings.TrimSuffix(m, "/")
			if len(p) < 2 || !strings.HasPrefix(path, p+"/") || strings.Contains(l.text, ":/"+m) || strings.Trim(strings.TrimPrefix(path, p), "/") == "" {
				continue
			}
			seen := *signed
			seen.Path, seen.RawPath = strings.TrimPrefix(signed.Path, p), ""
			return &targets{signed: signed, seen: &seen, source: Stated, how: l.doc.Kind + ": " + l.text, conf: Medium}
		}
	}
	return nil
}

// encodedPath infers that the server compares a decoded path: the path has
// percent-encoded characters, and the server's words show it without them, or
// paths without them work.
func (s *scene) encodedPath(g *sight, signed *url.URL) *targets {
	plain := decoded(signed.EscapedPath())
	if !strings.Contains(signed.EscapedPath(), "%") || plain == signed.EscapedPath() {
		return nil
	}
	seen := *signed
	seen.RawPath, seen.Path = "", plain
	t := &targets{signed: signed, seen: &seen, shown: plain, source: Stated, conf: High}
	said := strings.Join(g.x.Header["Www-Authenticate"], " ") + " " + string(g.x.Body[:min(len(g.x.Body), maxWords)])
	if strings.Contains(said, plain) {
		t.how = "the path in its answer"
		return t
	}
	for _, l := range s.logs {
		if strings.Contains(l.text, plain) {
			t.how = l.doc.Kind + ": " + l.text
			return t
		}
	}
	if o := s.worked(g); o != nil && !strings.Contains(o.url.EscapedPath(), "%") && g.said.topics&topicHTU != 0 {
		t.conf, t.source = Medium, Computed
		t.how = fmt.Sprintf("inferred: exchange %d, a path without encoded characters, works", o.n)
		return t
	}
	return nil
}

func forwardedURL(v *sight) *url.URL {
	h := v.x.RequestHeader
	u := *v.url
	changed := false
	if p := h.Get("X-Forwarded-Proto"); p != "" {
		u.Scheme, changed = p, true
	}
	if p := h.Get("X-Forwarded-Host"); p != "" {
		u.Host, changed = p, true
	}
	if p := h.Get("X-Forwarded-Port"); p != "" && u.Port() == "" {
		u.Host, changed = u.Host+":"+p, true
	}
	if !changed {
		return nil
	}
	return &u
}

var urlIn = words(`https?://(?:\[[0-9a-f:.]+\])?[^\s"'<>,;)\]}\\]+`)

// loggedURL finds the verifier's own view of the URL in a log, a note or a
// topology: a URL that means the same request and is not the signed one.
func (s *scene) loggedURL(signed *url.URL, about bool) (*url.URL, string) {
	var fallback *url.URL
	var where string
	for _, l := range s.logs {
		if l.doc.Kind == KindServerConfig {
			continue
		}
		for _, m := range urlIn.FindAllString(l.text, -1) {
			u, err := url.Parse(strings.TrimRight(m, ".:"))
			if err != nil || u.Host == "" {
				continue
			}
			c := classify(&targets{signed: signed, seen: u})
			if c == "" || c == "htu-wrong-endpoint" || c == "htu-path-prefix-mismatch" && strings.Trim(u.Path, "/") == "" {
				continue
			}
			if l.topics&topicHTU != 0 || l.doc.Kind == KindServerLog && l.topics&topicProof != 0 && lastSegment(u.Path) == lastSegment(signed.Path) {
				return u, l.doc.Kind + ": " + l.text
			}
			if about && fallback == nil && l.doc.Kind != KindNote && lastSegment(u.Path) == lastSegment(signed.Path) {
				fallback, where = u, l.doc.Kind+": "+l.text
			}
		}
	}
	return fallback, where
}

// hintedURL infers the server's view from names that it gives itself: issuer
// and endpoints of its metadata, the realm, a Location, links.
func (s *scene) hintedURL(g *sight, signed *url.URL) (*url.URL, string) {
	try := func(raw string) *url.URL {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil
		}
		same := *signed
		same.Scheme, same.Host = u.Scheme, u.Host
		if c := classify(&targets{signed: signed, seen: &same}); c == "htu-scheme-mismatch-behind-proxy" || c == "htu-port-mismatch" || c == "htu-host-mismatch-behind-proxy" && innerHost(u.Hostname()) {
			return &same
		}
		return nil
	}
	for _, m := range s.servers {
		for _, w := range s.where[m.Issuer] {
			if w == "" || !strings.HasPrefix(w, g.origin) {
				continue
			}
			if u := try(m.Issuer); u != nil {
				return u, "issuer of its metadata: " + m.Issuer
			}
			if u := try(m.TokenEndpoint); u != nil {
				return u, "issuer metadata: token_endpoint " + m.TokenEndpoint
			}
		}
	}
	for _, c := range g.said.challenges {
		if u := try(c.Realm); u != nil {
			return u, "realm of the challenge: " + c.Realm
		}
		if u := try(c.ResourceMetadata); u != nil {
			return u, "resource_metadata of the challenge: " + c.ResourceMetadata
		}
	}
	for _, raw := range urlIn.FindAllString(strings.Join(g.x.Header["Www-Authenticate"], " ")+" "+string(g.x.Body[:min(len(g.x.Body), maxWords)]), -1) {
		if u := try(raw); u != nil {
			return u, "URL in the answer: " + raw
		}
	}
	for _, d := range s.documents[KindServerConfig] {
		for _, raw := range urlIn.FindAllString(string(d.Body[:min(len(d.Body), 64<<10)]), -1) {
			if u := try(raw); u != nil && u.Hostname() == signed.Hostname() {
				return u, "server configuration: " + raw
			}
		}
	}
	for _, o := range s.all {
		if o.origin != g.origin {
			continue
		}
		if u := try(o.x.Header.Get("Location")); u != nil && u.Hostname() == signed.Hostname() {
			return u, "Location of an answer: " + originOf(u)
		}
	}
	return nil, ""
}

// classify names the difference of two URLs that should be one; "" if there is
// none after normalisation.
func classify(t *targets) string {
	a, b := t.signed, t.seen
	ap, bp := pathAsWritten(a), pathAsWritten(b)
	if ap == "" {
		ap = "/"
	}
	if bp == "" {
		bp = "/"
	}
	scheme := strings.EqualFold(a.Scheme, b.Scheme)
	host := strings.EqualFold(a.Hostname(), b.Hostname())
	port := portOf(a) == portOf(b) || !scheme && a.Port() == "" && b.Port() == ""
	path := ap == bp
	switch {
	case scheme && host && port && path:
		return ""
	case path && host && port:
		return "htu-scheme-mismatch-behind-proxy"
	case path && host && scheme:
		return "htu-port-mismatch"
	case path && host: // scheme and port together: TLS ended at a proxy
		return "htu-scheme-mismatch-behind-proxy"
	case path:
		return "htu-host-mismatch-behind-proxy"
	}
	same := scheme && host && port
	if same || !t.clientSide {
		switch {
		case same && slashed(ap) == slashed(bp):
			return "htu-trailing-slash-mismatch"
		case decoded(ap) == decoded(bp):
			return "htu-path-encoding-mismatch"
		case prefixed(ap, bp):
			return "htu-path-prefix-mismatch"
		}
	}
	if !same && !t.clientSide && slashed(ap) == slashed(bp) {
		return "htu-host-mismatch-behind-proxy"
	}
	return "htu-wrong-endpoint"
}

// pathAsWritten is the path without the percent-encoding that net/url would
// add: "/a b" and "/a%20b" are two spellings.
func pathAsWritten(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "http") {
		return "80"
	}
	return "443"
}

func slashed(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return strings.TrimSuffix(p, "/")
}

func decoded(p string) string {
	for range 2 {
		d, err := url.PathUnescape(p)
		if err != nil {
			break
		}
		p = d
	}
	return strings.ReplaceAll(p, "+", " ")
}

// prefixed reports whether one path is the other behind a prefix.
func prefixed(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	b = strings.TrimSuffix(b, "/")
	return len(strings.Trim(b, "/")) > 0 && strings.HasSuffix(strings.TrimSuffix(a, "/"), b)
}

func summaryOf(t *targets, code string) string {
	what := map[string]string{
		"htu-scheme-mismatch-behind-proxy": "scheme", "htu-host-mismatch-behind-proxy": "host", "htu-port-mismatch": "port",
		"htu-path-prefix-mismatch": "path prefix", "htu-trailing-slash-mismatch": "final slash (trailing slash)", "htu-path-encoding-mismatch": "percent-encoding of the path",
		"htu-wrong-endpoint": "endpoint",
	}[code]
	if t.clientSide {
		return "htu in the proof names " + shownURI(t.signed.String()) + ", the request went to " + shownURI(t.seen.String()) + ": the " + what + " differs."
	}
	return "The proof is right for the URL that the client called, but behind the proxy the server compares htu with " + shownURI(t.seenText()) + ": the " + what + " differs."
}
