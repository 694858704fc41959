package explain

import (
	"crypto/sha256"
	"net/url"
	"regexp"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// vault knows every secret of the evidence by its hash, so that no text leaves
// with one in it. It is the last line: rules do not quote secrets, but servers
// and logs do.
type vault struct {
	known map[[16]byte]struct{}
}

// minSecret is the shortest value that the vault looks for: shorter ones are
// words.
const minSecret = 6

// secretParams are form, query and JSON members whose values are secrets.
var secretParams = [...]string{
	"access_token", "refresh_token", "id_token", "code", "code_verifier", "client_secret", "client_assertion", "assertion", "subject_token", "actor_token",
	"device_code", "user_code", "password", "token", "dpop", "request", "id_token_hint", "logout_token", "registration_access_token", "api_key", "apikey", "secret", "session", "sessionid", "sid", "passcode", "otp", "private_key",
}

// secretHeaders are fields whose values are secrets.
var secretHeaders = [...]string{
	"Authorization", "Proxy-Authorization", "Dpop", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "X-Csrf-Token", "X-Xsrf-Token",
	"X-Amz-Security-Token", "X-Forwarded-Access-Token", "X-Session-Id", "Ocp-Apim-Subscription-Key",
}

func newVault(ev *Evidence) *vault {
	v := &vault{known: map[[16]byte]struct{}{}}
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
			v.add(strings.TrimSpace(string(d.Body)))
		case KindTokenResponse, KindIntrospection, KindClient, KindServerConfig:
			v.json(d.Body)
		}
	}
	return v
}

func hash16(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}

// add remembers a secret, and the parts of a JWT: its signature above all.
func (v *vault) add(s string) {
	s = strings.TrimSpace(s)
	if len(s) < minSecret || marked(s) {
		return
	}
	v.known[hash16(s)] = struct{}{}
	if i := strings.LastIndexByte(s, '.'); i > 0 && strings.HasPrefix(s, "ey") && len(s)-i > 16 {
		v.known[hash16(s[i+1:])] = struct{}{}
	}
}

// isSchemeName: the name of an authentication scheme is no secret.
func isSchemeName(w string) bool {
	switch strings.ToLower(strings.TrimRight(w, ":")) {
	case "bearer", "dpop", "basic", "token", "digest", "negotiate":
		return true
	}
	return false
}

func (v *vault) exchange(x *holdfast.Exchange) {
	for _, list := range [...][]holdfast.Secret{x.Request.Authorization, x.Request.Proofs, x.Request.Query} {
		for _, s := range list {
			raw := s.Reveal()
			v.add(raw)
			for _, w := range strings.FieldsFunc(raw, func(r rune) bool { return r == ' ' || r == ',' }) {
				if !isSchemeName(w) {
					v.add(w)
				}
			}
		}
	}
	for _, name := range secretHeaders {
		for _, s := range x.RequestHeader[name] {
			for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' }) {
				if !isSchemeName(w) {
					v.add(w)
				}
				if _, value, ok := strings.Cut(w, "="); ok {
					v.add(value)
				}
			}
		}
	}
	for _, s := range x.Header["Set-Cookie"] {
		if _, value, ok := strings.Cut(strings.SplitN(s, ";", 2)[0], "="); ok {
			v.add(value)
		}
	}
	v.params(readForm(x))
	if u, err := url.Parse(x.Request.URL); err == nil && u.RawQuery != "" {
		v.params(u.Query())
	}
	if loc := x.Header.Get("Location"); loc != "" {
		if u, err := url.Parse(loc); err == nil {
			v.params(u.Query())
			if f, err := url.ParseQuery(u.Fragment); err == nil {
				v.params(f)
			}
		}
	}
	v.json(x.Body)
	v.json(x.RequestBody)
}

func (v *vault) params(q url.Values) {
	for n, values := range q {
		if !isSecretName(n) {
			continue
		}
		for _, s := range values {
			v.add(s)
		}
	}
}

func (v *vault) json(body []byte) {
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		return
	}
	v.walk(looseAny(body), 0)
}

func (v *vault) walk(x any, depth int) {
	if depth > 12 {
		return
	}
	switch t := x.(type) {
	case map[string]any:
		for k, e := range t {
			if s, ok := e.(string); ok {
				if isSecretName(k) && !(k == "code" && strings.ContainsAny(s, " _")) {
					v.add(s)
				}
				continue
			}
			v.walk(e, depth+1)
		}
	case []any:
		for _, e := range t {
			v.walk(e, depth+1)
		}
	}
}

