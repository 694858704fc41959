package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode"
)

// Whatever is decoded, the answer and the talk are fit for a terminal, and a
// private key is never in them.
func FuzzDecode(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}`)
	f.Add(`{"keys":[{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"},1]}`)
	f.Add("DPoP: a.b.c")
	f.Fuzz(func(t *testing.T, in string) {
		var out, talk bytes.Buffer
		status := Main(context.Background(), []string{"decode"}, Env{
			Stdin: strings.NewReader(in), Stdout: &out, Stderr: &talk, Getenv: func(string) string { return "" },
		})
		if status == exitUsage != (out.Len() == 0) {
			t.Fatalf("status %d with %d bytes of answer", status, out.Len())
		}
		for _, r := range out.String() + talk.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%U is printed for %q", r, in)
			}
		}
		const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
		if strings.Contains(in, `"d":"`+secret) && strings.Contains(out.String(), secret) && strings.Count(in, secret) == 1 {
			t.Fatalf("a private member is printed for %q", in)
		}
	})
}
