package cli

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func decoded64(s string) string {
	b, _ := base64.RawURLEncoding.DecodeString(s)
	return string(b)
}

// shell runs command lines as processes of their own, with one home.
type shell struct {
	t   *testing.T
	env []string
}

func newShell(t *testing.T, caFile string) *shell {
	t.Helper()
	return &shell{t, append(os.Environ(),
		"HOLDFAST_HOME="+filepath.Join(t.TempDir(), "home"), "HOLDFAST_PASSPHRASE="+aloud, "HOLDFAST_CA_FILE="+caFile, "BROWSER=browser")}
}

func (s *shell) run(stdin string, args ...string) ran {
	s.t.Helper()
	c := exec.Command("holdfast", args...)
	var out, talk bytes.Buffer
	c.Env, c.Stdin, c.Stdout, c.Stderr = s.env, strings.NewReader(stdin), &out, &talk
	status := 0
	if err := c.Run(); err != nil {
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) {
			s.t.Fatal(err)
		}
		status = exit.ExitCode()
	}
	return ran{status, out.String(), talk.String()}
}

const privateKey = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"

// Every command that handles secrets, talking as much as it can, against servers
// that repeat what they got: none of it shows.
func TestNoCommandShowsASecret(t *testing.T) {
	r := newRecorder(t)
	sh := newShell(t, r.caFile)
	const query = "q=in-the-query-K7wQ2mVb"
	pem := "-----BEGIN PRIVATE KEY-----\n" + privateKey + "\n-----END PRIVATE KEY-----\n"
	for _, c := range []struct {
		name   string
		stdin  string
		args   []string
		status int
		answer bool // stdout is a secret, as asked for
	}{
		{"make a key", "", []string{"keys", "new", "other"}, 0, false},
		{"import a key", pem, []string{"keys", "import", "imported", "-"}, 0, false},
		{"import it again", pem, []string{"keys", "import", "again", "-"}, 2, false},
		{"import half a key", pem[:60] + "\n-----END PRIVATE KEY-----\n", []string{"keys", "import", "half", "-"}, 2, false},
		{"show a key", "", []string{"keys", "show", "imported", "--format", "json"}, 0, false},
		{"rotate a key", "", []string{"keys", "rotate", "imported"}, 0, false},
		{"list keys", "", []string{"keys", "list"}, 0, false},
		{"log in by browser", "", []string{"login", r.URL, "--client-id", "my-tool", "--allow-origin", r.URL}, 0, false},
		{"log in by device", "", []string{"login", r.URL, "--client-id", "my-tool", "--device", "--profile", "device"}, 0, false},
		{"log in with a secret", jobSecret, []string{"login", r.URL, "--client-id", "job", "--client-credentials", "--client-secret-file", "-", "--profile", "job", "--format", "json"}, 0, false},
		{"a refused login", "", []string{"login", r.URL, "--client-id", "refused", "--profile", "refused"}, 1, false},
		{"call", "", []string{"call", "-v", "-i", r.URL + "/api/orders?" + query}, 0, false},
		{"a refused call", "", []string{"call", "-v", "-i", r.URL + "/api/refused?" + query}, 1, false},
		{"a refused call with a status line of its own", "", []string{"call", "-v", "-i", r.URL + "/api/status?" + query}, 1, false},
		{"a call that is not allowed", "", []string{"call", "-v", "https://other.example/?" + query}, 2, false},
		{"a call that nobody answers", "", []string{"call", "-v", "--allow-origin", "https://127.0.0.1:1", "https://127.0.0.1:1/?" + query}, 3, false},
		{"describe the token", "", []string{"token"}, 0, false},
		{"describe the token as JSON", "", []string{"token", "--format", "json"}, 0, false},
		{"reveal the token", "", []string{"token", "--reveal"}, 0, true},
		{"make a proof", "", []string{"proof", "--url", r.URL + "/api/orders?" + query, "--ath"}, 0, true},
		{"a proof that cannot be made", "", []string{"proof", "--url", "ftp://x/?" + query, "--ath"}, 2, false},
		{"a proof for no URL", "", []string{"proof", "--url", "https://x/%zz?" + query, "--ath"}, 2, false},
		{"a wrong passphrase", "wrong-passphrase-K7wQ", []string{"token", "--passphrase-file", "-"}, 3, false},
		{"log out", "", []string{"logout"}, 0, false},
		{"delete a key", "", []string{"keys", "delete", "imported", "--yes"}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sh.run(c.stdin, c.args...)
			if got.status != c.status {
				t.Errorf("status %d, want %d; stderr:\n%s", got.status, c.status, got.talk)
			}
			printed := got.talk
			if !c.answer {
				printed += got.out
			} else if got.out == "" {
				t.Error("no answer")
			}
			if strings.ContainsRune(printed, '\x1b') {
				t.Error("an escape sequence is printed")
			}
			for _, secret := range append(r.seen(), aloud, jobSecret, privateKey, privateKey[24:], query, "wrong-passphrase-K7wQ") {
				if strings.Contains(printed, secret) {
					t.Errorf("%d bytes of a secret that begins with %.6q are printed", len(secret), secret)
				}
			}
		})
	}
	kinds := strings.Join(r.seen(), " ")
	for _, kind := range []string{"code-", "device-code-", "access-", "refresh-", jobSecret, "eyJ"} {
		if !strings.Contains(kinds, kind) {
			t.Errorf("no secret of the kind %q was made, so the test shows nothing about it", kind)
		}
	}
	s, _ := os.ReadFile(filepath.Join(strings.TrimPrefix(sh.env[len(sh.env)-4], "HOLDFAST_HOME="), keystoreFile))
	if len(s) == 0 || slices.ContainsFunc(r.seen(), func(secret string) bool { return bytes.Contains(s, []byte(secret)) }) {
		t.Error("there is no keystore, or it holds a secret in clear")
	}
}

// Four processes with an expired token: the refresh token is spent once.
func TestProcessesRenewOnce(t *testing.T) {
	r := newRecorder(t)
	r.lives(1) // is due at once
	sh := newShell(t, r.caFile)
	if got := sh.run("", "login", r.URL, "--client-id", "my-tool", "--allow-origin", r.URL); got.status != 0 {
		t.Fatal(got.talk)
	}
	r.lives(300)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if got := sh.run("", "call", r.URL+"/api/orders"); got.status != 0 || got.out != "fine\n" {
				t.Errorf("status %d: %s", got.status, got.talk)
			}
		})
	}
	all.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.renewals > 1 {
		t.Errorf("%d renewals, want one at most", r.renewals)
	}
}
