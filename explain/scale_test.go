package explain

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// scaleStart is the time of the first made exchange.
var scaleStart = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// scaled is a hostile or merely large input, n times one thing.
type scaled struct {
	name string
	n    int // exchanges or lines that a run has to take
	make func(t testing.TB, n int) *Evidence
}

func scaledInputs() []scaled {
	return []scaled{
		{"refused with proofs", 100_000, scaleRefused},
		{"refused without credentials", 100_000, scaleBare},
		{"one proof everywhere", 100_000, scaleOneProof},
		{"forged signatures", 20_000, scaleForged},
		{"other keys, other tokens", 20_000, scaleMismatch},
		{"nonce challenges", 50_000, scaleNonces},
		{"redirects in a loop", 10_000, scaleRedirects},
		{"behind a proxy", 50_000, scaleProxied},
		{"origins", 50_000, scaleOrigins},
		{"token endpoint", 20_000, scaleGrants},
		{"short log lines", 100_000, scaleShortLines},
		{"long log lines", 40, scaleLongLines},
	}
}

// scaleAdd puts an exchange in as a reader does.
func scaleAdd(in *intake, method, target string, request, response map[string]string, status int, body, answer string) {
	x := holdfast.Exchange{RequestHeader: http.Header{}, Header: http.Header{}, Status: status}
	x.Request.Method, x.Request.URL = method, target
	for k, v := range request {
		x.RequestHeader[http.CanonicalHeaderKey(k)] = []string{v}
	}
	for k, v := range response {
		x.Header[http.CanonicalHeaderKey(k)] = []string{v}
	}
	if body != "" {
		x.RequestBody = []byte(body)
	}
	if answer != "" {
		x.Body = []byte(answer)
	}
	x.Sent = scaleStart.Add(time.Duration(len(in.ev.Exchanges)) * time.Second)
	in.add(x, 0)
}

func scaleIntake() *intake {
	in := newIntake()
	in.begin("made", fileHAR)
	return in
}

type scaleSigner struct {
	t   testing.TB
	key *holdfast.Key
}

func newScaleSigner(t testing.TB) scaleSigner {
	k, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return scaleSigner{t, k}
}

