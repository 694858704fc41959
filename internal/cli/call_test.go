package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/keystore"
	"github.com/holdfast-oauth/holdfast/metadata"
)

func TestBodiesCanBeSentAgain(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "order.pdf", "from a file")
	a := &app{Env: Env{Stdin: strings.NewReader("from stdin")}}
	for _, tt := range []struct {
		name       string
		flags      bodyFlags
		kind, want string
		again      bool
	}{
		{"text", bodyFlags{data: []string{"a=1"}}, "application/x-www-form-urlencoded", "a=1", true},
		{"text and a file", bodyFlags{data: []string{"a=1", "@" + file}}, "application/x-www-form-urlencoded", "a=1&from a file", true},
		{"JSON", bodyFlags{json: "{}"}, "application/json", "{}", true},
		{"a file", bodyFlags{dataFile: file}, "application/octet-stream", "from a file", true},
		{"stdin", bodyFlags{dataFile: "-"}, "application/octet-stream", "from stdin", false},
		{"a form", bodyFlags{form: []string{"n=v", `quoted"=x`, "f=@" + file}}, "multipart/form-data", "from a file", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, err := a.body(&tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			r, _ := http.NewRequest("POST", "https://api.example/", nil)
			if err := b.attach(r); err != nil {
				t.Fatal(err)
			}
			first, err := io.ReadAll(r.Body)
			if err != nil || !strings.Contains(string(first), tt.want) || !strings.HasPrefix(r.Header.Get("Content-Type"), tt.kind) {
				t.Errorf("body %q of type %q, %v", first, r.Header.Get("Content-Type"), err)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
			if (r.GetBody != nil) != tt.again {
				t.Fatalf("can be sent again: %v, want %v", r.GetBody != nil, tt.again)
			}
			if !tt.again {
				return
			}
			body, err := r.GetBody()
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			second, err := io.ReadAll(body)
			if err != nil || string(second) != string(first) || int64(len(second)) != r.ContentLength {
				t.Errorf("the second time %q, %v; length %d", second, err, r.ContentLength)
			}
			if strings.HasPrefix(tt.kind, "multipart") {
				checkForm(t, r.Header.Get("Content-Type"), second)
			}
		})
	}
}

func checkForm(t *testing.T, kind string, body []byte) {
	t.Helper()
	r, _ := http.NewRequest("POST", "https://api.example/", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", kind)
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		t.Fatal(err)
	}
	if f := r.MultipartForm; f.Value["n"][0] != "v" || f.Value[`quoted"`][0] != "x" || f.File["f"][0].Filename != "order.pdf" {
		t.Errorf("form %+v", f)
	}
}

func TestBodiesThatCannotBeMade(t *testing.T) {
	a := &app{Env: Env{Stdin: strings.NewReader("")}}
	for name, f := range map[string]bodyFlags{
		"a field without a name":  {form: []string{"=x"}},
		"a field without a value": {form: []string{"x"}},
		"a file that is absent":   {dataFile: filepath.Join(t.TempDir(), "absent")},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := a.body(&f)
			if err == nil {
				r, _ := http.NewRequest("POST", "https://api.example/", nil)
				err = b.attach(r)
			}
			if err == nil {
				t.Error("it was made")
			}
		})
	}
}

func TestStatusOfAServerProblem(t *testing.T) {
	const secret = "?q=in-the-query"
	refused := &client.Error{Op: "token request", Code: "invalid_grant", Status: 400, Hint: "AllowBearer"}
	for _, tt := range []struct {
		name   string
		err    error
		status int
	}{
		{"refused", refused, exitFailure},
		{"an answer that we refused", &client.Error{Op: "token request", Status: 200, Err: errors.New("bearer")}, exitFailure},
		{"a renewal was refused within a call", &url.Error{Op: "Get", URL: "https://api.example/" + secret, Err: &client.Error{Op: "call", Err: fmt.Errorf("get a token: %w", refused)}}, exitFailure},
		{"no answer", &client.Error{Op: "call", Err: io.EOF}, exitUndetermined},
		{"no answer below the client", &url.Error{Op: "Get", URL: "https://api.example/" + secret, Err: io.EOF}, exitUndetermined},
		{"no metadata", &metadata.Error{URL: "https://as.example", Problem: metadata.Unreachable}, exitUndetermined},
		{"the keystore, within a call", &url.Error{Op: "Get", URL: "https://api.example/" + secret, Err: fail(exitUndetermined, io.EOF, "hint")}, exitUndetermined},
		{"wrong usage, within a call", &url.Error{Op: "Get", URL: "https://api.example/" + secret, Err: advise(io.EOF)}, exitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := serverProblem(tt.err)
			if got := statusOf(err); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q names the query", err)
			}
			if p := new(problem); errors.As(err, &p) && strings.Contains(strings.Join(p.hints, " "), "AllowBearer") {
				t.Errorf("hints %q name a field", p.hints)
			}
		})
	}
	if err := serverProblem(nil); err != nil {
		t.Errorf("error %v of nothing", err)
	}
}

