package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// curl writes what a terminal shows for curl -v.
func curl(list []*exchange) []byte {
	var b bytes.Buffer
	for i, e := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		curlCommand(&b, e)
		curlConnect(&b, e, i)
		curlRequest(&b, e)
		curlResponse(&b, e, i)
	}
	return b.Bytes()
}

func curlCommand(b *bytes.Buffer, e *exchange) {
	b.WriteString("$ curl -v ")
	if e.method != "GET" {
		fmt.Fprintf(b, "-X %s ", e.method)
	}
	fmt.Fprintf(b, "'%s'", e.url)
	for _, h := range e.headers {
		fmt.Fprintf(b, " \\\n  -H '%s: %s'", h.name, h.value)
	}
	if e.body != "" {
		fmt.Fprintf(b, " \\\n  --data-raw '%s'", e.body)
	}
	b.WriteByte('\n')
}

func curlConnect(b *bytes.Buffer, e *exchange, i int) {
	host, port := e.parsed().Hostname(), e.parsed().Port()
	if port == "" {
		port = "443"
	}
	address := fmt.Sprintf("203.0.113.%d", 10+i)
	fmt.Fprintf(b, "*   Trying %s:%s...\n* Connected to %s (%s) port %s (#%d)\n", address, port, host, address, port, i)
	b.WriteString("* ALPN: curl offers h2,http/1.1\n* SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384\n")
	if !e.h2 {
		b.WriteString("* ALPN: server accepted http/1.1\n")
		return
	}
	b.WriteString("* ALPN: server accepted h2\n* using HTTP/2\n")
	u := e.parsed()
	fmt.Fprintf(b, "* [HTTP/2] [1] OPENED stream for %s\n", e.url)
	for _, h := range []header{{":method", e.method}, {":scheme", u.Scheme}, {":authority", u.Host}, {":path", u.RequestURI()}} {
		fmt.Fprintf(b, "* [HTTP/2] [1] [%s: %s]\n", h.name, h.value)
	}
}

func curlRequest(b *bytes.Buffer, e *exchange) {
	version := "HTTP/1.1"
	if e.h2 {
		version = "HTTP/2"
	}
	u := e.parsed()
	fmt.Fprintf(b, "> %s %s %s\n> Host: %s\n> User-Agent: curl/8.5.0\n", e.method, u.RequestURI(), version, u.Host)
	if lookup(e.headers, "Accept") == "" {
		b.WriteString("> Accept: */*\n")
	}
	for _, h := range e.headers {
		fmt.Fprintf(b, "> %s: %s\n", h.name, h.value)
	}
	if e.body != "" {
		fmt.Fprintf(b, "> Content-Length: %d\n", len(e.body))
	}
	b.WriteString("> \n")
}

func curlResponse(b *bytes.Buffer, e *exchange, i int) {
	headers := e.answers
	if e.h2 {
		headers = lowered(headers)
		fmt.Fprintf(b, "< HTTP/2 %d \n", e.status)
	} else {
		fmt.Fprintf(b, "< HTTP/1.1 %d %s\n", e.status, http.StatusText(e.status))
	}
	for _, h := range headers {
		fmt.Fprintf(b, "< %s: %s\n", h.name, h.value)
	}
	b.WriteString("< \n")
	if e.reply != "" {
		b.WriteString(strings.TrimSuffix(e.reply, "\n") + "\n")
	}
	fmt.Fprintf(b, "* Connection #%d to host %s left intact\n", i, e.parsed().Hostname())
}
