package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// facts lists, for each case, every recomputable fact that must not hold. A
// case that is not listed must have none: what fails there is not visible in
// one exchange alone.
var facts = map[string][]string{
	"a01": {"1 proof duplicated"},
	"a02": {"1 proof malformed"},
	"a03": {"2 typ", "3 typ"},
	"a05": {"1 signature"},
	"a06": {"1 signature"},
	"a07": {"3 ath missing"},
	"a08": {"1 ath", "2 ath"},
	"a10": {"2 cnf"},
	"a11": {"1 cnf"},
	"a13": {"1 unbound"},
	"a18": {"2 jti reused", "3 jti reused"},
	"a20": {"2 iat"},
	"a21": {"2 token iat", "2 iat"},
	"a22": {"1 iat", "4 iat"},
	"a24": {"1 htu", "2 htu"},
	"a27": {"2 proof missing"},
	"a32": {"1 nbf"},
	"a46": {"1 exp", "1 ath missing"},
	"a47": {"1 htm", "1 htu"},
	"a48": {"2 proof duplicated"},
}

// knownFacts are the facts of a case of any set.
func knownFacts(id string) []string {
	return slices.Concat(facts[id], factsB[id], factsC[id], factsE[id])
}

// audienceFree are cases whose tokens name another audience than the called
// URL: by intent, or because the request is a backend's copy.
var audienceFree = map[string]bool{
	"a27": true, "a35": true, "b27": true, "b61": true, "b70": true, "b75": true, "b100": true,
	"e27": true, "e35": true, "e43": true,
}

// built makes the cases once for all tests.
var built = sync.OnceValue(scenes)

type written struct {
	Case     string `json:"case"`
	Observed string `json:"observed_at"`
	Vantage  string `json:"vantage"`
	Files    []struct {
		Path, Kind string
		Exchange   int
	}
}

type expected struct {
	Case, Title, Stack, Verdict, Family, Confidence string
	Observed                                        string `json:"observed_at"`
	Primary                                         struct{ Code, Class string }
	Additional                                      []struct{ Code, Class string }
	Alternates                                      []string  `json:"acceptable_alternates"`
	Wrong                                           []string  `json:"wrong_answers"`
	Failing                                         int       `json:"failing_exchange"`
	Mention                                         []mention `json:"must_mention"`
	Missing                                         []mention `json:"missing_evidence"`
	Secrets                                         []secret
}

func TestCases(t *testing.T) {
	root := t.TempDir()
	kinds, ids := map[string]bool{}, map[string]bool{}
	for _, s := range built() {
		t.Run(s.id, func(t *testing.T) {
			if ids[s.id] {
				t.Fatal("id is used twice")
			}
			ids[s.id] = true
			if err := s.write(root); err != nil {
				t.Fatal(err)
			}
			c, want, text := load(t, filepath.Join(root, s.id))
			for _, f := range c.Files {
				kinds[f.Kind] = true
			}
			checkExpected(t, c, want)
			checkSecrets(t, want, text)
			checkHosts(t, text)
			checkFacts(t, s, want, text)
		})
	}
	for _, k := range []string{"har", "http-request", "http-response", "transport-error", "http-transcript", "curl-verbose", "evidence-bundle", "server-log", "server-config", "browser-console", "jwks", "note"} {
		if !kinds[k] {
			t.Errorf("no evidence of kind %s", k)
		}
	}
}

