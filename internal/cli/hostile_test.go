package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ran is what one command line did.
type ran struct {
	status    int
	out, talk string
}

func runLine(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	var out, talk bytes.Buffer
	status := Main(context.Background(), args, Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &talk, Getenv: func(string) string { return "" },
	})
	return ran{status, out.String(), talk.String()}
}

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	refusedHTTP = "GET /items HTTP/1.1\r\nHost: api.example\r\nAuthorization: DPoP aT9xQ2mVbKz7Lw4RfYp0sNdHc3JgUe8oXi\r\n\r\n"
	refusal     = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: DPoP error=\"invalid_token\", error_description=\"token aT9xQ2mVbKz7Lw4RfYp0sNdHc3JgUe8oXi\"\r\n\r\n"
	opaque      = "aT9xQ2mVbKz7Lw4RfYp0sNdHc3JgUe8oXi"
)

// What cannot be read is said, and never called healthy.
func TestHonestFailure(t *testing.T) {
	dir := t.TempDir()
	outside := put(t, dir, "outside.log", "root:x:0:0:"+opaque)
	folder := func(name, manifest string) string {
		p := filepath.Join(dir, name)
		if err := os.Mkdir(p, 0o700); err != nil {
			t.Fatal(err)
		}
		if manifest != "" {
			put(t, p, "case.json", manifest)
		}
		put(t, p, "01.request.http", refusedHTTP)
		put(t, p, "01.response.http", refusal)
		return p
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Skip(err)
	}
	links := folder("links", "")
	if err := os.Symlink(outside, filepath.Join(links, "note.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", filepath.Join(links, "again")); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	alone := filepath.Join(dir, "alone")
	for _, p := range []string{empty, alone} {
		if err := os.Mkdir(p, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, alone, "case.json", `{"case":"x","files":[]}`)
	named := func(path string) string {
		return `{"files":[{"path":"01.request.http","kind":"http-request","exchange":1},{"path":"01.response.http","kind":"http-response","exchange":1},{"path":"` + path + `","kind":"server-log"}]}`
	}
	entry := `{"request":{"method":"GET","url":"https://api.example/x","headers":[{"name":"Authorization","value":"DPoP ` + opaque + `"}]},"response":{"status":200,"headers":[]}}`
	for name, c := range map[string]struct {
		args   []string
		status int
	}{
		"missing":            {[]string{filepath.Join(dir, "nothing")}, 2},
		"link loop":          {[]string{loop}, 2},
		"empty file":         {[]string{put(t, dir, "empty.har", "")}, 2},
		"empty folder":       {[]string{empty}, 2},
		"only a manifest":    {[]string{alone}, 2},
		"no path":            {nil, 2},
		"image":              {[]string{put(t, dir, "a.png", "\x89PNG\r\n")}, 2},
		"links":              {[]string{links}, 1},
		"manifest above":     {[]string{folder("above", named("../outside.log"))}, 1},
		"manifest far above": {[]string{folder("far", named("../../../../../../etc/passwd"))}, 1},
		"manifest absolute":  {[]string{folder("absolute", named("/etc/passwd"))}, 1},
		"manifest folder":    {[]string{folder("dir", named("."))}, 1},
		"manifest missing":   {[]string{folder("gone", named("gone.log"))}, 1},
		"broken manifest":    {[]string{folder("brokenm", `{"files":[`)}, 1},
		"broken HAR":         {[]string{put(t, dir, "broken.har", `{"log":{"entries":[`+entry+`,{"request":`)}, 3},
		"whole HAR":          {[]string{put(t, dir, "whole.har", `{"log":{"entries":[`+entry+`]}}`)}, 0},
		"whole and missing":  {[]string{filepath.Join(dir, "whole.har"), filepath.Join(dir, "nothing")}, 3},
		"deep JSON":          {[]string{put(t, dir, "deep.har", `{"log":{"entries":[`+strings.Repeat("[", 100_000))}, 2},
	} {
		for _, format := range []string{"text", "json", "markdown"} {
			r := runLine(t, "", append([]string{"explain", "--format", format}, c.args...)...)
			if r.status != c.status {
				t.Errorf("%s: status %d, want %d\n%s%s", name, r.status, c.status, r.out, r.talk)
			}
			if r.status == 2 != (r.out == "" && r.talk != "") {
				t.Errorf("%s: status %d with answer %.80q and talk %.80q", name, r.status, r.out, r.talk)
			}
			if strings.Contains(r.out+r.talk, opaque[:16]) || strings.Contains(r.out+r.talk, "root:x") {
				t.Errorf("%s: something leaves: %s%s", name, r.out, r.talk)
			}
			if format == "json" && r.out != "" && !json.Valid([]byte(r.out)) {
				t.Errorf("%s: not JSON", name)
			}
		}
		r := runLine(t, "", append([]string{"redact"}, c.args...)...)
		if (r.status == 2) != (c.status == 2) {
			t.Errorf("%s: redact ends with %d, explain with %d: %s", name, r.status, c.status, r.talk)
		}
		if strings.Contains(r.out+r.talk, opaque[:16]) || strings.Contains(r.out, "root:x") {
			t.Errorf("%s: redact lets something leave: %s%s", name, r.out, r.talk)
		}
	}
}

// Neither the answer nor the talk of a command holds what it reads.
func TestCommandsTellNoSecrets(t *testing.T) {
	dir := t.TempDir()
	const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXRoYXQtbXVzdC1ub3QtbGVhdmUtaGVyZQ"
	capture := put(t, dir, "capture-"+jwt+".http", refusedHTTP+"\r\n"+refusal)
	for _, args := range [][]string{
		{"explain", capture},
		{"explain", "--format", "json", capture},
		{"explain", "--format", "markdown", capture},
		{"redact", capture},
		{"explain", put(t, dir, jwt+".png", "\x89PNG\r\n")},
		{"explain", filepath.Join(dir, jwt)},
		{"redact", filepath.Join(dir, jwt)},
		{"redact", capture, filepath.Join(dir, jwt)},
	} {
		r := runLine(t, "", args...)
		for _, secret := range []string{opaque[:16], jwt[45:61], "tbXVzdC1ub3QtbGVh"} {
			if strings.Contains(r.out+r.talk, secret) {
				t.Errorf("%v: %q leaves:\n%.600s%.600s", args[:1], secret, r.out, r.talk)
			}
		}
	}
	for _, in := range []string{jwt, "DPoP " + jwt, opaque, `{"kty":"oct","k":"` + opaque + `"}`, `{"kty":"EC","d":"` + opaque + `"}`, `{"a":"` + opaque + `"`, jwt + "." + opaque, opaque + " " + opaque} {
		for _, format := range []string{"text", "json"} {
			r := runLine(t, in, "decode", "--format", format)
			if strings.Contains(r.out+r.talk, opaque[:16]) || strings.Contains(r.out+r.talk, "tbXVzdC1ub3QtbGVh") {
				t.Errorf("decode of %.20q: %s%s", in, r.out, r.talk)
			}
		}
	}
}
