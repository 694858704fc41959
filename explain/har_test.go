package explain

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/holdfast-oauth/holdfast"
)

// harOf builds an archive of the given entries.
func harOf(creator string, entries ...string) string {
	return `{"log":{"version":"1.2","creator":{"name":"` + creator + `","version":"9"},"pages":[],"entries":[` + strings.Join(entries, ",") + `]}}`
}

// harEntryOf builds an entry; fields are pairs of name and value.
func harEntryOf(method, url string, status int, body string, fields ...string) string {
	var h []string
	for i := 0; i+1 < len(fields); i += 2 {
		h = append(h, fmt.Sprintf(`{"name":%q,"value":%q}`, fields[i], fields[i+1]))
	}
	text, _ := json.Marshal(body)
	return fmt.Sprintf(`{"startedDateTime":"2026-02-03T09:15:01.000Z","time":84,"request":{"method":%q,"url":%q,"headers":[%s]},`+
		`"response":{"status":%d,"headers":[{"name":"Content-Type","value":"application/json"}],"content":{"text":%s}}}`,
		method, url, strings.Join(h, ","), status, text)
}

func TestReadHAR(t *testing.T) {
	const call = "https://api.example/x"
	hiddenCredential := holdfast.FactAuthorization | holdfast.FactTokenValue
	tests := []struct {
		name      string
		har       string
		exchanges int
		sanitised bool
		hidden    holdfast.Fact // of the last exchange
		auth      int           // Authorization fields of the last exchange
		proofs    int
		body      string
		err       string // part of the problem, "" for none
	}{
		{name: "an entry of a proxy is read as it is", har: harOf("mitmproxy", harEntryOf("GET", call, 401, "{}", "authorization", "DPoP t", "dPoP", "p")), exchanges: 1, auth: 1, proofs: 1, body: "{}"},
		{name: "two proofs stay two", har: harOf("mitmproxy", harEntryOf("GET", call, 401, "", "DPoP", "p1", "dpop", "p2")), exchanges: 1, proofs: 2},
		{name: "absence in a browser export without any credential means nothing", har: harOf("WebInspector", harEntryOf("GET", call, 401, "", "DPoP", "p")), exchanges: 1, sanitised: true, hidden: hiddenCredential, proofs: 1},
		{name: "absence in a browser export with a credential elsewhere is absence", har: harOf("Firefox", harEntryOf("GET", call, 200, "", "Authorization", "DPoP t"), harEntryOf("GET", call, 401, "")), exchanges: 2},
		{name: "a cookie shows that a browser export is whole", har: harOf("WebInspector", harEntryOf("GET", call, 401, "", "Cookie", "a=b")), exchanges: 1},
		{name: "a form to the token endpoint needs no Authorization", har: harOf("WebInspector", harEntryOf("POST", call, 400, "", "Content-Type", "application/x-www-form-urlencoded")), exchanges: 1, sanitised: true},
		{name: "a preflight needs no Authorization", har: harOf("Firefox", harEntryOf("OPTIONS", call, 204, "")), exchanges: 1, sanitised: true},
		{name: "discovery needs no Authorization", har: harOf("Firefox", harEntryOf("GET", "https://as.example/.well-known/openid-configuration", 200, "")), exchanges: 1, sanitised: true},
		{name: "absence in the capture of a proxy is absence", har: harOf("Charles", harEntryOf("GET", call, 401, "")), exchanges: 1},
		{name: "pseudo-header fields are not header fields", har: harOf("x", harEntryOf("GET", call, 401, "", ":authority", "api.example", ":method", "GET")), exchanges: 1},
		{name: "a byte order mark is tolerated", har: "\xef\xbb\xbf" + harOf("x", harEntryOf("GET", call, 200, "a")), exchanges: 1, body: "a"},
		{name: "little-endian UTF-16 is decoded", har: harUTF16(harOf("x", harEntryOf("GET", call, 200, "é😀")), false), exchanges: 1, body: "é😀"},
		{name: "big-endian UTF-16 is decoded", har: harUTF16(harOf("x", harEntryOf("GET", call, 200, "é😀")), true), exchanges: 1, body: "é😀"},
		{name: "a status in quotes is a status", har: harOf("x", strings.Replace(harEntryOf("GET", call, 401, "b"), ":401", `:"401"`, 1)), exchanges: 1, body: "b"},
		{name: "entries before a fault are kept", har: harOf("x", harEntryOf("GET", call, 200, "a"), `{"request":oops`), exchanges: 1, body: "a", err: "line 1, entry 2: JSON is broken here"},
		{name: "entries before the end of a cut file are kept", har: strings.TrimSuffix(harOf("x", harEntryOf("GET", call, 200, "a"), harEntryOf("GET", call, 200, "b")), `}]}}`), exchanges: 1, body: "a", err: "entry 2: JSON ends in the middle"},
		{name: "JSON that is no archive is named", har: `{"a":1}`, err: "not an HTTP archive"},
		{name: "an array is no archive", har: `[1]`, err: "JSON object needed, an array found"},
		{name: "entries that are no array are named", har: `{"log":{"entries":{}}}`, err: "JSON array needed, an object found"},
		{name: "an entry without a request is a loss", har: harOf("x", `{}`, harEntryOf("GET", call, 200, "a")), exchanges: 1, body: "a", err: "entry 1: entry without a request"},
		{name: "nesting is limited", har: harOf("x", harEntryOf("GET", call, 200, "a"), `{"_x":`+strings.Repeat("[", MaxJSONDepth)), exchanges: 0, err: "MaxJSONDepth"},
		{name: "an empty file is named", har: "", err: "JSON ends in the middle"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := ReadHAR(strings.NewReader(tt.har))
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if _, ok := errors.AsType[Problem](err); err != nil && !ok {
				t.Errorf("error is a %T, want a Problem", err)
			}
			if len(ev.Exchanges) != tt.exchanges {
				t.Fatalf("%d exchanges, want %d; problems %v", len(ev.Exchanges), tt.exchanges, ev.Problems)
			}
			if ev.Sources[0].Sanitised != tt.sanitised {
				t.Errorf("sanitised %v, want %v", ev.Sources[0].Sanitised, tt.sanitised)
			}
			if tt.exchanges == 0 {
				return
			}
			x := ev.Exchanges[len(ev.Exchanges)-1]
			if x.Request.Hidden != tt.hidden {
				t.Errorf("hidden %b, want %b", x.Request.Hidden, tt.hidden)
			}
			if len(x.Request.Authorization) != tt.auth || len(x.Request.Proofs) != tt.proofs || string(x.Body) != tt.body {
				t.Errorf("%d credentials, %d proofs, body %q; want %d, %d, %q", len(x.Request.Authorization), len(x.Request.Proofs), x.Body, tt.auth, tt.proofs, tt.body)
			}
			for name := range x.RequestHeader {
				if strings.HasPrefix(name, ":") {
					t.Errorf("pseudo-header field %s was stored", name)
				}
			}
			if want := time.Date(2026, 2, 3, 9, 15, 1, 0, time.UTC); !x.Sent.Equal(want) || x.Received.Sub(x.Sent) != 84*time.Millisecond {
				t.Errorf("sent %v received %v", x.Sent, x.Received)
			}
		})
	}
}

