package interop

import (
	"bytes"
	"errors"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-oauth/holdfast/internal/strictjson"
)

// objects are the corpus: each is accepted or refused by both. Values that are
// wrong are in an object, because strictjson reads objects only.
var objects = []string{
	`{}`, ` { } `, "\r\n{\t}\n", `{"a":1}`, `{"a":1,"b":[true,false,null,"x",{"c":{}}]}`, `{"":""}`,
	`{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `{"a":[{"b":1,"b":2}]}`, `{"a":1,"A":2}`,
	"{\"\u00e9\":1,\"e\u0301\":2}", `{"\u00e9":1,"é":2}`, `{"\ud83d\ude00":1,"😀":2}`, `{"a\/b":1,"a/b":2}`,
	`{"a":1}{}`, `{"a":1} x`, `{"a":1}]`, `{"a":1}`, "{\"a\":1}\x00", "\ufeff{}", "{}\ufeff", "\v{}", "{}\u00a0",
	`{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `{"a":/**/1}`, `{"a":1`, `{`, `{"`, `{"a`, `}`,
	`{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[1}`, `{"a":[}`, `{"a":[]]}`,
	`{"a":0}`, `{"a":-0}`, `{"a":-}`, `{"a":+1}`, `{"a":01}`, `{"a":1.}`, `{"a":.1}`, `{"a":1.0}`, `{"a":1e5}`, `{"a":1E+5}`, `{"a":1e}`,
	`{"a":1e-}`, `{"a":1e400}`, `{"a":0x10}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":1_0}`, `{"a":99999999999999999999999999}`,
	`{"a":true}`, `{"a":True}`, `{"a":tru}`, `{"a":nul}`, `{"a":nulll}`, `{"a":undefined}`,
	`{"a":"\u0000"}`, `{"a":"\x41"}`, `{"a":"\u12"}`, `{"a":"\uD83D\uDE00"}`, `{"a":"\ud83d"}`, `{"a":"\ude00"}`, `{"a":"\ud83d\u0041"}`,
	`{"a":"\ud83d\ud83d\ude00"}`, `{"\ud83d":1}`, `{"a":"\uFFFD"}`, `{"a":"\"\\\/\b\f\n\r\t"}`, `{"a":"\a"}`, `{"a":"\U0041"}`,
	"{\"a\":\"\t\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\x1f\"}", "{\"a\":\"\u2028\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}",
	"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xe2\x82\"}", "{\"\xff\":1}",
	`[]`, `1`, `"a"`, `null`, `true`, ``, ` `, `[{}]`,
	`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}}`,
	`{"jti":"-BwC3ESc6acc2lTc","htm":"POST","htu":"https://server.example.com/token","iat":1562262616,"cnf":{"jkt":"x"},"aud":["a","b"]}`,
}

func TestObjectsAgree(t *testing.T) {
	for _, text := range objects {
		compareObject(t, text)
	}
}

// Texts that are nearly right are where readers differ: the corpus, cut, spliced
// and with pieces of JSON put in.
func TestChangedObjectsAgree(t *testing.T) {
	const rounds = 60_000
	rng := mathrand.New(mathrand.NewPCG(1, 2))
	pieces := []string{
		`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, "\n", "\x00", "\x80", "\xff", "\u00e9", `\u`, `\ud83d`, `\ude00`, `0`, `1`, `-`, `.`, `e`,
		`"a":`, `"a":1,`, `,"a":1`, `true`, `null`, `{"a":1}`, `[[[[[[[`, `]]]]]]]`,
	}
	for range rounds {
		text := objects[rng.IntN(len(objects))]
		for range 1 + rng.IntN(3) {
			at := rng.IntN(len(text) + 1)
			switch rng.IntN(4) {
			case 0:
				text = text[:at] + pieces[rng.IntN(len(pieces))] + text[at:]
			case 1:
				text = text[:at] + pieces[rng.IntN(len(pieces))] + text[min(at+1, len(text)):]
			case 2:
				text = text[:at] + text[min(at+1+rng.IntN(3), len(text)):]
			case 3:
				other := objects[rng.IntN(len(objects))]
				text = text[:at] + other[rng.IntN(len(other)+1):]
			}
		}
		compareObject(t, text)
	}
}

func FuzzObject(f *testing.F) {
	for _, text := range objects {
		f.Add(text)
	}
	f.Add(strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9))
	f.Fuzz(func(t *testing.T, text string) { compareObject(t, text) })
}

// Where ours refuses because of its limits, the limits are really exceeded.
func TestLimitsOfObjects(t *testing.T) {
	for n := range 12 {
		compareObject(t, strings.Repeat(`{"a":`, n)+"{}"+strings.Repeat("}", n))
		compareObject(t, `{"a":`+strings.Repeat("[", n)+strings.Repeat("]", n)+"}")
	}
	for _, n := range []int{strictjson.MaxMembers - 1, strictjson.MaxMembers, strictjson.MaxMembers + 1} {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"` + strings.Repeat("a", i) + `":0`)
		}
		compareObject(t, "{"+b.String()[1:]+"}")
	}
}

// compareObject holds both readers against each other: the same answer and, of
// an accepted object, the same members.
func compareObject(t *testing.T, text string) {
	t.Helper()
	v := jsontext.Value(text)
	theirs := v.IsValid() && v.Kind() == '{' // names are unique and UTF-8 is valid by default
	o, err := strictjson.Parse(text, max(len(text), 1))
	var e *strictjson.Error
	if errors.As(err, &e) && (e.Reason == strictjson.TooDeep || e.Reason == strictjson.TooMany) {
		if depth, members := extent(text); depth <= strictjson.MaxDepth && members <= strictjson.MaxMembers {
			t.Fatalf("%v, but the depth is %d and there are %d members: %q", err, depth, members, text)
		}
		return
	}
	if (err == nil) != theirs {
		t.Fatalf("strictjson says %v, jsontext says valid object: %v: %q", err, theirs, text)
	}
	if err != nil {
		return
	}
	var want map[string]jsontext.Value
	if err := json.Unmarshal([]byte(text), &want); err != nil || len(want) != o.Len() {
		t.Fatalf("%d members, json reads %d (%v): %q", o.Len(), len(want), err, text)
	}
	for name, v := range o.All() {
		if string(want[name]) != v.Raw() {
			t.Fatalf("member %q is %s, json reads %s: %q", name, v.Raw(), want[name], text)
		}
		if got, ok := v.Text(); ok {
			var s string
			if err := json.Unmarshal(want[name], &s); err != nil || s != got {
				t.Fatalf("member %q is %q, json reads %q (%v): %q", name, got, s, err, text)
			}
		}
	}
}

// extent returns the greatest depth and number of members up to the end of the
// text or its first fault.
func extent(text string) (depth, members int) {
	d := jsontext.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		if _, err := d.ReadToken(); err != nil {
			return depth, members
		}
		depth = max(depth, d.StackDepth())
		if kind, n := d.StackIndex(d.StackDepth()); kind == '{' {
			members = max(members, int(n+1)/2)
		}
	}
}
