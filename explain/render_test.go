package explain

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files of the renderers")

// renderSamples are diagnoses that use every member, one way or the other.
func renderSamples() map[string]*Diagnosis {
	const jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	return map[string]*Diagnosis{
		"failure": {
			Format: Format, Verdict: Failure, Family: FamilyPoP, FailingExchange: 2,
			Summary: "The proof is refused because the server compares it with another URL.",
			Causes: []Cause{
				{
					Code: "htu-scheme-mismatch-behind-proxy", Class: "target-uri", Family: FamilyPoP, Rank: Primary,
					Confidence: High, Severity: "high", Exchange: 2, RFC: "RFC 9449 4.3 (9)",
					Summary: "The server compares the proof with an http URL, because the proxy in front of it ends TLS and does not say so.",
					Because: []Fact{
						{
							Fact:     "htu of the proof is the URL that the client used, and the server says it expects the same one with scheme http",
							Observed: "https://login.example.com/realms/main/protocol/openid-connect/token",
							Expected: "http://login.example.com/realms/main/protocol/openid-connect/token",
							Source:   Computed, Check: "proof.htu", RFC: "RFC 9449 4.3 (9)",
						},
						{Fact: `the server says: DPoP HTU mismatch`, Source: Stated},
					},
					Fix: Fix{
						Client:              "Nothing: the proof is right.",
						AuthorizationServer: "Let the proxy send X-Forwarded-Proto and trust it there, or configure the public URL https://login.example.com.",
					},
				},
				{
					Code: "nonce-not-exposed-by-cors", Class: "transport", Family: FamilyPoP, Rank: Additional,
					Confidence: Medium, Severity: "medium", Exchange: 1,
					Summary: "The answer carries DPoP-Nonce, but a browser does not show it to the page.",
					Fix:     Fix{AuthorizationServer: "Add DPoP-Nonce to Access-Control-Expose-Headers."},
				},
			},
			Checks: []Check{
				{Exchange: 2, ID: "proof.jwt", Title: "one well-formed compact JWS of strict JSON", Status: holdfast.Pass},
				{Exchange: 2, ID: "proof.htu", Title: "htu is the URL of the request", Status: holdfast.Fail, Code: "proof.htu.mismatch"},
				{Exchange: 2, ID: "proof.nonce", Title: "nonce present if required", Status: holdfast.Unknown, Code: "server.nonce"},
				{Exchange: 2, ID: "proof.ath", Title: "ath is the hash of the token", Status: holdfast.NotApplicable},
			},
			Exchanges: []Step{
				{Exchange: 1, At: "2026-02-03T09:15:01.250Z", Method: "GET", URL: "https://login.example.com/.well-known/openid-configuration", Status: 200, Role: "metadata", Outcome: "success"},
				{Exchange: 2, At: "2026-02-03T09:15:02Z", Method: "POST", URL: "https://login.example.com/realms/main/protocol/openid-connect/token", Status: 400, Role: "token", Outcome: "refused", Note: "invalid_dpop_proof"},
				{Exchange: 3, Method: "GET", URL: "http://127.0.0.1:8080/orders", Role: "resource", Outcome: "error", Note: "no answer: connection reset"},
			},
		},
		"undetermined": {
			Format: Format, Verdict: Undetermined, Family: FamilyUndetermined, FailingExchange: 1, Incomplete: true,
			Summary: "The request was refused, and what was recorded does not show why.",
			Causes: []Cause{
				{
					Code: "replay-checked-twice", Class: "replay", Family: FamilyPoP, Rank: Candidate, Confidence: Low, Severity: "high",
					Exchange: 1, Summary: "Two stations on the way may share one replay store.", Fix: Fix{ResourceServer: "Give each station a realm of its own."},
				},
				{Code: "token-revoked", Class: "bearer", Family: FamilyBearer, Rank: Candidate, Confidence: Low, Severity: "high"},
			},
			Exchanges: []Step{{Exchange: 1, Method: "GET", URL: "https://api.example.com/orders", Status: 401, Role: "resource", Outcome: "refused"}},
			Missing: []Ask{
				{What: "the WWW-Authenticate field of the answer", Why: "it names the error of RFC 6750", How: "curl -v prints it; a browser hides it unless Access-Control-Expose-Headers names it"},
				{What: "the token " + jkt, Why: "its thumbprint", How: ""},
			},
			Problems: []string{"capture.har, line 812, entry 4: the text ends in the middle of an object"},
		},
		"no-failure": {
			Format: Format, Verdict: NoFailure, Family: FamilyNone,
			Summary: "Every call succeeded; one was challenged for a nonce and repeated.",
			Causes: []Cause{{
				Code: "no-failure", Class: "none", Family: FamilyNone, Rank: Primary, Confidence: High, Severity: "",
				Summary: "Every call succeeded; one was challenged for a nonce and repeated.",
				Because: []Fact{{Fact: "thumbprint of the key equals that of the token", Observed: jkt, Expected: jkt, Source: Computed, Check: "binding.jkt"}},
			}},
			Exchanges: []Step{
				{Exchange: 1, At: "2026-02-03T09:15:01Z", Method: "GET", URL: "https://api.example.com/orders", Status: 401, Role: "resource", Outcome: "challenge", Note: "use_dpop_nonce"},
				{Exchange: 2, At: "2026-02-03T09:15:02Z", Method: "GET", URL: "https://api.example.com/orders", Status: 200, Role: "resource", Outcome: "success"},
			},
			NotCovered: "A proof does not cover the body, the query or other header fields of the request.",
		},
		"hostile": {
			Format: Format, Verdict: Failure, Family: FamilyBearer, FailingExchange: 7,
			Summary: "\x1b[2J</details><script>alert(1)</script> \u202egpj.exe @everyone #12 [a](http://evil.example) `code` \xff\n# Title",
			Causes: []Cause{{
				Code: "token-malformed`\n```\n", Class: "bearer", Family: FamilyBearer, Rank: Primary, Confidence: "high\x1b]0;x\x07", Severity: "high\x9b",
				Summary: "1. item ```` ``` | pipe | ![img](https://evil.example/x.png) &lt; $x^2$ :tada: ~~gone~~",
				Because: []Fact{{Fact: "```\n@team", Observed: "```\n## out of the fence\x00" + strings.Repeat("A", 700), Expected: "\u2066two  blanks\u2069", Source: "stated\n"}},
			}},
			Exchanges: []Step{{Exchange: 7, At: "yesterday\x1b[31m", Method: "GET\r\nX: y", URL: "https://api.example.com/```/\u200b", Status: 99999, Role: "resource", Outcome: "refused", Note: "\x07bell"}},
			Problems:  []string{"<img src=x onerror=alert(1)>.har: bad"},
		},
	}
}

