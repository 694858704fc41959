package explain

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/holdfast-oauth/holdfast"
)

// transcriptMark is a line such as "=== 2 request https 2026-01-02T03:04:05Z".
type transcriptMark struct {
	number       int
	what         string // request, response, error
	scheme, time string
}

// transcriptLine reads a mark; ok is false for any other line.
func transcriptLine(line []byte) (m transcriptMark, ok bool) {
	if !bytes.HasPrefix(line, []byte("=== ")) || len(line) > 200 {
		return m, false
	}
	f := strings.Fields(string(line[4:]))
	if len(f) < 2 {
		return m, false
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 0 || f[1] != "request" && f[1] != "response" && f[1] != "error" {
		return m, false
	}
	m.number, m.what = n, f[1]
	for _, s := range f[2:] {
		if s == "http" || s == "https" {
			m.scheme = s
		} else {
			m.time = s
		}
	}
	return m, true
}

// readTranscript reads sections of raw messages.
func (in *intake) readTranscript(data []byte) {
	seats := map[int]int{} // number in the file -> index of its exchange
	line := 1
	for len(data) > 0 {
		text, rest := httpLine(data)
		m, ok := transcriptLine(text)
		if !ok {
			n := transcriptNext(data)
			if len(bytes.TrimSpace(data[:n])) > 0 {
				in.lost(fmt.Sprintf("line %d", line), "text before the first line that begins with ===")
			}
			line += bytes.Count(data[:n], []byte{'\n'})
			data = data[n:]
			continue
		}
		n := transcriptNext(rest)
		if !in.transcriptSection(m, rest[:n], seats, line) {
			return
		}
		line += 1 + bytes.Count(rest[:n], []byte{'\n'})
		data = rest[n:]
	}
}

// transcriptNext returns the offset of the next mark.
func transcriptNext(data []byte) int {
	for pos := 0; pos < len(data); {
		line, rest := httpLine(data[pos:])
		if _, ok := transcriptLine(line); ok {
			return pos
		}
		pos = len(data) - len(rest)
	}
	return len(data)
}

// transcriptSection reads one section; false if the limit of exchanges is
// reached.
func (in *intake) transcriptSection(m transcriptMark, data []byte, seats map[int]int, line int) bool {
	place := fmt.Sprintf("line %d", line)
	at, known := seats[m.number]
	if !known || m.what == "request" {
		x := holdfast.Exchange{RequestHeader: http.Header{}, Header: http.Header{}}
		if m.what != "request" {
			x.Request.Hidden = noRequest
		}
		if at = in.add(x, m.number); at < 0 {
			return false
		}
		seats[m.number] = at
	}
	x := &in.ev.Exchanges[at]
	if m.what == "error" {
		x.Err = errText(string(data))
		return true
	}
	messages := in.httpMessages(transcriptTrim(data))
	for i := range messages {
		if messages[i].request == (m.what == "request") {
			if m.what == "request" {
				in.fillRequest(x, &messages[i], m.scheme, captureTime(m.time))
			} else {
				in.fillResponse(x, &messages[i])
				x.Received = captureTime(m.time)
			}
			return true
		}
	}
	in.lost(place, "section %d has no %s in it", m.number, m.what)
	return true
}

// transcriptTrim drops the line ending that stands before the next mark.
func transcriptTrim(data []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(data, []byte{'\n'}), []byte{'\r'})
}
