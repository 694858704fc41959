package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// The key of RFC 9449 and that of RFC 8037 A.1.
const (
	ecX = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"
	ecY = "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
	edX = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
)

// jwkWith returns a sound JWK of that type with some members replaced; the value "" takes a member out.
func jwkWith(kty string, change map[string]string) string {
	jwk := map[string]string{"kty": kty}
	switch kty {
	case "EC":
		jwk["crv"], jwk["x"], jwk["y"] = "P-256", ecX, ecY
	case "OKP":
		jwk["crv"], jwk["x"] = "Ed25519", edX
	case "RSA":
		jwk["e"], jwk["n"] = "AQAB", EncodeSegment(rsaSample().N.Bytes())
	}
	maps.Copy(jwk, change)
	maps.DeleteFunc(jwk, func(_, v string) bool { return v == "" })
	text, err := json.Marshal(jwk)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func modulus(bits int) string {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return EncodeSegment(n.Add(n, big.NewInt(1)).Bytes())
}

func octets(n int) string { return EncodeSegment(bytes.Repeat([]byte{9}, n)) }

type with = map[string]string

// shortCoordinate returns a P-256 key whose x has a leading zero octet, with and without it.
func shortCoordinate(tb testing.TB) (full, stripped string, y string) {
	for {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			tb.Fatal(err)
		}
		if point[1] == 0 {
			return EncodeSegment(point[1:33]), EncodeSegment(point[2:33]), EncodeSegment(point[33:])
		}
	}
}

