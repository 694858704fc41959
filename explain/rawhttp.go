package explain

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// ReadHTTP reads one or more raw HTTP messages, or a transcript of sections
// that begin with lines such as "=== 1 request https 2026-01-02T03:04:05Z".
func ReadHTTP(r io.Reader) (*Evidence, error) { return readAs(r, fileRequest) }

// httpMessage is one raw message. Content codings are still in place.
type httpMessage struct {
	request bool
	method  string
	target  string
	status  int
	pseudo  map[string]string // HTTP/2 pseudo-header fields that were written out
	header  http.Header
	body    []byte // a view into the input
	at      int    // line of the start line
}

// httpScanner splits a file into messages.
type httpScanner struct {
	in     *intake
	data   []byte
	pos    int
	line   int // line of pos
	chunks int // work that may still go into chunk framing that proves false
}

func (in *intake) httpMessages(data []byte) []httpMessage {
	s := &httpScanner{in: in, data: data, line: 1, chunks: len(data) + 1024}
	var out []httpMessage
	for {
		m, ok := s.next()
		if !ok {
			return out
		}
		if !m.request && m.status < 200 && m.status != http.StatusSwitchingProtocols {
			continue // an interim answer is not the answer
		}
		if out = append(out, m); len(out) > 2*MaxExchanges {
			return out // add refuses the rest by its limit
		}
	}
}

// advance moves to pos and counts the lines between.
func (s *httpScanner) advance(pos int) {
	s.line += bytes.Count(s.data[s.pos:pos], []byte{'\n'})
	s.pos = pos
}

// next returns the next message.
func (s *httpScanner) next() (m httpMessage, ok bool) {
	start := s.pos + httpNextStart(s.data[s.pos:])
	if junk := bytes.TrimSpace(s.data[s.pos:start]); len(junk) > 0 {
		s.in.lost(fmt.Sprintf("line %d", s.line), "%d bytes are neither request line nor status line", len(junk))
	}
	s.advance(start)
	if start == len(s.data) {
		return m, false
	}
	m.at = s.line
	rest := s.head(&m, s.data[start:])
	var n int
	m.body, n = s.body(&m, rest)
	s.advance(len(s.data) - len(rest) + n)
	return m, true
}

// head reads start line and fields and returns what follows the empty line.
func (s *httpScanner) head(m *httpMessage, data []byte) []byte {
	place := fmt.Sprintf("line %d", m.at)
	m.header = http.Header{}
	count := 0
	var name string
	var value []byte
	flush := func() {
		if name != "" {
			s.in.putField(m.header, &count, name, string(value), place)
		}
		name, value = "", value[:0]
	}
	defer flush()
	line, rest := httpLine(data)
	if line[0] != ':' {
		m.startLine(line)
		line, rest = httpLine(rest)
	}
	for bad := false; len(line) > 0; line, rest = httpLine(rest) {
		if (line[0] == ' ' || line[0] == '\t') && name != "" { // obs-fold, RFC 9112 section 5.2
			value = append(append(value, ' '), bytes.TrimSpace(line)...)
			continue
		}
		flush()
		if line[0] == ':' {
			m.pseudoField(string(line))
			continue
		}
		n, v, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(n) == 0 {
			if !bad {
				s.in.remark(place, "message has a header line without a colon")
			}
			bad = true
			continue
		}
		name, value = string(n), append(value[:0], v...)
	}
	return rest
}

func (m *httpMessage) startLine(line []byte) {
	first, rest, _ := strings.Cut(string(line), " ")
	if strings.HasPrefix(first, "HTTP/") {
		code, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		m.status, _ = strconv.Atoi(code)
		return
	}
	m.request, m.method = true, first
	m.target = strings.TrimSpace(rest)
	if i := strings.LastIndex(m.target, " HTTP/"); i >= 0 {
		m.target = strings.TrimSpace(m.target[:i])
	}
}

// pseudoField reads ":method: GET" as some tools print HTTP/2 heads.
func (m *httpMessage) pseudoField(line string) {
	name, value, _ := strings.Cut(line[1:], ":")
	name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
	if m.pseudo == nil {
		m.pseudo = map[string]string{}
	}
	m.pseudo[":"+name] = value
	switch name {
	case "method":
		m.request, m.method = true, value
	case "path":
		m.request, m.target = true, value
	case "scheme", "authority":
		m.request = true
	case "status":
		m.status, _ = strconv.Atoi(value)
	}
}

