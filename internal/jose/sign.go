package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"fmt"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// Sign returns the compact JWS of a header and a payload, both JSON text, signed with a key in software or in a
// device. The alg member of the header must be a, and a must fit the key of the signer, which must be as strong as
// [ParseKey] demands. Refusals are [*Error]s; what the signer returns is wrapped.
func Sign(signer crypto.Signer, a Alg, header, payload string) (compact string, err error) {
	h, err := strictjson.Parse(header, len(header))
	if err != nil {
		return "", &Error{Reason: HeaderJSON, Member: "header", Detail: err.Error(), cause: err}
	}
	alg, _ := h.Get("alg")
	if name, _ := alg.Text(); name != a.String() {
		return "", &Error{Reason: AlgMismatch, Member: "alg", Detail: "the header names another algorithm than " + a.String()}
	}
	return SignSegments(signer, a, EncodeSegment([]byte(header)), payload)
}

// SignSegments is [Sign] with a header that was encoded once for many signatures. It does not look into the header:
// that its alg is a is for the caller to ensure.
func SignSegments(signer crypto.Signer, a Alg, encodedHeader, payload string) (string, error) {
	if err := signerFits(signer, a); err != nil {
		return "", err
	}
	input := make([]byte, 0, len(encodedHeader)+2+(len(payload)+maxRSABits/8)*4/3)
	input = append(input, encodedHeader...)
	input = append(input, '.')
	input = appendEncoded(input, []byte(payload))
	sig, err := sign(signer, a, input)
	if err != nil {
		return "", err
	}
	return string(appendEncoded(append(input, '.'), sig)), nil
}

// signerFits is the light form of NewPublicKey(...).Fits(a): a key that makes signatures was checked when it was made.
func signerFits(signer crypto.Signer, a Alg) error {
	ok := false
	switch pub := signer.Public().(type) {
	case *ecdsa.PublicKey:
		ok = a.family() == familyECDSA && pub.Curve.Params().Name == algs[a].crv
	case *rsa.PublicKey:
		ok = a.family() == familyPSS || a.family() == familyPKCS1
		if bits := pub.N.BitLen(); ok && bits < minRSABits {
			return &Error{Reason: KeyWeak, Detail: decimal(bits) + " bits"}
		} else if ok && bits > maxRSABits {
			return &Error{Reason: KeyTooLarge, Detail: decimal(bits) + " bits"}
		}
	case ed25519.PublicKey:
		ok = a.family() == familyEd25519
	}
	if !ok {
		return &Error{Reason: AlgMismatch, Member: "alg", Detail: a.String() + " with this signer"}
	}
	return nil
}

// sign returns the signature in the form of JWS.
func sign(signer crypto.Signer, a Alg, input []byte) ([]byte, error) {
	var sum [sha512.Size]byte
	hash := algs[a].hash
	message := appendDigest(sum[:0], hash, input)
	var opts crypto.SignerOpts = hash
	switch a.family() {
	case familyEd25519:
		message = input
	case familyPSS:
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	sig, err := signer.Sign(rand.Reader, message, opts)
	if err != nil {
		return nil, fmt.Errorf("sign with %s: %w", a, err)
	}
	if a.family() != familyECDSA {
		return sig, nil
	}
	c := curveNamed(algs[a].crv)
	fixed, ok := splitDER(sig, c.size)
	if !ok || !inRange(fixed[:c.size], c.order) || !inRange(fixed[c.size:], c.order) {
		return nil, &Error{Reason: SigInvalid, Member: "signature", Detail: "the signer did not return a DER signature"}
	}
	return fixed, nil
}
