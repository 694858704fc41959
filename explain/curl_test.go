package explain

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

const curlHTTP1 = `*   Trying 203.0.113.10:443...
* Connected to api.example (203.0.113.10) port 443 (#0)
* ALPN: curl offers h2,http/1.1
* SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384
> GET /x?y=1 HTTP/1.1
> Host: api.example
> Accept: */*
> Authorization: DPoP tok
> DPoP: p1
> dpop: p2
>
{ [5 bytes data]
< HTTP/1.1 401 Unauthorized
< Date: Sat, 10 May 2025 02:29:03 GMT
< Content-Type: application/json
<
{"error":"invalid_token"}
* Connection #0 to host api.example left intact
`

const curlHTTP2 = `* Connected to api.example (203.0.113.10) port 443
* using HTTP/2
* [HTTP/2] [1] OPENED stream for https://api.example/x
* [HTTP/2] [1] [:method: POST]
* [HTTP/2] [1] [:scheme: https]
* [HTTP/2] [1] [:authority: api.example]
* [HTTP/2] [1] [:path: /x]
* [HTTP/2] [1] [authorization: DPoP tok]
* [HTTP/2] [1] [dpop: p1]
> POST /x HTTP/2
> host: api.example
> authorization: DPoP tok
> dpop: p1
>
< HTTP/2 401
< content-type: application/json
< www-authenticate: DPoP error="invalid_token"
<
* Connection #0 to host api.example left intact
`

const curlTraceASCII = `== Info:   Trying 127.0.0.1:443...
== Info: Connected to api.example (127.0.0.1) port 443 (#0)
== Info: SSL connection using TLSv1.3
=> Send SSL data, 5 bytes (0x5)
0000: .....
=> Send header, 153 bytes (0x99)
0000: POST /token HTTP/1.1
0016: Host: api.example
0029: DPoP: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
0069: bbbb
006f: Content-Length: 9
0082: X-Y: 0123456789abcdef
0097: 
=> Send data, 9 bytes (0x9)
0000: a=b&c=d&e
<= Recv header, 26 bytes (0x1a)
0000: HTTP/1.1 400 Bad Request
<= Recv header, 21 bytes (0x15)
0000: DPoP-Nonce: n-000001
<= Recv header, 2 bytes (0x2)
0000: 
<= Recv data, 26 bytes (0x1a)
0000: {"error":"use_dpop_nonce"}
== Info: Connection #0 to host api.example left intact
`