// body finds the body at the front of rest and how far it reaches. Captures
// are edited by hand and by tools, so a length that leads into the middle of
// something is not believed: the body then ends where the next message begins.
func (s *httpScanner) body(m *httpMessage, rest []byte) (body []byte, n int) {
	if m.status == http.StatusNoContent || m.status == http.StatusNotModified || !m.request && m.status < 200 {
		return nil, 0
	}
	if te := strings.ToLower(strings.Join(m.header["Transfer-Encoding"], ",")); strings.Contains(te, "chunked") {
		if b, n, ok := s.chunked(rest); ok {
			return b, n
		}
	}
	if length, err := strconv.Atoi(m.header.Get("Content-Length")); err == nil && length >= 0 && length <= len(rest) {
		after := rest[length:]
		near := after[:min(len(after), 4096)] // a longer run of empty lines is not looked through again and again
		if skip := len(near) - len(bytes.TrimLeft(near, "\r\n")); skip == len(after) || httpIsStart(after[skip:]) {
			return rest[:length], length
		}
	}
	n = httpNextStart(rest)
	body = rest[:n]
	if n < len(rest) || len(bytes.TrimSpace(body)) == 0 {
		body = bytes.TrimRight(body, "\r\n")
	}
	if length, err := strconv.Atoi(m.header.Get("Content-Length")); err == nil && length > len(body) && len(body) > 0 && !marked(string(body[max(0, len(body)-200):])) {
		s.in.remark(fmt.Sprintf("line %d", m.at), "body has %d of the %d bytes that Content-Length announces", len(body), length)
	}
	return body, n
}

// chunked removes chunk framing. It first walks the sizes and copies only if
// they lead to an end, so that false framing costs little.
func (s *httpScanner) chunked(rest []byte) (body []byte, n int, ok bool) {
	type span struct{ from, to int }
	var spans []span
	pos := 0
	for {
		if s.chunks--; s.chunks < 0 {
			return nil, 0, false
		}
		line, after := httpLine(rest[pos:])
		text, _, _ := strings.Cut(string(line[:min(len(line), 64)]), ";")
		size, err := strconv.ParseUint(strings.TrimSpace(text), 16, 31)
		if err != nil {
			return nil, 0, false
		}
		pos = len(rest) - len(after)
		if size == 0 {
			break
		}
		if int(size) > len(after) {
			return nil, 0, false
		}
		spans = append(spans, span{pos, pos + int(size)})
		pos += int(size)
		end, after := httpLine(rest[pos:])
		if len(end) > 0 {
			return nil, 0, false
		}
		pos = len(rest) - len(after)
	}
	for pos < len(rest) { // trailer fields
		line, after := httpLine(rest[pos:])
		if httpIsStart(rest[pos:]) {
			break
		}
		pos = len(rest) - len(after)
		if len(line) == 0 {
			break
		}
	}
	for _, c := range spans {
		body = append(body, rest[c.from:c.to]...)
	}
	return body, pos, true
}

// httpLine cuts the first line off, without its ending.
func httpLine(data []byte) (line, rest []byte) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return bytes.TrimSuffix(data, []byte{'\r'}), nil
	}
	return bytes.TrimSuffix(data[:i], []byte{'\r'}), data[i+1:]
}

// httpNextStart returns the offset of the first line that begins a message,
// or the length of data.
func httpNextStart(data []byte) int {
	for pos := 0; pos < len(data); {
		if httpIsStart(data[pos:]) {
			return pos
		}
		i := bytes.IndexByte(data[pos:], '\n')
		if i < 0 {
			break
		}
		pos += i + 1
	}
	return len(data)
}

// httpIsStart reports whether data begins with a request line, a status line or
// the pseudo-header fields of HTTP/2.
func httpIsStart(data []byte) bool {
	if len(data) == 0 {
		return false
	}
	switch c := data[0]; {
	case c == ':':
		for _, p := range [...]string{":method:", ":status:", ":authority:", ":scheme:", ":path:"} {
			if bytes.HasPrefix(data, []byte(p)) {
				return true
			}
		}
		return false
	case c < 'A' || c > 'Z':
		return false
	}
	if bytes.HasPrefix(data, []byte("HTTP/")) {
		_, rest, ok := bytes.Cut(data[:min(len(data), 20)], []byte{' '})
		return ok && len(rest) >= 3 && httpDigits(rest[:3])
	}
	i := 0
	for i < len(data) && i < 24 && (data[i] >= 'A' && data[i] <= 'Z' || data[i] == '-' || data[i] == '_') {
		i++
	}
	if i == len(data) || data[i] != ' ' {
		return false
	}
	line, _ := httpLine(data[:min(len(data), 64<<10)])
	j := bytes.LastIndex(line, []byte(" HTTP/"))
	return j > i && bytes.IndexByte(line[j+1:], ' ') < 0
}

func httpDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// httpURL gives the URL as the client addressed it. Without a scheme in the
// capture https is assumed, and the source says so.
func (in *intake) httpURL(m *httpMessage, scheme string) (string, holdfast.Fact) {
	if strings.Contains(m.target, "://") && !strings.HasPrefix(m.target, "/") { // absolute-form, RFC 9112 section 3.2.2
		return m.target, 0
	}
	host := m.header.Get("Host")
	if a := m.pseudo[":authority"]; a != "" {
		host = a
	}
	if s := m.pseudo[":scheme"]; s != "" && scheme == "" {
		scheme = s
	}
	if host == "" {
		return m.target, holdfast.FactURL
	}
	if scheme == "" {
		scheme = "https"
		in.src().SchemeAssumed = true
	}
	target := m.target
	if !strings.HasPrefix(target, "/") {
		if target == "*" || m.method == http.MethodConnect {
			target = ""
		}
		target = "/" + target
	}
	return scheme + "://" + host + target, 0
}

