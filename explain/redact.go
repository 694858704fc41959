package explain

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// mark is what stands for a low-entropy secret: its hash would be a hint.
const mark = "[REDACTED]"

// highEntropy is the length from which a secret is taken for a random value,
// whose hash tells nothing.
const highEntropy = 20

// hashMark stands for a high-entropy secret; equal secrets keep equal marks.
func hashMark(s string) string {
	if isMark(s) {
		return s
	}
	if len(s) < highEntropy || wordy(s) {
		return mark
	}
	return "[REDACTED sha256=" + fingerprint(s) + "]"
}

// isMark reports whether a value is nothing but what a redaction left: a mark
// within a value says nothing about what stands around it.
func isMark(s string) bool {
	rest, m, ok := splitMark(s)
	return ok && rest == "" && len(m) == len(s)
}

// openClaims are the token claims that carry no personal data and that a
// diagnosis needs.
var openClaims = []string{
	"iss", "aud", "exp", "nbf", "iat", "jti", "scope", "scp", "client_id", "azp", "cid", "typ", "token_use", "token_type", "cnf", "acr", "auth_time",
	"at_hash", "c_hash", "nonce", "ver", "htm", "htu", "ath",
}

// Redact returns a copy of the evidence that is safe to share and still
// explains to the same verdict wherever the facts allow. High-entropy secrets
// become [REDACTED sha256=...], others [REDACTED]; a proof keeps header and
// claims, its signature becomes [REDACTED valid] or [REDACTED invalid]; a JWT
// access token keeps the claims that are needed. Bodies of successful resource
// answers are dropped: nothing in them explains a refusal.
func Redact(ev *Evidence) *Evidence {
	r := redactor{v: newVault(ev), users: map[string]string{}}
	out := *ev
	out.Case, out.Vantage = r.v.scrub(ev.Case), r.v.scrub(ev.Vantage)
	out.Exchanges = make([]holdfast.Exchange, len(ev.Exchanges))
	for i := range ev.Exchanges {
		out.Exchanges[i] = r.exchange(&ev.Exchanges[i])
	}
	out.Views = make([]View, len(ev.Views))
	for i, v := range ev.Views {
		out.Views[i] = View{Of: v.Of, Request: r.exchange(&v.Request)}
	}
	out.Documents = make([]Document, len(ev.Documents))
	for i, d := range ev.Documents {
		d.Body = r.document(&d)
		d.Name, d.Origin = r.v.scrub(d.Name), r.place(d.Origin)
		out.Documents[i] = d
	}
	out.Sources = make([]Source, len(ev.Sources))
	for i, s := range ev.Sources {
		s.Name, s.Kind, s.Creator = r.v.scrub(s.Name), r.v.scrub(s.Kind), r.v.scrub(s.Creator)
		out.Sources[i] = s
	}
	out.Problems = make([]Problem, len(ev.Problems))
	for i, p := range ev.Problems {
		p.Source, p.Place, p.Text = r.v.scrub(p.Source), r.v.scrub(p.Place), r.v.scrub(p.Text)
		out.Problems[i] = p
	}
	return &out
}

type redactor struct {
	v     *vault
	users map[string]string // subject of a token -> its mark: equal subjects keep equal marks
}

func (r redactor) exchange(x *holdfast.Exchange) holdfast.Exchange {
	g := newSight(x, 0, func(string) topic { return 0 }) // words do not matter here
	c := *x
	c.Request.Proofs = make([]holdfast.Secret, len(x.Request.Proofs))
	for i, p := range x.Request.Proofs {
		c.Request.Proofs[i] = holdfast.NewSecret(r.proofs(p.Reveal()))
		c.Request.Hidden |= markProof(c.Request.Proofs[i].Reveal())
	}
	c.Request.Authorization = make([]holdfast.Secret, len(x.Request.Authorization))
	for i, a := range x.Request.Authorization {
		c.Request.Authorization[i] = holdfast.NewSecret(r.authorization(a.Reveal()))
		c.Request.Hidden |= markAuthorization(c.Request.Authorization[i].Reveal())
	}
	c.Request.Query = make([]holdfast.Secret, len(x.Request.Query))
	for i, q := range x.Request.Query {
		c.Request.Query[i] = holdfast.NewSecret(r.token(q.Reveal()))
	}
	c.Request.URL, c.Request.Method, c.Origin = r.url(x.Request.URL), r.v.scrub(x.Request.Method), r.place(x.Origin)
	c.RequestHeader = r.header(x.RequestHeader)
	setAll(c.RequestHeader, "Dpop", c.Request.Proofs)
	setAll(c.RequestHeader, "Authorization", c.Request.Authorization)
	c.Header = r.header(x.Header)
	c.RequestBody = r.body(x.RequestBody, g.role != roleResource || oauthBody(g.json))
	c.Body = r.body(x.Body, !(g.ok && g.role == roleResource) || oauthBody(g.json))
	c.Err = r.v.text(x.Err)
	return c
}

