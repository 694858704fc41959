package explain

import (
	"strings"
	"testing"
)

func TestDetectKind(t *testing.T) {
	tests := []struct{ name, text, kind, looks string }{
		{"an archive", harOf("x"), fileHAR, ""},
		{"an archive whose entries come late", `{"log":{"version":"1.2","pages":[`, fileHAR, ""},
		{"a bundle", bundleFull, fileBundle, ""},
		{"a bundle without format", `{"exchanges":[]}`, fileBundle, ""},
		{"a key set", `{"keys":[{"kty":"EC"}]}`, KindJWKS, ""},
		{"server metadata", `{"issuer":"https://a","token_endpoint":"https://a/t"}`, KindMetadata, ""},
		{"resource metadata", `{"resource":"https://a","authorization_servers":["https://b"]}`, KindMetadata, ""},
		{"a token response", `{"access_token":"t","token_type":"DPoP"}`, KindTokenResponse, ""},
		{"an introspection response", `{"active":true,"cnf":{}}`, KindIntrospection, ""},
		{"configuration in JSON", `{"Keycloak":{"realm":"r"}}`, KindServerConfig, ""},
		{"configuration whose inner names look like others", `{"x":{"access_token":"t","keys":[]}}`, KindServerConfig, ""},
		{"log lines in JSON", "{\"time\":\"2026\",\"level\":\"info\",\"msg\":\"a\"}\n{\"time\":\"2026\",\"level\":\"info\",\"msg\":\"b\"}\n", KindServerLog, ""},
		{"a request", rawGet, fileRequest, ""},
		{"a response", raw401, fileResponse, ""},
		{"a transcript", transcript, fileTranscript, ""},
		{"curl -v", curlHTTP1, fileCurl, ""},
		{"curl -v of HTTP/2", curlHTTP2, fileCurl, ""},
		{"curl --trace-ascii", curlTraceASCII, fileCurl, ""},
		{"a curl command", "user@host:~$ curl https://a.example/ -H 'DPoP: x'\n{}\n", fileCurl, ""},
		{"a console of a browser", "Access to fetch at 'https://a' from origin 'https://b' has been blocked by CORS policy: x\napp.js:12 Uncaught TypeError\n", KindConsole, ""},
		{"a log", "2026-01-01T00:00:00Z INFO a\n  at x.y\n2026-01-01T00:00:01Z WARN b\n", KindServerLog, ""},
		{"an access log", `1.2.3.4 - - [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" 401 12`, KindServerLog, ""},
		{"a log of the system", "Jan  2 03:04:05 host svc[1]: x\n", KindServerLog, ""},
		{"YAML", "server:\n  port: 8080\n  forward-headers-strategy: none\n", KindServerConfig, ""},
		{"INI", "[dpop]\nleeway = 5\n; note\nnonce = true\n", KindServerConfig, ""},
		{"nginx", "server {\n  listen 443 ssl;\n  location / {\n    proxy_pass http://app:3000;\n  }\n}\n", KindServerConfig, ""},
		{"properties", "spring.security.x=1\nserver.port=80\n", KindServerConfig, ""},
		{"a certificate", "-----BEGIN CERTIFICATE-----\nMII\n", KindCertificate, ""},
		{"a note", "It fails since Monday, but only on one pod.\nNobody changed anything.\n", KindNote, ""},
		{"a private key", "-----BEGIN EC PRIVATE KEY-----\nMII\n", "", "private key"},
		{"a PNG", "\x89PNG\r\n\x1a\n", "", "PNG"},
		{"a PDF", "%PDF-1.7", "", "PDF"},
		{"a ZIP", "PK\x03\x04abc", "", "ZIP"},
		{"a gzip file", "\x1f\x8b\x08", "", "gzip"},
		{"a packet capture", "\x0a\x0d\x0d\x0a\x00\x00", "", "packet capture"},
		{"bytes", "\x00\x01\x02\x03", "", "binary"},
		{"a page", "\n<html><body>", "", "HTML page"},
		{"XML", `<?xml version="1.0"?>`, "", "XML"},
		{"nothing", " \n", "", "empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kind, looks := detectKind([]byte(tt.text))
			if kind != tt.kind || tt.looks != "" && !strings.Contains(looks, tt.looks) {
				t.Errorf("got %q %q, want %q %q", kind, looks, tt.kind, tt.looks)
			}
		})
	}
}