// Requirements D-4.3-05c, D-4.3-07a, D-4.3-07b, D-4.3-07c, T-3.3-03, T-7-02.
func TestParseKeyRefuses(t *testing.T) {
	full, stripped, shortY := shortCoordinate(t)
	if _, err := ParseKey(parseObject(t, jwkWith("EC", with{"x": full, "y": shortY}))); err != nil {
		t.Fatalf("a coordinate with a leading zero octet: %v", err)
	}
	p256prime := elliptic.P256().Params().P
	for _, c := range []struct {
		name, jwk string
		reason    Reason
		member    string
	}{
		{"no kty", `{"crv":"P-256"}`, KeyMissingMember, "kty"},
		{"an empty object", `{}`, KeyMissingMember, "kty"},
		{"a kty that is a number", `{"kty":1}`, KeyMemberType, "kty"},
		{"an unknown kty", jwkWith("EC", with{"kty": "XX"}), KeyUnsupported, "kty"},
		{"a kty in another case", jwkWith("EC", with{"kty": "ec"}), KeyUnsupported, "kty"},
		{"an empty kty", `{"kty":""}`, KeyUnsupported, "kty"},
		{"AKP", `{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`, KeyUnsupported, "kty"},

		// D-4.3-07b
		{"a symmetric key", `{"kty":"oct","k":"AAAA"}`, KeySymmetric, "kty"},
		{"a symmetric key without k", `{"kty":"oct"}`, KeySymmetric, "kty"},

		// D-4.3-07a: whatever else is wrong.
		{"a private EC key", jwkWith("EC", with{"d": "AAAA"}), KeyPrivate, "d"},
		{"a private EC key off the curve", jwkWith("EC", with{"d": "AAAA", "x": ecY}), KeyPrivate, "d"},
		{"a private OKP key", jwkWith("OKP", with{"d": "AAAA"}), KeyPrivate, "d"},
		{"a private RSA key", jwkWith("RSA", with{"d": "AAAA"}), KeyPrivate, "d"},
		{"an RSA key with p", jwkWith("RSA", with{"p": "AAAA"}), KeyPrivate, "p"},
		{"an RSA key with q", jwkWith("RSA", with{"q": "AAAA"}), KeyPrivate, "q"},
		{"an RSA key with dp", jwkWith("RSA", with{"dp": "AAAA"}), KeyPrivate, "dp"},
		{"an RSA key with dq", jwkWith("RSA", with{"dq": "AAAA"}), KeyPrivate, "dq"},
		{"an RSA key with qi", jwkWith("RSA", with{"qi": "AAAA"}), KeyPrivate, "qi"},
		{"an RSA key with oth", `{"kty":"RSA","oth":[]}`, KeyPrivate, "oth"},
		{"an AKP key with priv", `{"kty":"AKP","priv":"AAAA"}`, KeyPrivate, "priv"},
		{"an EC key with k", jwkWith("EC", with{"k": "AAAA"}), KeyPrivate, "k"},
		{"a d that is null", `{"kty":"EC","d":null}`, KeyPrivate, "d"},
		{"a d in an unknown kty", `{"kty":"XX","d":"AAAA"}`, KeyPrivate, "d"},
		{"a d without kty", `{"d":"AAAA"}`, KeyPrivate, "d"},
		{"a d whose name is escaped", `{"kty":"EC","\u0064":"AAAA"}`, KeyPrivate, "d"},

		{"EC without crv", jwkWith("EC", with{"crv": ""}), KeyMissingMember, "crv"},
		{"EC without x", jwkWith("EC", with{"x": ""}), KeyMissingMember, "x"},
		{"EC without y", jwkWith("EC", with{"y": ""}), KeyMissingMember, "y"},
		{"EC with a number as x", `{"kty":"EC","crv":"P-256","x":1,"y":"AA"}`, KeyMemberType, "x"},
		{"EC with a compressed point", `{"kty":"EC","crv":"P-256","x":"` + ecX + `","y":true}`, KeyMemberType, "y"},
		{"secp256k1", jwkWith("EC", with{"crv": "secp256k1"}), KeyUnsupported, "crv"},
		{"P-224", jwkWith("EC", with{"crv": "P-224"}), KeyUnsupported, "crv"},
		{"a curve in another case", jwkWith("EC", with{"crv": "p-256"}), KeyUnsupported, "crv"},
		{"an Edwards curve in EC", jwkWith("EC", with{"crv": "Ed25519"}), KeyUnsupported, "crv"},
		// T-3.3-03, T-7-02: one correct representation.
		{"x without its leading zero", jwkWith("EC", with{"x": stripped, "y": shortY}), KeyMemberEncoding, "x"},
		{"x with an extra leading zero", jwkWith("EC", with{"x": "AA" + octets(32)}), KeyMemberEncoding, "x"},
		{"an empty x text", `{"kty":"EC","crv":"P-256","x":"","y":"` + ecY + `"}`, KeyMemberEncoding, "x"},
		{"y of 31 octets", jwkWith("EC", with{"y": octets(31)}), KeyMemberEncoding, "y"},
		{"y of 33 octets", jwkWith("EC", with{"y": octets(33)}), KeyMemberEncoding, "y"},
		{"a huge x", jwkWith("EC", with{"x": octets(3000)}), KeyMemberEncoding, "x"},
		{"x with padding", jwkWith("EC", with{"x": ecX + "="}), KeyMemberEncoding, "x"},
		{"x with trailing bits", jwkWith("EC", with{"x": ecX[:42] + "t"}), KeyMemberEncoding, "x"},
		{"x with a line break", jwkWith("EC", with{"x": ecX[:20] + "\n" + ecX[20:]}), KeyMemberEncoding, "x"},
		{"x in base64 of the other alphabet", jwkWith("EC", with{"x": strings.ReplaceAll(ecX, "-", "+")}), KeyMemberEncoding, "x"},
		{"x with a quote", jwkWith("EC", with{"x": `"`}), KeyMemberEncoding, "x"},
		// D-4.3-07c
		{"a point off the curve", jwkWith("EC", with{"y": ecX}), KeyOffCurve, "crv"},
		{"the point zero", jwkWith("EC", with{"x": EncodeSegment(make([]byte, 32)), "y": EncodeSegment(make([]byte, 32))}), KeyOffCurve, "crv"},
		{"a coordinate equal to the prime", jwkWith("EC", with{"x": EncodeSegment(p256prime.Bytes())}), KeyOffCurve, "crv"},
		{"a point of another curve", jwkWith("EC", with{"crv": "P-384"}), KeyMemberEncoding, "x"},
		{"a P-384 size point off the curve", jwkWith("EC", with{"crv": "P-384", "x": octets(48), "y": octets(48)}), KeyOffCurve, "crv"},
		{"a P-521 size point off the curve", jwkWith("EC", with{"crv": "P-521", "x": octets(66), "y": octets(66)}), KeyOffCurve, "crv"},

		{"RSA without n", jwkWith("RSA", with{"n": ""}), KeyMissingMember, "n"},
		{"RSA without e", jwkWith("RSA", with{"e": ""}), KeyMissingMember, "e"},
		{"RSA with a number as e", `{"kty":"RSA","n":"AAAA","e":65537}`, KeyMemberType, "e"},
		{"n with a leading zero octet", jwkWith("RSA", with{"n": EncodeSegment(append([]byte{0}, rsaSample().N.Bytes()...))}), KeyMemberEncoding, "n"},
		{"e with a leading zero octet", jwkWith("RSA", with{"e": "AAEAAQ"}), KeyMemberEncoding, "e"}, // T-7-02
		{"e of no octets", `{"kty":"RSA","e":"","n":"` + modulus(2048) + `"}`, KeyMemberEncoding, "e"},
		{"n of no octets", `{"kty":"RSA","e":"AQAB","n":""}`, KeyMemberEncoding, "n"},
		{"e with padding", jwkWith("RSA", with{"e": "Aw=="}), KeyMemberEncoding, "e"},
		{"e with trailing bits", jwkWith("RSA", with{"e": "Ax"}), KeyMemberEncoding, "e"},
		{"n with padding", jwkWith("RSA", with{"n": modulus(2048) + "=="}), KeyMemberEncoding, "n"},
		{"n of 2047 bits", jwkWith("RSA", with{"n": modulus(2047)}), KeyWeak, "n"},
		{"n of 1024 bits", jwkWith("RSA", with{"n": modulus(1024)}), KeyWeak, "n"},
		{"n of one octet", jwkWith("RSA", with{"n": "Aw"}), KeyWeak, "n"},
		{"an even n", jwkWith("RSA", with{"n": EncodeSegment(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes())}), KeyWeak, "n"},
		{"n of 4097 bits", jwkWith("RSA", with{"n": modulus(4097)}), KeyTooLarge, "n"},
		{"n of 16384 bits", jwkWith("RSA", with{"n": modulus(16384)}), KeyTooLarge, "n"},
		{"e = 0", jwkWith("RSA", with{"e": "AA"}), KeyMemberEncoding, "e"},
		{"e = 1", jwkWith("RSA", with{"e": "AQ"}), KeyExponent, "e"},
		{"e = 2", jwkWith("RSA", with{"e": "Ag"}), KeyExponent, "e"},
		{"an even e", jwkWith("RSA", with{"e": "AQAA"}), KeyExponent, "e"},
		{"e of 32 bits", jwkWith("RSA", with{"e": EncodeSegment([]byte{0xff, 0xff, 0xff, 0xff})}), KeyExponent, "e"},
		{"e of 33 bits", jwkWith("RSA", with{"e": EncodeSegment([]byte{1, 0, 0, 0, 1})}), KeyExponent, "e"},
		{"e of 9 octets", jwkWith("RSA", with{"e": octets(9)}), KeyExponent, "e"},
		{"a huge e", jwkWith("RSA", with{"e": octets(3000)}), KeyExponent, "e"},

		{"OKP without crv", jwkWith("OKP", with{"crv": ""}), KeyMissingMember, "crv"},
		{"OKP without x", jwkWith("OKP", with{"x": ""}), KeyMissingMember, "x"},
		{"X25519", jwkWith("OKP", with{"crv": "X25519"}), KeyUnsupported, "crv"}, // D-4.3-05c
		{"Ed448", jwkWith("OKP", with{"crv": "Ed448"}), KeyUnsupported, "crv"},
		{"P-256 in OKP", jwkWith("OKP", with{"crv": "P-256"}), KeyUnsupported, "crv"},
		{"an Ed25519 key of 31 octets", jwkWith("OKP", with{"x": octets(31)}), KeyMemberEncoding, "x"},
		{"an Ed25519 key of 33 octets", jwkWith("OKP", with{"x": octets(33)}), KeyMemberEncoding, "x"},
		{"an Ed25519 key with trailing bits", jwkWith("OKP", with{"x": edX[:42] + "p"}), KeyMemberEncoding, "x"},
		{"an Ed25519 y beyond the field", jwkWith("OKP", with{"x": hexSegment("f0" + strings.Repeat("ff", 30) + "7f")}), KeyMemberEncoding, "x"},
		{"an Ed25519 point off the curve", jwkWith("OKP", with{"x": hexSegment("02" + strings.Repeat("00", 31))}), KeyOffCurve, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := ParseKey(parseObject(t, c.jwk))
			wantReason(t, err, c.reason, c.member)
			if k != nil {
				t.Error("a refused JWK gave a key")
			}
		})
	}
	_, err := ParseKey(strictjson.Object{})
	wantReason(t, err, KeyNotObject, "")
}

