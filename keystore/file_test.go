package keystore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
)

// sealedWith makes a file with one key and one value.
func sealedWith(t *testing.T) (path string, k *holdfast.Key) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keys.sealed")
	s := openCheap(t, path, testPassphrase)
	k = must(s.Generate(t.Context(), "default", ""))(t)
	if err := s.Update(t.Context(), "grant", set("refresh-token-value")); err != nil {
		t.Fatal(err)
	}
	return path, k
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	return must(os.ReadFile(path))(t)
}

func writeAll(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// resum gives altered bytes the right checksum, as an attacker would.
func resum(b []byte) []byte {
	body := bytes.Clone(b[:len(b)-sha256.Size])
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

func TestSealedFileShowsNothing(t *testing.T) { // D-11.4-01
	path, _ := sealedWith(t)
	b := readAll(t, path)
	for _, plain := range []string{"default", "grant", "refresh-token-value", "pkcs8", testPassphrase} {
		if bytes.Contains(b, []byte(plain)) {
			t.Errorf("the file holds %q in clear", plain)
		}
	}
	info := must(os.Stat(path))(t)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o, want 0600", info.Mode().Perm())
	}
}

func TestDamageAndWrongPassphraseAreToldApart(t *testing.T) {
	path, _ := sealedWith(t)
	good := readAll(t, path)
	flip := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	costAt := len(magic)
	withCost := func(time, memory uint32, threads byte) []byte {
		b := bytes.Clone(good)
		binary.BigEndian.PutUint32(b[costAt:], time)
		binary.BigEndian.PutUint32(b[costAt+4:], memory)
		b[costAt+8] = threads
		return resum(b)
	}
	for _, tt := range []struct {
		name       string
		file       []byte
		passphrase string
		want       error
		asked      bool // whether the passphrase was asked for
		text       string
	}{
		{"the right passphrase opens it", good, testPassphrase, nil, true, ""},
		{"another passphrase", good, "tr0ub4dor&3", ErrPassphrase, true, "altered on purpose"},
		{"no passphrase at all", good, "", nil, true, "the passphrase has 0 bytes"},
		{"too long a passphrase", good, strings.Repeat("x", MaxPassphraseBytes+1), nil, true, "the passphrase has 1025 bytes"},
		{"an empty file", nil, testPassphrase, ErrDamaged, false, "not a keystore"},
		{"a file of another kind", []byte(`{"kty":"EC"}`), testPassphrase, ErrDamaged, false, "not a keystore"},
		{"another version", append([]byte("holdfast keystore 2\n"), good[len(magic):]...), testPassphrase, ErrDamaged, false, "another version"},
		{"only the header", good[:headerBytes], testPassphrase, ErrDamaged, false, "it ends after"},
		{"the last byte is missing", good[:len(good)-1], testPassphrase, ErrDamaged, false, "checksum"},
		{"half of it is missing", good[:len(good)/2], testPassphrase, ErrDamaged, false, "checksum"},
		{"something follows", append(bytes.Clone(good), 0), testPassphrase, ErrDamaged, false, "checksum"},
		{"a bit flipped in the cost", flip(costAt + 3), testPassphrase, ErrDamaged, false, "checksum"},
		{"a bit flipped in the salt", flip(costAt + costBytes), testPassphrase, ErrDamaged, false, "checksum"},
		{"a bit flipped in the contents", flip(headerBytes + 5), testPassphrase, ErrDamaged, false, "checksum"},
		{"a bit flipped in the checksum", flip(len(good) - 1), testPassphrase, ErrDamaged, false, "checksum"},
		{"contents altered on purpose", resum(flip(headerBytes + 5)), testPassphrase, ErrPassphrase, true, ""},
		{"nonce altered on purpose", resum(flip(headerBytes - 1)), testPassphrase, ErrPassphrase, true, ""},
		{"salt altered on purpose", resum(flip(costAt + costBytes)), testPassphrase, ErrPassphrase, true, ""},
		{"cost altered within bounds", withCost(3, 19<<10, 2), testPassphrase, ErrPassphrase, true, ""},
		{"10 GiB of memory are demanded", withCost(2, 10<<20, 2), testPassphrase, ErrDamaged, false, "10485760 KiB"},
		{"4 TiB of memory are demanded", withCost(2, 1<<32-1, 2), testPassphrase, ErrDamaged, false, "accepted are"},
		{"a million passes are demanded", withCost(1_000_000, 19<<10, 2), testPassphrase, ErrDamaged, false, "accepted are"},
		{"255 threads are demanded", withCost(2, 19<<10, 255), testPassphrase, ErrDamaged, false, "accepted are"},
		{"no pass is demanded", withCost(0, 19<<10, 2), testPassphrase, ErrDamaged, false, "accepted are"},
		{"no thread is demanded", withCost(2, 19<<10, 0), testPassphrase, ErrDamaged, false, "accepted are"},
		{"a larger file than any of ours", make([]byte, MaxFileBytes+1), testPassphrase, ErrDamaged, false, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.sealed")
			writeAll(t, path, tt.file)
			asked := false
			s := must(Open(path, Config{Passphrase: func(context.Context, bool) (holdfast.Secret, error) {
				asked = true
				return holdfast.NewSecret(tt.passphrase), nil
			}}))(t)
			_, err := s.Current(t.Context(), "default")
			if tt.want != nil && !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil && tt.text == "") {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.text) || tt.passphrase != "" && strings.Contains(err.Error(), tt.passphrase)) {
				t.Errorf("error %q, want %q in it and no passphrase", err, tt.text)
			}
			if asked != tt.asked {
				t.Errorf("passphrase asked for: %v, want %v", asked, tt.asked)
			}
			if got := must(os.ReadFile(path))(t); !bytes.Equal(got, tt.file) {
				t.Error("reading changed the file")
			}
		})
	}
}

