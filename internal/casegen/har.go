package main

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// har writes a HAR 1.2 document as the named tool would.
func har(creator, version string, list []*exchange) []byte {
	entries := make([]any, 0, len(list))
	for _, e := range list {
		entries = append(entries, harEntry(e))
	}
	log := object{{"version", "1.2"}, {"creator", object{{"name", creator}, {"version", version}}}, {"pages", []any{}}, {"entries", entries}}
	return indented(object{{"log", log}})
}

func harEntry(e *exchange) object {
	entry := object{
		{"startedDateTime", stamp(e.at)},
		{"time", 91},
		{"request", harRequest(e)},
		{"response", harResponse(e)},
		{"cache", object{}},
		{"timings", object{{"send", 1}, {"wait", 87}, {"receive", 3}}},
	}
	if e.h2 {
		entry = append(entry, member{"_priority", "High"}, member{"_resourceType", "fetch"})
	}
	return entry
}

func harRequest(e *exchange) object {
	headers := e.headers
	if e.h2 {
		u := e.parsed()
		pseudo := []header{{":authority", u.Host}, {":method", e.method}, {":path", u.RequestURI()}, {":scheme", u.Scheme}}
		headers = append(pseudo, lowered(headers)...)
	}
	query := []any{}
	for pair := range strings.SplitSeq(e.parsed().RawQuery, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			query = append(query, object{{"name", name}, {"value", value}})
		}
	}
	r := object{
		{"method", e.method},
		{"url", e.url},
		{"httpVersion", harVersion(e)},
		{"cookies", []any{}},
		{"headers", harHeaders(headers)},
		{"queryString", query},
		{"headersSize", -1},
		{"bodySize", len(e.body)},
	}
	if e.body != "" {
		r = append(r, member{"postData", object{{"mimeType", lookup(e.headers, "Content-Type")}, {"text", e.body}}})
	}
	return r
}

func harResponse(e *exchange) object {
	if e.err != "" {
		return object{
			{"status", 0},
			{"statusText", ""},
			{"httpVersion", ""},
			{"cookies", []any{}},
			{"headers", []any{}},
			{"content", object{{"size", 0}, {"mimeType", "x-unknown"}}},
			{"redirectURL", ""},
			{"headersSize", -1},
			{"bodySize", -1},
			{"_error", e.err},
		}
	}
	headers := e.answers
	if e.h2 {
		headers = lowered(headers)
	}
	text := http.StatusText(e.status)
	if e.h2 {
		text = ""
	}
	return object{
		{"status", e.status},
		{"statusText", text},
		{"httpVersion", harVersion(e)},
		{"cookies", []any{}},
		{"headers", harHeaders(headers)},
		{"content", harContent(e)},
		{"redirectURL", lookup(e.answers, "Location")},
		{"headersSize", -1},
		{"bodySize", len(e.wire())},
	}
}

func harContent(e *exchange) object {
	body := e.wire()
	if len(body) == 0 {
		return object{{"size", 0}, {"mimeType", "x-unknown"}}
	}
	c := object{{"size", len(e.reply)}, {"mimeType", lookup(e.answers, "Content-Type")}}
	if e.gzip || e.base64 {
		return append(c, member{"text", base64.StdEncoding.EncodeToString(body)}, member{"encoding", "base64"})
	}
	return append(c, member{"text", string(body)})
}

func harVersion(e *exchange) string {
	if e.h2 {
		return "http/2.0"
	}
	return "HTTP/1.1"
}

func harHeaders(headers []header) []any {
	out := []any{}
	for _, h := range headers {
		out = append(out, object{{"name", h.name}, {"value", h.value}})
	}
	return out
}

func lowered(headers []header) []header {
	var out []header
	for _, h := range headers {
		out = append(out, header{strings.ToLower(h.name), h.value})
	}
	return out
}
