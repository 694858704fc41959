package holdfast

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// received reads a request as a server does.
func received(t *testing.T, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPresentTakesTheURLFromConfigurationAndTarget(t *testing.T) { // D-4.3-09b
	for _, tt := range []struct{ name, public, line, want string }{
		{"origin form", "https://api.example", "GET /a/b HTTP/1.1", "https://api.example/a/b"},
		{"query and fragment are not part of it", "https://api.example", "GET /a?x=1&y=/z HTTP/1.1", "https://api.example/a"},
		{"encoded as received", "https://api.example", "GET /a%2Fb/%7euser//c;d/../e HTTP/1.1", "https://api.example/a%2Fb/%7euser//c;d/../e"},
		{"a prefix that a proxy removed", "https://api.example/v1", "GET /a HTTP/1.1", "https://api.example/v1/a"},
		{"a prefix with a slash", "https://api.example/v1/", "GET /a HTTP/1.1", "https://api.example/v1/a"},
		{"an encoded prefix", "https://api.example/a%2Fb", "GET /c HTTP/1.1", "https://api.example/a%2Fb/c"},
		{"the root", "https://api.example/", "GET / HTTP/1.1", "https://api.example/"},
		{"a port", "https://api.example:8443", "GET /a HTTP/1.1", "https://api.example:8443/a"},
		{"absolute form: only its path counts", "https://api.example", "GET http://evil.example/a/b?x HTTP/1.1", "https://api.example/a/b"},
		{"absolute form without a path", "https://api.example", "GET http://evil.example HTTP/1.1", "https://api.example/"},
		{"a URL inside the path", "https://api.example", "GET /proxy/http://evil.example/x HTTP/1.1", "https://api.example/proxy/http://evil.example/x"},
		{"two slashes are a path", "https://api.example", "GET //evil.example/x HTTP/1.1", "https://api.example//evil.example/x"},
		{"a stray number sign is part of the path that the handler gets", "https://api.example", "GET /files/#../secret HTTP/1.1", "https://api.example/files/%23../secret"},
		{"a number sign behind the query mark is not", "https://api.example", "GET /a?x#y HTTP/1.1", "https://api.example/a"},
		{"a URL inside something that has no path", "https://api.example", "GET x:y://evil.example/a HTTP/1.1", "https://api.example/x:y://evil.example/a"},
		{"asterisk form", "https://api.example", "OPTIONS * HTTP/1.1", "https://api.example/"},
		{"authority form cannot lengthen the host", "https://api.example", "CONNECT .evil.example:443 HTTP/1.1", "https://api.example/.evil.example:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := received(t, tt.line+"\nHost: evil.example\nX-Forwarded-Host: evil.example\nX-Forwarded-Proto: http\n"+
				"X-Forwarded-Prefix: /evil\nForwarded: host=evil.example;proto=http\nX-Original-URL: /evil\nX-Rewrite-URL: /evil")
			p, err := Present(r, mustURL(t, tt.public))
			if err != nil {
				t.Fatal(err)
			}
			if p.URL != tt.want || p.Method != r.Method {
				t.Errorf("got %s %s, want %s", p.Method, p.URL, tt.want)
			}
		})
	}
}

