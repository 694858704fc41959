package explain

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// detectHead is how much of a file is looked at to tell its kind.
const detectHead = 64 << 10

// accepted says what can be read, for problem texts.
const accepted = "accepted are HAR, curl -v or --trace-ascii output, raw HTTP messages, transcripts, evidence bundles, " +
	"JWK sets, server metadata, token and introspection responses, server logs, server configuration, browser console text and notes"

// detectKind tells the kind of a file by its first bytes. If the file is no
// evidence, kind is "" and looks names what it looks like.
func detectKind(head []byte) (kind, looks string) {
	trimmed := bytes.TrimLeft(head, " \t\r\n")
	if len(trimmed) == 0 {
		return "", "an empty file"
	}
	for _, m := range detectMagic {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return "", m.looks
		}
	}
	if looks := detectForeign(trimmed); looks != "" {
		return "", looks
	}
	if trimmed[0] == '{' || trimmed[0] == '[' {
		if kind, looks, ok := detectJSON(trimmed); ok {
			return kind, looks
		}
	}
	return detectText(head), ""
}

// detectMagic are the first bytes of files that people attach by mistake.
var detectMagic = [...]struct{ magic, looks string }{
	{"\x89PNG", "a PNG image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"GIF8", "a GIF image"},
	{"%PDF", "a PDF document"},
	{"PK\x03\x04", "a ZIP archive: unpack it first"},
	{"\x1f\x8b", "a gzip file: unpack it first"},
	{"BZh", "a bzip2 file: unpack it first"},
	{"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"},
	{"\xfd7zXZ", "an xz file: unpack it first"},
	{"7z\xbc\xaf", "a 7z archive: unpack it first"},
	{"\x0a\x0d\x0d\x0a", "a packet capture: export the HTTP messages as text"},
	{"\xd4\xc3\xb2\xa1", "a packet capture: export the HTTP messages as text"},
	{"\xa1\xb2\xc3\xd4", "a packet capture: export the HTTP messages as text"},
	{"\x7fELF", "a program"},
	{"MZ\x90", "a program"},
	{"SQLite format 3", "an SQLite database"},
	{"RIFF", "an image or a recording"},
}

// detectForeign recognises what has no fixed first bytes.
func detectForeign(head []byte) string {
	start := strings.ToLower(string(head[:min(len(head), 200)]))
	switch {
	case strings.HasPrefix(start, "<!doctype html"), strings.HasPrefix(start, "<html"):
		return "an HTML page"
	case strings.HasPrefix(start, "<?xml"), strings.HasPrefix(start, "<svg"):
		return "an XML document"
	case strings.Contains(start, "-----begin ") && strings.Contains(start, "private key-----"):
		return "a private key: keep it, it is not evidence"
	}
	control := 0
	for _, c := range head {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\b' && c != 0x1b {
			control++
		}
	}
	if bytes.IndexByte(head[:min(len(head), 512)], 0) >= 0 || control*20 > len(head) {
		return "a binary file"
	}
	return ""
}

// detectJSON looks at the members at the top of a JSON text.
func detectJSON(head []byte) (kind, looks string, ok bool) {
	keys, inner := detectKeys(head)
	has := func(names ...string) bool {
		for _, n := range names {
			if !keys[n] {
				return false
			}
		}
		return true
	}
	switch {
	case has("log") && (inner["entries"] || inner["version"] || inner["creator"] || inner["pages"] || inner["browser"]):
		return fileHAR, "", true
	case has("exchanges"), has("format") && bytes.Contains(head[:min(len(head), 4096)], []byte(`"evidence-bundle/`)):
		return fileBundle, "", true
	case has("keys"):
		return KindJWKS, "", true
	case has("resource", "authorization_servers"), has("resource", "bearer_methods_supported"),
		has("resource", "dpop_bound_access_tokens_required"), has("resource", "scopes_supported"):
		return KindMetadata, "", true
	case has("issuer") && detectSuffix(keys, "_endpoint", "_supported", "jwks_uri"):
		return KindMetadata, "", true
	case has("access_token"):
		return KindTokenResponse, "", true
	case has("active"):
		return KindIntrospection, "", true
	case has("kty"):
		return "", "a single JWK: put it into a JWK set, and only if it is public", true
	case detectSuffix(keys, "time", "timestamp", "ts", "@timestamp") && detectSuffix(keys, "level", "severity", "msg", "message"):
		return KindServerLog, "", true
	case len(keys) > 0 && head[0] == '{':
		return KindServerConfig, "", true
	}
	return "", "", false
}