func TestReadCurl(t *testing.T) {
	type want struct {
		method, url string
		status      int
		auth        int
		proofs      int
		sent, body  string
		err         string
		hidden      holdfast.Fact
	}
	full := want{method: "GET", url: "https://api.example/x?y=1", status: 401, auth: 1, proofs: 2, body: `{"error":"invalid_token"}`}
	command := "$ curl -v 'https://api.example/x?y=1' \\\n  -H 'Authorization: DPoP tok' \\\n  -H 'DPoP: p1'\n"
	tests := []struct {
		name, text string
		want       []want
	}{
		{"output with its command", command + curlHTTP1, []want{full}},
		{"a capture without the command", curlHTTP1, []want{full}},
		{"Windows line endings", strings.ReplaceAll(command+curlHTTP1, "\n", "\r\n"), []want{full}},
		{"colours of the terminal", strings.ReplaceAll(curlHTTP1, "Content-Type:", "\x1b[1mContent-Type\x1b[0m:"), []want{full}},
		{"times before every line", "10:15:30.123456 " + strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(curlHTTP1, "{\"error\":\"invalid_token\"}\n", "")), "\n", "\n10:15:30.123456 "), []want{{method: "GET", url: full.url, status: 401, auth: 1, proofs: 2}}},
		{"info glued to a body without line end", strings.Replace(curlHTTP1, "}\n*", "}*", 1), []want{full}},
		{"a progress meter around the body", strings.Replace(curlHTTP1, `{"error"`, "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\r100    25  100    25    0     0    100      0 --:--:-- --:--:-- --:--:--   100\r{\"error\"", 1), []want{full}},
		{"HTTP/2 with the new lines", curlHTTP2, []want{{method: "POST", url: "https://api.example/x", status: 401, auth: 1, proofs: 1}}},
		{"HTTP/2 with only the new lines", strings.NewReplacer("> POST /x HTTP/2\n", "", "> host: api.example\n", "", "> authorization: DPoP tok\n", "", "> dpop: p1\n", "", ">\n", "").Replace(curlHTTP2), []want{{method: "POST", url: "https://api.example/x", status: 401, auth: 1, proofs: 1}}},
		{"several commands", command + curlHTTP1 + "\n" + command + curlHTTP1, []want{full, full}},
		{
			"a redirect gives two exchanges", "$ curl -vL https://a.example/x\n> GET /x HTTP/1.1\n> Host: a.example\n>\n< HTTP/1.1 302 Found\n< Location: /y\n<\n* Ignoring the response-body\n* Connection #0 to host a.example left intact\n* Issue another request to this URL: 'https://a.example/y'\n* Re-using existing connection with host a.example\n> GET /y HTTP/1.1\n> Host: a.example\n>\n< HTTP/1.1 200 OK\n<\nok\n",
			[]want{{method: "GET", url: "https://a.example/x", status: 302}, {method: "GET", url: "https://a.example/y", status: 200, body: "ok"}},
		},
		{
			"a connection that was reset", "$ curl -v https://a.example/x\n* Connected to a.example (1.2.3.4) port 443\n> GET /x HTTP/1.1\n> Host: a.example\n>\n* Closing connection\ncurl: (56) Recv failure: Connection reset by peer\n",
			[]want{{method: "GET", url: "https://a.example/x", err: "curl: (56) Recv failure: Connection reset by peer"}},
		},
		{
			"a host that was not found", "$ curl -v https://a.example/x\n* Could not resolve host: a.example\ncurl: (6) Could not resolve host: a.example\n",
			[]want{{method: "GET", url: "https://a.example/x", err: "curl: (6) Could not resolve host: a.example"}},
		},
		{
			"the body comes from the command", "$ curl -v https://a.example/token -d grant_type=x -d 'a=b c' --data-urlencode 'u=https://c'\n> POST /token HTTP/1.1\n> Host: a.example\n>\n< HTTP/1.1 200 OK\n<\n",
			[]want{{method: "POST", url: "https://a.example/token", status: 200, sent: "grant_type=x&a=b c&u=https%3A%2F%2Fc"}},
		},
		{"an interim answer is not the answer", "> GET / HTTP/1.1\n> Host: a.example\n>\n< HTTP/1.1 103 Early Hints\n< Link: x\n<\n< HTTP/1.1 204 No Content\n<\n", []want{{method: "GET", url: "https://a.example/", status: 204}}},
		{"a tunnel to a proxy is not the call", "* Connected to proxy (1.1.1.1) port 3128\n> CONNECT a.example:443 HTTP/1.1\n> Host: a.example:443\n>\n< HTTP/1.1 200 Connection established\n<\n* SSL connection using TLSv1.3\n> GET / HTTP/1.1\n> Host: a.example\n>\n< HTTP/1.1 200 OK\n<\n", []want{{method: "GET", url: "https://a.example/", status: 200}}},
		{"plain http is told by the port", "* Connected to localhost (127.0.0.1) port 8080\n> GET / HTTP/1.1\n> Host: localhost:8080\n>\n< HTTP/1.1 200 OK\n<\n", []want{{method: "GET", url: "http://localhost:8080/", status: 200}}},
		{"an announced length protects the body", "> GET / HTTP/1.1\n> Host: a.example\n>\n< HTTP/1.1 200 OK\n< Content-Length: 50\n<\n> GET /forged HTTP/1.1\n> Host: evil.example\n>\nabc\n12\n* Connection #0 to host a.example left intact\n", []want{{method: "GET", url: "https://a.example/", status: 200, body: "> GET /forged HTTP/1.1\n> Host: evil.example\n>\nabc\n12"}}},
		{"-i instead of -v", "$ curl -i https://a.example/x -H 'DPoP: p'\nHTTP/1.1 401 Unauthorized\nDate: x\n\n{}\n", []want{{method: "GET", url: "https://a.example/x", status: 401, proofs: 1, body: "{}"}}},
		{"neither -i nor -v", "$ curl https://a.example/x -H 'DPoP: p'\n{\"error\":\"x\"}\n", []want{{method: "GET", url: "https://a.example/x", proofs: 1, body: `{"error":"x"}`, err: "no response was captured"}}},
		{"a shell variable is unknown", "$ curl https://a.example/x -H \"Authorization: DPoP $TOKEN\" -H \"DPoP: $(make-proof)\"\n", []want{{method: "GET", url: "https://a.example/x", auth: 1, proofs: 1, err: "no response was captured", hidden: holdfast.FactTokenValue | holdfast.FactProof}}},
		{"trace-ascii with wrapped lines", curlTraceASCII, []want{{method: "POST", url: "https://api.example/token", status: 400, proofs: 1, sent: "a=b&c=d&e", body: `{"error":"use_dpop_nonce"}`}}},
		{"an answer alone", "< HTTP/1.1 401 Unauthorized\n< Date: x\n<\n", []want{{status: 401, hidden: noRequest}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := ReadCurl(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(ev.Exchanges) != len(tt.want) {
				t.Fatalf("%d exchanges, want %d", len(ev.Exchanges), len(tt.want))
			}
			if !ev.Sources[0].NoBodies {
				t.Error("source does not say that request bodies are missing")
			}
			for i, w := range tt.want {
				x := ev.Exchanges[i]
				got := want{x.Request.Method, x.Request.URL, x.Status, len(x.Request.Authorization), len(x.Request.Proofs), string(x.RequestBody), string(x.Body), x.Err, x.Request.Hidden}
				if got != w {
					t.Errorf("exchange %d:\n got %+v\nwant %+v", i+1, got, w)
				}
			}
		})
	}
}

