package explain

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// How implementations compute RFC 7638 thumbprints wrong.

// wrongThumbprint finds the wrong form in which somebody computed a thumbprint
// over a JWK.
func wrongThumbprint(jwk map[string]any, got string) string {
	if len(jwk) == 0 || len(jwk) > maxMembers || got == "" {
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

// maxMembers is how many members a JWK may have to be searched; no library
// writes so many.
const maxMembers = 16

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
		{},
		{"alg": algOf(jwk)},
		{"use": "sig"},
		{"alg": algOf(jwk), "use": "sig"},
		{"ext": true, "key_ops": []any{"verify"}},
		{"ext": true},
		{"key_ops": []any{"verify"}},
		{"alg": algOf(jwk), "ext": true, "key_ops": []any{"verify"}},
		{"ext": true, "key_ops": []any{}},
		{"ext": true, "key_ops": []any{"sign"}},
		{"alg": algOf(jwk), "kid": jwk["kid"]},
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
			const what = " instead of the JWK members (RFC 7638)"
			block := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
			crlf := strings.ReplaceAll(block, "\n", "\r\n")
			b64 := base64.StdEncoding.EncodeToString(der)
			out = append(out,
				candidate{string(der), "a hash over the DER public key (SPKI)" + what},
				candidate{block, "a hash over the PEM of the public key" + what}, candidate{strings.TrimSpace(block), "a hash over the PEM of the public key" + what},
				candidate{crlf, "a hash over the PEM of the public key" + what}, candidate{strings.TrimSpace(crlf), "a hash over the PEM of the public key" + what},
				candidate{b64, "a hash over the base64 of the public key (PEM body)" + what}, candidate{hex.EncodeToString(der), "a hash over the hex of the public key" + what})
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

// maxWrongForms is how many pairs of key and confirmation are searched.
const maxWrongForms = 200

// wrongForms is wrongThumbprint with a memory: the search is long.
func (s *scene) wrongForms(p *looseProof, got string) string {
	key := [2]string{p.jkt.String() + fmt.Sprint(len(p.jwk)), got}
	what, ok := s.wrongForm[key]
	if !ok && len(s.wrongForm) >= maxWrongForms {
		s.note("thumbprints of further keys were not searched for wrong forms (limit maxWrongForms)")
		return ""
	}
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
