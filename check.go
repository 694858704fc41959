package holdfast

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// check is one rule of the RFCs, one row of the table. Tests are pure: they do
// not mutate, allocate, log, read a clock or do I/O.
type check struct {
	id, rfc, title string
	reqs           string // requirement ids that the row answers
	where          situation
	when           func(*evidence) bool // nil: always; false: not applicable
	needs          Fact                 // facts that must be known
	test           func(*evidence) Code // CodeOK is a pass
	show           func(*evidence) (got, want string)
}

// stage is a group of rows and what is gathered before they are judged: cheap
// before expensive.
type stage struct {
	name   string
	gather func(context.Context, *evidence)
	checks []check
}

// stages is the table. Rows are judged from top to bottom; Verify stops at the
// first failure, Explain runs every row whose facts are known. The order is
// part of the contract, cached or not.
var stages = [...]stage{
	{"request", gatherPresentation, []check{
		{
			id: "request.auth", rfc: "RFC 6750 2, RFC 9449 7.1", title: "exactly one authentication method, well formed",
			reqs: "B-2-02 B-2.1-03 B-2.2-02 B-2.3-02 D-4-02 D-7.1-02 D-7.2-05", where: atResource,
			needs: FactAuthorization, test: testAuth, show: showAuth,
		},
		{
			id: "request.scheme", rfc: "RFC 9449 7.1", title: "scheme DPoP or Bearer",
			reqs: "B-3.1-04 D-7.1-02", where: atResource, when: hasOneAuthorization,
			needs: FactAuthorization, test: testScheme, show: showScheme,
		},
		{
			id: "proof.single", rfc: "RFC 9449 4.3 (1)", title: "exactly one DPoP header",
			reqs: "D-4.3-01a D-4.3-01b D-4.3-01c D-7-01 D-7.1-03 D-4.1-02", where: proofBased, when: proofExpected,
			needs: FactProof, test: testSingle, show: showSingle,
		},
	}},
	{"shape", gatherProof, []check{
		{
			id: "proof.jwt", rfc: "RFC 9449 4.3 (2)", title: "one well-formed compact JWS of strict JSON",
			reqs: "D-4.1-01 D-4.1-02 D-4.2-13 D-4.3-02a D-4.3-02b J-4.1.11-01 J-5.2-01", where: proofBased, when: proofPresent,
			needs: FactProof | factRead, test: func(e *evidence) Code { return e.proof.form }, show: showForm,
		},
		{
			id: "proof.claims", rfc: "RFC 9449 4.3 (3)", title: "jti, htm, htu and iat present and typed",
			reqs: "D-4.3-03 D-11.1-04", where: proofBased, when: proofPresent,
			needs: factForm, test: testClaims, show: showClaims,
		},
		{
			id: "proof.typ", rfc: "RFC 9449 4.3 (4)", title: "typ is dpop+jwt",
			reqs: "D-4.3-04 D-11.5-01 J-3.12-01", where: proofBased, when: proofPresent,
			needs: factForm, test: testTyp, show: showTyp,
		},
	}},
	{"shape", gatherKey, []check{
		{
			id: "proof.alg", rfc: "RFC 9449 4.3 (5)", title: "asymmetric algorithm, known, accepted here, fits the key",
			reqs: "D-4.3-05a D-4.3-05b D-4.3-05c D-11.6-01 J-3.1-01", where: proofBased, when: proofPresent,
			needs: factForm, test: testAlg, show: showAlg,
		},
		{
			id: "proof.jwk", rfc: "RFC 9449 4.3 (7)", title: "valid public key, strong enough, no private members",
			reqs: "D-4.3-07a D-4.3-07b D-4.3-07c T-7-02", where: proofBased, when: proofPresent,
			needs: factForm, test: testJWK, show: showJWK,
		},
		{
			id: "proof.htm", rfc: "RFC 9449 4.3 (8)", title: "htm is the request method",
			reqs: "D-4.3-08", where: proofBased, when: proofPresent,
			needs: factHTM | FactMethod, test: testHTM,
			show: func(e *evidence) (string, string) { return clip(e.proof.htm), clip(e.p.Method) },
		},
		{
			id: "proof.htu", rfc: "RFC 9449 4.3 (9)", title: "htu is the URL of the request, without query and fragment",
			reqs: "D-4.3-09a D-4.3-09b D-4.3-09c D-7-03", where: proofBased, when: proofPresent,
			needs: factHTU | FactURL, test: testHTU,
			show: func(e *evidence) (string, string) { return clip(withoutQuery(e.proof.htu)), clip(e.urlNormal) },
		},
	}},
	{"freshness", gatherFreshness, []check{
		{
			id: "proof.nonce", rfc: "RFC 9449 4.3 (10), 8, 9", title: "nonce present if required, ours, current",
			reqs: "D-4.3-10a D-4.3-10b D-8-02 D-8-07 D-9-01 D-11.3-01", where: proofBased, when: proofPresent,
			needs: factForm | FactNonce, test: testNonce, show: showNonce,
		},
		{
			id: "proof.iat", rfc: "RFC 9449 4.3 (11), 11.1", title: "made within the accepted window",
			reqs: "D-4.3-11a D-4.3-11b D-11.1-01 D-11.1-05", where: proofBased, when: iatJudged,
			needs: factIAT | FactTime, test: (*evidence).iatCode, show: showIat,
		},
	}},
	{"holder", gatherHolder, []check{
		{
			id: "proof.ath", rfc: "RFC 9449 4.3 (12)", title: "ath is the hash of the presented token",
			reqs: "D-4.3-12a D-7-02 D-11.8-01", where: withProof, when: athJudged,
			needs: factForm | FactAuthorization | FactTokenValue, test: testAth, show: showAth,
		},
	}},
	{"holder", gatherSignature, []check{
		{
			id: "proof.signature", rfc: "RFC 9449 4.3 (6)", title: "signature verifies with the key in jwk",
			reqs: "D-3-01 D-4.3-06", where: proofBased, when: proofPresent,
			needs: FactProofSignature | factVerified,
			test:  func(e *evidence) Code { return pick(!e.verified, CodeProofSignatureInvalid) }, show: showProofSignature,
		},
		{
			id: "proof.bound_key", rfc: "RFC 9449 5, 10, 10.1", title: "key is the one bound to code, refresh token or pushed request",
			reqs: "D-5-06 D-10-02 D-10.1-05", where: atServer, when: boundKeyKnown,
			needs: factKey, test: testBoundKey, show: showBoundKey,
		},
	}},
	{"token", gatherToken, []check{
		{
			id: "token.form", rfc: "RFC 9068 4", title: "token was parsed",
			reqs: "AT-4-01", where: atResource, needs: FactToken, test: testTokenForm,
		},
		{
			id: "token.typ", rfc: "RFC 9068 4", title: "token is an access token",
			reqs: "AT-4-01 J-3.12-01", where: atResource, when: tokenTyped, needs: FactToken, test: testTokenTyp, show: showTokenTyp,
		},
		{
			id: "token.signature", rfc: "RFC 9068 4", title: "a known key of the issuer verifies",
			reqs: "B-5.2-02", where: atResource, needs: FactToken | FactTokenAuthentic, test: testTokenSignature,
		},
		{
			id: "token.active", rfc: "RFC 7662 2.2", title: "introspection says active",
			reqs: "B-3.1-02", where: atResource, needs: FactToken | FactTokenAuthentic, test: testTokenActive,
		},
		{
			id: "token.issuer", rfc: "RFC 9068 4", title: "an expected issuer",
			reqs: "D-3-02", where: atResource, when: tokenHasClaims, needs: FactToken | FactIssuers, test: testIssuer, show: showIssuer,
		},
		{
			id: "token.audience", rfc: "RFC 9068 4", title: "meant for this resource",
			reqs: "D-3-02", where: atResource, when: tokenHasClaims, needs: FactToken | FactAudience, test: testAudience, show: showAudience,
		},
		{
			id: "token.time", rfc: "RFC 9068 4", title: "exp ahead and nbf passed",
			reqs: "D-3-02", where: atResource, when: tokenHasClaims, needs: FactToken | FactTime, test: testTokenTime, show: showTokenTime,
		},
	}},
	{"binding", nil, []check{
		{
			id: "binding.scheme", rfc: "RFC 9449 7.1, 7.2", title: "a token bound to a proof key comes with DPoP, any other never does",
			reqs: "D-6-03 D-7.2-01 D-6.1-02", where: atResource, when: tokenHasClaims,
			needs: FactToken | FactAuthorization, test: testBindingScheme, show: showBindingScheme,
		},
		{
			id: "binding.present", rfc: "RFC 9449 6, RFC 8705 3, RFC 7800 3", title: "a confirmation that we support",
			reqs: "D-6-01 C-3.1-01 C-3.1-02", where: atResource, when: tokenHasClaims,
			needs: FactToken, test: testBindingPresent, show: showBindingPresent,
		},
		{
			id: "binding.jkt", rfc: "RFC 9449 4.3 (12)", title: "thumbprint of the token equals that of the proof key",
			reqs: "D-4.3-12b D-6-02 D-7.1-14", where: withProof, when: tokenHasJKT,
			needs: FactToken | factKey, test: testJKT, show: showJKT,
		},
		{
			id: "binding.x5t", rfc: "RFC 8705 3", title: "thumbprint of the token equals that of the client certificate",
			reqs: "M-3-04 M-3-06 M-3.1-02 M-3.1-03", where: atResource, when: tokenHasX5T,
			needs: FactToken | FactCertificate, test: testX5T, show: showX5T,
		},
	}},
	{"access", gatherBlocked, []check{
		{
			id: "access.blocked", rfc: "", title: "holder key and client are not blocked",
			where: atResource, when: hasBlockList, needs: FactBlocked,
			test: func(e *evidence) Code { return pick(e.blocked, CodeAccessBlockedBlocked) },
		},
		{
			id: "access.scope", rfc: "RFC 6750 3.1", title: "required scope present",
			reqs: "B-3.1-03", where: atResource, when: tokenHasClaims, needs: FactToken | FactNeed, test: testScope, show: showScope,
		},
		{
			id: "access.authentication", rfc: "RFC 9470 3", title: "acr and age of authentication as required",
			reqs: "SU-3-01", where: atResource, when: tokenHasClaims, needs: FactToken | FactNeed | FactTime,
			test: testAuthentication, show: showAuthentication,
		},
	}},
	{"replay", gatherReplay, []check{
		{
			id: "replay.jti", rfc: "RFC 9449 11.1", title: "first use of this jti by this key",
			reqs: "D-11.1-02 D-11.1-03 D-11.1-09", where: proofBased, when: proofPresent,
			needs: FactReplay, test: func(e *evidence) Code { return pick(!e.first, CodeReplayJTIReplayed) },
			show: func(e *evidence) (string, string) { return "jti " + clip(e.proof.jti), "a jti not seen before" },
		},
	}},
}

