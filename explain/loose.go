package explain

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// This file re-reads broken proofs and tokens leniently, only to name causes:
// padding, DER, a misspelled claim. It never decides whether something is
// accepted; the check table does.

// looseProof is a proof with everything that could be made out of it.
type looseProof struct {
	raw      string // identity; never printed
	strict   error  // why the strict reader refuses it, nil if it does not
	parts    int
	header   map[string]any
	claims   map[string]any
	alphabet string   // "", or what is unusual: "padding", "standard alphabet", "line break", "blank"
	repeated []string // member names that occur twice
	sig      []byte
	sigMark  string // "valid" or "invalid" as a redaction says, "redacted" without a word
	hidden   bool   // the value was removed from the evidence

	alg, typ       string
	jti, htm, htu  string
	iat            int64
	hasIat         bool
	nonce, ath     string
	hasNonce       bool
	jwk            map[string]any
	key            *jose.PublicKey
	keyErr         error
	jkt            holdfast.Thumbprint
	sigOK, sigSeen bool
	der            bool   // the signature is ASN.1 and verifies as such
	neighbour      string // another algorithm under which it verifies
}

// readLooseProof reads one DPoP field value.
func readLooseProof(raw string) *looseProof {
	p := &looseProof{raw: raw}
	value := raw
	if rest, mark, ok := splitMark(raw); ok {
		if !strings.HasSuffix(rest, ".") || strings.Count(rest, ".") != 2 {
			p.hidden = true
			if strings.Count(rest, ".") == 0 {
				return p
			}
		}
		p.sigMark = "redacted"
		switch {
		case strings.Contains(mark, "invalid"):
			p.sigMark = "invalid"
			// Our own marks say what the signature was, if it was something.
			p.der = strings.Contains(mark, "der")
			if i := strings.Index(mark, "S"); !p.der && i > 0 && strings.ContainsAny(mark, "0123456789") {
				p.neighbour = strings.TrimRight(mark[strings.Index(mark, "invalid")+8:], "]")
			}
		case strings.Contains(mark, "valid"):
			p.sigMark = "valid"
		}
		value = rest
	}
	segments := strings.Split(value, ".")
	p.parts = len(segments)
	form := raw
	if p.sigMark != "" {
		form = value + "AAAA" // the signature was removed: judge the rest of the form
	}
	if !p.hidden {
		_, p.strict = jose.Parse(form, holdfast.MaxProofBytes)
	}
	if len(segments) < 2 {
		return p
	}
	var h, c []byte
	h, p.alphabet = decodeLoose(segments[0])
	c, alpha := decodeLoose(segments[1])
	if p.alphabet == "" {
		p.alphabet = alpha
	}
	p.header, p.claims = looseObject(h), looseObject(c)
	for _, text := range [][]byte{h, c} {
		var e *strictjson.Error
		if _, err := strictjson.Parse(string(text), holdfast.MaxProofBytes); errors.As(err, &e) {
			if e.Reason == strictjson.Duplicate {
				p.repeated = append(p.repeated, e.Path)
			}
			if p.strict == nil {
				p.strict = err
			}
		}
	}
	if len(segments) > 2 && p.sigMark == "" {
		p.sig, alpha = decodeLoose(segments[2])
		if p.alphabet == "" {
			p.alphabet = alpha
		}
	}
	p.readMembers()
	return p
}

// examine looks for the form in which the signature verifies after all. It is
// costly, and needed only where the check table refuses the signature, or where
// nobody asked it.
func (p *looseProof) examine() {
	if i := strings.LastIndexByte(p.raw, '.'); p.parts == 3 && p.sigMark == "" && i > 0 {
		p.checkSignature(p.raw[:i])
	}
}

// decodeLoose decodes base64 in any of its dialects and says what is unusual.
func decodeLoose(s string) ([]byte, string) {
	odd := ""
	if strings.ContainsAny(s, "\r\n") {
		odd = "line break"
	} else if strings.ContainsAny(s, " \t") {
		odd = "blank"
	} else if strings.ContainsAny(s, "+/") {
		odd = "standard alphabet"
	} else if strings.Contains(s, "=") {
		odd = "padding"
	}
	s = strings.NewReplacer("\r", "", "\n", "", " ", "", "\t", "", "+", "-", "/", "_", "=", "").Replace(s)
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, odd
	}
	return b, odd
}

// looseObject decodes JSON as encoding/json does: the last duplicate wins.
func looseObject(text []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if d.Decode(&m) != nil {
		return nil
	}
	return m
}

