package holdfast

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// vectorCases are the cases behind testdata/vectors, in the order of the table.
func vectorCases(g *generator) []*vector {
	var out []*vector
	for _, part := range []func(*generator) []*vector{
		requestCases, proofFormCases, proofClaimCases, proofHeaderCases, proofKeyCases, proofTargetCases,
		freshnessCases, holderCases, serverCases, tokenCases, bindingCases, accessCases, publishedCases,
	} {
		out = append(out, part(g)...)
	}
	return out
}

// cases collects vectors of one kind of row.
type cases struct {
	g   *generator
	out []*vector
}

// add puts a case at a resource; change sets what differs. Without a proof
// field of its own it gets a valid one.
func (c *cases) add(row, expect, suffix, comment, covers string, change func(*vector)) *vector {
	kind := "fail"
	switch {
	case expect == "pass" || expect == "near-miss":
		kind, expect = expect, "ok"
	default:
		expect = row + "." + expect
	}
	name := strings.ReplaceAll(row, ".", "-") + "-" + kind + "-" + suffix
	if kind == "fail" {
		name = strings.NewReplacer(".", "-", "_", "-").Replace(expect) + "-" + suffix
	}
	v := c.g.usual(row, kind, name, comment, covers)
	v.set("expect", expect)
	v.set("proof", c.g.proof())
	if change != nil {
		change(v)
	}
	c.out = append(c.out, v)
	return v
}

// with is add for a proof by K1 that differs.
func (c *cases) with(row, expect, suffix, comment, covers string, changes ...func(*draft)) {
	c.add(row, expect, suffix, comment, covers, func(v *vector) { v.set("proof", c.g.proof(changes...)) })
}

// server is add at an endpoint of an authorization server.
func (c *cases) server(row, expect, suffix, comment, covers string, change func(*vector)) {
	kind, full := "fail", row+"."+expect
	if expect == "pass" || expect == "near-miss" {
		kind, full = expect, "ok"
	}
	name := strings.NewReplacer(".", "-", "_", "-").Replace(row+"-"+expect) + "-" + suffix
	v := c.g.usualServer(row, kind, name, comment, covers)
	v.set("expect", full)
	v.set("proof", c.g.proof(toServer))
	if change != nil {
		change(v)
	}
	c.out = append(c.out, v)
}

func set(name string, values ...string) func(*vector) {
	return func(v *vector) { v.set(name, values...) }
}

func sets(changes ...func(*vector)) func(*vector) {
	return func(v *vector) {
		for _, c := range changes {
			c(v)
		}
	}
}