// oauthBody reports whether a JSON body belongs to OAuth rather than to the API:
// a registration, a key set, metadata, introspection.
func oauthBody(m map[string]any) bool {
	for _, n := range [...]string{"client_id", "redirect_uris", "keys", "issuer", "authorization_servers", "active", "access_token"} {
		if m[n] != nil {
			return true
		}
	}
	return false
}

func setAll(h http.Header, name string, values []holdfast.Secret) {
	if len(values) == 0 {
		delete(h, name)
		return
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = v.Reveal()
	}
	h[name] = out
}

// proofs handles a field that holds one proof, or several joined by a comma.
func (r redactor) proofs(v string) string {
	parts := strings.Split(v, ",")
	for i, p := range parts {
		lead := p[:len(p)-len(strings.TrimLeft(p, " "))]
		parts[i] = lead + r.proof(strings.TrimLeft(p, " "))
	}
	return strings.Join(parts, ",")
}

// proof removes the signature. Header and claims stay as they are, unless they
// hold a secret themselves.
func (r redactor) proof(v string) string {
	if isMark(v) || v == "" {
		return v
	}
	segments := strings.Split(v, ".")
	if len(segments) < 2 {
		return mark
	}
	header, claims := r.segment(segments[0], false), r.segment(segments[1], true)
	if len(segments) > 3 && !marked(v) {
		return mark // encrypted, or something else: nothing of it is known to be public
	}
	out := header + "." + claims
	switch {
	case len(segments) == 2:
		return out
	case marked(v):
		_, m, _ := splitMark(v)
		return out + "." + m
	}
	p := readLooseProof(v)
	p.examine()
	word := "invalid"
	switch {
	case p.sigOK:
		word = "valid"
	case p.der:
		word = "invalid der"
	case p.neighbour != "":
		word = "invalid " + p.neighbour
	case !p.sigSeen:
		word = "unchecked"
	}
	return out + ".[REDACTED " + word + "]"
}

