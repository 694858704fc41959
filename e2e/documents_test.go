package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/issuer"
	"github.com/holdfast-oauth/holdfast/internal/login"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

var linkForm = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)

// What a document of the project links to is there.
func TestLinksOfTheDocuments(t *testing.T) {
	links := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range linkForm.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
			links++
		}
		return nil
	})
	if err != nil || links < 20 {
		t.Errorf("%d links, %v", links, err)
	}
}

// The times that the documents promise are those of the program.
func TestTimesOfTheDocuments(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		document, says string
		is, means      time.Duration
	}{
		{"threat-model.md", "ten minutes by default, an hour at most", authserver.DefaultAccessLifetime, 10 * time.Minute},
		{"threat-model.md", "ten minutes by default, an hour at most", authserver.MaxAccessLifetime, time.Hour},
		{"threat-model.md", "ends after 14 days without use, and after 90 days", authserver.DefaultRefreshIdle, 14 * day},
		{"threat-model.md", "ends after 14 days without use, and after 90 days", authserver.DefaultRefreshLifetime, 90 * day},
		{"threat-model.md", "a code is good once, for a minute", authserver.DefaultCodeLifetime, time.Minute},
		{"threat-model.md", "here within 5 s at every replica", authserver.RingPoll, 5 * time.Second},
		{"threat-model.md", "package `token` does every 10 minutes", token.DefaultMaxAge, 10 * time.Minute},
		{"threat-model.md", "goes on for an hour while this server is away", token.DefaultMaxStale, time.Hour},
		{"threat-model.md", "if the list is older than a minute", token.MaxBlockListAge, time.Minute},
		{"threat-model.md", "with the block list within about 10 s", token.BlockListPoll, 10 * time.Second},
		{"guides/three-replicas.md", "within 5 s at every replica", authserver.RingPoll, 5 * time.Second},
		{"guides/three-replicas.md", "within 30 s for a key that it does not know", token.DefaultMinRefetch, 30 * time.Second},
		{"guides/three-replicas.md", "with the block list about 10 s", token.BlockListPoll, 10 * time.Second},
		{"guides/three-replicas.md", "when their cache ends, 5 s in package `token`", token.DefaultIntrospectedLifetime, 5 * time.Second},
		{"guides/three-replicas.md", "within 2 s of each other", store.ClockTolerance, 2 * time.Second},
		{"guides/as-in-five-minutes.md", "by itself every 30 days", issuer.DefaultRotate, 30 * day},
		{"guides/as-in-five-minutes.md", "for 15 minutes (`signing.overlap`)", issuer.DefaultOverlap, 15 * time.Minute},
		{"guides/as-in-five-minutes.md", "about ten seconds later", token.BlockListPoll, 10 * time.Second},
		{"guides/as-in-five-minutes.md", "five seconds in package `token`", token.DefaultIntrospectedLifetime, 5 * time.Second},
		{"guides/in-front-of-your-identity-provider.md", "a login takes longer than 15 minutes", login.LoginTimeout, 15 * time.Minute},
		{"guides/in-front-of-your-identity-provider.md", "issued more than 10m0s ago", login.MaxIDTokenAge, 10 * time.Minute},
	} {
		b, err := os.ReadFile(filepath.Join("../docs", c.document))
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(string(b)), " "); !strings.Contains(text, c.says) || c.is != c.means {
			t.Errorf("%s: %q is said: %t; it is %v, which means %v", c.document, c.says, strings.Contains(text, c.says), c.is, c.means)
		}
	}
}