// load reads a case and gives its evidence as readable text.
func load(t *testing.T, dir string) (c written, want expected, text string) {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	unmarshal := func(name string, into any) {
		d := json.NewDecoder(bytes.NewReader(read(name)))
		if err := d.Decode(into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	unmarshal("case.json", &c)
	unmarshal("expected.json", &want)
	var b strings.Builder
	for _, f := range c.Files {
		if strings.HasSuffix(f.Path, ".log") {
			t.Errorf("%s: files named .log are ignored by git", f.Path)
		}
		readable(&b, read(f.Path))
	}
	for _, m := range regexp.MustCompile(`Basic ([A-Za-z0-9+/=]+)`).FindAllStringSubmatch(b.String(), -1) {
		raw, _ := base64.StdEncoding.DecodeString(m[1])
		b.Write(raw)
	}
	for _, m := range regexp.MustCompile(`eyJ([\w-]{20,})\.`).FindAllStringSubmatch(b.String(), -1) {
		raw, _ := base64.RawURLEncoding.DecodeString("eyJ" + m[1])
		b.Write(raw)
	}
	return c, want, b.String()
}

// readable adds a file's text, with JSON strings, base64 and gzip undone.
func readable(b *strings.Builder, data []byte) {
	if _, body, ok := bytes.Cut(data, []byte("\r\n\r\n")); ok {
		b.WriteString(gunzip(body) + "\n")
	}
	b.Write(data)
	b.WriteByte('\n')
	var v any
	if json.Unmarshal(data, &v) == nil {
		walk(b, v)
	}
}

func walk(b *strings.Builder, v any) {
	switch v := v.(type) {
	case string:
		b.WriteString(v + "\n")
		if raw, err := base64.StdEncoding.DecodeString(v); err == nil {
			b.WriteString(gunzip(raw) + "\n")
		}
	case []any:
		for _, e := range v {
			walk(b, e)
		}
	case map[string]any:
		for _, e := range v {
			walk(b, e)
		}
	}
}

func gunzip(data []byte) string {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return string(data)
	}
	out, _ := io.ReadAll(r)
	return string(out)
}

func checkExpected(t *testing.T, c written, want expected) {
	t.Helper()
	if c.Case != want.Case || c.Observed != want.Observed || want.Title == "" || want.Stack == "" || len(c.Files) == 0 {
		t.Errorf("case.json and expected.json disagree or are incomplete")
	}
	if got, ok := causes[want.Primary.Code]; !ok || got.class != want.Primary.Class {
		t.Errorf("primary %v is not in the taxonomy", want.Primary)
	}
	if want.Verdict == "failure" && want.Family != causes[want.Primary.Code].family {
		t.Errorf("family %s", want.Family)
	}
	if !slices.Contains([]string{"failure", "no-failure", "undetermined"}, want.Verdict) || !slices.Contains([]string{"low", "medium", "high"}, want.Confidence) {
		t.Errorf("verdict %q, confidence %q", want.Verdict, want.Confidence)
	}
	codes := slices.Concat(want.Alternates, want.Wrong)
	for _, a := range want.Additional {
		codes = append(codes, a.Code)
	}
	for i, code := range codes {
		if _, ok := causes[code]; !ok || code == want.Primary.Code || slices.Contains(codes[:i], code) {
			t.Errorf("code %q is unknown or stands twice", code)
		}
	}
	for _, m := range slices.Concat(want.Mention, want.Missing) {
		if len(m.AnyOf) == 0 || slices.Contains(m.AnyOf, "") {
			t.Errorf("empty mention")
		}
	}
	if want.Verdict == "failure" && len(want.Mention) < 2 || want.Verdict == "undetermined" && len(want.Missing) < 2 {
		t.Errorf("too little to mention")
	}
}

func checkSecrets(t *testing.T, want expected, text string) {
	t.Helper()
	for _, s := range want.Secrets {
		if len(s.Value) < 16 || !strings.Contains(text, s.Value) {
			t.Errorf("secret %s %.24q is short or does not occur in the evidence", s.Kind, s.Value)
		}
		for _, m := range want.Mention {
			if slices.ContainsFunc(m.AnyOf, func(a string) bool { return strings.Contains(a, s.Value) }) {
				t.Errorf("a mention holds a secret")
			}
		}
	}
	for _, jws := range regexp.MustCompile(`eyJ[\w-]{20,}\.eyJ[\w-]+\.[\w-]+`).FindAllString(text, -1) {
		if !slices.ContainsFunc(want.Secrets, func(s secret) bool { return s.Value == jws }) {
			t.Errorf("signed value %.24s is not listed as a secret", jws)
		}
	}
	pattern := `(?:^|[?&"])(?:code=|(?:client_secret|code_verifier|refresh_token|client_assertion)(?:=|":"))([^&"\s']+)`
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if len(m[1]) > 15 && !slices.ContainsFunc(want.Secrets, func(s secret) bool { return s.Value == m[1] }) {
			t.Errorf("%q is not listed as a secret", m[0])
		}
	}
}

