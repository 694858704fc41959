package issuer

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/testservers"
)

// request asks for a token with a proof and returns the error, and the nonce for
// the next proof.
func (s *served) request(proof string) (fault, nonce string) {
	s.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Public+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("job", jobSecret)
	r.Header.Set("DPoP", proof)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(a.Body).Decode(&answer); err != nil {
		s.t.Fatal(err)
	}
	return answer.Error, a.Header.Get("DPoP-Nonce")
}

const jobSecret = "secret-of-the-job-Ub4Zq9"

// Two processes on one PostgreSQL and one Redis: a nonce of one is good at the
// other, a proof is used once for both, and what one revokes or blocks is revoked
// and blocked at the other.
func TestReplicasAreOneServer(t *testing.T) {
	postgres, redis := testservers.Postgres(t), testservers.Redis(t)
	folder := t.TempDir()
	for name, text := range map[string]string{
		"job": jobSecret, "sealing": base64.StdEncoding.EncodeToString(randomKey()), "nonces": base64.StdEncoding.EncodeToString(randomKey()),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.ReplaceAll(with(minimal, withAdmin+`, metrics: {address: "127.0.0.1:0"}`)+`
allow_secrets: true
store: postgres://postgres@PG/postgres?timeout=5s
sealing_keys: ["file:FOLDER/sealing"]
replicas: 2
replays: redis://REDIS/0?timeout=5s
nonces: {store: "redis://REDIS/0?timeout=5s", sealing_key: "file:FOLDER/nonces"}
clients:
  - {client_id: job, token_endpoint_auth_method: client_secret_basic, grant_types: [client_credentials], scope: read, secrets: ["file:FOLDER/job"]}
`, "FOLDER", folder)
	text = strings.NewReplacer("PG", postgres.Address, "REDIS", redis.Address).Replace(text)
	one, other := start(t, text), start(t, text)

	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, s := range []*served{one, other} { // a memory that begins refuses for a moment
		for status := 0; status != http.StatusOK; <-tick.C {
			status, _ = s.get(s.Metrics + "/readyz")
		}
	}

	key, err := holdfast.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	target := &url.URL{Scheme: "https", Host: "as.example", Path: "/token"}
	prove := func(nonce string) string {
		p, err := key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: target, Nonce: nonce})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	fault, nonce := one.request(prove(""))
	if fault != "use_dpop_nonce" || nonce == "" {
		t.Fatalf("without a nonce: %q", fault)
	}
	proof := prove(nonce)
	if fault, _ := other.request(proof); fault != "" {
		t.Errorf("with the nonce of the other replica: %q", fault)
	}
	if fault, _ := one.request(proof); fault != "invalid_dpop_proof" {
		t.Errorf("a proof that the other replica has seen: %q", fault)
	}
	if status, text := one.admin(http.MethodPost, "/blocks", `{"thumbprint":"`+key.Thumbprint().String()+`"}`, nil); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	if fault, _ := other.request(prove(nonce)); fault == "" {
		t.Error("a key that was blocked at the other replica gets a token")
	}
	for _, s := range []*served{one, other} {
		if _, text := s.admin(http.MethodGet, "/clients/job/keys", "", nil); !strings.Contains(text, key.Thumbprint().String()) {
			t.Errorf("the key is not among those that were seen: %s", text)
		}
	}
}
