package explain

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxCodings bounds a chain of content codings.
const maxCodings = 4

// decodeBody removes the content codings that h names, as far as the bytes
// still carry them: most capturing programs store what they decoded and leave
// the header as it was. The result is a copy, cut at MaxBodyKept.
func (in *intake) decodeBody(raw []byte, h http.Header, place string) []byte {
	if len(raw) == 0 {
		return nil
	}
	codings := bodyCodings(h)
	if len(codings) == 0 {
		return in.keepBody(raw)
	}
	if len(codings) > maxCodings {
		in.remark(place, "body has %d content codings, at most %d are removed; body unread", len(codings), maxCodings)
		return nil
	}
	var r io.Reader = bytes.NewReader(raw)
	head, layers := raw, 0
	for i := len(codings) - 1; i >= 0; i-- {
		next, ok := bodyLayer(codings[i], head, r)
		if !ok {
			in.remark(place, "body is compressed with %s, which is not read here", quoteShort(codings[i]))
			return nil
		}
		if next == nil { // decoded already
			continue
		}
		// The next coding needs to see the first bytes: keep them and put them back.
		first := make([]byte, 512)
		limited := &expandReader{r: next, left: MaxBodyDecoded}
		n, _ := io.ReadFull(limited, first)
		head = first[:n]
		r = io.MultiReader(bytes.NewReader(head), limited)
		layers++
	}
	if layers == 0 {
		return in.keepBody(raw)
	}
	return in.expand(r, place)
}

// expand reads a decompressing reader up to what is kept, and a little further
// to tell an honest long body from one that is made to exhaust memory.
func (in *intake) expand(r io.Reader, place string) []byte {
	var out bytes.Buffer
	_, err := io.Copy(&out, io.LimitReader(r, MaxBodyKept+1))
	if err == nil && out.Len() > MaxBodyKept {
		n, discardErr := io.Copy(io.Discard, io.LimitReader(r, in.budget))
		in.budget -= n
		err = discardErr
	}
	switch l, isLimit := errors.AsType[*limitError](err); {
	case isLimit:
		in.problem(Problem{Place: place, Text: l.Error(), Limit: l.limit})
	case err != nil:
		in.remark(place, "compressed body is cut or damaged, %d bytes of it could be read", out.Len())
	}
	return in.keepBody(out.Bytes())
}

// bodyCodings lists the codings of a message in the order they were applied.
func bodyCodings(h http.Header) []string {
	var out []string
	for _, name := range [...]string{"Content-Encoding", "Transfer-Encoding"} {
		for _, v := range h[name] {
			for _, c := range strings.Split(v, ",") {
				c = strings.ToLower(strings.TrimSpace(c))
				if c != "" && c != "identity" && c != "chunked" {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// bodyLayer opens one coding. A nil reader with ok means that the bytes do not
// carry the coding any more; not ok means that it cannot be removed here.
func bodyLayer(coding string, head []byte, r io.Reader) (layer io.Reader, ok bool) {
	switch coding {
	case "gzip", "x-gzip":
		if len(head) >= 3 && head[0] == 0x1f && head[1] == 0x8b && head[2] == 8 {
			if z, err := gzip.NewReader(r); err == nil {
				return z, true
			}
		}
		return nil, true
	case "deflate":
		if bodyIsText(head) {
			return nil, true
		}
		if len(head) >= 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
			if z, err := zlib.NewReader(r); err == nil {
				return z, true
			}
			return nil, true
		}
		return flate.NewReader(r), true
	}
	return nil, bodyIsText(head)
}

// bodyIsText reports whether b reads as text, that is, was decoded already.
func bodyIsText(b []byte) bool {
	if len(b) > 512 {
		b = b[:512]
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.RuneStart(b[len(b)-1]); i++ {
			b = b[:len(b)-1] // do not judge half a character
		}
		if len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
			b = b[:len(b)-1]
		}
	}
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// expandReader refuses to expand one body beyond its limit.
type expandReader struct {
	r    io.Reader
	left int64
}

func (e *expandReader) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, &limitError{"MaxBodyDecoded", fmt.Sprintf("compressed body expands to more than %d bytes", MaxBodyDecoded)}
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	return n, err
}