func TestHeaderLinesHideWhatIsSecret(t *testing.T) {
	tr := &trace{query: "q=secret-query"}
	for _, s := range [][2]string{{"DPoP the-access-token", "the-proof-value"}, {"DPoP the-next-token", "the-next-proof"}} {
		tr.exchanges = append(tr.exchanges, holdfast.Exchange{Request: holdfast.Presentation{
			Authorization: []holdfast.Secret{holdfast.NewSecret(s[0])}, Proofs: []holdfast.Secret{holdfast.NewSecret(s[1])},
		}})
	}
	hide := tr.hide()
	got := headerLines(http.Header{
		"Authorization": {"DPoP the-access-token"}, "X-Api-Key": {"another"}, "Set-Cookie": {"a=b", "c=d"},
		"Content-Type": {"text/plain\x1b[2J"}, "Www-Authenticate": {`DPoP error_description="the-access-token the-proof-value q=secret-query the-next-token"`},
	}, hide, "< ", "\n")
	want := `< Authorization: [redacted]
< Content-Type: text/plain\x1b[2J
< Set-Cookie: [redacted]
< Set-Cookie: [redacted]
< Www-Authenticate: DPoP error_description=\"[redacted] [redacted] [redacted] [redacted]\"
< X-Api-Key: [redacted]
`
	// A value without control characters is not quoted.
	want = strings.Replace(want, `\"[redacted] [redacted] [redacted] [redacted]\"`, `"[redacted] [redacted] [redacted] [redacted]"`, 1)
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTheBrowserToStart(t *testing.T) {
	for _, tt := range []struct {
		variable string
		want     string
	}{
		{"firefox", "firefox"},
		{"firefox --new-window %s:lynx", "firefox --new-window"},
		{"", ""}, // no display either
	} {
		a := &app{Env: Env{Getenv: func(k string) string {
			if k == "BROWSER" {
				return tt.variable
			}
			return ""
		}}}
		if got := strings.Join(a.browserCommand(), " "); got != tt.want && (tt.variable != "" || os.Getenv("DISPLAY") == "") {
			t.Errorf("$BROWSER %q starts %q, want %q", tt.variable, got, tt.want)
		}
	}
}

func TestTheBrowserDoesNotGetThePassphrase(t *testing.T) {
	got := withoutPassphrase([]string{"A=1", "HOLDFAST_PASSPHRASE=" + aloud, "Holdfast_Passphrase=" + aloud, "HOLDFAST_PASSPHRASE_FILE=f"})
	if strings.Join(got, " ") != "A=1 HOLDFAST_PASSPHRASE_FILE=f" {
		t.Errorf("environment of %d variables", len(got))
	}
}

func TestABodyThatBreaksOffIsNotAnAnswer(t *testing.T) {
	r := newRecorder(t)
	sh := newShell(t, r.caFile)
	if got := sh.run("", "login", r.URL, "--client-id", "my-tool", "--allow-origin", r.URL); got.status != 0 {
		t.Fatal(got.talk)
	}
	got := sh.run("", "call", r.URL+"/api/broken")
	if got.status != exitUndetermined || !strings.Contains(got.talk, "the answer broke off") || got.out != "half" {
		t.Errorf("status %d, stdout %q, stderr %s", got.status, got.out, got.talk)
	}
	got = sh.run("", "call", "--max-time", "200ms", r.URL+"/api/endless")
	if got.status != exitUndetermined {
		t.Errorf("status %d, stdout %q stderr %s", got.status, got.out, got.talk)
	}
}

// What is not written cannot be sent for again.
func TestTheOutputIsOpenedBeforeAnythingIsSent(t *testing.T) {
	r := newRecorder(t)
	sh := newShell(t, r.caFile)
	if got := sh.run("", "login", r.URL, "--client-id", "my-tool", "--allow-origin", r.URL); got.status != 0 {
		t.Fatal(got.talk)
	}
	dir := t.TempDir()
	there, before := put(t, dir, "there", "x"), len(r.seen())
	if got := sh.run("", "call", "-X", "POST", "-o", there, r.URL+"/api/orders"); got.status != exitUsage || len(r.seen()) != before {
		t.Errorf("status %d, %d secrets were sent: %s", got.status, len(r.seen())-before, got.talk)
	}
	fresh := filepath.Join(dir, "new")
	r.Close()
	if got := sh.run("", "call", "-o", fresh, r.URL+"/api/orders"); got.status != exitUndetermined {
		t.Errorf("status %d: %s", got.status, got.talk)
	}
	if _, err := os.Stat(fresh); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a call without an answer leaves a file: %v", err)
	}
}

