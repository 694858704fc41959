package explain

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// vault knows every secret of the evidence, so that no text leaves with one in
// it, whole or by a part that could be used. It is the last line: rules do not
// quote secrets, but servers and logs do.
type vault struct {
	words map[[16]byte]struct{} // secrets that are too short for parts, and seen ones
	short bool                  // there are secrets that only words finds
	parts parts
	ev    *Evidence
	open  map[string]struct{} // values of proofs that look random and are none
	heads map[[16]byte]struct{}
}

// minSecret is the shortest value that the vault looks for: shorter ones are
// words.
const minSecret = 6

func newVault(ev *Evidence) *vault {
	v := &vault{words: map[[16]byte]struct{}{}, heads: map[[16]byte]struct{}{}, ev: ev}
	for i := range ev.Exchanges {
		v.exchange(&ev.Exchanges[i])
	}
	for i := range ev.Views {
		v.exchange(&ev.Views[i].Request)
	}
	for i := range ev.Documents {
		d := &ev.Documents[i]
		switch d.Kind {
		case KindTokenRequestProof:
			v.add(string(d.Body))
		case KindTokenResponse, KindIntrospection, KindClient, KindServerConfig, KindJWKS, KindMetadata:
			if !v.json(d.Body) {
				v.learn(string(d.Body))
			}
		default:
			v.learn(string(d.Body))
		}
	}
	return v
}

func hash16(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}

// add remembers a secret. Of a JWT the signature is one, and private members of
// a key in its header; header and claims are none.
func (v *vault) add(s string) {
	s = strings.Trim(s, " \t\r\n\"'")
	if len(s) < minSecret || marked(s) || plainWord(s) {
		return
	}
	h := hash16(s)
	if _, known := v.words[h]; known {
		return
	}
	v.words[h] = struct{}{}
	if strings.Contains(s, "%") {
		if u, err := url.QueryUnescape(s); err == nil && u != s {
			v.add(u)
		}
	}
	if isJWT(s) {
		segments := strings.Split(s, ".")
		v.head(segments[0])
		if len(segments) == 5 { // encrypted: nothing of it is public
			segments = segments[1:]
		} else {
			segments = segments[2:]
		}
		for _, part := range segments {
			if len(part) >= minPart {
				v.parts.add(part)
			}
		}
		return
	}
	if len(s) < gramSize {
		v.short = true
		return
	}
	v.parts.add(s)
}

// maybe remembers a value of a place that does not have to hold a secret, if it
// looks like one.
func (v *vault) maybe(s string) {
	if s = strings.Trim(s, " \t\r\n\"'"); looksRandom(s) || isJWT(s) {
		v.add(s)
	}
}

// head looks once at every header of a JWT for private members of a key.
func (v *vault) head(segment string) {
	h := hash16(segment)
	if _, seen := v.heads[h]; seen {
		return
	}
	v.heads[h] = struct{}{}
	if b, _ := decodeLoose(segment); len(b) > 0 && strings.Contains(string(b), `"jwk"`) {
		v.walk(looseAny(b), 0)
	}
}

func isJWT(s string) bool {
	return strings.Count(s, ".") >= 2 && (strings.HasPrefix(s, "ey") || strings.HasPrefix(s, "ew")) && !strings.ContainsAny(s, " ,")
}

// isSchemeName: the name of an authentication scheme is no secret.
func isSchemeName(w string) bool {
	switch strings.ToLower(strings.TrimRight(w, ":")) {
	case "bearer", "dpop", "basic", "token", "digest", "negotiate":
		return true
	}
	return false
}

// plainWord: what stands in the place of a secret by mistake and is none.
func plainWord(s string) bool {
	switch strings.ToLower(s) {
	case "bearer", "undefined", "[object", "object]", "promise]", "password", "secret", "client_secret", "access_token", "refresh_token", "id_token",
		"authorization_code", "client_credentials", "authorization", "invalid_token", "invalid_grant", "changeit", "string", "required", "header", "cookie":
		return true
	}
	return strings.HasPrefix(s, "${") || strings.HasPrefix(s, "{{")
}

