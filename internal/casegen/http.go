package main

import (
	"bytes"
	"fmt"
	"net/http"
)

// rawRequest is the request's exact bytes.
func rawRequest(e *exchange) []byte {
	var b bytes.Buffer
	u := e.parsed()
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", e.method, u.RequestURI())
	if lookup(e.headers, "Host") == "" {
		fmt.Fprintf(&b, "Host: %s\r\n", u.Host)
	}
	writeFields(&b, e.headers)
	if e.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(e.body))
	}
	b.WriteString("\r\n" + e.body)
	return b.Bytes()
}

// rawResponse is the answer's exact bytes.
func rawResponse(e *exchange) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", e.status, http.StatusText(e.status))
	writeFields(&b, e.answers)
	body := e.wire()
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(body))
	b.Write(body)
	return b.Bytes()
}

func writeFields(b *bytes.Buffer, headers []header) {
	for _, h := range headers {
		fmt.Fprintf(b, "%s: %s\r\n", h.name, h.value)
	}
}

// transcript writes several raw messages one after the other.
func transcript(list []*exchange) []byte {
	var b bytes.Buffer
	for i, e := range list {
		fmt.Fprintf(&b, "=== %d request %s %s\r\n", i+1, e.parsed().Scheme, stamp(e.at))
		b.Write(rawRequest(e))
		b.WriteString("\r\n")
		if e.err != "" {
			fmt.Fprintf(&b, "=== %d error\r\n%s\r\n", i+1, e.err)
			continue
		}
		fmt.Fprintf(&b, "=== %d response\r\n", i+1)
		b.Write(rawResponse(e))
		b.WriteString("\r\n")
	}
	return b.Bytes()
}
