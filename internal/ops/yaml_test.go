package ops_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast/internal/ops"
)

type file struct {
	Issuer string        `yaml:"issuer"`
	Limit  int           `yaml:"limit"`
	On     bool          `yaml:"on"`
	Scopes []string      `yaml:"scopes"`
	Wait   ops.Duration  `yaml:"wait"`
	Key    ops.SecretRef `yaml:"key"`
	Inner  inner         `yaml:"inner"`
	List   []inner       `yaml:"list"`
}

type inner struct {
	Address string        `yaml:"address"`
	Secret  ops.SecretRef `yaml:"secret"`
}

func TestDecode(t *testing.T) {
	var got file
	err := ops.Decode(strings.NewReader(`issuer: https://as.example
wait: 10m
key: env:KEY
inner: {address: ":443"}
list:
  - secret: file:/run/secrets/one
`), &got)
	if err != nil {
		t.Fatal(err)
	}
	if got.Issuer != "https://as.example" || time.Duration(got.Wait) != 10*time.Minute || got.Key.String() != "env:KEY" || got.Inner.Address != ":443" {
		t.Errorf("got %+v", got)
	}
	if s := got.List[0].Secret.String(); s != "file:/run/secrets/one" {
		t.Errorf("the secret of the list is %q", s)
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, c := range []struct{ name, text, want string }{
		{"an unknown field", "issuer: x\nisuer: y\n", `line 2: unknown field "isuer"`},
		{"an unknown field further in", "list:\n  - address: a\n    adress: b\n", `line 3: unknown field "adress" in list[0]`},
		{"a field that is there twice", "issuer: x\nissuer: y\n", `line 2: field "issuer" is there already, at line 1`},
		{"a list instead of a text", "issuer: [a]\n", "line 1: issuer: is a list, want a text"},
		{"a text instead of a list", "scopes: a b\n", "line 1: scopes: is a text, want a list"},
		{"a text instead of a mapping", "inner: hunter2-hunter2\n", "line 1: inner: is a text, want a mapping"},
		{"a text instead of a number", "limit: many\n", "line 1: limit: is a text, want a number"},
		{"a word that is neither true nor false", "on: maybe\n", "line 1: on: is a text, want true or false"},
		{"no duration", "wait: 10\n", "line 1: wait: want a duration such as 90s, 10m or 36h"},
		{"a negative duration", "wait: -1s\n", "line 1: wait: want a duration such as 90s, 10m or 36h"},
		{"a secret in the file", "inner:\n  secret: hunter2-hunter2\n", "line 2: inner.secret: want a reference to a secret, file:/absolute/path or env:NAME, never the secret itself"},
		{"a relative secret file", "key: file:secret.txt\n", "line 1: key: want a reference to a secret, file:/absolute/path or env:NAME, never the secret itself"},
		{"several mistakes at once", "isuer: y\nwait: soon\n", "line 1: unknown field \"isuer\"\nline 2: wait: want a duration such as 90s, 10m or 36h"},
		{"a second document", "issuer: x\n---\nissuer: y\n", "the file has a second document, want one"},
		{"nothing", "", "the file is empty"},
		{"an anchor", "scopes: &a [x]\n", "line 1: anchors and aliases are not used here"},
		{"deep nesting", "scopes: " + deep + "\n", "line 1: nested deeper than 32 levels"},
		{"too much", strings.Repeat("#", ops.MaxConfigBytes+1), "longer than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ops.Decode(strings.NewReader(c.text), new(file))
			if err == nil || !strings.Contains(err.Error(), c.want) || c.name != "too much" && err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// What goes out comes in again, and is the same.
func TestEncodeIsReadByDecode(t *testing.T) {
	key, err := ops.ParseSecretRef("env:KEY")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []time.Duration{0, time.Second, 90 * time.Second, 10 * time.Minute, 36 * time.Hour, 90*time.Minute + 5*time.Second} {
		want := file{Issuer: "https://as.example", Wait: ops.Duration(d), Key: key, Inner: inner{Secret: key}}
		want.List = []inner{{Secret: key}}
		var b bytes.Buffer
		if err := ops.Encode(&b, want); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(b.String(), "secret: \"\"", "secret: env:KEY")
		var got file
		if err := ops.Decode(strings.NewReader(text), &got); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if diff := cmp.Diff(want.Wait, got.Wait); diff != "" || got.Key != want.Key || got.List[0] != want.List[0] {
			t.Errorf("%s: %+v", diff, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("issuer: x\nlist:\n  - secret: env:A\n")
	f.Add("inner: {secret: hunter2-hunter2}\n")
	f.Add("? [a]\n: b\n")
	f.Add("a: &x [*x]\n")
	f.Add("<<: {issuer: a}\n")
	f.Fuzz(func(t *testing.T, text string) {
		var v file
		err := ops.Decode(strings.NewReader(text+"\nkey: in-line-secret-9Zq\n"), &v)
		if err != nil && strings.Contains(err.Error(), "in-line-secret") {
			t.Errorf("the error quotes a value: %v", err)
		}
		if err == nil && !v.Key.IsZero() {
			t.Errorf("%q passed for a reference", v.Key)
		}
	})
}