// segment removes secrets from header or claims of a JWT: a private member of
// a key, a token in the place of a nonce, a query of htu. Text that holds none
// keeps every byte, because its form may be the finding.
func (r redactor) segment(s string, claims bool) string {
	b, _ := decodeLoose(s)
	if len(b) == 0 {
		if len(s) > 0 && r.v.known(s) != s {
			return mark
		}
		return s
	}
	private := !claims && strings.Contains(string(b), `"jwk"`)
	changed := false
	member := ""
	var out []byte
	last := 0
	for _, m := range jsonString.FindAllIndex(b, -1) {
		var text string
		if json.Unmarshal(b[m[0]:m[1]], &text) != nil {
			continue
		}
		if rest := bytes.TrimLeft(b[m[1]:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
			member = text
			continue
		}
		safe := r.v.known(text)
		switch {
		case private && slices.Contains(privateMembers[:], member):
			safe = "REDACTED" // the name stays, because it is the finding
		case member == "htu" && claims:
			safe = r.htu(text)
		case safe == text && hasPattern(text) && member != "nonce" && member != "jti":
			safe = r.v.scrub(text)
		}
		if safe != text {
			quoted, err := json.Marshal(safe)
			if err != nil {
				return mark
			}
			out = append(append(out, b[last:m[0]]...), quoted...)
			last, changed = m[1], true
		}
	}
	if !changed {
		return s
	}
	return jose.EncodeSegment(append(out, b[last:]...))
}

// jsonString is a string of a JSON text, broken or not.
var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

func (r redactor) authorization(v string) string {
	scheme, rest, ok := strings.Cut(v, " ")
	if !ok {
		return hashMark(v)
	}
	scheme = r.v.scrub(scheme)
	if t := readLooseToken(rest); t.broken != "" && !t.hidden {
		// What is wrong is the finding: it stays, the value does not.
		return scheme + " [REDACTED malformed: " + r.v.scrub(t.broken) + "]"
	}
	return scheme + " " + r.token(rest)
}

// redactToken keeps the open claims of a JWT and the hash of the whole.
func (r redactor) token(v string) string {
	if isMark(v) || v == "" {
		return v
	}
	segments := strings.Split(v, ".")
	if len(segments) != 3 {
		if rest, m, ok := splitMark(v); ok && strings.Count(rest, ".") < 2 {
			if strings.Count(rest, ".") == 1 && r.jwtPart(rest) { // header and a cut payload
				return v
			}
			return m // what is left of the value may be of use
		}
		return hashMark(v)
	}
	t := readLooseToken(v)
	if !t.jwt || t.claims == nil {
		if _, m, ok := splitMark(v); ok && m != "" {
			return m
		}
		return hashMark(v)
	}
	open := map[string]any{}
	for k, c := range t.claims {
		if slices.Contains(openClaims, k) {
			open[k] = r.claim(c)
		} else if _, given := c.(string); k == "sub" && given && marked(c.(string)) {
			open[k] = c
		} else if sub, ok := c.(string); ok && k == "sub" {
			if r.users[sub] == "" {
				r.users[sub] = fmt.Sprintf("[REDACTED user %d]", len(r.users)+1)
			}
			open[k] = r.users[sub]
		} else {
			open[k] = mark
		}
	}
	b, err := json.Marshal(open)
	if err != nil {
		return hashMark(v)
	}
	last := segments[2]
	if !isMark(last) {
		last = hashMark(v)
	}
	return r.segment(segments[0], false) + "." + jose.EncodeSegment(b) + "." + last
}

// jwtPart reports whether the beginning of a JWT holds no more than a header
// and claims that do not decode.
func (r redactor) jwtPart(rest string) bool {
	head, tail, _ := strings.Cut(rest, ".")
	b, _ := decodeLoose(head)
	return looseObject(b) != nil && tail == ""
}

// claim removes secrets from the value of an open claim.
func (r redactor) claim(v any) any {
	switch t := v.(type) {
	case string:
		if s := r.v.known(t); s != t {
			return s
		}
		if strings.Contains(t, "://") {
			return r.v.scrub(t)
		}
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			if slices.Contains(privateMembers[:], k) {
				e = mark
			}
			out[k] = r.claim(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = r.claim(e)
		}
		return out
	}
	return v
}

// redactValue handles the value of a secret parameter.
func (r redactor) value(name, v string) string {
	if marked(v) {
		return v
	}
	switch name {
	case "access_token", "id_token", "client_assertion", "assertion", "subject_token", "actor_token", "token", "refresh_token":
		return r.token(v)
	case "dpop":
		return r.proofs(v)
	case "password", "passwd", "pwd", "passphrase", "otp", "passcode", "user_code":
		return mark // chosen or typed by people: a hash of it could be guessed
	}
	return hashMark(v)
}

// htu is url, but that there is a fragment stays visible: it is a finding.
func (r redactor) htu(raw string) string {
	address, fragment, found := strings.Cut(raw, "#")
	if !found {
		return r.url(raw)
	}
	return r.url(address) + "#" + r.query(fragment)
}

// url removes the password, the fragment, and secrets from path and query.
func (r redactor) url(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	address, query, asked := strings.Cut(raw, "?")
	if i := strings.Index(address, "://"); i >= 0 {
		host := address[i+3:]
		if j := strings.IndexByte(host, '/'); j >= 0 {
			host = host[:j]
		}
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			user, _, two := strings.Cut(host[:at], ":")
			if looksRandom(user) || r.v.scrub(user) != user {
				user = "REDACTED"
			}
			if two {
				user += ":REDACTED"
			}
			address = address[:i+3] + user + address[i+3+at:]
		}
	}
	if safe := r.v.scrub(address); safe != address {
		address = strings.ReplaceAll(safe, mark, "REDACTED") // still a URL
	}
	if !asked {
		return address
	}
	return address + "?" + r.query(query)
}

// place handles a name that may be a URL.
func (r redactor) place(s string) string {
	if strings.Contains(s, "://") && !strings.ContainsAny(s, " \n") {
		return r.url(s)
	}
	return r.v.scrub(s)
}

// query replaces the values of secret parameters and keeps the others as they are.
func (r redactor) query(q string) string {
	parts := strings.Split(q, "&")
	for i, p := range parts {
		name, value, ok := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		if !ok {
			parts[i] = url.QueryEscape(r.v.scrub(p))
			if parts[i] == url.QueryEscape(p) {
				parts[i] = p
			}
			continue
		}
		if safe := r.v.scrub(name); safe != name {
			name = url.QueryEscape(safe)
		}
		known, err := url.QueryUnescape(name)
		if err != nil {
			known = name
		}
		switch safe := r.v.scrub(plain); {
		case isSecretName(known) && !harmlessValue(known, plain):
			parts[i] = name + "=" + url.QueryEscape(r.value(strings.ToLower(known), plain))
		case safe != plain && strings.Contains(plain, "://"):
			parts[i] = name + "=" + url.QueryEscape(r.place(plain))
		case safe != plain:
			parts[i] = name + "=" + url.QueryEscape(safe)
		case looksRandom(plain) && !openParams[strings.ToLower(known)]:
			parts[i] = name + "=" + url.QueryEscape(hashMark(plain))
		default:
			parts[i] = name + "=" + value
		}
	}
	return strings.Join(parts, "&")
}

