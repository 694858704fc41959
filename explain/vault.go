package explain

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// vault knows every secret of the evidence, so that no text leaves with one in
// it, whole or by a part that could be used. It is the last line: rules do not
// quote secrets, but servers and logs do.
type vault struct {
	words   map[[16]byte]struct{} // secrets that are too short for parts, and seen ones
	short   bool                  // there are secrets that only words finds
	parts   parts
	ev      *Evidence
	open    map[string]struct{} // values of proofs that look random and are none
	heads   map[[16]byte]struct{}
	learned int // bytes of successful answers that were searched
}

// maxLearned bounds how many bytes of successful answers are searched for
// secrets that could occur elsewhere too.
const maxLearned = 2 << 20

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
		if len(b) == 0 || v.json(b) {
			continue
		}
		// The body of an answer that succeeded is never quoted, so what it says is
		// looked at only as far as the budget goes.
		if ok := x.Status >= 200 && x.Status < 300; !ok || v.learned < maxLearned {
			if ok {
				v.learned += len(b)
			}
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
