package authserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestRequestsThatAreNoFormsAreRefusedByName(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, method, query, kind, body string
		status                          int
		names                           string
	}{
		{"GET", http.MethodGet, "?grant_type=client_credentials&scope=read", "", "", http.StatusMethodNotAllowed, "POST"},
		{"PUT", http.MethodPut, "", form, "grant_type=client_credentials", http.StatusMethodNotAllowed, "POST"},
		{"JSON", http.MethodPost, "", "application/json", `{"grant_type":"client_credentials"}`, http.StatusUnsupportedMediaType, "Content-Type"},
		{"multipart", http.MethodPost, "", "multipart/form-data; boundary=x", "--x--", http.StatusUnsupportedMediaType, "Content-Type"},
		{"no content type", http.MethodPost, "", "", "grant_type=client_credentials", http.StatusUnsupportedMediaType, "Content-Type"},
		{"a broken content type", http.MethodPost, "", form + "; =", "grant_type=client_credentials", http.StatusUnsupportedMediaType, "Content-Type"},
		{"parameters in the query", http.MethodPost, "?scope=read", form, "grant_type=client_credentials", http.StatusBadRequest, "query"},
		{"an empty query", http.MethodPost, "?", form, "grant_type=client_credentials", http.StatusBadRequest, "query"},
		{"a body over the limit", http.MethodPost, "", form, "grant_type=client_credentials&x=" + strings.Repeat("x", MaxFormBytes), http.StatusRequestEntityTooLarge, "65536"},
		{"a broken escape", http.MethodPost, "", form, "grant_type=client_credentials&scope=%zz", http.StatusBadRequest, "form"},
		{"a semicolon between parameters", http.MethodPost, "", form, "grant_type=client_credentials;scope=read", http.StatusBadRequest, "form"},
		{"a repeated parameter", http.MethodPost, "", form, "grant_type=client_credentials&scope=read&scope=write", http.StatusBadRequest, "scope"},
		{"a parameter repeated without a value", http.MethodPost, "", form, "grant_type=client_credentials&scope=read&scope=", http.StatusBadRequest, "scope"},
		{"a repeated grant type", http.MethodPost, "", form, "grant_type=client_credentials&grant_type=client_credentials", http.StatusBadRequest, "grant_type"},
		{"an empty body", http.MethodPost, "", form, "", http.StatusBadRequest, "grant_type"},
		{"a parameter without a value is as good as none", http.MethodPost, "", form, "grant_type=", http.StatusBadRequest, "grant_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequest(tt.method, ts.front.URL+pathToken+tt.query, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if as(webID)(r); tt.kind != "" {
				r.Header.Set("Content-Type", tt.kind)
			}
			answer := ts.send(ts.http, r)
			if answer.status != tt.status || answer.text("error") != errInvalidRequest {
				t.Fatalf("answer is %d %s, want %d %s", answer.status, answer.shown(), tt.status, errInvalidRequest)
			}
			if answer.names(tt.names); answer.header.Get("Cache-Control") != "no-store" { // D-8.2-04
				t.Error("the answer may be cached")
			}
		})
	}
}

func TestABodyOfTheLimitIsRead(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, nil)
	body := "grant_type=client_credentials&scope=read&x="
	r := ts.request(ts.front.URL+pathToken, nil, as(webID), ts.proof(newKey(t)))
	body += strings.Repeat("x", MaxFormBytes-len(body))
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	ts.send(ts.http, r).ok()
}

func TestScriptsOfConfiguredOriginsMayReadTheNonce(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.Origins = []string{"https://app.example"} })
	from := func(origin string) option { return func(r *http.Request) { r.Header.Set("Origin", origin) } }
	request := form("grant_type", grantClient, "scope", "read")
	for _, r := range []*reply{ // D-8-11: on success and on refusal
		ts.post(pathToken, request, as(webID), ts.proof(newKey(t)), from("https://app.example")).ok(),
		ts.post(pathToken, request, as(webID), from("https://app.example")).refused("invalid_dpop_proof"),
	} {
		if r.header.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(r.header.Get("Access-Control-Expose-Headers"), "DPoP-Nonce") {
			t.Errorf("header is %v, want the nonce exposed to the origin", r.header)
		}
	}
	if r := ts.post(pathToken, request, as(webID), ts.proof(newKey(t)), from("https://evil.example")); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read the answer")
	}
}

func TestPreflightsAreAnsweredForConfiguredOrigins(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, func(c *Config) { c.Origins = []string{"https://app.example"} })
	for origin, status := range map[string]int{"https://app.example": http.StatusNoContent, "https://evil.example": http.StatusMethodNotAllowed} {
		r, err := http.NewRequest(http.MethodOptions, ts.front.URL+pathToken, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		answer := ts.send(ts.http, r)
		allowed := strings.Contains(answer.header.Get("Access-Control-Allow-Headers"), "DPoP")
		if answer.status != status || allowed != (status == http.StatusNoContent) {
			t.Errorf("%s is answered with %d and %v, want %d", origin, answer.status, answer.header, status)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("grant_type=client_credentials&scope=read")
	f.Add("resource=a&resource=b&a=&a=b")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, err := readForm(httptest.NewRecorder(), r)
		if err != nil {
			wantRefusal(t, err, errInvalidRequest, "")
			return
		}
		for name, values := range form {
			if len(values) > 1 && name != "resource" && name != "audience" || slices.Equal(values, []string{""}) {
				t.Fatalf("parameter %q has the values %q", name, values)
			}
		}
	})
}