func (v *vault) exchange(x *holdfast.Exchange) {
	for _, list := range [...][]holdfast.Secret{x.Request.Authorization, x.Request.Proofs, x.Request.Query} {
		for _, s := range list {
			v.credentials(s.Reveal())
		}
	}
	v.header(x.RequestHeader)
	v.header(x.Header)
	v.form(readForm(x))
	for _, u := range [...]string{x.Request.URL, x.RequestHeader.Get("Referer"), x.Header.Get("Location"), x.Header.Get("Content-Location")} {
		v.address(u)
	}
	for _, b := range [...][]byte{x.Body, x.RequestBody} {
		if len(b) > 0 && !v.json(b) {
			v.learn(string(b))
		}
	}
	if x.Err != "" {
		v.learn(x.Err)
	}
}

// credentials takes the value of an Authorization or DPoP field apart.
func (v *vault) credentials(raw string) {
	words := strings.FieldsFunc(raw, func(r rune) bool { return r == ' ' || r == ',' })
	for i, w := range words {
		if isSchemeName(w) {
			continue
		}
		v.add(w)
		if i > 0 && strings.EqualFold(words[i-1], "basic") {
			v.basic(w)
		}
	}
	if len(words) > 1 && !isSchemeName(words[0]) {
		v.add(raw)
	}
}

// basic takes user and password apart: only the latter is a secret.
func (v *vault) basic(w string) {
	b, _ := decodeLoose(w)
	if _, password, ok := strings.Cut(string(b), ":"); ok {
		v.add(password)
	}
}

func (v *vault) header(h http.Header) {
	for name, values := range h {
		if name == "Authorization" || name == "Dpop" {
			for _, s := range values {
				v.credentials(s)
			}
			continue
		}
		if !isSecretHeader(name) {
			continue
		}
		for _, s := range values {
			if name == "Set-Cookie" {
				s, _, _ = strings.Cut(s, ";")
			}
			if name == "Proxy-Authorization" {
				v.credentials(s)
				continue
			}
			for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' }) {
				if _, value, ok := strings.Cut(w, "="); ok && len(value) >= minSecret {
					w = value
				}
				if !isSchemeName(w) {
					v.maybe(w)
				}
			}
		}
	}
}

// address learns from a URL: password, query, fragment.
func (v *vault) address(raw string) {
	if raw == "" || !strings.ContainsAny(raw, "?#@") {
		return
	}
	if u, err := url.Parse(raw); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			v.add(p)
		}
	}
	raw, fragment, _ := strings.Cut(raw, "#")
	_, query, _ := strings.Cut(raw, "?")
	for _, part := range [...]string{query, fragment} {
		q, _ := url.ParseQuery(part) // what does not parse is left out, the rest counts
		v.form(q)
	}
}

func (v *vault) form(q url.Values) {
	for n, values := range q {
		if n == "state" || n == "nonce" || !isSecretName(n) {
			continue
		}
		for _, s := range values {
			v.named(n, s)
		}
	}
}

// named remembers the value of a member or parameter that has a secret name.
func (v *vault) named(name, s string) {
	switch strings.ToLower(name) {
	case "code", "session", "sessionid", "sid", "request", "signature", "sig", "auth":
		v.maybe(s)
	default:
		v.add(s)
	}
}

func (v *vault) json(body []byte) bool {
	x := jsonBody(body)
	v.walk(x, 0)
	return x != nil
}

// jsonBody decodes a body that is a JSON object or array; nil otherwise.
func jsonBody(body []byte) any {
	i := 0
	for i < len(body) && (body[i] == ' ' || body[i] == '\t' || body[i] == '\r' || body[i] == '\n') {
		i++
	}
	if i == len(body) || body[i] != '{' && body[i] != '[' {
		return nil
	}
	return looseAny(body[i:])
}

func (v *vault) walk(x any, depth int) {
	if depth > MaxJSONDepth {
		return
	}
	switch t := x.(type) {
	case map[string]any:
		key := t["kty"] != nil
		for k, e := range t {
			switch s, ok := e.(string); {
			case ok && key && slices.Contains(privateMembers[:], k):
				v.add(s)
			case ok && isSecretName(k) && !harmlessValue(k, s):
				v.named(k, s)
			case ok:
				if len(s) > 16 {
					v.learn(s)
				}
			default:
				if list, ok := e.([]any); ok && isSecretName(k) {
					for _, s := range list {
						if s, ok := s.(string); ok {
							v.named(k, s)
						}
					}
				}
				v.walk(e, depth+1)
			}
		}
	case []any:
		for _, e := range t {
			if s, ok := e.(string); ok && len(s) > 16 {
				v.learn(s)
			}
			v.walk(e, depth+1)
		}
	}
}

