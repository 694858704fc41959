package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// proofCauses are the causes of class proof-construction, a table and so longer
// than a function should be: the proof itself was
// built wrong, or not at all.
func proofCauses() []cause {
	const class = "proof-construction"
	return []cause{
		{
			code: "proof-missing", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 7.1",
			codes: []holdfast.Code{holdfast.CodeProofSingleMissing}, topics: topicProofMissing | topicProof,
			decides: "no DPoP header although the scheme is DPoP or the token has cnf.jkt", rulesOut: "a DPoP header in the client's own capture",
			beats: []string{"token-not-bound", "scheme-unsupported-by-rs"},
			fix: Fix{
				Client:         "attach a fresh DPoP proof to every request that carries this token",
				ResourceServer: `say "proof missing" in the challenge, with algs`,
			},
			find: findProofMissing,
		},
		{
			code: "proof-missing-at-token-endpoint", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 5, 5.2",
			codes: []holdfast.Code{holdfast.CodeProofSingleMissing}, topics: topicProofMissing | topicProof,
			decides:  "a token or PAR request without DPoP, and the error names the proof or the client is registered with dpop_bound_access_tokens",
			rulesOut: "a proof in that request", beats: []string{"client-authentication-failed", "grant-invalid", "dpop-not-advertised"},
			fix: Fix{
				Client:              "send a DPoP proof with the token request (and with PAR); upgrade a library that cannot",
				AuthorizationServer: "answer with a reason; document that new clients have to use DPoP by default (dpop_bound_access_tokens)",
			},
			find: findProofMissingAtServer,
		},
		{
			code: "proof-header-duplicated", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (1)",
			codes: []holdfast.Code{holdfast.CodeProofSingleSeveral}, topics: topicProofSeveral | topicProofForm | topicProof,
			decides: "two DPoP fields, or two proofs joined by a comma", rulesOut: "a raw header list with one",
			beats: []string{"binding-key-mismatch", "proof-malformed", "key-regenerated-token-cached", "bound-token-forwarded", "jti-not-unique", "proof-reused-on-retry"},
			fix: Fix{
				Client:              "let one component sign: send exactly one DPoP header with one proof",
				ResourceServer:      "count the DPoP fields before parsing them, and refuse more than one",
				AuthorizationServer: "count the DPoP fields before parsing them, and refuse more than one",
			},
			find: findProofDuplicated,
		},
		{
			code: "proof-malformed", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (2), RFC 7515 2",
			codes:  []holdfast.Code{holdfast.CodeProofJWTMalformed, holdfast.CodeProofJWTCrit, holdfast.CodeProofJWTTooLarge},
			topics: topicProofForm | topicProof | topicProofSignature, decides: "decoding fails, with the place of the fault", rulesOut: "it decodes; or the capture was cut",
			fix: Fix{
				Client:              "build the proof with a JOSE library: compact JWS, base64url without padding, no + or /, no duplicate members",
				ResourceServer:      "answer a malformed proof with a 400-class error, never 500",
				AuthorizationServer: "answer a malformed proof with a 400-class error, never 500",
			},
			find: findProofMalformed,
		},
		{
			code: "proof-typ-wrong", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 4.3 (4)",
			codes: []holdfast.Code{holdfast.CodeProofTypWrong}, topics: topicTyp | topicProofForm | topicProof | topicTokenType,
			decides: "the decoded header", rulesOut: "typ equals dpop+jwt exactly", beats: []string{"proof-malformed"},
			fix: Fix{
				Client:              `set typ to "dpop+jwt" explicitly; libraries default to "JWT"`,
				ResourceServer:      "name the member typ in the error",
				AuthorizationServer: "name the member typ in the error",
			},
			find: findTyp,
		},
		{
			code: "proof-alg-not-accepted", class: class, family: FamilyPoP, severity: "medium", rfc: "RFC 9449 4.3 (5), 5.1",
			codes:  []holdfast.Code{holdfast.CodeProofAlgUnknown, holdfast.CodeProofAlgSymmetric, holdfast.CodeProofAlgRefused, holdfast.CodeProofJWKWeak, holdfast.CodeProofJWKSymmetric},
			topics: topicAlg | topicProof | topicProofSignature | topicJWK, decides: "alg is none, symmetric or absent from the server's list, or the key is too weak", rulesOut: "alg is listed and the key is strong",
			beats: []string{"proof-signature-invalid", "proof-alg-key-mismatch", "proof-jwk-malformed"},
			fix: Fix{
				Client:              "choose an asymmetric algorithm from the intersection with the server's list (algs of the challenge, dpop_signing_alg_values_supported); RSA keys have 2048 bits or more",
				ResourceServer:      "send algs in the DPoP challenge",
				AuthorizationServer: "publish dpop_signing_alg_values_supported in every metadata document",
			},
			find: findAlg,
		},
		{
			code: "proof-alg-key-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (5), (6)",
			codes: []holdfast.Code{holdfast.CodeProofAlgKeyMismatch, holdfast.CodeProofSignatureInvalid}, topics: topicProofSignature | topicAlg | topicJWK | topicProof,
			decides: "the signature fails under alg and verifies under a neighbour, or kty or crv does not fit alg", rulesOut: "it verifies as declared",
			beats: []string{"proof-signature-invalid"},
			fix: Fix{
				Client:              "derive the signing method from the alg in the header (hash, and PSS against PKCS1), and alg from the key",
				ResourceServer:      "check alg against kty and crv before verifying",
				AuthorizationServer: "check alg against kty and crv before verifying",
			},
			find: findAlgKey,
		},
		{
			code: "proof-signature-invalid", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (6)",
			codes: []holdfast.Code{holdfast.CodeProofSignatureInvalid}, topics: topicProofSignature | topicProof,
			decides: "right length, fails under jwk; DER and neighbouring algorithms fail too", rulesOut: "it verifies",
			fix:  Fix{Client: "never alter a proof after signing it; use one key object for jwk and for signing"},
			find: findSignature,
		},
		{
			code: "proof-signature-der-encoded", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 7518 3.4",
			codes: []holdfast.Code{holdfast.CodeProofSignatureInvalid}, topics: topicProofSignature | topicProofForm | topicProof,
			decides: "first byte 0x30 and it verifies as ASN.1", rulesOut: "the length is 64 (96, 132)", beats: []string{"proof-signature-invalid", "proof-alg-key-mismatch"},
			fix: Fix{
				Client:              "convert the ASN.1 DER signature to raw R||S of fixed length (64 bytes for ES256, IEEE P1363 form); never guess from the first byte",
				ResourceServer:      "mention the expected length in the error",
				AuthorizationServer: "mention the expected length in the error",
			},
			find: findDER,
		},
		{
			code: "proof-jwk-malformed", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.2, RFC 7517 4",
			codes: []holdfast.Code{holdfast.CodeProofJWKMissing, holdfast.CodeProofJWKInvalid}, topics: topicJWK | topicProofForm | topicProof,
			decides: "jwk is missing, a string, incomplete, or replaced by kid", rulesOut: "jwk is an object with the required members", beats: []string{"proof-signature-invalid", "proof-alg-key-mismatch"},
			fix: Fix{
				Client:              "embed the public key as a JSON object in the header member jwk, with all required members",
				ResourceServer:      "answer invalid_dpop_proof, not 500",
				AuthorizationServer: "answer invalid_dpop_proof, not 500",
			},
			find: findJWK,
		},
		{
			code: "proof-jwk-contains-private-key", class: class, family: FamilyPoP, severity: "critical", rfc: "RFC 9449 4.3 (7)",
			codes: []holdfast.Code{holdfast.CodeProofJWKPrivate}, topics: topicPrivateKey | topicJWK | topicProof,
			decides: "d, p, q, dp, dq, qi, oth, k or priv is present", rulesOut: "only public members", beats: []string{"proof-signature-invalid", "proof-jwk-malformed", "proof-malformed"},
			fix: Fix{
				Client:              "export the public part only; treat the key as compromised: discard it, make a new key and revoke the tokens bound to it",
				ResourceServer:      "reject such proofs, and do not log the header",
				AuthorizationServer: "reject such proofs, and do not log the header",
			},
			find: findPrivate,
		},
		{
			code: "proof-claim-missing", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (3)",
			codes: []holdfast.Code{holdfast.CodeProofClaimsMissing, holdfast.CodeProofClaimsBad}, topics: topicClaim | topicProofForm | topicProof | topicReplay | topicClock | topicHTM | topicHTU,
			decides: "jti, htm, htu or iat is absent, misnamed or of the wrong type", rulesOut: "all four present and well typed", beats: []string{"client-clock-skew", "jti-not-unique"},
			fix: Fix{
				Client:              "fix the proof builder: jti, htm, htu as strings and iat as a number, with exactly these names",
				ResourceServer:      "name the claim in the error",
				AuthorizationServer: "name the claim in the error",
			},
			find: findClaims,
		},
		{
			code: "htm-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (8)",
			codes: []holdfast.Code{holdfast.CodeProofHTMMismatch}, topics: topicHTM | topicProof, decides: "htm beside the request method", rulesOut: "they are equal, case included",
			beats: []string{"insufficient-scope"},
			fix:   Fix{Client: "sign after the method is known: htm is the HTTP method of this very request, in the same letter case"},
			find:  findHTM,
		},
		{
			code: "ath-missing", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.2, 7",
			codes: []holdfast.Code{holdfast.CodeProofAthMissing}, topics: topicAth | topicClaim | topicProof, decides: "a token is sent and the proof has no ath", rulesOut: "ath present, or no token in the request",
			beats: []string{"proof-claim-missing"},
			fix:   Fix{Client: "add the claim ath, base64url of SHA-256 of the access token, whenever a token is sent", ResourceServer: "name the claim ath in the error"},
			find:  findAthMissing,
		},
		{
			code: "ath-mismatch-stale-token", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (12)",
			codes: []holdfast.Code{holdfast.CodeProofAthMismatch}, topics: topicAth | topicProof, decides: "ath is the hash of a token seen earlier", rulesOut: "ath is the hash of the sent token",
			beats: []string{"ath-mismatch", "token-expired"},
			fix:   Fix{Client: "compute ath from the current access token, the one being sent, anew per request"},
			find:  findAthStale,
		},
		{
			code: "ath-encoding-wrong", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.2",
			codes: []holdfast.Code{holdfast.CodeProofAthMismatch}, topics: topicAth | topicProof, decides: "the digest bytes are equal after decoding", rulesOut: "exact equality",
			beats: []string{"ath-mismatch"},
			fix:   Fix{Client: "encode the raw SHA-256 digest as base64url without padding, not as hex or standard base64"},
			find:  findAthEncoding,
		},
		{
			code: "ath-mismatch", class: class, family: FamilyPoP, severity: "high", rfc: "RFC 9449 4.3 (12)",
			codes: []holdfast.Code{holdfast.CodeProofAthMismatch}, topics: topicAth | topicProof, decides: "ath differs from all candidates, or is the hash of scheme plus token, a refresh token or an ID token", rulesOut: "equal",
			fix:  Fix{Client: "hash the bare access token value, without scheme, quotes or line break"},
			find: findAthOther,
		},
	}
}

