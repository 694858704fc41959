package explain

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// ReadCurl reads the output of curl -v or curl --trace-ascii, with or without
// the command lines and the prompt. Of a broken capture it returns what could
// be read together with the [Problem].
func ReadCurl(r io.Reader) (*Evidence, error) { return readAs(r, fileCurl) }

// curlPhase says what the last lines were.
type curlPhase int

const (
	curlIdle     curlPhase = iota // between exchanges
	curlRequest                   // head of a request
	curlWaiting                   // request sent, no answer yet
	curlResponse                  // head of an answer
	curlBody                      // body of an answer
)

// curlReader follows terminal output line by line.
type curlReader struct {
	in    *intake
	phase curlPhase
	line  int
	crlf  int // endings of curl's own lines: 1 CR LF, -1 LF, 0 not known

	cmd      *curlCommand // the last command, nil without one
	urls     []string     // of cmd, not yet requested
	redirect string       // URL that curl said it goes to next
	scheme   string       // of the connection, "" if not known
	secure   map[string]string
	host     string // host of the connection
	h2       []harField

	x      *holdfast.Exchange // being read
	target string
	count  int
	body   []byte
	size   int // bytes of the body, kept or not
	sent   []byte
	full   bool // limit of exchanges reached
	none   bool // nothing was recognised yet
	begun  bool // cmd has an exchange

	trace *curlTrace
}

var (
	curlPrompt   = regexp.MustCompile(`^(?:\S{0,60}[$#%>❯]\s+|[A-Z]:\\[^>]{0,100}>\s*)?(?:time\s+)?(curl(?:\.exe)?\s+\S.*)$`)
	curlStamp    = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{1,9} `)
	curlStart    = regexp.MustCompile(`^([A-Z][A-Z_-]*) (.+) HTTP/\d(?:\.\d)?$`)
	curlStatus   = regexp.MustCompile(`^HTTP/\d(?:\.\d)? (\d{3})\b`)
	curlData     = regexp.MustCompile(`^[{}] \[\d+ bytes data\]\s*$|^[{}] \[data not shown\]\s*$`)
	curlMeter    = regexp.MustCompile(`^\s*% Total\s+% Received\b|^\s+Dload\s+Upload\b|^\s*(?:\d+\s+[\d.]+[kMGT]?\s+\d+\s+[\d.]+[kMGT]?\s+\d+\s+[\d.]+[kMGT]?\s+[\d.]+[kMGT]?\s+[\d.]+[kMGT]?\s+[-\d:]{8}\s+[-\d:]{8}\s+[-\d:]{8}\s+[\d.]+[kMGT]?)\s*$`)
	curlFailed   = regexp.MustCompile(`^curl: \((\d+)\) (.*)$`)
	curlPort     = regexp.MustCompile(`(?:Connected|Established connection) to (\S+) .*port (\d+)`)
	curlAnother  = regexp.MustCompile(`Issue another request to this URL: '([^']*)'`)
	curlPseudo   = regexp.MustCompile(`^(?:\[HTTP/[23]\] \[\d+\]|h2h?3?|h3) \[(:?[^:\]]+): (.*)\]$`)
	curlGlued    = regexp.MustCompile(`\* (?:Connection #\d+ to host |Closing connection|Issue another request to this URL: |Connection #\d+ left)`)
	curlInfoWord = regexp.MustCompile(`^(?:Connect|Clos|Issue |Re-using|Found |Mark|TLS|SSL|HTTP|STATE|Excess|transfer|Fail|Trying|  ?Trying|Host|IPv|schannel|old SSL|we are|Leftover|Ignoring|Could|Curl_|upload|Request|Simul|Maxdown|Using|\[HTTP|ALPN|Server|CA|shutting|no chunk|Send|Recv|GnuTLS|OpenSSL|stopped|Empty|nghttp2|client|Switched|Added|Replaced|Note|Already|is |\s)`)
)

func (in *intake) readCurl(r io.Reader) {
	in.src().NoBodies = true
	c := &curlReader{in: in, secure: map[string]string{}, none: true}
	lines := &curlLines{r: bufio.NewReaderSize(r, 64<<10)}
	for !c.full {
		line, err := lines.next()
		if err != nil {
			if err != io.EOF {
				in.broken(fmt.Sprintf("line %d", c.line), err)
			}
			break
		}
		c.line++
		if bytes.Contains(line, []byte("curl")) && curlPrompt.Match(detectStrip(bytes.TrimRight(line, "\r"))) && c.bodyOpen() {
			line = c.joinCommand(line, lines)
		}
		c.take(line)
	}
	c.traceFlush()
	c.settle()
	if c.none {
		in.lost("", "no line of a curl -v or --trace-ascii capture in it")
	}
}