func checkHosts(t *testing.T, text string) {
	t.Helper()
	for _, raw := range regexp.MustCompile(`https?://[^\s"'<>\\,;)]+`).FindAllString(text, -1) {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		host := u.Hostname()
		private := !strings.Contains(host, ".") || strings.HasPrefix(host, "10.") || host == "127.0.0.1"
		if !strings.HasSuffix(host, ".example") && !private {
			t.Errorf("host %q is not made up", host)
		}
	}
}

func checkFacts(t *testing.T, s *scene, want expected, text string) {
	t.Helper()
	if got := findings(s.exchanges); !slices.Equal(got, knownFacts(s.id)) {
		t.Errorf("facts that do not hold: %q, want %q", got, knownFacts(s.id))
	}
	if want.Failing > len(s.exchanges) {
		t.Errorf("failing exchange %d of %d", want.Failing, len(s.exchanges))
	}
	for _, e := range s.exchanges {
		_, token, _ := strings.Cut(lookup(e.headers, "Authorization"), " ")
		if p, ok := parseJWS(token); ok && !audienceFree[s.id] && !audienceHolds(e, p.claims) {
			t.Errorf("audience %v does not hold for %s", p.claims["aud"], e.url)
		}
	}
	known := text
	for _, sec := range want.Secrets {
		if p, ok := parseJWS(sec.Value); ok {
			jwk, _ := p.header["jwk"].(map[string]any)
			known += fmt.Sprint(" ", thumbprint(jwk), " ", p.claims)
		}
	}
	for _, m := range want.Mention {
		if a := m.AnyOf[0]; len(a) == 43 && !strings.Contains(known, a) {
			t.Errorf("thumbprint %s cannot be recomputed", a)
		}
	}
}

func TestTokenSignatures(t *testing.T) {
	want := map[string]bool{"a33": true, "a34": false, "a45": true, "b69": false, "c33": true, "e33": true, "e34": false}
	for _, s := range built() {
		holds, ok := want[s.id]
		if !ok {
			continue
		}
		var set struct{ Keys []map[string]any }
		for _, f := range s.files {
			if f.kind == "jwks" {
				if err := json.Unmarshal(f.data, &set); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, token, _ := strings.Cut(lookup(s.exchanges[0].headers, "Authorization"), " ")
		p, _ := parseJWS(token)
		i := slices.IndexFunc(set.Keys, func(k map[string]any) bool { return k["kid"] == p.header["kid"] })
		if i < 0 {
			t.Fatalf("%s: kid %v is not in the key set", s.id, p.header["kid"])
		}
		if got := p.verifies(set.Keys[i]); got != holds {
			t.Errorf("%s: token verifies: %t, want %t", s.id, got, holds)
		}
	}
}

// TestCapturesAreCurrent compares the verdicts in the repository, which hold
// every signed value, with those of this generator.
func TestCapturesAreCurrent(t *testing.T) {
	root := filepath.Join("..", "..", "explain", "testdata", "captures")
	for _, s := range built() {
		for name, want := range map[string][]byte{"case.json": s.caseJSON(), "expected.json": s.expectedJSON()} {
			got, err := os.ReadFile(filepath.Join(root, s.id, name))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s is out of date; run go run ./internal/casegen -out explain/testdata/captures", s.id, name)
			}
		}
	}
}