func TestPresentKeepsWhatArrivedAsOftenAsItCame(t *testing.T) { // D-4.1-01 D-7.1-13
	r := received(t, "GET /?access_token=q1&x=1&access%5Ftoken=q2 HTTP/1.1\nHost: h\nauthorization: DPoP a\nAUTHORIZATION: Bearer b\n"+
		"dpop: p1\nDPOP: p2\nDPoP: p3\nProxy-Authorization: DPoP c")
	p, err := Present(r, mustURL(t, "https://api.example"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		got  []Secret
		want string
	}{{"Authorization", p.Authorization, "DPoP a|Bearer b"}, {"DPoP", p.Proofs, "p1|p2|p3"}, {"access_token", p.Query, "q1|q2"}} {
		var texts []string
		for _, s := range tt.got {
			texts = append(texts, s.Reveal())
		}
		if got := strings.Join(texts, "|"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
	}
}

func TestPresentFindsTokensInOddQueries(t *testing.T) { // B-2-02
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"", nil},
		{"x=1", nil},
		{"access_tokens=1", nil},
		{"access_token", []string{""}},
		{"access_token=", []string{""}},
		{"a=1&access_token=t", []string{"t"}},
		{"access_token=t;x=1", []string{"t"}},
		{"x;access_token=t", []string{"t"}},
		{"access%5ftoken=t", []string{"t"}},
		{"access_token=a%zz", []string{"a%zz"}},
		{"access_token=a&access_token=b", []string{"a", "b"}},
		{"access_token=a%2Bb", []string{"a+b"}},
		{"&&access_token=t&", []string{"t"}},
	} {
		p, err := Present(&http.Request{Method: "GET", URL: &url.URL{Path: "/", RawQuery: tt.query}}, mustURL(t, "https://api.example"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range p.Query {
			got = append(got, s.Reveal())
		}
		if strings.Join(got, "|") != strings.Join(tt.want, "|") || len(got) != len(tt.want) {
			t.Errorf("%q: got %q, want %q", tt.query, got, tt.want)
		}
	}
}

// A token in a form body is not looked for: no Authorization, no token.
func TestPresentReadsNoBody(t *testing.T) { // B-2.2-02
	r := received(t, "POST / HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 14\n\naccess_token=t")
	p, err := Present(r, mustURL(t, "https://api.example"))
	if err != nil || len(p.Authorization) != 0 || len(p.Query) != 0 || r.Form != nil {
		t.Errorf("got %v, %v, form %v", p, err, r.Form)
	}
	f := newFixture(t, nil)
	refused(t, f, p, Requirement{}, CodeRequestAuthMissing)
}

func TestPresentTakesTheCertificateFromTLSOnly(t *testing.T) { // M-3-03
	cert := readTestCertificate(t, "client.crt")
	r := received(t, "GET / HTTP/1.1\nHost: h\nClient-Cert: :AAAA:\nX-Forwarded-Client-Cert: Hash=1")
	p, _ := Present(r, mustURL(t, "https://api.example"))
	if p.PeerCert != nil {
		t.Error("a certificate came from a header")
	}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if p, _ = Present(r, mustURL(t, "https://api.example")); p.PeerCert != cert {
		t.Error("the certificate of the connection is missing")
	}
}

func TestPresentNeedsAPublicURL(t *testing.T) {
	r := received(t, "GET / HTTP/1.1\nHost: h")
	for _, u := range []*url.URL{nil, {}, {Scheme: "https"}, {Host: "h"}, {Path: "/"}} {
		if _, err := Present(r, u); err == nil {
			t.Errorf("%v is accepted", u)
		}
	}
}

func TestRedactedExchangeKeepsNoSecret(t *testing.T) {
	const secret = "s3cr3t-s3cr3t-s3cr3t"
	x := &Exchange{
		ID: 3, Origin: "client", Status: 401,
		Request: Presentation{
			Method: "GET", URL: "https://user:" + secret + "@api.example/a?access_token=" + secret,
			Authorization: []Secret{NewSecret(secret)}, Proofs: []Secret{NewSecret(secret)}, Query: []Secret{NewSecret(secret)},
		},
		RequestHeader: http.Header{"Authorization": {secret}, "Cookie": {secret}, "Accept": {"*/*"}, "X-Api-Key": {secret}, "Referer": {secret}},
		RequestBody:   []byte(secret),
		Header:        http.Header{"Set-Cookie": {secret}, "Location": {secret}, "Www-Authenticate": {"DPoP"}, "Date": {"now"}, "Dpop-Nonce": {"n"}},
		Body:          []byte(secret),
	}
	x.Err = `Get "` + x.Request.URL + `": EOF`
	r := x.Redacted()
	if r.RequestBody != nil || r.Body != nil || r.Request.Authorization != nil || r.Request.Proofs != nil || r.Request.Query != nil {
		t.Errorf("a redacted exchange still has %+v", r.Request)
	}
	const hidden = FactAuthorization | FactProof | FactTokenValue | FactProofSignature
	if r.Request.Hidden&hidden != hidden {
		t.Errorf("hidden is %#x", r.Request.Hidden)
	}
	for _, text := range []string{r.Request.URL, r.Err, r.Header.Get("Location"), r.RequestHeader.Get("Authorization")} {
		if strings.Contains(text, secret) {
			t.Errorf("%q", text)
		}
	}
	if r.Request.URL != "https://api.example/a" || len(r.RequestHeader) != 1 || len(r.Header) != 3 || r.Status != 401 || r.ID != 3 {
		t.Errorf("too much or too little is left: %s %v %v", r.Request.URL, r.RequestHeader, r.Header)
	}
	r.Header.Set("Date", "changed")
	if x.Header.Get("Date") != "now" || len(x.Request.Authorization) != 1 {
		t.Error("the original was changed")
	}
}
