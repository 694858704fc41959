package explain

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// transportCauses are the causes of class transport: something between client
// and verifier keeps a header back.
func transportCauses() []cause {
	const class = "transport"
	return []cause{
		{
			code: "nonce-not-exposed-by-cors", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 8, 9",
			topics: topicNonce | topicCORS, decides: "cross-origin, DPoP-Nonce present and not exposed; the console", rulesOut: "exposed, or not a browser",
			beats: []string{"nonce-challenge-without-value", "nonce-challenge-unhandled", "nonce-expired"},
			fix: Fix{
				ResourceServer:      "send Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate with every cross-origin answer",
				AuthorizationServer: "send Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate with every cross-origin answer",
			},
			find: findNotExposed,
		},
		{
			code: "dpop-header-blocked-by-preflight", class: class, family: FamilyPoP, severity: "high", rfc: "Fetch 3.2",
			topics: topicCORS, decides: "the OPTIONS answer does not allow dpop and the main request is absent", rulesOut: "allowed",
			fix: Fix{
				ResourceServer:      "answer the preflight with Access-Control-Allow-Headers: authorization, dpop",
				AuthorizationServer: "answer the preflight with Access-Control-Allow-Headers: authorization, dpop",
			},
			scan: scanPreflight,
		},
		{
			code: "dpop-header-stripped-by-proxy", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 7.1",
			codes: []holdfast.Code{holdfast.CodeProofSingleMissing}, topics: topicProofMissing | topicProof, decides: "the client sent it and the verifier did not get it, in both views", rulesOut: "present in the backend view",
			beats: []string{"proof-missing", "proof-missing-at-token-endpoint", "bound-token-sent-as-bearer"},
			fix: Fix{
				ResourceServer:      "let the proxy pass the DPoP header on, or verify at the edge only",
				AuthorizationServer: "let the proxy pass the DPoP header on, or verify at the edge only",
			},
			find: findProofStripped,
		},
		{
			code: "authorization-header-stripped", class: class, family: FamilyBearer, severity: "high", rfc: "RFC 9110 11.6.2",
			codes: []holdfast.Code{holdfast.CodeRequestAuthMissing}, topics: topicTokenMissing | topicToken, decides: "Authorization is lost between two views, or two hops", rulesOut: "present at the verifier",
			beats: []string{"token-missing"},
			fix: Fix{
				Client:         "call the final URL, so that no redirect drops Authorization",
				ResourceServer: "forward the Authorization header through the proxy or FastCGI to the application",
			},
			find: findAuthorizationStripped,
		},
		{
			code: "headers-too-large", class: class, family: FamilyBearer, severity: "medium", rfc: "RFC 6585 5",
			codes: []holdfast.Code{holdfast.CodeProofJWTTooLarge}, topics: topicSize, decides: "431, or 400 naming size; the sum of bytes", rulesOut: "a sum under 4 KB",
			beats: []string{"token-malformed", "proof-malformed"},
			fix: Fix{
				Client:              "ask for a smaller token (fewer scopes and claims), and use an EC key instead of RSA for the proof",
				ResourceServer:      "raise the header limit (of proxy and application)",
				AuthorizationServer: "put fewer claims into the token",
			},
			find: findTooLarge,
		},
	}
}

// crossOrigin reports whether a browser page of another origin made the request.
func (s *scene) crossOrigin(g *sight) bool {
	o := g.x.RequestHeader.Get("Origin")
	if o == "" || o == "null" {
		return o == "null"
	}
	u, err := url.Parse(o)
	return err == nil && originOf(u) != g.origin
}

func lists(h []string, want string) bool {
	for _, v := range h {
		for _, n := range strings.Split(v, ",") {
			if n = strings.TrimSpace(n); strings.EqualFold(n, want) {
				return true
			}
		}
	}
	return false
}

