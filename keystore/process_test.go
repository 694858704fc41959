package keystore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// The environment of a test binary that plays another process.
const (
	envRole = "KEYSTORE_TEST_ROLE"
	envPath = "KEYSTORE_TEST_PATH"
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
	ctx := context.Background()
	s, err := Open(path, Config{Passphrase: always(testPassphrase), Light: true})
	if err != nil {
		return err
	}
	switch role {
	case "count": // 20 increments
		for range 20 {
			err := s.Update(ctx, "counter", func(old holdfast.Secret) (holdfast.Secret, error) {
				n, _ := strconv.Atoi(old.Reveal())
				return holdfast.NewSecret(strconv.Itoa(n + 1)), nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	case "hold": // says so, and holds the lock until stdin ends
		return s.Update(ctx, "grant", func(holdfast.Secret) (holdfast.Secret, error) {
			fmt.Println("holding")
			_, err := io.Copy(io.Discard, os.Stdin)
			return holdfast.NewSecret("from the other process"), err
		})
	case "die": // stops for good between the temporary file and the rename
		s.medium.(*file).beforeRename = func() {
			fmt.Println("holding")
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
		_, err := s.Generate(ctx, "never", "")
		return err
	}
	return errors.New("unknown role")
}

// other starts another process in a role.
func other(t *testing.T, role, path string) (cmd *exec.Cmd, stdin io.WriteCloser, stdout *bufio.Reader) {
	t.Helper()
	exe := must(os.Executable())(t)
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), envRole+"="+role, envPath+"="+path)
	stdin = must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // no process is left behind by a failed test
	return cmd, stdin, bufio.NewReader(out)
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if line, err := r.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("the other process said %q (%v), want %q", line, err, want)
	}
}

func TestProcessesCountTogether(t *testing.T) {
	path, _ := sealedWith(t)
	const processes = 3
	var cmds []*exec.Cmd
	for range processes {
		cmd, _, out := other(t, "count", path)
		cmds = append(cmds, cmd)
		t.Cleanup(func() { _, _ = io.Copy(io.Discard, out) })
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if got := value(t, openCheap(t, path, testPassphrase), "counter"); got != strconv.Itoa(20*processes) {
		t.Errorf("counted %s, want %d", got, 20*processes)
	}
}

func TestAnotherProcessIsWaitedFor(t *testing.T) {
	path, _ := sealedWith(t)
	cmd, stdin, out := other(t, "hold", path)
	expectLine(t, out, "holding")
	s := openCheap(t, path, testPassphrase)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, s.Update(ctx, "grant", set("too early")), context.Canceled)
	// Neither readers nor other names wait.
	if got := value(t, s, "grant"); got != "refresh-token-value" {
		t.Errorf("value %q, want the one before", got)
	}
	if err := s.Update(t.Context(), "another", set("x")); err != nil {
		t.Error(err)
	}

	waited := make(chan error, 1)
	go func() {
		waited <- s.Update(t.Context(), "grant", func(old holdfast.Secret) (holdfast.Secret, error) {
			if old.Reveal() != "from the other process" {
				return old, fmt.Errorf("saw a value of %d bytes, want that of the other process", old.Len())
			}
			return holdfast.NewSecret("ours"), nil
		})
	}()
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestADeadProcessHoldsNoLock(t *testing.T) {
	path, _ := sealedWith(t)
	cmd, _, out := other(t, "hold", path)
	expectLine(t, out, "holding")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if err := openCheap(t, path, testPassphrase).Update(t.Context(), "grant", set("ours")); err != nil {
		t.Error(err)
	}
}

func TestKilledBetweenTemporaryFileAndRename(t *testing.T) {
	path, k := sealedWith(t)
	before := string(readAll(t, path))
	cmd, _, out := other(t, "die", path)
	expectLine(t, out, "holding")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if _, err := os.Stat(path + ".tmp"); err != nil {
		t.Fatalf("the process left no temporary file, so the test shows nothing: %v", err)
	}
	if string(readAll(t, path)) != before {
		t.Error("the file was changed")
	}
	s := openCheap(t, path, testPassphrase)
	must(s.ByThumbprint(t.Context(), k.Thumbprint()))(t)
	must(s.Generate(t.Context(), "later", ""))(t)
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
	list := must(openCheap(t, path, testPassphrase).List(t.Context()))(t)
	if len(list) != 2 {
		t.Errorf("list %+v, want the key from before and the later one", list)
	}
}