// CheckInfo describes one row of the table.
type CheckInfo struct {
	ID           string   `json:"id"`
	Stage        string   `json:"stage"`
	RFC          string   `json:"rfc,omitempty"`
	Title        string   `json:"title"`
	At           []string `json:"at"` // "resource-dpop", "resource-bearer", "authorization-server"
	Codes        []Code   `json:"codes"`
	Requirements []string `json:"requirements,omitempty"`
}

// Checks returns the rows of the table in the order in which they are judged.
func Checks() iter.Seq[CheckInfo] {
	return func(yield func(CheckInfo) bool) {
		for i := range stages {
			for j := range stages[i].checks {
				if !yield(stages[i].checks[j].info(stages[i].name)) {
					return
				}
			}
		}
	}
}

func (c *check) info(stage string) CheckInfo {
	ci := CheckInfo{ID: c.id, Stage: stage, RFC: c.rfc, Title: c.title, Requirements: strings.Fields(c.reqs)}
	for _, at := range [...]struct {
		s    situation
		name string
	}{{withProof, "resource-dpop"}, {withoutProof, "resource-bearer"}, {atServer, "authorization-server"}} {
		if c.where&at.s != 0 {
			ci.At = append(ci.At, at.name)
		}
	}
	for _, code := range Codes() {
		if strings.HasPrefix(code.String(), c.id+".") {
			ci.Codes = append(ci.Codes, code)
		}
	}
	return ci
}

