package issuer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// talk is a writer for several goroutines.
type talk struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *talk) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *talk) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// served is a server under test.
type served struct {
	t *testing.T
	Addresses
	audit, log talk
	reopen     chan struct{}
	delayed    chan time.Time // ends the delay of the stop
	stop       context.CancelFunc
	ended      chan error
}

func start(t *testing.T, text string) *served {
	t.Helper()
	c := read(t, text)
	ctx, stop := context.WithCancel(context.Background())
	s := &served{t: t, stop: stop, ended: make(chan error, 1), reopen: make(chan struct{}), delayed: make(chan time.Time, 1)}
	ready := make(chan Addresses, 1)
	go func() {
		s.ended <- Run(ctx, c, Process{
			Getenv: noEnvironment, Stdout: &s.audit, Log: slog.New(slog.NewTextHandler(&s.log, nil)), Version: "test", Reopen: s.reopen,
			Ready: func(a Addresses) error { ready <- a; return nil },
			after: func(time.Duration) <-chan time.Time { return s.delayed },
		})
	}()
	select {
	case s.Addresses = <-ready:
	case err := <-s.ended:
		t.Fatal(err)
	}
	t.Cleanup(func() { s.end(); s.wait() })
	return s
}

// end tells the server to stop without delay.
func (s *served) end() {
	select {
	case s.delayed <- time.Time{}:
	default:
	}
	s.stop()
}

// wait waits for the end.
func (s *served) wait() error {
	s.t.Helper()
	err, ok := <-s.ended
	if ok {
		close(s.ended)
	}
	return err
}

func (s *served) get(address string) (int, string) {
	s.t.Helper()
	r, err := http.Get(address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// admin sends a request to the admin listener.
func (s *served) admin(method, path, body string, edit func(*http.Request)) (int, string) {
	s.t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		network, address := "tcp", strings.TrimPrefix(s.Admin, "http://")
		if path, ok := strings.CutPrefix(s.Admin, "unix:"); ok {
			network, address = "unix", path
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}}
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if edit != nil {
		edit(r)
	}
	a, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

const inMemory = minimal + "store: \"memory:\"\nusers: true\n"

// with adds listeners to a configuration.
func with(text, listeners string) string {
	return strings.Replace(text, `0"}}`, `0"}, `+listeners+"}", 1)
}

func TestRunServesAndStops(t *testing.T) {
	s := start(t, with(inMemory, `metrics: {address: "127.0.0.1:0"}`))
	if status, body := s.get(s.Metrics + "/readyz"); status != http.StatusOK {
		t.Errorf("ready: %d %s", status, body)
	}
	if status, body := s.get(s.Public + "/.well-known/oauth-authorization-server"); status != http.StatusOK || !strings.Contains(body, `"https://as.example"`) {
		t.Errorf("metadata: %d %s", status, body)
	}
	r, err := http.PostForm(s.Public+"/token", url.Values{"grant_type": {"made-up"}, "client_id": {"nobody"}})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	_, metrics := s.get(s.Metrics + "/metrics")
	for _, want := range []string{
		`holdfast_decisions_total{code="",decision="refused",endpoint="token",error="invalid_client"`,
		`holdfast_public_request_seconds_count{endpoint="token",status="4`,
		`holdfast_public_request_seconds_count{endpoint=".well-known",status="200"} 1`,
		"holdfast_audit_lost_lines 0",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	s.end()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.audit.String(), `"event":"token","decision":"refused","error":"invalid_client"`) {
		t.Errorf("the audit log is %s", s.audit.String())
	}
	for _, address := range []string{s.Public, s.Metrics} {
		if _, err := net.Dial("tcp", strings.TrimPrefix(address, "http://")); err == nil {
			t.Errorf("%s is still open", address)
		}
	}
}

// The server says that it is about to stop before it refuses connections.
func TestRunIsNotReadyBeforeItStops(t *testing.T) {
	s := start(t, with(inMemory, `metrics: {address: "127.0.0.1:0"}`)+"stop: {delay: 5s}\n")
	s.stop()
	for {
		status, body := s.get(s.Metrics + "/readyz")
		if status == http.StatusServiceUnavailable && body == "not ready: stopping\n" {
			break
		}
	}
	if status, _ := s.get(s.Public + "/jwks"); status != http.StatusOK {
		t.Errorf("meanwhile a request is answered with %d", status)
	}
	s.end()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

func TestRunOpensAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	folder := t.TempDir()
	text := strings.Replace(inMemory, `"memory:"`, "bbolt://"+filepath.ToSlash(folder)+"/as.db", 1)
	c := read(t, with(text, `metrics: {address: "`+taken.Addr().String()+`"}`))
	p := Process{Getenv: noEnvironment, Stdout: io.Discard, Log: slog.New(slog.DiscardHandler)}
	if err := Run(t.Context(), c, p); err == nil || !strings.HasPrefix(err.Error(), "listen.metrics: ") {
		t.Errorf("got %v", err)
	}
	// Nothing is left open: neither the socket nor the lock of the store.
	c.Listen.Metrics.Address = ""
	p.Ready = func(Addresses) error { return errors.New("enough") }
	if err := Run(t.Context(), c, p); err == nil || err.Error() != "enough" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "admin.sock")); err == nil {
		t.Error("the socket is left behind")
	}
}

func TestTheAuditLogIsOpenedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s := start(t, inMemory+"audit: "+filepath.ToSlash(path)+"\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.reopen <- struct{}{}
	s.reopen <- struct{}{} // the first has been seen to when the second is taken
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// certificate makes a certificate that signs itself.
func certificate(t *testing.T, name string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, both
}

// A client that authenticates by its certificate gets a token that is bound to
// it, from the listener that asks for certificates.
func TestTheSecondListenerAsksForCertificates(t *testing.T) {
	folder := t.TempDir()
	_, server := certificate(t, "mtls.as.example")
	own, client := certificate(t, "job")
	files := map[string][]byte{"tls.pem": server, "client.pem": client}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair := "certificate: " + folder + "/tls.pem, key: " + folder + "/tls.pem"
	s := start(t, with(inMemory, `admin: {address: "127.0.0.1:0"}, mtls: {address: "127.0.0.1:0", `+pair+"}")+`mtls_url: https://mtls.as.example
client_cas: `+folder+`/client.pem
clients:
  - client_id: job
    token_endpoint_auth_method: tls_client_auth
    tls_client_auth_san_dns: job
    tls_client_certificate_bound_access_tokens: true
    grant_types: [client_credentials]
    scope: read
`)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(server)
	c := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}, ServerName: "mtls.as.example"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, strings.TrimPrefix(s.MTLS, "https://"))
		},
	}}
	r, err := c.PostForm("https://mtls.as.example/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"job"}, "scope": {"read"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", r.StatusCode, answer.Error, err)
	}
	_, keys := s.admin(http.MethodGet, "/clients/job/keys", "", nil)
	if !strings.Contains(keys, `"x5t#S256"`) {
		t.Errorf("the keys of the client are %s", keys)
	}
}