func (s scaleSigner) proof(method, target, token string, at time.Time) string {
	u, err := url.Parse(target)
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := s.key.Prove(holdfast.ProofClaims{Method: method, URL: u, Token: holdfast.NewSecret(token), Time: at})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

const scaleToken = "2YotnFZFEjr1zCsicMWpAA-9f3b1c7e5d20486a"

// scaleFew repeats a few proofs' keys but makes every proof differ: signing
// 100 000 of them would be most of a test, so only the jti part is fresh and
// the signature is that of the first.
func scaleFew(s scaleSigner, n int) []string {
	made := make([]string, min(n, 500))
	for i := range made {
		made[i] = s.proof("GET", "https://api.example/items", scaleToken, scaleStart.Add(time.Duration(i)*time.Second))
	}
	return made
}

func scaleRefused(t testing.TB, n int) *Evidence {
	in, proofs := scaleIntake(), scaleFew(newScaleSigner(t), n)
	for i := range n {
		scaleAdd(in, "GET", fmt.Sprintf("https://api.example/items/%d", i),
			map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": proofs[i%len(proofs)]},
			map[string]string{"Www-Authenticate": `DPoP error="invalid_dpop_proof", error_description="htu does not match"`, "Date": scaleStart.Add(time.Duration(i) * time.Second).Format(http.TimeFormat)},
			401, "", "")
	}
	return in.finish()
}

func scaleBare(t testing.TB, n int) *Evidence {
	in := scaleIntake()
	for i := range n {
		scaleAdd(in, "GET", fmt.Sprintf("https://api.example/items/%d", i), nil, map[string]string{"Www-Authenticate": "DPoP"}, 401, "", "")
	}
	return in.finish()
}

func scaleOneProof(t testing.TB, n int) *Evidence {
	in := scaleIntake()
	proof := newScaleSigner(t).proof("GET", "https://api.example/items", scaleToken, scaleStart)
	for range n {
		scaleAdd(in, "GET", "https://api.example/items", map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": proof},
			map[string]string{"Www-Authenticate": `DPoP error="invalid_dpop_proof"`}, 401, "", "")
	}
	return in.finish()
}

func scaleForged(t testing.TB, n int) *Evidence {
	in := scaleIntake()
	proof := newScaleSigner(t).proof("GET", "https://api.example/items", scaleToken, scaleStart)
	input := proof[:strings.LastIndexByte(proof, '.')]
	for i := range n {
		sig := make([]byte, 64)
		for j := range sig {
			sig[j] = byte(i>>(j%4*8)) + byte(j*37) + 1
		}
		scaleAdd(in, "GET", "https://api.example/items", map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": input + "." + base64.RawURLEncoding.EncodeToString(sig)},
			map[string]string{"Www-Authenticate": `DPoP error="invalid_dpop_proof"`}, 401, "", "")
	}
	return in.finish()
}

// scaleMismatch: every token is bound to another key, and the key of every
// proof has sixty members that do not count.
func scaleMismatch(t testing.TB, n int) *Evidence {
	in := scaleIntake()
	proof := newScaleSigner(t).proof("GET", "https://api.example/items", scaleToken, scaleStart)
	segments := strings.Split(proof, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(segments[0])
	var header map[string]any
	if json.Unmarshal(raw, &header) != nil {
		t.Fatal("header")
	}
	jwk, _ := header["jwk"].(map[string]any)
	for i := range 60 {
		jwk["m"+strconv.Itoa(i)] = strings.Repeat("v", i%7)
	}
	for i := range n {
		jwk["n0"] = i
		h, _ := json.Marshal(header)
		fat := base64.RawURLEncoding.EncodeToString(h) + "." + segments[1] + "." + segments[2]
		claims := fmt.Sprintf(`{"iss":"https://as.example","sub":"u%d","exp":1999999999,"cnf":{"jkt":"%s"}}`, i, base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%032d", i))))
		token := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"at+jwt","alg":"ES256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + strings.Repeat("A", 86)
		scaleAdd(in, "GET", "https://api.example/items", map[string]string{"Authorization": "DPoP " + token, "DPoP": fat},
			map[string]string{"Www-Authenticate": `DPoP error="invalid_token", error_description="key binding"`}, 401, "", "")
	}
	return in.finish()
}

func scaleNonces(t testing.TB, n int) *Evidence {
	in, proofs := scaleIntake(), scaleFew(newScaleSigner(t), n)
	for i := range n {
		scaleAdd(in, "GET", "https://api.example/items", map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": proofs[i%len(proofs)]},
			map[string]string{"Www-Authenticate": `DPoP error="use_dpop_nonce"`, "Dpop-Nonce": fmt.Sprintf("nonce-%d", i)}, 401, "", "")
	}
	return in.finish()
}

func scaleRedirects(t testing.TB, n int) *Evidence {
	in, proofs := scaleIntake(), scaleFew(newScaleSigner(t), n)
	for i := range n {
		status := 307
		if i == n-1 {
			status = 401
		}
		scaleAdd(in, "GET", fmt.Sprintf("https://api.example/r/%d", i%2), map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": proofs[i%len(proofs)]},
			map[string]string{"Location": fmt.Sprintf("https://api.example/r/%d", (i+1)%2)}, status, "", "")
	}
	return in.finish()
}

func scaleProxied(t testing.TB, n int) *Evidence {
	in, proofs := scaleIntake(), scaleFew(newScaleSigner(t), n)
	for i := range n {
		h := map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": proofs[i%len(proofs)]}
		if i%2 == 1 {
			h["X-Forwarded-For"] = "10.0.0.1"
		}
		scaleAdd(in, "GET", "http://backend:8080/items", h, map[string]string{"Www-Authenticate": `DPoP error="invalid_dpop_proof"`}, 401, "", "")
	}
	return in.finish()
}

func scaleOrigins(t testing.TB, n int) *Evidence {
	in := scaleIntake()
	for i := range n {
		h := map[string]string{}
		if i%2 == 0 {
			h["Authorization"] = "Bearer opaque-token-value-" + strconv.Itoa(i)
		}
		scaleAdd(in, "GET", fmt.Sprintf("https://h%d.example/", i), h, map[string]string{"Www-Authenticate": "Bearer"}, 401, "", "")
	}
	return in.finish()
}

func scaleGrants(t testing.TB, n int) *Evidence {
	in, proofs := scaleIntake(), scaleFew(newScaleSigner(t), n)
	for i := range n {
		answer, status := `{"error":"invalid_grant"}`, 400
		if i%2 == 0 {
			answer, status = fmt.Sprintf(`{"access_token":"at-%032d","token_type":"DPoP","refresh_token":"rt-%032d"}`, i, i), 200
		}
		scaleAdd(in, "POST", "https://as.example/token", map[string]string{"DPoP": proofs[i%len(proofs)], "Content-Type": "application/x-www-form-urlencoded"}, nil,
			status, fmt.Sprintf("grant_type=refresh_token&refresh_token=rt-%032d&client_id=c", i), answer)
	}
	return in.finish()
}

// scaleOne is one refusal beside which documents stand.
func scaleOne(t testing.TB) *intake {
	in := scaleIntake()
	scaleAdd(in, "GET", "https://api.example/items", map[string]string{"Authorization": "DPoP " + scaleToken, "DPoP": newScaleSigner(t).proof("GET", "https://api.example/items", scaleToken, scaleStart)},
		map[string]string{"Www-Authenticate": `DPoP error="invalid_dpop_proof", error_description="rejected"`}, 401, "", "")
	return in
}

func scaleShortLines(t testing.TB, n int) *Evidence {
	in := scaleOne(t)
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "n=%07d\n", i)
	}
	in.document(Document{Kind: KindServerLog, Name: "log", Body: b.Bytes()})
	return in.finish()
}

func scaleLongLines(t testing.TB, n int) *Evidence {
	in := scaleOne(t)
	for i := range n {
		line := strings.Repeat([]string{"proof dpop jti token key ", "eyJhbGciOi.", "bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaa ", "secret=", "a.b=c/", "%41%42", "<<<<<<<<", "-----BEGIN PRIVATE KEY-----"}[i%8], 1<<20/24)
		in.document(Document{Kind: KindServerLog, Name: "log" + strconv.Itoa(i), Body: []byte(line + "\n")})
	}
	return in.finish()
}

// TestScaleProbe runs one input in full size: HOLDFAST_SCALE names it, or is
// "all". With HOLDFAST_PROFILE it writes a profile.
func TestScaleProbe(t *testing.T) {
	want := os.Getenv("HOLDFAST_SCALE")
	if want == "" {
		t.Skip("HOLDFAST_SCALE is not set")
	}
	for _, c := range scaledInputs() {
		if want != "all" && !strings.Contains(c.name, want) {
			continue
		}
		n := c.n
		if v, err := strconv.Atoi(os.Getenv("HOLDFAST_N")); err == nil {
			n = v
		}
		ev := c.make(t, n)
		if p := os.Getenv("HOLDFAST_PROFILE"); p != "" {
			f, err := os.Create(p)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := pprof.StartCPUProfile(f); err != nil {
				t.Fatal(err)
			}
			defer pprof.StopCPUProfile()
		}
		start := time.Now()
		d, err := Explain(t.Context(), ev, Knowledge{})
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		start = time.Now()
		if err := WriteBundle(io.Discard, Redact(ev)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-30s n=%d explain %.1f s, redact %.1f s, %s", c.name, n, took.Seconds(), time.Since(start).Seconds(), d.Verdict)
	}
}

// TestHostileSizesEnd: inputs that are made to exhaust time or memory end soon.
func TestHostileSizesEnd(t *testing.T) {
	fields := strings.Repeat(`{"name":"X-A","value":"b"},`, 5000)
	har := func(fields, content string) string {
		return `{"log":{"entries":[{"request":{"method":"GET","url":"https://a.example/","headers":[` + fields + `{"name":"Authorization","value":"DPoP x"}]},"response":{"status":401,"headers":[{"name":"Content-Encoding","value":"gzip"}],"content":{"encoding":"base64","text":"` + content + `"}}}]}}`
	}
	for name, in := range map[string]string{
		"5000 fields":      har(fields, ""),
		"deep JSON":        `{"log":{"entries":[` + strings.Repeat(`{"a":`, 1<<17),
		"deep body":        har("", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("[", 200_000)))),
		"deep bundle body": `{"exchanges":[{"request":{"method":"GET","url":"https://a/","headers":[]},"response":{"status":401,"headers":[],"body":"` + strings.Repeat("[", 200_000) + `"}}]}`,
		"one long line":    "> GET / HTTP/1.1\n> Host: a\n> X: " + strings.Repeat("a", 1<<20),
		"blanks":           strings.Repeat(" ", 1<<20) + "{}",
	} {
		start := cpuTime()
		ev, err := ReadPaths([]string{"-"}, strings.NewReader(in))
		if err == nil {
			if _, err := Explain(t.Context(), ev, Knowledge{}); err != nil {
				t.Fatal(err)
			}
			if err := WriteBundle(io.Discard, Redact(ev)); err != nil {
				t.Fatal(err)
			}
		}
		if took := cpuTime() - start; took > 30*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// cpuTime is what the process has used: a busy machine is no finding.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestVaultTakesHostileTexts: the cost of looking for secrets grows with the
// text, whatever is in it.
func TestVaultTakesHostileTexts(t *testing.T) {
	v := newVault(&Evidence{})
	v.add(strings.Repeat("a1B", 1000))
	v.add(strings.Repeat("ab12", 1000))
	for i := range 5000 {
		v.add(fmt.Sprintf("at-0000000000-%032d", i))
	}
	for _, unit := range []string{"a1B", "ab12", "at-0000000000-0000", "eyJh.", "ey", "bearer ", "secret=", "token ", "a.b=c/", "%25", "%41", `\u0061`, `\\`, "<", "</Assertion", "-----BEGIN PRIVATE KEY-----", "name=\n", "cookie: ;=", "://:@", `"d":"`, "curl -u ", "basic x", "=", "YWJj"} {
		text := strings.Repeat(unit, (4<<10)/len(unit))
		start := cpuTime()
		_ = v.scrub(text)
		v.learn(text)
		if took := cpuTime() - start; took > 3*time.Second {
			t.Errorf("%d bytes of %q took %s", len(text), unit, took)
		}
	}
}