func hexSegment(text string) string {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return EncodeSegment(b)
}

// The canonical encodings of the eight points of small order (RFC 7748 6.1 speaks of their Montgomery images).
func TestPointsOfSmallOrderAreRefused(t *testing.T) {
	for _, text := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		_, err := ParseKey(parseObject(t, jwkWith("OKP", with{"x": hexSegment(text)})))
		wantReason(t, err, KeyWeak, "x")
	}
}

// The point check must agree with the standard library's: a made key always passes, and of random encodings about
// half are on the curve.
func TestEdwardsPointCheckAcceptsEveryMadeKey(t *testing.T) {
	for range 50 {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewPublicKey(pub); err != nil {
			t.Fatalf("%x: %v", pub, err)
		}
	}
	on := 0
	for i := range 200 {
		x := bytes.Repeat([]byte{byte(i + 2)}, 32)
		x[31] = byte(i) & 0x3f
		if checkEdwardsPoint(x) == 0 {
			on++
		}
	}
	if on < 60 || on > 140 {
		t.Errorf("%d of 200 encodings are on the curve", on)
	}
}

// Requirement D-4.3-07a: the value of d appears in no error.
func TestErrorsNeverShowKeyValues(t *testing.T) {
	const secret = "c2VjcmV0LXZhbHVlLW9mLWQ"
	for _, jwk := range []string{
		jwkWith("EC", with{"d": secret}), jwkWith("RSA", with{"p": secret}), `{"kty":"oct","k":"` + secret + `"}`,
		jwkWith("EC", with{"x": secret}), jwkWith("EC", with{"x": secret + "="}), jwkWith("RSA", with{"e": secret}),
	} {
		_, err := ParseKey(parseObject(t, jwk))
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret[:8]) {
			t.Errorf("%s: %v", jwk, err)
		}
	}
}

