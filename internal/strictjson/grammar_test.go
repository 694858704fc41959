package strictjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// The rows follow the cases of the JSON Parsing Test Suite by Nicolas Seriot: each is the value of a member, because
// the top level has to be an object.
func TestValuesThatAreJSON(t *testing.T) {
	for _, c := range []struct {
		name, text string
		kind       Kind
	}{
		{"array with several null", `[1,null,null,null,2]`, ArrayKind},
		{"array with a trailing space", `[2] `, ArrayKind},
		{"array with arrays and spaces", `[[]   ]`, ArrayKind},
		{"array of an empty string", `[""]`, ArrayKind},
		{"array of all kinds", `[null, 1, "1", {}, [], true, false]`, ArrayKind},
		{"array over lines", "[1\n,\r2\t]", ArrayKind},
		{"number with exponent", `123e65`, Number},
		{"number zero with exponent", `0e+1`, Number},
		{"number zero with plain exponent", `0e1`, Number},
		{"number close to zero", `-0.000000000000000000000000000000000000000000000000000000000000000000000000000001`, Number},
		{"number that is minus zero", `-0`, Number},
		{"number that is minus one", `-1`, Number},
		{"number with capital exponent", `1E22`, Number},
		{"number with negative capital exponent", `1E-2`, Number},
		{"number with positive capital exponent", `1E+2`, Number},
		{"number with fraction and exponent", `123.456e78`, Number},
		{"number beyond float64", `1e400`, Number},
		{"number of many digits", strings.Repeat("9", 400), Number},
		{"object that is empty", `{}`, ObjectKind},
		{"object with an empty name", `{"":0}`, ObjectKind},
		{"object with an escaped NUL as name", `{"foo\u0000bar": 42}`, ObjectKind},
		{"object over lines", "{\n\"a\": \"b\"\n}", ObjectKind},
		{"object with long strings", `{"x":"` + strings.Repeat("x", 5000) + `"}`, ObjectKind},
		{"string with one to three octet sequences", `"\u0060\u012a\u12AB"`, String},
		{"string with an accepted surrogate pair", `"\uD801\udc37"`, String},
		{"string with two surrogate pairs", `"\ud83d\ude39\ud83d\udc8d"`, String},
		{"string with an escaped backslash before n", `"\\n"`, String},
		{"string with an escaped double quote", `"\""`, String},
		{"string with a comment in it", `"a/*b*/c/*d//e"`, String},
		{"string with a noncharacter", `"\uFFFF"`, String},
		{"string with raw DEL", "\"\x7f\"", String},
		{"string with a raw line separator", "\"\u2028\u2029\"", String},
		{"string with four octets", "\"\U0001f600\"", String},
		{"string with a byte order mark", "\"\ufeff\"", String},
		{"string with the last code point", "\"\U0010ffff\"", String},
		{"string with structure in it", `"{\"a\":[1,2]}"`, String},
		{"lonely true", `true`, Bool},
		{"lonely false", `false`, Bool},
		{"lonely null", `null`, Null},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := value(t, c.text)
			if v.Kind() != c.kind || v.Raw() != strings.TrimRight(c.text, " ") {
				t.Errorf("got %v %s, want %v", v.Kind(), v.Raw(), c.kind)
			}
			compare(t, v)
		})
	}
}

