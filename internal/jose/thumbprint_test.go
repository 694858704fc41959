package jose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// vector is one published sample.
type vector struct {
	ID, Kind, Thumbprint, Canonical, JWS, Alg, JKT string

	JWK      json.RawMessage
	PrivateD string          `json:"private_d"`
	JWKRef   string          `json:"jwk_ref"`
	Payload  json.RawMessage `json:"payload"`
	Header   json.RawMessage `json:"header"`
}

func vectors(tb testing.TB, kinds ...string) []vector {
	tb.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var all, out []vector
	if err := json.Unmarshal(data, &all); err != nil {
		tb.Fatal(err)
	}
	for _, v := range all {
		for _, kind := range kinds {
			if v.Kind == kind {
				out = append(out, v)
			}
		}
	}
	if len(out) == 0 {
		tb.Fatalf("no vectors of kind %v", kinds)
	}
	return out
}

func encoded(sum [32]byte) string { return EncodeSegment(sum[:]) }

// Requirements T-3-01, T-3-02, T-3.2-01, T-3.2-02, T-3.2-03: V-9449-key, V-7638, V-8037-thumb, V-AKP-44/65/87-thumb.
func TestThumbprintVectors(t *testing.T) {
	for _, v := range vectors(t, "jwk_thumbprint") {
		t.Run(v.ID, func(t *testing.T) {
			jwk := parseObject(t, string(v.JWK))
			sum, err := Thumbprint(jwk)
			if err != nil || encoded(sum) != v.Thumbprint {
				t.Fatalf("got %s, %v, want %s", encoded(sum), err, v.Thumbprint)
			}
			if sum != sha256.Sum256([]byte(v.Canonical)) {
				t.Error("the canonical form has another hash") // T-3-02
			}
			k, err := ParseKey(jwk)
			if strings.Contains(v.ID, "AKP") {
				wantReason(t, err, KeyUnsupported, "kty")
				return
			}
			if err != nil || k.Thumbprint() != sum || k.JWK() != v.Canonical {
				t.Errorf("ParseKey: %v; JWK is %s, want %s", err, k.JWK(), v.Canonical)
			}
		})
	}
	// T-3-02: the first octets as RFC 7638 3.1 prints them.
	for _, v := range vectors(t, "jwk_thumbprint") {
		if v.ID == "V-7638" {
			if sum := sha256.Sum256([]byte(v.Canonical)); hex.EncodeToString(sum[:4]) != "3736cbb1" {
				t.Errorf("the hash begins with %x", sum[:4])
			}
		}
	}
}

// T-3.2-03: alg is part of an AKP thumbprint.
func TestAlgIsPartOfTheThumbprintOfAKPOnly(t *testing.T) {
	sum := func(jwk string) string {
		s, err := Thumbprint(parseObject(t, jwk))
		if err != nil {
			t.Fatal(err)
		}
		return encoded(s)
	}
	if sum(`{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`) == sum(`{"kty":"AKP","alg":"ML-DSA-65","pub":"AAAA"}`) {
		t.Error("alg does not enter the hash of an AKP key")
	}
	// T-3.2.2-01: optional members do not change it.
	plain := jwkWith("EC", nil)
	full := jwkWith("EC", with{"alg": "ES256", "kid": "k", "use": "sig", "x5c": "c", "key_ops": "verify"})
	if got := sum(full); got != sum(plain) || got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("optional members change the thumbprint: %s", got)
	}
}

// T-3.2.1-01: a private JWK has the thumbprint of its public key.
func TestPrivateKeyHasTheThumbprintOfItsPublicKey(t *testing.T) {
	for _, v := range vectors(t, "jwk_thumbprint") {
		if v.PrivateD == "" {
			continue
		}
		private := strings.TrimSuffix(strings.TrimSpace(string(v.JWK)), "}") + `,"d":"` + v.PrivateD + `"}`
		sum, err := Thumbprint(parseObject(t, private))
		if err != nil || encoded(sum) != v.Thumbprint {
			t.Errorf("%s: got %s, %v", v.ID, encoded(sum), err)
		}
		_, err = ParseKey(parseObject(t, private))
		wantReason(t, err, KeyPrivate, "d")
		return
	}
	t.Fatal("no vector with a private key")
}

