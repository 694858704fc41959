package explain

import (
	//nolint:gosec // recognising what others computed, never used to decide

	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// keyCauses are the causes of class key-binding: the proof is sound, but key
// and token do not belong together.
func keyCauses() []cause {
	const class = "key-binding"
	binding := []holdfast.Code{holdfast.CodeBindingJKTMismatch}
	return []cause{
		{
			code: "key-regenerated-token-cached", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 6.1",
			codes: binding, topics: topicBinding | topicToken, decides: "the token request was proved with key 1, the later proof with key 2, no new token between; a restart or storage note", rulesOut: "same key at issue and use",
			beats: []string{"binding-key-mismatch", "token-not-bound"},
			fix:   Fix{Client: "store key and token together and drop both together: persist the key, or discard the cached token when a new key is made"},
			find:  findKeyRegenerated,
		},
		{
			code: "refresh-key-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 5",
			codes: []holdfast.Code{holdfast.CodeProofBoundKeyRefresh}, topics: topicGrant | topicBinding | topicProof, decides: "the thumbprints of the two token requests differ", rulesOut: "thumbprints equal",
			beats: []string{"grant-invalid", "refresh-token-replayed", "binding-key-mismatch", "token-expired"},
			fix: Fix{
				Client:              "keep the key together with the refresh token and use the same key; if it is lost, log in again (a new authorization)",
				AuthorizationServer: `say "key" in the error; check that the stored thumbprint is the one that is read`,
			},
			find: findRefreshKey,
		},
		{
			code: "code-key-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 10, 10.1",
			codes: []holdfast.Code{holdfast.CodeProofBoundKeyCode, holdfast.CodeProofBoundKeyPushed}, topics: topicGrant | topicBinding | topicProof, decides: "dpop_jkt or the thumbprint of the PAR proof against the token proof", rulesOut: "equal, or no binding",
			beats: []string{"grant-invalid", "grant-consumed-by-nonce-challenge"},
			fix:   Fix{Client: "read the key once per login: dpop_jkt, the PAR proof and the token proof use the same key", AuthorizationServer: "name the cause in the error"},
			find:  findCodeKey,
		},
		{
			code: "thumbprint-computed-wrong", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 7638 3, RFC 8705 3.1",
			codes: append(slices.Clone(binding), holdfast.CodeBindingPresentUnsupported, holdfast.CodeBindingX5TMismatch), topics: topicBinding | topicToken | topicCertificate,
			decides: "cnf equals a wrong form (all members hashed, hex, certificate text) and the right form differs", rulesOut: "cnf equals the RFC 7638 (or RFC 8705) value",
			beats: []string{"binding-key-mismatch", "mtls-certificate-mismatch", "key-regenerated-token-cached", "bound-token-forwarded"},
			fix: Fix{
				ResourceServer:      "hash only the required members of RFC 7638 in their order; x5t#S256 is SHA-256 of the DER certificate, base64url",
				AuthorizationServer: "hash only the required members of RFC 7638 in their order; x5t#S256 is SHA-256 of the DER certificate, base64url",
			},
			find: findThumbprintWrong,
		},
		{
			code: "bound-token-forwarded", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 11.2, RFC 8693",
			codes: binding, topics: topicBinding | topicToken, decides: "the same token at two origins, first with the right key, then with another; azp is another client", rulesOut: "one party only",
			beats: []string{"binding-key-mismatch", "key-regenerated-token-cached", "audience-mismatch"},
			fix: Fix{
				Client:              "do not forward a token bound to somebody else's key: get an own token for the next hop (token exchange, client credentials)",
				AuthorizationServer: "allow the exchange with a proof by the holder, or say why not",
			},
			find: findForwarded,
		},
		{
			code: "binding-key-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (12)",
			codes: binding, topics: topicBinding | topicToken | topicProof, decides: "both thumbprints, from the token or from introspection", rulesOut: "equal",
			fix:  Fix{Client: "use the key the token was issued for, or get a new token with the present key", ResourceServer: `answer invalid_token and say "key binding"`},
			find: findBinding,
		},
		{
			code: "key-unavailable", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 11.4",
			topics: topicKeyStore, decides: "a key store error, a stored thumbprint without a key, a page that is no secure context", rulesOut: "key found and thumbprint equal",
			beats: []string{"proof-missing", "token-missing", "key-regenerated-token-cached", "bound-token-sent-as-bearer", "proof-missing-at-token-endpoint"},
			fix:   Fix{Client: "detect that the key is gone, clear the tokens bound to it and log in again; keep the key where it survives (and serve the page over https, from a secure context)"},
			scan:  scanKeyUnavailable,
		},
		{
			code: "token-not-bound", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 6",
			codes: []holdfast.Code{holdfast.CodeBindingSchemeNotBound, holdfast.CodeBindingPresentUnbound}, topics: topicNotBound | topicBinding | topicToken,
			decides: "no cnf in token or introspection", rulesOut: "cnf present", beats: []string{"scheme-unsupported-by-rs"},
			fix: Fix{
				Client:              "ask for a bound token: send a DPoP proof with the token request and check that token_type is DPoP",
				AuthorizationServer: "bind the token to the key of the proof (cnf.jkt), or document that it does not",
			},
			find: findNotBound,
		},
		{
			code: "mtls-certificate-missing", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 8705 3",
			codes: []holdfast.Code{holdfast.CodeBindingX5TMissing}, topics: topicCertificate | topicBinding | topicToken, decides: "the token has x5t#S256 and no certificate reaches the verifier: log or absent header", rulesOut: "a certificate with any thumbprint",
			beats: []string{"scheme-unsupported-by-rs", "token-not-bound"},
			fix: Fix{
				Client:         "present the client certificate: call the mTLS endpoint (mtls_endpoint_aliases) with it",
				ResourceServer: "take the client certificate from the TLS layer or from a trusted edge (Client-Cert header, RFC 9440), and let the proxy pass it on",
			},
			find: findCertMissing,
		},
		{
			code: "mtls-certificate-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 8705 3, 6.3",
			codes: []holdfast.Code{holdfast.CodeBindingX5TMismatch}, topics: topicCertificate | topicBinding | topicToken, decides: "thumbprint of the DER certificate against cnf", rulesOut: "equal",
			fix:  Fix{Client: "obtain a new token after the certificate was renewed: a certificate-bound token ends with its certificate"},
			find: findCertMismatch,
		},
	}
}

// mismatch reports whether the token is bound to another key than the proof's.
func (s *scene) mismatch(g *sight) (cnf, where, proof string, ok bool) {
	if g.role.atServer() || g.proof == nil || g.proof.hidden {
		return "", "", "", false
	}
	cnf, where = s.boundTo(g)
	proof = g.jkt()
	return cnf, where, proof, cnf != "" && proof != "" && cnf != proof && !marked(cnf)
}

func bindingFinding(g *sight, cnf, where, proof, summary string) *finding {
	return found(High, summary).
		computed("key of the proof against the confirmation of the token", "proof key "+proof, where+" "+cnf, "binding.jkt", "RFC 9449 4.3 (12)")
}

func findKeyRegenerated(s *scene, g *sight) *finding {
	cnf, where, proof, ok := s.mismatch(g)
	if !ok {
		return nil
	}
	is := s.issueOf(g.token)
	usedBefore := s.previous(g, func(o *sight) bool {
		return o.token != nil && o.token.id != "" && o.token.id == g.token.id && o.jkt() == cnf && o.origin == g.origin
	})
	restart, how := s.restartNote()
	f := bindingFinding(g, cnf, where, proof, "The access token is bound to key "+cnf+", but the proof is signed with a new key "+proof+": the key was regenerated while the token stayed in a cache.")
	switch {
	case is != nil && is.jkt == cnf:
		n := "a token response"
		if is.from != nil {
			n = fmt.Sprintf("exchange %d", is.from.n)
		}
		f.computed("the token was issued for the first key", n+" proved key "+is.jkt, "", "", "")
	case usedBefore != nil:
		f.computed("the same token was used with the first key", fmt.Sprintf("exchange %d, key %s", usedBefore.n, cnf), "", "", "")
	case restart:
		f.conf = Medium
	default:
		return nil
	}
	if restart {
		f.stated("state of the client", how)
		f.heavier(5)
	}
	if jkt := text(s.client, "current_key_jkt"); jkt != "" && jkt == proof {
		f.stated("current key of the client", jkt)
	}
	return f.heavier(10)
}

// restartNote looks for a restart or a key store that does not survive one.
func (s *scene) restartNote() (bool, string) {
	if v := text(s.client, "process_restarted_at"); v != "" {
		how := "restarted at " + v
		if ks := text(s.client, "key_store"); ks != "" {
			how += "; key store: " + ks
		}
		if tc := text(s.client, "token_cache"); tc != "" {
			how += "; token cache: " + tc
		}
		return true, how
	}
	if ks := strings.ToLower(text(s.client, "key_store")); strings.Contains(ks, "memory") || strings.Contains(ks, "generated at") || strings.Contains(ks, "ephemeral") {
		return true, "key store: " + ks
	}
	for _, l := range s.logs {
		if restartWords.MatchString(l.text) {
			return true, "log: " + l.text
		}
	}
	return false, ""
}

var restartWords = words(`(generat|creat|new).{0,20}(dpop |signing |proof )?key ?(pair)?\b.{0,40}(start|boot|launch|deploy)|new (dpop |proof |signing )?key ?(pair)? (was )?(generated|created)|generated (a )?(new|fresh) (dpop |proof )?key|key.{0,30}in.memory|(after|since).{0,20}(restart|redeploy|reinstall|deployment)|indexeddb.{0,20}cleared`)

func findRefreshKey(s *scene, g *sight) *finding {
	if g.role != roleToken || g.proof == nil || g.proof.hidden || g.jkt() == "" {
		return nil
	}
	kind, value := g.grant()
	if kind != "refresh_token" && g.form.Get("grant_type") != "refresh_token" {
		return nil
	}
	var is *issue
	for _, o := range s.issues {
		if o.jkt == "" || o.from != nil && o.from.index >= g.index {
			continue
		}
		if value != "" && o.refresh == value {
			is = o // the very token
		} else if is == nil && (value == "" || o.refresh == "") && (o.from == nil || o.from.origin == g.origin) {
			is = o
		}
	}
	jkt, conf, from := "", High, ""
	switch {
	case is != nil:
		jkt = is.jkt
		if is.from != nil {
			from = fmt.Sprintf("exchange %d", is.from.n)
		} else {
			from = "the token response"
		}
	default:
		// Without the response: the key of an earlier token request of this client.
		o := s.previous(g, func(o *sight) bool {
			return o.role == roleToken && o.ok && o.origin == g.origin && o.jkt() != "" && o.form.Get("client_id") == g.form.Get("client_id")
		})
		if o == nil {
			if v := s.statedJKT(); v != "" && v != g.jkt() {
				jkt, conf, from = v, Medium, "the notes of the evidence"
				break
			}
			return nil
		}
		jkt, conf, from = o.jkt(), Medium, fmt.Sprintf("exchange %d", o.n)
	}
	if jkt == g.jkt() {
		return nil
	}
	return found(conf, "The refresh request is proved with key "+g.jkt()+", but the refresh token was issued for key "+jkt+" ("+from+").").heavier(20).
		computed("key of the refresh request", g.jkt(), jkt+" ("+from+")", "proof.bound_key", "RFC 9449 5").stated("the server said", g.said.quote())
}

// statedJKT is a thumbprint that documents name as the one something is bound to.
func (s *scene) statedJKT() string {
	for _, l := range s.logs {
		if l.topics&(topicBinding|topicGrant) == 0 && !strings.Contains(l.text, "jkt") {
			continue
		}
		if m := expectedThumb.FindStringSubmatch(l.text); m != nil {
			return m[1]
		}
	}
	return ""
}

var expectedThumb = words(`(?:expected|stored|bound|original|registered|want(?:ed)?|issued)[^A-Za-z0-9_-]{0,4}(?:to |for |jkt|thumbprint|key|dpop_jkt|[ =:"])*([A-Za-z0-9_-]{43})\b`)

func findCodeKey(s *scene, g *sight) *finding {
	if g.role == rolePAR && g.jkt() != "" {
		if want := g.form.Get("dpop_jkt"); want != "" && !marked(want) && want != g.jkt() {
			return found(High, "dpop_jkt in the pushed request names key "+want+", but its proof is signed with key "+g.jkt()+".").
				computed("key of the PAR proof", g.jkt(), "dpop_jkt "+want, "proof.bound_key", "RFC 9449 10.1")
		}
	}
	if g.role != roleToken || g.jkt() == "" || g.form.Get("grant_type") != "authorization_code" {
		return nil
	}
	o := s.previous(g, func(o *sight) bool {
		if o.origin != g.origin && o.form.Get("client_id") != g.form.Get("client_id") && o.url.Query().Get("client_id") != g.form.Get("client_id") {
			return false
		}
		return o.role == rolePAR && (o.jkt() != "" && o.ok || o.form.Get("dpop_jkt") != "") || o.role == roleAuthorization && o.url.Query().Get("dpop_jkt") != ""
	})
	if o == nil {
		return nil
	}
	want, how := o.form.Get("dpop_jkt"), "dpop_jkt of the pushed request"
	if want == "" {
		want, how = o.url.Query().Get("dpop_jkt"), "dpop_jkt of the authorization request"
	}
	if want == "" {
		want, how = o.jkt(), "key of the PAR proof"
	}
	if want == "" || marked(want) || want == g.jkt() {
		return nil
	}
	return found(High, fmt.Sprintf("The authorization code is bound to key %s (%s, exchange %d), but the token request is proved with key %s.", want, how, o.n, g.jkt())).heavier(25).
		computed("key of the token request", g.jkt(), how+" "+want, "proof.bound_key", "RFC 9449 10").stated("the server said", g.said.quote())
}

func findForwarded(s *scene, g *sight) *finding {
	cnf, where, proof, ok := s.mismatch(g)
	if !ok {
		// An exchange of somebody else's token.
		if g.role == roleToken && g.form.Get("subject_token") != "" && g.jkt() != "" {
			t := readLooseToken(g.form.Get("subject_token"))
			if c := t.confirmation("jkt"); c != "" && c != g.jkt() {
				return found(High, "The token to be exchanged is bound to key "+c+", but the request is proved with key "+g.jkt()+": its holder is another party.").
					computed("key of the proof", g.jkt(), "cnf.jkt of subject_token "+c, "proof.bound_key", "RFC 8693 2.1")
			}
		}
		return nil
	}
	f := bindingFinding(g, cnf, where, proof, "The token is bound to the key "+cnf+" of another party, but it is used with key "+proof+": somebody who does not hold the key forwards it.").heavier(12)
	elsewhere := s.previous(g, func(o *sight) bool {
		return o.token != nil && o.token.id != "" && o.token.id == g.token.id && o.origin != g.origin && o.jkt() == cnf
	})
	switch {
	case elsewhere != nil:
		f.computed("the same token at another origin", fmt.Sprintf("exchange %d, %s, with the right key %s", elsewhere.n, elsewhere.origin, cnf), g.origin+" with key "+proof, "", "")
	case text(s.client, "downstream_client_key_jkt") == proof || s.downstreamKey() == proof:
		f.stated("key of the downstream client", proof)
	case s.downstreamKey() == cnf:
		f.stated("key of the downstream client", cnf)
	case s.forwardNote() != "":
		f.conf = Medium
		f.stated("who forwards", s.forwardNote())
	default:
		return nil
	}
	if azp := firstString(g.token.claims, "azp", "client_id"); azp != "" {
		f.computed("client of the token", azp, "", "", "")
	}
	return f.heavier(10)
}

func (s *scene) downstreamKey() string {
	if d := s.documents[KindDownstreamKey]; len(d) > 0 {
		return strings.Trim(strings.TrimSpace(string(d[0].Body)), `"`)
	}
	return ""
}

var forwardWords = words(`(forward|pass(es|ed)?( on| through)?|relay|re-?us|propagat|hand(s|ed)? (on|over)|copies|copied)[^.]{0,60}(token|authorization)|(token|authorization)[^.]{0,60}(forward|relay|propagat|passed (on|through|along)|re-?used by)|on.behalf.of|token relay`)

func (s *scene) forwardNote() string {
	for _, l := range s.logs {
		if l.doc.Kind != KindServerConfig && forwardWords.MatchString(l.text) {
			return l.text
		}
	}
	return ""
}

func findBinding(s *scene, g *sight) *finding {
	cnf, where, proof, ok := s.mismatch(g)
	if !ok {
		return nil
	}
	return bindingFinding(g, cnf, where, proof, "The token is bound to key "+cnf+", but the proof is signed with key "+proof+".")
}

func scanKeyUnavailable(s *scene) []*finding {
	var f *finding
	note := func(what, line string) {
		if f == nil {
			f = found(High, "The client has no usable key for the token it holds: "+what+".").heavier(15)
		}
		f.stated(what, line)
	}
	for _, l := range s.logs {
		// A line about the server's own key set is not about the client's key.
		if l.topics&topicKeyStore == 0 || l.doc.Kind == KindServerConfig || l.doc.Kind == KindServerLog && !clientKeyWords.MatchString(l.text) {
			continue
		}
		if jwksWords.MatchString(l.text) {
			continue
		}
		note("the key store has no key", l.text)
	}
	for _, name := range [...]string{"key_store", "key_error", "key_state", "current_key_jkt", "key"} {
		v, ok := s.client[name]
		t, _ := v.(string)
		switch {
		case ok && v == nil && name == "current_key_jkt":
			note("a thumbprint or token is stored, but no key", "current_key_jkt is null")
		case t != "" && topicsOf(name+" "+t)&topicKeyStore != 0:
			note("the key store has no key", name+": "+t)
		}
	}
	if f == nil {
		return nil
	}
	for _, g := range s.sights {
		if g.proof != nil && g.refused && g.viewOf == nil {
			return nil // the client did sign
		}
		if f.at == nil && (g.refused || g.x.Status == 0) && g.usesToken() {
			f.at = g
		}
	}
	if f.at != nil {
		if jkt, _ := s.boundTo(f.at); jkt != "" {
			f.computed("the token is bound to a key", "cnf.jkt "+jkt, "a usable key with this thumbprint", "binding.jkt", "RFC 9449 6.1")
		}
	}
	return []*finding{f}
}

var (
	clientKeyWords = words(`dpop|proof|client key|holder|private|keychain|keystore|key store|indexeddb|crypto\.subtle`)
	jwksWords      = words(`\bjwks\b|\bkid\b|key ?set|signature key|verification key`)
)

func findNotBound(s *scene, g *sight) *finding {
	if g.role.atServer() || g.token == nil {
		return nil
	}
	if s.introspec != nil && g.token.claims == nil && s.introspec.facts["cnf"] == nil && s.introspec.facts["active"] == true {
		if !g.dpop() && g.said.topics&topicNotBound == 0 && !g.said.offers("DPoP") {
			return nil
		}
		return found(High, "The token is not bound to a key: introspection has no cnf, and the resource wants a bound token.").
			computed("introspection answer", "active, no cnf", "cnf with jkt", "binding.present", "RFC 9449 6.2")
	}
	if len(g.token.claims) == 0 || g.token.claims["cnf"] != nil {
		return nil
	}
	wanted := g.dpop() || g.said.topics&topicNotBound != 0 || g.bearer() && g.said.offers("DPoP") && !g.said.offers("Bearer")
	if !wanted {
		return nil
	}
	if g.bearer() && g.said.errorCode == "insufficient_scope" {
		return nil
	}
	f := found(High, "The access token has no cnf: it is not bound to any key, and the resource wants a bound token.").
		computed("confirmation of the token", "no cnf", "cnf.jkt with the thumbprint of the proof key", "binding.present", "RFC 9449 6.1")
	if g.jkt() != "" {
		f.computed("key of the proof", g.jkt(), "", "", "")
	}
	return f
}