func harUTF16(s string, big bool) string {
	out := []byte{0xff, 0xfe}
	if big {
		out = []byte{0xfe, 0xff}
	}
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

func TestHARFaultHasItsLine(t *testing.T) {
	har := "{\"log\":\n{\"entries\":[\n" + harEntryOf("GET", "https://a.example/", 200, "") + ",\n\n{\n\"request\":\n  oops}]}}"
	ev, err := ReadHAR(strings.NewReader(har))
	if err == nil || !strings.Contains(err.Error(), "line 7, entry 2") {
		t.Errorf("got %v, want line 7, entry 2", err)
	}
	if len(ev.Exchanges) != 1 {
		t.Errorf("%d exchanges, want 1", len(ev.Exchanges))
	}
}

func TestHARWithoutAnswer(t *testing.T) {
	e := strings.Replace(harEntryOf("GET", "https://a.example/", 0, ""), `"content"`, `"_error":"net::ERR_FAILED","content"`, 1)
	ev, err := ReadHAR(strings.NewReader(harOf("Chrome", e)))
	if err != nil {
		t.Fatal(err)
	}
	if x := ev.Exchanges[0]; x.Status != 0 || x.Err != "no response was captured: net::ERR_FAILED" {
		t.Errorf("status %d, error %q", x.Status, x.Err)
	}
}

func TestHARPostData(t *testing.T) {
	tests := []struct{ name, post, want string }{
		{"text is taken as it is", `{"mimeType":"x","text":"a=b%20c"}`, "a=b%20c"},
		{"params are put together again", `{"mimeType":"x","params":[{"name":"a","value":"b c"},{"name":"d","value":"e"}]}`, "a=b+c&d=e"},
		{"params that are still encoded stay so", `{"params":[{"name":"u","value":"https%3A%2F%2Fa"}]}`, "u=https%3A%2F%2Fa"},
		{"null is no body", `null`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := strings.Replace(harEntryOf("POST", "https://a.example/token", 200, ""), `"headers"`, `"postData":`+tt.post+`,"headers"`, 1)
			ev, err := ReadHAR(strings.NewReader(harOf("x", e)))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(ev.Exchanges[0].RequestBody); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// packed compresses s; raw is deflate without the zlib frame.
func packed(coding, s string) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, 9)
	}
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.Bytes()
}

func TestBodyCodings(t *testing.T) {
	const plain = `{"error":"invalid_token"}`
	bomb := packed("gzip", strings.Repeat("\x00", MaxBodyDecoded+1))
	tests := []struct {
		name, coding string
		raw          []byte
		want         string
		problem      string
	}{
		{"gzip is removed", "gzip", packed("gzip", plain), plain, ""},
		{"x-gzip is gzip", "x-gzip", packed("gzip", plain), plain, ""},
		{"deflate with the zlib frame is removed", "deflate", packed("deflate", plain), plain, ""},
		{"raw deflate is removed", "deflate", packed("raw", plain), plain, ""},
		{"two codings are removed in reverse", "deflate, gzip", packed("gzip", string(packed("deflate", plain))), plain, ""},
		{"what was decoded already stays", "gzip", []byte(plain), plain, ""},
		{"brotli that was decoded already stays", "br", []byte(plain), plain, ""},
		{"brotli is named", "br", []byte("\x0b\x02\x80\x03\xff\x00"), "", `compressed with "br"`},
		{"zstd is named", "zstd", []byte("\x28\xb5\x2f\xfd\x00\x01"), "", `compressed with "zstd"`},
		{"a cut gzip body gives what there is", "gzip", packed("gzip", plain)[:20], "", "cut or damaged"},
		{"a body that expands without end is refused by its limit", "gzip", bomb, strings.Repeat("\x00", MaxBodyKept), "limit MaxBodyDecoded"},
		{"too many codings are refused", "gzip,gzip,gzip,gzip,gzip", []byte("x"), "", "5 content codings"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := fmt.Sprintf(`{"request":{"method":"GET","url":"https://a.example/","headers":[]},"response":{"status":200,"headers":[{"name":"content-encoding","value":%q}],"content":{"encoding":"base64","text":%q}}}`,
				tt.coding, base64.StdEncoding.EncodeToString(tt.raw))
			ev, err := ReadHAR(strings.NewReader(harOf("x", e)))
			if err != nil {
				t.Fatalf("a body alone must not make a capture broken: %v", err)
			}
			got := string(ev.Exchanges[0].Body)
			if tt.problem == "" && (got != tt.want || len(ev.Problems) > 0) || tt.problem != "" && !strings.HasPrefix(plain, got) && !strings.HasPrefix(tt.want, got) {
				t.Errorf("got %.60q, want %.60q; problems %v", got, tt.want, ev.Problems)
			}
			if tt.problem != "" && (len(ev.Problems) == 0 || !strings.Contains(fmt.Sprint(ev.Problems), tt.problem)) {
				t.Errorf("problems %v, want %q", ev.Problems, tt.problem)
			}
		})
	}
}