// openParams look random and are no secrets: identifiers, hashes, thumbprints,
// values that protect nothing once they were used.
var openParams = map[string]bool{
	"client_id": true, "code_challenge": true, "dpop_jkt": true, "nonce": true, "state": true, "request_uri": true, "redirect_uri": true,
	"resource": true, "audience": true, "scope": true, "iss": true, "jti": true, "kid": true, "jkt": true, "session_state": true, "trace": true,
	"grant_type": true, "client_assertion_type": true, "subject_token_type": true, "requested_token_type": true, "actor_token_type": true,
}

func (r redactor) header(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		safe := r.v.scrub(name)
		for _, v := range values {
			switch {
			case isSecretHeader(name):
				v = mark
			case name == "Location" || name == "Referer" || name == "Content-Location":
				v = r.url(v)
			case name == "Dpop-Nonce":
				v = r.v.known(v)
			default:
				v = r.v.scrub(v)
			}
			out[safe] = append(out[safe], v)
		}
	}
	return out
}

// body redacts a form or JSON body; another body is kept, scrubbed, only if it
// belongs to a refusal or to an authorization server.
func (r redactor) body(b []byte, keep bool) []byte {
	if len(b) == 0 || !keep {
		return nil
	}
	if v := jsonBody(b); v != nil {
		if out, err := json.Marshal(r.tree(v, "", 0)); err == nil {
			return out
		}
	}
	if bytes.IndexByte(b, '=') > 0 && !bytes.ContainsAny(b, " <\n\"") && b[0] != '{' && b[0] != '[' {
		return []byte(r.query(string(b)))
	}
	return []byte(r.v.scrub(string(b)))
}

func (r redactor) tree(v any, name string, depth int) any {
	if depth > MaxJSONDepth {
		return mark
	}
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			if t["kty"] != nil && slices.Contains(privateMembers[:], k) {
				out[k] = mark
				continue
			}
			out[r.v.scrub(k)] = r.tree(e, k, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = r.tree(e, name, depth+1)
		}
		return out
	case json.Number:
		if isSecretName(name) && len(t) >= minSecret && !openEnding.MatchString(name) && !strings.EqualFold(name, "code") {
			return mark
		}
	case string:
		switch {
		case isSecretName(name) && !harmlessValue(name, t):
			return r.value(strings.ToLower(name), t)
		case name == "nonce" || name == "jti" || name == "jkt" || name == "ath" || strings.HasSuffix(name, "_jkt"):
			return r.v.known(t)
		case strings.HasPrefix(t, "http") && strings.ContainsAny(t, "?#@") && !strings.ContainsAny(t, " \n"):
			return r.url(t)
		}
		return r.v.scrub(t)
	}
	return v
}

func (r redactor) document(d *Document) []byte {
	switch d.Kind {
	case KindCertificate:
		out := string(d.Body)
		pemKeys(out, func(start, end int, _, _ string) { out = strings.Replace(out, string(d.Body[start:end]), mark, 1) })
		return []byte(out)
	case KindDownstreamKey:
		return []byte(r.v.known(string(d.Body)))
	case KindTokenRequestProof:
		return []byte(r.proofs(strings.TrimSpace(string(d.Body))))
	case KindJWKS:
		if !bytes.ContainsAny(d.Body, "[") || r.privateKeys(d.Body) {
			return r.body(d.Body, true)
		}
		return d.Body
	case KindMetadata, KindTokenResponse, KindIntrospection, KindClient:
		return r.body(d.Body, true)
	}
	if jsonBody(d.Body) != nil && d.Kind == KindServerConfig {
		return r.body(d.Body, true)
	}
	return []byte(r.v.scrub(string(d.Body)))
}

// privateKeys reports whether a key set holds more than public keys. One that
// does not keeps every byte.
func (r redactor) privateKeys(b []byte) bool {
	m := looseObject(b)
	keys, _ := m["keys"].([]any)
	if len(m) != 1 || keys == nil {
		return true
	}
	for _, k := range keys {
		jwk, _ := k.(map[string]any)
		for name, value := range jwk {
			text, _ := value.(string)
			if slices.Contains(privateMembers[:], name) || r.v.known(text) != text || isSecretName(name) {
				return true
			}
		}
	}
	return false
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
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		if ok && (isSecretName(name) || len(value) > 80 || looksRandom(plain) || hasPattern(plain)) {
			p = name + "=" + mark
		} else if !ok && (looksRandom(p) || hasPattern(p)) {
			p = mark
		}
		out = append(out, p)
	}
	return lead + strings.Join(out, "&")
}

func hasPattern(s string) (found bool) {
	patterns(s, func(int, int, string, string) { found = true })
	return found
}

// fingerprint is the SHA-256 of a secret as base64url.
func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return jose.EncodeSegment(sum[:])
}

func isThumbprint(s string) bool {
	_, err := holdfast.ParseThumbprint(s)
	return err == nil
}