func requestCases(g *generator) []*vector {
	c := &cases{g: g}
	bearer := sets(set("authorization", "Bearer "+fixtureToken), set("proof"), set("token.cnf"), set("policy.accept", "bearer"))
	const auth = "request.auth"
	c.add(auth, "pass", "dpop", "scheme DPoP with one token", "D-7.1-02 D-7-01", nil)
	c.add(auth, "pass", "bearer", "scheme Bearer where bearer tokens are admitted", "B-2.1-01", bearer)
	c.add(auth, "near-miss", "two-spaces", "1*SP allows several spaces", "D-7.1-02", set("authorization", "DPoP  "+fixtureToken))
	c.add(auth, "missing", "none", "no credentials at all", "D-7.2-03", sets(set("authorization"), set("proof")))
	c.add(auth, "missing", "proof-alone", "a valid proof alone authorises nothing", "D-4-02", set("authorization"))
	c.add(auth, "missing", "query", "a token in the query is not accepted", "B-2.3-02", sets(set("authorization"), set("query", fixtureToken)))
	c.add(auth, "malformed", "no-token", "scheme without a token", "D-7.1-02", set("authorization", "DPoP"))
	c.add(auth, "malformed", "two-words", "two words after the scheme", "D-7.1-02", set("authorization", "DPoP a b"))
	c.add(auth, "malformed", "quoted", "a quoted token", "B-2.1-03", sets(bearer, set("authorization", `Bearer "t"`)))
	c.add(auth, "malformed", "joined", "two fields joined by a proxy", "D-7.2-05",
		set("authorization", "Bearer "+fixtureToken+", DPoP "+fixtureToken))
	c.add(auth, "malformed", "padding-only", "token68 needs a character before '='", "B-2.1-03", set("authorization", "DPoP =="))
	c.add(auth, "several", "two-fields", "two Authorization fields", "D-7.2-05",
		set("authorization", "Bearer "+fixtureToken, "DPoP "+fixtureToken))
	c.add(auth, "several", "field-and-query", "token in the field and in the query", "B-2-02", set("query", fixtureToken))
	c.add(auth, "several", "two-queries", "token twice in the query", "B-2-02",
		sets(set("authorization"), set("query", fixtureToken, "other")))

	const scheme = "request.scheme"
	c.add(scheme, "pass", "dpop", "scheme DPoP", "", nil)
	c.add(scheme, "near-miss", "letter-case", "scheme names have no case", "D-7.1-02", set("authorization", "dPOp "+fixtureToken))
	c.add(scheme, "near-miss", "bearer-letter-case", "scheme names have no case", "B-2.1-03",
		sets(bearer, set("authorization", "bearer "+fixtureToken)))
	c.add(scheme, "unsupported", "basic", "another scheme", "B-3.1-04", set("authorization", "Basic YTpi"))
	c.add(scheme, "unsupported", "glued", "no space between scheme and token", "D-7.1-02", set("authorization", "DPoP"+fixtureToken))
	c.add(scheme, "unsupported", "empty", "an empty field", "", set("authorization", ""))

	const single = "proof.single"
	c.add(single, "pass", "one", "one DPoP field", "D-7-01", nil)
	c.server(single, "pass", "server", "one DPoP field at the token endpoint", "D-5-01", nil)
	c.add(single, "near-miss", "bearer-with-two", "a bearer token that is admitted needs no proof, whatever comes with it", "",
		sets(bearer, set("row", "request.scheme"), set("proof", "x", "y")))
	c.out[len(c.out)-1].name = "request-scheme-near-miss-bearer-with-two-proofs"
	c.add(single, "near-miss", "trailing-query", "one proof, and a request with a query", "", set("url", "https://api.example/orders/81?a=1,2"))
	c.add(single, "missing", "none", "scheme DPoP without a proof", "D-7.1-03", set("proof"))
	c.add(single, "several", "good-bad", "two fields, the second garbage", "D-4.3-01b", set("proof", g.proof(), "garbage"))
	c.add(single, "several", "bad-good", "two fields, the first garbage", "D-4.3-01b", set("proof", "garbage", g.proof()))
	c.add(single, "several", "joined", "two proofs joined by a comma", "D-4.3-01c D-4.1-02", set("proof", g.proof()+", "+g.proof()))
	c.server(single, "missing", "server", "required and absent", "D-5.2-02", set("proof"))
	c.server(single, "missing", "code-bound", "a code bound to a key is not redeemable without a proof", "D-10-03",
		sets(set("proof"), set("need.required"), set("need.code", readTestKey(g.t, "k1").Thumbprint().String())))
	c.server(single, "missing", "refresh-bound", "a bound refresh token is worth nothing without a proof", "D-5-07",
		sets(set("proof"), set("need.required"), set("need.refresh", readTestKey(g.t, "k1").Thumbprint().String())))
	c.server(single, "several", "server", "two DPoP fields in a token request", "D-4.3-01a", set("proof", g.proof(toServer), g.proof(toServer)))
	c.server(single, "several", "server-joined", "two proofs joined by a comma", "D-4.3-01c", set("proof", g.proof(toServer)+","+g.proof(toServer)))
	return c.out
}

// joined builds a compact JWS of other parts than the draft's.
func joined(f func(header, body, sig string) string) func(*draft) {
	return func(d *draft) { d.finish = f }
}

