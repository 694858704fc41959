package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// signatureFaults are other octets for a good signature, and numbers out of range.
var signatureFaults = []strictness{
	{
		name: "DER", reason: jose.SigLength, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.sign = until(signDER, func(sig []byte) bool { return len(sig) > 64 })
		},
	},
	{
		name: "r and s without leading zeros", reason: jose.SigLength, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.sign = until(signers["ES256"], func(sig []byte) bool { return sig[0] == 0 })
			f.signature = func(sig []byte) []byte { return sig[1:] }
		},
	},
	{
		name: "r and s with one leading zero each", reason: jose.SigLength, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.sign = ecdsaSigner(crypto.SHA256, 33)
		},
	},
	{
		name: "octet behind", reason: jose.SigLength, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.signature = func(sig []byte) []byte { return append(sig, 0) }
		},
	},
	{
		name: "r and s are zero", reason: jose.SigRange, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.signature = func([]byte) []byte { return make([]byte, 64) }
		},
	},
	{
		name: "s plus the order of the curve", alg: "ES512", reason: jose.SigRange, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.signature = func(sig []byte) []byte {
				r, s := unpair(sig)
				return pair(r, s.Add(s, elliptic.P521().Params().N), 66)
			}
		},
	},
	// JWS has no rule of the lower s (RFC 7518 section 3.4), and hardware does
	// not keep to it. It does no harm: what a replay cache remembers is the jti.
	{
		name:     "the other s, which JWS allows",
		accepted: all,
		fault: func(f *forge) {
			f.signature = func(sig []byte) []byte {
				r, s := unpair(sig)
				return pair(r, s.Sub(elliptic.P256().Params().N, s), 32)
			}
		},
	},
	{
		name: "S plus the order of edwards25519", alg: "EdDSA", reason: jose.SigRange, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.signature = func(sig []byte) []byte {
				order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
				le := slices.Clone(sig[32:])
				slices.Reverse(le)
				s := new(big.Int).SetBytes(le)
				s.Add(s, order).FillBytes(le)
				slices.Reverse(le)
				return append(sig[:32:32], le...)
			}
		},
	},
	{
		name: "PSS with a salt of one octet", alg: "PS256", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		accepted: goJose + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.sign = pssSigner(1)
		},
	},
	{
		name: "PSS with the longest salt", alg: "PS256", reason: jose.SigInvalid, code: holdfast.CodeProofSignatureInvalid,
		accepted: goJose + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.sign = pssSigner(rsa.PSSSaltLengthAuto)
		},
	},
	{
		name: "RSA signature with a leading zero", alg: "RS256", reason: jose.SigLength, code: holdfast.CodeProofSignatureInvalid,
		fault: func(f *forge) {
			f.signature = func(sig []byte) []byte { return append([]byte{0}, sig...) }
		},
	},
}

