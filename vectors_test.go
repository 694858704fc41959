package holdfast

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A vector is one request with all that is known about it, and the code it has
// to get. A file in testdata/vectors holds one as "name: value" lines:
//
//	comment, covers   what it is about; requirement ids
//	row, kind         the row of the table it exercises: pass, fail or near-miss
//	expect            the code, or ok
//	at                resource or server (an authorization server's endpoint)
//	now, started      clock of the verifier; when it was started (an hour earlier)
//	method, url, authorization, query, proof, cert   what was presented
//	replayed          yes: the same request was accepted before
//	policy.*          algs, max_age, skew, nonce, nonces, accept, types, blocked
//	token.*           state, typ, issuer, audience, scope, acr, auth_time, not_before, expires, cnf, client
//	need.*            scope, any_scope, acr, max_age, accept, required, code, refresh, pushed
type vector struct {
	name   string
	fields []vectorField
}

type vectorField struct{ name, value string }

var vectorFields = []string{
	"comment", "covers", "row", "kind", "expect", "at", "now", "started",
	"method", "url", "authorization", "query", "proof", "cert", "replayed",
	"policy.algs", "policy.max_age", "policy.skew", "policy.nonce", "policy.nonces", "policy.accept", "policy.types", "policy.blocked",
	"token.state", "token.typ", "token.issuer", "token.audience", "token.scope", "token.acr", "token.auth_time", "token.not_before",
	"token.expires", "token.cnf", "token.client",
	"need.scope", "need.any_scope", "need.acr", "need.max_age", "need.accept", "need.required", "need.code", "need.refresh", "need.pushed",
}

func (v *vector) get(name string) string {
	for _, f := range v.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (v *vector) has(name string) bool {
	return slices.ContainsFunc(v.fields, func(f vectorField) bool { return f.name == name })
}

func (v *vector) all(name string) (out []Secret) {
	for _, f := range v.fields {
		if f.name == name {
			out = append(out, NewSecret(f.value))
		}
	}
	return out
}

func (v *vector) list(name string) []string { return strings.Fields(v.get(name)) }

func (v *vector) time(t testing.TB, name string) time.Time {
	if v.get(name) == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, v.get(name))
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	return at
}

func (v *vector) duration(t testing.TB, name string) time.Duration {
	if v.get(name) == "" {
		return 0
	}
	d, err := time.ParseDuration(v.get(name))
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	return d
}

func (v *vector) thumbprint(t testing.TB, name string) *Thumbprint {
	if v.get(name) == "" {
		return nil
	}
	p, err := ParseThumbprint(v.get(name))
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	return &p
}

// parseVector reads a vector file; a field that nobody knows is a mistake.
func parseVector(name, text string) (*vector, error) {
	v := &vector{name: name}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		field, value, ok := strings.Cut(line, ":")
		if !ok || !slices.Contains(vectorFields, field) {
			return nil, fmt.Errorf("%s:%d: no field %q", name, i+1, line)
		}
		v.fields = append(v.fields, vectorField{field, strings.TrimPrefix(value, " ")})
	}
	return v, nil
}

func (v *vector) String() string {
	var b strings.Builder
	for _, f := range v.fields {
		b.WriteString(strings.TrimSuffix(f.name+": "+f.value, " ") + "\n")
	}
	return b.String()
}