func proofFormCases(g *generator) []*vector {
	c := &cases{g: g}
	const row = "proof.jwt"
	c.add(row, "pass", "compact", "a compact JWS", "D-4.2-14", nil)
	c.with(row, "near-miss", "extra-members", "further header members and claims are ignored", "D-4.2-13", header("foo", "1"), claim("exp", "0"), claim("x", "{}"))
	c.with(row, "near-miss", "kid", "a kid beside jwk means nothing", "", header("kid", `"1"`))
	c.with(row, "near-miss", "white-space", "white space in the JSON", "", header("foo", " \n1\t"))
	for _, bad := range []struct{ suffix, comment, value string }{
		{"empty", "an empty field", ""},
		{"two-parts", "two parts", "a.b"},
		{"four-dots", "five parts: a JWE", "a.b.c.d.e"},
		{"json", "JWS JSON serialization", `{"payload":"e30"}`},
		{"word", "no JWS at all", "token"},
	} {
		c.add(row, "malformed", bad.suffix, bad.comment, "D-4.3-02a", set("proof", bad.value))
	}
	c.with(row, "malformed", "padding", "padding inside a part", "D-4.3-02a J-5.2-01",
		joined(func(h, b, s string) string { return h + "." + b + "=." + s }))
	c.with(row, "malformed", "line-break", "a line break in the signature, which lenient decoders skip", "J-5.2-01",
		joined(func(h, b, s string) string { return h + "." + b + "." + s[:8] + "\r" + s[8:] }))
	c.with(row, "malformed", "plus", "a character of plain base64", "J-5.2-01",
		joined(func(h, b, s string) string { return h + "." + b + "." + s[:8] + "+" + s[9:] }))
	c.with(row, "malformed", "trailing-bits", "a signature with non-zero trailing bits", "J-5.2-01 T-7-02",
		joined(func(h, b, s string) string { return h + "." + b + "." + s[:len(s)-1] + nextLetter(s[len(s)-1]) }))
	c.with(row, "malformed", "inner-space", "an inner space", "D-4.1-02", joined(func(h, b, s string) string { return h + ". " + b + "." + s }))
	c.with(row, "malformed", "quoted", "quotes around the value", "D-4.1-02", joined(func(h, b, s string) string { return `"` + h + "." + b + "." + s + `"` }))
	c.with(row, "malformed", "upper-case", "the value has letter case", "D-4.1-01",
		joined(func(h, b, s string) string { return strings.ToUpper(h + "." + b + "." + s) }))
	c.with(row, "malformed", "payload-array", "the payload is no object", "D-4.3-02a", func(d *draft) { d.payload = "[]" })
	c.with(row, "malformed", "payload-text", "the payload is no JSON", "D-4.3-02a", func(d *draft) { d.payload = "htm=GET" })
	c.with(row, "malformed", "payload-trailing", "something follows the payload object", "D-4.3-02a", func(d *draft) { d.payload = d.claims.String() + "{}" })
	c.with(row, "malformed", "header-array", "the header is no object", "D-4.3-02a",
		joined(func(_, b, s string) string { return jose.EncodeSegment([]byte("[]")) + "." + b + "." + s }))
	c.with(row, "malformed", "htu-good-bad", "two htu members, the good one first", "D-4.3-02b", func(d *draft) { d.claims.add("htu", `"https://evil.example/"`) })
	c.with(row, "malformed", "htu-bad-good", "two htu members, the bad one first", "D-4.3-02b", func(d *draft) {
		good := d.claims
		d.claims = nil
		d.claims.add("htu", `"https://evil.example/"`)
		d.claims = append(d.claims, good...)
	})
	c.with(row, "malformed", "duplicate-escaped", "a duplicate spelled with an escape", "D-4.3-02b", func(d *draft) {
		d.payload = strings.TrimSuffix(d.claims.String(), "}") + `,"ht\u0075":"https://evil.example/"}`
	})
	c.with(row, "malformed", "duplicate-jwk", "two jwk members in the header", "D-4.3-02b", func(d *draft) { d.header.add("jwk", "{}") })
	c.with(row, "malformed", "typ-number", "typ is no string", "", header("typ", "1"))
	c.with(row, "crit", "unknown", "crit with an unknown extension", "D-4.2-13 J-4.1.11-01", header("crit", `["foo"]`), header("foo", "1"))
	c.with(row, "crit", "b64", "crit with b64", "J-4.1.11-01", header("crit", `["b64"]`), header("b64", "false"))
	c.with(row, "crit", "b64-alone", "b64 without crit changes what is signed", "", header("b64", "false"))
	c.with(row, "too_large", "claim", "a proof of more than 4 KiB", "D-11.1-04", claim("x", quote(strings.Repeat("a", 4096))))
	c.with(row, "too_large", "jti", "a jti of 64 KiB", "D-11.1-04", claim("jti", quote(strings.Repeat("a", 64<<10))))
	return c.out
}

// nextLetter is the base64url character after c: the same octets with other
// trailing bits.
func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)+1:][:1]
}

func proofClaimCases(g *generator) []*vector {
	c := &cases{g: g}
	const row = "proof.claims"
	c.add(row, "pass", "all", "jti, htm, htu, iat", "D-4.3-03", nil)
	c.with(row, "near-miss", "iat-fraction", "iat is a NumericDate and may have a fraction", "D-4.3-03",
		claim("iat", "1772366399.25"))
	c.with(row, "near-miss", "iat-exponent", "the notation of a number does not matter", "D-4.3-03", claim("iat", "177236640e1"))
	c.with(row, "near-miss", "jti-one-character", "any non-empty jti", "", claim("jti", `"1"`))
	for _, name := range []string{"jti", "htm", "htu", "iat"} {
		c.with(row, "missing_claim", name, name+" is absent", "D-4.3-03", noClaim(name))
	}
	c.with(row, "missing_claim", "letter-case", "member names have letter case", "D-12-01", func(d *draft) { d.claims.drop("htm"); d.claims.add("HTM", `"GET"`) })
	for _, bad := range []struct{ suffix, name, raw string }{
		{"iat-string", "iat", `"1772366400"`},
		{"iat-null", "iat", "null"},
		{"iat-huge", "iat", "1e300"},
		{"jti-number", "jti", "5"},
		{"jti-empty", "jti", `""`},
		{"htm-array", "htm", `["GET"]`},
		{"htu-null", "htu", "null"},
		{"ath-number", "ath", "1"},
		{"nonce-object", "nonce", "{}"},
	} {
		c.with(row, "bad_claim", bad.suffix, bad.name+" has the wrong type or form", "D-4.3-03", claim(bad.name, bad.raw))
	}
	return c.out
}

