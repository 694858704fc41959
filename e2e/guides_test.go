package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/issuer"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// guideFile returns a file that a guide shows, behind a comment with its name.
func guideFile(t *testing.T, guide, name string) string {
	t.Helper()
	b, err := os.ReadFile("../docs/guides/" + guide)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), "<!-- file: "+name+" -->\n```yaml\n")
	text, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatalf("%s has no file %s", guide, name)
	}
	return text
}

// guideSecrets writes what the guides refer to below /run/secrets.
func guideSecrets(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	authority := httptest.NewTLSServer(nil)
	defer authority.Close()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]byte{"holdfast-sealing": 's', "holdfast-nonces": 'n', "upstream": 'u', "db": 'd', "valkey": 'v'} {
		key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
		if err := os.WriteFile(filepath.Join(folder, name), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// The configuration of the guide runs three processes that are one server: with
// other addresses, because the guide's are those of no server.
func TestTheGuideOfThreeReplicasIsTrue(t *testing.T) {
	text := strings.ReplaceAll(guideFile(t, "three-replicas.md", "as.yaml"), "/run/secrets", guideSecrets(t))
	checkGuide(t, text)
	db, valkey := testservers.Postgres(t), testservers.Redis(t)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case field == "stop":
			lines[i] = "" // the test does not wait for a balancer
		case strings.HasPrefix(value, "postgres://"):
			lines[i] = field + ": postgres://postgres@" + db.Address + "/postgres?timeout=5s"
		case strings.HasPrefix(value, "valkeys://"):
			lines[i] = field + ": redis://" + valkey.Address + "?timeout=5s"
		case strings.Contains(field, "public"), strings.Contains(field, "metrics"), strings.Contains(field, "admin"):
			lines[i] = field + `: {address: "127.0.0.1:0"}`
		}
	}
	text = strings.Join(lines, "\n")
	var replicas [3]*guided
	for i := range replicas {
		replicas[i] = serveGuide(t, text)
	}

	if status, body := replicas[0].ask(http.MethodPost, replicas[0].Admin+"/users", `{"name":"alice","password":"password-of-alice"}`); status != http.StatusCreated {
		t.Fatalf("add a user: %d %s", status, body)
	}
	if status, body := replicas[0].ask(http.MethodPost, replicas[0].Admin+"/signing-keys/rotate", ""); status != http.StatusOK {
		t.Fatalf("rotate: %d %s", status, body)
	}
	_, keys := replicas[0].ask(http.MethodGet, replicas[0].Admin+"/signing-keys", "")
	for i, r := range replicas {
		if status, body := r.ask(http.MethodGet, r.Admin+"/users", ""); status != http.StatusOK || !strings.Contains(body, `"alice"`) {
			t.Errorf("replica %d does not know the user of another: %d %s", i, status, body)
		}
		until(t, fmt.Sprintf("replica %d has other signing keys", i), func() bool { // authserver.RingPoll
			_, body := r.ask(http.MethodGet, r.Admin+"/signing-keys", "")
			return body == keys
		})
		until(t, fmt.Sprintf("replica %d does not get ready", i), r.ready)
	}

	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	h := &pusher{t: t, key: key}
	until(t, "the replicas accept nothing", func() bool { return h.push(replicas[0].Public) == http.StatusCreated })
	for i, r := range replicas { // with the nonce of another
		if status := h.push(r.Public); status != http.StatusCreated {
			t.Errorf("replica %d answers %d", i, status)
		}
	}

	valkey.Kill()
	for i, r := range replicas {
		if status := h.push(r.Public); status != http.StatusServiceUnavailable {
			t.Errorf("without Valkey replica %d answers %d", i, status)
		}
	}
	valkey.Start()
	for i, r := range replicas {
		until(t, fmt.Sprintf("replica %d does not go on", i), func() bool { return h.push(r.Public) == http.StatusCreated })
	}

	db.Crash()
	for i, r := range replicas {
		if status, body := r.ask(http.MethodGet, r.Metrics+"/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "store") {
			t.Errorf("without PostgreSQL replica %d says %d %s", i, status, body)
		}
	}
	db.Start()
	for i, r := range replicas {
		until(t, fmt.Sprintf("replica %d is not ready again", i), r.ready)
	}
}

// Every configuration that the guide shows is right.
func TestTheGuideOfUpstreamsIsRight(t *testing.T) {
	secrets := guideSecrets(t)
	for _, name := range []string{"as.yaml", "exchange.yaml", "migration.yaml"} {
		t.Run(name, func(t *testing.T) {
			checkGuide(t, strings.ReplaceAll(guideFile(t, "in-front-of-your-identity-provider.md", name), "/run/secrets", secrets))
		})
	}
}

// pusher pushes authorization requests as the client of the guide.
type pusher struct {
	t     *testing.T
	key   *holdfast.Key
	nonce string
}

// push sends a request with a proof, and returns the status of the answer.
func (h *pusher) push(server string) int {
	h.t.Helper()
	target, err := url.Parse("https://as.example/par")
	if err != nil {
		h.t.Fatal(err)
	}
	proof, err := h.key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: target, Nonce: h.nonce})
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, server+"/par", strings.NewReader(url.Values{
		"client_id": {"orders-app"}, "response_type": {"code"}, "redirect_uri": {"https://app.example/callback"},
		"scope": {"orders.read"}, "code_challenge_method": {"S256"}, "code_challenge": {strings.Repeat("A", 43)},
	}.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", proof)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	answer.Body.Close()
	if n := answer.Header.Get("DPoP-Nonce"); n != "" {
		h.nonce = n
	}
	return answer.StatusCode
}

func (g *guided) ready() bool {
	status, _ := g.ask(http.MethodGet, g.Metrics+"/readyz", "")
	return status == http.StatusOK
}

// until repeats something until it is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// guided is the program with the configuration of a guide.
type guided struct {
	t *testing.T
	issuer.Addresses
}

// serveGuide runs the program until the test ends.
func serveGuide(t *testing.T, text string) *guided {
	t.Helper()
	c, err := issuer.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan issuer.Addresses, 1), make(chan error, 1)
	go func() {
		ended <- issuer.Run(ctx, c, issuer.Process{
			Getenv: func(string) string { return "" }, Stdout: io.Discard, Log: slog.New(slog.DiscardHandler), Version: "test",
			Ready: func(a issuer.Addresses) error { ready <- a; return nil },
		})
	}()
	g := &guided{t: t}
	select {
	case g.Addresses = <-ready:
	case err := <-ended:
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return g
}

// ask sends a request, with a body of JSON unless it is empty.
func (g *guided) ask(method, address, body string) (int, string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

// checkGuide fails the test unless a configuration is right.
func checkGuide(t *testing.T, text string) {
	t.Helper()
	c, err := issuer.Read(strings.NewReader(text))
	if err == nil {
		err = c.Check(t.Context(), func(string) string { return "" })
	}
	if err != nil {
		t.Fatal(err)
	}
}