func findProofMissing(s *scene, g *sight) *finding {
	if g.role.atServer() || g.hides(holdfast.FactProof) || len(g.x.Request.Proofs) > 0 || g.viewOf != nil && g.viewOf.proof != nil {
		return nil
	}
	if !g.dpop() {
		return nil
	}
	f := found(High, "The request uses the DPoP scheme but carries no DPoP header: the proof is missing.").
		computed("DPoP header of the request", "absent", "one DPoP proof", "proof.single", "RFC 9449 4.3 (1)")
	if jkt, where := s.boundTo(g); jkt != "" {
		f.computed("the token is bound to a key", where+" "+jkt, "", "binding.scheme", "RFC 9449 6.1")
	}
	return f
}

func findProofMissingAtServer(s *scene, g *sight) *finding {
	if !g.role.atServer() || g.hides(holdfast.FactProof) || len(g.x.Request.Proofs) > 0 {
		return nil
	}
	endpoint := "token endpoint"
	if g.role == rolePAR {
		endpoint = "PAR endpoint"
	}
	what := "request"
	if kind := g.form.Get("grant_type"); kind != "" {
		what = strings.ReplaceAll(kind, "_", " ") + " request"
	}
	f := found(High, "The "+what+" to the "+endpoint+" carries no DPoP proof, and this client has to send one: no DPoP header in the token request.").
		computed("DPoP header of the request to the "+endpoint, "absent", "one DPoP proof", "proof.single", "RFC 9449 5")
	switch {
	case s.clientFlag("dpop_bound_access_tokens"):
		return f.stated("client registration", "dpop_bound_access_tokens is true")
	case g.said.errorCode == "use_dpop_nonce" && g.said.nonce != "":
		return nil // the nonce rules know better
	case g.said.topics&topicProofMissing != 0 || g.said.errorCode == "invalid_dpop_proof" || g.said.topics&topicProof != 0:
		return f
	}
	return nil
}