func proofHeaderCases(g *generator) []*vector {
	c := &cases{g: g}
	const typ = "proof.typ"
	c.add(typ, "pass", "exact", "typ is dpop+jwt", "D-4.2-01", nil)
	c.with(typ, "near-miss", "escaped", "the same text spelled with an escape", "", header("typ", `"dpop\u002bjwt"`))
	c.with(typ, "wrong", "missing", "no typ", "D-4.3-04", noHeader("typ"))
	for _, bad := range []struct{ suffix, raw string }{
		{"jwt", `"JWT"`}, {"at-jwt", `"at+jwt"`}, {"case-and-space", `"dpop+JWT "`}, {"upper-case", `"DPOP+JWT"`}, {"empty", `""`},
	} {
		c.with(typ, "wrong", bad.suffix, "typ is "+bad.raw, "D-4.3-04 D-11.5-01 J-3.12-01", header("typ", bad.raw))
	}

	const alg = "proof.alg"
	c.add(alg, "pass", "es256", "ES256", "D-4.2-02", nil)
	for _, key := range []string{"p384", "ed25519", "rsa2048"} {
		c.add(alg, "pass", key, "a key of "+key+" with its first algorithm", "D-4.2-02 D-4.2-14", func(v *vector) {
			v.set("proof", g.proofBy(key))
			v.set("token.cnf", g.cnf(key))
		})
	}
	c.add(alg, "near-miss", "ed25519-name", "the fully specified name of EdDSA", "J-9864-01", func(v *vector) {
		v.set("proof", g.proofBy("ed25519", header("alg", `"Ed25519"`)))
		v.set("token.cnf", g.cnf("ed25519"))
	})
	c.add(alg, "near-miss", "rs256-named", "RS256 where it is named", "", func(v *vector) {
		v.set("proof", g.proofBy("rsa2048", header("alg", `"RS256"`), func(d *draft) { d.alg = jose.RS256 }))
		v.set("token.cnf", g.cnf("rsa2048"))
		v.set("policy.algs", "RS256")
	})
	for _, bad := range []struct{ suffix, raw, expect string }{
		{"foo", `"foo"`, "unknown"},
		{"lower-case", `"es256"`, "unknown"},
		{"encryption", `"ECDH-ES"`, "unknown"},
		{"rs1", `"RS1"`, "unknown"},
		{"none-letter-case", `"None"`, "unknown"},
		{"none", `"none"`, "symmetric"},
		{"hs256", `"HS256"`, "symmetric"},
		{"a128kw", `"A128KW"`, "symmetric"},
		{"es256k", `"ES256K"`, "refused"},
		{"ml-dsa", `"ML-DSA-44"`, "refused"},
		{"rs256", `"RS256"`, "refused"},
		{"es384", `"ES384"`, "key_mismatch"},
		{"eddsa", `"EdDSA"`, "key_mismatch"},
		{"ps256", `"PS256"`, "key_mismatch"},
	} {
		c.with(alg, bad.expect, bad.suffix, "alg is "+bad.raw, "D-4.3-05a J-3.1-01", header("alg", bad.raw))
	}
	c.with(alg, "unknown", "missing", "no alg", "D-4.3-05a", noHeader("alg"))
	c.with(alg, "symmetric", "hs256-public-key", "HS256 keyed with the public key", "D-4.3-05a", header("alg", `"HS256"`), func(d *draft) {
		d.sign = func(input string) []byte { s := sha256.Sum256([]byte(input)); return s[:] }
	})
	c.with(alg, "symmetric", "none-unsigned", "none with an empty signature", "D-4.3-05a", header("alg", `"none"`),
		joined(func(h, b, _ string) string { return h + "." + b + "." }))
	c.add(alg, "refused", "policy", "an algorithm that this policy does not list", "D-4.3-05b", func(v *vector) {
		v.set("policy.algs", "ES256")
		v.set("proof", g.proofBy("rsa2048"))
		v.set("token.cnf", g.cnf("rsa2048"))
	})
	c.add(alg, "key_mismatch", "es256-p384", "ES256 with a P-384 key", "D-4.3-05c", func(v *vector) {
		v.set("proof", g.proofBy("p384", header("alg", `"ES256"`)))
		v.set("token.cnf", g.cnf("p384"))
	})
	return c.out
}

