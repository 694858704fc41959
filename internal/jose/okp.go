package jose

import (
	"crypto/ed25519"
	"crypto/sha256"
	"math/big"
	"slices"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// okpAlgs is never written to. EdDSA comes first because more verifiers know that name than RFC 9864's Ed25519.
var okpAlgs = []Alg{EdDSA, Ed25519}

func parseOKP(jwk strictjson.Object) (*PublicKey, *Error) {
	crv, err := text(jwk, "crv")
	if err != nil {
		return nil, err
	}
	if crv != "Ed25519" { // X25519 and X448 cannot sign, Ed448 is not in the standard library
		return nil, &Error{Reason: KeyUnsupported, Member: "crv", Detail: quoted(crv)}
	}
	var buf [ed25519.PublicKeySize]byte
	x, err := appendOctets(buf[:0], jwk, "x", ed25519.PublicKeySize)
	if err != nil {
		return nil, err
	}
	return newEd25519(x)
}

func newEd25519(x []byte) (*PublicKey, *Error) {
	if len(x) != ed25519.PublicKeySize {
		return nil, &Error{Reason: KeyMemberEncoding, Member: "x", Detail: decimal(len(x)) + " octets, 32 are needed"}
	}
	if r := checkEdwardsPoint(x); r != 0 {
		return nil, &Error{Reason: r, Member: "x"}
	}
	var buf [128]byte
	return &PublicKey{
		kty: "OKP", crv: "Ed25519", bits: 256, algs: okpAlgs, ed: slices.Clone(x),
		thumbprint: sha256.Sum256(appendJWK(buf[:0], "OKP", "Ed25519", x, nil)),
	}, nil
}

// checkEdwardsPoint returns why the encoding (RFC 8032 5.1.2) is no acceptable public key, or 0.
//
// crypto/ed25519 looks at the point only while verifying, and then accepts encodings beyond the field, which would
// give one key two thumbprints, and points of small order, under which one signature is valid for many messages.
func checkEdwardsPoint(x []byte) Reason {
	var be [ed25519.PublicKeySize]byte
	copy(be[:], x)
	slices.Reverse(be[:])
	be[0] &= 0x7f // the top bit is the sign of x
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 255)
	p.Sub(p, big.NewInt(19))
	y := new(big.Int).SetBytes(be[:])
	if y.Cmp(p) >= 0 {
		return KeyMemberEncoding
	}
	// RFC 8032 5.1.3: x^2 = u/v with u = y^2-1, v = d*y^2+1 and d = -121665/121666. Multiplying v by 121666 clears the
	// fraction: w = 121666 - 121665*y^2. u/v is a square exactly if u*w*121666 is one.
	y2 := y.Mul(y, y)
	y2.Mod(y2, p)
	u := new(big.Int).Sub(y2, one)
	w := new(big.Int).Mul(y2, big.NewInt(-121665))
	w.Add(w, big.NewInt(121666))
	// Order 1 and 2 have x = 0, so u = 0. Order 4 has y = 0. Order 8 doubles to y = 0, which on this curve
	// (-x^2+y^2 = 1+d*x^2*y^2, doubled y = (y^2+x^2)/(2+x^2-y^2)) means x^2 = -y^2, so u = -y^2*v.
	if u.Sign() == 0 || y2.Sign() == 0 || isOrder8(y2, u, w, p) {
		return KeyWeak
	}
	u.Mul(u, w)
	u.Mul(u, big.NewInt(121666))
	if big.Jacobi(u.Mod(u, p), p) != 1 {
		return KeyOffCurve
	}
	return 0
}

// isOrder8 reports whether 121666*u = -y^2*w mod p.
func isOrder8(y2, u, w, p *big.Int) bool {
	left := new(big.Int).Mul(u, big.NewInt(121666))
	left.Add(left, new(big.Int).Mul(y2, w))
	return left.Mod(left, p).Sign() == 0
}
