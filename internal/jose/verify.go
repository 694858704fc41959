package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
)

// Verify checks a signature over signingInput, see [JWS.SigningInput]. That a is allowed at all is for the caller to
// decide beforehand; here it only has to fit the key. The error is an [*Error].
func (k *PublicKey) Verify(a Alg, signingInput string, sig []byte) error {
	if !k.Fits(a) {
		return &Error{Reason: AlgMismatch, Member: "alg", Detail: a.String() + " with a key of type " + k.describe()}
	}
	var buf [1024]byte // on the stack, so that hashing a string of usual size allocates nothing
	input := append(buf[:0], signingInput...)
	if r := k.verify(a, input, sig); r != 0 {
		return &Error{Reason: r, Member: "signature", Detail: a.String()}
	}
	return nil
}

// describe returns EC P-256, RSA or the like.
func (k *PublicKey) describe() string {
	if k.crv == "" {
		return k.kty
	}
	return k.kty + " " + k.crv
}

// verify returns why the signature is refused, or 0. One function per family keeps the buffers of ECDSA on its stack.
func (k *PublicKey) verify(a Alg, input, sig []byte) Reason {
	switch a.family() {
	case familyECDSA:
		return k.verifyECDSA(algs[a].hash, input, sig)
	case familyEd25519:
		return k.verifyEd25519(input, sig)
	}
	return k.verifyRSA(a, input, sig)
}

func (k *PublicKey) verifyECDSA(hash crypto.Hash, input, sig []byte) Reason {
	c := curveNamed(k.crv)
	if len(sig) != 2*c.size {
		return SigLength
	}
	r, s := sig[:c.size], sig[c.size:]
	if !inRange(r, c.order) || !inRange(s, c.order) {
		return SigRange
	}
	var sum [sha512.Size]byte
	var der [maxDER]byte
	if !ecdsa.VerifyASN1(k.ec, appendDigest(sum[:0], hash, input), appendDER(der[:0], r, s)) {
		return SigInvalid
	}
	return 0
}

func (k *PublicKey) verifyRSA(a Alg, input, sig []byte) Reason {
	if len(sig) != k.rsa.Size() { // RFC 8017 8.1.2, 8.2.2: exactly as long as the modulus
		return SigLength
	}
	var sum [sha512.Size]byte
	hash := algs[a].hash
	digest := appendDigest(sum[:0], hash, input)
	var err error
	if a.family() == familyPSS {
		// RFC 7518 3.5: the salt is as long as the hash.
		err = rsa.VerifyPSS(k.rsa, hash, digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	} else {
		err = rsa.VerifyPKCS1v15(k.rsa, hash, digest, sig)
	}
	if err != nil {
		return SigInvalid
	}
	return 0
}

func (k *PublicKey) verifyEd25519(input, sig []byte) Reason {
	switch {
	case len(sig) != ed25519.SignatureSize:
		return SigLength
	case !edScalarInRange(sig[32:]):
		return SigRange
	case !ed25519.Verify(k.ed, input, sig):
		return SigInvalid
	}
	return 0
}

// appendDigest appends the hash of input; nothing for Ed25519, which hashes by itself.
func appendDigest(dst []byte, h crypto.Hash, input []byte) []byte {
	switch h {
	case crypto.SHA256:
		sum := sha256.Sum256(input)
		return append(dst, sum[:]...)
	case crypto.SHA384:
		sum := sha512.Sum384(input)
		return append(dst, sum[:]...)
	case crypto.SHA512:
		sum := sha512.Sum512(input)
		return append(dst, sum[:]...)
	}
	return dst
}

// inRange reports whether 0 < v < order. These are public numbers, time may depend on them.
func inRange(v []byte, order string) bool {
	return !isZero(v) && string(v) < order
}

func isZero(v []byte) bool {
	for _, b := range v {
		if b != 0 {
			return false
		}
	}
	return true
}

// edOrder is L of RFC 8032 5.1, big endian.
const edOrder = "\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x14\xde\xf9\xde\xa2\xf7\x9c\xd6\x58\x12\x63\x1a\x5c\xf5\xd3\xed"

// edScalarInRange reports whether the little endian S is below L (RFC 8032 5.1.7). Otherwise S+L would be a second
// signature for the same message.
func edScalarInRange(s []byte) bool {
	for i := range s {
		if b, l := s[len(s)-1-i], edOrder[i]; b != l {
			return b < l
		}
	}
	return false
}