func detectSuffix(keys map[string]bool, ends ...string) bool {
	for k := range keys {
		for _, e := range ends {
			if strings.HasSuffix(strings.ToLower(k), e) {
				return true
			}
		}
	}
	return false
}

// detectKeys collects the keys of the outermost object and of its member
// "log", as far as head reaches.
func detectKeys(head []byte) (keys, log map[string]bool) {
	keys, log = map[string]bool{}, map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(head))
	type level struct{ object, key bool } // key: the next string is a key
	var stack []level
	var last string
	for n := 0; n < 50_000; n++ {
		t, err := dec.Token()
		if err != nil || len(stack) > MaxJSONDepth {
			break
		}
		if d, ok := t.(json.Delim); ok {
			if d == '{' || d == '[' {
				stack = append(stack, level{d == '{', d == '{'})
				continue
			}
			stack = stack[:len(stack)-1]
		} else if top := len(stack) - 1; top >= 0 && stack[top].object && stack[top].key {
			s, _ := t.(string)
			switch {
			case top == 0:
				keys[s], last = true, s
			case top == 1 && last == "log":
				log[s] = true
			}
			stack[top].key = false
			continue
		}
		if len(stack) == 0 {
			break
		}
		stack[len(stack)-1].key = stack[len(stack)-1].object
	}
	return keys, log
}

var (
	detectCurlLine = regexp.MustCompile(`(?m)^(?:\d\d:\d\d:\d\d\.\d+ )?(?:\* (?:  Trying|Trying|Host |Connected to|Could not|Closing|Connection #|ALPN|TLS|SSL|About to|Re-using|Using HTTP|\[HTTP)|\*   Trying|> [A-Z]+ \S+ HTTP/|< HTTP/\d|curl: \(\d+\))`)
	detectCurlCmd  = regexp.MustCompile(`(?m)^(?:\S{0,60}[$#%>❯]\s+|[A-Z]:\\[^>\n]{0,100}>\s*)?curl(?:\.exe)?\s+\S`)
	detectTrace    = regexp.MustCompile(`(?m)^(?:\d\d:\d\d:\d\d\.\d+ )?(?:== Info:|=> Send (?:SSL )?(?:header|data)|<= Recv (?:SSL )?(?:header|data))`)
	detectSections = regexp.MustCompile(`(?m)^=== \d+ (?:request|response|error)\b`)
	detectConsole  = regexp.MustCompile(`(?m)(blocked by CORS policy|Cross-Origin Request Blocked|net::ERR_|Failed to load resource|Refused to (?:get|set) unsafe header|Uncaught (?:\(in promise\) )?\w*|^(?:GET|POST|PUT|DELETE|PATCH|OPTIONS|HEAD) https?://\S+ \d{3}(?: \([^)]*\))?\s*$|\b[\w.-]+\.(?:js|ts|html):\d+|^\[(?:Error|Warning|Log)\])`)
	detectLogLine  = regexp.MustCompile(`^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\[?\d{1,2}/[A-Z][a-z]{2}/\d{4}|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d\d:\d\d:\d\d[.,]\d+|\S+ \S+ \S+ \[\d\d/[A-Z]|\[?(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b|(?:trce|dbug|info|warn|fail|crit): |(?:time|ts|level)=|\{.*"(?:time|ts|timestamp|@timestamp|level|severity|msg)")`)
	detectConfLine = regexp.MustCompile(`^(?:[\w.\-"]+\s*[:=]\s*\S*.*|\[[\w.\-" ]+\]|-\s+\S.*|[\w.\-"]+:|(?:server|location|upstream|http|stream|map|if)\b.*\{|\}|(?:proxy_\w+|listen|server_name|include|set|add_header|ssl_\w+|return|rewrite|RequestHeader|Header|ProxyPass\w*|ServerName|<\/?\w+.*>)\b.*)$`)
)

