package ops

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
)

// MaxSecretBytes is the longest secret that is read from a file.
const MaxSecretBytes = 64 << 10

var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// SecretRef says where a secret is: "file:/run/secrets/name" or "env:NAME". A
// configuration file has no secret in it, so it can be shown. The zero value
// refers to nothing.
type SecretRef struct{ scheme, name string }

// ParseSecretRef reads a reference. The error does not quote it: it may be the
// secret itself.
func ParseSecretRef(text string) (SecretRef, error) {
	scheme, name, _ := strings.Cut(text, ":")
	switch {
	case scheme == "file" && filepath.IsAbs(name), scheme == "env" && envForm.MatchString(name):
		return SecretRef{scheme, name}, nil
	}
	return SecretRef{}, errors.New("want a reference to a secret, file:/absolute/path or env:NAME, never the secret itself")
}

// UnmarshalYAML reads a reference.
func (s *SecretRef) UnmarshalYAML(n *yaml.Node) error {
	ref, err := ParseSecretRef(n.Value)
	if err != nil {
		return mistake(n, err.Error())
	}
	*s = ref
	return nil
}

// MarshalYAML writes the reference, which is not secret.
func (s SecretRef) MarshalYAML() (any, error) { return s.String(), nil }

// IsZero reports whether s refers to nothing.
func (s SecretRef) IsZero() bool { return s.scheme == "" }

// String returns the reference, "" if there is none.
func (s SecretRef) String() string {
	if s.IsZero() {
		return ""
	}
	return s.scheme + ":" + s.name
}

// Read returns the secret, without the line end that editors leave. A file must
// not be readable by everybody, nor writable by its group. getenv is where
// variables are.
func (s SecretRef) Read(getenv func(string) string) (holdfast.Secret, error) {
	switch s.scheme {
	case "env":
		v := getenv(s.name)
		if v == "" {
			return holdfast.Secret{}, fmt.Errorf("%s: the variable is not set", s)
		}
		return holdfast.NewSecret(v), nil
	case "file":
		v, err := readSecretFile(s.name)
		if err != nil {
			return v, fmt.Errorf("%s: %w", s, fetch.Cause(err))
		}
		return v, nil
	}
	return holdfast.Secret{}, errors.New("no secret is referred to")
}

// ReadKey returns the 32 bytes that a secret is the base64 text of, such as
// "openssl rand -base64 32" prints.
func (s SecretRef) ReadKey(getenv func(string) string) (holdfast.Secret, error) {
	text, err := s.Read(getenv)
	if err != nil {
		return text, err
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text.Reveal())
	if err != nil || len(key) != keyBytes || strings.ContainsAny(text.Reveal(), "\r\n") {
		return holdfast.Secret{}, fmt.Errorf("%s: want %d random bytes in base64, such as openssl rand -base64 %d prints", s, keyBytes, keyBytes)
	}
	return holdfast.NewSecret(string(key)), nil
}

const keyBytes = 32

func readSecretFile(path string) (holdfast.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return holdfast.Secret{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return holdfast.Secret{}, err
	}
	if !info.Mode().IsRegular() {
		return holdfast.Secret{}, errors.New("not a regular file")
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o027 != 0 {
		return holdfast.Secret{}, fmt.Errorf("mode %04o lets others read or change the secret: chmod g-w,o= the file", info.Mode().Perm())
	}
	b, err := fetch.ReadAll(f, MaxSecretBytes)
	if err != nil {
		return holdfast.Secret{}, err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if text == "" {
		return holdfast.Secret{}, errors.New("the file is empty")
	}
	return holdfast.NewSecret(text), nil
}
