package holdfast

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// params are the parameters of a challenge as published.json names them.
func (c Challenge) params() map[string]string {
	m := map[string]string{
		"realm": c.Realm, "error": c.Error, "error_description": c.Description, "scope": strings.Join(c.Scope, " "),
		"algs": strings.Join(c.Algs, " "), "acr_values": strings.Join(c.ACR, " "), "resource_metadata": c.ResourceMetadata,
	}
	if c.MaxAge != nil {
		m["max_age"] = strconv.Itoa(*c.MaxAge)
	}
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

func TestParseChallengesOfTheSpecifications(t *testing.T) { // D-7.1-05
	for _, p := range readPublished(t, "challenge") {
		t.Run(p.ID, func(t *testing.T) {
			got := ParseChallenges([]string{p.Field})
			if len(got) != len(p.Expect) {
				t.Fatalf("got %d challenges, want %d: %+v", len(got), len(p.Expect), got)
			}
			for i, want := range p.Expect {
				if got[i].Scheme != want.Scheme || !reflect.DeepEqual(got[i].params(), want.Params) {
					t.Errorf("challenge %d: got %s %v, want %s %v", i, got[i].Scheme, got[i].params(), want.Scheme, want.Params)
				}
			}
		})
	}
}

func TestParseChallenges(t *testing.T) { // D-7.1-11 B-3-02 B-3-03
	for _, tt := range []struct {
		name   string
		fields []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"several fields", []string{"Bearer", `DPoP algs="ES256"`}, []string{"Bearer", `DPoP algs="ES256"`}},
		{"any letter case", []string{`dpop ERROR=use_dpop_nonce, Algs="ES256"`}, []string{`dpop error="use_dpop_nonce", algs="ES256"`}},
		{"unknown parameters", []string{`DPoP foo="1", error="use_dpop_nonce"`}, []string{`DPoP error="use_dpop_nonce"`}},
		{"token68 of another scheme", []string{`Negotiate abc==, DPoP algs="ES256"`}, []string{"Negotiate", `DPoP algs="ES256"`}},
		{"one padding character", []string{`Negotiate abc=, DPoP algs="ES256"`}, []string{"Negotiate", `DPoP algs="ES256"`}},
		{"a comma in a quoted string", []string{`DPoP error="a, Bearer realm=b", algs="ES256"`}, []string{`DPoP error="a, Bearer realm=b", algs="ES256"`}},
		{"escapes", []string{`DPoP realm="a\"b"`}, []string{`DPoP realm="ab"`}},
		{"of a repeated parameter the first counts", []string{`DPoP error="a", error="b"`}, []string{`DPoP error="a"`}},
		{"no closing quote", []string{`DPoP error="a`}, []string{`DPoP error="a"`}},
		{"no comma between challenges", []string{`Bearer error="a" DPoP algs="b"`}, []string{`Bearer error="a"`, `DPoP algs="b"`}},
		{"empty elements", []string{`, ,DPoP ,algs="b",,`}, []string{`DPoP algs="b"`}},
		{"max_age", []string{`DPoP max_age=5`, `DPoP max_age="x"`, `DPoP max_age=-1`}, []string{`DPoP max_age="5"`, "DPoP", "DPoP"}},
		{
			"all of ours",
			[]string{`DPoP realm="r", error="e", error_description="d", scope="a b", algs="c", acr_values="f g", max_age="0", resource_metadata="https://h/"`},
			[]string{`DPoP realm="r", error="e", error_description="d", scope="a b", algs="c", acr_values="f g", max_age="0", resource_metadata="https://h/"`},
		},
		{"rubbish before", []string{`"x" , DPoP algs="b"`}, []string{`DPoP algs="b"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range ParseChallenges(tt.fields) {
				got = append(got, c.String())
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q: got %q, want %q", tt.fields, got, tt.want)
			}
		})
	}
}

func TestParseChallengesIsBounded(t *testing.T) {
	if got := ParseChallenges([]string{strings.Repeat("a, ", 1000)}); len(got) != MaxChallenges {
		t.Errorf("%d challenges of one field, want %d", len(got), MaxChallenges)
	}
	if got := ParseChallenges([]string{strings.Repeat(",", MaxChallengeBytes), "DPoP"}); len(got) != 0 {
		t.Errorf("beyond the limit: %v", got)
	}
	many := "DPoP " + strings.Repeat("x=1, ", MaxChallengeParam) + `error="late"`
	if got := ParseChallenges([]string{many}); len(got) != 1 || got[0].Error != "" {
		t.Errorf("beyond the limit of parameters: %+v", got)
	}
}

func TestChallengeCannotBeInjected(t *testing.T) { // B-3-05
	c := Challenge{
		Scheme: "DPoP\r\n", Realm: "a\"b\\c\r\nSet-Cookie: x=1", Scope: []string{"\"", "read\x00", "a b"}, Description: "\x7f\u00e9",
		Algs: []string{"ES256, Basic realm=\"x\""},
	}
	const want = `DPoP realm="abcSet-Cookie: x=1", scope="read a b", algs="ES256, Basic realm=x"`
	if got := c.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := FormatChallenges(Challenge{}, c, Challenge{Scheme: "\n"}); got != want {
		t.Errorf("challenges without a scheme: got %q, want %q", got, want)
	}
	if !c.Is("DPoP\r\n") || (Challenge{Scheme: "dpop"}).Is("Bearer") || !(Challenge{Scheme: "dpop"}).Is("DPoP") {
		t.Error("Is compares without letter case")
	}
}