// fillRequest puts m into x.
func (in *intake) fillRequest(x *holdfast.Exchange, m *httpMessage, scheme string, sent time.Time) {
	x.Request.Method = m.method
	x.Request.URL, x.Request.Hidden = in.httpURL(m, scheme)
	x.RequestHeader = m.header
	x.RequestBody = in.decodeBody(m.body, m.header, fmt.Sprintf("line %d", m.at))
	x.Sent = sent
	presentFields(x)
}

// fillResponse puts m into x.
func (in *intake) fillResponse(x *holdfast.Exchange, m *httpMessage) {
	x.Status, x.Header, x.Err = m.status, m.header, ""
	x.Body = in.decodeBody(m.body, m.header, fmt.Sprintf("line %d", m.at))
}

// noRequest is what is hidden if only an answer was captured.
const noRequest = holdfast.FactMethod | holdfast.FactURL | holdfast.FactAuthorization | holdfast.FactProof | holdfast.FactTokenValue

// pairing says which exchange a message of a file of its own belongs to.
type pairing struct {
	key    string // the same for the request and its answer, "" if not known
	number int    // number that the manifest gives, 0 without
	scheme string
	sent   time.Time
}

// readMessages reads raw messages. Answers go to the requests of the same file
// in order; the first one of a file without requests goes to its pair.
func (in *intake) readMessages(data []byte, p pairing) {
	messages := in.httpMessages(data)
	if len(messages) == 0 {
		in.lost("", "no request line and no status line in it")
	}
	var waiting []int // requests of this file without an answer
	first := true
	for i := range messages {
		m := &messages[i]
		if m.request {
			at, ok := in.seatOf(p, first)
			if !ok || in.ev.Exchanges[at].Request.Method != "" {
				if at = in.add(holdfast.Exchange{Header: http.Header{}}, firstNumber(p, first)); at < 0 {
					return
				}
				in.takeSeat(p, first, at)
			}
			in.fillRequest(&in.ev.Exchanges[at], m, p.scheme, p.sent)
			in.covers(in.ev.Exchanges[at].ID)
			if in.ev.Exchanges[at].Status == 0 {
				waiting = append(waiting, at)
			}
			first = false
			continue
		}
		at := -1
		if len(waiting) > 0 {
			at, waiting = waiting[0], waiting[1:]
		} else if seat, ok := in.seatOf(p, first); ok && in.ev.Exchanges[seat].Status == 0 {
			at = seat
		} else if last := len(in.ev.Exchanges) - 1; first && p.number == 0 && in.openRequest(last) {
			at = last
		} else {
			x := holdfast.Exchange{RequestHeader: http.Header{}}
			x.Request.Hidden = noRequest
			if at = in.add(x, firstNumber(p, first)); at < 0 {
				return
			}
			in.takeSeat(p, first, at)
		}
		in.fillResponse(&in.ev.Exchanges[at], m)
		in.covers(in.ev.Exchanges[at].ID)
		first = false
	}
}

// firstNumber: only the first message of a file has the number of the manifest.
func firstNumber(p pairing, first bool) int {
	if first {
		return p.number
	}
	return 0
}

func (in *intake) seatOf(p pairing, first bool) (int, bool) {
	if p.key == "" || !first {
		return 0, false
	}
	at, ok := in.seat[p.key]
	return at, ok
}

// openRequest reports whether exchange at is a request that the file just
// before this one ended with: a response that comes alone is its answer.
func (in *intake) openRequest(at int) bool {
	if at < 0 || in.source < 1 {
		return false
	}
	x, before := &in.ev.Exchanges[at], &in.ev.Sources[in.source-1]
	return x.Status == 0 && x.Err == "" && x.Request.Method != "" && before.Kind == fileRequest && before.Last == x.ID
}

func (in *intake) takeSeat(p pairing, first bool, at int) {
	if p.key != "" && first {
		in.seat[p.key] = at
	}
}

// readNoAnswer reads a file that says why there is no response.
func (in *intake) readNoAnswer(data []byte, p pairing) {
	text := errText(string(data))
	at, ok := in.seatOf(p, true)
	if !ok {
		x := holdfast.Exchange{RequestHeader: http.Header{}, Header: http.Header{}}
		x.Request.Hidden = noRequest
		if at = in.add(x, p.number); at < 0 {
			return
		}
		in.takeSeat(p, true, at)
	}
	if x := &in.ev.Exchanges[at]; x.Status == 0 {
		x.Err = text
	}
	in.covers(in.ev.Exchanges[at].ID)
}

// maxErrText is how much of an error text is kept.
const maxErrText = 500

// errText cleans what the capturing side said: one line, bounded.
func errText(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s[:min(len(s), 4*maxErrText)], "?")), " ")
	if len(s) > maxErrText {
		s = strings.ToValidUTF8(s[:maxErrText], "")
	}
	if s == "" {
		return noAnswer
	}
	return s
}
