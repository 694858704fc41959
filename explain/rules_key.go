package explain

import (
	"crypto/sha1" //nolint:gosec // recognising what others computed, never used to decide
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
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
		computed("key of the refresh request", g.jkt(), jkt+" ("+from+")", "proof.bound_key", "RFC 9449 5").stated("answer", g.said.quote())
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
		computed("key of the token request", g.jkt(), how+" "+want, "proof.bound_key", "RFC 9449 10").stated("answer", g.said.quote())
}

// wrongThumbprint finds the wrong form in which somebody computed a thumbprint
// over a JWK.
func wrongThumbprint(jwk map[string]any, got string) string {
	if len(jwk) == 0 || got == "" {
		return ""
	}
	right, ok := requiredJSON(jwk)
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(right))
	if got == jose.EncodeSegment(sum[:]) {
		return ""
	}
	if form := encodingOf(got, sum[:]); form != "" {
		return form
	}
	s1, s384, s512 := sha1.Sum([]byte(right)), sha512.Sum384([]byte(right)), sha512.Sum512([]byte(right)) //nolint:gosec // recognition only
	for _, h := range [...]struct {
		sum  []byte
		what string
	}{{s1[:], "SHA-1 instead of SHA-256"}, {s384[:], "SHA-384 instead of SHA-256"}, {s512[:], "SHA-512 instead of SHA-256"}} {
		if got == jose.EncodeSegment(h.sum) || encodingOf(got, h.sum) != "" {
			return h.what
		}
	}
	for _, c := range candidateTexts(jwk) {
		h := sha256.Sum256([]byte(c.text))
		if got == jose.EncodeSegment(h[:]) || encodingOf(got, h[:]) != "" {
			return c.what
		}
	}
	return ""
}

type candidate struct{ text, what string }

// maxSubsets bounds the optional members whose combinations are tried.
const maxSubsets = 8

// candidateTexts are the inputs that implementations hash by mistake: extra
// members, another order, white space, the key in another encoding.
func candidateTexts(jwk map[string]any) []candidate {
	var out []candidate
	required := requiredMembers(jwk)
	var optional []string
	for n := range jwk {
		if !slices.Contains(required, n) {
			optional = append(optional, n)
		}
	}
	slices.Sort(optional)
	if len(optional) > maxSubsets {
		optional = optional[:maxSubsets]
	}
	add := func(names []string, what string) {
		if t, ok := memberJSON(jwk, names, ":", ","); ok {
			out = append(out, candidate{t, what})
		}
		if t, ok := memberJSON(jwk, names, ": ", ", "); ok {
			out = append(out, candidate{t, what + ", with white space"})
		}
	}
	// Members that libraries add when they export, even if the proof does not show them.
	for _, extra := range [...]map[string]any{
		{}, {"alg": algOf(jwk)}, {"use": "sig"}, {"alg": algOf(jwk), "use": "sig"}, {"ext": true, "key_ops": []any{"verify"}}, {"ext": true}, {"key_ops": []any{"verify"}},
		{"alg": algOf(jwk), "ext": true, "key_ops": []any{"verify"}}, {"ext": true, "key_ops": []any{}}, {"ext": true, "key_ops": []any{"sign"}}, {"alg": algOf(jwk), "kid": jwk["kid"]},
	} {
		all := map[string]any{}
		for k, v := range jwk {
			all[k] = v
		}
		for k, v := range extra {
			if v != nil && v != "" {
				all[k] = v
			}
		}
		if len(all) == len(required) {
			continue
		}
		names := make([]string, 0, len(all))
		for n := range all {
			names = append(names, n)
		}
		slices.Sort(names)
		var added []string
		for _, n := range names {
			if !slices.Contains(required, n) {
				added = append(added, n)
			}
		}
		what := "a hash over all members, the extra ones (" + strings.Join(added, ", ") + ") included, instead of the required members"
		if t, ok := memberJSON(all, names, ":", ","); ok {
			out = append(out, candidate{t, what})
		}
	}
	for bits := 1; bits < 1<<len(optional); bits++ {
		names := slices.Clone(required)
		var added []string
		for i, n := range optional {
			if bits&(1<<i) != 0 {
				names = append(names, n)
				added = append(added, n)
			}
		}
		slices.Sort(names)
		add(names, "a hash over the extra members "+strings.Join(added, ", ")+" as well, instead of the required members")
	}
	for _, perm := range permutations(required) {
		add(perm, "the required members in another order ("+strings.Join(perm, ", ")+")")
	}
	if b, err := json.MarshalIndent(jwk, "", "  "); err == nil {
		out = append(out, candidate{string(b), "a hash over pretty-printed JSON"})
	}
	if k := publicOf(jwk); k != nil {
		if der, err := x509.MarshalPKIXPublicKey(k.Public()); err == nil {
			out = append(out, candidate{string(der), "a hash over the DER public key (SPKI) instead of the JWK members"})
		}
	}
	return append(out, candidate{text(jwk, "x"), "a hash over x alone"}, candidate{text(jwk, "x") + text(jwk, "y"), "a hash over x and y"}, candidate{text(jwk, "n"), "a hash over n alone"})
}

