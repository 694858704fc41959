package explain

import (
	"net/http"
	"regexp"
	"strings"
)

// How secrets look: the names beside them and their forms.

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
	if mentions(s, "_live_", "_test_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xox", "AKIA", "AIza", "SG.", "ya29.", "npm_") {
		for _, m := range vendorToken.FindAllStringIndex(s, -1) {
			found(m[0], m[1], "vendor", s[m[0]:m[1]])
		}
	}
	if strings.Contains(s, "@") {
		for _, m := range userinfo.FindAllStringSubmatchIndex(s, -1) {
			found(m[2], m[3], "password", s[m[2]:m[3]])
		}
	}
	// Expressions are slow and most texts say nothing of the kind: a look at the
	// words first. Folding keeps the length of ASCII, and only ASCII is matched.
	lower := strings.ToLower(s)
	for _, m := range matches(credentials, s, mentions(lower, "bearer", "dpop", "basic")) {
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
		for _, m := range matches(namedSecret, s, mentions(lower, secretWords...)) {
			for i := 0; i < 40 && m[2] > 0 && nameByte(s[m[2]-1]); i++ {
				m[2]--
			}
			if name, value := s[m[2]:m[3]], s[m[6]:m[7]]; !harmlessValue(name, value) {
				found(m[6], m[7], name, value)
			}
		}
		for _, m := range matches(privateMember, s, mentions(s, `d"`, `p"`, `q"`, `i"`, `k"`, `v"`, `d'`, `p'`, `q'`, `i'`, `k'`, `v'`, `\"`)) {
			found(m[6], m[7], "private", s[m[6]:m[7]])
		}
		for _, m := range matches(secretField, s, mentions(lower, "x-", "api-key", "subscription-key")) {
			if name := http.CanonicalHeaderKey(s[m[2]:m[3]]); isSecretHeader(name) && !marked(s[m[6]:m[7]]) && looksRandom(s[m[6]:m[7]]) {
				found(m[6], m[7], "token", s[m[6]:m[7]])
			}
		}
		for _, m := range matches(cookieLine, s, mentions(lower, "cookie")) {
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
	for _, m := range matches(prose, s, mentions(lower, secretWords...)) {
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

// secretWords are what the expressions namedSecret and prose are about.
var secretWords = []string{
	"token", "secret", "passw", "pwd", "passphrase", "assertion", "verifier", "passcode", "otp", "code", "api", "key", "jwt", "cookie", "session", "sid",
	"saml", "credential", "sig", "auth",
}

func mentions(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func matches(re *regexp.Regexp, s string, worth bool) [][]int {
	if !worth {
		return nil
	}
	return re.FindAllStringSubmatchIndex(s, -1)
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

// curlSecrets finds the credentials in a command line.
func curlSecrets(s string, found func(start, end int, name, value string)) {
	if !strings.Contains(s, "curl") && !strings.Contains(s, "--oauth2-bearer") && !strings.Contains(s, "-user") {
		return
	}
	for _, m := range curlOption.FindAllStringSubmatchIndex(s, -1) {
		start, end := m[2], m[3]
		if q := s[start]; (q == '"' || q == '\'') && end-start >= 2 {
			start, end = start+1, end-1
		}
		value, name := s[start:end], "cookie"
		if option := s[m[0]:m[2]]; strings.Contains(strings.ToLower(option), "-u") || strings.Contains(option, "user") {
			_, password, ok := strings.Cut(value, ":")
			if !ok {
				continue
			}
			start, value, name = end-len(password), password, "password"
		} else if _, v, ok := strings.Cut(value, "="); ok && strings.Count(value, "=") == 1 {
			value = v // the whole is hidden, the value is remembered
		}
		if start < end && !marked(value) {
			found(start, end, name, value)
		}
	}
}

// pemKeys finds private keys in PEM, also where the end is missing.
func pemKeys(s string, found func(start, end int, name, value string)) {
	const begin, last = "-----BEGIN ", "PRIVATE KEY-----"
	for at := 0; ; {
		i := strings.Index(s[at:], begin)
		if i < 0 {
			return
		}
		start := at + i
		at = start + len(begin)
		j := strings.Index(s[at:min(len(s), at+40)], last)
		if j < 0 {
			continue
		}
		body := at + j + len(last)
		end := body
		for end < len(s) && (runByte(s[end]) && s[end] != '-' || strings.IndexByte("= \t\r\n\\:,", s[end]) >= 0) {
			end++
		}
		key := strings.NewReplacer(`\r`, "", `\n`, "", "\\", "", " ", "", "\t", "", "\r", "", "\n", "").Replace(s[body:end])
		if strings.HasPrefix(s[end:], "-----END") {
			end += len("-----END")
			if k := strings.Index(s[end:min(len(s), end+60)], "-----"); k >= 0 {
				end += k + 5
			}
		}
		found(start, end, "pem", key)
		at = end
	}
}

// samlAssertions finds whole assertions, and protocol messages that hold one.
func samlAssertions(s string, found func(start, end int, name, value string)) {
	for at := 0; ; {
		i := strings.Index(s[at:], "Assertion")
		if i < 0 {
			return
		}
		name := at + i
		at = name + len("Assertion")
		open := strings.LastIndexByte(s[max(0, name-40):name], '<')
		if open < 0 {
			continue
		}
		open += max(0, name-40)
		if tag := s[open+1 : name]; tag != "" && !strings.HasSuffix(tag, ":") && !strings.HasSuffix(tag, "Encrypted") || strings.Contains(tag, "/") {
			continue
		}
		end := len(s)
		if j := strings.Index(s[at:], "Assertion>"); j >= 0 {
			end = at + j + len("Assertion>")
		}
		found(open, end, "assertion", "")
		at = end
	}
}