var renderForms = map[string]func(*Diagnosis, *bytes.Buffer) error{
	".txt":       func(d *Diagnosis, b *bytes.Buffer) error { return d.WriteText(b, TextOptions{}) },
	".color.txt": func(d *Diagnosis, b *bytes.Buffer) error { return d.WriteText(b, TextOptions{Color: true, Width: 60}) },
	".md":        func(d *Diagnosis, b *bytes.Buffer) error { return d.WriteMarkdown(b) },
	".json":      func(d *Diagnosis, b *bytes.Buffer) error { return d.WriteJSON(b) },
}

func TestRenderersMatchGoldenFiles(t *testing.T) {
	for name, d := range renderSamples() {
		for suffix, write := range renderForms {
			t.Run(name+suffix, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(d, &b); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", "golden", name+suffix)
				if *updateGolden {
					if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), b.String()); diff != "" {
					t.Errorf("%s differs (-want +got), run with -update if that is meant:\n%s", file, diff)
				}
			})
		}
	}
}

func TestRenderersWriteNothingThatATerminalObeys(t *testing.T) {
	for name, d := range renderSamples() {
		for suffix, write := range renderForms {
			if strings.Contains(suffix, "color") {
				continue
			}
			var b bytes.Buffer
			if err := write(d, &b); err != nil {
				t.Fatal(err)
			}
			for _, r := range b.String() {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Errorf("%s%s contains %U", name, suffix, r)
				}
			}
		}
	}
}

func TestMarkdownOfHostileTextIsInert(t *testing.T) {
	var b bytes.Buffer
	if err := renderSamples()["hostile"].WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	fence := ""
	for i, line := range strings.Split(b.String(), "\n") {
		bare := strings.TrimLeft(line, " ")
		ticks := bare[:len(bare)-len(strings.TrimLeft(bare, "`"))]
		switch {
		case fence == "" && len(ticks) >= 3 && strings.TrimPrefix(bare, ticks) == "text":
			fence = ticks
		case fence != "" && bare == fence:
			fence = ""
		case fence == "":
			if outside := outsideCode(line); strings.ContainsAny(outside, "<>@&$|~") || strings.Contains(outside, "://") {
				t.Errorf("line %d has live markup outside of code: %q", i+1, outside)
			}
		}
	}
	if fence != "" {
		t.Error("a fenced block is not closed")
	}
}

