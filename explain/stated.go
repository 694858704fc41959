package explain

import (
	"regexp"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// topic is what a server's words are about, as a bit set. Words rank causes;
// they never overrule a recomputed fact.
type topic uint64

const (
	topicHTU topic = 1 << iota
	topicHTM
	topicIatOld
	topicIatFuture
	topicClock // about time, direction unknown
	topicNonce
	topicReplay
	topicAth
	topicProofSignature
	topicTyp
	topicAlg
	topicJWK
	topicPrivateKey
	topicProofMissing
	topicProofSeveral
	topicProofForm
	topicClaim
	topicBinding
	topicNotBound
	topicExpired
	topicNotYet
	topicRevoked
	topicAudience
	topicIssuer
	topicScope
	topicTokenKey
	topicTokenSignature
	topicTokenType
	topicTokenForm
	topicTokenMissing
	topicScheme
	topicCertificate
	topicClientAuth
	topicAssertionReplay
	topicGrant
	topicRefreshReuse
	topicSize
	topicProof // invalid_dpop_proof and the like, no more precise
	topicToken // invalid_token and the like, no more precise
	topicCORS
	topicKeyStore
)

// topicWords maps words to topics. The patterns are the field's vocabulary, in
// the variants that servers use; no product, host or case is named.
var topicWords = []struct {
	re *regexp.Regexp
	t  topic
}{
	{words(`\bhtu\b|(proof|dpop|pop)[^.]{0,12}\btarget\b|\(target\)|http ?ur[il]\b|target ?ur[il]|(request|dpop|proof)[ _-]?ur[il].{0,30}(match|differ|equal|valid|expected)|ur[il].{0,20}(mismatch|does ?n.?t match|not match)|wrong ur[il]`), topicHTU},
	{words(`\bhtm\b|http method.{0,30}(match|differ|invalid)|method.{0,12}mismatch`), topicHTM},
	{words(`(iat|issued|proof|dpop).{0,60}(too old|too far in the past|in the past|stale)|(proof|dpop)[^.]{0,40}\bexpired|too old|iat.{0,30}(old|past|expired)`), topicIatOld},
	{words(`(iat|issued|proof|dpop|jwt)[^.]{0,60}future|in the future|iat.{0,30}ahead`), topicIatFuture},
	{words(`\biat\b|issued.at|(proof|dpop)[^.]{0,20}(not|no longer) (active|fresh|valid (yet|any ?more))|not recent|time ?window|time ?frame|clock|freshness|not fresh|time.{0,10}skew|timestamp|acceptable (time|range|period)|lifetime.{0,20}proof|proof.{0,20}lifetime`), topicClock},
	{words(`use_dpop_nonce|\bnonce\b`), topicNonce},
	{words(`replay|already (been )?(used|seen|consumed|processed)|\bjti\b.{0,40}(used|seen|unique|reus|known|exist|duplicate)|(proof|dpop|jti)[^.]{0,20}(reus|duplicate)|used (twice|before|more than once)|duplicate jti|one.time`), topicReplay},
	{words(`\bath\b|access.token hash|token hash|hash of the access token`), topicAth},
	{words(`(proof|dpop|jws|jwt)?[^.]{0,30}signature`), topicProofSignature},
	{words(`\btyp\b|(missing|invalid|wrong|unsupported|unexpected)[^.]{0,15}\btype\b[^.]{0,15}(dpop|proof|jose|jwt header)|(dpop|proof|jose)[^.]{0,20}\btype\b|"typ"|dpop\+jwt|jwt type|token type header`), topicTyp},
	{words(`\balg\b|algorithm|signing.alg|unsupported.{0,15}(es|rs|ps|ed|hs)\w?\d*`), topicAlg},
	{words(`\bjwk\b|public key|embedded key|key type|\bkty\b|elliptic curve|json web key`), topicJWK},
	{words(`private (key|member|component|part)`), topicPrivateKey},
	{words(`(dpop|proof)[^.,;]{0,40}(missing|required|absent|not (present|provided|found|included|supplied)|expected)|(missing|no|without|requires?|must (include|contain|provide|send)|expected?)( a| an| the| valid| one| any)* ?(dpop|proof)|dpop (header|proof)( jwt)? (is |was )?(missing|required|null|empty)|dpop_bound`), topicProofMissing},
	{words(`(multiple|more than one|several|two|duplicate|exactly one|only one|too many).{0,25}(dpop|proof)|(dpop|proof).{0,30}(multiple|more than once|exactly (once|one)|repeated|twice)`), topicProofSeveral},
	{words(`(proof|dpop|jwt|jws|json|base64)[^.]{0,40}(malformed|parse|decod|not a (valid )?jwt|well.?formed|unparsable|syntax|invalid (format|json|compact|serial))|(malformed|cannot parse|could not (be )?pars|failed to (parse|decode)|illegal base64|unexpected (token|character)|invalid compact)|invalid.{0,10}base64|padding`), topicProofForm},
	{words(`(missing|required|no|lacks?|invalid|unexpected|absent).{0,25}\bclaims?\b|\bclaims?\b.{0,30}(missing|required|absent|invalid|not present|must)|"?\b(jti|htm|htu|iat)\b"?.{0,12}(is )?(missing|required|absent|must be|not (present|found))|(missing|required).{0,10}\b(jti|htm|htu|iat)\b`), topicClaim},
	{words(`key[ -]?binding|(dpop|token)[ -]binding|\bcnf\b|\bjkt\b|thumbprint|bound to (a |an)?(different|another|other)|confirmation|proof.of.possession|different (dpop )?key|key (mismatch|does not match)|(not|isn.t|wasn.t) bound to (this|the) |holder.of.key|does not match the (key|dpop)`), topicBinding},
	{words(`not (sender.constrained|dpop.bound|bound\b)|unbound|no (key )?confirmation|without (a )?(cnf|confirmation|key confirmation)|(requires?|must be|expected?|needs?)( a| an)? ?(dpop.bound|bound|sender.constrained)|not.{0,10}bound to a (dpop |proof )?key|lacks? .{0,12}(cnf|confirmation)|(cnf|confirmation).{0,15}(missing|absent|not present)|dpop.bound (access )?tokens? (is|are)? ?required`), topicNotBound},
	{words(`(token|jwt|session|credential|access)[^.]{0,40}\bexpired|\bexpired\b[^.]{0,20}token|lifetime validation|token is no longer valid|\bexp\b.{0,20}(past|claim|passed|check|failed|elapsed)|has expired`), topicExpired},
	{words(`not (yet )?(valid|active) (yet|before|until)|not yet valid|\bnbf\b|before.{0,20}(not valid|valid from)|used before|(token|jwt)[^.]{0,30}(issued )?in the future|not active yet`), topicNotYet},
	{words(`revoked|inactive|not active|no longer active|"?active"?:? ?false|unknown token|token.{0,20}not (found|recogni[sz]ed)|session.{0,15}(ended|terminated|closed|not active)|blacklist|blocklist`), topicRevoked},
	{words(`audience|\baud\b|resource indicator|wrong resource|intended for|not (issued|meant|valid) for this (resource|api|server)|for another (resource|api|audience)`), topicAudience},
	{words(`\bissuer\b|\biss\b|untrusted (authority|issuer)`), topicIssuer},
	{words(`scope|permission|privileges?\b|not (allowed|authorized) to|access denied|forbidden`), topicScope},
	{words(`\bkid\b|(signing|verification|matching|public) key.{0,25}(not found|unknown|missing|not be found)|(\bno\b|unknown|unable to (find|locate|resolve)|cannot find|could not find|not find).{0,30}(signing|matching|verification|public|suitable|applicable)? ?(key|jwk)|\bjwks\b|\bjwk ?set|unresolvable key|key ?set|signature key|key that signed.{0,20}not known`), topicTokenKey},
	{words(`(token|jwt|jws)?.{0,25}signature.{0,30}(invalid|fail|verif|mismatch|valid)|invalid.{0,20}signature|signature`), topicTokenSignature},
	{words(`\bid[ _-]?token|refresh token.{0,30}(instead|not accepted|used as)|(token|jwt).{0,15}\btyp(e)?\b|at\+jwt|not an access token|wrong (type|kind) of token|token_use|unexpected token (type|use)`), topicTokenType},
	{words(`(token|bearer|authorization|credential|header|jwt)[^.]{0,30}(malformed|ill.?formed|parse|decod|invalid format|segments|not (a )?(valid )?(jwt|jws|json web token))|malformed|segments|invalid (characters?|format)|not well.?formed|jwt strings? must|unparsable`), topicTokenForm},
	{words(`jwt (is |was )?(missing|required|absent)|(no|missing|absent|without)( an?| the| any)? ?(access |bearer |auth\w* |valid )*(token|authorization|credential|authentication)|(token|authorization( header)?|credentials?|authentication)( \w+){0,2} (missing|required|absent|not (found|present|provided|supplied))|full authentication is required|unauthenticated|not (logged|signed) in|no auth`), topicTokenMissing},
	{words(`(unsupported|unknown|invalid|wrong|expected|unrecogni[sz]ed|not supported|only)[^.]{0,30}(auth\w*)? ?(scheme|token_type|token type|auth(entication|orization)? (type|method))|scheme.{0,30}(not supported|unsupported|unknown|expected)|(header|authorization).{0,20}must (start|begin) with|expected (a )?bearer`), topicScheme},
	{words(`certificate|\bmtls\b|mutual.tls|x5t|client.cert|\btls\b.{0,15}client|ssl_client`), topicCertificate},
	{words(`invalid_client|client (authentication|credentials|assertion|secret)|unauthorized_client|unknown client|client.{0,20}(not authenticated|failed)|client_assertion`), topicClientAuth},
	{words(`(assertion|client_assertion|jwt id|jti).{0,40}(already|replay|reus|used|duplicate)`), topicAssertionReplay},
	{words(`invalid_grant|authori[sz]ation code|code.{0,25}(invalid|not valid|expired|used|consumed|redeemed|not found|unknown|verifier|challenge)|grant.{0,25}(invalid|expired|not found|revoked|used|consumed)|refresh.token.{0,25}(invalid|expired|not found|unknown)|pkce|code_verifier|redirect_uri|session not (active|found)`), topicGrant},
	{words(`(refresh|token).{0,40}(reus|already (been )?(used|rotated)|rotat|replay|superseded|previous(ly)? used|consumed)|reuse detected|maximum allowed refresh`), topicRefreshReuse},
	{words(`(header|request|field|line|cookie)s?.{0,30}(too (large|long|big)|exceed|larger than|limit|size)|too large|entity too|buffer.{0,20}(small|large|exceed)|large_client_header|max.{0,10}header`), topicSize},
	{words(`invalid_dpop_proof|dpop`), topicProof},
	{words(`invalid_token|invalid token|invalidtoken|token (is )?(invalid|rejected)`), topicToken},
	{words(`cors|access-control|cross.origin|preflight|refused to get unsafe header|blocked by`), topicCORS},
	{words(`(key|keystore|key store|keychain|keyring|indexeddb|secure enclave|hsm|tpm|crypto\.subtle|subtlecrypto|webcrypto)[^.]{0,60}(not found|missing|unavailable|no such|undefined|failed|error|lost|denied|locked|cannot|could not|null|invalidated|deleted|not be (loaded|opened|read)|evicted|cleared)|(no|missing|lost|cannot (find|load|open)|could not (find|load|open|read)|failed to (load|open|read|get|find)|unable to (find|load|open|read))[^.]{0,30}(private |dpop |signing |proof |non-extractable )*(key|keypair|key pair|crypto\.subtle|keystore|keychain)\b|secure ?context|reading '(generateKey|subtle|sign|importKey)'|key ?set does not exist|NTE_(BAD|NO)_\w*KEY\w*|errSecItemNotFound|KeyPermanentlyInvalidated|NotFoundError|InvalidStateError`), topicKeyStore},
}

func words(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?i)` + pattern) }

var camelCase = regexp.MustCompile(`([a-z])([A-Z])`)

// maxWords bounds the text of one answer or log line that is searched for topics.
const maxWords = 4 << 10

func topicsOf(text string) topic {
	if len(text) > maxWords {
		text = text[:maxWords]
	}
	split := strings.ReplaceAll(camelCase.ReplaceAllString(text, "$1 $2"), "_", " ") // InvalidIssuedAt, POP_TARGET
	if split != text {
		text += " " + split
	}
	var t topic
	for i := range topicWords {
		if topicWords[i].re.MatchString(text) {
			t |= topicWords[i].t
		}
	}
	return t
}

// topicMemo remembers the topics of texts: servers repeat themselves.
type topicMemo map[string]topic

// maxMemo bounds the memory of a memo.
const maxMemo = 10_000

func (m topicMemo) of(text string) topic {
	t, ok := m[text]
	if !ok {
		t = topicsOf(text)
		if len(m) < maxMemo {
			m[text] = t
		}
	}
	return t
}

// said is what the server said in one answer.
type said struct {
	challenges  []holdfast.Challenge
	errorCode   string // OAuth error, from the challenge or the JSON body
	description string // its text, from wherever it came
	where       string // "WWW-Authenticate" or "body"
	topics      topic  // of the description and the error
	nonce       string // DPoP-Nonce
	nonces      int    // how many DPoP-Nonce fields
	algs        []string
	scope       []string
}

// isNonceChallenge reports a use_dpop_nonce answer.
func (s *said) isNonceChallenge() bool { return s.errorCode == "use_dpop_nonce" }

// offers reports whether a challenge of the scheme was sent.
func (s *said) offers(scheme string) bool {
	for _, c := range s.challenges {
		if c.Is(scheme) {
			return true
		}
	}
	return false
}

// schemes lists the schemes of the challenges.
func (s *said) schemes() []string {
	var out []string
	for _, c := range s.challenges {
		out = append(out, c.Scheme)
	}
	return out
}

// specific are the topics that name one kind of fault.
func (s *said) specific() topic { return s.topics &^ (topicProof | topicToken) }

// quote is the server's own sentence, for reports.
func (s *said) quote() string {
	switch {
	case s.errorCode != "" && s.description != "":
		return s.errorCode + ": " + s.description
	case s.errorCode != "":
		return s.errorCode
	}
	return s.description
}

// readSaid collects what an answer says about itself: challenges, OAuth error
// members of the body (RFC 6749 section 5.2, RFC 9457) and the text of pages.
func readSaid(x *sight, topics func(string) topic) said {
	var s said
	h := x.x.Header
	s.challenges = holdfast.ParseChallenges(h["Www-Authenticate"])
	if v := h["Dpop-Nonce"]; len(v) > 0 {
		s.nonce, s.nonces = v[len(v)-1], len(v)
	}
	best := -1
	for i, c := range s.challenges {
		if len(c.Algs) > 0 {
			s.algs = c.Algs
		}
		if len(c.Scope) > 0 {
			s.scope = c.Scope
		}
		// The challenge of the scheme that was used speaks about this request
		// (RFC 9449 section 7.2); of several with an error the DPoP one.
		if c.Error != "" && (best < 0 || c.Is("DPoP") && !s.challenges[best].Is(x.scheme)) {
			best = i
		}
	}
	if best >= 0 {
		s.errorCode, s.description, s.where = s.challenges[best].Error, s.challenges[best].Description, "WWW-Authenticate"
	}
	if x.ok {
		s.topics = 0
		return s
	}
	code, text := bodyWords(x)
	if s.errorCode == "" && code != "" {
		s.errorCode, s.where = code, "body"
	}
	if s.description == "" && text != "" {
		s.description = text
		if s.where == "" {
			s.where = "body"
		}
	}
	all := s.errorCode + " " + s.description
	if text != s.description {
		all += " " + text
	}
	for _, name := range [...]string{"X-Error", "X-Error-Message", "X-Error-Description", "X-Ms-Diagnostics", "X-Amzn-Errortype", "Cf-Access-Error"} {
		all += " " + strings.Join(h[name], " ")
	}
	s.topics = topics(all)
	return s
}

var pageText = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>|<[^>]*>`)