func algOf(jwk map[string]any) string {
	switch text(jwk, "crv") {
	case "P-256":
		return "ES256"
	case "P-384":
		return "ES384"
	case "P-521":
		return "ES512"
	case "Ed25519":
		return "EdDSA"
	}
	return "RS256"
}

func publicOf(jwk map[string]any) *jose.PublicKey {
	p := &looseProof{header: map[string]any{"jwk": jwk}}
	p.readMembers()
	return p.key
}

func requiredMembers(jwk map[string]any) []string {
	switch text(jwk, "kty") {
	case "EC":
		return []string{"crv", "kty", "x", "y"}
	case "OKP":
		return []string{"crv", "kty", "x"}
	case "RSA":
		return []string{"e", "kty", "n"}
	}
	return nil
}

func requiredJSON(jwk map[string]any) (string, bool) {
	names := requiredMembers(jwk)
	if names == nil {
		return "", false
	}
	return memberJSON(jwk, names, ":", ",")
}

// memberJSON writes the named members in the given order, without HTML escaping.
func memberJSON(jwk map[string]any, names []string, colon, comma string) (string, bool) {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range names {
		v, ok := jwk[n]
		if !ok {
			return "", false
		}
		if i > 0 {
			b.WriteString(comma)
		}
		var val strings.Builder
		e := json.NewEncoder(&val)
		e.SetEscapeHTML(false)
		if e.Encode(v) != nil {
			return "", false
		}
		b.WriteString(`"` + n + `"` + colon + strings.TrimSuffix(val.String(), "\n"))
	}
	b.WriteByte('}')
	return b.String(), true
}

// permutations of up to four names, the sorted order left out.
func permutations(names []string) [][]string {
	var out [][]string
	var walk func(prefix, rest []string)
	walk = func(prefix, rest []string) {
		if len(rest) == 0 {
			if !slices.IsSorted(prefix) {
				out = append(out, slices.Clone(prefix))
			}
			return
		}
		for i := range rest {
			next := append(slices.Clone(rest[:i]), rest[i+1:]...)
			walk(append(prefix, rest[i]), next)
		}
	}
	walk(nil, names)
	return out
}

func findThumbprintWrong(s *scene, g *sight) *finding {
	if f := s.certificateForm(g); f != nil {
		return f
	}
	cnf, where, proof, ok := s.mismatch(g)
	if ok && g.proof.jwk != nil {
		if what := s.wrongForms(g.proof, cnf); what != "" {
			return bindingFinding(g, cnf, where, proof, "The confirmation in the token is computed wrong: "+cnf+" is "+what+". RFC 7638 gives "+proof+" for this very key.").heavier(30).
				computed("how cnf.jkt was computed", what, "SHA-256 over the required members only, RFC 7638", "binding.jkt", "RFC 7638 3")
		}
		// The key may have been seen with other members elsewhere.
		for _, o := range s.all {
			if o.proof != nil && o.jkt() == proof && len(o.proof.jwk) != len(g.proof.jwk) {
				if what := s.wrongForms(o.proof, cnf); what != "" {
					return bindingFinding(g, cnf, where, proof, "The confirmation in the token is computed wrong: "+cnf+" is "+what+". RFC 7638 gives "+proof+" for this very key.").heavier(30).
						computed("how cnf.jkt was computed", what, "SHA-256 over the required members only, RFC 7638", "binding.jkt", "RFC 7638 3")
				}
			}
		}
	}
	// The verifier's own computation, from its words or its log.
	if !ok && g.proof != nil && g.proof.jwk != nil && !g.role.atServer() {
		for _, t := range s.wordsAbout(g, topicBinding) {
			for _, m := range thumbLike.FindAllString(t, -1) {
				if what := wrongThumbprint(g.proof.jwk, m); what != "" && m != proof {
					return found(High, "The server computed the thumbprint of the proof key wrong: "+m+" is "+what+". RFC 7638 gives "+proof+".").heavier(30).
						computed("thumbprint that the server computed", m+" ("+what+")", proof+", over the required members, RFC 7638", "binding.jkt", "RFC 7638 3").
						stated("the server's words", t)
				}
			}
		}
	}
	return nil
}