func TestADamagedFileIsNotOverwritten(t *testing.T) {
	path, _ := sealedWith(t)
	bad := append(readAll(t, path), 0)
	writeAll(t, path, bad)
	_, err := openCheap(t, path, testPassphrase).Generate(t.Context(), "another", "")
	wantErr(t, err, ErrDamaged)
	if !bytes.Equal(readAll(t, path), bad) {
		t.Error("the damaged file was replaced")
	}
}

func TestPassphraseIsAskedForOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.sealed")
	var creations, openings int
	config := Config{Light: true, Passphrase: func(_ context.Context, create bool) (holdfast.Secret, error) {
		if create {
			creations++
		} else {
			openings++
		}
		return holdfast.NewSecret(testPassphrase), nil
	}}
	s := must(Open(path, config))(t)
	if must(s.List(t.Context()))(t); creations+openings != 0 {
		t.Fatal("asked although there is nothing to open")
	}
	for range 3 {
		must(s.Generate(t.Context(), "key"+strings.Repeat("x", creations+len(must(s.List(t.Context()))(t))), ""))(t)
	}
	if creations != 1 || openings != 0 {
		t.Errorf("asked %d times to create and %d times to open, want 1 and 0", creations, openings)
	}
	s = must(Open(path, config))(t)
	for range 3 {
		must(s.List(t.Context()))(t)
	}
	if creations != 1 || openings != 1 {
		t.Errorf("asked %d times to create and %d times to open, want 1 and 1", creations, openings)
	}
}

