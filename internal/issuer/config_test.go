package issuer

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const example = "../../docs/examples/as.yaml"

// minimal is the smallest configuration; more settings are put behind it.
const minimal = `issuer: https://as.example
listen: {public: {address: "127.0.0.1:0"}}
resources: [{id: "https://api.example", scopes: [read, write]}]
`

func noEnvironment(string) string { return "" }

func read(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheExampleIsRight(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	c := read(t, string(b))
	if err := c.Check(t.Context(), noEnvironment); err != nil {
		t.Error(err)
	}
	// What it gives as defaults are the defaults.
	got := read(t, minimal+"store: bbolt:///var/lib/holdfast/as.db\n")
	for _, same := range []struct {
		name   string
		is, in any
	}{
		{"lifetimes", got.Lifetimes, c.Lifetimes},
		{"stop", got.Stop, c.Stop},
		{"signing", got.Signing, c.Signing},
		{"registration", got.Registration, c.Registration},
		{"proof", got.Proof, c.Proof},
		{"admin", got.Listen.Admin, c.Listen.Admin},
		{"words", []any{got.Profile, got.Audit, got.Replicas, got.AllowSecrets, got.AllowUnbound, got.RequirePAR}, []any{c.Profile, c.Audit, c.Replicas, c.AllowSecrets, c.AllowUnbound, c.RequirePAR}},
	} {
		if !reflect.DeepEqual(same.is, same.in) {
			t.Errorf("%s: the default is %+v, the example says %+v", same.name, same.is, same.in)
		}
	}
}

// The example is the reference of all settings.
func TestTheExampleNamesEverySetting(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var visit func(typ reflect.Type, path string)
	visit = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[client]() { // whose members are those of RFC 7591
			return
		}
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
			if name != "" && !bytes.Contains(b, []byte(name+":")) && !optional(path+"."+name) {
				t.Errorf("%s.%s is not in the example", path, name)
			}
			if name != "" || strings.Contains(options, "inline") {
				visit(typ.Field(i).Type, path+"."+name)
			}
		}
	}
	visit(reflect.TypeFor[Config](), "")
}

// optional are settings that few need, and that the example leaves out.
func optional(path string) bool {
	switch path {
	case ".upstreams.client_key", ".upstreams.client_key_id", ".upstreams.name_claim", ".upstreams.access_token_type":
		return true
	}
	return false
}

func TestEffectiveIsReadAgain(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	want := read(t, string(b))
	var out bytes.Buffer
	if err := Effective(&out, want); err != nil {
		t.Fatal(err)
	}
	got := read(t, out.String())
	var again bytes.Buffer
	if err := Effective(&again, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), again.String()); diff != "" {
		t.Error(diff)
	}
}

