package strictjson

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"
)

// FuzzParse holds that what is accepted means the same to encoding/json, and that Raw says it again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[true,null,"x"],"c":{"d":-1.5e3}}`, `{"a":"\u00e9\ud83d\ude00\n"}`, `{"a":1,"a":2}`, `{"a":1} x`,
		"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, nested(8, "[", "]"), nested(9, "[", "]"), members(20), `[]`, ``, ` {"\u0061":{}} `,
		`{"n":9223372036854775807,"m":1e-9,"z":0.10}`, `{"jwk":{"kty":"EC","crv":"P-256","x":"a","y":"b"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse(text, 1<<16)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Reason == 0 || e.Offset < 0 || e.Offset > len(text) || len(err.Error()) > 2000 {
				t.Fatalf("Parse(%q) = %#v", text, err)
			}
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", text, err)
		}
		if o.Len() != len(want) {
			t.Fatalf("%q has %d members, encoding/json sees %d", text, o.Len(), len(want))
		}
		for name, v := range o.All() {
			raw, ok := want[name]
			if !ok || string(raw) != v.Raw() {
				t.Fatalf("%q: member %q is %q, encoding/json reads %q", text, name, v.Raw(), raw)
			}
			compare(t, v)
		}
	})
}

// compare holds one value, and those in it, against encoding/json.
func compare(t *testing.T, v Value) {
	switch v.Kind() {
	case String:
		var want string
		got, _ := v.Text()
		if err := json.Unmarshal([]byte(v.Raw()), &want); err != nil || got != want {
			t.Fatalf("%s is %q, want %q (%v)", v.Raw(), got, want, err)
		}
	case Number:
		compareNumber(t, v)
	case ObjectKind:
		o, ok := v.Object()
		again, err := Parse(v.Raw(), len(v.Raw()))
		if !ok || err != nil || again.Len() != o.Len() {
			t.Fatalf("the Raw of an object is refused: %s: %v", v.Raw(), err)
		}
		for _, inner := range o.All() {
			compare(t, inner)
		}
	case ArrayKind:
		list, ok := v.Array()
		var want []json.RawMessage
		if err := json.Unmarshal([]byte(v.Raw()), &want); err != nil || !ok || len(want) != len(list) {
			t.Fatalf("%s has %d elements, want %d (%v)", v.Raw(), len(list), len(want), err)
		}
		for _, inner := range list {
			compare(t, inner)
		}
	case Null, Bool:
		if !json.Valid([]byte(v.Raw())) {
			t.Fatalf("%q is not JSON", v.Raw())
		}
	case Missing:
		t.Fatal("a member is missing")
	}
}

// compareNumber computes with exact fractions. Large exponents are left out: math/big would write them all out.
func compareNumber(t *testing.T, v Value) {
	if len(v.Raw()) > 40 {
		return
	}
	if _, _, e := splitNumber(v.Raw()); e > 300 || e < -300 {
		return
	}
	exact, ok := new(big.Rat).SetString(v.Raw())
	if !ok {
		t.Fatalf("math/big refuses %s", v.Raw())
	}
	if got, ok := v.Int(); ok != (exact.IsInt() && exact.Num().IsInt64()) || ok && got != exact.Num().Int64() {
		t.Fatalf("Int of %s is %d, %v", v.Raw(), got, ok)
	}
	floor := new(big.Int).Div(exact.Num(), exact.Denom()) // Euclidean: rounds down, as the denominator is positive
	limit := new(big.Rat).SetInt64(maxSeconds)
	fits := new(big.Rat).Abs(exact).Cmp(limit) <= 0
	if got, ok := v.Seconds(); ok != fits || ok && got != floor.Int64() {
		t.Fatalf("Seconds of %s is %d, %v, want %v, %v", v.Raw(), got, ok, floor, fits)
	}
}