func TestHARBytesStoredAsCharacters(t *testing.T) {
	var text strings.Builder
	for _, c := range packed("gzip", "hello") {
		text.WriteRune(rune(c))
	}
	e := strings.Replace(harEntryOf("GET", "https://a.example/", 200, text.String()), `"Content-Type"`, `"Content-Encoding"`, 1)
	e = strings.Replace(e, `"application/json"`, `"gzip"`, 1)
	ev, err := ReadHAR(strings.NewReader(harOf("x", e)))
	if err != nil || string(ev.Exchanges[0].Body) != "hello" {
		t.Errorf("got %q, %v", ev.Exchanges[0].Body, err)
	}
}

func TestHARLimits(t *testing.T) {
	t.Run("a long body is cut and named, a token is not", func(t *testing.T) {
		long, token := `"access_token"`+strings.Repeat("x", MaxBodyKept), `{"access_token":"`+strings.Repeat("t", 64<<10)
		ev, err := ReadHAR(iotest.OneByteReader(strings.NewReader(harOf("x", harEntryOf("GET", "https://a.example/", 200, long), harEntryOf("GET", "https://a.example/", 200, token)))))
		if err != nil || len(ev.Exchanges[0].Body) != MaxBodyKept || len(ev.Exchanges[1].Body) != len(token) {
			t.Errorf("bodies of %d and %d bytes, error %v", len(ev.Exchanges[0].Body), len(ev.Exchanges[1].Body), err)
		}
		if len(ev.Problems) != 1 || ev.Problems[0].Limit != "MaxBodyKept" || ev.Problems[0].Lost {
			t.Errorf("problems %+v", ev.Problems)
		}
	})
	t.Run("header fields are limited", func(t *testing.T) {
		fields := make([]string, 2*(MaxHeaderFields+5))
		for i := range fields {
			fields[i] = "X-" + strconv.Itoa(i)
		}
		_, err := ReadHAR(strings.NewReader(harOf("x", harEntryOf("GET", "https://a.example/", 200, "", fields...))))
		if p, ok := errors.AsType[Problem](err); !ok || p.Limit != "MaxHeaderFields" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("exchanges are limited", func(t *testing.T) {
		one := `{"request":{"method":"GET","url":"u"}}`
		ev, err := ReadHAR(strings.NewReader(harOf("x", one+strings.Repeat(","+one, MaxExchanges))))
		if p, ok := errors.AsType[Problem](err); !ok || p.Limit != "MaxExchanges" || len(ev.Exchanges) != MaxExchanges {
			t.Errorf("%d exchanges, error %v", len(ev.Exchanges), err)
		}
	})
	t.Run("a file beyond the limit is read up to it", func(t *testing.T) {
		ev, err := ReadHAR(io.MultiReader(strings.NewReader(`{"log":{"entries":[`+harEntryOf("GET", "https://a.example/", 200, "a")), &endless{n: 1 << 30}))
		p, ok := errors.AsType[Problem](err)
		if !ok || p.Limit != "MaxFileBytes" || !strings.Contains(p.Text, "file has more than 268435456 bytes (limit MaxFileBytes)") || len(ev.Exchanges) != 1 {
			t.Errorf("%d exchanges, error %v", len(ev.Exchanges), err)
		}
	})
}

// endless gives n blanks.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.n)
	for i := range p[:n] {
		p[i] = ' '
	}
	e.n -= n
	return n, nil
}

// benchHAR gives an archive of about size bytes in 5000 entries. Set
// HOLDFAST_BENCH_HAR_MB for another size.
func benchHAR(size int) []byte {
	const entries = 5000
	body := strings.Repeat("{\"k\":\"value with \\\"quotes\\\"\",\n", max(1, size/entries/36))
	var b bytes.Buffer
	b.WriteString("{\"log\":{\"creator\":{\"name\":\"mitmproxy\"},\"entries\":[\n")
	for i := range entries {
		if i > 0 {
			b.WriteString(",\n")
		}
		b.WriteString(harEntryOf("GET", "https://api.example/items/"+strconv.Itoa(i), 200, body, "Authorization", "DPoP "+strings.Repeat("t", 800), "DPoP", strings.Repeat("p", 600)))
	}
	b.WriteString("]}}")
	return b.Bytes()
}

func BenchmarkReadHAR(b *testing.B) {
	mb := 10
	if s, err := strconv.Atoi(os.Getenv("HOLDFAST_BENCH_HAR_MB")); err == nil {
		mb = s
	}
	data := benchHAR(mb << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		ev, err := ReadHAR(bytes.NewReader(data))
		if err != nil || len(ev.Exchanges) != 5000 {
			b.Fatal(len(ev.Exchanges), err)
		}
	}
}

func TestHARMemoryStaysBelowTheFile(t *testing.T) {
	if testing.Short() {
		t.Skip("generates 60 MB")
	}
	// Bodies far above what is kept: what remains must be far below the file.
	entry := harEntryOf("GET", "https://a.example/", 200, strings.Repeat("x", 3<<20))
	data := []byte(harOf("x", entry+strings.Repeat(","+entry, 19)))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ev, err := ReadHAR(bytes.NewReader(data))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if err != nil || len(ev.Exchanges) != 20 {
		t.Fatal(len(ev.Exchanges), err)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > int64(len(data))/4 {
		t.Errorf("%d bytes are kept of a file of %d", kept, len(data))
	}
	runtime.KeepAlive(ev)
	runtime.KeepAlive(data)
}

func FuzzReadHAR(f *testing.F) {
	f.Add([]byte(harOf("WebInspector", harEntryOf("GET", "https://a.example/x?access_token=1", 401, "{}", "DPoP", "a.b.[REDACTED]"))))
	f.Add([]byte(harUTF16(harOf("x", harEntryOf("GET", "https://a.example/", 200, "é")), true)))
	f.Add([]byte(`{"log":{"entries":[{"request":{"method":"GET","headers":[{"name":":path"}]},"response":{"status":"200","content":{"text":"H4sI","encoding":"base64"}}},`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := ReadHAR(bytes.NewReader(data))
		readersHold(t, ev, err)
	})
}