func proofKeyCases(g *generator) []*vector {
	c := &cases{g: g}
	const row = "proof.jwk"
	c.add(row, "pass", "ec", "a public P-256 key", "D-4.2-03", nil)
	c.with(row, "near-miss", "optional-members", "optional members change nothing", "T-3.2.2-01", func(d *draft) {
		raw := strings.TrimSuffix(headerOf(d, "jwk"), "}")
		d.header.set("jwk", raw+`,"kid":"1","use":"sig","key_ops":["verify"],"alg":"ES256","x5c":[]}`)
	})
	c.with(row, "near-miss", "member-order", "another order of the members", "T-3.3-01", func(d *draft) {
		x, y := coordinates(d)
		d.header.set("jwk", `{"y":"`+y+`","x":"`+x+`","kty":"EC","crv":"P-256"}`)
	})
	c.with(row, "missing", "absent", "no jwk", "D-4.2-03", noHeader("jwk"))
	c.with(row, "missing", "kid-only", "a kid does not replace jwk", "", noHeader("jwk"), header("kid", `"1"`))
	for _, bad := range []struct{ suffix, raw, covers string }{
		{"null", "null", "D-4.3-07c"},
		{"string", `"key"`, "D-4.3-07c"},
		{"empty", "{}", "D-4.3-07c"},
		{"kty", `{"kty":"X"}`, "D-4.3-07c"},
		{"p224", `{"kty":"EC","crv":"P-224","x":"AA","y":"AA"}`, "D-4.3-07c"},
		{"akp", `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, "D-4.3-07c"},
		{"off-curve", `{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 42) + `E","y":"` + strings.Repeat("A", 42) + `E"}`, "D-4.3-07c"},
	} {
		c.with(row, "invalid", bad.suffix, "jwk is "+bad.suffix, bad.covers, header("jwk", bad.raw))
	}
	c.add(row, "invalid", "x25519", "X25519 cannot sign", "D-4.3-05c", func(v *vector) {
		v.set("proof", g.proofBy("ed25519", func(d *draft) {
			d.header.set("jwk", strings.Replace(headerOf(d, "jwk"), "Ed25519", "X25519", 1))
		}))
	})
	edit := func(f func(x, y string) (string, string)) func(*draft) {
		return func(d *draft) {
			x, y := f(coordinates(d))
			d.header.set("jwk", `{"kty":"EC","crv":"P-256","x":"`+x+`","y":"`+y+`"}`)
		}
	}
	c.with(row, "invalid", "coordinate-short", "a coordinate without its leading octet", "D-4.3-07c T-3.3-03 T-7-02",
		edit(func(x, y string) (string, string) { b, _ := jose.DecodeSegment(x); return jose.EncodeSegment(b[1:]), y }))
	c.with(row, "invalid", "coordinate-long", "a coordinate with a leading zero octet", "T-7-02", edit(func(x, y string) (string, string) {
		b, _ := jose.DecodeSegment(x)
		return jose.EncodeSegment(append([]byte{0}, b...)), y
	}))
	c.with(row, "invalid", "coordinate-padding", "a coordinate with padding", "T-3.3-03",
		edit(func(x, y string) (string, string) { return x + "=", y }))
	c.with(row, "invalid", "coordinate-trailing-bits", "a coordinate with non-zero trailing bits", "T-7-02",
		edit(func(x, y string) (string, string) { return x[:42] + nextLetter(x[42]), y }))
	rsaWith := func(n, e string) func(*vector) {
		return func(v *vector) {
			v.set("proof", g.proofBy("rsa2048", header("jwk", `{"kty":"RSA","n":"`+n+`","e":"`+e+`"}`)))
		}
	}
	pub := readTestSigner(g.t, "rsa2048").Public().(*rsa.PublicKey)
	n := jose.EncodeSegment(pub.N.Bytes())
	c.add(row, "invalid", "rsa-e-one", "RSA with e = 1", "D-4.3-07c", rsaWith(n, "AQ"))
	c.add(row, "invalid", "rsa-e-even", "RSA with an even e", "D-4.3-07c", rsaWith(n, "AQAA"))
	c.add(row, "invalid", "rsa-e-leading-zero", "RSA e with a leading zero octet", "T-7-02", rsaWith(n, "AAEAAQ"))
	c.add(row, "invalid", "rsa-n-leading-zero", "RSA n with a leading zero octet", "T-7-02",
		rsaWith(jose.EncodeSegment(append([]byte{0}, pub.N.Bytes()...)), "AQAB"))
	for _, m := range []string{"d", "k", "priv", "p", "oth"} {
		c.with(row, "private", m, "a public key with the member "+m, "D-4.3-07a", func(d *draft) {
			d.header.set("jwk", strings.TrimSuffix(headerOf(d, "jwk"), "}")+`,"`+m+`":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}`)
		})
	}
	c.with(row, "private", "ec", "the private key itself", "D-4.3-07a", func(d *draft) {
		secret, _ := d.signer.(*ecdsa.PrivateKey).Bytes()
		d.header.set("jwk", strings.TrimSuffix(headerOf(d, "jwk"), "}")+`,"d":"`+jose.EncodeSegment(secret)+`"}`)
	})
	c.with(row, "symmetric", "oct", "kty oct", "D-4.3-07b", header("jwk", `{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}`))
	c.add(row, "weak", "rsa1024", "RSA of 1024 bits", "D-4.3-07c", rsaWith(jose.EncodeSegment(
		readTestSigner(g.t, "rsa1024").Public().(*rsa.PublicKey).N.Bytes()), "AQAB"))
	c.add(row, "weak", "rsa8192", "RSA of 8192 bits", "", rsaWith(jose.EncodeSegment(bytesOf(0xff, 360)), "AQAB"))
	c.with(row, "weak", "ed25519-small-order", "an Ed25519 point of small order", "", header("alg", `"EdDSA"`),
		header("jwk", `{"kty":"OKP","crv":"Ed25519","x":"`+jose.EncodeSegment(append([]byte{1}, make([]byte, 31)...))+`"}`))
	return c.out
}

// bytesOf is n octets of one value: at most 360, so that the proof stays small.
func bytesOf(b byte, n int) []byte { return []byte(strings.Repeat(string([]byte{b}), 2*n)) }

func headerOf(d *draft, name string) string {
	for _, m := range d.header {
		if m.name == name {
			return m.raw
		}
	}
	return ""
}

// coordinates are x and y of the signer, encoded.
func coordinates(d *draft) (x, y string) {
	b, _ := d.signer.Public().(*ecdsa.PublicKey).Bytes()
	return jose.EncodeSegment(b[1:33]), jose.EncodeSegment(b[33:])
}

