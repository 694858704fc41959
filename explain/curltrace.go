package explain

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
)

// curlTrace collects one block of curl --trace-ascii or --trace: a title such
// as "=> Send header, 95 bytes (0x5f)" and lines that begin with an offset. A
// gap of two between an offset and the end of the line before is a CR LF.
type curlTrace struct {
	what string // "send header", "recv data", ... "" between blocks
	size int
	data []byte
}

var (
	curlTitle = regexp.MustCompile(`^(=>|<=) (Send|Recv) (SSL )?(header|data), (\d+) bytes \(0x[0-9a-f]+\)$`)
	curlRow   = regexp.MustCompile(`^([0-9a-f]{4,8}): ?(.*)$`)
	curlHex   = regexp.MustCompile(`^((?:[0-9a-f]{2} ){1,16}) *`)
)

// takeTrace reads a line of a trace; false if it is none.
func (c *curlReader) takeTrace(plain string) bool {
	if text, ok := strings.CutPrefix(plain, "== Info:"); ok {
		c.traceFlush()
		c.startTrace()
		c.info(strings.TrimPrefix(text, " "))
		return true
	}
	if m := curlTitle.FindStringSubmatch(plain); m != nil {
		c.traceFlush()
		c.startTrace()
		c.trace.size, _ = strconv.Atoi(m[5])
		c.trace.what = strings.ToLower(m[2] + " " + m[4])
		if m[3] != "" {
			c.trace.what = "ssl"
		}
		return true
	}
	if c.trace == nil || c.trace.what == "" {
		return false
	}
	if m := curlRow.FindStringSubmatch(plain); m != nil {
		c.trace.row(m[1], m[2])
	}
	return true
}

func (c *curlReader) startTrace() {
	c.none = false
	if c.trace == nil {
		c.trace = &curlTrace{}
	}
}

// row puts the text of one line at its offset.
func (t *curlTrace) row(offset, text string) {
	at, err := strconv.ParseUint(offset, 16, 32)
	if err != nil || len(t.data) > MaxBodyKept {
		return
	}
	switch int(at) - len(t.data) {
	case 0:
	case 2:
		t.data = append(t.data, '\r', '\n')
	default:
		return // a line is missing: what follows has no place
	}
	if m := curlHex.FindStringSubmatch(text); m != nil && t.isHex(m[1], text) {
		raw, _ := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
		t.data = append(t.data, raw...)
		return
	}
	t.data = append(t.data, text...)
}

// isHex tells a line of --trace from one of --trace-ascii that happens to
// begin with two hexadecimal digits: its text column repeats the bytes.
func (t *curlTrace) isHex(pairs, text string) bool {
	raw, err := hex.DecodeString(strings.ReplaceAll(pairs, " ", ""))
	return err == nil && len(raw) == min(16, t.size-len(t.data)) && len(text) >= 48 && len(text)-48 <= 17
}

// traceFlush hands a complete block to the line reader.
func (c *curlReader) traceFlush() {
	t := c.trace
	if t == nil || t.what == "" {
		return
	}
	if t.size == len(t.data)+2 {
		t.data = append(t.data, '\r', '\n')
	}
	what, data := t.what, t.data
	t.what, t.data = "", nil
	switch what {
	case "send header":
		for _, l := range curlHeadLines(data) {
			c.sendLine(l)
		}
		if c.phase == curlRequest && bytes.HasSuffix(data, []byte("\r\n\r\n")) {
			c.phase = curlWaiting
		}
	case "recv header":
		if bytes.Equal(data, []byte("\r\n")) {
			c.recvLine("")
			return
		}
		for _, l := range curlHeadLines(data) {
			c.recvLine(l)
		}
	case "send data":
		if room := MaxBodyKept + 1 - len(c.sent); room > 0 && c.x != nil {
			c.sent = append(c.sent, data[:min(room, len(data))]...)
		}
	case "recv data":
		if c.phase != curlBody {
			return
		}
		c.size += t.size
		if room := MaxBodyKept + 1 - len(c.body); room > 0 {
			c.body = append(c.body, data[:min(room, len(data))]...)
		}
	}
}

// curlHeadLines splits a head; the line ending of the last line is no line.
func curlHeadLines(data []byte) []string {
	s := strings.ReplaceAll(string(data), "\r\n", "\n")
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