func text(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

// number reads a JSON number, or a string of digits, as whole seconds.
func number(v any) (int64, bool) {
	switch n := v.(type) {
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return i, true
		}
		f, err := n.Float64()
		if err != nil || f > 1e15 || f < -1e15 {
			return 0, false
		}
		return int64(f), true
	case string:
		i, err := json.Number(n).Int64()
		return i, err == nil
	}
	return 0, false
}

func (p *looseProof) readMembers() {
	p.alg, p.typ = text(p.header, "alg"), text(p.header, "typ")
	p.jti, p.htm, p.htu = text(p.claims, "jti"), text(p.claims, "htm"), text(p.claims, "htu")
	p.ath = text(p.claims, "ath")
	p.nonce, p.hasNonce = p.claims["nonce"].(string)
	if _, isNumber := p.claims["iat"].(json.Number); isNumber {
		p.iat, p.hasIat = number(p.claims["iat"])
	}
	p.jwk, _ = p.header["jwk"].(map[string]any)
	if p.jwk == nil {
		return
	}
	encoded, err := json.Marshal(p.jwk)
	if err != nil {
		return
	}
	o, err := strictjson.Parse(string(encoded), holdfast.MaxJWKBytes)
	if err != nil {
		p.keyErr = err
		return
	}
	p.key, p.keyErr = jose.ParseKey(o)
	if t, err := jose.Thumbprint(o); err == nil {
		p.jkt = t
	}
	if p.key == nil && p.jkt != (holdfast.Thumbprint{}) {
		// A key with private members: its public part still tells whether the
		// signature fits.
		public := map[string]any{}
		for _, m := range [...]string{"kty", "crv", "x", "y", "n", "e"} {
			if v, ok := p.jwk[m]; ok {
				public[m] = v
			}
		}
		if b, err := json.Marshal(public); err == nil {
			if o, err := strictjson.Parse(string(b), holdfast.MaxJWKBytes); err == nil {
				if k, err := jose.ParseKey(o); err == nil {
					p.key = k
				}
			}
		}
	}
}

// checkSignature tries the declared algorithm, then what people get wrong: an
// ASN.1 signature, another hash, PSS against PKCS1.
func (p *looseProof) checkSignature(input string) {
	if p.key == nil {
		return
	}
	p.sigSeen = true
	declared, class := jose.ParseAlg(p.alg)
	if class == jose.ClassAsymmetric && p.key.Verify(declared, input, p.sig) == nil {
		p.sigOK = true
		return
	}
	if pub, ok := p.key.Public().(*ecdsa.PublicKey); ok {
		for _, h := range digests(input) {
			if ecdsa.VerifyASN1(pub, h.sum, p.sig) {
				p.der = true
				return
			}
		}
		p.neighbour = ecNeighbour(pub, input, p.sig)
		return
	}
	for _, a := range [...]jose.Alg{jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.RS256, jose.RS384, jose.RS512, jose.EdDSA} {
		if a != declared && p.key.Fits(a) && p.key.Verify(a, input, p.sig) == nil {
			p.neighbour = a.String()
			return
		}
	}
	if pub, ok := p.key.Public().(*rsa.PublicKey); ok {
		p.neighbour = rsaNeighbour(pub, input, p.sig)
	}
}

type digest struct {
	hash crypto.Hash
	name string
	sum  []byte
}

func digests(input string) []digest {
	a, b, c := sha256.Sum256([]byte(input)), sha512.Sum384([]byte(input)), sha512.Sum512([]byte(input))
	return []digest{{crypto.SHA256, "256", a[:]}, {crypto.SHA384, "384", b[:]}, {crypto.SHA512, "512", c[:]}}
}

// ecNeighbour finds the hash with which a fixed-length signature verifies.
func ecNeighbour(pub *ecdsa.PublicKey, input string, sig []byte) string {
	size := (pub.Params().BitSize + 7) / 8
	if len(sig) != 2*size {
		return ""
	}
	for _, h := range digests(input) {
		if ecdsa.Verify(pub, h.sum, new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:])) {
			return "ES" + h.name
		}
	}
	return ""
}

// rsaNeighbour tries PSS with any salt length, which the strict verifier does not.
func rsaNeighbour(pub *rsa.PublicKey, input string, sig []byte) string {
	for _, h := range digests(input) {
		if rsa.VerifyPSS(pub, h.hash, h.sum, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) == nil {
			return "PS" + h.name + " with another salt length"
		}
	}
	return ""
}