func proofTargetCases(g *generator) []*vector {
	c := &cases{g: g}
	const htm = "proof.htm"
	c.add(htm, "pass", "get", "htm is the method", "D-4.2-07", nil)
	c.add(htm, "near-miss", "custom", "any method, byte for byte", "D-4.2-07", func(v *vector) {
		v.set("method", "fOO")
		v.set("proof", g.proof(claim("htm", `"fOO"`)))
	})
	c.with(htm, "mismatch", "post", "signed for POST, sent with GET", "D-4.3-08", claim("htm", `"POST"`))
	c.with(htm, "mismatch", "lower-case", "methods have letter case", "D-4.3-08", claim("htm", `"get"`))
	c.with(htm, "mismatch", "space", "a trailing space", "D-4.3-08", claim("htm", `"GET "`))

	const htu = "proof.htu"
	c.add(htu, "pass", "same", "the same URL", "D-4.2-08", nil)
	c.add(htu, "near-miss", "request-query", "the query of the request is ignored", "D-4.3-09a D-11.7-01", set("url", "https://api.example/orders/81?x=1#f"))
	c.with(htu, "near-miss", "claim-query", "the query of the claim is ignored", "D-4.3-09a", claim("htu", `"https://api.example/orders/81?x=1"`))
	for _, bad := range []struct{ suffix, htu, covers string }{
		{"path", "https://api.example/orders/82", "D-4.3-09a D-7-03"},
		{"host", "https://evil.example/orders/81", "D-4.3-09a"},
		{"port", "https://api.example:8443/orders/81", "D-4.3-09a"},
		{"scheme", "http://api.example/orders/81", "D-4.3-09a"},
		{"userinfo", "https://api.example@evil.example/orders/81", "D-4.3-09a"},
		{"suffix", "https://api.example.evil.example/orders/81", "D-4.3-09a"},
		{"two-ports", "https://api.example:443:443/orders/81", "D-4.3-09c"},
		{"kelvin", "https://api.example\u212a/orders/81", "D-4.3-09c"},
		{"relative", "/orders/81", "D-4.3-09a"},
		{"word", "x", "D-4.3-09a"},
		{"encoded-slash", "https://api.example/orders%2F81", "D-4.3-09c"},
	} {
		c.with(htu, "mismatch", bad.suffix, "htu is "+bad.htu, bad.covers, claim("htu", quote(bad.htu)))
	}
	for _, p := range readPublished(g.t, "htu_compare") {
		expect := "mismatch"
		if p.Equal {
			expect = "near-miss"
		}
		c.server(htu, expect, strings.TrimPrefix(strings.ToLower(p.ID), "v-htu-")+"-published", p.ID+": "+p.Claim, "D-4.3-09c D-4.3-09a", func(v *vector) {
			v.set("url", p.Request)
			v.set("proof", g.proof(toServer, claim("htu", quote(p.Claim))))
		})
	}
	return c.out
}