// bodyWords returns the OAuth error code and the sentence of a refusal's body.
func bodyWords(x *sight) (code, sentence string) {
	if m := x.json; m != nil {
		if c, ok := holdfast.ParseCode(text(m, "code")); ok {
			// A problem document of ours: the code is what failed; the hint beside
			// it names everything that may be behind it.
			return c.OAuthError(), c.Public()
		}
		code = firstString(m, "error", "errorCode", "error_code", "code")
		if t := text(m, "type"); code == "" && t != "about:blank" { // RFC 9457
			code = t
		}
		if inner, ok := m["error"].(map[string]any); ok {
			code = firstString(inner, "code", "status", "type")
			sentence = firstString(inner, "message", "description", "error_description", "detail")
		}
		if t := firstString(m, "error_description", "message", "errorMessage", "detail", "errorSummary", "error_message", "description", "title", "reason", "msg", "hint"); t != "" {
			sentence = t
		}
		if hint := firstString(m, "error_hint", "hint", "error_debug", "debug"); hint != "" && hint != sentence {
			sentence = strings.TrimSpace(sentence + " " + hint)
		}
		return code, sentence
	}
	body := x.x.Body
	if len(body) == 0 {
		return "", ""
	}
	if len(body) > maxWords {
		body = body[:maxWords]
	}
	t := strings.Join(strings.Fields(pageText.ReplaceAllString(string(body), " ")), " ")
	if len(t) > 300 {
		t = t[:300]
	}
	return "", t
}

func firstString(m map[string]any, names ...string) string {
	for _, n := range names {
		if s, ok := m[n].(string); ok && s != "" {
			return s
		}
	}
	return ""
}