func TestValuesThatAreNotJSON(t *testing.T) {
	for _, c := range []struct {
		name, text string
		reason     Reason
	}{
		{"array without comma", `[1 true]`, Syntax},
		{"array with a colon", `["":1]`, Syntax},
		{"array with a comma after the end", `[""],`, Syntax},
		{"array with two commas", `[1,,2]`, Syntax},
		{"array with a comma first", `[,1]`, Syntax},
		{"array of a comma", `[,]`, Syntax},
		{"array of a minus", `[-]`, Syntax},
		{"array of a star", `[*]`, Syntax},
		{"array closed twice", `["x"]]`, Syntax},
		{"array that opens an object", `[{`, Syntax},
		{"array with an inner array that is open", `[3[4]]`, Syntax},
		{"array with an invalid octet", "[\xff]", BadUTF8},
		{"word fals", `fals`, Syntax},
		{"word nul", `nul`, Syntax},
		{"word TRUE", `TRUE`, Syntax},
		{"word undefined", `undefined`, Syntax},
		{"number with two signs", `--1`, Syntax},
		{"number with plus and minus", `+-1`, Syntax},
		{"number with two points", `1.2.3`, Syntax},
		{"number with a letter", `1a`, Syntax},
		{"number with two exponents", `1e2e3`, Syntax},
		{"number with a fraction in the exponent", `1e2.5`, Syntax},
		{"number with an underscore", `1_000`, Syntax},
		{"number with a space", `1 000`, Syntax},
		{"number of full-width digits", "\uff11", Syntax},
		{"number with minus and leading zero", `-012`, Syntax},
		{"number with a point after a minus", `-.123`, Syntax},
		{"number with an exponent without digits", `0E`, Syntax},
		{"number with a point before the exponent", `2.e3`, Syntax},
		{"number that is infinite", `Infinity`, Syntax},
		{"number that is minus NaN", `-NaN`, Syntax},
		{"number with an octet behind", "1\xe5", BadUTF8},
		{"object with a bare name", `{a: "b"}`, Syntax},
		{"object with a comma instead of a colon", `{"x", null}`, Syntax},
		{"object with two colons", `{"x"::"b"}`, Syntax},
		{"object with a word as name", `{null:null}`, Syntax},
		{"object with a single string", `{"foo": "bar" "b"}`, Syntax},
		{"object with several trailing commas", `{"id":0,,,,,}`, Syntax},
		{"object with a comment behind", `{"a":"b"}/**/`, Syntax},
		{"object with an emoji", "{\U0001f1e8\U0001f1ed}", Syntax},
		{"object with an invalid octet as name", "{\"\xb9\":\"0\"}", BadUTF8},
		{"object with a duplicate", `{"a":"b","a":"c"}`, Duplicate},
		{"object with the same member twice", `{"a":"b","a":"b"}`, Duplicate},
		{"string with a single quote", `'x'`, Syntax},
		{"string without quotes", `abc`, Syntax},
		{"string with a raw tab", "\"\t\"", Syntax},
		{"string with an escaped tab character", "\"\\\t\"", Syntax},
		{"string with an escaped NUL character", "\"\\\x00\"", Syntax},
		{"string with an escaped emoji", "\"\\\U0001f300\"", Syntax},
		{"string with an escaped invalid octet", "\"\\\xe5\"", BadUTF8},
		{"string with a capital U escape", `"\UA66D"`, Syntax},
		{"string with an octal escape", `"\012"`, Syntax},
		{"string with a quote escape only", `"\"`, Syntax},
		{"string with an incomplete escape", `"\u00A"`, Syntax},
		{"string with an incomplete pair", `"\uD834\uDd"`, Surrogate},
		{"string with an escaped high surrogate alone", `"\uDADA"`, Surrogate},
		{"string with a high surrogate and a letter", `"\uD888\u1234"`, Surrogate},
		{"string with an inverted pair", `"\uDd1e\uD834"`, Surrogate},
		{"string with a high surrogate before a short escape", `"\uD800\n"`, Surrogate},
		{"string in Latin-1", "\"\xe9\"", BadUTF8},
		{"string in UTF-16", "\xff\xfe\"\x00", BadUTF8},
		{"string with an overlong NUL", "\"\xc0\x80\"", BadUTF8},
		{"string with six octets", "\"\xfc\x83\xbf\xbf\xbf\xbf\"", BadUTF8},
		{"string with a lone continuation", "\"\x81\"", BadUTF8},
		{"structure with an angle bracket", `<null>`, Syntax},
		{"structure with a number sign", `#`, Syntax},
		{"structure with a closing brace", `}`, Syntax},
		{"structure with a closing bracket", `]`, Syntax},
		{"nothing", ``, Syntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := `{"v":` + c.text + `}`
			_, err := Parse(text, plenty)
			var e *Error
			trailing := errors.As(err, &e) && e.Reason == Trailing && c.text == "}" // closes the outer object
			if e == nil || e.Reason != c.reason && !trailing {
				t.Errorf("Parse(%q) = %v, want %v", text, err, c.reason)
			}
		})
	}
}

// Every text that differs in one octet, or was cut short, is accepted only if encoding/json accepts it too.
func TestNothingIsAcceptedThatEncodingJSONRefuses(t *testing.T) {
	const sample = `{"a":"\u0041é","b":[1.5e3,true,null],"c":{"d":-0}}`
	check := func(text string) {
		if _, err := Parse(text, plenty); err == nil && !json.Valid([]byte(text)) {
			t.Errorf("%q is accepted", text)
		}
	}
	for i := range len(sample) {
		if _, err := Parse(sample[:i], plenty); err == nil {
			t.Errorf("%q is accepted", sample[:i])
		}
		check(sample[:i] + sample[i+1:])
		for c := range 256 {
			check(sample[:i] + string([]byte{byte(c)}) + sample[i+1:])
			check(sample[:i] + string([]byte{byte(c)}) + sample[i:])
		}
	}
}

// What encoding/json lets through is the reason for this package: each row is a text on which the two differ.
func TestStricterThanEncodingJSON(t *testing.T) {
	for _, c := range []struct {
		name, text string
		reason     Reason
	}{
		{"it takes the last duplicate", `{"htu":"https://good/","htu":"https://bad/"}`, Duplicate},
		{"it replaces invalid UTF-8", "{\"a\":\"\xff\"}", BadUTF8},
		{"it replaces lone surrogates", `{"a":"\ud800"}`, Surrogate},
		{"it nests ten thousand levels", nested(100, "[", "]"), TooDeep},
		{"it takes any number of members", members(10000), TooMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			var v map[string]any
			if err := json.Unmarshal([]byte(c.text), &v); err != nil {
				t.Fatalf("encoding/json refuses as well: %v", err)
			}
			var e *Error
			if _, err := Parse(c.text, plenty); !errors.As(err, &e) || e.Reason != c.reason {
				t.Errorf("got %v, want %v", err, c.reason)
			}
		})
	}
	// It also matches names in any case, when it fills a struct.
	var lax struct {
		Alg string `json:"alg"`
	}
	const text = `{"ALG":"none"}`
	if err := json.Unmarshal([]byte(text), &lax); err != nil || lax.Alg != "none" {
		t.Fatalf("encoding/json does not fold names: %+v, %v", lax, err)
	}
	if _, ok := mustParse(t, text).Get("alg"); ok {
		t.Error("ALG was taken for alg")
	}
}
