package strictjson

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const plenty = 1 << 20

func mustParse(tb testing.TB, text string) Object {
	tb.Helper()
	o, err := Parse(text, plenty)
	if err != nil {
		tb.Fatalf("Parse(%s): %v", text, err)
	}
	return o
}

// nested returns an object in which depth objects or arrays enclose each other.
func nested(depth int, open, end string) string {
	return `{"a":` + strings.Repeat(open, depth-1) + "0" + strings.Repeat(end, depth-1) + "}"
}

func members(n int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"m%d":%d`, i, i)
	}
	b.WriteByte('}')
	return b.String()
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		text   string
		reason Reason
		offset int
		path   string
	}{
		{"an empty text", ``, Syntax, 0, ""},
		{"white space alone", " \n", Syntax, 2, ""},
		{"an array", `["a"]`, NotObject, 0, ""},
		{"a string", ` "a"`, NotObject, 1, ""},
		{"a number", `-1`, NotObject, 0, ""},
		{"a true", `true`, NotObject, 0, ""},
		{"a null", `null`, NotObject, 0, ""},
		{"a word", `nope`, NotObject, 0, ""},
		{"a byte order mark", "\ufeff{}", Syntax, 0, ""},
		{"a stray octet", "\xff{}", BadUTF8, 0, ""},
		{"a JWT", `eyJ.e30.`, Syntax, 0, ""},

		{"an unclosed object", `{`, Syntax, 1, ""},
		{"an unclosed object after a member", `{"a":1`, Syntax, 6, ""},
		{"an unclosed object after a comma", `{"a":1,`, Syntax, 7, ""},
		{"a trailing comma", `{"a":1,}`, Syntax, 7, ""},
		{"a leading comma", `{,"a":1}`, Syntax, 1, ""},
		{"a missing comma", `{"a":1 "b":2}`, Syntax, 7, ""},
		{"a missing colon", `{"a" 1}`, Syntax, 5, ""},
		{"a missing value", `{"a":}`, Syntax, 5, "a"},
		{"a name without quotes", `{a:1}`, Syntax, 1, ""},
		{"a name in single quotes", `{'a':1}`, Syntax, 1, ""},
		{"a number as name", `{1:1}`, Syntax, 1, ""},
		{"a comment", `{"a":1/**/}`, Syntax, 6, ""},
		{"an unclosed name", `{"a`, Syntax, 3, ""},
		{"an unclosed string", `{"a":"b`, Syntax, 7, "a"},
		{"an unclosed array", `{"a":[1`, Syntax, 7, "a"},
		{"a trailing comma in an array", `{"a":[1,]}`, Syntax, 8, "a[1]"},
		{"an array closed by a brace", `{"a":[1}}`, Syntax, 7, "a"},
		{"a form feed as white space", "{\f}", Syntax, 1, ""},
		{"a no-break space as white space", "{\u00a0}", Syntax, 1, ""},
		{"a stray octet between tokens", "{\"a\":\x80}", BadUTF8, 5, "a"},
		{"a NUL", "{\x00}", Syntax, 1, ""},

		{"a word that is almost true", `{"a":tru}`, Syntax, 5, "a"},
		{"True", `{"a":True}`, Syntax, 5, "a"},
		{"a word that begins with null", `{"a":nullx}`, Syntax, 9, ""},
		{"NaN", `{"a":NaN}`, Syntax, 5, "a"},
		{"Infinity", `{"a":-Infinity}`, Syntax, 6, "a"},
		{"a number with a leading zero", `{"a":01}`, Syntax, 6, ""},
		{"a number with a plus sign", `{"a":+1}`, Syntax, 5, "a"},
		{"a number that begins with a point", `{"a":.5}`, Syntax, 5, "a"},
		{"a number that ends with a point", `{"a":1.}`, Syntax, 7, "a"},
		{"a number without exponent digits", `{"a":1e}`, Syntax, 7, "a"},
		{"a number with a signed empty exponent", `{"a":1e+}`, Syntax, 8, "a"},
		{"a lone minus", `{"a":-}`, Syntax, 6, "a"},
		{"a hexadecimal number", `{"a":0x1}`, Syntax, 6, ""},

		{"a raw line break in a string", "{\"a\":\"b\nc\"}", Syntax, 7, "a"},
		{"a raw NUL in a string", "{\"a\":\"\x00\"}", Syntax, 6, "a"},
		{"an unknown escape", `{"a":"\x41"}`, Syntax, 7, "a"},
		{"a short unicode escape", `{"a":"\u12"}`, Syntax, 7, "a"},
		{"a unicode escape at the end", `{"a":"\u`, Syntax, 7, "a"},
		{"a bad digit in a unicode escape", `{"a":"\u12g4"}`, Syntax, 7, "a"},
		{"a backslash at the end", `{"a":"\`, Syntax, 7, "a"},

		{"the same name twice", `{"a":1,"a":2}`, Duplicate, 7, "a"},
		{"the same name, once escaped", `{"htu":1,"\u0068tu":2}`, Duplicate, 9, "htu"},
		{"the same name with equal values", `{"a":1,"a":1}`, Duplicate, 7, "a"},
		{"the empty name twice", `{"":1,"":2}`, Duplicate, 6, `""`},
		{"a duplicate in a nested object", `{"jwk":{"kty":1,"kty":2}}`, Duplicate, 16, "jwk.kty"},
		{"a duplicate in an array", `{"keys":[{},{"x":1,"x":2}]}`, Duplicate, 19, "keys[1].x"},
		{"a duplicate in nested arrays", `{"a":[[{"x":1,"x":2}]]}`, Duplicate, 14, "a[0][0].x"},
		{"a duplicate after a nested object", `{"a":{"b":1},"a":2}`, Duplicate, 13, "a"},
		{"a duplicate beyond the linear search", strings.TrimSuffix(members(40), "}") + `,"m3":0}`, Duplicate, len(members(40)), "m3"},
		{"a duplicate just at the end of the linear search", strings.TrimSuffix(members(16), "}") + `,"m0":0}`, Duplicate, len(members(16)), "m0"},

		{"a second object", `{}{}`, Trailing, 2, ""},
		{"a word behind", `{} x`, Trailing, 3, ""},
		{"a closing brace too many", `{"a":1}}`, Trailing, 7, ""},
		{"a NUL behind", "{}\x00", Trailing, 2, ""},

		{"invalid UTF-8 in a value", "{\"a\":\"\xff\"}", BadUTF8, 6, "a"},
		{"invalid UTF-8 in a name", "{\"\xc3(\":1}", BadUTF8, 2, ""},
		{"an overlong encoding", "{\"a\":\"\xc0\xaf\"}", BadUTF8, 6, "a"},
		{"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", BadUTF8, 6, "a"},
		{"a truncated sequence", "{\"a\":\"\xe2\x82\"}", BadUTF8, 6, "a"},
		{"a code point beyond Unicode", "{\"a\":\"\xf4\x90\x80\x80\"}", BadUTF8, 6, "a"},

		{"a lone high surrogate", `{"a":"\ud83d"}`, Surrogate, 6, "a"},
		{"a lone low surrogate", `{"a":"\ude00"}`, Surrogate, 6, "a"},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, Surrogate, 6, "a"},
		{"a pair in the wrong order", `{"a":"\ude00\ud83d"}`, Surrogate, 6, "a"},
		{"a high surrogate before another character", `{"a":"x\ud83dz"}`, Surrogate, 7, "a"},
		{"a lone surrogate in a name", `{"\ud800":1}`, Surrogate, 2, ""},
		{"a high surrogate before a broken escape", `{"a":"\ud83d\uzzzz"}`, Surrogate, 6, "a"},

		{"nine arrays", nested(9, "[", "]"), TooDeep, 12, "a" + strings.Repeat("[0]", 7)},
		{"nine objects", nested(9, `{"a":`, "}"), TooDeep, 40, strings.TrimSuffix(strings.Repeat("a.", 8), ".")},
		{"a tower of brackets", `{"a":` + strings.Repeat("[", 100000), TooDeep, 12, "a" + strings.Repeat("[0]", 7)},

		{"a member too many", members(MaxMembers + 1), TooMany, len(members(MaxMembers)), "m256"},
		{"a member too many below", `{"a":` + members(MaxMembers+1) + `}`, TooMany, len(`{"a":`) + len(members(MaxMembers)), "a.m256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := Parse(c.text, plenty)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Parse(%.80q) = %v, want an *Error", c.text, err)
			}
			if e.Reason != c.reason || e.Offset != c.offset || e.Path != c.path {
				t.Errorf("Parse(%.80q)\n got %v, offset %d, path %q\nwant %v, offset %d, path %q",
					c.text, e.Reason, e.Offset, e.Path, c.reason, c.offset, c.path)
			}
			if !o.IsZero() {
				t.Error("a refused text gave members")
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		names      []string
	}{
		{"the empty object", `{}`, nil},
		{"white space everywhere", " \t\r\n{ \"a\" : [ ] , \"b\" : { } } \n", []string{"a", "b"}},
		{"names that differ in case", `{"Alg":1,"alg":2,"ALG":3}`, []string{"Alg", "alg", "ALG"}},
		{"names that differ in form only", "{\"\u00e9\":1,\"e\u0301\":2}", []string{"\u00e9", "e\u0301"}},
		{"the same name in two objects", `{"a":{"x":1},"b":{"x":1},"x":1}`, []string{"a", "b", "x"}},
		{"the name of the enclosing member", `{"a":{"a":{"a":1}}}`, []string{"a"}},
		{"an escaped name", `{"\u0061\n\"":1}`, []string{"a\n\""}},
		{"a NUL in a name", `{"\u0000":1,"":2}`, []string{"\x00", ""}},
		{"eight arrays", nested(8, "[", "]"), []string{"a"}},
		{"eight objects", nested(8, `{"a":`, "}"), []string{"a"}},
		{"document order", `{"z":1,"a":2,"m":3}`, []string{"z", "a", "m"}},
		{"DEL and noncharacters", "{\"\x7f\":\"\uffff\U0010ffff\"}", []string{"\x7f"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := mustParse(t, c.text)
			var names []string
			for name := range o.All() {
				names = append(names, name)
			}
			if !slices.Equal(names, c.names) || o.Len() != len(c.names) {
				t.Errorf("Parse(%s) has members %q, want %q", c.text, names, c.names)
			}
			if o.IsZero() {
				t.Error("a parsed object is the zero Object")
			}
		})
	}
}

func TestAsManyMembersAsAllowed(t *testing.T) {
	o := mustParse(t, members(MaxMembers))
	for i := range MaxMembers {
		v, ok := o.Get(fmt.Sprintf("m%d", i))
		if n, fits := v.Int(); !ok || !fits || n != int64(i) {
			t.Fatalf("m%d = %d, %v, %v", i, n, ok, fits)
		}
	}
}

func TestLimitIsInclusive(t *testing.T) {
	const text = `{"a":1}`
	if _, err := Parse(text, len(text)); err != nil {
		t.Errorf("a text as long as the limit: %v", err)
	}
	for _, limit := range []int{len(text) - 1, 0, -1} {
		var e *Error
		if _, err := Parse(text, limit); !errors.As(err, &e) || e.Reason != TooLarge {
			t.Errorf("limit %d: got %v, want %v", limit, err, TooLarge)
		}
	}
}

func TestZeroObjectIsEmpty(t *testing.T) {
	var o Object
	v, ok := o.Get("a")
	if ok || v.Kind() != Missing || o.Len() != 0 || !o.IsZero() {
		t.Error("the zero Object has something in it")
	}
	for range o.All() {
		t.Error("the zero Object ranges over something")
	}
}

func TestAllStopsWhenTold(t *testing.T) {
	seen := 0
	for range mustParse(t, `{"a":1,"b":2}`).All() {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("ranged over %d members, want 1", seen)
	}
}

func TestGetIsExact(t *testing.T) {
	o := mustParse(t, `{"alg":"ES256"}`)
	for _, name := range []string{"Alg", "ALG", "alg ", "al", ""} {
		if _, ok := o.Get(name); ok {
			t.Errorf("Get(%q) found alg", name)
		}
	}
}

func TestErrorText(t *testing.T) {
	long := strings.Repeat("n", 100)
	for _, c := range []struct{ name, text, want string }{
		{"names reason, offset and path", `{"jwk":{"kty":1,"kty":2}}`, "duplicate member at offset 16 (jwk.kty)"},
		{"has no path at the top", `[]`, "not an object at offset 0"},
		{"escapes a name", "{\"\\u001b[31m\u202e\":x}", `syntax error at offset 17 ("\x1b[31m\u202e")`},
		{"quotes a dot", `{"a.b":{"c":x}}`, `syntax error at offset 12 ("a.b".c)`},
		{"quotes brackets", `{"a[0]":x}`, `syntax error at offset 8 ("a[0]")`},
		{"shortens a name", `{"` + long + `":x}`, "syntax error at offset 104 (" + long[:32] + "...)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.text, plenty)
			if err == nil || err.Error() != c.want {
				t.Errorf("Parse(%s)\n got %v\nwant %s", c.text, err, c.want)
			}
		})
	}
}

// Requirement D-4.3-07a: the value of d appears in no error.
func TestErrorsNeverShowValues(t *testing.T) {
	const secret = "cGxlYXNlLWRvLW5vdC1zaG93"
	for _, text := range []string{
		`{"d":"` + secret, `{"d":"` + secret + `","d":"` + secret + `"}`, `{"d":"` + secret + `\x"}`,
		`{"d":["` + secret + `",x]}`, `{"a":{"d":"` + secret + `"`, `{"d":"` + secret + `"}` + secret, `"` + secret + `"`,
	} {
		_, err := Parse(text, plenty)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret[:6]) {
			t.Errorf("Parse(%s) = %v", text, err)
		}
	}
}

func TestPathIsBounded(t *testing.T) {
	name := `"` + strings.Repeat("\u0001", 500) + `"`
	name = strings.ReplaceAll(name, "\u0001", `\u0001`)
	text := strings.Repeat(`{`+name+`:`, MaxDepth) + "x"
	_, err := Parse(text, plenty)
	if err == nil || len(err.Error()) > MaxDepth*(4*maxName+8)+40 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

func TestReasonsHaveDistinctTexts(t *testing.T) {
	seen := map[string]Reason{}
	for r := Syntax; r <= TooMany; r++ {
		text := r.String()
		if other, dup := seen[text]; dup || text == "unknown reason" || text != strings.ToLower(text) {
			t.Errorf("reason %d is %q, like %d", r, text, other)
		}
		seen[text] = r
	}
	for _, r := range []Reason{0, TooMany + 1, 255} {
		if r.String() != "unknown reason" {
			t.Errorf("reason %d is %q", r, r)
		}
	}
}
