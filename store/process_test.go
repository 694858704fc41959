//go:build unix

package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The environment of a test binary that plays another process.
const (
	envRole  = "STORE_TEST_ROLE"
	envPath  = "STORE_TEST_PATH"
	envBegin = "STORE_TEST_BEGIN" // the number of the process
)

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := playRole(role, os.Getenv(envPath)); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func playRole(role, path string) error {
	s, err := Open(context.Background(), "bbolt://"+path)
	if err != nil {
		return err
	}
	switch role {
	case "write":
		begin, _ := strconv.Atoi(os.Getenv(envBegin))
		writeForEver(s, "p"+strconv.Itoa(begin))
	case "full":
		if err := fillUp(s, path); err != nil {
			return err
		}
	}
	return s.Close()
}

// writeForEver writes until the process is killed. A line is one write to the
// pipe, after the store has confirmed.
func writeForEver(s Store, name string) {
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			err := hammer(context.Background(), s, name+"w"+strconv.Itoa(w), func(f fact) {
				_, _ = os.Stdout.WriteString(fmt.Sprintln(f.writer, f.what, f.n))
			})
			fmt.Println("error:", err)
		})
	}
	all.Wait()
}

// other starts another process in a role.
func other(t *testing.T, role, path string, env ...string) (cmd *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	check(t, err)
	cmd = exec.Command(exe)
	cmd.Env = append(append(os.Environ(), envRole+"="+role, envPath+"="+path), env...)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // no process is left behind by a failed test
	return cmd, bufio.NewScanner(out)
}

// readFact reads a line of another process.
func readFact(t *testing.T, line string) fact {
	t.Helper()
	parts := strings.Fields(line)
	if len(parts) != 3 || parts[0] == "error:" {
		t.Fatalf("the process said %q", line)
	}
	n, err := strconv.Atoi(parts[2])
	check(t, err)
	return fact{parts[0], parts[1], n}
}

// A process is killed at a random moment, again and again, over one file.
func TestAKilledProcessLosesNothingThatWasConfirmed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "as.db")
	var facts []fact
	for round := range faults(t, 25) {
		cmd, lines := other(t, "write", path, envBegin+"="+strconv.Itoa(round))
		for left := rand.IntN(120); lines.Scan(); left-- {
			facts = append(facts, readFact(t, lines.Text()))
			if left == 0 {
				check(t, cmd.Process.Kill())
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		s := openFile(t, path, time.Now) // by itself, without repair
		judge(t, s, facts)
		checkFile(t, s)
		check(t, s.Close())
	}
	t.Logf("%d confirmations", len(facts))
}

// setFileLimit sets how large a file this process may make: to the kernel no
// other reason to refuse a write than a full or read-only disk.
func setFileLimit(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = min(n, limit.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// fillUp is the process whose disk is full, thrice, and has room again.
func fillUp(s Store, path string) error {
	signal.Ignore(syscall.SIGXFSZ) // a write fails instead
	ctx := context.Background()
	body := make([]byte, MaxBodyBytes)
	next := 0
	create := func() error {
		err := s.Create(ctx, Record{Kind: "created", Key: [32]byte{byte(next), byte(next >> 8)}, Owner: "alice", Body: body})
		if err == nil {
			next++
		}
		return err
	}
	for _, room := range []struct {
		name  string
		limit func(size uint64) uint64
	}{
		{"the file cannot grow", func(size uint64) uint64 { return size }},
		{"the file cannot be written beyond its begin", func(uint64) uint64 { return 64 << 10 }},
		{"the file cannot be written at all", func(uint64) uint64 { return 0 }},
	} {
		for range 10 {
			if err := create(); err != nil {
				return fmt.Errorf("with room: %w", err)
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := setFileLimit(room.limit(uint64(info.Size()))); err != nil {
			return err
		}
		const tries = 2000 // of 64 KiB: more than the file grows by at a time
		for range tries {
			if err = create(); err != nil {
				break
			}
		}
		if err == nil || errors.Is(err, ErrExists) || errors.Is(err, ErrConflict) {
			return fmt.Errorf("%s: Create = %v, want a failure", room.name, err)
		}
		r, err := s.Get(ctx, "created", [32]byte{})
		if err != nil {
			return fmt.Errorf("%s: Get = %w, want the first record", room.name, err)
		}
		if err := s.Swap(ctx, r); room.limit(1) == 0 && (err == nil || errors.Is(err, ErrConflict)) {
			return fmt.Errorf("%s: Swap = %v, want a failure", room.name, err)
		}
		if _, err := s.Get(ctx, "created", [32]byte{byte(next - 1), byte((next - 1) >> 8)}); err != nil {
			return fmt.Errorf("%s: Get = %w, want the last record", room.name, err)
		}
		if err := setFileLimit(1 << 62); err != nil {
			return err
		}
		fmt.Println("full created", next)
	}
	for range 10 {
		if err := create(); err != nil {
			return fmt.Errorf("with room again: %w", err)
		}
	}
	fmt.Println("end created", next)
	return nil
}

func TestAFullDiskIsAnErrorAndNothingIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "as.db")
	cmd, lines := other(t, "full", path)
	created, full := 0, 0
	for lines.Scan() {
		f := readFact(t, lines.Text())
		created = f.n
		if f.writer == "full" {
			full++
		}
	}
	if err := cmd.Wait(); err != nil || full != 3 {
		t.Fatalf("the process ended with %v; the disk was full %d times, want 3", err, full)
	}
	s := openFile(t, path, time.Now)
	checkFile(t, s)
	listed := 0
	for _, err := range s.List(t.Context(), "created", "alice") {
		check(t, err)
		listed++
	}
	if listed != created {
		t.Errorf("%d records are there, want the %d that were confirmed", listed, created)
	}
}

func TestAFileThatCannotBeOpenedIsAnError(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root may write what is read-only")
	}
	path := filepath.Join(t.TempDir(), "as.db")
	s := openFile(t, path, time.Now)
	check(t, s.Create(t.Context(), Record{Kind: "test"}))
	check(t, s.Close())
	check(t, os.Chmod(path, 0o400))
	if _, err := Open(t.Context(), "bbolt://"+path); !errors.Is(err, os.ErrPermission) {
		t.Errorf("Open of a read-only file = %v, want an error", err)
	}
	check(t, os.Chmod(path, 0o600))
	if _, err := openFile(t, path, time.Now).Get(t.Context(), "test", [32]byte{}); err != nil {
		t.Error(err)
	}
}
