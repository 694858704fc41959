package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// A member is one name and value of a JSON object whose order matters.
type member struct {
	name  string
	value any
}

// An object is a JSON object that keeps the order of its members.
type object []member

// MarshalJSON writes the members in their order, without escaping HTML.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(compact(m.name))
		b.WriteByte(':')
		b.Write(compact(m.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// String is the object as compact JSON.
func (o object) String() string { return string(compact(o)) }

// without returns the object less the named members.
func (o object) without(names ...string) object {
	var out object
	for _, m := range o {
		keep := true
		for _, n := range names {
			keep = keep && m.name != n
		}
		if keep {
			out = append(out, m)
		}
	}
	return out
}

func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// signed makes a compact JWS.
func signed(k *key, header, claims object) string {
	input := b64(compact(header)) + "." + b64(compact(claims))
	return input + "." + b64(k.sign(k.alg, []byte(input)))
}

// signatureOf is the last part of a compact JWS.
func signatureOf(jws string) string {
	return jws[strings.LastIndexByte(jws, '.')+1:]
}

// ath is the RFC 9449 hash of an access token.
func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64(sum[:])
}

// pkce is the S256 challenge of a verifier.
func pkce(verifier string) string { return ath(verifier) }

// A proof is what a DPoP header says. Zero members are left out; the key signs
// with its own algorithm unless method says otherwise.
type proof struct {
	key    *key
	htm    string
	htu    string
	iat    time.Time
	token  string // its hash becomes ath
	nonce  string
	jti    string
	typ    string // dpop+jwt when empty
	ath    string // instead of the hash of token
	method string // signing method when it is not the header's alg
	shown  *key   // public key shown when it is not the signing key
	padded bool   // standard base64 with padding
	extra  object // more claims
	bare   bool   // no ath although a token is sent
}

func (p proof) header() object {
	typ, shown := p.typ, p.key
	if typ == "" {
		typ = "dpop+jwt"
	}
	if p.shown != nil {
		shown = p.shown
	}
	return object{{"typ", typ}, {"alg", p.key.alg}, {"jwk", shown.jwk()}}
}

func (p proof) claims() object {
	c := object{{"jti", p.jti}, {"htm", p.htm}, {"htu", p.htu}, {"iat", p.iat.Unix()}}
	hash := p.ath
	if hash == "" && p.token != "" && !p.bare {
		hash = ath(p.token)
	}
	if hash != "" {
		c = append(c, member{"ath", hash})
	}
	if p.nonce != "" {
		c = append(c, member{"nonce", p.nonce})
	}
	return append(c, p.extra...)
}

// compact signs the proof and gives the header value.
func (p proof) compact() string {
	method, encode := p.key.alg, b64
	if p.method != "" {
		method = p.method
	}
	if p.padded {
		encode = base64.StdEncoding.EncodeToString
	}
	input := encode(compact(p.header())) + "." + encode(compact(p.claims()))
	return input + "." + encode(p.key.sign(method, []byte(input)))
}