// learn remembers what a text itself says is a secret, so that it is found in
// other places too.
func (v *vault) learn(s string) {
	patterns(s, func(_, _ int, name, value string) {
		switch name {
		case "jwt", "private", "pem", "vendor":
			v.add(value)
		case "basic":
			v.basic(value)
		default:
			if !isThumbprint(value) || strictNames.MatchString(name) {
				v.maybe(value)
			}
		}
	})
}

// maxText bounds every sentence of a diagnosis, in bytes.
const maxText = 1200

// text makes a text fit to leave: no secret, no control character, not too long.
func (v *vault) text(s string) string {
	return clean(v.scrub(s), maxText)
}

// scrub removes secrets from a text: those that the evidence holds, in any
// spelling, and those that the text itself calls one.
func (v *vault) scrub(s string) string {
	if len(s) < minSecret {
		return s
	}
	spans := v.knownSpans(s, 0)
	patterns(s, func(start, end int, name, value string) {
		if name == "prose" && v.isOpen(value) {
			return
		}
		spans = append(spans, span{start, end})
	})
	return cutSpans(s, spans)
}

// known removes only what the evidence holds as a secret. A value that compares
// with others, such as a nonce, keeps its identity: it becomes its hash.
func (v *vault) known(s string) string {
	if len(s) < minSecret || len(v.knownSpans(s, 0)) == 0 {
		return s
	}
	return hashMark(s)
}

type span struct{ start, end int }

// cutSpans writes a mark in the place of every span.
func cutSpans(s string, spans []span) string {
	if len(spans) == 0 {
		return s
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return b.end - a.end
	})
	var b strings.Builder
	at := 0
	for _, x := range spans {
		if x.end <= at {
			continue
		}
		if x.start >= at {
			b.WriteString(s[at:x.start])
			b.WriteString(mark)
		}
		at = x.end
	}
	b.WriteString(s[at:])
	return b.String()
}

// maxUnwrap bounds how often a text within a text is decoded.
const maxUnwrap = 3

// knownSpans finds the secrets of the evidence in a text: as they are, in
// another case, percent-encoded, escaped, broken over lines, in base64 or hex.
func (v *vault) knownSpans(s string, depth int) []span {
	spans := v.wordSpans(s)
	if v.parts.size() == 0 {
		return spans
	}
	folded := fold(s)
	spans = v.parts.find(spans, s, folded, nil)
	if plain, at := unescape(s); at != nil {
		spans = v.parts.find(spans, plain, fold(plain), at)
	}
	if depth >= maxUnwrap {
		return spans
	}
	eachRun(s, func(start, end int) {
		if b := decodeRun(s[start:end]); b != "" && len(v.knownSpans(b, depth+1)) > 0 {
			spans = append(spans, span{start, end})
		}
	})
	return spans
}

// wordSpans finds the secrets that are too short to have parts.
func (v *vault) wordSpans(s string) (spans []span) {
	if !v.short {
		return nil
	}
	for start := 0; start < len(s); {
		if !wordByte(s[start]) {
			start++
			continue
		}
		end := start
		for end < len(s) && wordByte(s[end]) {
			end++
		}
		if n := end - start; n >= minSecret && n < gramSize {
			if _, ok := v.words[hash16(s[start:end])]; ok {
				spans = append(spans, span{start, end})
			}
		}
		start = end
	}
	return spans
}

func wordByte(c byte) bool {
	return alnum(c) || c == '_' || c == '-' || c == '.' || c == '~' || c >= 0x80
}

func nameByte(c byte) bool { return alnum(c) || c == '_' || c == '-' || c == '.' }

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isOpen reports whether a random-looking value is one that a diagnosis may
// show: an identifier, nonce, hash or thumbprint of a proof or token.
func (v *vault) isOpen(value string) bool {
	if v.open == nil {
		v.open = map[string]struct{}{}
		for i := range v.ev.Exchanges {
			x := &v.ev.Exchanges[i]
			for _, p := range x.Request.Proofs {
				v.openClaims(p.Reveal())
			}
			for _, a := range x.Request.Authorization {
				if _, t, ok := strings.Cut(a.Reveal(), " "); ok && isJWT(t) {
					v.openClaims(t)
				}
			}
			for _, n := range x.Header["Dpop-Nonce"] {
				v.open[n] = struct{}{}
			}
		}
	}
	_, ok := v.open[strings.Trim(value, `"'.,;:)`)]
	return ok || isThumbprint(value)
}