// pick returns c if the check failed.
func pick(failed bool, c Code) Code {
	if failed {
		return c
	}
	return CodeOK
}

// Conditions: whether a row applies.

func hasOneAuthorization(e *evidence) bool {
	return len(e.p.Authorization) == 1 || e.have&FactAuthorization == 0
}

// proofExpected: the scheme DPoP needs a proof; an endpoint of an authorization
// server judges one that is there or required. A code or refresh token that is
// bound to a key is worth nothing without a proof (D-5-07, D-10-03); a pushed
// dpop_jkt may stand alone (D-10.1-04).
func proofExpected(e *evidence) bool {
	if e.sit == withProof || e.proofCount > 0 {
		return true
	}
	return e.sit == atServer && (e.need.Required || e.need.Code != nil || e.need.Refresh != nil)
}

func proofPresent(e *evidence) bool { return proofExpected(e) }

func iatJudged(e *evidence) bool { return proofExpected(e) && !e.nonceGovernsTime() }

// athJudged: without a token there is nothing to hash.
func athJudged(e *evidence) bool {
	return proofPresent(e) && (e.have&FactAuthorization == 0 || e.auth.token != "")
}

func boundKeyKnown(e *evidence) bool {
	return proofExpected(e) && (e.need.Code != nil || e.need.Refresh != nil || e.need.Pushed != nil)
}

