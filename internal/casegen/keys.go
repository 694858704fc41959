package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// A key is a throw-away signing key with the JOSE algorithm it is used for.
type key struct {
	alg    string
	kid    string
	signer crypto.Signer
}

// newKey makes a fresh key for alg. A failure is a programmer's mistake.
func newKey(alg string) *key {
	switch alg {
	case "ES256":
		return &key{alg: alg, signer: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	case "ES384":
		return &key{alg: alg, signer: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))}
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return &key{alg: alg, signer: private}
	case "RS256", "PS256":
		return newRSAKey(alg, 2048)
	}
	panic("no such algorithm: " + alg)
}

func newRSAKey(alg string, bits int) *key {
	return &key{alg: alg, signer: must(rsa.GenerateKey(rand.Reader, bits))}
}

// named returns a copy of k with a key id, as an authorization server's key has.
func (k *key) named(kid string) *key {
	return &key{alg: k.alg, kid: kid, signer: k.signer}
}

// jwk is the public key with the required members only.
func (k *key) jwk() object {
	switch public := k.signer.Public().(type) {
	case *ecdsa.PublicKey:
		point := must(public.Bytes())
		half := (len(point) - 1) / 2
		return object{{"kty", "EC"}, {"crv", public.Curve.Params().Name}, {"x", b64(point[1 : 1+half])}, {"y", b64(point[1+half:])}}
	case ed25519.PublicKey:
		return object{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", b64(public)}}
	case *rsa.PublicKey:
		e := big.NewInt(int64(public.E)).Bytes()
		return object{{"kty", "RSA"}, {"e", b64(e)}, {"n", b64(public.N.Bytes())}}
	}
	panic("no such key type")
}

// setMember is the key as it stands in a published key set.
func (k *key) setMember() object {
	return append(k.jwk(), member{"use", "sig"}, member{"alg", k.alg}, member{"kid", k.kid})
}

// jkt is the RFC 7638 thumbprint.
func (k *key) jkt() string {
	required := map[string]any{}
	for _, m := range k.jwk() {
		required[m.name] = m.value
	}
	// json.Marshal sorts map keys, which is the order RFC 7638 asks for.
	sum := sha256.Sum256(must(json.Marshal(required)))
	return b64(sum[:])
}

// sign signs input under alg, which may differ from the key's own.
func (k *key) sign(alg string, input []byte) []byte {
	switch signer := k.signer.(type) {
	case *ecdsa.PrivateKey:
		digest := digestFor(alg, input)
		r, s, err := ecdsa.Sign(rand.Reader, signer, digest)
		if err != nil {
			panic(err)
		}
		size := (signer.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(signer, input)
	case *rsa.PrivateKey:
		digest := digestFor(alg, input)
		if alg == "PS256" {
			return must(rsa.SignPSS(rand.Reader, signer, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, signer, crypto.SHA256, digest))
	}
	panic("no such key type")
}

func digestFor(alg string, input []byte) []byte {
	if alg == "ES384" {
		sum := sha512.Sum384(input)
		return sum[:]
	}
	sum := sha256.Sum256(input)
	return sum[:]
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