func TestNoPassphraseMeansNoChange(t *testing.T) {
	refused := errors.New("nobody there to ask")
	path := filepath.Join(t.TempDir(), "keys.sealed")
	s := must(Open(path, Config{Passphrase: func(context.Context, bool) (holdfast.Secret, error) {
		return holdfast.Secret{}, refused
	}}))(t)
	err := s.Update(t.Context(), "grant", func(holdfast.Secret) (holdfast.Secret, error) {
		t.Error("a token was obtained that cannot be kept")
		return holdfast.Secret{}, nil
	})
	wantErr(t, err, refused)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestTwoStoresMakeOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.sealed")
	a, b := openCheap(t, path, testPassphrase), openCheap(t, path, testPassphrase)
	// Both have a key of their own for a new file when one makes it.
	for _, s := range []*Store{a, b} {
		if err := s.medium.ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	must(a.Generate(t.Context(), "a", ""))(t)
	must(b.Generate(t.Context(), "b", ""))(t)
	if list := must(a.List(t.Context()))(t); len(list) != 2 {
		t.Errorf("%d keys, want both", len(list))
	}
}

func TestAnOlderCopyIsNoticedByWhoHasSeenALaterOne(t *testing.T) {
	path, k := sealedWith(t)
	older := readAll(t, path)
	s := openCheap(t, path, testPassphrase)
	if err := s.DeleteKey(t.Context(), k.Thumbprint()); err != nil {
		t.Fatal(err)
	}
	writeAll(t, path, older)
	_, err := s.Current(t.Context(), "default")
	if err == nil || !strings.Contains(err.Error(), "older copy") {
		t.Errorf("error %v, want that of an older copy", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err = s.List(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that the file is gone", err)
	}
}

func TestAlteredContentsAreNotBlamedOnThePassphrase(t *testing.T) {
	path, _ := sealedWith(t)
	s := openCheap(t, path, testPassphrase)
	must(s.List(t.Context()))(t)
	b := readAll(t, path)
	b[headerBytes] ^= 1
	writeAll(t, path, resum(b))
	_, err := s.List(t.Context())
	wantErr(t, err, ErrDamaged)
}

func TestAnotherFilePutInItsPlace(t *testing.T) {
	path, _ := sealedWith(t)
	s := openCheap(t, path, testPassphrase)
	must(s.List(t.Context()))(t)
	other := filepath.Join(t.TempDir(), "other")
	must(openCheap(t, other, "passphrase of somebody else").Generate(t.Context(), "evil", ""))(t)
	writeAll(t, path, readAll(t, other))
	_, err := s.List(t.Context())
	wantErr(t, err, ErrPassphrase)
}

func TestFilesOfOthersAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	good, _ := sealedWith(t)
	for name, tt := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"readable by the group": {func(t *testing.T, path string) {
			writeAll(t, path, readAll(t, good))
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
		}, "has mode 0640"},
		"writable by all": {func(t *testing.T, path string) {
			writeAll(t, path, readAll(t, good))
			if err := os.Chmod(path, 0o602); err != nil {
				t.Fatal(err)
			}
		}, "has mode 0602"},
		"a symbolic link": {func(t *testing.T, path string) {
			if err := os.Symlink(good, path); err != nil {
				t.Fatal(err)
			}
		}, "is a symbolic link"},
		"a link to nothing": {func(t *testing.T, path string) {
			if err := os.Symlink(path+".absent", path); err != nil {
				t.Fatal(err)
			}
		}, "is a symbolic link"},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a folder, want a file"},
	} {
		t.Run(name, func(t *testing.T) { // D-11.4-01
			path := filepath.Join(t.TempDir(), "keys.sealed")
			late := openCheap(t, path, testPassphrase)
			tt.make(t, path)
			_, err := Open(path, Config{Passphrase: always(testPassphrase), Light: true})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("open: error %v, want %q", err, tt.want)
			}
			// Also if it came to be after the store was opened.
			if _, err := late.List(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("list: error %v, want %q", err, tt.want)
			}
			if _, err := late.Generate(t.Context(), "another", ""); err == nil {
				t.Error("it was written to")
			}
		})
	}
}

func TestALinkInThePlaceOfTheTemporaryFileIsNotFollowed(t *testing.T) {
	path, _ := sealedWith(t)
	victim := filepath.Join(t.TempDir(), "victim")
	writeAll(t, victim, []byte("precious"))
	if err := os.Symlink(victim, path+".tmp"); err != nil {
		t.Skip(err)
	}
	must(openCheap(t, path, testPassphrase).Rotate(t.Context(), "default"))(t)
	if got := string(readAll(t, victim)); got != "precious" {
		t.Errorf("the file behind the link now holds %d bytes", len(got))
	}
}

func TestOpenReportsEveryMistake(t *testing.T) {
	_, err := Open(t.TempDir(), Config{})
	if err == nil || !strings.Contains(err.Error(), "no Passphrase") || !strings.Contains(err.Error(), "want a file") {
		t.Errorf("error %v, want both mistakes", err)
	}
}

func TestContentsOfALaterVersionAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown member":         `{"generation":1,"keys":[],"values":{},"recovery":1}`,
		"something that follows":    `{"generation":1,"keys":[],"values":{}} {}`,
		"no JSON":                   `generation`,
		"a wrong type":              `{"generation":"SECRET"}`,
		"a broken thumbprint":       `{"generation":1,"keys":[{"name":"a","thumbprint":"x"}]}`,
		"a value that is no base64": `{"generation":1,"values":{"a":"SECRET!"}}`,
		"a name out of bounds":      `{"generation":1,"values":{"../a":"eA=="}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeContents([]byte(text))
			wantErr(t, err, ErrDamaged)
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %q repeats the contents", err)
			}
		})
	}
}
