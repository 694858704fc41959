package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
)

func TestSignedTextsVerifyWithEveryAlgorithm(t *testing.T) {
	const payload = `{"jti":"1"}`
	for _, s := range sampleSigners(t) {
		k := mustKey(t, s)
		for _, a := range k.Algs() {
			t.Run(k.Kty()+k.Crv()+" "+a.String(), func(t *testing.T) {
				header := `{"alg":"` + a.String() + `","jwk":` + k.JWK() + `}`
				text, err := Sign(s, a, header, payload)
				if err != nil {
					t.Fatal(err)
				}
				j, err := Parse(text, 8192)
				if err != nil {
					t.Fatal(err)
				}
				if err := k.Verify(a, j.SigningInput, j.Signature); err != nil || j.Alg != a || j.Payload != payload {
					t.Errorf("alg %v, payload %s: %v", j.Alg, j.Payload, err)
				}
				again, err := SignSegments(s, a, j.HeaderSegment, payload)
				if err != nil || !strings.HasPrefix(again, j.SigningInput+".") {
					t.Errorf("SignSegments: %s, %v", again, err)
				}
			})
		}
	}
}

// V-8037-sig: Ed25519 is deterministic, so signing again gives the same octets.
func TestEd25519SigningReproducesRFC8037(t *testing.T) {
	var seed []byte
	for _, v := range vectors(t, "jwk_thumbprint") {
		if v.PrivateD != "" {
			seed, _ = DecodeSegment(v.PrivateD)
		}
	}
	for _, v := range vectors(t, "jws") {
		if v.ID != "V-8037-sig" {
			continue
		}
		got, err := Sign(ed25519.NewKeyFromSeed(seed), EdDSA, `{"alg":"EdDSA"}`, "Example of Ed25519 signing")
		if err != nil || got != v.JWS {
			t.Errorf("got %s, %v\nwant %s", got, err, v.JWS)
		}
	}
}

// stub signs with what it is told to.
type stub struct {
	pub crypto.PublicKey
	sig []byte
	err error
}

func (s stub) Public() crypto.PublicKey                                  { return s.pub }
func (s stub) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return s.sig, s.err }

func TestSignRefuses(t *testing.T) {
	signers := sampleSigners(t)
	weak := stub{pub: &rsa.PublicKey{N: new(big.Int).Rsh(rsaSample().N, 1024), E: 65537}}
	large := stub{pub: &rsa.PublicKey{N: new(big.Int).Lsh(rsaSample().N, 4096), E: 65537}}
	for _, c := range []struct {
		name   string
		signer crypto.Signer
		alg    Alg
		header string
		reason Reason
		member string
	}{
		{"a header that is not JSON", signers[1], ES256, `x`, HeaderJSON, "header"},
		{"a header with two alg", signers[1], ES256, `{"alg":"ES256","alg":"ES256"}`, HeaderJSON, "header"},
		{"a header without alg", signers[1], ES256, `{}`, AlgMismatch, "alg"},
		{"a header with another alg", signers[1], ES256, `{"alg":"ES384"}`, AlgMismatch, "alg"},
		{"a key on another curve", signers[2], ES256, `{"alg":"ES256"}`, AlgMismatch, "alg"},
		{"a key of another type", signers[0], ES256, `{"alg":"ES256"}`, AlgMismatch, "alg"},
		{"an EC key for RSA", signers[1], PS256, `{"alg":"PS256"}`, AlgMismatch, "alg"},
		{"an EC key for EdDSA", signers[1], EdDSA, `{"alg":"EdDSA"}`, AlgMismatch, "alg"},
		{"an Ed25519 key for ES256", signers[4], ES256, `{"alg":"ES256"}`, AlgMismatch, "alg"},
		{"an unknown algorithm", signers[1], AlgUnknown, `{"alg":"unknown"}`, AlgMismatch, "alg"},
		{"an algorithm out of range", signers[1], 200, `{"alg":"unknown"}`, AlgMismatch, "alg"},
		{"a signer without public key", stub{}, ES256, `{"alg":"ES256"}`, AlgMismatch, "alg"},
		{"a weak RSA key", weak, PS256, `{"alg":"PS256"}`, KeyWeak, ""},
		{"a large RSA key", large, RS256, `{"alg":"RS256"}`, KeyTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, err := Sign(c.signer, c.alg, c.header, `{}`)
			wantReason(t, err, c.reason, c.member)
			if text != "" {
				t.Error("gave a JWS")
			}
		})
	}
}