func TestCheckFindsEveryMistake(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing at all", "users: true\n", []string{"store: a data source name is needed", "listen.public: address: one is needed", "issuer: ", "a resource is needed"}},
		{"an http issuer", strings.Replace(minimal, "https://as", "http://as", 1) + "store: \"memory:\"\n", []string{"https is needed"}},
		{"a client that people log in for, and no people", minimal + "store: \"memory:\"\nclients: [{client_id: app, token_endpoint_auth_method: none, redirect_uris: [\"https://app.example/cb\"], grant_types: [authorization_code], response_types: [code]}]\n", []string{`client "app": grant_types: authorization_code, and nobody can log in: want users: true, or upstreams`}},
		{"an unknown profile", minimal + "store: \"memory:\"\nprofile: fapi1\n", []string{`profile: "fapi1", want default or fapi2`}},
		{"unbound tokens under FAPI", minimal + "store: \"memory:\"\nprofile: fapi2\nallow_unbound: true\n", []string{"FAPI 2.0"}},
		{"an unknown way to register", minimal + "store: \"memory:\"\nregistration: {by: friends}\n", []string{`registration.by: "friends", want nobody, token or anybody`}},
		{"registration by a token that is not there", minimal + "store: \"memory:\"\nregistration: {by: token}\n", []string{"registration: tokens are needed"}},
		{"a nonce mode", minimal + "store: \"memory:\"\nproof: {nonce: never}\n", []string{`proof.nonce: "never", want required or optional`}},
		{"a relative audit log", minimal + "store: \"memory:\"\naudit: audit.log\n", []string{`audit: "audit.log", want stdout or an absolute path`}},
		{"a long stop", minimal + "store: \"memory:\"\nstop: {drain: 11m}\n", []string{"stop.drain: 11m0s, want at most 10m0s"}},
		{"a password in a data source name", minimal + "store: postgres://u:hunter2@db.example/as\n", []string{"store: the password is in the data source name", "sealing_keys: at least one is needed"}},
		{"a password among the options", minimal + "store: postgres://u@db.example/as?password=hunter2\n", []string{`store: data source name: option "password" is not known`}},
		{"a password in a name that is none", minimal + "store: \"postgres://u:hunter2@db example/as\"\n", []string{"store: data source name: want scheme://"}},
		{"an option of another store", minimal + "store: bbolt:///var/lib/as.db?max=1\n", []string{`store: data source name: option "max" is not known`}},
		{"shared nonces in a file", minimal + "store: \"memory:\"\nnonces: {store: \"bbolt:///as.db\", sealing_key: \"env:HOME\"}\n", []string{"nonces.store: data source name: bbolt: serves one process"}},
		{"a shared store without a key", minimal + "store: postgres://u@db.example/as\n", []string{"sealing_keys: at least one is needed for a store that is not in this process"}},
		{"replicas that share nothing", minimal + "store: \"memory:\"\nreplicas: 2\n", []string{"replicas: 2 need a store that they share", "replays: 2 replicas", "nonces.store: 2 replicas"}},
		{"a negative number of replicas", minimal + "store: \"memory:\"\nreplicas: -1\n", []string{"replicas: -1, want 1 or more"}},
		{"shared nonces without a key", minimal + "store: \"memory:\"\nnonces: {store: \"valkey://127.0.0.1/0\"}\n", []string{"nonces: store and sealing_key go together"}},
		{"plaintext for everybody", strings.Replace(minimal, "127.0.0.1:0", ":80", 1) + "store: \"memory:\"\n", []string{"listen.public: certificate: one is needed"}},
		{"a proxy that is no network", strings.Replace(minimal, `0"}`, `0", proxies: [10.0.0.1/8]}`, 1) + "store: \"memory:\"\n", []string{`listen.public: proxies[0]: "10.0.0.1/8", want a network such as 10.0.0.0/8`}},
		{"an admin listener for everybody", strings.Replace(minimal, "}}", "}, admin: {address: \":81\"}}", 1) + "store: \"memory:\"\n", []string{"listen.admin: address: :81 can be reached from elsewhere"}},
		{"mTLS without an address for clients", strings.Replace(minimal, "}}", "}, mtls: {address: \":81\"}}", 1) + "store: \"memory:\"\n", []string{"mtls_url: ", "listen.mtls: certificate: one is needed"}},
		{"mTLS without a listener", minimal + "store: \"memory:\"\nmtls_url: https://mtls.as.example\n", []string{"listen.mtls: address: one is needed"}},
		{"a certificate that is not there", strings.Replace(minimal, `0"}`, `0", certificate: /none.crt, key: /none.key}`, 1) + "store: \"memory:\"\n", []string{"listen.public: open /none.crt"}},
		{"a secret that is not there", minimal + "store: \"memory:\"\nclients: [{client_id: job, token_endpoint_auth_method: client_secret_basic, grant_types: [client_credentials], secrets: [\"env:NONE\"]}]\nallow_secrets: true\n", []string{`client "job": secrets[0]: env:NONE: the variable is not set`}},
		{"templates that are not there", minimal + "store: \"memory:\"\ntemplates: /none\n", []string{"templates: "}},
		{"authorities that are not there", minimal + "store: \"memory:\"\nclient_cas: /none.pem\n", []string{"client_cas: open /none.pem"}},
		{"a signing key that is none", minimal + "store: \"memory:\"\nsigning: {keys: [\"env:HOME\"]}\n", []string{"signing.keys[0]: env:HOME: want a private key in PEM"}},
		{"an upstream without anything", minimal + "store: \"memory:\"\nupstreams: [{name: W}]\n", []string{`upstreams[0]: identity provider "W"`, "Title", "Issuer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(c.text, "/none") {
				t.Skip("errors of files are worded differently here")
			}
			getenv := func(name string) string { return map[string]string{"HOME": "not a key"}[name] }
			err := read(t, c.text).Check(t.Context(), getenv)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got  %v\nwant %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds a password")
			}
		})
	}
}