func (v *vault) openClaims(compact string) {
	segments := strings.Split(compact, ".")
	if len(segments) < 2 || len(v.open) > 200_000 {
		return
	}
	c, _ := decodeLoose(segments[1])
	m := looseObject(c)
	for _, name := range [...]string{"jti", "nonce", "ath"} {
		if s := text(m, name); s != "" {
			v.open[s] = struct{}{}
		}
	}
}

// What follows finds secrets by what a text says about them.

// secretParams are form, query and JSON members whose values are secrets.
var secretParams = map[string]bool{
	"access_token": true, "refresh_token": true, "id_token": true, "code": true, "code_verifier": true, "client_secret": true,
	"client_assertion": true, "assertion": true, "subject_token": true, "actor_token": true, "device_code": true, "user_code": true,
	"password": true, "token": true, "dpop": true, "request": true, "id_token_hint": true, "logout_token": true,
	"registration_access_token": true, "api_key": true, "apikey": true, "secret": true, "session": true, "sessionid": true, "sid": true,
	"passcode": true, "otp": true, "private_key": true, "samlresponse": true, "wresult": true, "authorization": true, "cookie": true,
	"set-cookie": true, "sig": true, "signature": true, "pwd": true, "jsessionid": true, "phpsessid": true, "x-amz-signature": true,
	"x-goog-signature": true, "login_ticket": true, "auth_req_id": true,
}

// isSecretName reports whether the value of a parameter, member or element of
// this name is a secret.
func isSecretName(name string) bool {
	n := strings.ToLower(name)
	if secretParams[n] {
		return true
	}
	if len(n) < 3 || len(n) > 128 {
		return false
	}
	return secretEnding.MatchString(n) && !openEnding.MatchString(n) || camelSecret.MatchString(name)
}

var (
	secretEnding = regexp.MustCompile(`(^|[_.-])(token|secret|password|passwd|passphrase|assertion|verifier|passcode|otp|code|api_?key|jwt|cookie|session(_?id)?|private_?key|access_?key|credentials?)$`)
	openEnding   = regexp.MustCompile(`(error|status|response|reason|country|language|currency|postal|zip|result|sub|http|exit|key|state)[_.-]?code$`)
	camelSecret  = regexp.MustCompile(`[a-z](Token|Secret|Password|Passphrase|Assertion|Verifier|ApiKey|APIKey|PrivateKey|SessionId|SessionID|Credentials?)$`)
)

// isSecretHeader reports whether the value of a field is a secret by its name.
func isSecretHeader(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Dpop", "Cookie", "Set-Cookie", "Ocp-Apim-Subscription-Key", "X-Amz-Security-Token":
		return true
	case "Dpop-Nonce", "Www-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Content-Type":
		return false
	}
	return secretHeader.MatchString(name) && !openHeader.MatchString(name)
}

var (
	secretHeader = regexp.MustCompile(`(?i)(^|[-_])(token|secret|key|apikey|session|sessionid|sess|sid|auth|password|passwd|passphrase|credentials?|jwt|assertion|signature|sig|cookie|csrf|xsrf|otp|pin|ticket|authorization|userinfo)([-_]id)?$`)
	openHeader   = regexp.MustCompile(`(?i)^(access-control-|sec-|surrogate-|cache-|public-|accept)|(error|status|cache-key|idempotency-key|partition-key)$`)
)

// strictNames are names behind which anything is a secret; behind others only
// what looks random.
var strictNames = regexp.MustCompile(`(?i)(^|[_.-])(access_token|refresh_token|id_token|code_verifier|client_secret|client_assertion|password|passwd|pwd|passphrase|secret|api[_-]?key|cookie|private[_ ]?key|assertion|device_code|user_code|pre-authorized_code|basic|samlresponse|form)$`)