func TestErrorsEscapeTextOfThePeer(t *testing.T) {
	jwk := `{"kty":"\u001b[31m\u202e` + strings.Repeat("x", 500) + `"}`
	_, err := ParseKey(parseObject(t, jwk))
	wantReason(t, err, KeyUnsupported, "kty")
	if text := err.Error(); strings.ContainsAny(text, "\x1b\u202e") || len(text) > 120 {
		t.Errorf("got %q", text)
	}
}

func TestOptionalMembersAreIgnored(t *testing.T) {
	jwk := jwkWith("EC", with{"alg": "RS256", "use": "enc", "kid": "1", "x5c": "?", "ext": "true", "D": "AAAA"})
	k, err := ParseKey(parseObject(t, jwk))
	if err != nil || !k.Fits(ES256) || k.Fits(RS256) {
		t.Errorf("got %v, %v", k, err)
	}
}

func TestKeysDescribeThemselves(t *testing.T) {
	rsaAll := []Alg{PS256, PS384, PS512, RS256, RS384, RS512}
	want := []struct {
		kty, crv string
		bits     int
		algs     []Alg
	}{
		{"RSA", "", 2048, rsaAll},
		{"EC", "P-256", 256, []Alg{ES256}},
		{"EC", "P-384", 384, []Alg{ES384}},
		{"EC", "P-521", 521, []Alg{ES512}},
		{"OKP", "Ed25519", 256, []Alg{EdDSA, Ed25519}},
	}
	for i, s := range sampleSigners(t) {
		k, w := mustKey(t, s), want[i]
		if k.Kty() != w.kty || k.Crv() != w.crv || k.Bits() != w.bits || !slices.Equal(k.Algs(), w.algs) {
			t.Errorf("got %s %s %d %v, want %+v", k.Kty(), k.Crv(), k.Bits(), k.Algs(), w)
		}
		// D-4.3-05c: alg fits type and curve, and nothing else does.
		for a := AlgUnknown; a <= Ed25519+1; a++ {
			if k.Fits(a) != slices.Contains(w.algs, a) {
				t.Errorf("%s %s fits %v: %v", w.kty, w.crv, a, k.Fits(a))
			}
		}
		if pub, ok := k.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(s.Public()) {
			t.Errorf("%s %s: Public is another key", w.kty, w.crv)
		}
	}
}