// looseToken is an access token, or what was sent in its place.
type looseToken struct {
	raw      string
	id       string // identity: SHA-256 as base64url, or the mark that stands for it; "" if unknown
	hash     [32]byte
	hasHash  bool // hash is that of the whole token
	hidden   bool // value removed or cut by whoever shared the evidence
	jwt      bool
	header   map[string]any
	claims   map[string]any
	broken   string // why it is no well-formed token: "quotes", "blank", "scheme twice", ...
	scrubbed bool   // claims are known, the signature is not
}

// readLooseToken reads the credentials of an Authorization field.
func readLooseToken(raw string) *looseToken {
	t := &looseToken{raw: raw}
	value := raw
	if rest, mark, ok := splitMark(raw); ok {
		t.hidden = true
		t.id = markedHash(mark)
		if _, fault, ok := strings.Cut(mark, "malformed: "); ok {
			t.broken, t.scrubbed = strings.TrimRight(fault, "]"), true
			return t
		}
		if b, err := jose.DecodeSegment(t.id); err == nil && len(b) == 32 {
			t.hash, t.hasHash = [32]byte(b), true
		}
		if strings.Count(rest, ".") != 2 || !strings.HasSuffix(rest, ".") {
			if i := strings.Count(rest, "."); i >= 1 {
				t.readJWT(rest)
			}
			return t
		}
		value, t.scrubbed = rest, true
	} else {
		t.hash, t.hasHash = sha256.Sum256([]byte(raw)), true
		t.id = jose.EncodeSegment(t.hash[:])
	}
	t.broken = tokenFault(value)
	t.readJWT(value)
	return t
}

// markedHash returns the hash in a mark such as [REDACTED sha256=...].
func markedHash(mark string) string {
	_, h, ok := strings.Cut(mark, "sha256=")
	if !ok {
		return ""
	}
	return strings.TrimRight(h, "])>} ")
}

func (t *looseToken) readJWT(value string) {
	segments := strings.Split(value, ".")
	if len(segments) < 2 {
		return
	}
	h, _ := decodeLoose(segments[0])
	if t.header = looseObject(h); t.header == nil {
		return
	}
	t.jwt = true
	c, _ := decodeLoose(segments[1])
	t.claims = looseObject(c)
	if !t.hidden && t.broken == "" && len(segments) < 3 {
		t.broken = fmt.Sprintf("the token is cut (truncated): %d parts instead of 3, %d characters, it ends before its signature", len(segments), len(value))
	}
	if !t.hidden && t.broken == "" && len(segments) == 3 && t.claims == nil && len(segments[1]) > 0 {
		t.broken = fmt.Sprintf("the token is cut or altered: its payload does not decode (%d characters)", len(value))
	}
}

// tokenFault names what is wrong with the form of a token value.
func tokenFault(v string) string {
	lower := strings.ToLower(v)
	switch {
	case v == "":
		return "the scheme stands alone, without a token"
	case strings.HasPrefix(lower, "bearer ") || strings.HasPrefix(lower, "dpop ") || lower == "bearer" || lower == "dpop":
		return "the scheme is written twice"
	case strings.HasPrefix(lower, "bearer:") || strings.HasPrefix(lower, "dpop:"):
		return "the scheme is written twice"
	case strings.ContainsAny(v, `"'`):
		return "the token stands in quotes"
	case lower == "undefined" || lower == "null" || lower == "none" || lower == "nil" || lower == "nan" || lower == "[object object]" || lower == "[object promise]":
		return "the literal " + lower + " was sent in place of a token"
	case strings.HasPrefix(v, "{"):
		return "a JSON document was sent in place of a token"
	case strings.ContainsAny(v, "${}"):
		return "a placeholder was sent in place of a token"
	case strings.ContainsAny(v, " \t\r\n"):
		return "there is a blank or line break in the token"
	case strings.Contains(v, "%20") || strings.Contains(v, "%0A") || strings.Contains(v, "%3D"):
		return "the token is percent-encoded"
	case strings.Contains(v, ","):
		return "there is a comma in the token"
	}
	return ""
}

// confirmation returns a member of cnf as written.
func (t *looseToken) confirmation(member string) string {
	if t == nil || t.claims == nil {
		return ""
	}
	cnf, _ := t.claims["cnf"].(map[string]any)
	return text(cnf, member)
}

// looseAny decodes any JSON value; nil if it does not decode.
func looseAny(body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}