func TestCurlTraceJoinsWrappedLines(t *testing.T) {
	ev, err := ReadCurl(strings.NewReader(curlTraceASCII))
	if err != nil {
		t.Fatal(err)
	}
	x := ev.Exchanges[0]
	if got, want := x.Request.Proofs[0].Reveal(), strings.Repeat("a", 58)+"bbbb"; got != want {
		t.Errorf("proof %q, want %q", got, want)
	}
	if got := x.Header.Get("Dpop-Nonce"); got != "n-000001" {
		t.Errorf("nonce %q", got)
	}
}

func TestCurlHexTrace(t *testing.T) {
	block := func(title string, data string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s, %d bytes (0x%x)\n", title, len(data), len(data))
		for i := 0; i < len(data); i += 16 {
			row := data[i:min(i+16, len(data))]
			fmt.Fprintf(&b, "%04x: %-48s", i, strings.TrimPrefix(fmt.Sprintf("% x ", row), " "))
			for _, c := range []byte(row) {
				if c < 0x20 || c > 0x7e {
					c = '.'
				}
				b.WriteByte(c)
			}
			b.WriteByte('\n')
		}
		return b.String()
	}
	text := block("=> Send header", "GET /x HTTP/1.1\r\nHost: a.example\r\nDPoP: proof\r\n\r\n") +
		block("<= Recv header", "HTTP/1.1 401 Unauthorized\r\n") + block("<= Recv header", "\r\n") + block("<= Recv data", "a\r\nb\x01")
	ev, err := ReadCurl(strings.NewReader(text))
	if err != nil || len(ev.Exchanges) != 1 {
		t.Fatal(err, ev)
	}
	if x := ev.Exchanges[0]; x.Request.URL != "https://a.example/x" || x.Request.Proofs[0].Reveal() != "proof" || string(x.Body) != "a\r\nb\x01" {
		t.Errorf("url %q, body %q", x.Request.URL, x.Body)
	}
}

