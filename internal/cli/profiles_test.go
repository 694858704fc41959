package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProfilesAreReadStrictly(t *testing.T) {
	const fine = `{"issuer":"https://as.example","client_id":"x","key":"default","origins":["https://api.example"]}`
	for _, tt := range []struct{ name, text, want string }{
		{"a profile", `{"profiles":{"default":` + fine + `}}`, ""},
		{"none", `{}`, ""},
		{"an unknown member", `{"profiles":{"default":{"key":"k","token":"x"}}}`, "unknown field"},
		{"one name twice", `{"profiles":{"a":` + fine + `,"a":` + fine + `}}`, "duplicate"},
		{"something behind", `{"profiles":{}} x`, "offset"},
		{"no JSON", `profiles:`, "offset"},
		{"a bad name", `{"profiles":{"A":` + fine + `}}`, `profile "A"`},
		{"a name that is too long", `{"profiles":{"` + strings.Repeat("a", 60) + `":` + fine + `}}`, "want 1 to 64"},
		{"no key", `{"profiles":{"a":{}}}`, "name has 0 characters"},
		{"an origin without TLS", `{"profiles":{"a":{"key":"k","origins":["http://api.example"]}}}`, "origin: "},
		{"too large", `{"profiles":{}` + strings.Repeat(" ", maxProfilesFile) + `}`, "262144"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			put(t, home, profilesFile, tt.text)
			_, err := readProfiles(home)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProfilesThatOthersCanChangeAreRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	home := t.TempDir()
	if err := os.Chmod(put(t, home, profilesFile, "{}"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readProfiles(home); err == nil || !strings.Contains(err.Error(), "mode 0666") {
		t.Errorf("error %v", err)
	}
}

func TestChangingProfiles(t *testing.T) {
	home := filepath.Join(t.TempDir(), "new", "home")
	want := profile{Issuer: "https://as.example", ClientID: "x", Key: "k", Scope: []string{"a", "b"}, Origins: []string{"https://api.example"}}
	for _, name := range []string{"a", "b"} {
		if err := changeProfiles(home, func(p *profiles) { p.Profiles[name] = want }); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readProfiles(home)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]profile{"a": want, "b": want}, got.Profiles); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(filepath.Join(home, profilesFile))
	if err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// Somebody else is at it: nothing is lost.
	temp := put(t, home, profilesFile+".tmp", "")
	err = changeProfiles(home, func(p *profiles) { clear(p.Profiles) })
	if err == nil || !strings.Contains(err.Error(), "another process is changing") {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(temp); err != nil {
		t.Error(err)
	}
	// A file that cannot be read is not replaced.
	put(t, home, profilesFile, "{broken")
	if err := changeProfiles(home, func(*profiles) {}); err == nil {
		t.Error("a broken file was replaced")
	}
	if _, err := os.Stat(temp); err == nil {
		t.Error("the temporary file was left behind")
	}
}

func TestTheHomeFolder(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	got, err := homeFolder("")
	if err != nil || filepath.Base(got) != "holdfast" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err = homeFolder("x"); err != nil || !filepath.IsAbs(got) {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "")
	if runtime.GOOS == "linux" {
		if _, err = homeFolder(""); err == nil {
			t.Error("a home was found without a home")
		}
	}
}
