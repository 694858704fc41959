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
			f.encodedPayload = encode([]byte(pad(f.payload, 1))) + "=="
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
			f.encodedPayload = trailingBit(encode([]byte(pad(f.payload, 1))))
		},
	},
	{
		name: "trailing bits of the header, signed", reason: jose.Base64Trailing, code: holdfast.CodeProofJWTMalformed,
		accepted: golangJWT,
		fault: func(f *forge) {
			f.encodedHeader = trailingBit(encode([]byte(pad(f.plainHeader(), 1))))
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

// reencodedFaults are texts that somebody changed after the signature was made.
// They pass where a library verifies not what was sent but what it would have
// sent: the decoded octets, encoded again.
var reencodedFaults = []strictness{
	{
		name: "trailing bits of the payload, not signed", reason: jose.Base64Trailing, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.payload = pad(f.payload, 1)
			f.text = func(h, p, s string) []string { return []string{h, trailingBit(p), s} }
		},
	},
	{
		name: "trailing bits of the header, not signed", reason: jose.Base64Trailing, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.header = pad(f.plainHeader(), 1)
			f.text = func(h, p, s string) []string { return []string{trailingBit(h), p, s} }
		},
	},
	{
		name: "padding of the payload, not signed", reason: jose.Base64Padding, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx,
		fault: func(f *forge) {
			f.payload = pad(f.payload, 1)
			f.text = func(h, p, s string) []string { return []string{h, p + "==", s} }
		},
	},
	{
		name: "line break in the payload, not signed", reason: jose.Base64LineBreak, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + jwx,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string { return []string{h, p[:40] + "\n" + p[40:], s} }
		},
	},
	{
		name: "standard alphabet in the payload, not signed", reason: jose.Base64Alphabet, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx,
		fault: func(f *forge) {
			f.payload = withMember(f.payload, `"x":"~~~???>>>"`)
			f.text = func(h, p, s string) []string { return []string{h, standardAlphabet(p), s} }
		},
	},
	{
		name: "white space around the header, not signed", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		accepted: jwx,
		fault: func(f *forge) {
			f.text = func(_, p, s string) []string { return []string{encode([]byte(" " + f.header + "\n")), p, s} }
		},
	},
	{
		name: "white space in the header, not signed", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.text = func(_, p, s string) []string { return []string{encode([]byte("{ " + f.header[1:])), p, s} }
		},
	},
	{
		name: "white space behind the payload, not signed", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.text = func(h, _, s string) []string { return []string{h, encode([]byte(f.payload + "\n")), s} }
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
		name: "flattened JSON serialisation", reason: jose.NotCompact, code: holdfast.CodeProofJWTMalformed,
		accepted: jwx,
		fault: func(f *forge) {
			f.text = func(h, p, s string) []string {
				return []string{`{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`}
			}
		},
	},
	{
		name: "general JSON serialisation", reason: jose.NotCompact, code: holdfast.CodeProofJWTMalformed,
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
	// jwx verifies the header without the space around it, see reencodedFaults.
	{
		name:     "white space before the header, which is JSON",
		accepted: goJose + " " + bothGolangJWT,
		fault:    func(f *forge) { f.header = "\r\n\t " + f.plainHeader() },
	},
	{
		name:     "white space behind the header, which is JSON",
		accepted: goJose + " " + bothGolangJWT,
		fault:    func(f *forge) { f.header = f.plainHeader() + "\r\n\t " },
	},
	{
		name:     "members out of order and unknown ones, which is JSON",
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"x":[1,{"y":null}],"kid":"k"`)
		},
	},
}