var (
	// jwtLike finds compact JWTs, whole or cut, in free text.
	jwtLike = regexp.MustCompile(`e[wy][A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){1,4}`)

	// namedSecret finds name=value and "name": "value" pairs in free text.
	namedSecret = regexp.MustCompile(`(?i)((?:token|secret|password|passwd|pwd|passphrase|assertion|verifier|passcode|otp|code|api[_-]?key|access[_-]?key|private[_ -]?key|jwt|cookie|session(?:[_-]?id)?|sid|samlresponse|credentials?|signature|sig|auth|authorization))(\\*["']?\s*(?:=>|%3d|[:=])\s*\\*["']?)([^\s"'&,;<>\\]{6,})`)

	// openPair is a name that carries no secret with its value.
	openPair = regexp.MustCompile(`(?i)^(jti|htu|htm|iat|nonce|kid|jkt|req|request|reqid|id|alg|typ|exp|aud|iss|sub|error|status)=`)
	// credentials finds scheme and token in free text.
	credentials = regexp.MustCompile(`(?i)\b(bearer|dpop|basic)((?: |:|=|%20|\+)+["']?)([A-Za-z0-9_.~+/=%-]{8,})`)

	// prose finds a word that is said to be a token.
	prose = regexp.MustCompile(`(?i)\b(token|cookie|secret|code|password|verifier|assertion|session|credentials?)((?: is| was| value)?[ :=]+[(\["'<]?)([A-Za-z0-9_.~+/=-]{16,})`)

	privateMember = regexp.MustCompile(`(\\*["'])(d|p|q|dp|dq|qi|k|priv)\\*["']\s*:\s*\\*["']([A-Za-z0-9_+/=-]{16,})`)
	userinfo      = regexp.MustCompile(`://[^/\s:@"'<>]{0,256}:([^@/\s"'<>]{1,256})@`)
	vendorToken   = regexp.MustCompile(`\b(?:(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{12,}|AIza[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|ya29\.[\w-]{20,}|npm_[A-Za-z0-9]{30,})`)
	curlOption    = regexp.MustCompile(`(?:^|\s)(?:-[uU][ =]*|(?:--user|--proxy-user|--oauth2-bearer|-b|--cookie|--pass)[ =]+)("[^"]*"|'[^']*'|[^\s]+)`)
	cookieLine    = regexp.MustCompile(`(?i)\bcookie\\*["']?\s*:\s*\\*["']?([^"'\r\n]+)`)
	secretField   = regexp.MustCompile(`(?i)\b(x-[a-z0-9-]{1,40}|api-key|ocp-apim-subscription-key)(["']?\s*:\s*["']?)([^\s"',;<>\\]{6,})`)
	formPart      = regexp.MustCompile(`(?i)name="?([^"\s;]{1,64})"?[^\n]{0,200}\n(?:[^\r\n]+\r?\n){0,4}\r?\n([^\r\n]{6,})`)
	xmlElement    = regexp.MustCompile(`(?is)<(?:[\w-]{1,40}:)?(signaturevalue|ciphervalue|password|binarysecuritytoken|\w{0,30}token|\w{0,30}secret)\b[^<>]{0,400}>([^<]{6,})`)
)