// The server may have rotated the refresh token already.
func TestACommandEndsAfterTheRenewalOfItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &account{app: &app{}, name: "p", store: keystore.NewMemory(), renewing: make(chan struct{}, 1)}
		answer, finished, saved := make(chan struct{}), false, false
		go func() {
			err := x.Update(t.Context(), func(*client.Grant) (*client.Grant, error) {
				<-answer
				return &client.Grant{Token: &client.Token{Value: holdfast.NewSecret("a")}}, nil
			})
			saved = err == nil
		}()
		synctest.Wait()
		go func() { x.finish(); finished = true }()
		synctest.Wait()
		if finished {
			t.Error("the command ends during the renewal")
		}
		close(answer)
		synctest.Wait()
		if !finished || !saved {
			t.Errorf("finished %v, saved %v", finished, saved)
		}
		if err := x.Update(t.Context(), nil); err == nil {
			t.Error("a renewal begins after the end of the command")
		}
	})
}

func TestARefusedRenewalIsARefusal(t *testing.T) {
	r := newRecorder(t)
	r.lives(1)
	sh := newShell(t, r.caFile)
	if got := sh.run("", "login", r.URL, "--client-id", "my-tool", "--allow-origin", r.URL); got.status != 0 {
		t.Fatal(got.talk)
	}
	r.mu.Lock()
	r.refuse = true
	r.mu.Unlock()
	// The token may be good for the rest of its second.
	var got ran
	for range 20 {
		if got = sh.run("", "call", r.URL+"/api/orders?q=in-the-query"); got.status != 0 {
			break
		}
	}
	if got.status != exitFailure || !strings.Contains(got.talk, "invalid_grant") || strings.Contains(got.talk, "in-the-query") {
		t.Errorf("status %d, stderr %s", got.status, got.talk)
	}
	r.Close() // tokens that cannot be revoked are kept, unless told otherwise
	if got = sh.run("", "logout"); got.status != exitUndetermined || !strings.Contains(got.talk, "the tokens are kept") {
		t.Errorf("logout: status %d, %s", got.status, got.talk)
	}
	if got = sh.run("", "token"); got.status != 0 {
		t.Errorf("token: %s", got.talk)
	}
	if got = sh.run("", "logout", "--forget"); got.status != 0 {
		t.Errorf("logout: %s", got.talk)
	}
	if got = sh.run("", "token"); got.status != exitUsage {
		t.Errorf("status %d after logout", got.status)
	}
}

func TestACorrectedClockIsTold(t *testing.T) {
	l := startLive(t)
	// With a nonce, which carries the time of the server, clocks would not matter.
	api := holdfasttest.NewResource(t, holdfasttest.ResourceConfig{
		Server: l.as, Nonce: holdfast.NonceOptional, Faults: holdfasttest.Faults{ClockOffset: -4 * time.Minute},
	})
	sh := newShell(t, l.caFile)
	if got := sh.run("", "login", api.URL, "--client-id", "my-tool"); got.status != 0 {
		t.Fatal(got.talk)
	}
	got := sh.run("", "call", api.URL+"/orders")
	if got.status != 0 || !strings.Contains(got.talk, "the clock of "+api.URL+" differs by -4m") {
		t.Errorf("status %d, stderr %s", got.status, got.talk)
	}
}
