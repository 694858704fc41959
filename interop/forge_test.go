package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // ES384 and ES512
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

// forge makes compact JWS by hand, with the standard library only: a faulty one
// cannot be made with a library that refuses to. A function that sets a field
// describes one fault; everything else stays right. Errors of the standard
// library panic: they would be a fault of the test.
type forge struct {
	key     crypto.Signer
	alg     string
	jwk     string // the value of the member jwk
	header  string // the whole header; made of alg and jwk if empty
	payload string

	encodedHeader, encodedPayload string                                     // made of header and payload if empty
	sign                          func(key crypto.Signer, in string) []byte  // as alg says if nil
	signature                     func(sig []byte) []byte                    // changes the octets
	text                          func(header, payload, sig string) []string // the parts to join with "."
	whole                         func(compact string) string
}

var encode = base64.RawURLEncoding.EncodeToString

func newForge(key crypto.Signer, alg string) *forge {
	jwk, err := json.Marshal(plainJWK(key.Public()))
	if err != nil {
		panic(err)
	}
	return &forge{
		key: key, alg: alg, jwk: string(jwk),
		payload: `{"jti":"j-1","htm":"POST","htu":"` + target + `","iat":1772366401}`,
	}
}

// plainHeader is the header if none is given.
func (f *forge) plainHeader() string {
	return `{"typ":"dpop+jwt","alg":"` + f.alg + `","jwk":` + f.jwk + `}`
}

func (f *forge) compact() string {
	if f.header == "" {
		f.header = f.plainHeader()
	}
	if f.encodedHeader == "" {
		f.encodedHeader = encode([]byte(f.header))
	}
	if f.encodedPayload == "" {
		f.encodedPayload = encode([]byte(f.payload))
	}
	if f.sign == nil {
		f.sign = signers[f.alg]
	}
	sig := f.sign(f.key, f.encodedHeader+"."+f.encodedPayload)
	if f.signature != nil {
		sig = f.signature(sig)
	}
	parts := []string{f.encodedHeader, f.encodedPayload, encode(sig)}
	if f.text != nil {
		parts = f.text(parts[0], parts[1], parts[2])
	}
	s := strings.Join(parts, ".")
	if f.whole != nil {
		s = f.whole(s)
	}
	return s
}

// signers has a right way to sign for every algorithm that the table needs.
var signers = map[string]func(key crypto.Signer, in string) []byte{
	"ES256": ecdsaSigner(crypto.SHA256, 32),
	"ES384": ecdsaSigner(crypto.SHA384, 48),
	"ES512": ecdsaSigner(crypto.SHA512, 66),
	"EdDSA": func(key crypto.Signer, in string) []byte {
		return must(key.Sign(rand.Reader, []byte(in), crypto.Hash(0)))
	},
	"RS256": func(key crypto.Signer, in string) []byte {
		return must(key.Sign(rand.Reader, digest(crypto.SHA256, in), crypto.SHA256))
	},
	"PS256": pssSigner(rsa.PSSSaltLengthEqualsHash),
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func digest(h crypto.Hash, in string) []byte {
	w := h.New()
	w.Write([]byte(in))
	return w.Sum(nil)
}

func pssSigner(salt int) func(crypto.Signer, string) []byte {
	return func(key crypto.Signer, in string) []byte {
		return must(key.Sign(rand.Reader, digest(crypto.SHA256, in), &rsa.PSSOptions{SaltLength: salt, Hash: crypto.SHA256}))
	}
}

// ecdsaSigner writes r and s with size octets each, whatever the curve.
func ecdsaSigner(h crypto.Hash, size int) func(crypto.Signer, string) []byte {
	return func(key crypto.Signer, in string) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), digest(h, in))
		if err != nil {
			panic(err)
		}
		return pair(r, s, size)
	}
}

func pair(r, s *big.Int, size int) []byte {
	return slices.Concat(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size)))
}

// unpair splits a signature of JWS.
func unpair(sig []byte) (r, s *big.Int) {
	return new(big.Int).SetBytes(sig[:len(sig)/2]), new(big.Int).SetBytes(sig[len(sig)/2:])
}

func signDER(key crypto.Signer, in string) []byte {
	return must(key.Sign(rand.Reader, digest(crypto.SHA256, in), crypto.SHA256))
}

// signHMAC uses a text as the key of HS256.
func signHMAC(secret []byte) func(crypto.Signer, string) []byte {
	return func(_ crypto.Signer, in string) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(in))
		return m.Sum(nil)
	}
}

// until signs again until the signature, or its text, is as wanted.
func until(sign func(crypto.Signer, string) []byte, good func(sig []byte) bool) func(crypto.Signer, string) []byte {
	return func(key crypto.Signer, in string) []byte {
		for {
			if sig := sign(key, in); good(sig) {
				return sig
			}
		}
	}
}

// newEC returns a new key whose uncompressed point is as wanted.
func newEC(c elliptic.Curve, good func(point []byte) bool) *ecdsa.PrivateKey {
	for {
		k := must(ecdsa.GenerateKey(c, rand.Reader))
		if good == nil || good(must(k.PublicKey.Bytes())) {
			return k
		}
	}
}

func newEd25519() crypto.Signer {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// standardAlphabet replaces what base64 and base64url write differently.
func standardAlphabet(s string) string { return strings.NewReplacer("-", "+", "_", "/").Replace(s) }

// differs reports whether the two alphabets write b differently.
func differs(b []byte) bool { return strings.ContainsAny(encode(b), "-_") }

// trailingBit sets the lowest bit of the last character, which belongs to no
// octet where the text is not a multiple of four.
func trailingBit(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(s)%4 == 0 {
		panic("no trailing bits")
	}
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last|1:][:1]
}

// pad lengthens a JSON object until so many octets are left over from groups of three.
func pad(object string, rest int) string {
	for fill := ""; ; fill += "x" {
		if s := withMember(object, `"x":"`+fill+`"`); len(s)%3 == rest {
			return s
		}
	}
}

// withMember puts a member before the others of a JSON object.
func withMember(object, member string) string { return "{" + member + "," + object[1:] }

// coordinate returns a member of the forged JWK, decoded.
func (f *forge) coordinate(name string) []byte {
	var m map[string]string
	if err := json.Unmarshal([]byte(f.jwk), &m); err != nil {
		panic(err)
	}
	return must(base64.RawURLEncoding.DecodeString(m[name]))
}

// setMember replaces the encoded value of a member of the JWK.
func (f *forge) setMember(name, value string) {
	old := encode(f.coordinate(name))
	f.jwk = strings.Replace(f.jwk, `"`+name+`":"`+old+`"`, `"`+name+`":"`+value+`"`, 1)
}

// smallOrder is the neutral element of edwards25519, as a public key and as R.
var smallOrder = append([]byte{1}, bytes.Repeat([]byte{0}, 31)...)
