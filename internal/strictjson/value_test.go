package strictjson

import (
	"math"
	"slices"
	"sync"
	"testing"
)

// value parses one JSON value.
func value(tb testing.TB, text string) Value {
	tb.Helper()
	v, ok := mustParse(tb, `{"v":`+text+`}`).Get("v")
	if !ok {
		tb.Fatalf("no member v in %s", text)
	}
	return v
}

// everything has one sample of each kind.
var everything = map[Kind]string{
	Null: "null", Bool: "true", Number: "1", String: `"s"`, ArrayKind: "[1]", ObjectKind: `{"a":1}`,
}

func TestKindDecidesWhichAccessorIsOK(t *testing.T) {
	check := func(v Value, kind Kind) {
		t.Helper()
		_, text := v.Text()
		_, number := v.Number()
		_, integer := v.Int()
		_, float := v.Float()
		_, seconds := v.Seconds()
		_, boolean := v.Bool()
		_, object := v.Object()
		_, array := v.Array()
		got := []bool{text, number, integer, float, seconds, boolean, object, array}
		is := kind == Number
		want := []bool{kind == String, is, is, is, is, kind == Bool, kind == ObjectKind, kind == ArrayKind}
		if v.Kind() != kind || !slices.Equal(got, want) {
			t.Errorf("%v %s: accessors say %v, want %v", v.Kind(), v.Raw(), got, want)
		}
	}
	for kind, text := range everything {
		check(value(t, text), kind)
	}
	check(Value{}, Missing)
}

func TestRawIsTheTextAsWritten(t *testing.T) {
	for _, text := range []string{
		"null", "false", "-0.10E+02", `"\u0061\/"`, `[ 1 , {"a" : [ ] } ]`, `{ "b" : 1 , "a":{}}`, `""`,
	} {
		if got := value(t, " "+text+"\n").Raw(); got != text {
			t.Errorf("Raw is %s, want %s", got, text)
		}
	}
	if raw := (Value{}).Raw(); raw != "" {
		t.Errorf("the Raw of a missing value is %q", raw)
	}
}

