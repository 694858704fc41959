package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A scene is one case while it is being built: evidence, secrets and the
// verdict that the taxonomy gives it.
type scene struct {
	id, title, stack string
	start, observed  time.Time
	vantage          string
	want             expectation
	files            []file
	secrets          []secret
	exchanges        []*exchange
	source           *rand.ChaCha8
	rsaKeys          int // taken from the pool
}

// A file is one piece of evidence and its row in case.json.
type file struct {
	path string
	kind string
	more object
	data []byte
}

// A secret must never be repeated by a tool.
type secret struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// newScene starts a case at an RFC 3339 time. Keys and identifiers are
// drawn from a generator seeded by the id: they stay the same from run to run.
func newScene(id, title, stack, start string) *scene {
	t := must(time.Parse(time.RFC3339, start))
	return &scene{
		id: id, title: title, stack: stack, start: t, observed: t.Add(90 * time.Second), vantage: "client",
		source: rand.NewChaCha8(sha256.Sum256([]byte(id))),
	}
}

// at is the start plus some seconds.
func (s *scene) at(seconds float64) time.Time {
	return s.start.Add(time.Duration(seconds * float64(time.Second)))
}

// seenAfter sets observed_at.
func (s *scene) seenAfter(seconds float64) { s.observed = s.at(seconds) }

// value is a random base64url string of n bytes.
func (s *scene) value(n int) string {
	return b64(s.bytes(n))
}

func (s *scene) bytes(n int) []byte {
	b := make([]byte, n)
	must(s.source.Read(b))
	return b
}

// hide draws a secret value and remembers it.
func (s *scene) hide(kind, prefix string, n int) string {
	v := prefix + s.value(n)
	s.keep(kind, v)
	return v
}

func (s *scene) keep(kind, value string) {
	for _, have := range s.secrets {
		if have.Value == value {
			return
		}
	}
	s.secrets = append(s.secrets, secret{kind, value})
}

// basic is an Authorization field with client credentials.
func (s *scene) basic(client string) string {
	password := s.hide("client_secret", "", 21)
	v := base64.StdEncoding.EncodeToString([]byte(client + ":" + password))
	s.keep("basic_credentials", v)
	return auth("Basic", v)
}

// jws signs a token of the given secret kind and remembers it and its
// signature.
func (s *scene) jws(kind string, k *key, typ string, claims object) string {
	t := signed(k, object{{"typ", typ}, {"alg", k.alg}, {"kid", k.kid}}, claims)
	s.keep(kind, t)
	s.keep(kind+"_signature", signatureOf(t))
	return t
}

// A grant says what an access token carries.
type grant struct {
	iss, scope string
	aud        any // a string or a list of strings
	issued     time.Time
	life       int // seconds; 3600 when zero
	bound      *key
	extra      object
}

// token issues an access token.
func (s *scene) token(as *key, g grant) string {
	if g.life == 0 {
		g.life = 3600
	}
	claims := object{
		{"iss", g.iss},
		{"sub", "u-" + s.value(6)},
		{"aud", g.aud},
		{"client_id", "c-" + s.value(4)},
		{"iat", g.issued.Unix()},
		{"exp", g.issued.Unix() + int64(g.life)},
		{"jti", s.value(9)},
		{"scope", g.scope},
	}
	if g.bound != nil {
		claims = append(claims, member{"cnf", object{{"jkt", g.bound.jkt()}}})
	}
	return s.jws("access_token", as, "at+jwt", append(claims, g.extra...))
}

// prove signs a proof and remembers it and its signature.
func (s *scene) prove(p proof) string {
	if p.jti == "" {
		p.jti = s.value(12)
	}
	v := p.compact()
	s.keep("dpop_proof", v)
	s.keep("dpop_proof_signature", signatureOf(v))
	return v
}

func (s *scene) add(path, kind string, data []byte, more ...member) {
	s.files = append(s.files, file{path, kind, more, data})
}

func (s *scene) addHAR(path, creator, version string, list ...*exchange) {
	s.exchanges = append(s.exchanges, list...)
	s.add(path, "har", har(creator, version, list))
}

func (s *scene) addCurl(path string, list ...*exchange) {
	s.exchanges = append(s.exchanges, list...)
	s.add(path, "curl-verbose", curl(list))
}

func (s *scene) addTranscript(path string, list ...*exchange) {
	s.exchanges = append(s.exchanges, list...)
	s.add(path, "http-transcript", transcript(list))
}

func (s *scene) addBundle(list []*exchange, loose ...member) {
	s.exchanges = append(s.exchanges, list...)
	s.add("evidence.json", "evidence-bundle", s.bundle(list, loose...))
}

// addRaw writes one exchange as a request file and a response (or error) file.
func (s *scene) addRaw(name string, e *exchange) {
	s.exchanges = append(s.exchanges, e)
	n := member{"exchange", len(s.exchanges)}
	base := fmt.Sprintf("%s%02d", name, len(s.exchanges))
	s.add(base+".request.http", "http-request", rawRequest(e), n, member{"scheme", e.parsed().Scheme}, member{"captured_at", stamp(e.at)})
	if e.err != "" {
		s.add(base+".error.txt", "transport-error", []byte(e.err+"\n"), n)
		return
	}
	s.add(base+".response.http", "http-response", rawResponse(e), n)
}

// resource is a call with a token under the DPoP scheme and a proof made for
// it. Members of p that are set win over what the call implies.
func (s *scene) resource(seconds float64, method, target, token string, p proof, fields ...string) *exchange {
	p.token = token
	v := s.prove(s.fill(p, s.at(seconds), method, target))
	return call(s.at(seconds), method, target, "", append(fields, auth("DPoP", token), dpop(v))...)
}

// grantCall is a form post to an authorization server with a proof made for it.
func (s *scene) grantCall(seconds float64, target, body string, p proof, fields ...string) *exchange {
	v := s.prove(s.fill(p, s.at(seconds), "POST", target))
	return call(s.at(seconds), "POST", target, body, append(fields, formType, dpop(v))...)
}

func (s *scene) fill(p proof, at time.Time, method, target string) proof {
	if p.htm == "" {
		p.htm = method
	}
	if p.htu == "" {
		p.htu, _, _ = strings.Cut(target, "?")
	}
	if p.iat.IsZero() {
		p.iat = at
	}
	return p
}

// tokenReply is a token endpoint's success.
func tokenReply(token, tokenType string, life int, more ...member) string {
	o := object{{"access_token", token}, {"token_type", tokenType}, {"expires_in", life}}
	return append(o, more...).String()
}

// overH2 marks exchanges as HTTP/2.
func overH2(list ...*exchange) []*exchange {
	for _, e := range list {
		e.h2 = true
	}
	return list
}
