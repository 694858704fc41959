package cli

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/issuer"
	"github.com/holdfast-oauth/holdfast/resource"
)

// The scripts run an authorization server and administer it: one file per story.
// $AS is its issuer, a proxy in front of whatever port it got; $API trusts it.
func TestServeScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/serve",
		UpdateScripts:       *updateScripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUpServed,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "expand": expand, "ready": ready, "terminate": terminate, "remember": remember,
		},
	})
}

func setUpServed(e *testscript.Env) error {
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if target, err := url.Parse(servedAt(e.WorkDir).Public); err == nil {
				r.SetURL(target)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	e.Defer(front.Close)
	mux := http.NewServeMux()
	api := httptest.NewServer(mux)
	e.Defer(api.Close)
	guard, err := resource.New(resource.Config{
		PublicURL: api.URL, Log: slog.New(slog.DiscardHandler),
		Verify: holdfast.Config{Issuers: []string{front.URL}, Audience: []string{api.URL}},
	})
	if err != nil {
		return err
	}
	orders, err := guard.Protect(holdfast.Requirement{Scope: []string{"orders.read"}}, http.HandlerFunc(serveOrders))
	if err != nil {
		return err
	}
	mux.Handle("/orders", orders)
	mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
	for name, value := range map[string]string{
		"AS": front.URL, "API": api.URL, "HOLDFAST_HOME": filepath.Join(e.WorkDir, "home"), "HOLDFAST_PASSPHRASE": aloud,
		"HOLDFAST_READY_FILE": filepath.Join(e.WorkDir, "ready.json"), "HOLDFAST_ADMIN": "unix:" + filepath.Join(e.WorkDir, "admin.sock"),
		"EXAMPLE": filepath.Join(must(os.Getwd()), "../../docs/examples/as.yaml"),
	} {
		e.Setenv(name, value)
	}
	return nil
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// servedAt is what the server of a script has written into its ready file.
func servedAt(folder string) (a issuer.Addresses) {
	b, err := os.ReadFile(filepath.Join(folder, "ready.json"))
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return issuer.Addresses{}
	}
	return a
}

// expand replaces $WORK, $AS and $API in files: expand FILE...
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := strings.NewReplacer("$WORK", ts.Getenv("WORK"), "$AS", ts.Getenv("AS"), "$API", ts.Getenv("API")).Replace(ts.ReadFile(name))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
		ts.Check(os.Chmod(ts.MkAbs(name), 0o600)) // it was there with another mode
	}
}

// ready waits for the server to say where it listens.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if a := servedAt(ts.Getenv("WORK")); a.Public != "" {
			ts.Setenv("METRICS", a.Metrics)
			return
		}
	}
	ts.Fatalf("the server does not listen")
}

// remember keeps what a command has printed in a variable: remember NAME.
func remember(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// terminate sends SIGTERM to the server.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
	ts.Check(os.Remove(ts.MkAbs("ready.json")))
}
