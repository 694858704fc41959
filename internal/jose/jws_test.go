package jose

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// wantReason fails unless err is an *Error with that reason and member.
func wantReason(tb testing.TB, err error, reason Reason, member string) {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) {
		tb.Fatalf("got %v, want %v (%s)", err, reason, member)
	}
	if e.Reason != reason || e.Member != member {
		tb.Fatalf("got %q (%v, member %q), want %v, member %q", err, e.Reason, e.Member, reason, member)
	}
}

// form encodes a header and a payload without a signature worth the name.
func form(header, payload string) string {
	return EncodeSegment([]byte(header)) + "." + EncodeSegment([]byte(payload)) + ".AAAA"
}

const minimal = "eyJhbGciOiJFUzI1NiJ9" // {"alg":"ES256"}

// Requirements D-4.3-01c, D-4.3-02a, D-4.3-02b, J-4.1.11-01, J-5.2-01.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		reason     Reason
		member     string
	}{
		// D-4.3-02a: one well-formed JWT.
		{"nothing", "", Empty, ""},
		{"one part", minimal, NotCompact, ""},
		{"two parts", "a.b", NotCompact, ""},
		{"four parts", minimal + ".e30.AAAA.AAAA", NotCompact, ""},
		{"five parts of a JWE", minimal + ".e30.AAAA.AAAA.AAAA", NotCompact, ""},
		{"six parts", "a.b.c.d.e.f", NotCompact, ""},
		{"dots only", "....", NotCompact, ""},
		{"the JSON serialization", `{"payload":"e30","signatures":[]}`, NotCompact, ""},
		{"an empty header", ".e30.AAAA", Empty, "header"},
		{"two dots only", "..", Empty, "header"},
		// D-4.3-01c: two field values joined by a comma.
		{"two proofs joined by a comma", form(`{}`, `{}`) + ", " + form(`{}`, `{}`), NotCompact, ""},
		{"a comma behind", form(`{}`, `{}`) + ",", Base64Alphabet, "signature"},

		// J-5.2-01: strict base64url in each part.
		{"padding in the header", minimal + "=.e30.AAAA", Base64Padding, "header"},
		{"padding in the payload", minimal + ".e30=.AAAA", Base64Padding, "payload"},
		{"padding in the signature", minimal + ".e30.AA==", Base64Padding, "signature"},
		{"a line feed in the header", minimal[:8] + "\n" + minimal[8:] + ".e30.AAAA", Base64LineBreak, "header"},
		{"a carriage return in the payload", minimal + ".e3\r0.AAAA", Base64LineBreak, "payload"},
		{"a line feed behind the signature", minimal + ".e30.AAAA\n", Base64LineBreak, "signature"},
		{"a plus", minimal + ".e30.AA+A", Base64Alphabet, "signature"},
		{"a slash", minimal + ".e30.AA/A", Base64Alphabet, "signature"},
		{"a space before", " " + minimal + ".e30.AAAA", Base64Alphabet, "header"},
		{"a tab in the payload", minimal + ".e\t30.AAAA", Base64Alphabet, "payload"},
		{"an octet beyond ASCII", minimal + ".e30.AAA\xc1", Base64Alphabet, "signature"},
		{"a NUL", minimal + ".e30.AAA\x00", Base64Alphabet, "signature"},
		{"trailing bits in the header", "e31.e30.AAAA", Base64Trailing, "header"},
		{"trailing bits in the payload", minimal + ".e31.AAAA", Base64Trailing, "payload"},
		{"trailing bits in the signature", minimal + ".e30.AB", Base64Trailing, "signature"},
		{"a single character left over", minimal + ".e30.AAAAA", Base64Trailing, "signature"},

		{"a header that is not JSON", form(`x`, `{}`), HeaderJSON, "header"},
		{"a header that is an array", form(`[]`, `{}`), HeaderJSON, "header"},
		{"a header with data behind", form(`{"alg":"ES256"} {}`, `{}`), HeaderJSON, "header"},
		// D-4.3-02b: duplicates never allow a bypass, whichever comes first.
		{"a header with two alg", form(`{"alg":"none","alg":"ES256"}`, `{}`), HeaderJSON, "header"},
		{"a header with two alg in the other order", form(`{"alg":"ES256","\u0061lg":"none"}`, `{}`), HeaderJSON, "header"},
		{"a jwk with two kty", form(`{"alg":"ES256","jwk":{"kty":"EC","kty":"oct"}}`, `{}`), HeaderJSON, "header"},
		{"an alg that is a number", form(`{"alg":1}`, `{}`), HeaderType, "alg"},
		{"an alg that is null", form(`{"alg":null}`, `{}`), HeaderType, "alg"},
		{"an alg that is a list", form(`{"alg":["ES256"]}`, `{}`), HeaderType, "alg"},
		{"a typ that is a number", form(`{"alg":"ES256","typ":1}`, `{}`), HeaderType, "typ"},
		{"a kid that is an object", form(`{"alg":"ES256","kid":{}}`, `{}`), HeaderType, "kid"},

		// J-4.1.11-01: no extension is understood.
		{"an unknown extension", form(`{"alg":"ES256","crit":["x"],"x":1}`, `{}`), CritPresent, "crit"},
		{"an empty crit", form(`{"alg":"ES256","crit":[]}`, `{}`), CritPresent, "crit"},
		{"a null crit", form(`{"crit":null,"alg":"ES256"}`, `{}`), CritPresent, "crit"},
		{"crit for b64 without b64", form(`{"alg":"ES256","crit":["b64"]}`, `{}`), CritPresent, "crit"},
		{"b64 with crit", form(`{"alg":"ES256","crit":["b64"],"b64":false}`, `{}`), B64Header, "b64"},
		{"b64 without crit", form(`{"alg":"ES256","b64":false}`, `{}`), B64Header, "b64"},
		{"b64 that changes nothing", form(`{"alg":"ES256","b64":true}`, `{}`), B64Header, "b64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := Parse(c.text, 8192)
			wantReason(t, err, c.reason, c.member)
			if !j.Header.IsZero() || j.Payload != "" || j.Signature != nil {
				t.Error("a refused text gave a JWS")
			}
		})
	}
}

