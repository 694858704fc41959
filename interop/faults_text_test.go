package interop

import (
	"crypto/elliptic"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// encodingFaults are texts that a lenient base64 decoder reads as the right octets.
var encodingFaults = []strictness{
	{
		name: "padding of the signature", reason: jose.Base64Padding, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string { return []string{h, p, s + "=="} }
		},
	},
	{
		name: "padding of the payload, signed", reason: jose.Base64Padding, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.payload = strings.TrimRight(f.payload, "}") + strings.Repeat(" ", 2-(len(f.payload)+1)%3+1)[:(3+1-len(f.payload)%3)%3] + "}"
			f.encodedPayload = encode([]byte(f.payload)) + "=="
		},
	},
	{
		name: "standard alphabet in the signature", reason: jose.Base64Alphabet, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx,
		fault: func(f *forge) {
			f.sign = until(signers["ES256"], differs)
			f.text = func(h, p, s string) []string { return []string{h, p, standardAlphabet(s)} }
		},
	},
	{
		name: "standard alphabet in the payload, signed", reason: jose.Base64Alphabet, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.payload = withMember(f.payload, `"x":"~~~???>>>"`)
			f.encodedPayload = standardAlphabet(encode([]byte(f.payload)))
		},
	},
	{
		name: "standard alphabet in the key", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		accepted: jwx,
		fault: func(f *forge) {
			f.setMember("x", standardAlphabet(encode(f.coordinate("x"))))
		},
	},
	{
		name: "padding in the key", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		accepted: jwx,
		fault: func(f *forge) {
			f.setMember("x", encode(f.coordinate("x"))+"=")
		},
	},
	{
		name: "trailing bits of the signature", reason: jose.Base64Trailing, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx + " " + golangJWT,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string { return []string{h, p, trailingBit(s)} }
		},
	},
	{
		name: "trailing bits of the payload, signed", reason: jose.Base64Trailing, code: holdfast.CodeProofJWTMalformed,
		accepted: golangJWT,
		fault: func(f *forge) {
			f.encodedPayload = trailingBit(encode([]byte(pad(f.payload))))
		},
	},
	{
		name: "trailing bits of the header, signed", reason: jose.Base64Trailing, code: holdfast.CodeProofJWTMalformed,
		accepted: golangJWT,
		fault: func(f *forge) {
			f.encodedHeader = trailingBit(encode([]byte(pad(f.plainHeader()))))
		},
	},
	{
		name: "trailing bits in the key", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		accepted: all,
		fault: func(f *forge) {
			f.setMember("x", trailingBit(encode(f.coordinate("x"))))
		},
	},
	{
		name: "line break in the signature", reason: jose.Base64LineBreak, code: holdfast.CodeProofJWTMalformed,
		accepted: all,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string { return []string{h, p, s[:40] + "\r\n" + s[40:]} }
		},
	},
	{
		name: "line break in the payload, signed", reason: jose.Base64LineBreak, code: holdfast.CodeProofJWTMalformed,
		accepted: bothGolangJWT,
		fault: func(f *forge) {
			p := encode([]byte(f.payload))
			f.encodedPayload = p[:40] + "\n" + p[40:]
		},
	},
	{
		name: "line break in the key", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		accepted: all,
		fault: func(f *forge) {
			x := encode(f.coordinate("x"))
			f.setMember("x", x[:20]+`\n`+x[20:])
		},
	},
}

