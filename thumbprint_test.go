package holdfast

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

func TestThumbprintsOfTheSpecifications(t *testing.T) { // T-3-01 T-3.2-01 T-3.2-02 T-3.2-03 T-3.4-01 D-6.1-01
	for _, p := range readPublished(t, "jwk_thumbprint") {
		got, err := ThumbprintOf(string(p.JWK))
		if err != nil || got.String() != p.Thumbprint {
			t.Errorf("%s: got %v, %v, want %s", p.ID, got, err, p.Thumbprint)
		}
		// The canonical form is what is hashed, and is a JWK with the same thumbprint.
		if sum := Thumbprint(sha256.Sum256([]byte(p.Canonical))); sum != got {
			t.Errorf("%s: the canonical form hashes to %v", p.ID, sum)
		}
		if again, err := ThumbprintOf(p.Canonical); again != got {
			t.Errorf("%s: of the canonical form: %v, %v", p.ID, again, err)
		}
		if p.PrivateD != "" { // T-3.2.1-01
			private := strings.TrimSuffix(strings.TrimSpace(string(p.JWK)), "}") + `,"d":"` + p.PrivateD + `"}`
			if again, err := ThumbprintOf(private); again != got {
				t.Errorf("%s: of the private key: %v, %v", p.ID, again, err)
			}
		}
		if p.ID == "V-7638" { // T-3-02
			if text := hex.EncodeToString(got[:4]); text != "3736cbb1" {
				t.Errorf("the hash begins with %s", text)
			}
			if jkt := readPublished(t, "dpop_jkt")[0].DPoPJKT; jkt != got.String() {
				t.Errorf("dpop_jkt of the sample is %s", jkt)
			}
		}
	}
}

func TestThumbprintIgnoresOrderAndOptionalMembers(t *testing.T) { // T-3.2.2-01 T-3.3-01
	var jwk map[string]json.RawMessage
	p := readPublished(t, "jwk_thumbprint")[0]
	if err := json.Unmarshal(p.JWK, &jwk); err != nil {
		t.Fatal(err)
	}
	names := []string{"crv", "kty", "x", "y"}
	orders := 0
	permute(names, func(order []string) {
		orders++
		var m members
		m.add("kid", `"1"`)
		for _, name := range order {
			m.add(name, string(jwk[name]))
			m.add("x-"+name, "null")
		}
		for _, extra := range []string{"use", "alg", "ext"} {
			m.add(extra, `"sig"`)
		}
		m.add("key_ops", `["verify"]`)
		m.add("x5c", "[]")
		if got, err := ThumbprintOf(m.String()); err != nil || got.String() != p.Thumbprint {
			t.Errorf("order %v: got %v, %v", order, got, err)
		}
	})
	if orders != 24 {
		t.Errorf("%d orders, want 24", orders)
	}
}

func permute(s []string, f func([]string)) {
	var rec func(int)
	rec = func(k int) {
		if k == len(s) {
			f(s)
			return
		}
		for i := k; i < len(s); i++ {
			s[k], s[i] = s[i], s[k]
			rec(k + 1)
			s[k], s[i] = s[i], s[k]
		}
	}
	rec(0)
}

func TestThumbprintIsRefused(t *testing.T) { // T-3.3-02 T-7-01
	for name, jwk := range map[string]string{
		"symmetric": `{"kty":"oct","k":"AA"}`, "no kty": `{"crv":"P-256"}`, "unknown kty": `{"kty":"X"}`, "missing member": `{"kty":"EC","crv":"P-256","x":"AA"}`,
		"number": `{"kty":"OKP","crv":1,"x":"AA"}`, "quote in a value": `{"kty":"OKP","crv":"a\"b","x":"AA"}`, "backslash": `{"kty":"OKP","crv":"a\\b","x":"AA"}`,
		"control character": `{"kty":"OKP","crv":"a\u0001b","x":"AA"}`, "duplicate": `{"kty":"OKP","kty":"OKP","crv":"a","x":"AA"}`, "array": `[]`, "empty": ``,
		"too large": `{"kty":"OKP","crv":"a","x":"` + strings.Repeat("A", MaxJWKBytes) + `"}`,
	} {
		if got, err := ThumbprintOf(jwk); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
	// T-3.3-02: what encoding/json would escape is hashed as it is.
	want := sha256.Sum256([]byte(`{"crv":"<&>","kty":"OKP","x":"AA"}`))
	if got, err := ThumbprintOf(`{"kty":"OKP","x":"AA","crv":"<&\u003e"}`); err != nil || got != want {
		t.Errorf("raw characters: got %v, %v", got, err)
	}
}

// T-3.3-03: a value is hashed as given, and a key that is not in its one correct
// encoding is no key.
func TestThumbprintOfAKeyIsThatOfItsOneEncoding(t *testing.T) { // T-7-02
	for _, name := range []string{"k1", "p384", "p521", "ed25519", "rsa2048"} { // T-3.5-01
		pub, err := jose.NewPublicKey(readTestSigner(t, name).Public())
		if err != nil {
			t.Fatal(err)
		}
		got, err := ThumbprintOf(pub.JWK())
		if err != nil || got != readTestKey(t, name).Thumbprint() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestThumbprintText(t *testing.T) { // M-3.1-02 D-11.8-01
	p, err := ParseThumbprint("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
	if err != nil || p.String() != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" || p.IsZero() {
		t.Fatalf("%v, %v", p, err)
	}
	text, err := json.Marshal(map[string]Thumbprint{"jkt": p})
	var back map[string]Thumbprint
	if err != nil || json.Unmarshal(text, &back) != nil || back["jkt"] != p {
		t.Errorf("%s: %v", text, err)
	}
	for _, bad := range []string{
		"", "abc", p.String() + "=", p.String()[:42], p.String() + "A", strings.Repeat("A", 42) + "B", strings.Repeat("+", 43), p.String()[:42] + "\n",
		readPublished(t, "opaque")[0].X5T,
	} {
		if got, err := ParseThumbprint(bad); err == nil || !got.IsZero() || json.Unmarshal([]byte(quote(bad)), &p) == nil {
			t.Errorf("%q: got %v, %v", bad, got, err)
		}
	}
	cert := readPublished(t, "x5t_s256")[0]
	if got := certificateThumbprint(readTestCertificate(t, "rfc8705.crt")).String(); got != cert.X5T {
		t.Errorf("x5t#S256 of the sample is %s, want %s", got, cert.X5T)
	}
}