func TestWhatADeviceReturnsIsChecked(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	header := EncodeSegment([]byte(`{"alg":"ES256"}`))
	for _, sig := range []string{
		string(make([]byte, 64)),                        // r and s side by side
		"\x30\x06\x02\x01\x00\x02\x01\x01",              // r = 0
		"\x30\x26\x02\x01\x01\x02\x21\x00" + p256.order, // s = n
	} {
		_, err = SignSegments(stub{pub: private.Public(), sig: []byte(sig)}, ES256, header, `{}`)
		wantReason(t, err, SigInvalid, "signature")
	}

	broken := errors.New("device is gone")
	_, err = SignSegments(stub{pub: private.Public(), err: broken}, ES256, header, `{}`)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "ES256") {
		t.Errorf("got %v", err)
	}
}

func TestDERRoundTrips(t *testing.T) {
	for _, c := range []struct {
		name string
		r, s []byte
		der  []byte
	}{
		{"small numbers", []byte{0, 1}, []byte{0, 2}, []byte{0x30, 6, 2, 1, 1, 2, 1, 2}},
		{"a sign octet", []byte{0, 0x80}, []byte{0xff, 0}, []byte{0x30, 9, 2, 2, 0, 0x80, 2, 3, 0, 0xff, 0}},
		{"all octets used", []byte{0x7f, 1}, []byte{1, 0}, []byte{0x30, 8, 2, 2, 0x7f, 1, 2, 2, 1, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			der := appendDER(nil, c.r, c.s)
			if !bytes.Equal(der, c.der) {
				t.Errorf("got %x, want %x", der, c.der)
			}
			if back, ok := splitDER(der, 2); !ok || !bytes.Equal(back, append(bytes.Clone(c.r), c.s...)) {
				t.Errorf("back: %x, %v", back, ok)
			}
		})
	}
	long := bytes.Repeat([]byte{0xff}, maxCoordinate)
	der := appendDER(make([]byte, 0, maxDER), long, long)
	if back, ok := splitDER(der, maxCoordinate); len(der) != maxDER || !ok || !bytes.Equal(back, append(bytes.Clone(long), long...)) {
		t.Errorf("the longest signature: %d octets, %v", len(der), ok)
	}
}

func TestBrokenDERIsRefused(t *testing.T) {
	for _, c := range []struct{ name, der string }{
		{"nothing", ""},
		{"one octet", "\x30"},
		{"a wrong tag", "\x31\x06\x02\x01\x01\x02\x01\x02"},
		{"a length beyond the end", "\x30\x07\x02\x01\x01\x02\x01\x02"},
		{"data behind", "\x30\x06\x02\x01\x01\x02\x01\x02\x00"},
		{"a third integer", "\x30\x09\x02\x01\x01\x02\x01\x02\x02\x01\x03"},
		{"one integer", "\x30\x03\x02\x01\x01"},
		{"an octet string", "\x30\x06\x04\x01\x01\x02\x01\x02"},
		{"an empty integer", "\x30\x05\x02\x00\x02\x01\x02"},
		{"a negative integer", "\x30\x06\x02\x01\x80\x02\x01\x02"},
		{"an integer too long", "\x30\x08\x02\x03\x01\x01\x01\x02\x01\x02"},
		{"an indefinite length", "\x30\x80\x02\x01\x01\x02\x01\x02\x00\x00"},
		{"a long length cut short", "\x30\x81"},
		{"a length of two octets", "\x30\x82\x00\x06\x02\x01\x01\x02\x01\x02"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out, ok := splitDER([]byte(c.der), 2); ok {
				t.Errorf("gave %x", out)
			}
		})
	}
}
