package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
)

const (
	jobSecret = "secret-of-the-job-Ub4Zq9"
	aloud     = "correct horse battery staple" // passphrase of the keystores in tests
)

// live are a strict authorization server and an API that trusts it.
type live struct {
	as     *holdfasttest.Server
	api    *holdfasttest.Resource
	bearer *holdfasttest.Server // knows nothing of proofs
	caFile string
}

func startLive(t *testing.T) *live {
	t.Helper()
	clients := []holdfasttest.Client{
		{ID: "my-tool", RedirectURLs: []string{"http://127.0.0.1/callback"}},
		{ID: "job", Secret: holdfast.NewSecret(jobSecret)},
	}
	l := &live{as: holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients, DevicePolls: 1})}
	l.bearer = holdfasttest.NewServer(t, holdfasttest.ServerConfig{Clients: clients, Faults: holdfasttest.Faults{IgnoreProofs: true}})
	l.api = holdfasttest.NewResource(t, holdfasttest.ResourceConfig{Server: l.as, Handler: http.HandlerFunc(serveOrders)})
	l.caFile = filepath.Join(t.TempDir(), "ca.pem")
	writeCertificates(t, l.caFile, l.as.URL, l.api.URL, l.bearer.URL)
	return l
}

// setenv tells a script where the servers are.
func (l *live) setenv(e *testscript.Env) {
	e.Setenv("AS", l.as.URL)
	e.Setenv("API", l.api.URL)
	e.Setenv("BEARER_AS", l.bearer.URL)
	e.Setenv("HOLDFAST_CA_FILE", l.caFile)
	e.Setenv("HOLDFAST_HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("HOLDFAST_PASSPHRASE", aloud)
	e.Setenv("BROWSER", "browser")
}

// writeCertificates keeps the certificates of test servers, which sign
// themselves.
func writeCertificates(t *testing.T, path string, urls ...string) {
	t.Helper()
	var out []byte
	for _, u := range urls {
		c, err := tls.Dial("tcp", strings.TrimPrefix(u, "https://"), &tls.Config{InsecureSkipVerify: true}) // to learn it
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ConnectionState().PeerCertificates[0].Raw})...)
		c.Close()
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveOrders is the API behind the guard.
func serveOrders(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/missing":
		http.Error(w, "no such order", http.StatusNotFound)
	case "/elsewhere":
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
	default:
		b, _ := io.ReadAll(r.Body)
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		w.Header().Set("Set-Cookie", "session=cookie-secret-5Hq")
		fmt.Fprintf(w, "%s %s %s %q\n", r.Method, r.URL.Path, kind, b)
	}
}

// browse is the browser of the tests: it signs in by following redirects.
func browse() {
	pool := x509.NewCertPool()
	ca, _ := os.ReadFile(os.Getenv("HOLDFAST_CA_FILE"))
	pool.AppendCertsFromPEM(ca)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	r, err := c.Get(os.Args[1])
	if err != nil {
		os.Exit(1)
	}
	r.Body.Close()
}