// A secret that cannot be read is one mistake, not two.
func TestAMissingSecretIsOneMistake(t *testing.T) {
	c := read(t, minimal+"store: \"memory:\"\nallow_secrets: true\nclients: [{client_id: job, token_endpoint_auth_method: client_secret_basic, grant_types: [client_credentials], scope: read, secrets: [\"env:NONE\"]}]\n")
	if err := c.Check(t.Context(), noEnvironment); err == nil || err.Error() != `client "job": secrets[0]: env:NONE: the variable is not set` {
		t.Errorf("got %v", err)
	}
}

func TestClientsHaveTheMembersOfRFC7591(t *testing.T) {
	c := read(t, minimal+`store: "memory:"
clients:
  - client_id: app
    client_name: App
    token_endpoint_auth_method: private_key_jwt
    grant_types: [client_credentials]
    scope: read
    dpop_bound_access_tokens: true
    jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}
    resources: [https://api.example]
    introspects: [https://api.example]
`)
	if err := c.Check(t.Context(), noEnvironment); err != nil {
		t.Fatal(err)
	}
	s, err := c.settings(t.Context(), noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	k := s.Clients[0]
	if k.ClientID != "app" || k.AuthMethod != "private_key_jwt" || !k.DPoPBoundTokens || k.Introspects[0] != "https://api.example" ||
		string(k.JWKS) != `{"keys":[{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}` {
		t.Errorf("got %+v %s", k, k.JWKS)
	}
}

func TestTheSealingKeyIsMadeOnce(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "as.db")
	c := read(t, minimal+"store: bbolt://"+filepath.ToSlash(path)+"\n")
	if _, err := c.sealingKeys(noEnvironment, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".key"); err == nil {
		t.Fatal("a check makes a key")
	}
	first, err := c.sealingKeys(noEnvironment, true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.sealingKeys(noEnvironment, true)
	if err != nil || len(again) != 1 || again[0] != first[0] || first[0].Len() != sealingKeyBytes {
		t.Errorf("the second time there is another key, or %v", err)
	}
	if info, err := os.Stat(path + ".key"); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + ".key"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.sealingKeys(noEnvironment, true); err == nil || !strings.Contains(err.Error(), "nothing in the store can be read") {
		t.Errorf("a database without its key: %v", err)
	}
}

func TestSealingKeysAreReferences(t *testing.T) {
	key := strings.Repeat("k", sealingKeyBytes)
	getenv := func(string) string { return base64.StdEncoding.EncodeToString([]byte(key)) }
	c := read(t, minimal+"store: \"memory:\"\nsealing_keys: [\"env:NEW\", \"env:OLD\"]\n")
	keys, err := c.sealingKeys(getenv, true)
	if err != nil || len(keys) != 2 || keys[1].Reveal() != key {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if _, err := c.sealingKeys(func(string) string { return key }, true); err == nil || !strings.Contains(err.Error(), "sealing_keys[0]: env:NEW: want 32 random bytes in base64") {
		t.Errorf("got %v", err)
	}
}
