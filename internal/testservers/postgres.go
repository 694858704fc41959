package testservers

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// PostgresServer is a running PostgreSQL. Its methods are for the goroutine of
// the test.
type PostgresServer struct {
	Address string // host:port; user and database are both "postgres", without a password

	t       testing.TB
	control string // the program pg_ctl
	folder  string
	port    string
	up      bool
	killed  bool // its children may still be going away
}

// Postgres makes a database cluster and starts its server. As root it runs the
// programs as the user postgres, for they refuse to run as root.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	const debian = "/usr/lib/postgresql/*/bin"
	initialize := program(t, "initdb", debian)
	s := &PostgresServer{t: t, control: program(t, "pg_ctl", debian), port: freePort(t)}
	var err error
	if s.folder, err = os.MkdirTemp("", "postgres"); err != nil { // nobody else may enter t.TempDir
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.folder) })
	s.Address = "127.0.0.1:" + s.port
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(s.folder, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	s.run(initialize, "-D", s.data(), "-A", "trust", "-U", "postgres", "--no-sync")
	s.Start()
	t.Cleanup(s.Crash)
	return s
}

func (s *PostgresServer) data() string { return filepath.Join(s.folder, "data") }

// Start starts the server again after Crash or Kill.
func (s *PostgresServer) Start() {
	s.t.Helper()
	args := []string{
		"-D", s.data(), "-l", filepath.Join(s.folder, "log"), "-w",
		"-o", "-p " + s.port + " -h 127.0.0.1 -k " + s.folder + " -c max_connections=100", "start",
	}
	if s.killed {
		await(s.t, s.control, func() bool { return s.try(s.control, args...) == nil })
	} else {
		s.run(s.control, args...)
	}
	s.up, s.killed = true, false
}

// Kill ends the first process of the server with SIGKILL; its children follow
// when they notice.
func (s *PostgresServer) Kill() {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid < 2 {
		s.t.Fatalf("postmaster.pid begins with %q", first)
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.up, s.killed = false, true
}

// Crash ends the server without letting it finish anything: at the next start
// it recovers, and unlogged tables are empty. Twice is fine.
func (s *PostgresServer) Crash() {
	if s.up {
		s.run(s.control, "-D", s.data(), "-m", "immediate", "-w", "stop")
		s.up = false
	}
}

func (s *PostgresServer) run(program string, args ...string) {
	s.t.Helper()
	if err := s.try(program, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *PostgresServer) try(program string, args ...string) error {
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "postgres", "--", program}, args...)
		program = "runuser"
	}
	c := exec.Command(program, args...)
	c.Dir = s.folder
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", c.Args, err, out)
	}
	return nil
}
