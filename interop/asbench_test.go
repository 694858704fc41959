package interop

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
	"github.com/holdfast-oauth/holdfast/token"
)

// What every server of the benchmark is asked for.
const (
	benchResource = "https://api.example"
	benchScope    = "read"

	benchConnections = 64
	benchRound       = 2 * time.Second // of load for one server; the two take turns
	benchTurns       = 2
	benchWarmUp      = 500 * time.Millisecond // per server, before the first turn

	ticksPerSecond = 100 // the unit of times in /proc/PID/stat
)

// benchServerVariable makes the test binary an authorization server: ours runs
// in a process of its own, as the other one does.
const benchServerVariable = "HOLDFAST_BENCH_SERVER"

func TestMain(m *testing.M) {
	if text := os.Getenv(benchServerVariable); text != "" {
		if err := serveForBenchmark(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// benchServer is what a server process is told.
type benchServer struct {
	Store      string          `json:"store"` // data source name
	Resource   string          `json:"resource"`
	Scope      string          `json:"scope"`
	Secret     string          `json:"secret"`
	SignerKeys json.RawMessage `json:"signerKeys"`
}

// serveForBenchmark runs our server until its input ends.
func serveForBenchmark(text string) error {
	var c benchServer
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	ctx := context.Background()
	records, err := store.Open(ctx, c.Store)
	if err != nil {
		return err
	}
	defer records.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	machine := func(id, method string, edit func(*authserver.Client)) authserver.Client {
		k := authserver.Client{Client: metadata.Client{ClientID: id, AuthMethod: method, GrantTypes: []string{"client_credentials"}}}
		edit(&k)
		return k
	}
	seal := make([]byte, 32)
	_, _ = rand.Read(seal)
	issuer := "http://" + l.Addr().String()
	// As many proofs as the benchmark can send in the time that they are kept.
	replays, err := holdfast.NewReplays(holdfast.ReplayConfig{Max: 8 << 20})
	if err != nil {
		return err
	}
	server, err := authserver.New(ctx, authserver.Config{
		Issuer: issuer, Store: records, SealingKeys: []holdfast.Secret{holdfast.NewSecret(string(seal))}, AllowSecrets: true,
		Proof:     holdfast.ProofPolicy{Replays: replays},
		Resources: []authserver.Resource{{ID: c.Resource, Scopes: []string{c.Scope}}},
		Clients: []authserver.Client{
			machine("service", "client_secret_basic", func(k *authserver.Client) { k.Secrets = []holdfast.Secret{holdfast.NewSecret(c.Secret)} }),
			machine("signer", "private_key_jwt", func(k *authserver.Client) { k.JWKS = c.SignerKeys }),
		},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"issuer": issuer, "token": issuer + "/token"}); err != nil {
		return err
	}
	s := &http.Server{Handler: server.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = s.Close()
	}()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// contender is a running server and what was measured of it.
type contender struct {
	Issuer string `json:"issuer"`
	Token  string `json:"token"`

	name  string
	pid   int
	lines []*benchLine

	tokens  int
	elapsed time.Duration
	cpu     time.Duration // of the server and the load maker
}

// BenchmarkTokens measures access tokens by client_credentials, with a DPoP
// proof and a nonce in every request and JWT access tokens (ES256), the load
// maker included. Every server is a process of its own and takes turns with
// oidc-provider, whose adapter is the one in memory; x-oidc is how many times as
// many tokens come out of ours in the same time.
//
// CPU time is that of the server process and the load maker; that of PostgreSQL
// is left out. With a secret, no request but the first of a key writes anything.
// With private_key_jwt, every request does: the jti of its assertion is used once.
func BenchmarkTokens(b *testing.B) {
	for _, auth := range []string{"client_secret_basic", "private_key_jwt"} {
		for _, kind := range []string{"memory", "bbolt", "postgres"} {
			b.Run(auth+"/"+kind, func(b *testing.B) {
				load, told := newBenchLoad(b, auth)
				ours := startOurs(b, told, storeOf(b, kind))
				other := startOther(b, told)
				both := []*contender{ours, other}
				for _, c := range both {
					load.connect(b, c)
					load.run(b, c, benchWarmUp)
				}
				ours.reset()
				other.reset()
				b.ResetTimer()
				for range b.N {
					for range benchTurns {
						for _, c := range both {
							load.run(b, c, benchRound)
						}
					}
				}
				b.StopTimer()
				b.ReportMetric(ours.rate()/other.rate(), "x-oidc")
				b.ReportMetric(ours.rate(), "tokens/s")
				b.ReportMetric(other.rate(), "oidc-tokens/s")
				b.ReportMetric(ours.cpuPerToken(), "cpu-ms/token")
				b.ReportMetric(other.cpuPerToken(), "oidc-cpu-ms/token")
				b.ReportMetric(0, "ns/op") // of both together: says nothing
			})
		}
	}
}

// storeOf is the data source name of a new store.
func storeOf(b *testing.B, kind string) string {
	switch kind {
	case "bbolt":
		return "bbolt://" + filepath.Join(b.TempDir(), "records.db")
	case "postgres":
		return "postgres://postgres@" + testservers.Postgres(b).Address + "/postgres?timeout=5s"
	}
	return "memory:"
}

func startOurs(b *testing.B, told benchServer, dsn string) *contender {
	b.Helper()
	told.Store = dsn
	text, err := json.Marshal(told)
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), benchServerVariable+"="+string(text))
	c := &contender{name: "holdfast"}
	startProgram(b, cmd, c.name, c)
	c.pid = cmd.Process.Pid
	return c
}

func startOther(b *testing.B, told benchServer) *contender {
	b.Helper()
	cmd := script(b, "asbench.mjs", told)
	cmd.Env = append(cmd.Env, "NODE_ENV=production")
	c := &contender{name: "oidc-provider"}
	startProgram(b, cmd, c.name, c)
	c.pid = cmd.Process.Pid
	return c
}

func (c *contender) reset()        { c.tokens, c.elapsed, c.cpu = 0, 0, 0 }
func (c *contender) rate() float64 { return float64(c.tokens) / c.elapsed.Seconds() }
func (c *contender) cpuPerToken() float64 {
	return c.cpu.Seconds() * 1000 / float64(c.tokens)
}

// benchLoad makes requests, the same for every server.
type benchLoad struct {
	method clientauth.Method
	secret holdfast.Secret
	signer *ecdsa.PrivateKey
}

// newBenchLoad returns the load maker and what servers have to know of it.
func newBenchLoad(b *testing.B, method string) (*benchLoad, benchServer) {
	b.Helper()
	load := &benchLoad{method: clientauth.Method(method), secret: holdfast.NewSecret(rand.Text())}
	load.signer = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	jwk := plainJWK(load.signer.Public())
	maps.Copy(jwk, map[string]string{"kid": signerKeyID, "use": "sig", "alg": "ES256"})
	return load, benchServer{
		Resource: benchResource, Scope: benchScope, Secret: load.secret.Reveal(),
		SignerKeys: must(json.Marshal(map[string]any{"keys": []any{jwk}})),
	}
}

// connect opens the connections to a server, one key each, and looks at one
// token closely: what is compared has to be the same.
func (l *benchLoad) connect(b *testing.B, c *contender) {
	b.Helper()
	id := "service"
	if l.method == clientauth.PrivateKeyJWT {
		id = "signer"
	}
	conf := clientauth.Config{Method: l.method, ClientID: id, Issuer: c.Issuer}
	if id == "signer" {
		conf.Signer, conf.KeyID = l.signer, signerKeyID
	} else {
		conf.Secret = l.secret
	}
	auth := must(clientauth.New(conf))
	target := must(url.Parse(c.Token))
	for range benchConnections {
		conn, err := net.Dial("tcp", target.Host)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		c.lines = append(c.lines, &benchLine{conn: conn, read: bufio.NewReader(conn), auth: auth, target: target, key: must(holdfast.GenerateKey())})
	}
	l.look(b, c)
}

// look judges one token as a resource does.
func (l *benchLoad) look(b *testing.B, c *contender) {
	b.Helper()
	line := c.lines[0]
	raw, err := line.get()
	if err != nil {
		b.Fatalf("%s: %v", c.name, err)
	}
	server := must((&metadata.Fetcher{}).Server(b.Context(), c.Issuer))
	reader := must(token.NewRemote(token.RemoteConfig{Issuer: c.Issuer, JWKSURI: server.JWKSURI}))
	now := time.Now().Add(-time.Minute) // a replay cache from before: a cold one would demand a nonce
	replays := must(holdfast.NewReplays(holdfast.ReplayConfig{Now: func() time.Time { return now }}))
	now = time.Now()
	verifier := must(holdfast.NewVerifier(holdfast.Config{
		Tokens: reader, Issuers: []string{c.Issuer}, Audience: []string{benchResource}, Proof: holdfast.ProofPolicy{Replays: replays},
	}))
	api := must(url.Parse(benchResource))
	access := holdfast.NewSecret(raw)
	proof := must(line.key.Prove(holdfast.ProofClaims{Method: http.MethodGet, URL: api, Token: access}))
	_, err = verifier.Verify(b.Context(), &holdfast.Presentation{
		Method: http.MethodGet, URL: benchResource,
		Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP " + raw)}, Proofs: []holdfast.Secret{holdfast.NewSecret(proof)},
	}, holdfast.Requirement{Scope: []string{benchScope}})
	if err != nil {
		b.Fatalf("%s: its token: %v", c.name, err)
	}
}

// run keeps every connection busy for some time.
func (l *benchLoad) run(b *testing.B, c *contender, d time.Duration) {
	b.Helper()
	before, start := cpuOf(b, c.pid), time.Now()
	end := start.Add(d)
	var all sync.WaitGroup
	counts := make([]int, len(c.lines))
	for i, line := range c.lines {
		all.Go(func() {
			for time.Now().Before(end) {
				if _, err := line.get(); err != nil {
					b.Errorf("%s: %v", c.name, err)
					return
				}
				counts[i]++
			}
		})
	}
	all.Wait()
	c.elapsed += time.Since(start)
	c.cpu += cpuOf(b, c.pid) - before
	for _, n := range counts {
		c.tokens += n
	}
	if b.Failed() {
		b.FailNow()
	}
}

// benchLine is one connection of one client. It writes requests by hand: what
// the load maker costs is in the result of both servers.
type benchLine struct {
	conn   net.Conn
	read   *bufio.Reader
	auth   *clientauth.Authenticator
	target *url.URL
	key    *holdfast.Key
	nonce  string
}

// get asks for a token, again if the server wants another nonce.
func (l *benchLine) get() (string, error) {
	for range 2 {
		status, body, err := l.ask()
		if err != nil {
			return "", err
		}
		var answer struct {
			Token string `json:"access_token"`
			Type  string `json:"token_type"`
			Error string `json:"error"`
			Text  string `json:"error_description"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return "", err
		}
		switch {
		case status == http.StatusOK && strings.EqualFold(answer.Type, "DPoP") && answer.Token != "":
			return answer.Token, nil
		case answer.Error != "use_dpop_nonce":
			return "", fmt.Errorf("status %d, %s: %s", status, answer.Error, answer.Text)
		}
	}
	return "", fmt.Errorf("the server wants a nonce again and again")
}

// ask sends one request and keeps the nonce of the answer.
func (l *benchLine) ask() (int, []byte, error) {
	proof, err := l.key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: l.target, Nonce: l.nonce})
	if err != nil {
		return 0, nil, err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {benchScope}, "resource": {benchResource}}
	header := http.Header{}
	if err := l.auth.Apply(form, header, time.Now()); err != nil {
		return 0, nil, err
	}
	if l.auth.Method() == clientauth.SecretBasic {
		form.Del("client_id")
	}
	body := form.Encode()
	request := "POST " + l.target.Path + " HTTP/1.1\r\nHost: " + l.target.Host + "\r\nContent-Type: application/x-www-form-urlencoded\r\nDPoP: " + proof + "\r\n"
	if v := header.Get("Authorization"); v != "" {
		request += "Authorization: " + v + "\r\n"
	}
	request += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	if _, err := io.WriteString(l.conn, request); err != nil {
		return 0, nil, err
	}
	answer, err := http.ReadResponse(l.read, nil)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	if nonce := answer.Header.Get("DPoP-Nonce"); nonce != "" {
		l.nonce = nonce
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxPageBytes))
	return answer.StatusCode, text, err
}

// cpuOf is the CPU time of a server process and this one so far.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skipf("the CPU time of another process is read from /proc: %v", err)
	}
	// The name of the program is in parentheses and may hold spaces.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := must(strconv.Atoi(fields[11])) + must(strconv.Atoi(fields[12])) // utime, stime
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ticks)*time.Second/ticksPerSecond + time.Duration(own.Utime.Nano()+own.Stime.Nano())
}