// detectText tells kinds of text apart by lines that only one of them has.
func detectText(head []byte) string {
	plain := detectStrip(head)
	trimmed := bytes.TrimLeft(plain, " \t\r\n")
	switch {
	case detectSections.Match(plain):
		return fileTranscript
	case detectTrace.Match(plain), detectCurlLine.Match(plain) && !httpIsStart(trimmed):
		return fileCurl
	case httpIsStart(trimmed):
		if bytes.HasPrefix(trimmed, []byte("HTTP/")) || bytes.HasPrefix(trimmed, []byte(":status")) {
			return fileResponse
		}
		return fileRequest
	case detectCurlCmd.Match(plain):
		return fileCurl
	case bytes.HasPrefix(trimmed, []byte("-----BEGIN CERTIFICATE")):
		return KindCertificate
	}
	logs, conf, lines := 0, 0, 0
	for rest := trimmed; len(rest) > 0 && lines < 200; {
		var line []byte
		line, rest = httpLine(rest)
		text := bytes.TrimSpace(line)
		if len(text) == 0 || text[0] == '#' || text[0] == ';' {
			continue
		}
		lines++
		text = text[:min(len(text), 400)]
		switch {
		case detectLogLine.Match(text):
			logs++
		case detectConfLine.Match(text):
			conf++
		}
	}
	switch {
	case detectConsole.Match(plain) && logs*2 <= lines:
		return KindConsole
	case logs > 0 && logs*4 >= lines:
		return KindServerLog
	case lines > 1 && conf*4 >= lines*3:
		return KindServerConfig
	}
	return KindNote
}

var detectANSI = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// detectStrip removes terminal colours.
func detectStrip(b []byte) []byte {
	if bytes.IndexByte(b, 0x1b) < 0 {
		return b
	}
	return detectANSI.ReplaceAll(b, nil)
}

// detectEncoding returns r as UTF-8 without a byte order mark. UTF-16 is what
// a PowerShell redirection writes.
func detectEncoding(r io.Reader) *bufio.Reader {
	br := bufio.NewReaderSize(r, detectHead)
	head, _ := br.Peek(3)
	switch {
	case len(head) >= 2 && head[0] == 0xff && head[1] == 0xfe:
		_, _ = br.Discard(2)
		return bufio.NewReaderSize(&utf16Reader{r: br, low: 0, high: 1}, detectHead)
	case len(head) >= 2 && head[0] == 0xfe && head[1] == 0xff:
		_, _ = br.Discard(2)
		return bufio.NewReaderSize(&utf16Reader{r: br, low: 1, high: 0}, detectHead)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = br.Discard(3)
	}
	return br
}

// utf16Reader turns UTF-16 into UTF-8.
type utf16Reader struct {
	r         *bufio.Reader
	low, high int    // index of the low and the high byte of a unit
	out       []byte // decoded and not yet returned
	held      rune   // first half of a surrogate pair, 0 if none
	err       error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) fill() {
	u.out = u.out[:0]
	var unit [2]byte
	for len(u.out) < 4096 {
		if _, err := io.ReadFull(u.r, unit[:]); err != nil {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			if u.held != 0 {
				u.out, u.held = utf8.AppendRune(u.out, utf8.RuneError), 0
			}
			u.err = err
			return
		}
		r := rune(unit[u.high])<<8 | rune(unit[u.low])
		if u.held != 0 {
			pair := utf16.DecodeRune(u.held, r)
			u.held = 0
			u.out = utf8.AppendRune(u.out, pair)
			if pair != utf8.RuneError {
				continue
			}
		}
		if r >= 0xd800 && r < 0xdc00 {
			u.held = r
			continue
		}
		u.out = utf8.AppendRune(u.out, r)
	}
}