func tokenTyped(e *evidence) bool { return tokenHasClaims(e) && (e.token == nil || e.token.Typed) }

// tokenHasClaims is false for a token that could not be read or is inactive:
// there is nothing in it to judge, and its own row says so.
func tokenHasClaims(e *evidence) bool {
	return e.token == nil || e.token.State != TokenMalformed && e.token.State != TokenInactive
}

func tokenHasJKT(e *evidence) bool {
	return e.token == nil || tokenHasClaims(e) && !e.token.Confirmation.JKT.IsZero()
}

func tokenHasX5T(e *evidence) bool {
	return e.token == nil || tokenHasClaims(e) && !e.token.Confirmation.X5T.IsZero()
}

func hasBlockList(e *evidence) bool { return e.v.blocks != nil }

// Tests.

func testAuth(e *evidence) Code {
	switch n := len(e.p.Authorization); {
	case n > 1 || n == 1 && len(e.p.Query) > 0 || len(e.p.Query) > 1:
		return CodeRequestAuthSeveral
	case n == 0:
		return CodeRequestAuthMissing // a token in the query is not accepted (RFC 6750 section 2.3)
	}
	return pick(e.auth.bad, CodeRequestAuthMalformed)
}

func testScheme(e *evidence) Code {
	return pick(e.auth.scheme == SchemeUnknown, CodeRequestSchemeUnsupported)
}

func testSingle(e *evidence) Code {
	switch {
	case e.proofCount == 0:
		return CodeProofSingleMissing
	case e.proofCount > 1:
		return CodeProofSingleSeveral
	}
	return CodeOK
}

func testClaims(e *evidence) Code {
	switch {
	case e.proof.missing != "":
		return CodeProofClaimsMissing
	case e.proof.mistyped != "":
		return CodeProofClaimsBad
	}
	return CodeOK
}

func testTyp(e *evidence) Code { return pick(e.proof.jws.Type != typProof, CodeProofTypWrong) }

func testAlg(e *evidence) Code {
	if c := algCode(e); c != CodeOK {
		return c
	}
	return pick(e.proof.key != nil && !e.proof.key.Fits(e.proof.jws.Alg), CodeProofAlgKeyMismatch)
}

// algCode judges the name of the algorithm, whatever the key.
func algCode(e *evidence) Code {
	j := &e.proof.jws
	switch j.Class {
	case jose.ClassAsymmetric:
	case jose.ClassSymmetric, jose.ClassNone:
		return CodeProofAlgSymmetric
	case jose.ClassPostQuantum:
		return CodeProofAlgRefused
	default:
		return CodeProofAlgUnknown
	}
	return pick(!e.v.algs.has(j.Alg), CodeProofAlgRefused)
}

func testJWK(e *evidence) Code {
	if !e.proof.hasJWK {
		return CodeProofJWKMissing
	}
	if e.proof.keyErr == nil {
		return CodeOK
	}
	switch e.proof.keyErr.Reason {
	case jose.KeyPrivate:
		return CodeProofJWKPrivate
	case jose.KeySymmetric:
		return CodeProofJWKSymmetric
	case jose.KeyWeak, jose.KeyTooLarge:
		return CodeProofJWKWeak
	}
	return CodeProofJWKInvalid
}

func testHTM(e *evidence) Code { return pick(e.proof.htm != e.p.Method, CodeProofHTMMismatch) }

func testHTU(e *evidence) Code {
	return pick(e.htuNormal == "" || e.htuNormal != e.urlNormal, CodeProofHTUMismatch)
}

func testNonce(e *evidence) Code {
	switch e.nonce.State {
	case NonceExpired:
		return CodeProofNonceExpired
	case NonceForeign:
		return CodeProofNonceForeign
	case NonceCurrent:
		return CodeOK
	}
	return pick(e.wantNonce, CodeProofNonceRequired)
}

func testAth(e *evidence) Code {
	if !e.proof.hasAth {
		return CodeProofAthMissing
	}
	return pick(!e.proof.athDecoded || e.proof.ath != e.tokenHash, CodeProofAthMismatch)
}

func testBoundKey(e *evidence) Code {
	t := Thumbprint(e.proof.key.Thumbprint())
	switch {
	case e.need.Pushed != nil && *e.need.Pushed != t:
		return CodeProofBoundKeyPushed
	case e.need.Code != nil && *e.need.Code != t:
		return CodeProofBoundKeyCode
	case e.need.Refresh != nil && *e.need.Refresh != t:
		return CodeProofBoundKeyRefresh
	}
	return CodeOK
}

