package testservers

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
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

// Start starts the server again after Crash.
func (s *PostgresServer) Start() {
	s.t.Helper()
	s.run(s.control, "-D", s.data(), "-l", filepath.Join(s.folder, "log"), "-w",
		"-o", "-p "+s.port+" -h 127.0.0.1 -k "+s.folder+" -c max_connections=100", "start")
	s.up = true
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
	if os.Geteuid() == 0 {
		args = append([]string{"-u", "postgres", "--", program}, args...)
		program = "runuser"
	}
	c := exec.Command(program, args...)
	c.Dir = s.folder
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}