func freshnessCases(g *generator) []*vector {
	c := &cases{g: g}
	current, second := g.nonce(g.now.Add(-time.Minute), testNonceRealm), time.Second
	ours := set("policy.nonces", "yes")
	nonce := func(mode, n string, changes ...func(*draft)) func(*vector) {
		return func(v *vector) {
			ours(v)
			v.set("policy.nonce", mode)
			if n != "" {
				changes = append(changes, claim("nonce", quote(n)))
			}
			v.set("proof", g.proof(changes...))
		}
	}
	const row = "proof.nonce"
	c.add(row, "pass", "required", "a current nonce of ours", "D-4.3-10a D-11.1-07", nonce("required", current))
	c.add(row, "pass", "not-required", "no nonce where none is needed", "", nil)
	c.add(row, "near-miss", "just-before-expiry", "a nonce in its last second", "D-8-09", nonce("required", g.nonce(g.now.Add(-5*time.Minute+second), testNonceRealm)))
	c.add(row, "near-miss", "ignored-without-source", "a nonce claim means nothing to a server that issues none", "", func(v *vector) {
		v.set("proof", g.proof(claim("nonce", `"eyJ7S_zG.eyJH0-Z.HX4w-7v"`)))
	})
	c.add(row, "near-miss", "stale-mode-in-window", "where only stale proofs need one, a fresh proof does not", "", nonce("stale", ""))
	c.add(row, "required", "absent", "required and absent", "D-9-01 D-11.3-01", nonce("required", ""))
	c.add(row, "required", "stale", "iat outside the window, under the mode that then asks", "D-4.3-11b", nonce("stale", "", g.iat(-3*time.Hour)))
	c.add(row, "required", "cold-start", "made before the verifier began to remember", "D-11.1-03", func(v *vector) {
		v.set("started", g.now.Add(-5*second).Format(time.RFC3339))
		v.set("proof", g.proof(g.iat(-10*second)))
	})
	c.add(row, "expired", "lifetime", "a nonce whose lifetime is over", "D-4.3-11b D-8-07", nonce("required", g.nonce(g.now.Add(-5*time.Minute), testNonceRealm)))
	c.add(row, "expired", "optional", "a stale nonce is refused even where none is needed", "D-8-07", nonce("optional", g.nonce(g.now.Add(-time.Hour), testNonceRealm)))
	c.add(row, "expired", "future", "issued by a clock far ahead", "", nonce("required", g.nonce(g.now.Add(2*time.Minute), testNonceRealm)))
	for _, bad := range []struct{ suffix, comment, value string }{
		{"altered", "one character differs", current[:20] + flip(current[20]) + current[21:]},
		{"truncated", "the last character is missing", current[:len(current)-4]},
		{"case-changed", "letter case changed", strings.ToUpper(current)},
		{"realm", "of another server under the same key", g.nonce(g.now, "as")},
		{"unknown", "of somebody else", "eyJ7S_zG.eyJH0-Z.HX4w-7v"},
		{"bad-character", "a character outside the set", "a b"},
		{"empty", "an empty nonce", ""},
	} {
		covers := "D-4.3-10a D-8-07"
		if bad.suffix == "realm" {
			covers = "D-4.3-10b"
		}
		c.add(row, "foreign", bad.suffix, bad.comment, covers, nonce("required", "", claim("nonce", quote(bad.value))))
	}
	c.server(row, "required", "server", "required at the token endpoint and absent", "D-8-02", sets(ours, set("policy.nonce")))

	const iat = "proof.iat"
	c.add(iat, "pass", "now", "made now", "D-4.2-09", nil)
	c.with(iat, "near-miss", "59-seconds", "59 s old", "D-4.3-11a", g.iat(-59*second))
	c.with(iat, "near-miss", "60-seconds", "exactly at the limit", "D-4.3-11a", g.iat(-60*second))
	c.with(iat, "near-miss", "ahead", "10 s ahead", "D-11.1-05", g.iat(10*second))
	c.with(iat, "old", "61-seconds", "61 s old", "D-4.3-11a", g.iat(-61*second))
	c.with(iat, "old", "ten-minutes", "10 minutes old", "D-11.1-01", g.iat(-10*time.Minute))
	c.with(iat, "old", "zero", "iat 0", "D-4.3-11a", claim("iat", "0"))
	c.with(iat, "old", "negative", "a date long before Unix", "D-4.3-11a", claim("iat", "-9007199254740992"))
	c.with(iat, "future", "11-seconds", "11 s ahead", "D-4.3-11a", g.iat(11*second))
	c.with(iat, "future", "hour", "an hour ahead", "D-11.1-05", g.iat(time.Hour))
	c.with(iat, "future", "milliseconds", "milliseconds instead of seconds", "D-4.2-09", claim("iat", "1772366400000"))
	c.with(iat, "future", "end-of-time", "the largest date", "D-4.3-11a", claim("iat", "9007199254740992"))
	c.add(iat, "old", "optional-nonce", "an optional nonce does not govern time", "D-4.3-11a", nonce("optional", current, g.iat(-2*time.Minute)))

	const replay = "replay.jti"
	c.add(replay, "pass", "first", "first use", "D-11.1-02", nil)
	c.add(replay, "near-miss", "nonce-governs-past", "a clock 3 h behind and a current nonce", "D-4.3-11b D-11.1-06", nonce("stale", current, g.iat(-3*time.Hour)))
	c.add(replay, "near-miss", "nonce-governs-future", "a clock 3 h ahead and a current nonce", "D-4.3-11b", nonce("required", current, g.iat(3*time.Hour)))
	c.add(replay, "replayed", "twice", "the same proof again", "D-11.1-02", set("replayed", "yes"))
	c.add(replay, "replayed", "nonce", "the same proof again while its nonce is current", "D-11.1-08",
		sets(nonce("required", current, g.iat(-3*time.Hour)), set("replayed", "yes")))
	c.server(replay, "replayed", "server", "the same proof again at the token endpoint", "D-11.1-02", set("replayed", "yes"))
	return c.out
}

