package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// bundle writes an evidence-bundle/1 document with loose members after the
// exchanges.
func (s *scene) bundle(list []*exchange, loose ...member) []byte {
	exchanges := make([]any, 0, len(list))
	for i, e := range list {
		exchanges = append(exchanges, bundleExchange(i+1, e))
	}
	o := object{{"format", "evidence-bundle/1"}, {"observed_at", stamp(s.observed)}, {"vantage", s.vantage}, {"exchanges", exchanges}}
	return indented(append(o, loose...))
}

func bundleExchange(number int, e *exchange) object {
	o := object{{"id", number}, {"started_at", stamp(e.at)}}
	if e.note != "" {
		o = append(o, member{"note", e.note})
	}
	o = append(o, member{"request", bundleRequest(e)})
	if e.err != "" {
		return append(o, member{"error", e.err})
	}
	r := object{{"status", e.status}, {"headers", pairs(e.answers)}}
	switch {
	case e.gzip || e.base64:
		r = append(r, member{"body_base64", base64.StdEncoding.EncodeToString(e.wire())})
	case e.reply != "":
		r = append(r, member{"body", e.reply})
	}
	return append(o, member{"response", r})
}

func bundleRequest(e *exchange) object {
	version := "HTTP/1.1"
	if e.h2 {
		version = "HTTP/2"
	}
	r := object{{"method", e.method}, {"url", e.url}, {"http_version", version}, {"headers", pairs(e.headers)}}
	if e.body != "" {
		r = append(r, member{"body", e.body})
	}
	return r
}

func pairs(headers []header) [][2]string {
	out := [][2]string{}
	for _, h := range headers {
		out = append(out, [2]string{h.name, h.value})
	}
	return out
}

func indented(v any) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, compact(v), "", "  "); err != nil {
		panic(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}
