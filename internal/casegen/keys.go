package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512 for hashFor
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"strings"
	"sync"
)

// A key is a throw-away signing key with the JOSE algorithm it is used for.
type key struct {
	alg    string
	kid    string
	signer crypto.Signer
	random io.Reader // for PSS salts
}

// newKey makes a throw-away key for alg out of the scene's random source, so
// that a case keeps its keys from run to run. A failure is a programmer's
// mistake.
func (s *scene) newKey(alg string) *key {
	switch alg {
	case "ES256":
		return &key{alg: alg, random: s.source, signer: must(ecdsa.ParseRawPrivateKey(elliptic.P256(), s.bytes(32)))}
	case "ES384":
		return &key{alg: alg, random: s.source, signer: must(ecdsa.ParseRawPrivateKey(elliptic.P384(), s.bytes(48)))}
	case "ES512":
		scalar := s.bytes(66)
		scalar[0] &= 1 // P-521 has 521 bits
		return &key{alg: alg, random: s.source, signer: must(ecdsa.ParseRawPrivateKey(elliptic.P521(), scalar))}
	case "EdDSA":
		return &key{alg: alg, random: s.source, signer: ed25519.NewKeyFromSeed(s.bytes(32))}
	case "RS256", "PS256":
		if strings.ContainsAny(s.id[:1], "bce") {
			return s.pooledRSAKey(alg)
		}
		return s.newRSAKey(alg, 2048)
	}
	panic("no such algorithm: " + alg)
}

// newRSAKey searches the primes itself, because crypto/rsa takes no source of
// randomness. Nothing outside of test data may do so.
func (s *scene) newRSAKey(alg string, bits int) *key {
	e := big.NewInt(65537)
	p, q := s.prime(bits/2), s.prime(bits/2)
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D:         new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	private.Precompute()
	if err := private.Validate(); err != nil {
		panic(err)
	}
	return &key{alg: alg, random: s.source, signer: private}
}

// rsaPool makes the RSA keys of sets B, C and D, once.
var rsaPool = sync.OnceValue(func() []*key {
	s := newScene("rsa-pool", "", "", "2026-01-01T00:00:00Z")
	return []*key{s.newRSAKey("RS256", 2048), s.newRSAKey("RS256", 2048), s.newRSAKey("RS256", 2048), s.newRSAKey("RS256", 2048)}
})

// pooledRSAKey gives the keys of one case in turn. RSA keys take long to make,
// so cases share them; within a case they differ.
func (s *scene) pooledRSAKey(alg string) *key {
	pool := rsaPool()
	if s.rsaKeys == len(pool) {
		panic(s.id + " needs more RSA keys than there are")
	}
	k := pool[s.rsaKeys]
	s.rsaKeys++
	return &key{alg: alg, random: s.source, signer: k.signer}
}

// prime finds a prime with its two highest bits set, so that the product of
// two has full length.
func (s *scene) prime(bits int) *big.Int {
	for {
		p := new(big.Int).SetBytes(s.bytes(bits / 8))
		p.SetBit(p, bits-1, 1)
		p.SetBit(p, bits-2, 1)
		p.SetBit(p, 0, 1)
		if p.ProbablyPrime(0) {
			return p
		}
	}
}

// named returns a copy of k with a key id, as an authorization server's key has.
func (k *key) named(kid string) *key {
	return &key{alg: k.alg, kid: kid, signer: k.signer, random: k.random}
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
		// Without a random source the signature is deterministic (RFC 6979).
		der := must(signer.Sign(nil, digestFor(alg, input), hashFor(alg)))
		var parts struct{ R, S *big.Int }
		must(asn1.Unmarshal(der, &parts))
		size := (signer.Curve.Params().BitSize + 7) / 8
		return append(parts.R.FillBytes(make([]byte, size)), parts.S.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(signer, input)
	case *rsa.PrivateKey:
		digest := digestFor(alg, input)
		if alg == "PS256" {
			return must(rsa.SignPSS(k.random, signer, crypto.SHA256, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must(rsa.SignPKCS1v15(nil, signer, crypto.SHA256, digest))
	}
	panic("no such key type")
}

func hashFor(alg string) crypto.Hash {
	switch alg {
	case "ES384":
		return crypto.SHA384
	case "ES512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

func digestFor(alg string, input []byte) []byte {
	h := hashFor(alg).New()
	h.Write(input)
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