// flip is another base64url character.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func holderCases(g *generator) []*vector {
	c := &cases{g: g}
	const ath = "proof.ath"
	other := sha256.Sum256([]byte("another token"))
	whole := sha256.Sum256([]byte("DPoP " + fixtureToken))
	right := sha256.Sum256([]byte(fixtureToken))
	c.add(ath, "pass", "hash", "the hash of the presented token", "D-4.2-10 D-4.2-11", nil)
	c.server(ath, "near-miss", "unrelated-at-server", "an ath at the token endpoint means nothing", "D-4.3-12c", func(v *vector) {
		v.set("row", "proof.signature")
		v.set("proof", g.proof(toServer, claim("ath", quote(jose.EncodeSegment(other[:])))))
	})
	c.out[len(c.out)-1].name = "proof-signature-near-miss-ath-at-server"
	c.add(ath, "near-miss", "two-spaces", "the hash is of the token, however many spaces stand before it", "D-4.2-11", set("authorization", "dpop   "+fixtureToken))
	c.with(ath, "missing", "absent", "no ath with a token", "D-4.3-03 D-4.3-12a", noClaim("ath"))
	for _, bad := range []struct{ suffix, comment, value string }{
		{"other-token", "the hash of another token", jose.EncodeSegment(other[:])},
		{"with-scheme", "the hash of the whole field", jose.EncodeSegment(whole[:])},
		{"padded", "base64 with padding", base64.URLEncoding.EncodeToString(right[:])},
		{"hex", "hex instead of base64url", "7d41f23b6af66770f9dd912c36b5816f4c565e868dc8de4888808" + "0aa4b264284a"},
		{"empty", "an empty ath", ""},
		{"trailing-bits", "the right hash in a second encoding", jose.EncodeSegment(right[:])[:42] + nextLetter(jose.EncodeSegment(right[:])[42])},
		{"sha384", "another hash function", strings.Repeat("A", 64)},
	} {
		c.with(ath, "mismatch", bad.suffix, bad.comment, "D-4.3-12a D-11.8-01", claim("ath", quote(bad.value)))
	}

	const sig = "proof.signature"
	c.add(sig, "pass", "es256", "signed with the key in jwk", "D-4.3-06", nil)
	c.with(sig, "near-miss", "high-s", "RFC 7518 has no low-s rule", "", func(d *draft) {
		signer := d.signer.(*ecdsa.PrivateKey)
		d.sign = func(input string) []byte {
			r, s := signECDSA(signer, input)
			s.Sub(signer.Curve.Params().N, s)
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	})
	c.server(sig, "pass", "server", "signed with the key in jwk", "D-4.3-06", nil)
	bad := func(suffix, comment string, f func(key *ecdsa.PrivateKey, input string) []byte) {
		c.with(sig, "invalid", suffix, comment, "D-4.3-06 D-3-01", func(d *draft) {
			key := d.signer.(*ecdsa.PrivateKey)
			d.sign = func(input string) []byte { return f(key, input) }
		})
	}
	fixed := func(key *ecdsa.PrivateKey, input string) []byte {
		r, s := signECDSA(key, input)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	bad("bit", "one bit of the signature flipped", func(k *ecdsa.PrivateKey, in string) []byte { b := fixed(k, in); b[40] ^= 1; return b })
	bad("payload", "a signature over something else", func(k *ecdsa.PrivateKey, in string) []byte { return fixed(k, in+"x") })
	bad("der", "a DER signature", func(k *ecdsa.PrivateKey, in string) []byte {
		sum := sha256.Sum256([]byte(in))
		b, _ := ecdsa.SignASN1(rand.Reader, k, sum[:])
		return b
	})
	bad("zero-r", "R is zero", func(k *ecdsa.PrivateKey, in string) []byte { b := fixed(k, in); clear(b[:32]); return b })
	bad("zero-s", "S is zero", func(k *ecdsa.PrivateKey, in string) []byte { b := fixed(k, in); clear(b[32:]); return b })
	bad("short", "one octet missing", func(k *ecdsa.PrivateKey, in string) []byte { return fixed(k, in)[:63] })
	bad("empty", "no signature", func(*ecdsa.PrivateKey, string) []byte { return nil })
	c.with(sig, "invalid", "other-key", "signed by another key", "D-4.3-06", func(d *draft) { d.signer = readTestSigner(g.t, "k2") })
	return c.out
}

func signECDSA(k *ecdsa.PrivateKey, input string) (r, s *big.Int) {
	sum := sha256.Sum256([]byte(input))
	r, s, _ = ecdsa.Sign(rand.Reader, k, sum[:])
	return r, s
}

func serverCases(g *generator) []*vector {
	c := &cases{g: g}
	k1, k2 := readTestKey(g.t, "k1").Thumbprint().String(), readTestKey(g.t, "k2").Thumbprint().String()
	const row = "proof.bound_key"
	c.server(row, "pass", "code", "the key bound to the code", "D-10-02 D-10.1-03", set("need.code", k1))
	c.server(row, "pass", "refresh", "the key bound to the refresh token", "D-5-06", set("need.refresh", k1))
	c.server(row, "near-miss", "all", "one key bound to all three", "D-10.1-05", sets(set("need.code", k1), set("need.refresh", k1), set("need.pushed", k1)))
	c.server(row, "code", "other", "a code bound to another key", "D-10-02", set("need.code", k2))
	c.server(row, "refresh", "other", "a refresh token bound to another key", "D-5-06", set("need.refresh", k2))
	c.server(row, "pushed", "other", "dpop_jkt of another key than the proof", "D-10.1-05", set("need.pushed", k2))
	c.server("proof.single", "near-miss", "pushed", "dpop_jkt and a proof at the PAR endpoint, where no proof is required", "D-10.1-04",
		sets(set("proof", g.proof(toServer)), set("need.required"), set("need.pushed", k1)))
	c.server("proof.htu", "mismatch", "par", "a proof for the token endpoint at the PAR endpoint", "D-10.1-02", set("url", "https://as.example/par"))
	c.server("proof.nonce", "required", "par", "nonce rules hold at the PAR endpoint", "D-10.1-06",
		sets(set("policy.nonces", "yes"), set("policy.nonce", "required")))
	return c.out
}
