package explain

import (
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

func TestSplitMark(t *testing.T) {
	tests := []struct {
		value, rest, mark string
		ok                bool
	}{
		{"[REDACTED]", "", "[REDACTED]", true},
		{"[redacted]", "", "[redacted]", true},
		{"[REDACTED sha256=abc]", "", "[REDACTED sha256=abc]", true},
		{"DPoP [REDACTED]", "DPoP ", "[REDACTED]", true},
		{"***", "", "***", true},
		{"<redacted>", "", "<redacted>", true},
		{"eyJ0eXAi...", "eyJ0eXAi", "...", true},
		{"eyJ0...abc", "eyJ0", "...", true},
		{"eyJ0…", "eyJ0", "…", true},
		{"eyJ0…[truncated]", "eyJ0", "…[truncated]", true},
		{"eyJ0[truncated]", "eyJ0", "[truncated]", true},
		{"XXXX", "", "XXXX", true},
		{"xxxx-xxxx", "", "xxxx-xxxx", true},
		{"h.p.[REDACTED valid]", "h.p.", "[REDACTED valid]", true},
		{"eyJ0.eyJ1.sig", "eyJ0.eyJ1.sig", "", false},
		{"eyJ0..iv.ct.tag", "eyJ0..iv.ct.tag", "", false},
		{"a**b", "a**b", "", false},
		{"[1,2]", "[1,2]", "", false},
		{"xXx", "xXx", "", false},
		{"", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			rest, mark, ok := splitMark(tt.value)
			if rest != tt.rest || mark != tt.mark || ok != tt.ok || marked(tt.value) != tt.ok {
				t.Errorf("got %q, %q, %v; want %q, %q, %v", rest, mark, ok, tt.rest, tt.mark, tt.ok)
			}
		})
	}
}

func TestMarksHideFacts(t *testing.T) {
	const whole = holdfast.FactAuthorization | holdfast.FactTokenValue
	tests := []struct {
		name, auth, proof, url string
		want                   holdfast.Fact
	}{
		{name: "nothing is marked", auth: "DPoP a.b.c", proof: "a.b.c"},
		{name: "the whole field", auth: "[REDACTED]", want: whole},
		{name: "stars for the field", auth: "***", want: whole},
		{name: "the token", auth: "DPoP [REDACTED]", want: holdfast.FactTokenValue},
		{name: "a token that was only X", auth: "Bearer XXXXXXXX", want: holdfast.FactTokenValue},
		{name: "a token with its hash", auth: "DPoP [REDACTED sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU]", want: holdfast.FactTokenValue},
		{name: "a token whose signature was removed", auth: "DPoP h.p.[REDACTED sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU]", want: holdfast.FactTokenValue},
		{name: "a cut token", auth: "DPoP eyJ0…[truncated]", want: holdfast.FactTokenValue},
		{name: "the proof", proof: "[REDACTED]", want: holdfast.FactProof},
		{name: "a cut proof", proof: "eyJ0eXAi...", want: holdfast.FactProof},
		{name: "the signature of a proof that was valid", proof: "h.p.[REDACTED valid]", want: holdfast.FactProofSignature},
		{name: "the signature of a proof that was not", proof: "h.p.[REDACTED invalid]", want: holdfast.FactProofSignature},
		{name: "a token in the query", url: "https://a/?access_token=%5BREDACTED%5D", want: holdfast.FactTokenValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := holdfast.Exchange{RequestHeader: map[string][]string{}}
			x.Request.URL = tt.url
			if tt.auth != "" {
				x.RequestHeader["Authorization"] = []string{tt.auth}
			}
			if tt.proof != "" {
				x.RequestHeader["Dpop"] = []string{tt.proof}
			}
			presentFields(&x)
			if x.Request.Hidden != tt.want {
				t.Errorf("hidden %b, want %b", x.Request.Hidden, tt.want)
			}
			if tt.proof != "" && x.Request.Proofs[0].Reveal() != tt.proof {
				t.Error("the value was changed")
			}
		})
	}
}

func TestQuoteShort(t *testing.T) {
	if got := quoteShort("a\x1b[31m\"é\\" + strings.Repeat("z", 100)); len(got) != 62 || strings.ContainsAny(got[1:61], "\x1b\"\\") {
		t.Errorf("got %q", got)
	}
}
