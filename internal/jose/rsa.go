package jose

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/big"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

const (
	minRSABits = 2048 // RFC 7518 3.3
	maxRSABits = 4096 // beyond it one forged proof costs a verifier more than it is worth
)

// rsaAlgs prefers PSS: the JWT BCP and FAPI 2 leave PKCS #1 v1.5 behind. It is never written to.
var rsaAlgs = []Alg{PS256, PS384, PS512, RS256, RS384, RS512}

func parseRSA(jwk strictjson.Object) (*PublicKey, *Error) {
	modulus, err := text(jwk, "n")
	if err != nil {
		return nil, err
	}
	exponent, err := text(jwk, "e")
	if err != nil {
		return nil, err
	}
	if len(modulus) > 2*maxRSABits/6 { // refused undecoded: nobody gets to make us square huge numbers
		return nil, &Error{Reason: KeyTooLarge, Member: "n", Detail: "more than " + decimal(maxRSABits) + " bits"}
	}
	if len(exponent) > 2*maxRSABits/6 {
		return nil, &Error{Reason: KeyExponent, Member: "e"}
	}
	var buf [maxRSABits / 8]byte
	n, err := appendMember(buf[:0], modulus, "n")
	if err != nil {
		return nil, err
	}
	var small [8]byte
	e, err := appendMember(small[:0], exponent, "e")
	if err != nil {
		return nil, err
	}
	return newRSA(n, e)
}

func fromRSA(pub *rsa.PublicKey) (*PublicKey, *Error) {
	if pub.N.Sign() < 0 || pub.E < 1 { // Bytes would drop the sign
		return nil, &Error{Reason: KeyExponent, Member: "e", Detail: "a number is not positive"}
	}
	return newRSA(pub.N.Bytes(), big.NewInt(int64(pub.E)).Bytes())
}

// newRSA makes a key of two unsigned big endian numbers. RFC 7518 2 (Base64urlUInt): the fewest octets possible.
func newRSA(n, e []byte) (*PublicKey, *Error) {
	for _, m := range [...]struct {
		name   string
		octets []byte
	}{{"n", n}, {"e", e}} {
		if len(m.octets) == 0 || m.octets[0] == 0 {
			return nil, &Error{Reason: KeyMemberEncoding, Member: m.name, Detail: "empty, or a leading zero octet"}
		}
	}
	modulus := new(big.Int).SetBytes(n)
	switch bits := modulus.BitLen(); {
	case bits < minRSABits:
		return nil, &Error{Reason: KeyWeak, Member: "n", Detail: decimal(bits) + " bits, " + decimal(minRSABits) + " are needed"}
	case bits > maxRSABits:
		return nil, &Error{Reason: KeyTooLarge, Member: "n", Detail: decimal(bits) + " bits, at most " + decimal(maxRSABits)}
	case modulus.Bit(0) == 0:
		return nil, &Error{Reason: KeyWeak, Member: "n", Detail: "even"}
	}
	exponent, ok := readExponent(e)
	if !ok {
		return nil, &Error{Reason: KeyExponent, Member: "e", Detail: "an odd number of 3 or more in 31 bits is needed"}
	}
	var buf [1024]byte
	return &PublicKey{
		kty: "RSA", bits: modulus.BitLen(), algs: rsaAlgs, rsa: &rsa.PublicKey{N: modulus, E: exponent},
		thumbprint: sha256.Sum256(appendJWK(buf[:0], "RSA", "", n, e)),
	}, nil
}

// readExponent reads e. 31 bits is what crypto/rsa verifies with: a key that parses must be one that can verify.
func readExponent(e []byte) (int, bool) {
	var wide [4]byte
	if len(e) > len(wide) {
		return 0, false
	}
	copy(wide[len(wide)-len(e):], e)
	v := binary.BigEndian.Uint32(wide[:])
	return int(v), v >= 3 && v <= math.MaxInt32 && v&1 == 1
}
