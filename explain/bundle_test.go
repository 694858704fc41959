package explain

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

const bundleFull = `{
  "format": "evidence-bundle/1", "observed_at": "2026-01-02T03:04:05Z", "vantage": "client+backend", "unknown": {"a": [1]},
  "exchanges": [
    {"id": 1, "started_at": "2026-01-02T03:04:00Z", "note": "first try",
     "request": {"method": "GET", "url": "https://a.example/x?access_token=t", "headers": [["dpop", "p1"], ["DPoP", "p2"], ["Authorization", "DPoP [REDACTED]"]]},
     "response": {"status": 401, "headers": [["Content-Encoding", "gzip"]], "body_base64": "H4sIAAAAAAAA/6uuBQBDv6ajAgAAAA=="}},
    {"id": 2, "request": {"method": "GET", "url": "https://a.example/y", "headers": []}, "error": "timeout"}
  ],
  "authorization_server_metadata": {"issuer": "https://as.example"},
  "protected_resource_metadata": {"resource": "https://a.example"},
  "jwks": {"keys": []},
  "token_response": {"captured_at": "2026-01-02T03:03:00Z", "body": {"access_token": "t"}},
  "token_request_proof": "h.p.s",
  "introspection": {"endpoint": "https://as.example/i", "response": {"active": true}},
  "client": {"queue": "none"},
  "client_certificate": {"presented_pem": "-----BEGIN CERTIFICATE-----", "source": "handshake"},
  "backend_view": {"captured_at": "2026-01-02T03:04:01Z", "exchange": 1, "request": {"method": "GET", "url": "http://b:3000/x", "headers": [["DPoP", "p1"]]}},
  "server_log": ["one", "two"], "topology": ["a -> b"], "downstream_client_key_jkt": "jkt",
  "server_config": "k: v", "browser_console": ["x"], "notes": "n"
}`

func TestReadBundle(t *testing.T) {
	ev, err := ReadBundle(strings.NewReader(bundleFull))
	if err != nil || len(ev.Problems) > 0 {
		t.Fatal(err, ev.Problems)
	}
	if ev.Vantage != "client+backend" || !ev.ObservedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("vantage %q, observed %v", ev.Vantage, ev.ObservedAt)
	}
	x := ev.Exchanges[0]
	if len(x.Request.Proofs) != 2 || len(x.Request.Query) != 1 || x.Request.Hidden != holdfast.FactTokenValue || string(x.Body) != "{}" {
		t.Errorf("%d proofs, %d tokens in the query, hidden %b, body %q", len(x.Request.Proofs), len(x.Request.Query), x.Request.Hidden, x.Body)
	}
	if y := ev.Exchanges[1]; y.Status != 0 || y.Err != "timeout" {
		t.Errorf("status %d, error %q", y.Status, y.Err)
	}
	if len(ev.Views) != 1 || ev.Views[0].Of != 1 || ev.Views[0].Request.Request.URL != "http://b:3000/x" || len(ev.Views[0].Request.Request.Proofs) != 1 {
		t.Errorf("views %v", ev.Views)
	}
	want := map[string]string{
		KindMetadata: `{"issuer": "https://as.example"}`, KindJWKS: `{"keys": []}`, KindTokenResponse: `{"access_token": "t"}`,
		KindTokenRequestProof: "h.p.s", KindIntrospection: `{"active": true}`, KindClient: `{"queue": "none"}`,
		KindCertificate: "-----BEGIN CERTIFICATE-----", KindServerLog: "one\ntwo", KindTopology: "a -> b",
		KindDownstreamKey: "jkt", KindServerConfig: "k: v", KindConsole: "x", KindNote: "first try",
	}
	seen := map[string]string{}
	for _, d := range ev.Documents {
		if _, ok := seen[d.Kind]; !ok {
			seen[d.Kind] = string(d.Body)
		}
		if d.Kind == KindIntrospection && d.Origin != "https://as.example/i" || d.Kind == KindTokenResponse && d.Time.IsZero() {
			t.Errorf("document %s: origin %q, time %v", d.Kind, d.Origin, d.Time)
		}
	}
	for kind, body := range want {
		if seen[kind] != body {
			t.Errorf("%s: %q, want %q", kind, seen[kind], body)
		}
	}
	readersRoundTrip(t, ev)
}

func TestBundleFaults(t *testing.T) {
	one := `{"id":1,"request":{"method":"GET","url":"https://a/","headers":[]},"response":{"status":200,"headers":[]}}`
	tests := []struct {
		name, text string
		exchanges  int
		problem    string
	}{
		{"a cut bundle gives what comes before the end", `{"exchanges":[` + one + `,{"id":2,`, 1, "line 1, exchange 2: JSON ends in the middle"},
		{"a fault has its line", "{\"exchanges\":[\n" + one + ",\n\n oops]}", 1, "line 4"},
		{"JSON without exchanges is named", `{"a":1}`, 0, "not an evidence bundle"},
		{"a wrong type is told and passed over", `{"exchanges":[{"id":"x","request":{"method":"GET","url":"https://a/"}}]}`, 1, "member id is not of the type"},
		{"a view of nothing is told", `{"exchanges":[` + one + `],"backend_view":{"exchange":7,"request":{"method":"GET"}}}`, 1, "is of an exchange that is not in the bundle"},
		{"a time that is none is told", `{"exchanges":[` + one + `],"observed_at":"yesterday"}`, 1, "observed_at is not a time"},
		{"nesting is limited", `{"exchanges":[` + one + `],"x":` + strings.Repeat("[", 70), 1, "limit MaxJSONDepth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := ReadBundle(strings.NewReader(tt.text))
			if len(ev.Exchanges) > tt.exchanges || len(ev.Exchanges) < tt.exchanges && !strings.Contains(tt.problem, "limit") {
				t.Errorf("%d exchanges, want %d", len(ev.Exchanges), tt.exchanges)
			}
			if len(ev.Problems) == 0 || !strings.Contains(ev.Problems[0].Error(), tt.problem) {
				t.Errorf("problems %v, want %q (error %v)", ev.Problems, tt.problem, err)
			}
		})
	}
}