func testTokenForm(e *evidence) Code {
	return pick(e.token.State == TokenMalformed, CodeTokenFormMalformed)
}

func testTokenTyp(e *evidence) Code {
	for _, t := range e.v.tokenTypes {
		if strings.EqualFold(t, e.token.Type) { // media types have no case (RFC 7515 section 4.1.9)
			return CodeOK
		}
	}
	return CodeTokenTypWrong
}

func testTokenSignature(e *evidence) Code {
	switch e.token.State {
	case TokenUnknownKey:
		return CodeTokenSignatureUnknownKey
	case TokenBadSignature:
		return CodeTokenSignatureInvalid
	}
	return CodeOK
}

func testTokenActive(e *evidence) Code {
	return pick(e.token.State == TokenInactive, CodeTokenActiveInactive)
}

func testIssuer(e *evidence) Code {
	return pick(e.token.Issuer == "" || !slices.Contains(e.issuers(), e.token.Issuer), CodeTokenIssuerMismatch)
}

func testAudience(e *evidence) Code {
	for _, a := range e.token.Audience {
		if a != "" && slices.Contains(e.audience(), a) {
			return CodeOK
		}
	}
	return CodeTokenAudienceMismatch
}

func testTokenTime(e *evidence) Code {
	t := e.token
	switch {
	case !t.Expires.IsZero() && !e.now.Before(t.Expires.Add(e.v.leeway)):
		return CodeTokenTimeExpired
	case !t.NotBefore.IsZero() && e.now.Add(e.v.leeway).Before(t.NotBefore):
		return CodeTokenTimeEarly
	}
	return CodeOK
}

func testBindingScheme(e *evidence) Code {
	c := &e.token.Confirmation
	switch e.auth.scheme {
	case SchemeBearer:
		return pick(!c.JKT.IsZero(), CodeBindingSchemeDowngrade)
	case SchemeDPoP:
		// An unreadable confirmation is judged by the next row.
		return pick(c.JKT.IsZero() && !c.Unsupported, CodeBindingSchemeNotBound)
	}
	return CodeOK
}

func testBindingPresent(e *evidence) Code {
	c := &e.token.Confirmation
	switch accept := e.acceptance(); {
	case c.Unsupported:
		return CodeBindingPresentUnsupported
	case accept == AcceptDPoPOnly && c.JKT.IsZero():
		return CodeBindingPresentUnbound
	case accept != AcceptBearerToo && !c.Bound():
		return CodeBindingPresentUnbound
	}
	return CodeOK
}

func testJKT(e *evidence) Code {
	return pick(e.token.Confirmation.JKT != Thumbprint(e.proof.key.Thumbprint()), CodeBindingJKTMismatch)
}

func testX5T(e *evidence) Code {
	if e.p.PeerCert == nil {
		return CodeBindingX5TMissing
	}
	return pick(e.token.Confirmation.X5T != certificateThumbprint(e.p.PeerCert), CodeBindingX5TMismatch)
}

func testScope(e *evidence) Code {
	any := len(e.need.Scope) == 0
	for _, s := range e.need.Scope {
		has := slices.Contains(e.token.Scope, s)
		if !has && !e.need.AnyScope {
			return CodeAccessScopeInsufficient
		}
		any = any || has
	}
	return pick(!any, CodeAccessScopeInsufficient)
}

func testAuthentication(e *evidence) Code {
	if len(e.need.ACR) > 0 && !slices.Contains(e.need.ACR, e.token.ACR) {
		return CodeAccessAuthenticationInsufficient
	}
	if e.need.MaxAge > 0 && (e.token.AuthTime.IsZero() || e.now.Sub(e.token.AuthTime) > e.need.MaxAge+e.v.leeway) {
		return CodeAccessAuthenticationInsufficient
	}
	return CodeOK
}

func (e *evidence) issuers() []string {
	if len(e.need.Issuers) > 0 {
		return e.need.Issuers
	}
	return e.v.issuers
}

func (e *evidence) audience() []string {
	if len(e.need.Audience) > 0 {
		return e.need.Audience
	}
	return e.v.audience
}

func (e *evidence) acceptance() Acceptance {
	if e.need.Accept != AcceptBound {
		return e.need.Accept
	}
	return e.v.accept
}

// seconds prints a time as NumericDate with its UTC form.
func seconds(t time.Time) string { return t.UTC().Format(time.RFC3339) }
