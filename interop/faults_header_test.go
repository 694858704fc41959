package interop

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// headerFaults are about what the members of the header say.
var headerFaults = []strictness{
	{
		name: "crit of an extension nobody has", reason: jose.CritPresent, code: holdfast.CodeProofJWTCrit,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":["x"],"x":1`)
		},
	},
	{
		name: "crit of a registered name", reason: jose.CritPresent, code: holdfast.CodeProofJWTCrit,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":["alg"]`)
		},
	},
	{
		name: "crit that is empty", reason: jose.CritPresent, code: holdfast.CodeProofJWTCrit,
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":[]`)
		},
	},
	{
		name: "crit that is no array", reason: jose.CritPresent, code: holdfast.CodeProofJWTCrit,
		accepted: bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":"x","x":1`)
		},
	},
	{
		name: "crit that is null", reason: jose.CritPresent, code: holdfast.CodeProofJWTCrit,
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":null`)
		},
	},
	{
		name: "b64 true with crit", reason: jose.B64Header, code: holdfast.CodeProofJWTCrit,
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":["b64"],"b64":true`)
		},
	},
	{
		name: "b64 false with crit, encoded all the same", reason: jose.B64Header, code: holdfast.CodeProofJWTCrit,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":["b64"],"b64":false`)
		},
	},
	{
		name: "b64 false with crit, signed over the raw payload", reason: jose.B64Header, code: holdfast.CodeProofJWTCrit,
		accepted: goJose,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"crit":["b64"],"b64":false`)
			f.sign = signOver(f, func(h string) string { return h + "." + f.payload })
		},
	},
	{
		name: "b64 false without crit", reason: jose.B64Header, code: holdfast.CodeProofJWTCrit,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"b64":false`)
		},
	},
	{
		name: "typ is a number", reason: jose.HeaderType, code: holdfast.CodeProofJWTMalformed,
		accepted: goJose + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.header = strings.Replace(f.plainHeader(), `"dpop+jwt"`, `1`, 1)
		},
	},
	{
		name: "kid is a number", reason: jose.HeaderType, code: holdfast.CodeProofJWTMalformed,
		accepted: bothGolangJWT,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"kid":1`)
		},
	},
	{
		name: "typ in capitals, which is for the application", code: holdfast.CodeProofTypWrong,
		accepted: all,
		fault: func(f *forge) {
			f.header = strings.Replace(f.plainHeader(), "dpop+jwt", "DPOP+JWT", 1)
		},
	},
	{
		name: "name of alg in capitals", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgUnknown,
		fault: func(f *forge) {
			f.header = strings.Replace(f.plainHeader(), `"alg"`, `"ALG"`, 1)
		},
	},
	{
		name: "name of jwk in capitals", reason: jose.KeyNotObject, code: holdfast.CodeProofJWKMissing,
		fault: func(f *forge) {
			f.header = strings.Replace(f.plainHeader(), `"jwk"`, `"JWK"`, 1)
		},
	},
	{
		name: "name of a member of the key in capitals", reason: jose.KeyMissingMember, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.jwk = strings.Replace(f.jwk, `"x"`, `"X"`, 1)
		},
	},
	{
		name:     "second alg in capitals, which is an unknown member",
		accepted: all,
		fault: func(f *forge) {
			f.header = withMember(f.plainHeader(), `"ALG":"none"`)
		},
	},
	{
		name:     "second alg in capitals behind",
		accepted: all,
		fault: func(f *forge) {
			f.header = strings.TrimSuffix(f.plainHeader(), "}") + `,"ALG":"none"}`
		},
	},
}

// signOver signs another text than usual; the header is encoded as usual.
func signOver(f *forge, input func(encodedHeader string) string) func(crypto.Signer, string) []byte {
	return func(key crypto.Signer, _ string) []byte { return signers[f.alg](key, input(f.encodedHeader)) }
}

// algFaults are about alg, and alg against the key.
var algFaults = []strictness{
	{
		name: "none without a signature", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgSymmetric,
		fault: func(f *forge) {
			f.alg, f.sign = "none", func(crypto.Signer, string) []byte { return nil }
		},
	},
	{
		name: "none with a signature", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgSymmetric,
		fault: func(f *forge) {
			f.alg, f.sign = "none", signers["ES256"]
		},
	},
	{
		name: "NONE", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgUnknown,
		fault: func(f *forge) {
			f.alg, f.sign = "NONE", func(crypto.Signer, string) []byte { return nil }
		},
	},
	{
		name: "alg absent", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgUnknown,
		fault: func(f *forge) {
			f.header = `{"typ":"dpop+jwt","jwk":` + f.jwk + `}`
		},
	},
	{
		name: "alg is null", reason: jose.HeaderType, code: holdfast.CodeProofJWTMalformed,
		fault: func(f *forge) {
			f.header = `{"typ":"dpop+jwt","alg":null,"jwk":` + f.jwk + `}`
		},
	},
	{
		name: "alg in lower case", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgUnknown,
		fault: func(f *forge) {
			f.alg, f.sign = "es256", signers["ES256"]
		},
	},
	{
		name: "HS256 keyed with the key as JSON", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgSymmetric,
		fault: func(f *forge) {
			f.alg, f.sign = "HS256", signHMAC([]byte(f.jwk))
		},
	},
	{
		name: "HS256 keyed with the key as PEM", alg: "RS256", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgSymmetric,
		fault: func(f *forge) {
			der := must(x509.MarshalPKIXPublicKey(f.key.Public()))
			f.alg, f.sign = "HS256", signHMAC(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		},
	},
	{
		name: "HS256 with its secret in the header", reason: jose.KeySymmetric, code: holdfast.CodeProofAlgSymmetric,
		fault: func(f *forge) {
			f.alg, f.sign = "HS256", signHMAC([]byte(strings.Repeat("s", 32)))
			f.jwk = `{"kty":"oct","k":"` + encode([]byte(strings.Repeat("s", 32))) + `"}`
		},
	},
	{
		name: "ES256 with a P-384 key", alg: "ES384", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgKeyMismatch,
		accepted: jwx,
		fault: func(f *forge) {
			f.alg, f.sign = "ES256", ecdsaSigner(crypto.SHA256, 48)
		},
	},
	{
		name: "ES384 with a P-256 key, r and s as long as for P-256", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgKeyMismatch,
		accepted: jwx,
		fault: func(f *forge) {
			f.alg, f.sign = "ES384", ecdsaSigner(crypto.SHA384, 32)
		},
	},
	{
		name: "ES384 with a P-256 key, r and s as long as for P-384", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgKeyMismatch,
		accepted: bothGolangJWT,
		fault: func(f *forge) {
			f.alg, f.sign = "ES384", ecdsaSigner(crypto.SHA384, 48)
		},
	},
	{
		name: "ES512 with a P-256 key, r and s as long as for P-521", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgKeyMismatch,
		accepted: bothGolangJWT,
		fault: func(f *forge) {
			f.alg, f.sign = "ES512", ecdsaSigner(crypto.SHA512, 66)
		},
	},
	{
		name: "EdDSA with a P-256 key", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgKeyMismatch,
		fault: func(f *forge) {
			f.alg, f.sign = "EdDSA", signers["ES256"]
		},
	},
	{
		name: "RS256 with a P-256 key", reason: jose.AlgMismatch, code: holdfast.CodeProofAlgKeyMismatch,
		fault: func(f *forge) {
			f.alg, f.sign = "RS256", signers["ES256"]
		},
	},
	{
		name: "RS256 named PS256", alg: "RS256", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.alg, f.sign = "PS256", signers["RS256"]
		},
	},
	{
		name: "PS256 named RS256", alg: "RS256", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.sign = signers["PS256"]
		},
	},
	{
		name: "alg of RFC 9864, which two have not yet", alg: "EdDSA",
		accepted: jwx,
		fault: func(f *forge) {
			f.alg, f.sign = "Ed25519", signers["EdDSA"]
		},
	},
}