func TestKeysCannotBeChangedFromOutside(t *testing.T) {
	for _, s := range sampleSigners(t) {
		k := mustKey(t, s)
		before := k.JWK()
		switch p := k.Public().(type) {
		case *ecdsa.PublicKey:
			p.X.SetInt64(1)
		case *rsa.PublicKey:
			p.N.SetInt64(1)
		case ed25519.PublicKey:
			p[0]++
		}
		k.Algs()[0] = AlgUnknown
		if k.JWK() != before || k.Fits(AlgUnknown) || k.Algs()[0] == AlgUnknown {
			t.Errorf("%s changed", k.Kty())
		}
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	before := k.JWK()
	if pub[0]++; k.JWK() != before {
		t.Error("the key shares memory with its argument")
	}
}

func TestNewPublicKeyRefuses(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := rsaSample().N
	for _, c := range []struct {
		name   string
		key    any
		reason Reason
		member string
	}{
		{"nothing", nil, KeyUnsupported, ""},
		{"a nil pointer to ECDSA", (*ecdsa.PublicKey)(nil), KeyUnsupported, ""},
		{"an empty ECDSA key", &ecdsa.PublicKey{}, KeyUnsupported, ""},
		{"a nil pointer to RSA", (*rsa.PublicKey)(nil), KeyUnsupported, ""},
		{"an empty RSA key", &rsa.PublicKey{}, KeyUnsupported, ""},
		{"a symmetric key", []byte("secret"), KeyUnsupported, ""},
		{"a private key", rsaSample(), KeyUnsupported, ""},
		{"P-224", &p224.PublicKey, KeyUnsupported, "crv"},
		{"a point off the curve", &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}, KeyOffCurve, ""},
		{"RSA of 1024 bits", &rsa.PublicKey{N: new(big.Int).Rsh(n, 1024), E: 65537}, KeyWeak, "n"},
		{"RSA of 8192 bits", &rsa.PublicKey{N: new(big.Int).Lsh(n, 6144), E: 65537}, KeyTooLarge, "n"},
		{"RSA with e = 1", &rsa.PublicKey{N: n, E: 1}, KeyExponent, "e"},
		{"RSA with e = 0", &rsa.PublicKey{N: n, E: 0}, KeyExponent, "e"},
		{"RSA with a negative modulus", &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}, KeyExponent, "e"},
		{"RSA with a negative e", &rsa.PublicKey{N: n, E: -3}, KeyExponent, "e"},
		{"RSA with an even e", &rsa.PublicKey{N: n, E: 65536}, KeyExponent, "e"},
		{"an empty Ed25519 key", ed25519.PublicKey(nil), KeyMemberEncoding, "x"},
		{"a short Ed25519 key", make(ed25519.PublicKey, 31), KeyMemberEncoding, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewPublicKey(c.key)
			wantReason(t, err, c.reason, c.member)
		})
	}
}

func TestLargestAndSmallestRSAKeysParse(t *testing.T) {
	for _, bits := range []int{2048, 2049, 4095, 4096} {
		for _, e := range []string{"Aw", "AQAB", "f____w"} {
			k, err := ParseKey(parseObject(t, jwkWith("RSA", with{"n": modulus(bits), "e": e})))
			if err != nil || k.Bits() != bits {
				t.Errorf("%d bits, e %s: %v", bits, e, err)
			}
		}
	}
}