func readVectors(t testing.TB) []*vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	var out []*vector
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		v, err := parseVector(strings.TrimSuffix(filepath.Base(f), ".txt"), string(text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func readTestCertificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile("testdata/keys/" + name)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func testNonceKey(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/keys/nonce.hex")
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// testNonceRealm is the realm of the verifiers in the vectors.
const testNonceRealm = "resource"

// blockedOne blocks one holder.
type blockedOne struct{ holder Thumbprint }

func (b blockedOne) Blocked(_ context.Context, holder Thumbprint, _ string) (bool, error) {
	return holder == b.holder, nil
}

var nonceModes = map[string]NonceMode{"": NonceByRole, "optional": NonceOptional, "required": NonceRequired, "stale": NonceForStale}

var acceptances = map[string]Acceptance{"": AcceptBound, "dpop": AcceptDPoPOnly, "bearer": AcceptBearerToo}

var tokenStates = map[string]TokenState{
	"unknown": TokenUnknown, "authentic": TokenAuthentic, "malformed": TokenMalformed,
	"unknown-key": TokenUnknownKey, "bad-signature": TokenBadSignature, "inactive": TokenInactive,
}

// scene is a vector made ready to be judged, with verifiers of its own.
type scene struct {
	p        *Presentation
	resource *Verifier
	server   *ProofVerifier
	need     Requirement
	proof    ProofNeed
}

func (s *scene) verify(ctx context.Context) error {
	if s.server != nil {
		_, err := s.server.Verify(ctx, s.p, s.proof)
		return err
	}
	_, err := s.resource.Verify(ctx, s.p, s.need)
	return err
}

func (s *scene) explain(ctx context.Context) *Report {
	if s.server != nil {
		return s.server.Explain(ctx, s.p, s.proof)
	}
	return s.resource.Explain(ctx, s.p, s.need)
}

func (s *scene) engine() *engine {
	if s.server != nil {
		return &s.server.engine
	}
	return &s.resource.engine
}

// evidence returns new evidence about the scene, of which nothing is gathered yet.
func (s *scene) evidence() *evidence {
	sit := atResource
	if s.server != nil {
		sit = atServer
	}
	e := newEvidence(s.engine(), s.p, sit)
	e.need = need{s.need, s.proof}
	return e
}

func (v *vector) token(t testing.TB) Token {
	tok := Token{
		State: tokenStates[v.get("token.state")], Typed: v.has("token.typ"), Type: v.get("token.typ"),
		Issuer: v.get("token.issuer"), Audience: v.list("token.audience"), Scope: v.list("token.scope"), ACR: v.get("token.acr"),
		AuthTime: v.time(t, "token.auth_time"), NotBefore: v.time(t, "token.not_before"), Expires: v.time(t, "token.expires"),
		Confirmation: ParseConfirmation(v.get("token.cnf")), ClientID: v.get("token.client"),
	}
	if _, ok := tokenStates[v.get("token.state")]; !ok && v.get("at") == "resource" {
		t.Fatalf("%s: token.state %q", v.name, v.get("token.state"))
	}
	return tok
}

// build makes the verifier of a vector, started an hour before it is asked.
func (v *vector) build(t testing.TB, change func(*Config)) *scene {
	t.Helper()
	now := v.time(t, "now")
	clock := now.Add(-time.Hour)
	if v.has("started") {
		clock = v.time(t, "started")
	}
	tick := func() time.Time { return clock }
	pol := ProofPolicy{
		MaxAge: v.duration(t, "policy.max_age"), Skew: v.duration(t, "policy.skew"), Nonce: nonceModes[v.get("policy.nonce")], Now: tick,
	}
	for _, a := range v.list("policy.algs") {
		pol.Algs = append(pol.Algs, Alg(a))
	}
	if v.get("policy.nonces") == "yes" {
		n, err := NewNonces(NonceConfig{Keys: [][]byte{testNonceKey(t)}, Realm: testNonceRealm, Now: tick})
		if err != nil {
			t.Fatal(err)
		}
		pol.Nonces = n
	}
	c := Config{
		Tokens: &stubTokens{token: v.token(t)}, Issuers: []string{"https://as.example"}, Audience: []string{"https://api.example"},
		TokenTypes: v.list("policy.types"), Proof: pol, Accept: acceptances[v.get("policy.accept")],
	}
	if b := v.thumbprint(t, "policy.blocked"); b != nil {
		c.Blocks = blockedOne{*b}
	}
	if change != nil {
		change(&c)
	}
	s := &scene{
		p: &Presentation{
			Method: v.get("method"), URL: v.get("url"), Authorization: v.all("authorization"), Query: v.all("query"), Proofs: v.all("proof"),
		},
		need: Requirement{
			Scope: v.list("need.scope"), AnyScope: v.get("need.any_scope") == "yes", ACR: v.list("need.acr"),
			MaxAge: v.duration(t, "need.max_age"), Accept: acceptances[v.get("need.accept")],
		},
		proof: ProofNeed{
			Required: v.get("need.required") == "yes",
			Code:     v.thumbprint(t, "need.code"), Refresh: v.thumbprint(t, "need.refresh"), Pushed: v.thumbprint(t, "need.pushed"),
		},
	}
	if name := v.get("cert"); name != "" {
		s.p.PeerCert = readTestCertificate(t, name)
	}
	var err error
	switch v.get("at") {
	case "resource":
		s.resource, err = NewVerifier(c)
	case "server":
		s.server, err = NewProofVerifier(c.Proof)
	default:
		t.Fatalf("%s: at %q", v.name, v.get("at"))
	}
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	clock = now
	if v.get("replayed") == "yes" {
		if err := s.verify(t.Context()); err != nil {
			t.Fatalf("%s: first use: %v", v.name, err)
		}
	}
	return s
}

// firstFailure is the code of the first outcome that is neither Pass nor
// NotApplicable.
func firstFailure(r *Report) Code {
	for _, o := range r.Outcomes {
		if o.Status != Pass && o.Status != NotApplicable {
			return o.Code
		}
	}
	return CodeOK
}

func TestVectors(t *testing.T) {
	if *updateVectors {
		writeVectors(t)
	}
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			want, ok := ParseCode(v.get("expect"))
			if !ok {
				t.Fatalf("expect: no code %q", v.get("expect"))
			}
			s := v.build(t, nil)
			r := s.explain(t.Context())
			if got := firstFailure(r); got != want || r.Code != want {
				t.Errorf("Explain: first failure %v, report %v, want %v (%s)\n%s", got, r.Code, want, v.get("comment"), reportText(r))
			}
			if got := CodeOf(s.verify(t.Context())); got != want {
				t.Errorf("Verify: got %v, want %v (%s)\n%s", got, want, v.get("comment"), reportText(r))
			}
			o, ok := r.Outcome(v.get("row"))
			if !ok {
				t.Fatalf("row: no check %q", v.get("row"))
			}
			if wantStatus := map[bool]Status{true: Pass, false: Fail}[want == CodeOK]; o.Status != wantStatus {
				t.Errorf("%s is %v, want %v", o.Check, o.Status, wantStatus)
			}
		})
	}
}

