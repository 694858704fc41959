package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// decode reads JSON the lax way, to compare values.
func decode(tb testing.TB, text string) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return v
}

// V-9449-proof-token, V-9449-proof-refresh, V-9449-proof-rs.
func TestProofVectorsVerifyWithTheKeyTheyCarry(t *testing.T) {
	for _, v := range vectors(t, "dpop_proof") {
		t.Run(v.ID, func(t *testing.T) {
			j, err := Parse(v.JWS, 8192)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(decode(t, j.Payload), decode(t, string(v.Payload))) {
				t.Errorf("payload is %s", j.Payload)
			}
			claims, err := j.Claims()
			if err != nil || claims.Len() == 0 || j.Type != "dpop+jwt" || j.AlgName != v.Alg {
				t.Errorf("claims %d, %v, typ %q, alg %q", claims.Len(), err, j.Type, j.AlgName)
			}
			member, _ := j.Header.Get("jwk")
			jwk, _ := member.Object()
			k, err := ParseKey(jwk)
			if err != nil {
				t.Fatal(err)
			}
			if got := encoded(k.Thumbprint()); got != v.JKT {
				t.Errorf("thumbprint is %s, want %s", got, v.JKT)
			}
			if err := k.Verify(j.Alg, j.SigningInput, j.Signature); err != nil {
				t.Error(err)
			}
		})
	}
}

// V-9449-at-jwt: its key is not published, so it can only be read.
func TestTokenVectorsAreRead(t *testing.T) {
	for _, v := range vectors(t, "jwt_decode") {
		j, err := Parse(v.JWS, 8192)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(decode(t, j.Payload), decode(t, string(v.Payload))) {
			t.Errorf("%s: payload is %s", v.ID, j.Payload)
		}
		if want := decode(t, string(v.Header)).(map[string]any); j.KeyID != want["kid"] || j.AlgName != want["alg"] || j.HasType {
			t.Errorf("%s: kid %q, alg %q, typ %v", v.ID, j.KeyID, j.AlgName, j.HasType)
		}
	}
}

// V-8037-sig, V-7515-A3 verify; V-AKP-*-jws (J-9964-01) are refused as what they are.
func TestJWSVectors(t *testing.T) {
	for _, v := range vectors(t, "jws") {
		t.Run(v.ID, func(t *testing.T) {
			j, err := Parse(v.JWS, 16384)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(v.Alg, "ML-DSA") {
				if j.Class != ClassPostQuantum || j.Alg != AlgUnknown || j.AlgName != v.Alg {
					t.Errorf("class %d, alg %v", j.Class, j.Alg)
				}
				_, err := Parse(v.JWS, 2048) // the refusal names the size
				wantReason(t, err, TooLarge, "")
				return
			}
			k, err := ParseKey(parseObject(t, string(v.JWK)))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Verify(j.Alg, j.SigningInput, j.Signature); err != nil || j.AlgName != v.Alg {
				t.Errorf("alg %s: %v", j.AlgName, err)
			}
			wantReason(t, k.Verify(j.Alg, j.SigningInput+"A", j.Signature), SigInvalid, "signature")
		})
	}
}

// fixed returns numbers as octets of one size, one behind another.
func fixed(size int, numbers ...*big.Int) []byte {
	var out []byte
	for _, n := range numbers {
		out = append(out, n.FillBytes(make([]byte, size))...)
	}
	return out
}