func TestCurlCommandWords(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"single quotes keep everything", `curl 'a "b" $c \d'`, []string{"curl", `a "b" $c \d`}},
		{"double quotes keep blanks and read escapes", `curl "a \"b\" \\ \x"`, []string{"curl", `a "b" \ \x`}},
		{"dollar quotes read escapes", `curl $'a\tb\x41\u00e9\''`, []string{"curl", "a\tbAé'"}},
		{"parts without blank between are one word", `curl 'a'b"c"`, []string{"curl", "abc"}},
		{"a line continues after a backslash", "curl a \\\n b", []string{"curl", "a", "b"}},
		{"a line continues after a caret", "curl a ^\n b", []string{"curl", "a", "b"}},
		{"a pipe ends the command", "curl a | jq .", []string{"curl", "a"}},
		{"a redirection ends the command", "curl a 2>&1", []string{"curl", "a"}},
		{"an empty word is a word", `curl "" a`, []string{"curl", "", "a"}},
		{"an open quote ends with the text", `curl 'a b`, []string{"curl", "a b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := curlWords(tt.text); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCurlCommandOptions(t *testing.T) {
	tests := []struct{ text, method, url, body, header string }{
		{"curl -sSvXPOST https://a/b", "POST", "https://a/b", "", "[]"},
		{"curl -X PUT --url https://a/b", "PUT", "https://a/b", "", "[]"},
		{"curl -I https://a", "HEAD", "https://a/", "", "[]"},
		{"curl --head https://a?x", "HEAD", "https://a/?x", "", "[]"},
		{"curl -G https://a/b?x=1 -d y=2 -d z=3", "GET", "https://a/b?x=1&y=2&z=3", "y=2&z=3", "[]"},
		{`curl https://a/b --json '{"a":1}'`, "POST", "https://a/b", `{"a":1}`, "[{Content-Type application/json} {Accept application/json}]"},
		{"curl https://a/b -d@file", "POST", "https://a/b", "[REDACTED file contents]", "[{Content-Type application/x-www-form-urlencoded}]"},
		{"curl https://u:p@a/b#f", "GET", "https://a/b", "", "[{Authorization Basic dTpw}]"},
		{"curl -u u:p https://a/b", "GET", "https://a/b", "", "[{Authorization Basic dTpw}]"},
		{"curl --oauth2-bearer t https://a/b -o out -w '%{http_code}' --max-time 3", "GET", "https://a/b", "", "[{Authorization Bearer t}]"},
		{"curl a.example/b -HX-A:1 -H 'Accept:' -A agent", "GET", "http://a.example/b", "", "[{User-Agent agent} {X-A 1}]"},
		{"curl --request=DELETE https://a/b", "DELETE", "https://a/b", "", "[]"},
		{"curl -T f https://a/b", "PUT", "https://a/b", "", "[]"},
		{"curl -F a=b https://a/b", "POST", "https://a/b", "", "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			c := parseCurlCommand(tt.text)
			if len(c.urls) != 1 {
				t.Fatalf("urls %q", c.urls)
			}
			if got := fmt.Sprint(c.fields()); c.verb() != tt.method || c.urls[0] != tt.url || string(c.body) != tt.body || got != tt.header {
				t.Errorf("got %s %s body %q header %s\nwant %s %s body %q header %s", c.verb(), c.urls[0], c.body, got, tt.method, tt.url, tt.body, tt.header)
			}
		})
	}
}

func TestCurlOfSomethingElse(t *testing.T) {
	if _, err := ReadCurl(strings.NewReader("a poem\nof two lines\n")); err == nil || !strings.Contains(err.Error(), "no line of a curl") {
		t.Errorf("got %v", err)
	}
}

func TestCurlFileLimit(t *testing.T) {
	ev, err := ReadCurl(io.MultiReader(strings.NewReader(curlHTTP1), &endless{n: MaxFileBytes + 10}))
	if p, ok := err.(Problem); !ok || p.Limit != "MaxFileBytes" || len(ev.Exchanges) != 1 {
		t.Errorf("%d exchanges, %v", len(ev.Exchanges), err)
	}
}

func BenchmarkReadCurl(b *testing.B) {
	data := []byte(strings.Repeat(curlHTTP1+strings.Repeat("a line of some body that is printed after the answer\n", 100), 1000))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if ev, err := ReadCurl(bytes.NewReader(data)); err != nil || len(ev.Exchanges) != 1000 {
			b.Fatal(err)
		}
	}
}

func FuzzReadCurl(f *testing.F) {
	f.Add([]byte(curlHTTP1))
	f.Add([]byte(curlHTTP2))
	f.Add([]byte(curlTraceASCII))
	f.Add([]byte("$ curl -v \"https://a/$X\" $'\\x41' -d @f \\\n -H 'a: b'\n> POST / HTTP/1.1\n< HTTP/1.1 200\n<\n* Issue another request to this URL: 'x'\ncurl: (1) x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := ReadCurl(bytes.NewReader(data))
		readersHold(t, ev, err)
	})
}
