package main

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A header is one field. Order and duplicates are kept.
type header struct{ name, value string }

// An exchange is one request and what came back, before it is written in a
// file format.
type exchange struct {
	at      time.Time
	method  string
	url     string
	headers []header
	body    string
	status  int
	answers []header
	reply   string
	err     string
	note    string
	gzip    bool // the answer's body travels compressed
	base64  bool // a HAR writer encodes the answer's body
	h2      bool // lower-case names and pseudo-headers
}

// call starts an exchange. Each field is "Name: value".
func call(at time.Time, method, target, body string, fields ...string) *exchange {
	e := &exchange{at: at, method: method, url: target, body: body, headers: parseFields(fields)}
	return e
}

// answer completes an exchange. Date follows the request unless it is given.
func (e *exchange) answer(status int, body string, fields ...string) *exchange {
	e.status, e.reply = status, body
	e.answers = parseFields(fields)
	if lookup(e.answers, "Date") == "" {
		e.answers = append([]header{{"Date", httpDate(e.at)}}, e.answers...)
	}
	if body != "" && lookup(e.answers, "Content-Type") == "" {
		e.answers = append(e.answers, header{"Content-Type", contentType(body)})
	}
	return e
}

// breaks ends an exchange with a transport error instead of an answer.
func (e *exchange) breaks(text string) *exchange {
	e.err = text
	return e
}

// zipped makes the answer's body travel compressed.
func (e *exchange) zipped() *exchange {
	e.gzip = true
	e.answers = append(e.answers, header{"Content-Encoding", "gzip"})
	return e
}

// wire is the answer's body as it travelled.
func (e *exchange) wire() []byte {
	if !e.gzip {
		return []byte(e.reply)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write([]byte(e.reply)))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (e *exchange) parsed() *url.URL { return must(url.Parse(e.url)) }

func parseFields(fields []string) []header {
	var out []header
	for _, f := range fields {
		name, value, ok := strings.Cut(f, ": ")
		if !ok {
			panic("not a field: " + f)
		}
		out = append(out, header{name, value})
	}
	return out
}

func lookup(headers []header, name string) string {
	for _, h := range headers {
		if strings.EqualFold(h.name, name) {
			return h.value
		}
	}
	return ""
}

func httpDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func contentType(body string) string {
	switch body[0] {
	case '{', '[':
		return "application/json"
	case '<':
		return "text/html"
	}
	return "text/plain; charset=utf-8"
}

// form is a request body in the order given: name, value, name, value.
func form(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	return b.String()
}

const (
	formType = "Content-Type: application/x-www-form-urlencoded"
	jsonType = "Content-Type: application/json"
)

func auth(scheme, token string) string { return "Authorization: " + scheme + " " + token }

func dpop(value string) string { return "DPoP: " + value }