// outsideCode removes code spans by the rule of CommonMark: a span ends at the
// next run of backticks of the same length.
func outsideCode(line string) string {
	var out strings.Builder
	for line != "" {
		n := len(line) - len(strings.TrimLeft(line, "`"))
		if n == 0 {
			out.WriteByte(line[0])
			line = line[1:]
			continue
		}
		rest, found := line[n:], -1
		for i := 0; i < len(rest); {
			run := len(rest[i:]) - len(strings.TrimLeft(rest[i:], "`"))
			if run == n {
				found = i + run
				break
			}
			i += max(run, 1)
		}
		if found < 0 {
			out.WriteString(line[:n])
			line = rest
			continue
		}
		line = rest[found:]
	}
	return out.String()
}

func TestTextKeepsValuesInOnePiece(t *testing.T) {
	var b bytes.Buffer
	d := renderSamples()["failure"]
	if err := d.WriteText(&b, TextOptions{Width: 40}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{d.Causes[0].Because[0].Observed, d.Causes[0].Because[0].Expected, "htu-scheme-mismatch-behind-proxy"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in one piece in:\n%s", want, b.String())
		}
	}
}

func TestTextKeepsToItsWidth(t *testing.T) {
	for name, d := range renderSamples() {
		var b bytes.Buffer
		if err := d.WriteText(&b, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(b.String(), "\n") {
			words := strings.Fields(line)
			if len([]rune(line)) > 80 && len(words) > 0 && len([]rune(words[len(words)-1])) < 30 {
				t.Errorf("%s: %d columns: %q", name, len([]rune(line)), line)
			}
		}
	}
}

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		name       string
		verdict    Verdict
		incomplete bool
		want       int
	}{
		{"nothing failed", NoFailure, false, 0},
		{"nothing failed in what could be read", NoFailure, true, 3},
		{"a failure", Failure, false, 1},
		{"a failure in what could be read", Failure, true, 1},
		{"undetermined", Undetermined, false, 3},
		{"zero value", "", false, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &Diagnosis{Verdict: tt.verdict, Incomplete: tt.incomplete}
			if got := d.ExitStatus(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		max      int
		want     string
	}{
		{"printable text is left alone", `a "quoted" path C:\x`, 0, `a "quoted" path C:\x`},
		{"letters of any script are printable", "größe 日本", 0, "größe 日本"},
		{"control characters", "a\tb\r\nc\x00\x7f", 0, `a\tb\r\nc\x00\x7f`},
		{"escape sequences", "\x1b[31mred", 0, `\x1b[31mred`},
		{"C1 controls", "\u009b31m", 0, `\u009b31m`},
		{"bidi overrides", "\u202eabc\u2066", 0, `\u202eabc\u2066`},
		{"zero width characters", "pay\u200bpal\ufeff", 0, `pay\u200bpal\ufeff`},
		{"tag characters", "a\U000e0041", 0, `a\U000e0041`},
		{"octets that are not UTF-8", "a\xffb\xc0", 0, `a\xffb\xc0`},
		{"line separators", "a\u2028b", 0, `a\u2028b`},
		{"short enough", "abc", 3, "abc"},
		{"too long", "abcd", 3, "abc[cut]"},
		{"counted in characters", "äöüß", 3, "äöü[cut]"},
		{"empty", "", 3, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.in, tt.max); got != tt.want {
				t.Errorf("clean(%q, %d) = %q, want %q", tt.in, tt.max, got, tt.want)
			}
		})
	}
}

func FuzzRenderers(f *testing.F) {
	f.Add("plain", "https://api.example.com/a?b", 80)
	f.Add("\x1b[0m ```", "@all <b>", 0)
	f.Fuzz(func(t *testing.T, a, b string, width int) {
		d := &Diagnosis{
			Verdict: Failure, Summary: a, Causes: []Cause{{Code: b, Rank: Primary, Summary: a, Because: []Fact{{Fact: a, Observed: b, Expected: a}}, Fix: Fix{Client: b}}},
			Exchanges: []Step{{Method: a, URL: b, Note: a}}, Missing: []Ask{{a, b, a}}, Problems: []string{b},
		}
		var out bytes.Buffer
		if err := errors.Join(d.WriteText(&out, TextOptions{Width: width % 500}), d.WriteMarkdown(&out), d.WriteJSON(&out)); err != nil {
			t.Fatal(err)
		}
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%U is written for %q and %q", r, a, b)
			}
		}
	})
}