// T-3.3-01: all 24 orders of an EC JWK.
func TestMemberOrderDoesNotMatter(t *testing.T) {
	members := []string{`"kty":"EC"`, `"crv":"P-256"`, `"x":"` + ecX + `"`, `"y":"` + ecY + `"`}
	count := 0
	var visit func(done, left []string)
	visit = func(done, left []string) {
		if len(left) == 0 {
			count++
			jwk := parseObject(t, "{"+strings.Join(done, ",")+"}")
			sum, err := Thumbprint(jwk)
			k, keyErr := ParseKey(jwk)
			if err != nil || keyErr != nil || sum != k.Thumbprint() || encoded(sum) != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
				t.Errorf("%v: %s, %v, %v", done, encoded(sum), err, keyErr)
			}
		}
		for i := range left {
			rest := append(append([]string{}, left[:i]...), left[i+1:]...)
			visit(append(append([]string{}, done...), left[i]), rest)
		}
	}
	visit(nil, members)
	if count != 24 {
		t.Errorf("%d orders", count)
	}
}

// T-3.3-02: values are hashed raw, and one that JSON has to escape has no thumbprint.
func TestThumbprintHashesValuesUnescaped(t *testing.T) {
	for _, c := range []struct{ name, crv, raw string }{
		{"angle brackets and ampersand", `<&>`, `<&>`},
		{"escapes that need not be", `\u003c\/\u0026`, `</&`},
		{"text beyond ASCII", `\u00e9é`, "éé"},
		{"line separators", `\u2028`, "\u2028"},
		{"padding, which is hashed as given", `AA==`, `AA==`}, // T-3.3-03
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Thumbprint(parseObject(t, `{"kty":"OKP","x":"X","crv":"`+c.crv+`"}`))
			want := sha256.Sum256([]byte(`{"crv":"` + c.raw + `","kty":"OKP","x":"X"}`))
			if err != nil || got != want {
				t.Errorf("got %x, %v, want %x", got, err, want)
			}
		})
	}
	for _, c := range []struct{ name, crv string }{
		{"a quote", `P\"`}, {"a backslash", `P\\`}, {"a line feed", `P\n`}, {"a NUL", `\u0000`}, {"an escaped control", `\u001f`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Thumbprint(parseObject(t, `{"kty":"OKP","x":"X","crv":"`+c.crv+`"}`))
			wantReason(t, err, KeyEscaped, "crv")
		})
	}
}

func TestThumbprintRefuses(t *testing.T) {
	for _, c := range []struct {
		name, jwk string
		reason    Reason
		member    string
	}{
		{"a symmetric key", `{"kty":"oct","k":"AAAA"}`, KeySymmetric, "kty"}, // T-7-01
		{"an unknown kty", `{"kty":"XX"}`, KeyUnsupported, "kty"},
		{"no kty", `{"k":"AAAA"}`, KeyMissingMember, "kty"},
		{"a kty that is no string", `{"kty":["EC"]}`, KeyMemberType, "kty"},
		{"EC without y", `{"kty":"EC","crv":"P-256","x":"AA"}`, KeyMissingMember, "y"},
		{"RSA without e", `{"kty":"RSA","n":"AA"}`, KeyMissingMember, "e"},
		{"OKP without crv", `{"kty":"OKP","x":"AA"}`, KeyMissingMember, "crv"},
		{"AKP without alg", `{"kty":"AKP","pub":"AA"}`, KeyMissingMember, "alg"},
		{"a null x", `{"kty":"OKP","crv":"Ed25519","x":null}`, KeyMemberType, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sum, err := Thumbprint(parseObject(t, c.jwk))
			wantReason(t, err, c.reason, c.member)
			if sum != [32]byte{} {
				t.Errorf("gave %x", sum)
			}
		})
	}
	_, err := Thumbprint(strictjson.Object{})
	wantReason(t, err, KeyNotObject, "")
}

// T-3.5-01: a thumbprint of a crypto key is that of its JWK. T-3.2-01: exactly the required members, in order.
func TestThumbprintOfCryptoKeys(t *testing.T) {
	order := map[string][]string{"EC": {"crv", "kty", "x", "y"}, "RSA": {"e", "kty", "n"}, "OKP": {"crv", "kty", "x"}}
	for _, k := range sampleKeys(t) {
		jwk := parseObject(t, k.JWK())
		sum, err := Thumbprint(jwk)
		if err != nil || sum != k.Thumbprint() {
			t.Errorf("%s: %x, %v, want %x", k.JWK(), sum, err, k.Thumbprint())
		}
		var names []string
		for name := range jwk.All() {
			names = append(names, name)
		}
		if fmt.Sprint(names) != fmt.Sprint(order[k.Kty()]) {
			t.Errorf("%s has members %v", k.Kty(), names)
		}
	}
}
