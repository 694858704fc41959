package login

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodHash = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestParseHash(t *testing.T) {
	h, err := parseHash(goodHash)
	want := passwordHash{cost{DefaultMemory, DefaultPasses}, make([]byte, saltBytes), make([]byte, sumBytes)}
	if d := cmp.Diff(want, h, cmp.AllowUnexported(passwordHash{}, cost{})); err != nil || d != "" {
		t.Fatalf("error %v, hash (-want +got):\n%s", err, d)
	}
	replace := func(old, now string) string { return strings.Replace(goodHash, old, now, 1) }
	for name, text := range map[string]string{
		"nothing":                        "",
		"another function":               replace("argon2id", "argon2i"),
		"another version":                replace("v=19", "v=16"),
		"more memory than is given":      replace("m=19456", "m=9999999"),
		"less memory than argon2 has":    replace("m=19456", "m=7"),
		"a number that overflows":        replace("m=19456", "m=4294967297"),
		"no pass":                        replace("t=2", "t=0"),
		"more passes than are made":      replace("t=2", "t=65"),
		"two lanes":                      replace("p=1", "p=2"),
		"a short salt":                   replace("$AAAAAAAAAAAAAAAAAAAAAA$", "$AAAA$"),
		"a short sum":                    goodHash[:len(goodHash)-4],
		"trailing bits in the sum":       goodHash[:len(goodHash)-1] + "B",
		"a line break after it":          goodHash + "\n",
		"padding":                        goodHash + "=",
		"a sum of more than can be read": goodHash + strings.Repeat("A", maxPHC),
	} {
		if _, err := parseHash(text); err == nil {
			t.Errorf("%s is accepted", name)
		} else if strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: the error holds part of the hash", name)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(goodHash)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA")
	f.Add("$argon2id$v=19$m=08,t=01,p=1$" + goodHash[31:])
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		again, err := parseHash(h.String())
		if d := cmp.Diff(h, again, cmp.AllowUnexported(passwordHash{}, cost{})); err != nil || d != "" {
			t.Errorf("%q reads differently when written anew: %v\n%s", text, err, d)
		}
		if h.cost.memory > MaxMemory || h.cost.passes > MaxPasses {
			t.Errorf("%q costs %d KiB and %d passes", text, h.cost.memory, h.cost.passes)
		}
	})
}