func TestTextIsUnescaped(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", `""`, ""},
		{"plain", `"abc"`, "abc"},
		{"UTF-8", `"é€😀"`, "é€😀"},
		{"every short escape", `"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{"a unicode escape in both cases", `"\u00e9\u00E9"`, "éé"},
		{"a NUL", `"a\u0000b"`, "a\x00b"},
		{"a surrogate pair", `"x\ud83d\ude00y"`, "x😀y"},
		{"the last surrogate pair", `"\udbff\udfff"`, "\U0010ffff"},
		{"an escaped backslash before u", `"\\u0041"`, `\u0041`},
		{"an escape at the end", `"abc\n"`, "abc\n"},
		{"the replacement character itself", `"\ufffd�"`, "��"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := value(t, c.text).Text(); !ok || got != c.want {
				t.Errorf("Text of %s is %q, %v, want %q", c.text, got, ok, c.want)
			}
		})
	}
}

func TestBoolTellsTrueFromFalse(t *testing.T) {
	if v, ok := value(t, "true").Bool(); !v || !ok {
		t.Error("true is not true")
	}
	if v, ok := value(t, "false").Bool(); v || !ok {
		t.Error("false is not false")
	}
	if v, ok := value(t, `"true"`).Bool(); v || ok {
		t.Error("a string is a bool")
	}
}

func TestNestedValuesAreReached(t *testing.T) {
	o := mustParse(t, `{"keys":[{"kty":"EC","x":{"y":[[],[1,"2",null]]}},7],"none":[]}`)
	keys, _ := o.Get("keys")
	list, ok := keys.Array()
	if !ok || len(list) != 2 {
		t.Fatalf("keys has %d elements", len(list))
	}
	first, ok := list[0].Object()
	if !ok || first.Len() != 2 {
		t.Fatalf("the first key has %d members", first.Len())
	}
	x, _ := first.Get("x")
	inner, _ := x.Object()
	y, _ := inner.Get("y")
	rows, _ := y.Array()
	row, _ := rows[1].Array()
	if s, ok := row[1].Text(); !ok || s != "2" || row[2].Kind() != Null {
		t.Errorf("row is %v", row)
	}
	none, _ := o.Get("none")
	if empty, ok := none.Array(); !ok || empty == nil || len(empty) != 0 {
		t.Errorf("the empty array is %v, %v", empty, ok)
	}
}

func TestNestedEmptyObjectIsNotZero(t *testing.T) {
	if o, ok := value(t, "{}").Object(); !ok || o.IsZero() || o.Len() != 0 {
		t.Errorf("{} is zero: %v", o.IsZero())
	}
	if o, ok := value(t, `"{}"`).Object(); ok || !o.IsZero() {
		t.Error("a string gave an object")
	}
}

func TestNumbers(t *testing.T) {
	type result struct {
		v  int64
		ok bool
	}
	no := result{}
	yes := func(v int64) result { return result{v, true} }
	for _, c := range []struct {
		text         string
		integer, sec result
	}{
		{"0", yes(0), yes(0)},
		{"-0", yes(0), yes(0)},
		{"-0.0e7", yes(0), yes(0)},
		{"5", yes(5), yes(5)},
		{"-5", yes(-5), yes(-5)},
		{"5.0", yes(5), yes(5)},
		{"5.5", no, yes(5)},
		{"-5.5", no, yes(-6)},
		{"0.999", no, yes(0)},
		{"-0.001", no, yes(-1)},
		{"50e-1", yes(5), yes(5)},
		{"55e-1", no, yes(5)},
		{"1.5e1", yes(15), yes(15)},
		{"1.25E1", no, yes(12)},
		{"0.00005e5", yes(5), yes(5)},
		{"5E+0", yes(5), yes(5)},
		{"1562262616", yes(1562262616), yes(1562262616)},
		{"1562262616.5", no, yes(1562262616)},
		{"1.562262616e9", yes(1562262616), yes(1562262616)},
		{"9007199254740991", yes(1<<53 - 1), yes(1<<53 - 1)},
		{"9007199254740992", yes(1 << 53), yes(1 << 53)},
		{"-9007199254740992", yes(-1 << 53), yes(-1 << 53)},
		{"9007199254740992.1", no, no},
		{"-9007199254740992.1", no, no},
		{"9007199254740993", yes(1<<53 + 1), no},
		{"9223372036854775807", yes(math.MaxInt64), no},
		{"9223372036854775808", no, no},
		{"-9223372036854775808", yes(math.MinInt64), no},
		{"-9223372036854775809", no, no},
		{"18446744073709551615", no, no},
		{"18446744073709551616", no, no},
		{"99999999999999999999999", no, no},
		{"1e18", yes(1e18), no},
		{"1e19", no, no},
		{"1e999999999999999999999", no, no},
		{"0e999999999999999999999", yes(0), yes(0)},
		{"1e-999999999999999999999", no, yes(0)},
		{"-1e-999999999999999999999", no, yes(-1)},
		{"0.0000000000000000000000000000001", no, yes(0)},
	} {
		t.Run(c.text, func(t *testing.T) {
			v := value(t, c.text)
			var got result
			if got.v, got.ok = v.Int(); got != c.integer {
				t.Errorf("Int is %v, want %v", got, c.integer)
			}
			if got.v, got.ok = v.Seconds(); got != c.sec {
				t.Errorf("Seconds is %v, want %v", got, c.sec)
			}
			if text, ok := v.Number(); !ok || text != c.text {
				t.Errorf("Number is %q, %v", text, ok)
			}
		})
	}
}

func TestFloat(t *testing.T) {
	if f, ok := value(t, "-1.5e3").Float(); !ok || f != -1500 {
		t.Errorf("-1.5e3 is %v, %v", f, ok)
	}
	if f, ok := value(t, "1e400").Float(); ok {
		t.Errorf("1e400 is %v", f)
	}
}

func TestNumbersInStringsAreNoNumbers(t *testing.T) {
	v := value(t, `"5"`)
	if _, ok := v.Int(); ok {
		t.Error("a string is an integer")
	}
	if _, ok := v.Seconds(); ok {
		t.Error("a string is a NumericDate")
	}
}

func TestKindsHaveNames(t *testing.T) {
	want := []string{"missing", "null", "bool", "number", "string", "array", "object", "unknown kind"}
	for i, w := range want {
		if got := Kind(i).String(); got != w {
			t.Errorf("Kind(%d) is %q, want %q", i, got, w)
		}
	}
}

func TestObjectsAreSafeForConcurrentUse(t *testing.T) {
	o := mustParse(t, `{"a":"\u0041","b":{"c":[1,2]},"n":1.5}`)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			a, _ := o.Get("a")
			b, _ := o.Get("b")
			n, _ := o.Get("n")
			text, _ := a.Text()
			inner, _ := b.Object()
			list, _ := inner.Get("c")
			elements, _ := list.Array()
			seconds, _ := n.Seconds()
			if text != "A" || len(elements) != 2 || seconds != 1 {
				t.Errorf("got %q, %v, %d", text, elements, seconds)
			}
		})
	}
	done.Wait()
}
