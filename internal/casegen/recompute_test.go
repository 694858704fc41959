package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// This file recomputes the facts of an exchange from its wire values alone,
// sharing nothing but the choice of hash with the code that made them.

type parsedJWS struct {
	header, claims map[string]any
	input          string
	signature      []byte
}

func parseJWS(v string) (parsedJWS, bool) {
	var p parsedJWS
	parts := strings.Split(v, ".")
	if len(parts) != 3 {
		return p, false
	}
	for i, into := range []*map[string]any{&p.header, &p.claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return p, false
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	p.input, p.signature = parts[0]+"."+parts[1], sig
	return p, err == nil
}

// verifies reports whether the signature holds under the given public JWK.
func (p parsedJWS) verifies(jwk map[string]any) bool {
	alg, _ := p.header["alg"].(string)
	digest := digestFor(alg, []byte(p.input))
	member := func(name string) []byte {
		s, _ := jwk[name].(string)
		b, _ := base64.RawURLEncoding.DecodeString(s)
		return b
	}
	switch alg {
	case "ES256", "ES384", "ES512":
		curve, size := elliptic.P256(), 32
		switch alg {
		case "ES384":
			curve, size = elliptic.P384(), 48
		case "ES512":
			curve, size = elliptic.P521(), 66
		}
		point := append(append([]byte{4}, member("x")...), member("y")...)
		public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil || len(p.signature) != 2*size {
			return false
		}
		return ecdsa.Verify(public, digest, new(big.Int).SetBytes(p.signature[:size]), new(big.Int).SetBytes(p.signature[size:]))
	case "EdDSA":
		return ed25519.Verify(member("x"), []byte(p.input), p.signature)
	case "RS256", "PS256":
		public := &rsa.PublicKey{N: new(big.Int).SetBytes(member("n")), E: int(new(big.Int).SetBytes(member("e")).Int64())}
		if alg == "PS256" {
			return rsa.VerifyPSS(public, crypto.SHA256, digest, p.signature, nil) == nil
		}
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest, p.signature) == nil
	}
	return false
}

func thumbprint(jwk map[string]any) string {
	required := map[string]any{}
	for _, name := range []string{"crv", "e", "kty", "n", "x", "y"} {
		if v, ok := jwk[name]; ok {
			required[name] = v
		}
	}
	raw, _ := json.Marshal(required)
	sum := sha256.Sum256(raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// findings names every recomputable fact that does not hold, as "exchange
// fact", in order.
func findings(list []*exchange) []string {
	var out []string
	proofs, jtis := map[string]bool{}, map[any]bool{}
	for i, e := range list {
		for _, f := range exchangeFindings(e, proofs, jtis) {
			out = append(out, strconv.Itoa(i+1)+" "+f)
		}
	}
	return out
}

func exchangeFindings(e *exchange, proofs map[string]bool, jtis map[any]bool) []string {
	scheme, token, _ := strings.Cut(lookup(e.headers, "Authorization"), " ")
	claims, out := tokenFindings(e, scheme, token)
	var values []string
	for _, h := range e.headers {
		if strings.EqualFold(h.name, "DPoP") {
			values = append(values, strings.Split(h.value, ", ")...)
		}
	}
	if len(values) == 0 {
		if scheme == "DPoP" {
			out = append(out, "proof missing")
		}
		return out
	}
	if len(values) > 1 {
		return append(out, "proof duplicated")
	}
	if marked(values[0]) {
		return out
	}
	p, ok := parseJWS(values[0])
	if !ok {
		return append(out, "proof malformed")
	}
	if proofs[values[0]] {
		out = append(out, "proof reused")
	} else if jtis[p.claims["jti"]] {
		out = append(out, "jti reused")
	}
	proofs[values[0]], jtis[p.claims["jti"]] = true, true
	return append(out, proofFindings(e, p, token, claims)...)
}

// marked reports whether a value was replaced or shortened by whoever sent the
// evidence.
func marked(v string) bool {
	return strings.Contains(v, "[REDACTED]") || strings.Contains(v, "…") || strings.Contains(v, "...")
}

func proofFindings(e *exchange, p parsedJWS, token string, claims map[string]any) []string {
	var out []string
	jwk, _ := p.header["jwk"].(map[string]any)
	if p.header["typ"] != "dpop+jwt" {
		out = append(out, "typ")
	}
	if alg, _ := p.header["alg"].(string); !algAccepted(e, alg) {
		out = append(out, "alg")
	}
	if !p.verifies(jwk) {
		out = append(out, "signature")
	}
	if p.claims["htm"] != e.method {
		out = append(out, "htm")
	}
	if bare, _, _ := strings.Cut(e.url, "?"); p.claims["htu"] != bare {
		out = append(out, "htu")
	}
	if date, err := http.ParseTime(lookup(e.answers, "Date")); err == nil {
		if iat, _ := p.claims["iat"].(float64); iat-float64(date.Unix()) > 1 || iat-float64(date.Unix()) < -1 {
			out = append(out, "iat")
		}
	}
	if token == "" || marked(token) || strings.HasPrefix(lookup(e.headers, "Authorization"), "Basic") {
		return out
	}
	sum := sha256.Sum256([]byte(token))
	switch p.claims["ath"] {
	case base64.RawURLEncoding.EncodeToString(sum[:]):
	case nil:
		out = append(out, "ath missing")
	default:
		out = append(out, "ath")
	}
	if claims == nil {
		return out
	}
	cnf, _ := claims["cnf"].(map[string]any)
	switch {
	case cnf == nil:
		out = append(out, "unbound")
	case cnf["jkt"] != thumbprint(jwk):
		out = append(out, "cnf")
	}
	return out
}

func tokenFindings(e *exchange, scheme, token string) (claims map[string]any, out []string) {
	if scheme == "" || scheme == "Basic" {
		return nil, nil
	}
	p, ok := parseJWS(token)
	if !ok {
		return nil, nil
	}
	date, err := http.ParseTime(lookup(e.answers, "Date"))
	if err != nil {
		return p.claims, nil
	}
	now := float64(date.Unix())
	if exp, _ := p.claims["exp"].(float64); exp <= now {
		out = append(out, "exp")
	}
	if nbf, _ := p.claims["nbf"].(float64); nbf > now {
		out = append(out, "nbf")
	}
	if iat, _ := p.claims["iat"].(float64); iat > now+1 {
		out = append(out, "token iat")
	}
	if cnf, _ := p.claims["cnf"].(map[string]any); scheme == "Bearer" && cnf["jkt"] != nil {
		out = append(out, "bound as bearer")
	}
	return p.claims, out
}

// algAccepted reports whether the challenge's algs, if it has some, name alg.
func algAccepted(e *exchange, alg string) bool {
	for _, h := range e.answers {
		_, list, ok := strings.Cut(h.value, `algs="`)
		if strings.EqualFold(h.name, "WWW-Authenticate") && ok {
			list, _, _ = strings.Cut(list, `"`)
			return slices.Contains(strings.Fields(list), alg)
		}
	}
	return true
}

// audienceHolds reports whether a JWT's aud names the called origin or URL.
func audienceHolds(e *exchange, claims map[string]any) bool {
	var all []string
	switch aud := claims["aud"].(type) {
	case string:
		all = []string{aud}
	case []any:
		for _, a := range aud {
			all = append(all, a.(string))
		}
	}
	return slices.ContainsFunc(all, func(a string) bool {
		return strings.HasPrefix(e.url, a) || !strings.HasPrefix(a, "https://")
	})
}