// wrongForms is wrongThumbprint with a memory: the search is long.
func (s *scene) wrongForms(p *looseProof, got string) string {
	key := [2]string{p.jkt.String() + fmt.Sprint(len(p.jwk)), got}
	what, ok := s.wrongForm[key]
	if !ok {
		what = wrongThumbprint(p.jwk, got)
		s.wrongForm[key] = what
	}
	return what
}

var thumbLike = words(`[A-Za-z0-9_+/-]{40,}={0,2}`)

// wordsAbout returns what the answer, the logs and the notes say about a topic.
func (s *scene) wordsAbout(g *sight, t topic) []string {
	var out []string
	if g != nil && g.said.topics&t != 0 {
		out = append(out, g.said.quote())
	}
	for _, l := range s.logs {
		if l.topics&t != 0 {
			out = append(out, l.text)
		}
	}
	return out
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
	if g.token.claims == nil || len(g.token.claims) == 0 || g.token.claims["cnf"] != nil {
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

// certificateHash is x5t#S256 as the token says it.
func (s *scene) certificateHash(g *sight) string {
	if v := g.token.confirmation("x5t#S256"); v != "" {
		return v
	}
	if s.introspec != nil && (g.token == nil || g.token.claims == nil) {
		cnf, _ := s.introspec.facts["cnf"].(map[string]any)
		return text(cnf, "x5t#S256")
	}
	return ""
}

func findCertMissing(s *scene, g *sight) *finding {
	want := s.certificateHash(g)
	if want == "" || s.presentedCert(g, want) != "" {
		return nil
	}
	f := found(Medium, "The token is bound to a client certificate (x5t#S256 "+want+"), and no certificate reached the verifier.").
		computed("confirmation of the token", "cnf.x5t#S256 "+want, "a client certificate with this thumbprint", "binding.x5t", "RFC 8705 3")
	for _, t := range s.wordsAbout(g, topicCertificate) {
		if noCertWords.MatchString(t) {
			f.conf = High
			f.stated("what a server says", t)
		}
	}
	if o := g.view; o != nil {
		if name := certHeader(o); name == "" {
			f.conf = High
			f.computed("client certificate in the backend view", "no Client-Cert or similar header", "the certificate from the edge", "binding.x5t", "RFC 9440")
		}
	}
	if f.conf == Medium && g.said.topics&topicCertificate == 0 && !s.allFineBut(g, "binding.x5t") {
		return nil
	}
	return f
}

var noCertWords = words(`(no|without|missing|absent|not (present|sent|provided|received|found|forwarded|configured)|none|empty|null|required|expected|\(null\)|=-|="?"? |ssl_client_verify[=: "]*none)[^.]{0,40}(client.?)?(cert|x5t|mtls|ssl_client)|(cert|mtls|ssl_client\w*|x5t|xfcc|client-cert)[^.]{0,40}(no|without|missing|absent|not (present|sent|provided|received|found|forwarded|configured|available)|none|empty|null|required|off|=-|="")|ssl_verify_client\s+off`)

func certHeader(g *sight) string {
	for _, n := range [...]string{"Client-Cert", "X-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Arr-Clientcert", "X-Amzn-Mtls-Clientcert"} {
		if g.x.RequestHeader.Get(n) != "" {
			return n
		}
	}
	return ""
}

// allFineBut reports whether nothing that was recomputed fails, one row left out.
func (s *scene) allFineBut(g *sight, check string) bool {
	if g.report == nil {
		return false
	}
	for _, o := range g.report.Outcomes {
		if o.Status == holdfast.Fail && o.Check != check {
			return false
		}
	}
	return true
}

func findCertMismatch(s *scene, g *sight) *finding {
	want := s.certificateHash(g)
	if want == "" {
		return nil
	}
	got := s.presentedCert(g, want)
	if got == "" || got == want {
		return nil
	}
	return found(High, "The token is bound to certificate x5t#S256 "+want+", but the certificate that was presented is "+got+".").heavier(5).
		computed("x5t#S256 of the presented certificate", got, want, "binding.x5t", "RFC 8705 3")
}

// presentedCert is the thumbprint of the client certificate that reached the
// verifier: from the evidence, from a header of a proxy, or from a log that
// names it beside the wanted one.
func (s *scene) presentedCert(g *sight, want string) string {
	if s.cert != nil {
		sum := sha256.Sum256(s.cert.Raw)
		return jose.EncodeSegment(sum[:])
	}
	for _, o := range [...]*sight{g, g.view} {
		if o == nil {
			continue
		}
		if c := certIn(o); c != nil {
			sum := sha256.Sum256(c.Raw)
			return jose.EncodeSegment(sum[:])
		}
	}
	for _, l := range s.logs {
		if l.doc.Kind == KindServerConfig || !strings.Contains(l.text, want) && l.topics&topicCertificate == 0 {
			continue
		}
		for _, m := range thumbLike.FindAllString(l.text, -1) {
			if m != want && isThumbprint(m) {
				return m
			}
		}
	}
	return ""
}

// certIn reads the certificate that a proxy passed on in a header: Client-Cert
// (RFC 9440), or PEM as nginx and others write it.
func certIn(g *sight) *x509.Certificate {
	name := certHeader(g)
	if name == "" {
		return nil
	}
	v := g.x.RequestHeader.Get(name)
	if u, err := url.QueryUnescape(strings.ReplaceAll(v, "+", "%2B")); err == nil {
		v = u
	}
	if i := strings.Index(v, "Cert=\""); i >= 0 { // XFCC
		v, _, _ = strings.Cut(v[i+6:], `"`)
	}
	for _, cut := range [...]string{"-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", ":", "\n", "\r", "\t", " "} {
		v = strings.ReplaceAll(v, cut, "")
	}
	der, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	return c
}

// certificateForm recognises an x5t#S256 over the wrong bytes.
func (s *scene) certificateForm(g *sight) *finding {
	want := s.certificateHash(g)
	if want == "" || s.cert == nil {
		return nil
	}
	sum := sha256.Sum256(s.cert.Raw)
	right := jose.EncodeSegment(sum[:])
	if right == want {
		return nil
	}
	what := encodingOf(want, sum[:])
	pem := string(s.certDoc.Body)
	b64 := base64.StdEncoding.EncodeToString(s.cert.Raw)
	sha := sha1.Sum(s.cert.Raw) //nolint:gosec // recognition only
	for _, c := range [...]candidate{
		{pem, "a hash over the PEM text"}, {strings.TrimSpace(pem), "a hash over the PEM text"}, {b64, "a hash over the base64 of the certificate"},
		{string(s.cert.RawSubjectPublicKeyInfo), "a hash over the public key instead of the certificate"}, {hex.EncodeToString(s.cert.Raw), "a hash over the hex of the certificate"},
	} {
		h := sha256.Sum256([]byte(c.text))
		if want == jose.EncodeSegment(h[:]) || encodingOf(want, h[:]) != "" {
			what = c.what
		}
	}
	if want == jose.EncodeSegment(sha[:]) || encodingOf(want, sha[:]) != "" {
		what = "the SHA-1 thumbprint (x5t) instead of SHA-256"
	}
	if what == "" {
		return nil
	}
	return found(High, "x5t#S256 in the token is computed wrong: it is "+what+"; SHA-256 of the DER certificate is "+right+".").heavier(30).
		computed("x5t#S256 of the token", want+" ("+what+")", right+", base64url of SHA-256 of the DER certificate", "binding.x5t", "RFC 8705 3.1")
}