// patterns finds secrets in a text by their form and by the names beside them:
// where one stands, what kind or name it has, and the value to remember.
func patterns(s string, found func(start, end int, name, value string)) {
	if len(s) < minSecret {
		return
	}
	if strings.Contains(s, "-----BEGIN ") {
		pemKeys(s, found)
	}
	if strings.Contains(s, "ey") || strings.Contains(s, "ew") {
		for _, m := range jwtLike.FindAllStringIndex(s, -1) {
			found(m[0], m[1], "jwt", strings.TrimRight(s[m[0]:m[1]], "."))
		}
	}
	for _, m := range vendorToken.FindAllStringIndex(s, -1) {
		found(m[0], m[1], "vendor", s[m[0]:m[1]])
	}
	if strings.Contains(s, "@") {
		for _, m := range userinfo.FindAllStringSubmatchIndex(s, -1) {
			found(m[2], m[3], "password", s[m[2]:m[3]])
		}
	}
	for _, m := range credentials.FindAllStringSubmatchIndex(s, -1) {
		scheme, value := s[m[2]:m[3]], s[m[6]:m[7]]
		if isThumbprint(value) && !strings.EqualFold(scheme, "basic") || !credentialValue(scheme, value) {
			continue
		}
		if openPair.MatchString(value) { // "dpop jti=...": a name and its value, which is no credential
			continue
		}
		found(m[6], m[7], strings.ToLower(scheme), value)
	}
	named := strings.ContainsAny(s, ":=") || strings.Contains(s, "%3")
	if named {
		for _, m := range namedSecret.FindAllStringSubmatchIndex(s, -1) {
			for i := 0; i < 40 && m[2] > 0 && nameByte(s[m[2]-1]); i++ {
				m[2]--
			}
			if name, value := s[m[2]:m[3]], s[m[6]:m[7]]; !harmlessValue(name, value) {
				found(m[6], m[7], name, value)
			}
		}
		for _, m := range privateMember.FindAllStringSubmatchIndex(s, -1) {
			found(m[6], m[7], "private", s[m[6]:m[7]])
		}
		for _, m := range secretField.FindAllStringSubmatchIndex(s, -1) {
			if name := http.CanonicalHeaderKey(s[m[2]:m[3]]); isSecretHeader(name) && !marked(s[m[6]:m[7]]) && looksRandom(s[m[6]:m[7]]) {
				found(m[6], m[7], "token", s[m[6]:m[7]])
			}
		}
		for _, m := range cookieLine.FindAllStringSubmatchIndex(s, -1) {
			at := m[2]
			for _, c := range strings.SplitAfter(s[m[2]:m[3]], ";") {
				if _, value, ok := strings.Cut(strings.TrimRight(c, "; "), "="); ok && len(value) >= minSecret && !marked(value) && cookieValue(value) {
					start := at + strings.IndexByte(c, '=') + 1
					found(start, start+len(value), "cookie", value)
				}
				at += len(c)
			}
		}
	}
	for _, m := range prose.FindAllStringSubmatchIndex(s, -1) {
		if value := s[m[6]:m[7]]; looksRandom(value) {
			found(m[6], m[7], "prose", value)
		}
	}
	if strings.Contains(s, "-u") || strings.Contains(s, "-U") || strings.Contains(s, "-b") || strings.Contains(s, "--") {
		curlSecrets(s, found)
	}
	if strings.Contains(s, "\n") && strings.Contains(s, "name=") {
		for _, m := range formPart.FindAllStringSubmatchIndex(s, -1) {
			if isSecretName(s[m[2]:m[3]]) && !marked(s[m[4]:m[5]]) {
				found(m[4], m[5], "form", s[m[4]:m[5]])
			}
		}
	}
	if strings.Contains(s, "</") {
		samlAssertions(s, found)
		for _, m := range xmlElement.FindAllStringSubmatchIndex(s, -1) {
			if value := s[m[4]:m[5]]; !marked(value) {
				found(m[4], m[5], "secret", value)
			}
		}
	}
}

// credentialValue tells a credential from words about one, such as "Bearer
// authentication" or "DPoP error=...".
func credentialValue(scheme, value string) bool {
	if strings.EqualFold(scheme, "basic") {
		b, _ := decodeLoose(strings.TrimRight(value, "."))
		return strings.Contains(string(b), ":") && bodyIsText(b) || looksRandom(value)
	}
	if len(value) < 20 || strings.Contains(value, "/") && strings.Contains(value, ".") {
		return false
	}
	return looksRandom(value) || !wordy(value) && !strings.Contains(value, "=")
}

// cookieValue: what of a Cookie line is worth hiding; not its attributes.
func cookieValue(v string) bool {
	return !wordy(v) || len(v) >= 20
}

// harmlessValue: words after "code:" and the like that are no secrets.
func harmlessValue(name, value string) bool {
	if strings.HasPrefix(value, "[REDACTED") || strings.HasPrefix(value, "%5BREDACTED") || marked(value) || isSchemeName(value) || plainWord(value) {
		return true
	}
	if strictNames.MatchString(name) {
		return false
	}
	if looksRandom(value) || isJWT(value) {
		return false
	}
	for i := 0; i < len(value); i++ {
		if value[i] >= '0' && value[i] <= '9' {
			return strings.Contains(value, "://") || numeric(value)
		}
	}
	return len(value) < 24 // a word such as E_INVALID or invalid_token
}

// numeric: a status, a number of an error, a time.
func numeric(s string) bool { return strings.Trim(s, "0123456789.:-+TZ") == "" }
