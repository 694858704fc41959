package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

const proofPayload = `{"jti":"e1j3V_bKic8-LAEB","htm":"GET","htu":"https://resource.example.org/protectedresource",` +
	`"iat":1562262618,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}`

const proofHeader = `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256",` +
	`"x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}}`

// hostile are the texts of 64 KiB that cost most: time must stay linear in the length.
var hostile = []struct{ name, text string }{
	{"thousand members", members(1000)},
	{"as many members as allowed", members(MaxMembers)},
	{"deep nesting", `{"a":[` + strings.TrimSuffix(strings.Repeat("[[[[[[]]]]]],", 5000), ",") + `]}`},
	{"tower", `{"a":` + strings.Repeat("[", 64<<10)},
	{"objects full of members", `{"a":[` + strings.TrimSuffix(strings.Repeat(members(MaxMembers)+",", 26), ",") + `]}`},
	{"long string", `{"a":"` + strings.Repeat("x", 64<<10) + `"}`},
	{"escapes", `{"a":"` + strings.Repeat(`\u0041`, 11<<10) + `"}`},
	{"long number", `{"a":` + strings.Repeat("1", 64<<10) + `}`},
	{"colons", `{"a":"` + strings.Repeat(":", 64<<10) + `"}`},
	{"numbers in an array", `{"a":[` + strings.Repeat("1,", 32<<10) + `1]}`},
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, text string }{{"header", proofHeader}, {"payload", proofPayload}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(c.text, 8192); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+" by encoding/json", func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				var m map[string]any
				if err := json.Unmarshal([]byte(c.text), &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, c := range hostile {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				if o, err := Parse(c.text, 1<<20); err == nil {
					v, _ := o.Get("a")
					_, _ = v.Seconds()
				}
			}
		})
	}
}

func TestOneAllocationPerObject(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
	}{{proofPayload, 1}, {proofHeader, 3}} { // the jwk in the header is kept as an object of its own
		if n := testing.AllocsPerRun(100, func() { _, _ = Parse(c.text, 8192) }); n > c.want {
			t.Errorf("Parse allocates %v times, want %v: %s", n, c.want, c.text)
		}
	}
	o := mustParse(t, proofPayload)
	if n := testing.AllocsPerRun(100, func() {
		for _, v := range o.All() {
			_, _ = v.Text()
			_, _ = v.Seconds()
		}
		_, _ = o.Get("ath")
	}); n > 0 {
		t.Errorf("reading members allocates %v times", n)
	}
}
