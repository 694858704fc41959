package ops_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast/internal/ops"
)

func noEnvironment(string) string { return "" }

func reference(t *testing.T, text string) ops.SecretRef {
	t.Helper()
	ref, err := ops.ParseSecretRef(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func secretFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretsAreReadFromFilesAndVariables(t *testing.T) {
	environment := func(name string) string { return map[string]string{"A": "from the variable"}[name] }
	for _, c := range []struct{ name, ref, want string }{
		{"a variable", "env:A", "from the variable"},
		{"a file", "file:" + secretFile(t, "from the file", 0o600), "from the file"},
		{"a file with a line end", "file:" + secretFile(t, "from the file\r\n", 0o600), "from the file"},
		{"a file that its group may read", "file:" + secretFile(t, "grouped", 0o640), "grouped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := reference(t, c.ref).Read(environment)
			if err != nil || s.Reveal() != c.want {
				t.Errorf("got %d bytes, %v", s.Len(), err)
			}
			if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, c.want) {
				t.Error("it prints itself")
			}
		})
	}
}

func TestSecretsAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of files say nothing here")
	}
	folder := t.TempDir()
	for _, c := range []struct{ name, ref, want string }{
		{"no such variable", "env:MISSING", "env:MISSING: the variable is not set"},
		{"no such file", "file:" + folder + "/none", "no such file"},
		{"a folder", "file:" + folder, "not a regular file"},
		{"a file for everybody", "file:" + secretFile(t, "hunter2-hunter2", 0o644), "mode 0644 lets others read or change the secret: chmod g-w,o= the file"},
		{"a file that its group may write", "file:" + secretFile(t, "hunter2-hunter2", 0o660), "mode 0660"},
		{"an empty file", "file:" + secretFile(t, "\n", 0o600), "the file is empty"},
		{"a huge file", "file:" + secretFile(t, strings.Repeat("x", ops.MaxSecretBytes+1), 0o600), "65536"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := reference(t, c.ref).Read(noEnvironment)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || !s.IsZero() {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := (ops.SecretRef{}).Read(noEnvironment); err == nil {
		t.Error("the zero reference has a secret")
	}
}

func TestNoSecretIsAReference(t *testing.T) {
	for _, text := range []string{"", "hunter2", "file:", "file:relative", "env:", "env:1A", "env:A B", "https://x", "File:/x", "file:/x\x00"[:4]} {
		_, err := ops.ParseSecretRef(text)
		if err == nil || text != "" && len(text) > 5 && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeysHave32Bytes(t *testing.T) {
	key := strings.Repeat("k", 32)
	good := base64.StdEncoding.EncodeToString([]byte(key))
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"32 bytes", good, true},
		{"32 bytes and a line end", good + "\n", true},
		{"31 bytes", base64.StdEncoding.EncodeToString([]byte(key[1:])), false},
		{"without padding", strings.TrimRight(good, "="), false},
		{"a line end inside", good[:10] + "\n" + good[10:], false},
		{"trailing bits", good[:len(good)-2] + "t=", false},
		{"32 characters", key, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := reference(t, "file:"+secretFile(t, c.text, 0o600)).ReadKey(noEnvironment)
			if c.ok != (err == nil) || c.ok && got.Reveal() != key {
				t.Errorf("got %d bytes, %v", got.Len(), err)
			}
			if err != nil && strings.Contains(err.Error(), c.text[:10]) {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}