func TestRefusalsSayWhatTheTextLooksLike(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a JWE", "a.b.c.d.e", "encrypted (JWE)"},
		{"two values", "a.b.c, d.e.f", "comma"},
		{"the JSON serialization", ` {"payload":""}`, "JSON object"},
		{"an opaque token", "abc", "three parts are needed, not 1"},
		{"one dot", "a.b", "three parts are needed, not 2"},
		{"padding", "e30=.e30.", "offset 3"},
		{"a duplicate", form(`{"a":1,"a":2}`, ""), "duplicate member at offset 7 (a)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse(c.text, 8192); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestLimitIsInclusive(t *testing.T) {
	text := form(`{"alg":"ES256"}`, `{}`)
	if _, err := Parse(text, len(text)); err != nil {
		t.Errorf("a JWS as long as the limit: %v", err)
	}
	_, err := Parse(text, len(text)-1)
	wantReason(t, err, TooLarge, "")
	_, err = Parse(text, 0)
	wantReason(t, err, TooLarge, "")
}

func TestParseGivesTheParts(t *testing.T) {
	header := `{"typ":"dpop+jwt","alg":"ES256","kid":"k\u0031","jwk":{"kty":"EC"}}`
	text := form(header, `{"jti":"1"}`)
	j, err := Parse(text, 8192)
	if err != nil {
		t.Fatal(err)
	}
	jwk, _ := j.Header.Get("jwk")
	switch {
	case j.Type != "dpop+jwt" || !j.HasType, j.AlgName != "ES256" || j.Alg != ES256 || j.Class != ClassAsymmetric,
		j.KeyID != "k1", j.Payload != `{"jti":"1"}`, string(j.Signature) != "\x00\x00\x00",
		j.SigningInput != strings.TrimSuffix(text, ".AAAA"), j.HeaderSegment != EncodeSegment([]byte(header)),
		jwk.Kind() != strictjson.ObjectKind:
		t.Errorf("Parse gave %+v", j)
	}
}

func TestAbsentHeaderMembers(t *testing.T) {
	j, err := Parse(form(`{}`, ``), 8192)
	if err != nil {
		t.Fatal(err)
	}
	if j.AlgName != "" || j.Alg != AlgUnknown || j.Class != ClassUnknown || j.HasType || j.KeyID != "" || j.Payload != "" {
		t.Errorf("an empty header gave %+v", j)
	}
	// D-4.3-04: an empty typ is not an absent one.
	if j, err = Parse(form(`{"typ":""}`, ``), 8192); err != nil || !j.HasType || j.Type != "" {
		t.Errorf("an empty typ gave %+v, %v", j, err)
	}
}

// Requirement D-4.3-05a: what is not an asymmetric signature is named, and never verified.
func TestUnverifiableAlgorithmsParseWithTheirClass(t *testing.T) {
	for name, class := range map[string]AlgClass{
		"none": ClassNone, "HS256": ClassSymmetric, "ECDH-ES": ClassEncryption, "foo": ClassUnknown, "es256": ClassUnknown,
		"ML-DSA-65": ClassPostQuantum, "ES256K": ClassAsymmetric,
	} {
		j, err := Parse(EncodeSegment([]byte(`{"alg":"`+name+`"}`))+".e30.", 8192)
		if err != nil || j.Class != class || j.Alg != AlgUnknown || j.AlgName != name {
			t.Errorf("%s: class %d, alg %v, %v", name, j.Class, j.Alg, err)
		}
		for _, k := range sampleKeys(t) {
			wantReason(t, k.Verify(j.Alg, j.SigningInput, j.Signature), AlgMismatch, "alg")
		}
	}
}

func TestClaimsAreStrict(t *testing.T) {
	for _, c := range []struct {
		name, payload string
		reason        strictjson.Reason
	}{
		{"no object", `"x"`, strictjson.NotObject},
		{"nothing", ``, strictjson.Syntax},
		// D-4.3-02b
		{"two htu", `{"htu":"https://a/","htu":"https://b/"}`, strictjson.Duplicate},
		{"invalid UTF-8", "{\"jti\":\"\xff\"}", strictjson.BadUTF8},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := Parse(form(`{"alg":"ES256"}`, c.payload), 8192)
			if err != nil {
				t.Fatalf("the payload is not for Parse to judge: %v", err)
			}
			_, err = j.Claims()
			wantReason(t, err, PayloadJSON, "payload")
			var below *strictjson.Error
			if !errors.As(err, &below) || below.Reason != c.reason {
				t.Errorf("wraps %v, want %v", below, c.reason)
			}
		})
	}
}

