package explain

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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
	if marked(s) {
		return s
	}
	if len(s) < highEntropy {
		return mark
	}
	sum := sha256.Sum256([]byte(s))
	return "[REDACTED sha256=" + jose.EncodeSegment(sum[:]) + "]"
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
		out.Documents[i] = d
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
		c.Request.Proofs[i] = holdfast.NewSecret(redactProofs(p.Reveal()))
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
	c.Request.URL = r.url(x.Request.URL)
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

// redactProofs handles a field that holds one proof, or several joined by a comma.
func redactProofs(v string) string {
	parts := strings.Split(v, ",")
	for i, p := range parts {
		lead := p[:len(p)-len(strings.TrimLeft(p, " "))]
		parts[i] = lead + redactProof(strings.TrimLeft(p, " "))
	}
	return strings.Join(parts, ",")
}

func redactProof(v string) string {
	if marked(v) || v == "" {
		return v
	}
	p := readLooseProof(v)
	p.examine()
	segments := strings.Split(v, ".")
	if len(segments) < 2 {
		return mark
	}
	header := segments[0]
	if slices.ContainsFunc(privateMembers[:], func(m string) bool { _, ok := p.jwk[m]; return ok }) {
		header = scrubbedHeader(p)
	}
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
	out := header + "." + segments[1]
	if len(segments) > 2 {
		out += ".[REDACTED " + word + "]"
	}
	return out
}

// scrubbedHeader writes the header of a proof without the values of private
// members; their names stay, because they are the finding.
func scrubbedHeader(p *looseProof) string {
	h := map[string]any{}
	for k, v := range p.header {
		h[k] = v
	}
	jwk := map[string]any{}
	for k, v := range p.jwk {
		if slices.Contains(privateMembers[:], k) {
			v = "REDACTED"
		}
		jwk[k] = v
	}
	h["jwk"] = jwk
	b, err := json.Marshal(h)
	if err != nil {
		return mark
	}
	return jose.EncodeSegment(b)
}

func (r redactor) authorization(v string) string {
	scheme, rest, ok := strings.Cut(v, " ")
	if !ok {
		return hashMark(v)
	}
	if t := readLooseToken(rest); t.broken != "" && !t.hidden {
		// What is wrong is the finding: it stays, the value does not.
		return scheme + " [REDACTED malformed: " + t.broken + "]"
	}
	return scheme + " " + r.token(rest)
}

// redactToken keeps the open claims of a JWT and the hash of the whole.
func (r redactor) token(v string) string {
	if marked(v) || v == "" {
		return v
	}
	segments := strings.Split(v, ".")
	if len(segments) != 3 {
		return hashMark(v)
	}
	t := readLooseToken(v)
	if !t.jwt || t.claims == nil {
		return hashMark(v)
	}
	open := map[string]any{}
	for k, c := range t.claims {
		if slices.Contains(openClaims, k) {
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
	return segments[0] + "." + jose.EncodeSegment(b) + "." + hashMark(v)
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
		return redactProofs(v)
	}
	return hashMark(v)
}

func (r redactor) url(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery == "" && u.Fragment == "" {
		return raw
	}
	u.RawQuery = r.query(u.RawQuery)
	u.Fragment = ""
	return u.String()
}

// query replaces the values of secret parameters and keeps the others as they are.
func (r redactor) query(q string) string {
	parts := strings.Split(q, "&")
	for i, p := range parts {
		name, value, ok := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(value)
		if !ok || err != nil {
			continue
		}
		switch {
		case isSecretName(name):
			parts[i] = name + "=" + url.QueryEscape(r.value(strings.ToLower(name), plain))
		case r.v.scrub(plain) != plain:
			parts[i] = name + "=" + url.QueryEscape(r.v.scrub(plain))
		}
	}
	return strings.Join(parts, "&")
}

func (r redactor) header(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		for _, v := range values {
			switch {
			case slices.Contains(secretHeaders[:], name) || name == "Set-Cookie":
				v = mark
			case name == "Location" || name == "Referer" || name == "Content-Location":
				v = r.url(v)
			case name != "Dpop-Nonce":
				v = r.v.scrub(v)
			}
			out[name] = append(out[name], v)
		}
	}
	return out
}

// body redacts a form or JSON body; another body is kept, scrubbed, only if it
// belongs to a refusal or to an authorization server.
func (r redactor) body(b []byte, keep bool) []byte {
	switch {
	case len(b) == 0 || !keep:
		return nil
	case b[0] == '{' || b[0] == '[':
		if v := looseAny(b); v != nil {
			out, err := json.Marshal(r.tree(v, ""))
			if err == nil {
				return out
			}
		}
		return []byte(r.v.scrub(string(b)))
	case bytes.IndexByte(b, '=') > 0 && !bytes.ContainsAny(b, " <\n"):
		return []byte(r.query(string(b)))
	}
	return []byte(r.v.scrub(string(b)))
}

func (r redactor) tree(v any, name string) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = r.tree(e, k)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = r.tree(e, name)
		}
		return out
	case string:
		if isSecretName(name) && !harmlessValue(name, t) {
			return r.value(strings.ToLower(name), t)
		}
		return r.v.scrub(t)
	}
	return v
}

func (r redactor) document(d *Document) []byte {
	switch d.Kind {
	case KindJWKS, KindCertificate, KindDownstreamKey:
		if d.Kind == KindJWKS {
			return redactKeys(d.Body)
		}
		return d.Body
	case KindTokenRequestProof:
		return []byte(redactProofs(strings.TrimSpace(string(d.Body))))
	case KindMetadata, KindTokenResponse, KindIntrospection, KindClient:
		return r.body(d.Body, true)
	}
	return []byte(r.v.scrub(string(d.Body)))
}

// redactKeys removes the values of private members from a key set.
func redactKeys(b []byte) []byte {
	m := looseObject(b)
	keys, _ := m["keys"].([]any)
	private := false
	for _, k := range keys {
		jwk, _ := k.(map[string]any)
		for _, name := range privateMembers {
			if _, ok := jwk[name]; ok {
				jwk[name], private = mark, true
			}
		}
	}
	if !private {
		return b
	}
	out, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return out
}
