package explain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// filesIn writes files into a new folder.
func filesIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// summary lists what evidence holds, for comparison.
func summary(ev *Evidence) string {
	var out []string
	for _, x := range ev.Exchanges {
		out = append(out, fmt.Sprintf("%d %s %s %d", x.ID, x.Request.Method, x.Request.URL, x.Status))
	}
	for _, d := range ev.Documents {
		out = append(out, d.Kind+" "+d.Name)
	}
	for _, p := range ev.Problems {
		out = append(out, "problem "+p.Source+": "+strings.TrimSuffix(p.Text, "; "+accepted))
	}
	return strings.Join(out, "\n")
}

const (
	rawGet   = "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
	rawAgain = "GET /y HTTP/1.1\r\nHost: a.example\r\n\r\n"
	raw401   = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
)

func TestReadFolder(t *testing.T) {
	har := harOf("mitmproxy", harEntryOf("GET", "https://h.example/1", 200, ""), harEntryOf("GET", "https://h.example/2", 401, ""))
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a manifest pairs by exchange and gives the scheme", map[string]string{
			"case.json": `{"case":"c","vantage":"client","observed_at":"2026-01-01T00:00:00Z","files":[{"path":"r","kind":"http-response","exchange":1},{"path":"q","kind":"http-request","exchange":1,"scheme":"http","captured_at":"2026-01-01T00:00:00Z"},{"path":"q2","kind":"http-request","exchange":2},{"path":"e2","kind":"transport-error","exchange":2}]}`,
			"q":         rawGet, "r": raw401, "q2": rawAgain, "e2": "reset", "ignored.har": har,
		}, "1 GET http://a.example/x 401\n2 GET https://a.example/y 0"},
		{"a file that a manifest names and that is missing is told", map[string]string{
			"case.json": `{"files":[{"path":"a.log","kind":"server-log"},{"path":"q","kind":"http-request"}]}`, "q": rawGet,
		}, "1 GET https://a.example/x 0\nproblem a.log: no such file"},
		{"a kind that is not known is told and found out", map[string]string{
			"case.json": `{"files":[{"path":"q","kind":"pcap"}]}`, "q": rawGet,
		}, "1 GET https://a.example/x 0\nproblem q: kind \"pcap\" of the manifest is not known, its content decides"},
		{"a manifest does not lead out of its folder", map[string]string{
			"case.json": `{"files":[{"path":"../../../../../../etc/passwd","kind":"note"},{"path":"q","kind":"http-request"}]}`, "q": rawGet,
		}, "1 GET https://a.example/x 0\nproblem ../../../../../../etc/passwd: path escapes from parent"},
		{
			"a broken manifest is told and the files are read by content",
			map[string]string{"case.json": `{"files":[`, "q": rawGet},
			"1 GET https://a.example/x 0\nserver-config case.json\nproblem case.json: manifest is not JSON: every file is read by its content instead",
		},
		{"without a manifest names pair and order is natural", map[string]string{
			"10.request.http": rawAgain, "10.response.http": raw401, "2.request.http": rawGet, "2.response.http": raw401,
		}, "1 GET https://a.example/x 401\n2 GET https://a.example/y 401"},
		{"numbers after the word pair too", map[string]string{"req1.txt": rawGet, "resp1.txt": raw401, "req2.txt": rawAgain}, "1 GET https://a.example/x 401\n2 GET https://a.example/y 0"},
		{"an answer after a request needs no name", map[string]string{"a": rawGet, "b": raw401}, "1 GET https://a.example/x 401"},
		{
			"numbers continue over files and folders",
			map[string]string{"a.har": har, "b/c.har": har, ".hidden": har},
			"1 GET https://h.example/1 200\n2 GET https://h.example/2 401\n3 GET https://h.example/1 200\n4 GET https://h.example/2 401",
		},
		{
			"a folder within may have a manifest",
			map[string]string{"a.har": har, "b/case.json": `{"files":[{"path":"q","kind":"http-request","exchange":1}]}`, "b/q": rawGet, "b/other": rawAgain},
			"1 GET https://h.example/1 200\n2 GET https://h.example/2 401\n3 GET https://a.example/x 0",
		},
		{
			"what is no evidence is named",
			map[string]string{"a.http": rawGet, "b.png": "\x89PNG\r\n\x1a\n", "c.html": "<!DOCTYPE html><p>"},
			"1 GET https://a.example/x 0\nproblem b.png: looks like a PNG image\nproblem c.html: looks like an HTML page",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := ReadFolder(filesIn(t, tt.files))
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(ev); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestReadPathsContinuesNumbers(t *testing.T) {
	dir := filesIn(t, map[string]string{"a.har": harOf("x", harEntryOf("GET", "https://h.example/1", 200, "")), "b/q": rawGet})
	ev, err := ReadPaths([]string{filepath.Join(dir, "a.har"), filepath.Join(dir, "b"), "-", filepath.Join(dir, "none")}, strings.NewReader(curlHTTP1))
	if err != nil {
		t.Fatal(err)
	}
	if len(ev.Exchanges) != 3 || ev.Exchanges[2].Request.URL != "https://api.example/x?y=1" || ev.Exchanges[2].Origin != "stdin" {
		t.Errorf("got:\n%s", summary(ev))
	}
	if len(ev.Problems) != 1 || ev.Problems[0].Text != "no such file" || !ev.Problems[0].Lost || ev.Sources[1].First != 2 {
		t.Errorf("problems %v, sources %+v", ev.Problems, ev.Sources)
	}
}

func TestReadPathsOfNothing(t *testing.T) {
	dir := filesIn(t, map[string]string{"a.png": "\x89PNG\r\n", "b.zip": "PK\x03\x04", "empty": ""})
	for _, paths := range [][]string{{dir}, {filepath.Join(dir, "a.png")}, {filepath.Join(dir, "missing")}, {t.TempDir()}, {"-"}, nil} {
		_, err := ReadPaths(paths, nil)
		u, ok := errors.AsType[*UnreadableError](err)
		if !ok || len(paths) > 0 && len(u.Problems) == 0 {
			t.Errorf("%v: got %v", paths, err)
			continue
		}
		if strings.Count(err.Error(), "accepted are") != 1 {
			t.Errorf("%v does not say once what is accepted", err)
		}
	}
	_, err := ReadPaths([]string{dir}, nil)
	for _, want := range []string{"a.png: looks like a PNG image", "b.zip: looks like a ZIP archive", "empty: looks like an empty file"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestNaturalOrder(t *testing.T) {
	names := []string{"a10", "a2", "b", "a", "a02b", "10", "9"}
	slices.SortStableFunc(names, naturalOrder)
	if got := strings.Join(names, " "); got != "9 10 a a2 a02b a10 b" {
		t.Errorf("got %s", got)
	}
}

func TestLongDocumentIsCut(t *testing.T) {
	dir := filesIn(t, map[string]string{"a.log": strings.Repeat("2026-01-01T00:00:00Z INFO x\n", MaxDocumentBytes/28+10)})
	ev, err := ReadFolder(dir)
	if err != nil || len(ev.Documents) != 1 || len(ev.Documents[0].Body) != MaxDocumentBytes || len(ev.Problems) != 1 || ev.Problems[0].Limit != "MaxDocumentBytes" {
		t.Errorf("%v, %d documents, problems %v", err, len(ev.Documents), ev.Problems)
	}
}