// formFaults are other things around the three segments.
var formFaults = []strictness{
	{
		name: "space before", reason: jose.Base64Alphabet, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.whole = func(s string) string { return " " + s }
		},
	},
	{
		name: "space behind", reason: jose.Base64Alphabet, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.whole = func(s string) string { return s + " " }
		},
	},
	{
		name: "line break behind", reason: jose.Base64LineBreak, code: holdfast.CodeProofJWTMalformed,
		accepted: all,
		fault: func(f *forge) {
			f.whole = func(s string) string { return s + "\n" }
		},
	},
	{
		name: "tab between the segments", reason: jose.Base64Alphabet, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string { return []string{h, p, "\t" + s} }
		},
	},
	{
		name: "dot behind", reason: jose.NotCompact, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.whole = func(s string) string { return s + "." }
		},
	},
	{
		name: "fourth segment", reason: jose.NotCompact, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.whole = func(s string) string { return s + ".AAAA" }
		},
	},
	{
		name: "two with a comma", reason: jose.NotCompact, code: holdfast.CodeProofSingleSeveral,
		fault: func(f *forge) {
			f.whole = func(s string) string { return s + ", " + s }
		},
	},
	// Their commas make the verifier count several proofs.
	{
		name: "flattened JSON serialisation", reason: jose.NotCompact, code: holdfast.CodeProofSingleSeveral,
		accepted: jwx,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string {
				return []string{`{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`}
			}
		},
	},
	{
		name: "general JSON serialisation", reason: jose.NotCompact, code: holdfast.CodeProofSingleSeveral,
		accepted: jwx,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string {
				return []string{`{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"}]}`}
			}
		},
	},
	{
		name: "no signature", reason: jose.SigLength, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.signature = func([]byte) []byte { return nil }
		},
	},
	{
		name: "detached payload", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.text = func(h, _, s string) []string { return []string{h, "", s} }
		},
	},
}

// jsonFaults are signed texts that encoding/json and others read in different ways.
var jsonFaults = []strictness{
	{
		name: "alg twice", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"alg":"none"`)
		},
	},
	{
		name: "alg twice, once escaped", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"\u0061lg":"none"`)
		},
	},
	{
		name: "jwk twice", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			other := newForge(newEC(elliptic.P256(), nil), "ES256")
			f.header = withMember(f.plainHeader(), `"jwk":`+other.jwk)
		},
	},
	{
		name: "member of the key twice", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.jwk = withMember(f.jwk, `"crv":"P-384"`)
		},
	},
	{
		name: "claim twice", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: all,
		fault: func(f *forge) {
			f.payload = withMember(f.payload, `"htu":"https://elsewhere.example/"`)
		},
	},
	{
		name: "unknown member twice", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"x":{"y":1,"y":1}`)
		},
	},
	{
		name: "data behind the header", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.header = f.plainHeader() + " {}"
		},
	},
	{
		name: "data behind the payload", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.payload += "x"
		},
	},
	{
		name: "NUL behind the header", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.header = f.plainHeader() + "\x00"
		},
	},
	{
		name: "byte order mark before the header", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.header = "\ufeff" + f.plainHeader()
		},
	},
	{
		name: "comment in the header", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.header = "{/**/" + f.plainHeader()[1:]
		},
	},
	{
		name: "trailing comma in the header", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.header = strings.TrimSuffix(f.plainHeader(), "}") + ",}"
		},
	},
	{
		name: "invalid UTF-8 in the header", reason: jose.HeaderJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), "\"x\":\"\xff\"")
		},
	},
	{
		name: "invalid UTF-8 in the payload", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: all,
		fault: func(f *forge) {
			f.payload = withMember(f.payload, "\"x\":\"\xff\"")
		},
	},
	{
		name: "lone surrogate in the payload", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: all,
		fault: func(f *forge) {
			f.payload = withMember(f.payload, `"x":"\ud800"`)
		},
	},
	{
		name: "control character in a string of the payload", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.payload = withMember(f.payload, "\"x\":\"\t\"")
		},
	},
	{
		name: "payload is an array", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.payload = "[" + f.payload + "]"
		},
	},
	{
		name: "payload is no JSON", reason: jose.PayloadJSON, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.payload = "text"
		},
	},
	{
		name:     "white space around the header, which is JSON",
		accepted: goJose + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = " \t" + f.plainHeader() + "\r\n"
		},
	},
	{
		name:     "members out of order and unknown ones, which is JSON",
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"x":[1,{"y":null}],"kid":"k"`)
		},
	},
}