func TestBundleNumbersStayAndContinue(t *testing.T) {
	ev, err := ReadBundle(strings.NewReader(`{"exchanges":[{"id":3,"request":{"method":"A"}},{"id":3,"request":{"method":"B"}},{"id":1,"request":{"method":"C"}},{"request":{"method":"D"}}],"backend_view":{"exchange":3,"request":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, x := range ev.Exchanges {
		got += string(rune('0'+x.ID)) + x.Request.Method
	}
	if got != "1C3A4B5D" || ev.Views[0].Of != 3 {
		t.Errorf("got %s, view of %d", got, ev.Views[0].Of)
	}
}

func TestWriteBundleKeepsEverything(t *testing.T) {
	ev := &Evidence{
		Case: "c", Vantage: "server", ObservedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Exchanges: []holdfast.Exchange{{
			ID: 2, Origin: "a.har",
			Request: holdfast.Presentation{
				Method: "POST", URL: "https://a.example/x?access_token=q", Query: []holdfast.Secret{holdfast.NewSecret("q")},
				Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP t")}, Hidden: holdfast.FactProof | holdfast.FactCertificate,
			},
			RequestHeader: http.Header{"Authorization": {"DPoP t"}, "X-Latin": {"caf\xe9"}},
			RequestBody:   []byte{0, 1, 255}, Status: 200, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: []byte("<decoded>"),
			Sent: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Received: time.Date(2026, 1, 2, 3, 4, 1, 0, time.UTC),
		}},
		Documents: []Document{{Kind: KindNote, Name: "n", Origin: "o", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Body: []byte("a\xffb")}},
		Sources:   []Source{{Name: "a.har", Kind: fileHAR, Creator: "Firefox", First: 2, Last: 2, Sanitised: true, NoBodies: true, SchemeAssumed: true}},
		Problems:  []Problem{{Source: "b", Place: "line 1", Text: "t", Limit: "MaxFileBytes", Lost: true}},
	}
	ev.Views = []View{{Of: 2, Request: holdfast.Exchange{Origin: "backend", Request: holdfast.Presentation{Method: "POST", URL: "http://b/x"}, RequestHeader: http.Header{}, Header: http.Header{}}}}
	readersRoundTrip(t, ev)
	var out bytes.Buffer
	if err := WriteBundle(&out, ev); err != nil {
		t.Fatal(err)
	}
	back, _ := ReadBundle(&out)
	if string(back.Documents[0].Body) != "a\xffb" || back.Case != "c" || len(back.Views) != 1 {
		t.Errorf("documents %q, case %q, views %d", back.Documents[0].Body, back.Case, len(back.Views))
	}
}

func TestWriteBundleWithoutHeader(t *testing.T) {
	ev := &Evidence{Exchanges: []holdfast.Exchange{{ID: 1, Request: holdfast.Presentation{Method: "GET", URL: "https://a/", Proofs: []holdfast.Secret{holdfast.NewSecret("p")}}}}}
	var out bytes.Buffer
	if err := WriteBundle(&out, ev); err != nil || !json.Valid(out.Bytes()) {
		t.Fatal(err)
	}
	back, err := ReadBundle(&out)
	if err != nil || len(back.Exchanges[0].Request.Proofs) != 1 {
		t.Errorf("proof is lost: %v", err)
	}
}

func TestWriteBundleTellsOfItsWriter(t *testing.T) {
	if err := WriteBundle(failingWriter{}, &Evidence{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

var errFull = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

func TestEveryFormatSurvivesABundle(t *testing.T) {
	readers := map[string]func() (*Evidence, error){
		"HAR": func() (*Evidence, error) {
			return ReadHAR(strings.NewReader(harOf("Firefox", harEntryOf("GET", "https://a.example/x", 401, "é", "DPoP", "p"))))
		},
		"curl":       func() (*Evidence, error) { return ReadCurl(strings.NewReader(curlHTTP1 + curlHTTP2)) },
		"trace":      func() (*Evidence, error) { return ReadCurl(strings.NewReader(curlTraceASCII)) },
		"transcript": func() (*Evidence, error) { return ReadHTTP(strings.NewReader(transcript)) },
		"answer":     func() (*Evidence, error) { return ReadHTTP(strings.NewReader(raw401)) },
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			ev, err := read()
			if err != nil {
				t.Fatal(err)
			}
			readersRoundTrip(t, ev)
		})
	}
}

func FuzzReadBundle(f *testing.F) {
	f.Add([]byte(bundleFull))
	f.Add([]byte(`{"exchanges":[{"id":5,"request":{"method":"\ud800","url":"x?access_token=%zz","headers":[["a","b","base64"],["",""],[":x","y"]],"body":{"a":1}},"response":{"status":"200","headers":null,"body_base64":"!"}}],"views":[{"exchange":5,"request":{}}],"documents":[{"kind":"note","body":"b"}],"sources":[{"name":"n","first":5}],"problems":[{"text":"x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ev, err := ReadBundle(bytes.NewReader(data))
		if bytes.Contains(data, []byte("problems")) {
			return // a bundle may carry any problem of its sources
		}
		readersHold(t, ev, err)
		readersRoundTrip(t, ev)
	})
}
