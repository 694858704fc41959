package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// curve is what this package needs to know about a NIST curve.
type curve struct {
	crv   string
	bits  int
	size  int // octets of a coordinate and of half a signature
	algs  []Alg
	order string // n, big endian
	impl  func() elliptic.Curve
}

// maxCoordinate is the size of a P-521 coordinate, the largest.
const maxCoordinate = 66

// The curves of RFC 7518 6.2.1.1. They are never written to. Orders are those of FIPS 186-4 D.1.2.
var (
	p256 = curve{"P-256", 256, 32, []Alg{ES256}, "" +
		"\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff" +
		"\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51", elliptic.P256}
	p384 = curve{"P-384", 384, 48, []Alg{ES384}, "" +
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
		"\xff\xff\xff\xff\xff\xff\xff\xff\xc7\x63\x4d\x81\xf4\x37\x2d\xdf" +
		"\x58\x1a\x0d\xb2\x48\xb0\xa7\x7a\xec\xec\x19\x6a\xcc\xc5\x29\x73", elliptic.P384}
	p521 = curve{"P-521", 521, 66, []Alg{ES512}, "\x01\xff" +
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfa" +
		"\x51\x86\x87\x83\xbf\x2f\x96\x6b\x7f\xcc\x01\x48\xf7\x09\xa5\xd0" +
		"\x3b\xb5\xc9\xb8\x89\x9c\x47\xae\xbb\x6f\xb7\x1e\x91\x38\x64\x09", elliptic.P521}
)

func curveNamed(crv string) *curve {
	switch crv {
	case "P-256":
		return &p256
	case "P-384":
		return &p384
	case "P-521":
		return &p521
	}
	return nil
}

func parseEC(jwk strictjson.Object) (*PublicKey, *Error) {
	crv, err := text(jwk, "crv")
	if err != nil {
		return nil, err
	}
	c := curveNamed(crv)
	if c == nil {
		return nil, &Error{Reason: KeyUnsupported, Member: "crv", Detail: quoted(crv)}
	}
	var buf [1 + 2*maxCoordinate]byte
	point := append(buf[:0], 4) // SEC 1 2.3.3: an uncompressed point
	if point, err = appendOctets(point, jwk, "x", c.size); err != nil {
		return nil, err
	}
	if point, err = appendOctets(point, jwk, "y", c.size); err != nil {
		return nil, err
	}
	k, err := newEC(c, point)
	if err != nil {
		return nil, err
	}
	// x and y are the one encoding of their octets, so the text that was sent is what RFC 7638 hashes.
	x, _ := text(jwk, "x")
	y, _ := text(jwk, "y")
	var canonical [256]byte
	b := append(canonical[:0], `{"crv":"`...)
	b = append(b, c.crv...)
	b = append(b, `","kty":"EC","x":"`...)
	b = append(b, x...)
	b = append(b, `","y":"`...)
	b = append(b, y...)
	k.thumbprint = sha256.Sum256(append(b, `"}`...))
	return k, nil
}

func fromECDSA(pub *ecdsa.PublicKey) (*PublicKey, *Error) {
	name := pub.Curve.Params().Name
	c := curveNamed(name)
	if c == nil {
		return nil, &Error{Reason: KeyUnsupported, Member: "crv", Detail: quoted(name)}
	}
	point, err := pub.Bytes()
	if err != nil {
		return nil, &Error{Reason: KeyOffCurve}
	}
	k, fault := newEC(c, point)
	if fault != nil {
		return nil, fault
	}
	var buf [256]byte
	k.thumbprint = sha256.Sum256(appendJWK(buf[:0], "EC", c.crv, point[1:1+c.size], point[1+c.size:]))
	return k, nil
}

// newEC makes a key of an uncompressed point; its thumbprint is left to the caller. ParseUncompressedPublicKey refuses coordinates beyond the field and
// points that are not on the curve; the point at infinity has no such encoding.
func newEC(c *curve, point []byte) (*PublicKey, *Error) {
	pub, err := ecdsa.ParseUncompressedPublicKey(c.impl(), point)
	if err != nil {
		return nil, &Error{Reason: KeyOffCurve, Member: "crv", Detail: c.crv}
	}
	return &PublicKey{kty: "EC", crv: c.crv, bits: c.bits, algs: c.algs, ec: pub}, nil
}