// curlLineKept bounds one line; the rest of a longer one is dropped.
const curlLineKept = 1 << 20

// curlLines reads lines without their line feed.
type curlLines struct{ r *bufio.Reader }

func (l *curlLines) next() ([]byte, error) {
	var out []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if n := curlLineKept - len(out); n > 0 {
			out = append(out, part[:min(n, len(part))]...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil && len(out) == 0 {
			return nil, err
		}
		return bytes.TrimSuffix(out, []byte{'\n'}), nil
	}
}

// bodyOpen reports whether a line that looks like a command can be one: inside
// an unfinished body of known length it is text.
func (c *curlReader) bodyOpen() bool { return c.phase != curlBody || c.missing() <= 0 }

// missing is how many bytes of the body are still to come, -1 if not known.
func (c *curlReader) missing() int {
	if c.x == nil {
		return -1
	}
	n, err := strconv.Atoi(c.x.Header.Get("Content-Length"))
	if err != nil || c.x.Request.Method == http.MethodHead {
		return -1
	}
	return max(n-c.size, 0)
}

// joinCommand adds the lines that continue a command.
func (c *curlReader) joinCommand(line []byte, lines *curlLines) []byte {
	text := append([]byte(nil), bytes.TrimRight(line, "\r")...)
	open, on := curlContinues(0, string(text))
	for on && len(text) < curlLineKept {
		more, err := lines.next()
		if err != nil {
			break
		}
		c.line++
		more = bytes.TrimRight(more, "\r")
		text = append(append(text, '\n'), more...)
		open, on = curlContinues(open, string(more))
	}
	return text
}

// take reads one line.
func (c *curlReader) take(raw []byte) {
	line := string(detectStrip(raw))
	if c.phase == curlBody && c.missing() > 0 && !curlOwnLine(line) {
		c.bodyLine(line)
		return
	}
	plain := strings.TrimRight(line, "\r")
	if plain != "" && naturalDigit(plain[0]) {
		plain = plain[len(curlStamp.FindString(plain)):]
	}
	if c.takeTrace(plain) {
		return
	}
	switch {
	case strings.Contains(plain, "curl") && curlPrompt.MatchString(plain) || strings.Contains(plain, "\n"):
		c.command(plain)
	case strings.HasPrefix(plain, "* ") && c.isInfo(plain[2:]):
		c.noteEnding(line)
		c.info(plain[2:])
	case plain == ">" || strings.HasPrefix(plain, "> "):
		if !c.sendLine(strings.TrimPrefix(strings.TrimPrefix(plain, ">"), " ")) {
			c.bodyLine(line)
		}
	case plain == "<" || strings.HasPrefix(plain, "< "):
		if !c.recvLine(strings.TrimPrefix(strings.TrimPrefix(plain, "<"), " ")) {
			c.bodyLine(line)
		}
	case strings.HasSuffix(plain, "]") && curlData.MatchString(plain):
	case strings.HasPrefix(plain, "curl: ") && curlFailed.MatchString(plain):
		c.close(plain)
	default:
		c.other(line)
	}
}

// curlOwnLine recognises lines that curl itself prints, to end a body that is
// shorter than announced.
func curlOwnLine(line string) bool {
	return strings.Contains(line, "* ") && curlGlued.MatchString(line) ||
		strings.HasPrefix(line, "curl: ") && curlFailed.MatchString(line) ||
		strings.HasSuffix(line, "]") && curlData.MatchString(line) ||
		strings.HasPrefix(line, "* ") && curlInfoWord.MatchString(line[2:]) ||
		strings.HasPrefix(line, "== Info:") || strings.HasPrefix(line, "=> Send ") || strings.HasPrefix(line, "<= Recv ")
}

// isInfo: outside of a body every starred line is curl's, inside only those
// that begin as curl's do.
func (c *curlReader) isInfo(text string) bool {
	return c.phase != curlBody || curlInfoWord.MatchString(text)
}

// noteEnding learns from curl's own lines whether the file has Windows line
// endings, so that a CR at the end of a body line can be told from one added.
func (c *curlReader) noteEnding(line string) {
	if c.crlf == 0 {
		c.crlf = -1
		if strings.HasSuffix(line, "\r") {
			c.crlf = 1
		}
	}
}

// command starts a new command: what came before is complete.
func (c *curlReader) command(text string) {
	c.settle()
	c.none = false
	if m := curlPrompt.FindStringSubmatch(strings.SplitN(text, "\n", 2)[0]); m != nil {
		text = text[strings.Index(text, m[1]):]
	}
	c.cmd = parseCurlCommand(text)
	c.urls = c.cmd.urls
	c.scheme, c.host, c.redirect, c.h2, c.begun = "", "", "", nil, false
}

// settle completes what the last command left. A command that shows nothing of
// the wire still tells what was asked.
func (c *curlReader) settle() {
	if c.x == nil && c.cmd != nil && !c.begun && len(c.urls) > 0 && !c.full {
		c.ensure()
	}
	c.close("")
}

// info reads a starred line.
func (c *curlReader) info(text string) {
	c.none = false
	if m := curlAnother.FindStringSubmatch(text); m != nil {
		c.close("")
		c.redirect = m[1]
		return
	}
	if m := curlPseudo.FindStringSubmatch(text); m != nil {
		if c.phase == curlBody || c.phase == curlIdle && len(c.h2) > 0 && m[1] == ":method" {
			c.close("")
			c.h2 = nil
		}
		if len(c.h2) < MaxHeaderFields {
			c.h2 = append(c.h2, harField{m[1], m[2]})
		}
		return
	}
	switch {
	case strings.Contains(text, "Connected to "), strings.Contains(text, "Established connection to "):
		if m := curlPort.FindStringSubmatch(text); m != nil {
			c.host, c.scheme = m[1], "http"
			if m[2] == "443" || m[2] == "8443" {
				c.scheme = "https"
			}
			c.remember()
		}
	case strings.HasPrefix(text, "SSL connection using"), strings.HasPrefix(text, "TLSv1"), strings.HasPrefix(text, "ALPN"),
		strings.Contains(text, "Server certificate"), strings.HasPrefix(text, "schannel: "):
		c.scheme = "https"
		c.remember()
	case strings.Contains(text, "OPENED stream for https://"):
		c.scheme = "https"
	case strings.HasPrefix(text, "Re-using existing"):
		if i := strings.LastIndex(text, "host "); i >= 0 {
			c.host = strings.TrimSpace(text[i+len("host "):])
			c.scheme = c.secure[c.host]
		}
		if strings.Contains(text, "existing https:") {
			c.scheme = "https"
		}
	case curlEnds(text):
		if c.phase == curlBody || c.phase == curlResponse {
			c.close("")
		}
	case (c.phase == curlWaiting || c.phase == curlRequest) && curlFatal(text):
		c.x.Err = errText(text)
	}
}

func (c *curlReader) remember() {
	if len(c.secure) < 10_000 {
		c.secure[c.host] = c.scheme
	}
}

func curlEnds(text string) bool {
	return strings.HasPrefix(text, "Connection #") && strings.Contains(text, "left intact") ||
		strings.HasPrefix(text, "Closing connection") || strings.HasPrefix(text, "shutting down connection")
}

// curlFatal recognises info lines that say why no answer came.
func curlFatal(text string) bool {
	for _, s := range [...]string{"Empty reply", "Recv failure", "Send failure", "timed out", "Connection reset", "SSL_ERROR", "was not closed cleanly", "Failed sending"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// sendLine reads a line of a request head. It returns false if the line cannot
// be one, that is, if it belongs to a body.
func (c *curlReader) sendLine(text string) bool {
	if m := curlStart.FindStringSubmatch(text); m != nil {
		c.start(m[1], m[2])
		return true
	}
	switch c.phase {
	case curlRequest:
		if text == "" {
			c.phase = curlWaiting
			return true
		}
		name, value, ok := cutField(text)
		if ok {
			c.in.putField(c.x.RequestHeader, &c.count, name, value, c.place())
		}
		return true
	case curlBody, curlIdle:
		return false
	}
	return true
}

// start begins an exchange.
func (c *curlReader) start(method, target string) {
	c.close("")
	c.none = false
	c.phase, c.count = curlRequest, 0
	c.x, c.begun = &holdfast.Exchange{RequestHeader: http.Header{}, Header: http.Header{}}, true
	c.x.Request.Method = method
	c.target = target
}

func (c *curlReader) place() string { return fmt.Sprintf("line %d", c.line) }

// cutField cuts a header line; the colon of a pseudo-header is not the one.
func cutField(s string) (name, value string, ok bool) {
	if strings.HasPrefix(s, ":") {
		name, value, ok = strings.Cut(s[1:], ":")
		return ":" + name, value, ok
	}
	return strings.Cut(s, ":")
}

// recvLine reads a line of a response head.
func (c *curlReader) recvLine(text string) bool {
	if m := curlStatus.FindStringSubmatch(text); m != nil {
		c.none = false
		if c.x != nil && c.phase == curlBody && c.x.Status != 0 {
			c.close("") // a second answer on the same request line count
		}
		c.ensure()
		c.x.Status, _ = strconv.Atoi(m[1])
		c.x.Header, c.x.Err = http.Header{}, ""
		c.phase, c.count = curlResponse, 0
		return true
	}
	if c.phase == curlBody || c.phase == curlIdle {
		return false
	}
	if c.phase != curlResponse {
		return true
	}
	if text == "" {
		c.phase = curlBody
		if c.x.Status < 200 && c.x.Status != http.StatusSwitchingProtocols {
			c.phase, c.x.Status = curlWaiting, 0
		}
		return true
	}
	if name, value, ok := cutField(text); ok {
		c.in.putField(c.x.Header, &c.count, name, value, c.place())
	}
	return true
}

// ensure makes an exchange where the capture shows none before an answer: from
// HTTP/2 lines, else from the command.
func (c *curlReader) ensure() {
	if c.x != nil {
		return
	}
	c.x, c.begun = &holdfast.Exchange{RequestHeader: http.Header{}, Header: http.Header{}}, true
	c.count = 0
	for _, f := range c.h2 {
		switch f.Name {
		case ":method":
			c.x.Request.Method = f.Value
		case ":path":
			c.target = f.Value
		}
		c.in.putField(c.x.RequestHeader, &c.count, f.Name, f.Value, c.place())
	}
	switch {
	case len(c.h2) > 0:
	case c.cmd != nil:
		c.x.Request.Method = c.cmd.verb()
		for _, f := range c.cmd.fields() {
			c.in.putField(c.x.RequestHeader, &c.count, f.Name, f.Value, c.place())
		}
	default:
		c.x.Request.Hidden = noRequest
	}
}

// other reads a line that is none of curl's: body, or an answer head printed
// by curl -i.
func (c *curlReader) other(line string) {
	plain := strings.TrimRight(line, "\r")
	switch {
	case c.phase == curlResponse && c.plainHead(plain):
	case c.phase != curlResponse && c.phase != curlRequest && curlStatus.MatchString(plain) && (c.cmd != nil || c.x != nil) && len(c.body) == 0:
		c.plainHead(plain)
	case c.phase == curlBody:
		c.bodyLine(line)
	case c.phase == curlIdle && c.cmd != nil && !c.begun && len(c.urls) > 0 && curlOutput(plain):
		c.ensure() // curl without -v shows the body only
		c.phase = curlBody
		c.bodyLine(line)
	}
}

// curlOutput tells output of a command from talk of curl.
func curlOutput(plain string) bool {
	return strings.TrimSpace(plain) != "" && !curlMeter.MatchString(plain) && !strings.HasPrefix(plain, "Warning: ") && !strings.HasPrefix(plain, "Note: ")
}

// plainHead reads response head lines without the "< ".
func (c *curlReader) plainHead(plain string) bool {
	status := c.x
	if status != nil && status.Status != 0 && c.phase == curlBody && curlStatus.MatchString(plain) {
		c.phase = curlResponse // curl -v -i shows the head twice
		status.Header = http.Header{}
		c.count = 0
		return true
	}
	return c.recvLine(plain)
}

// bodyLine adds one line to the body. Info that curl glued to an unfinished
// line is taken off, a progress meter is dropped.
func (c *curlReader) bodyLine(line string) {
	if c.phase != curlBody {
		return
	}
	info := ""
	if strings.Contains(line, "* ") {
		if m := curlGlued.FindAllStringIndex(line, -1); m != nil {
			at := m[len(m)-1][0]
			line, info = line[:at], line[at:]
		}
	}
	keepCR := c.crlf != 1
	if strings.Contains(strings.TrimSuffix(line, "\r"), "\r") || strings.HasPrefix(line, " ") && curlMeter.MatchString(line) {
		if line = curlWithoutMeter(line); line == "" && info == "" {
			return
		}
	}
	if !keepCR && info == "" {
		line = strings.TrimSuffix(line, "\r")
	}
	if info == "" {
		line += "\n"
	}
	c.size += len(line)
	if room := MaxBodyKept + 2 - len(c.body); room > 0 {
		c.body = append(c.body, line[:min(room, len(line))]...)
	}
	if info != "" {
		c.info(strings.TrimRight(info, "\r")[2:])
	}
}

// curlWithoutMeter drops the states of a progress meter, which overwrite each
// other with carriage returns.
func curlWithoutMeter(line string) string {
	var keep []string
	for _, part := range strings.Split(line, "\r") {
		if !curlMeter.MatchString(part) {
			keep = append(keep, part)
		}
	}
	return strings.TrimLeft(strings.Join(keep, "\r"), "\r")
}

// close completes the exchange that is being read. failure is a line such as
// "curl: (52) Empty reply from server".
func (c *curlReader) close(failure string) {
	if failure != "" && c.x == nil && (c.cmd != nil && len(c.urls) > 0 || len(c.h2) > 0) {
		c.ensure()
	}
	if failure != "" && c.x == nil {
		// It tells of the exchange that was just completed, if of any.
		if n := len(c.in.ev.Exchanges); n > 0 && c.in.src().Last > 0 && c.in.ev.Exchanges[n-1].Err == "" && c.in.ev.Exchanges[n-1].Status == 0 {
			c.in.ev.Exchanges[n-1].Err = errText(failure)
		}
		return
	}
	if c.x == nil {
		return
	}
	x := c.x
	if failure != "" && (x.Status == 0 || x.Err == "") {
		x.Err = errText(failure)
	}
	if x.Status == 0 && x.Err == "" {
		x.Err = noAnswer
	}
	tunnel := x.Request.Method == http.MethodConnect && x.Status/100 == 2
	if !tunnel { // a tunnel to a proxy is not the call
		c.finish(x)
	}
	c.x, c.phase, c.body, c.size, c.target, c.sent = nil, curlIdle, nil, 0, "", nil
	if !tunnel {
		c.redirect, c.h2 = "", nil
	}
}

func (c *curlReader) finish(x *holdfast.Exchange) {
	x.Request.URL = c.url(x)
	if x.Request.URL == "" {
		x.Request.Hidden |= holdfast.FactURL
	}
	place := c.place()
	switch {
	case len(c.sent) > 0:
		x.RequestBody = c.in.decodeBody(c.sent, x.RequestHeader, place)
	case c.cmd != nil && x.Request.Method != http.MethodGet && x.Request.Method != http.MethodHead:
		x.RequestBody = c.in.keepBody(c.cmd.body)
	}
	body := c.body
	if n, err := strconv.Atoi(x.Header.Get("Content-Length")); err == nil && n >= 0 && n < len(body) && len(bytes.TrimSpace(body[n:])) == 0 {
		body = body[:n]
	} else if c.trace == nil {
		body = bytes.TrimSuffix(body, []byte{'\n'})
	}
	if c.trace != nil && strings.Contains(strings.ToLower(x.Header.Get("Transfer-Encoding")), "chunked") {
		// Old traces show the chunk framing.
		s := &httpScanner{in: c.in, data: body, chunks: len(body) + 1}
		if b, n, ok := s.chunked(body); ok && n == len(body) {
			body = b
		}
	}
	if len(bytes.TrimSpace(body)) > 0 {
		x.Body = c.in.decodeBody(body, x.Header, place)
	}
	if c.in.add(*x, 0) < 0 {
		c.full = true
	}
}

// url gives the address of x: what curl said or was told, with the target that
// went over the wire.
func (c *curlReader) url(x *holdfast.Exchange) string {
	given := c.redirect
	if given == "" && len(c.urls) > 0 {
		given, c.urls = c.urls[0], c.urls[1:]
	}
	target := c.target
	if strings.Contains(target, "://") { // absolute-form, for a proxy
		return target
	}
	if x.Request.Method == http.MethodConnect {
		return "https://" + target + "/"
	}
	if given != "" {
		base, path := curlSplitURL(given)
		if target == "" {
			target = path
		}
		return base + target
	}
	scheme, host := c.scheme, x.RequestHeader.Get("Host")
	for _, f := range c.h2 {
		switch f.Name {
		case ":scheme":
			scheme = f.Value
		case ":authority":
			host = f.Value
		}
	}
	if host == "" {
		host = c.host
	}
	if host == "" {
		return ""
	}
	if scheme == "" {
		if scheme = c.secure[host]; scheme == "" {
			scheme = "https"
			c.in.src().SchemeAssumed = true
		}
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + strings.TrimPrefix(target, "*")
	}
	return scheme + "://" + host + target
}
