package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/internal/strictjson"
	"github.com/holdfast-oauth/holdfast/keystore"
)

// Files in the folder of the user, and the limit of the first.
const (
	profilesFile    = "config.json"
	keystoreFile    = "keys.sealed"
	maxProfilesFile = 256 << 10
)

// profiles is the content of config.json. It holds no secret; it says where
// tokens go, so that others must not write to it.
type profiles struct {
	Profiles map[string]profile `json:"profiles"`
}

// profile is one client at one authorization server.
type profile struct {
	Issuer      string   `json:"issuer"`
	ClientID    string   `json:"client_id"`
	ClientAuth  string   `json:"client_auth,omitempty"`
	Scope       []string `json:"scope,omitempty"`
	Resource    []string `json:"resource,omitempty"` // resource indicators
	Origins     []string `json:"origins,omitempty"`  // servers that get the token
	Key         string   `json:"key"`
	RedirectURL string   `json:"redirect_url,omitempty"`
	CAFile      string   `json:"ca_file,omitempty"`
	AllowBearer bool     `json:"allow_bearer,omitempty"`
}

// homeFolder is where profiles and keys are.
func homeFolder(named string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", advise(err, "--home FOLDER or HOLDFAST_HOME names a folder for profiles and keys")
	}
	return filepath.Join(dir, "holdfast"), nil
}

// readProfiles reads config.json; none is an empty one.
func readProfiles(home string) (*profiles, error) {
	path := filepath.Join(home, profilesFile)
	c, err := parseProfiles(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &profiles{Profiles: map[string]profile{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func parseProfiles(path string) (*profiles, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("mode %04o lets others change where tokens are sent: chmod go-w", info.Mode().Perm())
	}
	b, err := fetch.ReadAll(f, maxProfilesFile)
	if err != nil {
		return nil, err
	}
	return decodeProfiles(b)
}

func decodeProfiles(b []byte) (*profiles, error) {
	// encoding/json alone would take the last of two members of one name.
	if _, err := strictjson.Parse(string(b), maxProfilesFile); err != nil {
		return nil, err
	}
	c := &profiles{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	var errs []error
	for name, p := range c.Profiles {
		if err := p.check(name); err != nil {
			errs = append(errs, fmt.Errorf("profile %q: %w", name, err))
		}
	}
	if c.Profiles == nil {
		c.Profiles = map[string]profile{}
	}
	return c, errors.Join(errs...)
}

// check reports every mistake in a profile. What the issuer, scope and the like
// have to be the client checks.
func (p *profile) check(name string) error {
	errs := []error{checkProfileName(name), keystore.CheckName(p.Key)}
	for _, o := range p.Origins {
		_, err := readOrigin(o)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkProfileName: a profile names values in the keystore, behind a prefix.
func checkProfileName(name string) error { return keystore.CheckName(secretPrefix + name) }

// readOrigin reads a server that may get the token.
func readOrigin(raw string) (string, error) {
	u, err := fetch.Secure(raw)
	if err != nil {
		return "", fmt.Errorf("origin: %w", err)
	}
	return fetch.Origin(u), nil
}

// changeProfiles reads, edits and replaces config.json. The temporary file is
// made exclusively and so is the lock of the change.
func changeProfiles(home string, edit func(*profiles)) (err error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	path := filepath.Join(home, profilesFile)
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return advise(fmt.Errorf("another process is changing %s", path), "if none is, remove "+temp)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	c, err := readProfiles(home)
	if err != nil {
		return err
	}
	edit(c)
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