func TestAlgNames(t *testing.T) {
	for _, c := range []struct {
		names string
		class AlgClass
	}{
		{"ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA Ed25519", ClassAsymmetric},
		{"HS256 HS384 HS512 A128KW A192KW A256KW dir A128GCMKW A192GCMKW A256GCMKW PBES2-HS256+A128KW " +
			"PBES2-HS384+A192KW PBES2-HS512+A256KW", ClassSymmetric},
		{"RSA1_5 RSA-OAEP RSA-OAEP-256 ECDH-ES ECDH-ES+A128KW ECDH-ES+A192KW ECDH-ES+A256KW", ClassEncryption},
		{"ML-DSA-44 ML-DSA-65 ML-DSA-87", ClassPostQuantum},
		{"none", ClassNone},
		// RFC 7515 4.1.1: case-sensitive, so none of these is what it resembles.
		{"es256 Es256 ES-256 eddsa ED25519 hs256 None NONE nOnE Dir unknown AlgUnknown ES257", ClassUnknown},
	} {
		for name := range strings.FieldsSeq(c.names) {
			a, class := ParseAlg(name)
			if class != c.class {
				t.Errorf("%s is of class %d, want %d", name, class, c.class)
			}
			if known := a != AlgUnknown; known != (c.class == ClassAsymmetric) || known && a.String() != name {
				t.Errorf("%s is %v", name, a)
			}
		}
	}
	for _, name := range []string{"", " ", "ES256 ", "\x00"} {
		if a, class := ParseAlg(name); a != AlgUnknown || class != ClassUnknown {
			t.Errorf("%q is %v", name, a)
		}
	}
	if s := Alg(200).String(); s != "unknown" {
		t.Errorf("an Alg out of range is %q", s)
	}
}

func TestReasonsHaveDistinctTexts(t *testing.T) {
	seen := map[string]Reason{}
	for r := NotCompact; r <= AlgMismatch; r++ {
		text := r.String()
		if other, dup := seen[text]; dup || text == "unknown reason" || text != strings.ToLower(text) {
			t.Errorf("reason %d is %q, like %d", r, text, other)
		}
		seen[text] = r
	}
	if Reason(0).String() != "unknown reason" || (AlgMismatch+1).String() != "unknown reason" {
		t.Error("a reason that does not exist has a text")
	}
}
