package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// The test binary plays an authorization server that can be killed: with this
// variable in its environment it is one.
const envReplica = "HOLDFAST_E2E_REPLICA"

func TestMain(m *testing.M) {
	if text := os.Getenv(envReplica); text != "" {
		if err := playReplica(text); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// The parties of a replica.
const (
	replicaIssuer   = "http://127.0.0.1:9" // nobody is there: the test decides which replica answers
	replicaAPI      = "https://api.example"
	replicaCallback = "https://app.example/cb"
	replicaApp      = "app"   // public: code and refresh
	replicaBatch    = "batch" // confidential: client credentials, may introspect
)

var (
	batchSecret   = strings.Repeat("b", 32)
	alicePassword = strings.Repeat("a", 16)
)

// replicaConfig is what a replica is told.
type replicaConfig struct {
	Store   string // data source name
	Shared  string // of replays and nonces; "": each process its own
	Public  string // address to listen at
	Admin   string
	Sealing string
}

// oneUser is a directory of alice.
type oneUser struct{}

func (oneUser) Authenticate(_ context.Context, a authserver.Attempt) (authserver.Person, error) {
	if a.Name != "alice" || a.Password.Reveal() != alicePassword {
		return authserver.Person{}, authserver.ErrWrongPassword
	}
	return authserver.Person{Subject: "subject-of-alice", Name: "Alice"}, nil
}

// playReplica serves until it is killed. Lines on stdin make the disk full and
// give the space back: "full" and "space".
func playReplica(text string) error {
	var c replicaConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	ctx := context.Background()
	records, err := store.Open(ctx, c.Store)
	if err != nil {
		return err
	}
	sealing := holdfast.NewSecret(c.Sealing)
	policy := holdfast.ProofPolicy{}
	replicas := 1
	if c.Shared != "" {
		replicas = 3
		if policy.Replays, err = store.OpenReplays(ctx, c.Shared); err != nil {
			return err
		}
		if policy.Nonces, err = store.OpenNonceKeys(ctx, c.Shared, store.NonceKeysConfig{SealingKey: sealing, Realm: replicaIssuer}); err != nil {
			return err
		}
	}
	as, err := authserver.New(ctx, authserver.Config{
		Issuer: replicaIssuer, Store: records, SealingKeys: []holdfast.Secret{sealing}, Proof: policy, Replicas: replicas,
		AllowSecrets: true, Directory: oneUser{},
		Resources: []authserver.Resource{{ID: replicaAPI, Scopes: []string{"read"}}},
		Clients: []authserver.Client{
			{Client: metadata.Client{
				ClientID: replicaApp, AuthMethod: "none", RedirectURIs: []string{replicaCallback},
				GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
			}, SkipConsent: true},
			{Client: metadata.Client{
				ClientID: replicaBatch, AuthMethod: "client_secret_basic", GrantTypes: []string{"client_credentials"},
			}, Secrets: []holdfast.Secret{holdfast.NewSecret(batchSecret)}, Introspects: []string{replicaAPI}},
		},
	})
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", c.Public)
	if err != nil {
		return err
	}
	admin, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	go func() { failed <- http.Serve(public, as.Handler()) }()
	go func() { failed <- http.Serve(admin, as.AdminHandler()) }()
	go func() { failed <- obey(bufio.NewScanner(os.Stdin)) }()
	fmt.Println("ready")
	return <-failed
}

// obey sets what a file may grow to, which is how a disk gets full for one
// process: 0 lets nothing be written at all.
func obey(commands *bufio.Scanner) error {
	signal.Ignore(syscall.SIGXFSZ) // the write fails instead
	var room syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		return err
	}
	for commands.Scan() {
		limit := room
		if commands.Text() == "full" {
			limit.Cur = 0
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
		fmt.Println(commands.Text())
	}
	return errors.New("the test is over")
}

// replica is an authorization server in a process of its own.
type replica struct {
	t      testing.TB
	config replicaConfig
	client *http.Client // whose every request goes to this replica

	process *exec.Cmd
	tell    func(command string) // and waits until it is done
}

// newReplica starts a replica at addresses of its own.
func newReplica(t testing.TB, c replicaConfig) *replica {
	t.Helper()
	c.Public, c.Admin, c.Sealing = freeAddress(t), freeAddress(t), strings.Repeat("s", 32)
	r := &replica{t: t, config: c}
	r.client = &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", c.Public)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(r.kill)
	r.start()
	return r
}

// freeAddress is one that nobody listens at: a replica that is started again
// has to have the same.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start starts the process and waits until it serves.
func (r *replica) start() {
	r.t.Helper()
	text, err := json.Marshal(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	r.process = exec.Command(exe)
	r.process.Env = append(os.Environ(), envReplica+"="+string(text))
	r.process.Stderr = os.Stderr
	out, err := r.process.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	in, err := r.process.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.process.Start(); err != nil {
		r.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	hear := func(want string) {
		r.t.Helper()
		if !lines.Scan() || lines.Text() != want {
			r.t.Fatalf("the replica says %q, want %q", lines.Text(), want)
		}
	}
	hear("ready")
	r.tell = func(command string) {
		r.t.Helper()
		if _, err := fmt.Fprintln(in, command); err != nil {
			r.t.Fatal(err)
		}
		hear(command)
	}
}

// kill ends the process at once (SIGKILL). Twice is fine.
func (r *replica) kill() {
	if r.process == nil || r.process.ProcessState != nil {
		return
	}
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}