// clientFlag looks for a boolean member in what is known of the client.
func (s *scene) clientFlag(name string) bool {
	switch v := s.client[name].(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	for _, l := range s.logs {
		if i := strings.Index(l.text, name); i >= 0 && strings.Contains(l.text[i:], "true") {
			return true
		}
	}
	for _, o := range s.all { // a registration (RFC 7591)
		if o.json[name] == true || looseObject(o.x.RequestBody)[name] == true {
			return true
		}
	}
	return false
}

func findProofDuplicated(_ *scene, g *sight) *finding {
	fields := g.x.Request.Proofs // even if removed, they can be counted
	joined := 0
	for _, p := range fields {
		joined += strings.Count(p.Reveal(), ",")
	}
	if len(fields)+joined < 2 {
		return nil
	}
	how := fmt.Sprintf("%d DPoP header fields", len(fields))
	if joined > 0 {
		how = fmt.Sprintf("%d proofs joined by a comma in one DPoP header", joined+1)
	}
	f := found(High, "The request carries more than one DPoP proof: "+how+".").heavier(30).
		computed("DPoP headers of the request", how, "exactly one DPoP header with one proof", "proof.single", "RFC 9449 4.3 (1)")
	if len(fields) > 1 {
		a, b := readLooseProof(fields[0].Reveal()), readLooseProof(fields[1].Reveal())
		if !a.jkt.IsZero() && !b.jkt.IsZero() && a.jkt != b.jkt {
			f.computed("the two proofs are signed by two keys", a.jkt.String()+" and "+b.jkt.String(), "one key", "", "")
		} else if !a.jkt.IsZero() && a.jkt == b.jkt {
			f.computed("both proofs are signed by one key", a.jkt.String(), "", "", "")
		}
	}
	return f
}

func findProofMalformed(_ *scene, g *sight) *finding {
	p := g.proof
	if p == nil || p.hidden || p.strict == nil || len(g.x.Request.Proofs) != 1 {
		return nil
	}
	f := found(High, "The DPoP header is not a well-formed compact JWS: "+faultOf(p)+".")
	f.row(g, "proof.jwt")
	switch p.alphabet {
	case "padding":
		f.computed("base64url of the proof", "has padding (=)", "no padding", "proof.jwt", "RFC 7515 2")
	case "standard alphabet":
		f.computed("base64url of the proof", "uses + or / of the standard base64 alphabet", "- and _", "proof.jwt", "RFC 7515 2")
	case "line break", "blank":
		f.computed("base64url of the proof", "has a "+p.alphabet, "none", "proof.jwt", "RFC 7515 2")
	}
	if p.parts != 3 {
		f.computed("parts of the proof", fmt.Sprintf("%d parts", p.parts), "3 parts: header.payload.signature", "proof.jwt", "RFC 7515 7.1")
	}
	for _, name := range p.repeated {
		f.computed("member names", "duplicate member "+name, "each member once", "proof.jwt", "RFC 7519 4")
	}
	return f
}

// faultOf says in words why a proof does not parse.
func faultOf(p *looseProof) string {
	switch {
	case len(p.repeated) > 0:
		return "the member " + p.repeated[0] + " occurs twice (duplicate)"
	case p.alphabet == "padding":
		return "its base64url has padding"
	case p.alphabet == "standard alphabet":
		return "it uses the standard base64 alphabet (+ or /) instead of base64url"
	case p.alphabet != "":
		return "it has a " + p.alphabet + " in it"
	case p.parts != 3:
		return fmt.Sprintf("it has %d parts instead of 3", p.parts)
	}
	return p.strict.Error()
}

func findTyp(_ *scene, g *sight) *finding {
	if !g.fails(holdfast.CodeProofTypWrong) {
		return nil
	}
	got := g.proof.typ
	if got == "" {
		got = "absent"
	}
	return found(High, "typ in the proof's header is "+got+" instead of dpop+jwt.").row(g, "proof.typ")
}

func findAlg(s *scene, g *sight) *finding {
	listed := s.serverAlgs(g)
	where := "the list of the server"
	if len(g.said.algs) > 0 {
		where = "algs of the challenge"
	}
	switch {
	case g.fails(holdfast.CodeProofAlgSymmetric):
		return found(High, "The proof is signed with alg "+g.proof.alg+": none and symmetric algorithms are never accepted.").row(g, "proof.alg").heavier(10)
	case g.fails(holdfast.CodeProofAlgUnknown):
		return found(High, "alg "+g.proof.alg+" of the proof is not a known signature algorithm.").row(g, "proof.alg").heavier(10)
	case g.fails(holdfast.CodeProofAlgRefused):
		return found(High, "alg "+g.proof.alg+" of the proof is not in "+where+": "+strings.Join(listed, " ")+".").heavier(10).
			computed("alg of the proof", g.proof.alg, strings.Join(listed, " "), "proof.alg", "RFC 9449 4.3 (5)")
	case g.fails(holdfast.CodeProofJWKWeak):
		return found(High, "The key of the proof is too weak or too large for its algorithm.").row(g, "proof.jwk").heavier(10)
	case g.fails(holdfast.CodeProofJWKSymmetric):
		return found(High, "jwk in the proof is a symmetric key.").row(g, "proof.jwk").heavier(10)
	case g.proof != nil && !g.proof.hidden && len(listed) == 0 && g.said.topics&topicAlg != 0 && g.said.topics&topicProof != 0 && s.proofFine(g):
		return found(Medium, "The server says that it does not accept alg "+g.proof.alg+"; the proof itself is sound.").
			computed("alg of the proof", g.proof.alg, "an algorithm that the server accepts", "proof.alg", "RFC 9449 4.3 (5)").stated("the server said", g.said.quote())
	}
	return nil
}

func findAlgKey(_ *scene, g *sight) *finding {
	p := g.proof
	if p == nil || p.hidden || p.strict != nil {
		return nil
	}
	if g.fails(holdfast.CodeProofAlgKeyMismatch) {
		f := found(High, "alg "+p.alg+" does not fit the key in jwk ("+keyName(p)+").").row(g, "proof.alg").heavier(10)
		if p.neighbour != "" {
			f.computed("the signature verifies under another algorithm", p.neighbour, p.alg, "proof.signature", "RFC 9449 4.3 (6)")
		}
		return f
	}
	if !p.sigOK && p.neighbour != "" {
		return found(High, "The header says alg "+p.alg+", but the signature was made with "+p.neighbour+".").heavier(10).
			computed("signature of the proof", "fails as "+p.alg+", verifies as "+p.neighbour, "verifies as "+p.alg, "proof.signature", "RFC 9449 4.3 (6)")
	}
	return nil
}

func keyName(p *looseProof) string {
	if p.key == nil {
		return "unknown"
	}
	return strings.TrimSpace(p.key.Kty() + " " + p.key.Crv())
}

func findSignature(_ *scene, g *sight) *finding {
	p := g.proof
	if p == nil || p.hidden || p.strict != nil {
		return nil
	}
	if p.sigMark == "invalid" && !p.der && p.neighbour == "" {
		return found(High, "The signature of the proof does not verify with the key in its jwk, as the redacted evidence says.").
			stated("signature of the proof", "marked invalid when it was removed")
	}
	if !g.fails(holdfast.CodeProofSignatureInvalid) || p.der || p.neighbour != "" {
		return nil
	}
	f := found(High, "The signature of the proof does not verify with the key in its jwk.").row(g, "proof.signature")
	if want := signatureLength(p); want > 0 && len(p.sig) != want {
		f.computed("length of the signature", fmt.Sprintf("%d bytes", len(p.sig)), fmt.Sprintf("%d bytes", want), "proof.signature", "RFC 7518 3.4")
	} else {
		f.computed("other forms", "neither ASN.1 DER nor a neighbouring algorithm verifies", "", "proof.signature", "")
	}
	return f
}

func signatureLength(p *looseProof) int {
	switch p.alg {
	case "ES256", "EdDSA", "Ed25519":
		return 64
	case "ES384":
		return 96
	case "ES512":
		return 132
	}
	return 0
}

func findDER(_ *scene, g *sight) *finding {
	p := g.proof
	if p == nil || !p.der || p.hidden {
		return nil
	}
	want := signatureLength(p)
	size := ""
	if len(p.sig) > 0 {
		size = fmt.Sprintf("%d bytes of ", len(p.sig))
	}
	return found(High, fmt.Sprintf("The ECDSA signature of the proof is %sASN.1 DER instead of raw R||S (%d bytes); as DER it verifies.", size, want)).heavier(20).
		computed("signature of the proof", size+"ASN.1 DER, valid in that form",
			fmt.Sprintf("%d bytes, R||S", want), "proof.signature", "RFC 7518 3.4")
}

func findJWK(_ *scene, g *sight) *finding {
	if !g.fails(holdfast.CodeProofJWKMissing, holdfast.CodeProofJWKInvalid) {
		return nil
	}
	p := g.proof
	f := found(High, "jwk in the proof's header is not a usable public key.").heavier(10)
	switch v := p.header["jwk"].(type) {
	case string:
		f.summary = "jwk in the proof's header is a JSON string instead of an object."
		f.computed("jwk of the proof", "a string", "a JSON object", "proof.jwk", "RFC 9449 4.2")
	case nil:
		f.summary = "The proof's header has no jwk: the public key is missing."
		got := "absent"
		if kid := text(p.header, "kid"); kid != "" {
			f.summary = "The proof's header has kid in place of jwk: the public key itself is missing."
			got = "absent, kid " + kid + " instead"
		}
		f.computed("jwk of the proof", got, "the public key as a JSON object", "proof.jwk", "RFC 9449 4.2")
	case map[string]any:
		f.row(g, "proof.jwk")
		if missing := missingMembers(v); len(missing) > 0 {
			f.summary = "jwk in the proof's header lacks " + strings.Join(missing, ", ") + "."
		} else if p.keyErr != nil {
			f.summary = "jwk in the proof's header is not a valid public key: " + p.keyErr.Error() + "."
		}
	default:
		f.computed("jwk of the proof", "neither object nor string", "a JSON object", "proof.jwk", "RFC 9449 4.2")
	}
	return f
}

func missingMembers(jwk map[string]any) []string {
	var want, out []string
	switch text(jwk, "kty") {
	case "EC":
		want = []string{"crv", "x", "y"}
	case "OKP":
		want = []string{"crv", "x"}
	case "RSA":
		want = []string{"n", "e"}
	default:
		want = []string{"kty"}
	}
	for _, m := range want {
		if jwk[m] == nil {
			out = append(out, m)
		}
	}
	return out
}

var privateMembers = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func findPrivate(_ *scene, g *sight) *finding {
	if !g.fails(holdfast.CodeProofJWKPrivate) {
		return nil
	}
	var names []string
	for _, m := range privateMembers {
		if _, ok := g.proof.jwk[m]; ok {
			names = append(names, m)
		}
	}
	return found(High, "jwk in the proof contains the private key (member "+strings.Join(names, ", ")+"): it was sent to the server with every request.").heavier(40).
		computed("members of jwk", "private: "+strings.Join(names, ", "), "public members only", "proof.jwk", "RFC 9449 4.3 (7)")
}

// nearNames are misspellings and synonyms of the required claims that were seen.
var nearNames = map[string][]string{
	"jti": {"jit", "jtid", "jwt_id", "jid", "id", "JTI", "nonce_id", "uuid", "jwtid", "tid"},
	"htm": {"http_method", "method", "hmt", "HTM", "htmethod", "httpMethod", "http_meth", "m"},
	"htu": {"http_uri", "url", "uri", "hut", "HTU", "http_url", "httpUri", "httpUrl", "u", "target"},
	"iat": {"issued_at", "ita", "IAT", "issuedAt", "ts", "timestamp", "time", "at", "aat"},
}

func findClaims(_ *scene, g *sight) *finding {
	if !g.fails(holdfast.CodeProofClaimsMissing, holdfast.CodeProofClaimsBad) {
		return nil
	}
	p := g.proof
	f := found(High, "").heavier(5)
	for _, name := range [...]string{"jti", "htm", "htu", "iat"} {
		v, present := p.claims[name]
		switch _, isText := v.(string); {
		case !present:
			got := "absent"
			if near := nearName(p.claims, name); near != "" {
				got = "absent; there is a claim " + near + ", which looks like a misspelling"
				f.clientSays("rename the claim " + near + " to " + name)
			}
			f.because = append(f.because, Fact{Fact: "claim " + name, Observed: got, Expected: name, Source: Computed, Check: "proof.claims", RFC: "RFC 9449 4.2"})
			f.summary = join(f.summary, "the claim "+name+" is missing from the proof"+strings.TrimPrefix(got, "absent"))
		case name == "iat" && !p.hasIat:
			f.computed("claim iat", "not a number", "a number of seconds", "proof.claims", "RFC 9449 4.2")
			f.summary = join(f.summary, "the claim iat is not a number")
		case name != "iat" && (!isText || v == ""):
			f.computed("claim "+name, "empty or not a string", "a non-empty string", "proof.claims", "RFC 9449 4.2")
			f.summary = join(f.summary, "the claim "+name+" is empty or not a string")
		}
	}
	if f.summary == "" {
		f.summary = "a claim of the proof has the wrong type"
		f.row(g, "proof.claims")
	}
	f.summary = strings.ToUpper(f.summary[:1]) + f.summary[1:] + "."
	return f
}

// nearName finds a claim that was probably meant: a known variant, or one at an
// edit distance of one or a swap of two letters.
func nearName(claims map[string]any, want string) string {
	names := make([]string, 0, len(claims))
	for n := range claims {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		if slices.Contains(nearNames[want], n) {
			return n
		}
	}
	known := []string{"jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf", "iss", "sub", "aud"}
	for _, n := range names {
		if slices.Contains(known, n) {
			continue
		}
		if oneEdit(strings.ToLower(n), want) {
			return n
		}
		if len(n) != len(want) {
			continue
		}
		a, b := []byte(strings.ToLower(n)), []byte(want)
		slices.Sort(a)
		slices.Sort(b)
		if slices.Equal(a, b) {
			return n
		}
	}
	return ""
}

// oneEdit reports whether one letter replaced, added or left out makes a of b.
func oneEdit(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	switch len(a) - len(b) {
	case 0:
		return i < len(b) && a[i+1:] == b[i+1:]
	case 1:
		return a[i+1:] == b[i:]
	}
	return false
}

func findHTM(_ *scene, g *sight) *finding {
	if !g.fails(holdfast.CodeProofHTMMismatch) {
		return nil
	}
	return found(High, "htm in the proof is "+g.proof.htm+", the request method is "+g.x.Request.Method+".").heavier(5).
		computed("htm of the proof", g.proof.htm, g.x.Request.Method, "proof.htm", "RFC 9449 4.3 (8)")
}