func isSecretName(name string) bool {
	n := strings.ToLower(name)
	for _, p := range secretParams {
		if n == p {
			return true
		}
	}
	return secretEnding.MatchString(n) && !openEnding.MatchString(n)
}

var (
	secretEnding = regexp.MustCompile(`(^|[_.-])(token|secret|password|passwd|assertion|verifier|passcode|otp|code|apikey|jwt)$`)
	openEnding   = regexp.MustCompile(`(error|status|response|reason|country|language|currency|postal|zip|result|sub)[_.-]?code$`)
)

// jwtLike finds compact JWTs, whole or cut, in free text.
var jwtLike = regexp.MustCompile(`ey[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){1,4}`)

// namedSecret finds name=value and "name": "value" pairs of secrets in free text.
var namedSecret = regexp.MustCompile(`(?i)\b(access_token|refresh_token|id_token|code|code_verifier|client_secret|client_assertion|password|passwd|secret|api[_-]?key|cookie|set-cookie|sessionid|session|private[_ ]key|assertion|device_code|user_code|pre-authorized_code)(["']?\s*[:=]\s*["']?)([^\s"'&,;<>]{6,})`)

// credentials finds scheme and token in free text.
var credentials = regexp.MustCompile(`(?i)\b(bearer|dpop|basic)([ :=]+)([A-Za-z0-9_.~+/=-]{20,})`)

// pemKey finds private keys in PEM.
var pemKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`)

var tokenWord = regexp.MustCompile(`[A-Za-z0-9_.~+/=-]{6,}`)

// maxText bounds every sentence of a diagnosis, in bytes.
const maxText = 1200

// text makes a text fit to leave: no secret, no control character, not too long.
func (v *vault) text(s string) string {
	return clean(v.scrub(s), maxText)
}

// scrub removes secrets from a text.
func (v *vault) scrub(s string) string {
	if s == "" {
		return s
	}
	s = pemKey.ReplaceAllString(s, "[REDACTED]")
	s = jwtLike.ReplaceAllString(s, "[REDACTED]")
	s = credentials.ReplaceAllStringFunc(s, func(m string) string {
		p := credentials.FindStringSubmatch(m)
		if isThumbprint(p[3]) || strings.ContainsAny(p[3], "/") && strings.Contains(p[3], ".") {
			return m
		}
		return p[1] + p[2] + "[REDACTED]"
	})
	s = namedSecret.ReplaceAllStringFunc(s, func(m string) string {
		p := namedSecret.FindStringSubmatch(m)
		if harmlessValue(p[1], p[3]) {
			return m
		}
		return p[1] + p[2] + "[REDACTED]"
	})
	return tokenWord.ReplaceAllStringFunc(s, func(w string) string {
		if _, ok := v.known[hash16(w)]; ok {
			return "[REDACTED]"
		}
		trimmed := strings.Trim(w, ".=/")
		if _, ok := v.known[hash16(trimmed)]; ok && len(trimmed) >= minSecret {
			return "[REDACTED]"
		}
		for _, sep := range [...]string{"=", "/", "."} {
			if parts := strings.Split(w, sep); len(parts) > 1 {
				hit := false
				for i, p := range parts {
					if len(p) < minSecret {
						continue
					}
					if _, ok := v.known[hash16(p)]; ok {
						parts[i], hit = "[REDACTED]", true
					}
				}
				if hit {
					return strings.Join(parts, sep)
				}
			}
		}
		return w
	})
}

// harmlessValue: words after "code:" and the like that are no secrets.
func harmlessValue(name, value string) bool {
	if isThumbprint(value) && !strings.EqualFold(name, "code") {
		return false
	}
	if strings.EqualFold(name, "code") || strings.EqualFold(name, "session") {
		for i := 0; i < len(value); i++ {
			if value[i] >= '0' && value[i] <= '9' {
				return false
			}
		}
		return len(value) < 24 // a word such as E_INVALID or invalid_token
	}
	return marked(value)
}

func isThumbprint(s string) bool {
	_, err := holdfast.ParseThumbprint(s)
	return err == nil
}

// redactQuery shows the names of query parameters and their harmless values.
func redactQuery(q string) string {
	lead := ""
	if q != "" && (q[0] == '?' || q[0] == '#') {
		lead, q = q[:1], q[1:]
	}
	var out []string
	for _, p := range strings.Split(q, "&") {
		name, value, ok := strings.Cut(p, "=")
		if ok && (isSecretName(name) || len(value) > 80 || jwtLike.MatchString(value)) {
			p = name + "=[REDACTED]"
		}
		out = append(out, p)
	}
	return lead + strings.Join(out, "&")
}
