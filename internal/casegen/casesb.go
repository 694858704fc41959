package main

import (
	"encoding/base64"
	"slices"
	"strings"
)

// This file and the other casesb files hold set B: a second capture for every
// cause, unlike the first in evidence, stack, algorithm and wording. It shows
// whether a diagnosis knows the cause or only the example.

// setB lists the builders of set B, part by part.
var setB = [][]func() *scene{
	proofCasesB, proofClaimCasesB, bindingCasesB, nonceCasesB, clockCasesB, targetCasesB, schemeCasesB, transportCasesB, bearerCasesB,
	verdictCasesB, doubleCasesB, noisyCasesB,
}

const (
	firefox       = "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0"
	safari        = "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"
	problemType   = "Content-Type: application/problem+json"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// with gives the request a body.
func (e *exchange) with(body string) *exchange {
	e.body = body
	return e
}

// set replaces the value of a request field.
func (e *exchange) set(name, value string) *exchange {
	for i := range e.headers {
		if strings.EqualFold(e.headers[i].name, name) {
			e.headers[i].value = value
		}
	}
	return e
}

// redact replaces a request field as a careful sender does. Secrets that were
// in it are no longer in the evidence.
func (s *scene) redact(e *exchange, name, to string) {
	from := lookup(e.headers, name)
	if credentials, ok := strings.CutPrefix(from, "Basic "); ok {
		from += string(must(base64.StdEncoding.DecodeString(credentials)))
	}
	e.set(name, to)
	s.secrets = slices.DeleteFunc(s.secrets, func(v secret) bool { return strings.Contains(from, v.Value) })
}

// signProof signs a proof whose header and claims are written out.
func (s *scene) signProof(k *key, header, claims object) string {
	v := signed(k, header, claims)
	s.keep("dpop_proof", v)
	s.keep("dpop_proof_signature", signatureOf(v))
	return v
}

// proofHeader is the header of an ordinary proof.
func proofHeader(k *key) object {
	return object{{"typ", "dpop+jwt"}, {"alg", k.alg}, {"jwk", k.jwk()}}
}

// proofClaims are the claims of an ordinary proof without a token.
func (s *scene) proofClaims(seconds float64, htm, htu string) object {
	return object{{"jti", s.value(16)}, {"htm", htm}, {"htu", htu}, {"iat", s.at(seconds).Unix()}}
}

// assertion is a private_key_jwt client assertion.
func (s *scene) assertion(k *key, client, audience string, seconds float64) string {
	return s.jws("client_assertion", k, "JWT", object{
		{"iss", client},
		{"sub", client},
		{"aud", audience},
		{"jti", s.value(15)},
		{"iat", s.at(seconds).Unix()},
		{"exp", s.at(seconds + 60).Unix()},
	})
}

// seen is a request as a backend saw it, for a bundle's backend_view.
func seen(method, target string, headers []header) object {
	return object{{"method", method}, {"url", target}, {"http_version", "HTTP/1.1"}, {"headers", pairs(headers)}}
}

func (s *scene) backend(seconds float64, exchange int, request object) member {
	return member{"backend_view", object{{"captured_at", stamp(s.at(seconds))}, {"exchange", exchange}, {"request", request}}}
}

func (s *scene) log(path, origin string, lines ...string) {
	s.add(path, "server-log", []byte(strings.Join(lines, "\n")+"\n"), member{"origin", origin})
}

func (s *scene) note(lines ...string) {
	s.add("readme.txt", "note", []byte(strings.Join(lines, "\n")+"\n"))
}

func (s *scene) jwks(path, issuer string, seconds float64, keys ...*key) {
	members := []any{}
	for _, k := range keys {
		members = append(members, k.setMember())
	}
	s.add(path, "jwks", indented(object{{"keys", members}}), member{"issuer", issuer}, member{"fetched_at", stamp(s.at(seconds))})
}

func bearerChallenge(code, description string) string {
	return `WWW-Authenticate: Bearer error="` + code + `", error_description="` + description + `"`
}

func dpopChallenge(code, description string) string {
	return `WWW-Authenticate: DPoP error="` + code + `", error_description="` + description + `"`
}

func oauthError(code, description string) string {
	return object{{"error", code}, {"error_description", description}}.String()
}