func reportText(r *Report) string {
	var b strings.Builder
	_ = r.WriteText(&b)
	return b.String()
}

// TestVectorsCoverTheTable counts: for every row a vector that passes and a near
// miss, for every code of it one that fails. server.* codes have unit tests.
func TestVectorsCoverTheTable(t *testing.T) {
	kinds := map[string]int{} // row and kind
	codes := map[Code]int{}
	for _, v := range readVectors(t) {
		code, _ := ParseCode(v.get("expect"))
		kind := v.get("kind")
		if (kind == "fail") == (code == CodeOK) || kind != "fail" && kind != "pass" && kind != "near-miss" {
			t.Errorf("%s: kind %q with expect %v", v.name, kind, code)
		}
		if code != CodeOK && !strings.HasPrefix(code.String(), v.get("row")+".") {
			t.Errorf("%s: expects %v, which is not of row %s", v.name, code, v.get("row"))
		}
		kinds[v.get("row")+" "+kind]++
		codes[code]++
	}
	for c := range Checks() {
		for _, kind := range []string{"pass", "near-miss"} {
			if kinds[c.ID+" "+kind] == 0 {
				t.Errorf("row %s has no vector of kind %s", c.ID, kind)
			}
		}
		if len(c.Codes) == 0 {
			t.Errorf("row %s has no code", c.ID)
		}
		for _, code := range c.Codes {
			if codes[code] == 0 {
				t.Errorf("code %v has no vector", code)
			}
		}
	}
	for _, code := range Codes() {
		if codes[code] == 0 && code.Family() != FamilyServer {
			t.Errorf("code %v has no vector", code)
		}
	}
}

// published is one entry of testdata/published.json: example values of the
// specifications.
type published struct {
	ID, Kind, JWS, Nonce, Claim, Request, Thumbprint, Canonical, Ath string
	Equal                                                            bool
	JKT                                                              string          `json:"jkt"`
	X5T                                                              string          `json:"x5t_s256"`
	PrivateD                                                         string          `json:"private_d"`
	AccessToken                                                      string          `json:"access_token"`
	Field                                                            string          `json:"www_authenticate"`
	JWK                                                              json.RawMessage `json:"jwk"`
	DPoPJKT                                                          string          `json:"dpop_jkt"`
	Expect                                                           []struct {
		Scheme string
		Params map[string]string
	}
}

func readPublished(t testing.TB, kind string) (out []published) {
	t.Helper()
	text, err := os.ReadFile("testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []published
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Kind == kind {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no published values of kind %s", kind)
	}
	return out
}
