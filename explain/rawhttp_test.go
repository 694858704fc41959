package explain

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

func TestReadHTTP(t *testing.T) {
	type want struct {
		method, url string
		status      int
		proofs      int
		sent, body  string
	}
	get := "GET /x HTTP/1.1\r\nHost: a.example\r\nDPoP: p1\r\ndpop: p2\r\n\r\n"
	got := want{method: "GET", url: "https://a.example/x", proofs: 2}
	answered := func(w want, status int, body string) want { w.status, w.body = status, body; return w }
	tests := []struct {
		name, text string
		want       []want
		problem    string
	}{
		{"a request alone", get, []want{got}, ""},
		{"a request with its answer", get + "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}", []want{answered(got, 401, "{}")}, ""},
		{"lines that end with LF only", strings.ReplaceAll(get+"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}\n", "\r\n", "\n"), []want{answered(got, 401, "{}")}, ""},
		{"two pairs", get + "HTTP/1.1 401 U\r\n\r\nfirst\r\n" + get + "HTTP/1.1 200 OK\r\n\r\nsecond", []want{answered(got, 401, "first"), answered(got, 200, "second")}, ""},
		{"pipelined requests are answered in order", get + get + "HTTP/1.1 401 U\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb", []want{answered(got, 401, "a"), answered(got, 200, "b")}, ""},
		{"an interim answer is skipped", get + "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", []want{answered(got, 204, "")}, ""},
		{"a chunked body", get + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n" + get, []want{answered(got, 200, "abcde"), got}, ""},
		{"a body that only says that it is chunked", get + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nplain", []want{answered(got, 200, "plain")}, ""},
		{"a length that is too long", get + "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", []want{answered(got, 200, "short")}, "5 of the 99 bytes"},
		{"a length that is too short is not believed", "POST /t HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\na=b&c=d", []want{{method: "POST", url: "https://a.example/t", sent: "a=b&c=d"}}, ""},
		{"a folded field", "GET / HTTP/1.1\r\nHost: a.example\r\nDPoP: a\r\n b\r\n\r\n", []want{{method: "GET", url: "https://a.example/", proofs: 1}}, ""},
		{"the absolute form", "GET http://b.example:8080/y HTTP/1.1\r\nHost: a.example\r\n\r\n", []want{{method: "GET", url: "http://b.example:8080/y"}}, ""},
		{"names as in HTTP/2", "GET /x HTTP/2\nhost: a.example\ndpop: p\n\n", []want{{method: "GET", url: "https://a.example/x", proofs: 1}}, ""},
		{"pseudo-header fields written out", ":method: GET\n:scheme: https\n:authority: a.example:8443\n:path: /x\ndpop: p\n\n:status: 401\n\nno", []want{{method: "GET", url: "https://a.example:8443/x", proofs: 1, status: 401, body: "no"}}, ""},
		{"a compressed body", get + "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + string(packed("gzip", "zipped")), []want{answered(got, 200, "zipped")}, ""},
		{"a target of its own", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", []want{{method: "OPTIONS", url: "https://a.example/"}}, ""},
		{"text before the first message", "see here:\n" + get, []want{got}, "9 bytes are neither"},
		{"a header line without a colon", "GET / HTTP/1.1\r\nHost: a.example\r\nsecret\r\n\r\n", []want{{method: "GET", url: "https://a.example/"}}, "header line without a colon"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, _ := ReadHTTP(strings.NewReader(tt.text))
			if len(ev.Exchanges) != len(tt.want) {
				t.Fatalf("%d exchanges, want %d; problems %v", len(ev.Exchanges), len(tt.want), ev.Problems)
			}
			for i, w := range tt.want {
				x := ev.Exchanges[i]
				got := want{x.Request.Method, x.Request.URL, x.Status, len(x.Request.Proofs), string(x.RequestBody), string(x.Body)}
				if got != w {
					t.Errorf("exchange %d:\n got %+v\nwant %+v", i+1, got, w)
				}
			}
			if tt.problem == "" && len(ev.Problems) > 0 || tt.problem != "" && (len(ev.Problems) == 0 || !strings.Contains(ev.Problems[0].Text, tt.problem)) {
				t.Errorf("problems %v, want %q", ev.Problems, tt.problem)
			}
		})
	}
}

func TestHTTPAnswerAlone(t *testing.T) {
	ev, err := ReadHTTP(strings.NewReader("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: DPoP\r\n\r\n"))
	if err != nil || len(ev.Exchanges) != 1 {
		t.Fatal(ev, err)
	}
	if x := ev.Exchanges[0]; x.Status != 401 || x.Request.Hidden != noRequest {
		t.Errorf("status %d, hidden %b", x.Status, x.Request.Hidden)
	}
}

func TestHTTPSchemeIsAssumedAloud(t *testing.T) {
	ev, err := ReadHTTP(strings.NewReader("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"))
	if err != nil || !ev.Sources[0].SchemeAssumed {
		t.Errorf("source %+v, error %v", ev.Sources, err)
	}
	ev, err = ReadHTTP(strings.NewReader("GET / HTTP/1.1\r\n\r\n"))
	if err != nil || ev.Exchanges[0].Request.Hidden&holdfast.FactURL == 0 {
		t.Error("a request without host has a URL")
	}
}

func TestHTTPOfSomethingElse(t *testing.T) {
	_, err := ReadHTTP(strings.NewReader("hello\nworld\n"))
	if p, ok := errors.AsType[Problem](err); !ok || !p.Lost {
		t.Errorf("got %v", err)
	}
}

const transcript = "=== 1 request https 2025-11-26T15:58:40.000Z\r\nGET /u HTTP/1.1\r\nHost: t.example\r\nDPoP: p\r\n\r\n\r\n" +
	"=== 1 response\r\nHTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}\r\n" +
	"=== 2 request http 2025-11-26T15:58:45.000Z\r\nPOST /t HTTP/1.1\r\nHost: t.example:80\r\n\r\na=b\r\n" +
	"=== 2 error\r\nconnection reset\r\nby peer\r\n"

func TestTranscript(t *testing.T) {
	ev, err := ReadHTTP(strings.NewReader(transcript))
	if err != nil || len(ev.Exchanges) != 2 || len(ev.Problems) > 0 {
		t.Fatal(ev, err, ev.Problems)
	}
	one, two := ev.Exchanges[0], ev.Exchanges[1]
	if one.Request.URL != "https://t.example/u" || one.Status != 429 || string(one.Body) != "{}" || len(one.RequestBody) != 0 {
		t.Errorf("first: %s, %d, %q, %q", one.Request.URL, one.Status, one.Body, one.RequestBody)
	}
	if !one.Sent.Equal(time.Date(2025, 11, 26, 15, 58, 40, 0, time.UTC)) {
		t.Errorf("sent %v", one.Sent)
	}
	if two.Request.URL != "http://t.example:80/t" || string(two.RequestBody) != "a=b" || two.Err != "connection reset by peer" {
		t.Errorf("second: %s, %q, %q", two.Request.URL, two.RequestBody, two.Err)
	}
}

func TestTranscriptFaults(t *testing.T) {
	tests := []struct{ name, text, problem string }{
		{"text before the first mark", "hi\n" + transcript, "line 1: text before the first line"},
		{"a section without its message", "=== 1 request https\nnothing\n=== 1 response\nHTTP/1.1 200 OK\n\n", "section 1 has no request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, _ := ReadHTTP(strings.NewReader(tt.text))
			found := false
			for _, p := range ev.Problems {
				found = found || strings.Contains(p.Error(), tt.problem)
			}
			if !found {
				t.Errorf("problems %v, want %q", ev.Problems, tt.problem)
			}
		})
	}
}

func FuzzReadHTTP(f *testing.F) {
	f.Add([]byte(transcript))
	f.Add([]byte("GET http://a/ HTTP/1.1\r\nHost: a\r\nDPoP: ***\r\n x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: deflate\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte(":method: GET\n:path: /\n\n:status: 200\n\nHTTP/1.1 100\n\nPOST"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := ReadHTTP(bytes.NewReader(data))
		readersHold(t, ev, err)
	})
}