// keyFaults are keys that should not be in a proof.
var keyFaults = []strictness{
	{
		name: "no jwk", reason: jose.KeyNotObject, code: holdfast.CodeProofJWKMissing,
		fault: func(f *forge) {
			f.header = `{"typ":"dpop+jwt","alg":"ES256","kid":"k"}`
		},
	},
	{
		name: "jwk is null", reason: jose.KeyNotObject, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) { f.jwk = "null" },
	},
	{
		name: "jwk is a string", reason: jose.KeyNotObject, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.jwk = `"` + encode([]byte(f.jwk)) + `"`
		},
	},
	{
		name: "private EC key", reason: jose.KeyPrivate, code: holdfast.CodeProofJWKPrivate,
		fault: func(f *forge) {
			f.jwk = withMember(f.jwk, `"d":"`+encode(must(f.key.(*ecdsa.PrivateKey).Bytes()))+`"`)
		},
	},
	{
		name: "private Ed25519 key", alg: "EdDSA", reason: jose.KeyPrivate, code: holdfast.CodeProofJWKPrivate,
		fault: func(f *forge) {
			f.jwk = withMember(f.jwk, `"d":"`+encode(f.key.(ed25519.PrivateKey).Seed())+`"`)
		},
	},
	{
		name: "private RSA key", alg: "RS256", reason: jose.KeyPrivate, code: holdfast.CodeProofJWKPrivate,
		fault: func(f *forge) {
			k := f.key.(*rsa.PrivateKey)
			f.jwk = withMember(f.jwk, `"d":"`+encode(k.D.Bytes())+`","p":"`+encode(k.Primes[0].Bytes())+`","q":"`+encode(k.Primes[1].Bytes())+`"`)
		},
	},
	{
		name: "prime of an RSA key without d", alg: "RS256", reason: jose.KeyPrivate, code: holdfast.CodeProofJWKPrivate,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.jwk = withMember(f.jwk, `"p":"`+encode(f.key.(*rsa.PrivateKey).Primes[0].Bytes())+`"`)
		},
	},
	{
		name: "d is empty", reason: jose.KeyPrivate, code: holdfast.CodeProofJWKPrivate,
		fault: func(f *forge) {
			f.jwk = withMember(f.jwk, `"d":""`)
		},
	},
	{
		name: "coordinate with a leading zero too many", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.setMember("x", encode(append([]byte{0}, f.coordinate("x")...)))
		},
	},
	{
		name: "coordinate without its leading zero", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			*f = *newForge(newEC(elliptic.P256(), func(p []byte) bool { return p[1] == 0 }), "ES256")
			f.setMember("x", encode(f.coordinate("x")[1:]))
		},
	},
	{
		name: "point that is not on the curve", reason: jose.KeyOffCurve, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			y := f.coordinate("y")
			y[31] ^= 1
			f.setMember("y", encode(y))
		},
	},
	{
		name: "curve of another size", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.jwk = strings.Replace(f.jwk, "P-256", "P-384", 1)
		},
	},
	{
		name: "crv in lower case", reason: jose.KeyUnsupported, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.jwk = strings.Replace(f.jwk, "P-256", "p-256", 1)
		},
	},
	{
		name: "kty in lower case", reason: jose.KeyUnsupported, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.jwk = strings.Replace(f.jwk, `"EC"`, `"ec"`, 1)
		},
	},
	{
		name: "RSA modulus with a leading zero", alg: "RS256", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		accepted: all,
		fault: func(f *forge) {
			f.setMember("n", encode(append([]byte{0}, f.coordinate("n")...)))
		},
	},
	{
		name: "RSA exponent with a leading zero", alg: "RS256", reason: jose.KeyMemberEncoding, code: holdfast.CodeProofJWKInvalid,
		accepted: all,
		fault: func(f *forge) {
			f.setMember("e", encode([]byte{0, 1, 0, 1}))
		},
	},
	{
		name: "RSA key of 1024 bits", reason: jose.KeyWeak, code: holdfast.CodeProofJWKWeak,
		accepted: goJose + " " + bothGolangJWT,
		fault: func(f *forge) {
			*f = *newForge(must(rsa.GenerateKey(rand.Reader, 1024)), "RS256")
		},
	},
	// With e = 1 a signature is the padded message itself: anybody can make one.
	{
		name: "RSA exponent 1", alg: "RS256", reason: jose.KeyExponent, code: holdfast.CodeProofJWKInvalid,
		fault: func(f *forge) {
			f.setMember("e", encode([]byte{1}))
			f.sign = func(_ crypto.Signer, in string) []byte {
				prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
				info := append(prefix, digest(crypto.SHA256, in)...)
				fill := slices.Repeat([]byte{0xff}, 256-3-len(info))
				return slices.Concat([]byte{0, 1}, fill, []byte{0}, info)
			}
		},
	},
	// R and the key are the neutral element and S is zero: valid for any message.
	{
		name: "Ed25519 point of small order", alg: "EdDSA", reason: jose.KeyWeak, code: holdfast.CodeProofJWKWeak,
		accepted: jwx + " " + bothGolangJWT,
		fault: func(f *forge) {
			f.setMember("x", encode(smallOrder))
			f.sign = func(crypto.Signer, string) []byte { return append(slices.Clone(smallOrder), make([]byte, 32)...) }
		},
	},
	// Optional members are hints for those who choose a key, not for a proof.
	{
		name:     "use is enc",
		accepted: all,
		fault:    func(f *forge) { f.jwk = withMember(f.jwk, `"use":"enc"`) },
	},
	{
		name:     "key_ops is sign",
		accepted: all,
		fault:    func(f *forge) { f.jwk = withMember(f.jwk, `"key_ops":["sign"]`) },
	},
	{
		name:     "alg of the key is another",
		accepted: all,
		fault:    func(f *forge) { f.jwk = withMember(f.jwk, `"alg":"ES384"`) },
	},
	{
		name:     "kid of the key is a number",
		accepted: bothGolangJWT,
		fault:    func(f *forge) { f.jwk = withMember(f.jwk, `"kid":1`) },
	},
}