// Requirement D-4.3-06: signatures with something wrong in them, after the example of Project Wycheproof.
func TestECDSASignatures(t *testing.T) {
	const input = "header.payload"
	other := map[Alg]elliptic.Curve{ES256: elliptic.P384(), ES384: elliptic.P521(), ES512: elliptic.P256()}
	for a, curve := range map[Alg]elliptic.Curve{ES256: elliptic.P256(), ES384: elliptic.P384(), ES512: elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		k := mustKey(t, private)
		size := (curve.Params().BitSize + 7) / 8
		sig, err := sign(private, a, []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		r, s := new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:])
		n, zero, one := curve.Params().N, new(big.Int), big.NewInt(1)
		top := new(big.Int).Sub(new(big.Int).Lsh(one, uint(8*size)), one)
		flip := bytes.Clone(sig)
		flip[3] ^= 1
		foreign, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		foreignSig, err := sign(foreign, a, []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		less := func(x *big.Int) *big.Int { return new(big.Int).Sub(x, one) }
		for _, c := range []struct {
			name   string
			sig    []byte
			reason Reason // 0 verifies
		}{
			{"as signed", sig, 0},
			// JWS does not ask for low s (RFC 7518 3.4), so the mirror image is as good.
			{"s mirrored", fixed(size, r, new(big.Int).Sub(n, s)), 0},
			{"r = 0", fixed(size, zero, s), SigRange},
			{"s = 0", fixed(size, r, zero), SigRange},
			{"both 0 (CVE-2022-21449)", fixed(size, zero, zero), SigRange},
			{"r = n", fixed(size, n, s), SigRange},
			{"s = n", fixed(size, r, n), SigRange},
			{"both n", fixed(size, n, n), SigRange},
			{"r = n+1", fixed(size, new(big.Int).Add(n, one), s), SigRange},
			{"s = n+1", fixed(size, r, new(big.Int).Add(n, one)), SigRange},
			{"r = all ones", fixed(size, top, s), SigRange},
			{"s = all ones", fixed(size, r, top), SigRange},
			{"r = n-1", fixed(size, less(n), s), SigInvalid},
			{"s = n-1", fixed(size, r, less(n)), SigInvalid},
			{"r = s = 1", fixed(size, one, one), SigInvalid},
			{"r and s swapped", fixed(size, s, r), SigInvalid},
			{"r negated", fixed(size, new(big.Int).Sub(n, r), s), SigInvalid},
			{"a bit flipped", flip, SigInvalid},
			{"by another key", foreignSig, SigInvalid},
			{"of DER form", appendDER(nil, sig[:size], sig[size:]), SigLength},
			{"nothing", nil, SigLength},
			{"r alone", sig[:size], SigLength},
			{"truncated by one octet", sig[:len(sig)-1], SigLength},
			{"extended by one octet", append(bytes.Clone(sig), 0), SigLength},
			{"with a leading zero octet", append([]byte{0}, sig...), SigLength},
			{"with a leading zero octet in r and s", fixed(size+1, r, s), SigLength},
			{"without the first octet", sig[1:], SigLength},
			{"doubled", append(bytes.Clone(sig), sig...), SigLength},
		} {
			t.Run(a.String()+" "+c.name, func(t *testing.T) {
				err := k.Verify(a, input, c.sig)
				if c.reason == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantReason(t, err, c.reason, "signature")
			})
		}
		if a == ES512 { // only here is there room: a verifier that reduces would take r+n for r
			wantReason(t, k.Verify(a, input, fixed(size, new(big.Int).Add(r, n), s)), SigRange, "signature")
			wantReason(t, k.Verify(a, input, fixed(size, r, new(big.Int).Add(s, n))), SigRange, "signature")
		}
		wrong, err := ecdsa.GenerateKey(other[a], rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		wantReason(t, mustKey(t, wrong).Verify(a, input, sig), AlgMismatch, "alg") // D-4.3-05c
	}
}

func TestOrdersAreThoseOfTheCurves(t *testing.T) {
	for _, c := range []*curve{&p256, &p384, &p521} {
		params := c.impl().Params()
		order := string(fixed(c.size, params.N))
		if c.order != order || c.bits != params.BitSize || c.crv != params.Name || c.size != (params.BitSize+7)/8 {
			t.Errorf("%s: order %x, want %x", c.crv, c.order, order)
		}
	}
}

func TestRSASignatures(t *testing.T) {
	const input = "header.payload"
	private := rsaSample()
	k := mustKey(t, private)
	digest := sha256.Sum256([]byte(input))
	pss := func(salt int) []byte {
		sig, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	v15, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	flip := bytes.Clone(v15)
	flip[100] ^= 1
	sum := new(big.Int).Add(new(big.Int).SetBytes(v15), private.N)
	for _, c := range []struct {
		name   string
		alg    Alg
		sig    []byte
		reason Reason
	}{
		{"PSS as signed", PS256, pss(32), 0},
		{"PKCS1 as signed", RS256, v15, 0},
		{"PSS without salt", PS256, pss(0), SigInvalid},
		{"PSS with a salt of 20 octets", PS256, pss(20), SigInvalid},
		{"PSS with the longest salt", PS256, pss(rsa.PSSSaltLengthAuto), SigInvalid},
		{"PSS with a salt one octet too long", PS256, pss(33), SigInvalid},
		{"PKCS1 taken for PSS", PS256, v15, SigInvalid},
		{"PSS taken for PKCS1", RS256, pss(32), SigInvalid},
		{"PKCS1 with another hash", RS384, v15, SigInvalid},
		{"PSS with another hash", PS512, pss(32), SigInvalid},
		{"a bit flipped", RS256, flip, SigInvalid},
		{"zero", RS256, make([]byte, 256), SigInvalid},
		{"one", RS256, append(make([]byte, 255), 1), SigInvalid},
		{"the modulus", RS256, private.N.Bytes(), SigInvalid},
		{"signature plus modulus", RS256, sum.Bytes(), map[bool]Reason{true: SigInvalid, false: SigLength}[len(sum.Bytes()) == 256]},
		{"a leading zero octet", RS256, append([]byte{0}, v15...), SigLength},
		{"an octet behind", RS256, append(bytes.Clone(v15), 0), SigLength},
		{"truncated", RS256, v15[:255], SigLength},
		{"PSS truncated", PS256, pss(32)[1:], SigLength},
		{"nothing", PS256, nil, SigLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := k.Verify(c.alg, input, c.sig)
			if c.reason == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantReason(t, err, c.reason, "signature")
		})
	}
}

// A signature that begins with a zero octet must keep it: without it, it is another text of the same number.
func TestRSASignatureKeepsItsLeadingZero(t *testing.T) {
	private := rsaSample()
	k := mustKey(t, private)
	for i := range 20000 {
		input := fmt.Sprintf("h.%d", i)
		sig, err := sign(private, RS256, []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		if sig[0] != 0 {
			continue
		}
		if err := k.Verify(RS256, input, sig); err != nil {
			t.Error(err)
		}
		wantReason(t, k.Verify(RS256, input, sig[1:]), SigLength, "signature")
		return
	}
	t.Fatal("no signature begins with zero")
}

// Requirement J-9864-01: both names, one algorithm.
func TestEdDSASignatures(t *testing.T) {
	const input = "header.payload"
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	sig := ed25519.Sign(private, []byte(input))
	// S+L is the second signature that a lax verifier takes (RFC 8032 5.1.7).
	little := bytes.Clone(sig[32:])
	reverse := func(b []byte) []byte {
		out := make([]byte, len(b))
		for i := range b {
			out[len(b)-1-i] = b[i]
		}
		return out
	}
	order := new(big.Int).SetBytes([]byte(edOrder))
	s := new(big.Int).SetBytes(reverse(little))
	withS := func(s *big.Int) []byte { return append(bytes.Clone(sig[:32]), reverse(fixed(32, s))...) }
	flip := bytes.Clone(sig)
	flip[0] ^= 1
	for _, c := range []struct {
		name   string
		sig    []byte
		reason Reason
	}{
		{"as signed", sig, 0},
		{"S+L", withS(new(big.Int).Add(s, order)), SigRange},
		{"S = L", withS(order), SigRange},
		{"S of all ones", append(bytes.Clone(sig[:32]), bytes.Repeat([]byte{0xff}, 32)...), SigRange},
		{"S = L-1", withS(new(big.Int).Sub(order, big.NewInt(1))), SigInvalid},
		{"S = 0", withS(new(big.Int)), SigInvalid},
		{"R flipped", flip, SigInvalid},
		{"zero", make([]byte, 64), SigInvalid},
		{"nothing", nil, SigLength},
		{"63 octets", sig[:63], SigLength},
		{"65 octets", append(bytes.Clone(sig), 0), SigLength},
	} {
		for _, a := range []Alg{EdDSA, Ed25519} {
			t.Run(a.String()+" "+c.name, func(t *testing.T) {
				err := k.Verify(a, input, c.sig)
				if c.reason == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantReason(t, err, c.reason, "signature")
			})
		}
	}
	if order.Text(10) != "7237005577332262213973186563042994240857116359379907606001950938285454250989" {
		t.Error("L is wrong") // RFC 8032 5.1
	}
}

// Requirements J-3.1-01, D-4.3-05c: an algorithm named in a header verifies nothing with a key of another type.
func TestEveryOtherAlgorithmIsRefusedForAKey(t *testing.T) {
	const input = "header.payload"
	for _, s := range sampleSigners(t) {
		k := mustKey(t, s)
		sig, err := sign(s, k.Algs()[0], []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		for a := AlgUnknown; a <= Ed25519+1; a++ {
			switch err := k.Verify(a, input, sig); {
			case !k.Fits(a):
				wantReason(t, err, AlgMismatch, "alg")
			case a == k.Algs()[0] || a == Ed25519:
				if err != nil {
					t.Errorf("%s %v: %v", k.Kty(), a, err)
				}
			default:
				wantReason(t, err, SigInvalid, "signature")
			}
		}
	}
}

func TestLongInputsVerify(t *testing.T) {
	input := strings.Repeat("a", 5000) // beyond the buffer on the stack
	for _, s := range sampleSigners(t) {
		k := mustKey(t, s)
		for _, a := range k.Algs() {
			sig, err := sign(s, a, []byte(input))
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Verify(a, input, sig); err != nil {
				t.Errorf("%v: %v", a, err)
			}
			wantReason(t, k.Verify(a, input[1:], sig), SigInvalid, "signature")
		}
	}
}

// The standard library needs 17 of these for parsing and verifying a P-256 key.
func TestProofAllocations(t *testing.T) {
	proof, _, _, _ := benchProof(t)
	if n := testing.AllocsPerRun(100, func() { whole(t, proof) }); n > 26 {
		t.Errorf("a proof costs %v allocations", n)
	}
}

func TestZeroKeyVerifiesNothing(t *testing.T) {
	for a := AlgUnknown; a <= Ed25519+1; a++ {
		wantReason(t, new(PublicKey).Verify(a, "", nil), AlgMismatch, "alg")
	}
}

func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	proof, _, _, _ := benchProof(t)
	j, err := Parse(proof, 8192)
	if err != nil {
		t.Fatal(err)
	}
	member, _ := j.Header.Get("jwk")
	jwk, _ := member.Object()
	k, err := ParseKey(jwk)
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			if err := k.Verify(j.Alg, j.SigningInput, j.Signature); err != nil || k.JWK() == "" {
				t.Error(err)
			}
		})
	}
	done.Wait()
}
