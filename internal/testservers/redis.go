package testservers

import (
	"bytes"
	"net"
	"os/exec"
	"testing"
	"time"
)

// RedisServer is a running redis-server or valkey-server. Its methods are for
// the goroutine of the test.
type RedisServer struct {
	Address string // host:port

	t       testing.TB
	program string
	args    []string
	run     *exec.Cmd
}

// Redis starts a server without persistence; args are further settings, such as
// "--maxmemory", "8mb". The last setting of a name counts.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	path, err := exec.LookPath("valkey-server")
	if err != nil {
		path = program(t, "redis-server")
	}
	port := freePort(t)
	s := &RedisServer{Address: "127.0.0.1:" + port, t: t, program: path}
	s.args = append([]string{
		"--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no", "--daemonize", "no",
	}, args...)
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Start starts the server again after Kill, on the same port and folder.
func (s *RedisServer) Start() {
	s.t.Helper()
	s.run = exec.Command(s.program, s.args...)
	if err := s.run.Start(); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, s.program, func() bool {
		answer := s.ask("PING")
		return bytes.HasPrefix(answer, []byte("+PONG")) || bytes.HasPrefix(answer, []byte("-NOAUTH"))
	})
}

// Kill ends the server at once, as a crash does. Twice is fine.
func (s *RedisServer) Kill() {
	if s.run == nil {
		return
	}
	_ = s.run.Process.Kill()
	_ = s.run.Wait()
	s.run = nil
}

// Do sends one command without spaces in its arguments, and returns the start
// of the answer as it came.
func (s *RedisServer) Do(command string) string {
	s.t.Helper()
	answer := s.ask(command)
	if len(answer) == 0 {
		s.t.Fatalf("%s: no answer", command)
	}
	return string(answer)
}

// ask returns the first bytes of the answer, none if the server is not there.
func (s *RedisServer) ask(command string) []byte {
	c, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return nil
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return nil
	}
	buf := make([]byte, 64<<10)
	n, _ := c.Read(buf)
	return buf[:n]
}