func findNotExposed(s *scene, g *sight) *finding {
	if g.said.nonce == "" || !g.said.isNonceChallenge() && g.said.topics&topicNonce == 0 || !s.crossOrigin(g) {
		return nil
	}
	exposed := g.x.Header["Access-Control-Expose-Headers"]
	if lists(exposed, "DPoP-Nonce") || lists(exposed, "*") && !strings.EqualFold(g.x.RequestHeader.Get("Sec-Fetch-Credentials"), "include") {
		return nil
	}
	next := s.retry(g)
	if next != nil && next.proof != nil && !next.proof.hidden && next.proof.nonce == g.said.nonce {
		return nil
	}
	got := strings.Join(exposed, ", ")
	if got == "" {
		got = "no Access-Control-Expose-Headers"
	}
	f := found(High, "The server handed out a nonce in DPoP-Nonce, but a page of another origin cannot read it: Access-Control-Expose-Headers does not expose it.").heavier(25).
		computed("Access-Control-Expose-Headers of the answer", got, "DPoP-Nonce, WWW-Authenticate", "", "RFC 9449 8").
		computed("origin of the page", g.x.RequestHeader.Get("Origin"), g.origin, "", "")
	for _, l := range s.logs {
		if l.doc.Kind == KindConsole && (l.topics&topicCORS != 0 || strings.Contains(strings.ToLower(l.text), "nonce")) {
			f.stated("browser console", l.text)
		}
	}
	return f.stated("challenge", g.said.quote())
}

func scanPreflight(s *scene) []*finding {
	var out []*finding
	for _, g := range s.all {
		if g.role != rolePreflight || !lists(g.x.RequestHeader["Access-Control-Request-Headers"], "dpop") {
			continue
		}
		allowed := g.x.Header["Access-Control-Allow-Headers"]
		if g.x.Status == 0 || g.ok && (lists(allowed, "dpop") || lists(allowed, "*")) {
			continue
		}
		main := s.next(g, func(o *sight) bool {
			return o.place() == g.place() && o.role != rolePreflight && (o.x.Request.Method == g.x.RequestHeader.Get("Access-Control-Request-Method") || o.role == roleResource)
		})
		if main != nil && main.x.Status != 0 {
			continue
		}
		if s.next(g, func(o *sight) bool {
			return o.role == rolePreflight && o.place() == g.place() && lists(o.x.Header["Access-Control-Allow-Headers"], "dpop")
		}) != nil {
			continue
		}
		got := strings.Join(allowed, ", ")
		if got == "" {
			got = "no Access-Control-Allow-Headers"
		}
		f := found(High, "The preflight answer does not allow the DPoP header, so the browser never sent the request itself.").heavier(25).
			computed("Access-Control-Allow-Headers of the preflight (OPTIONS)", got, "authorization, dpop", "", "").
			computed("headers the page asked for", strings.Join(g.x.RequestHeader["Access-Control-Request-Headers"], ", "), "", "", "")
		if main == nil {
			f.computed("the request itself", "absent from the capture", "sent after the preflight", "", "")
		} else {
			f.computed("the request itself", fmt.Sprintf("exchange %d, status 0: blocked", main.n), "sent after the preflight", "", "")
		}
		for _, l := range s.logs {
			if l.doc.Kind == KindConsole && l.topics&topicCORS != 0 {
				f.stated("browser console", l.text)
			}
		}
		f.at = g
		out = append(out, f)
	}
	return out
}

var missingProofWords = words(`\b(no|missing|without|absent|lacks?( a| the)?|null|empty)( a| an| the| any| http| request)* ?dpop([ _-](proof|header|jwt|token|field))*\b|\bdpop([ _-]?(proof|header|jwt|token|field))*"?( is| was| =|:|=)* ?"?(missing|absent|null|nil|none|empty|not (present|found|received|provided|sent|set)|required but)|\b(http_)?dpop="?-?"?(\s|$)|(header|field)s?[^.;]{0,20}without dpop`)

func findProofStripped(s *scene, g *sight) *finding {
	sent := g
	if g.viewOf != nil {
		sent = g.viewOf
	}
	if sent.proof == nil && !sent.hides(holdfast.FactProof) {
		return nil
	}
	behind := sent.view
	if g.viewOf != nil {
		behind = g
	}
	base := func(conf Confidence) *finding {
		return found(conf, "The client sent a DPoP header, but it did not reach the verifier: a proxy on the way stripped it.").heavier(25).
			computed("DPoP header as the client sent it", "present", "", "proof.single", "RFC 9449 7.1")
	}
	if behind != nil {
		if behind.proof != nil || len(behind.x.Request.Proofs) > 0 || behind.hides(holdfast.FactProof) {
			return nil
		}
		f := base(High).computed("DPoP header in the backend's copy of the request", "absent: missing", "present", "proof.single", "RFC 9449 7.1")
		f.at = sent
		return f.stated("the server said", sent.said.quote())
	}
	said := missingProofWords.MatchString(g.said.quote()) && g.said.topics&topicProofMissing != 0
	for _, l := range s.logs {
		if l.doc.Kind == KindServerLog && missingProofWords.MatchString(l.text) && s.noProofTrouble(g) {
			return base(High).stated("server log", l.text).stated("the server said", g.said.quote())
		}
	}
	if said && g.proof != nil && !g.proof.hidden && s.proofFine(g) && g.dpop() && noProofAtAll.MatchString(g.said.quote()) {
		return base(Medium).stated("the server said", g.said.quote())
	}
	return nil
}

// noProofAtAll: the server says that it saw none, rather than a wrong one.
var noProofAtAll = words(`(missing|no|without|absent)( the| a| any)? ?dpop|dpop[^.;]{0,20}(missing|absent|not (present|found|received|provided|sent)|is required)`)

func findAuthorizationStripped(s *scene, g *sight) *finding {
	sent, behind := g, g.view
	if g.viewOf != nil {
		sent, behind = g.viewOf, g
	}
	if behind != nil && len(sent.x.Request.Authorization) > 0 && len(behind.x.Request.Authorization) == 0 && !behind.hides(holdfast.FactAuthorization) {
		f := found(High, "The client sent Authorization, but it did not reach the verifier: it was stripped on the way.").heavier(25).
			computed("Authorization as the client sent it", "present, scheme "+sent.scheme, "", "request.auth", "RFC 6750 2.1").
			computed("Authorization in the backend's copy of the request", "absent: missing", "present", "request.auth", "RFC 6750 2.1")
		f.at = sent
		return f.stated("the server said", sent.said.quote())
	}
	if len(g.x.Request.Authorization) > 0 {
		if g.said.topics&topicTokenMissing == 0 {
			return nil
		}
		for _, l := range s.logs {
			if l.doc.Kind == KindServerLog && noAuthorizationWords.MatchString(l.text) {
				return found(High, "The client sent Authorization, but the server's log says that there was none: it was stripped on the way.").heavier(20).
					computed("Authorization as the client sent it", "present, scheme "+g.scheme, "", "request.auth", "RFC 6750 2.1").stated("server log", l.text).stated("the server said", g.said.quote())
			}
		}
		return nil
	}
	if g.hides(holdfast.FactAuthorization) {
		return nil
	}
	for o := g.redirected; o != nil; o = o.redirected {
		if len(o.x.Request.Authorization) == 0 {
			continue
		}
		return found(High, fmt.Sprintf("Authorization was lost in the redirect (%d) from %s to %s: the client dropped it for the second hop.", o.x.Status, o.origin, g.origin)).heavier(25).
			computed(fmt.Sprintf("Authorization in exchange %d", o.n), "present, scheme "+o.scheme+", to "+o.place(), "", "request.auth", "").
			computed(fmt.Sprintf("Authorization in exchange %d, after the redirect", g.n), "absent, to "+g.place(), "present", "request.auth", "RFC 6750 2.1").stated("the server said", g.said.quote())
	}
	return nil
}

var noAuthorizationWords = words(`(no|missing|without|absent|empty|null|not (present|found|received|set|passed))[^.;]{0,40}(authorization|bearer|credential|access token|http_authorization)|(authorization|http_authorization|credentials?)[^.;]{0,30}(missing|absent|empty|null|none|not (present|found|received|set|passed)|=-|="")`)

func findTooLarge(_ *scene, g *sight) *finding {
	sizeWords := g.said.topics&topicSize != 0
	if g.x.Status != 431 && g.x.Status != 494 && !(g.x.Status == 400 || g.x.Status == 413 || g.x.Status == 502) {
		return nil
	}
	if g.x.Status != 431 && g.x.Status != 494 && !sizeWords {
		return nil
	}
	total := 0
	largest, size := "", 0
	for name, vs := range g.x.RequestHeader {
		for _, v := range vs {
			n := len(name) + len(v) + 4
			total += n
			if n > size {
				largest, size = name, n
			}
		}
	}
	f := found(High, fmt.Sprintf("The request headers are too large for the server: %d bytes in all, the largest is %s with %d bytes.", total, largest, size)).heavier(30).
		computed("size of the request headers", fmt.Sprintf("%d bytes, %s alone %d", total, largest, size), "below the limit of the server", "", "RFC 6585 5").
		computed("status of the answer", g.statusText(), "", "", "").stated("the server said", g.said.quote())
	if total < 4096 && g.x.Status != 431 && g.x.Status != 494 {
		f.conf = Low
	}
	return f
}
