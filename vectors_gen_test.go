package holdfast

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

var updateVectors = flag.Bool("update", false, "write testdata/vectors anew, from vector_cases_test.go and the keys in testdata/keys")

func readTestSigner(t testing.TB, name string) crypto.Signer {
	t.Helper()
	text, err := os.ReadFile("testdata/keys/" + name + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(crypto.Signer)
}

func readTestKey(t testing.TB, name string) *Key {
	t.Helper()
	k, err := NewKey(readTestSigner(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// members is a JSON object whose order and repetitions are ours to choose.
type members []struct{ name, raw string }

func (m *members) set(name, raw string) {
	for i := range *m {
		if (*m)[i].name == name {
			(*m)[i].raw = raw
			return
		}
	}
	m.add(name, raw)
}

func (m *members) add(name, raw string) { *m = append(*m, struct{ name, raw string }{name, raw}) }

func (m *members) drop(name string) {
	*m = slices.DeleteFunc(*m, func(x struct{ name, raw string }) bool { return x.name == name })
}

func (m members) String() string {
	parts := make([]string, len(m))
	for i, x := range m {
		parts[i] = strconv.Quote(x.name) + ":" + x.raw
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

// draft is a proof before it is signed.
type draft struct {
	header, claims members
	signer         crypto.Signer
	alg            jose.Alg                            // that the signature is made with, whatever the header says
	payload        string                              // instead of claims
	sign           func(input string) []byte           // instead of signer and alg
	finish         func(header, body, s string) string // instead of joining with dots
}

// generator makes the proofs of one vector.
type generator struct {
	t   testing.TB
	now time.Time
}

// draft returns a valid proof for the usual request.
func (g *generator) draft(key string) *draft {
	k := readTestKey(g.t, key)
	signer := readTestSigner(g.t, key)
	pub, err := jose.NewPublicKey(signer.Public())
	if err != nil {
		g.t.Fatal(err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	sum := sha256.Sum256([]byte(fixtureToken))
	d := &draft{signer: signer, alg: k.alg}
	d.header.add("typ", `"dpop+jwt"`)
	d.header.add("alg", quote(string(k.Alg())))
	d.header.add("jwk", pub.JWK())
	d.claims.add("jti", quote(jose.EncodeSegment(id[:])))
	d.claims.add("htm", `"GET"`)
	d.claims.add("htu", `"https://api.example/orders/81"`)
	d.claims.add("iat", strconv.FormatInt(g.now.Unix(), 10))
	d.claims.add("ath", quote(jose.EncodeSegment(sum[:])))
	return d
}

func (d *draft) compact(t testing.TB) string {
	header := jose.EncodeSegment([]byte(d.header.String()))
	payload := d.payload
	if payload == "" {
		payload = d.claims.String()
	}
	body := jose.EncodeSegment([]byte(payload))
	var sig string
	if d.sign != nil {
		sig = jose.EncodeSegment(d.sign(header + "." + body))
	} else {
		whole, err := jose.SignSegments(d.signer, d.alg, header, payload)
		if err != nil {
			t.Fatal(err)
		}
		sig = whole[strings.LastIndexByte(whole, '.')+1:]
	}
	if d.finish != nil {
		return d.finish(header, body, sig)
	}
	return header + "." + body + "." + sig
}

// proof is a valid proof by K1 after the given changes.
func (g *generator) proof(changes ...func(*draft)) string { return g.proofBy("k1", changes...) }

func (g *generator) proofBy(key string, changes ...func(*draft)) string {
	d := g.draft(key)
	for _, change := range changes {
		change(d)
	}
	return d.compact(g.t)
}

// nonce is one of ours, issued at the given time for the given realm.
func (g *generator) nonce(at time.Time, realm string) string {
	n, err := NewNonces(NonceConfig{Keys: [][]byte{testNonceKey(g.t)}, Realm: realm, Now: func() time.Time { return at }})
	if err != nil {
		g.t.Fatal(err)
	}
	s, _ := n.Issue(g.t.Context())
	return s
}

func claim(name, raw string) func(*draft)  { return func(d *draft) { d.claims.set(name, raw) } }
func header(name, raw string) func(*draft) { return func(d *draft) { d.header.set(name, raw) } }
func noClaim(name string) func(*draft)     { return func(d *draft) { d.claims.drop(name) } }
func noHeader(name string) func(*draft)    { return func(d *draft) { d.header.drop(name) } }

func (g *generator) iat(d time.Duration) func(*draft) {
	return claim("iat", strconv.FormatInt(g.now.Add(d).Unix(), 10))
}

// writeVectors replaces testdata/vectors by what vectorCases makes.
func writeVectors(t testing.TB) {
	t.Helper()
	old, _ := filepath.Glob("testdata/vectors/*.txt")
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	g := &generator{t: t, now: testTime}
	seen := map[string]bool{}
	for _, v := range vectorCases(g) {
		if seen[v.name] {
			t.Fatalf("two vectors are called %s", v.name)
		}
		seen[v.name] = true
		if err := os.WriteFile("testdata/vectors/"+v.name+".txt", []byte(v.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// set replaces all fields of that name, in their place.
func (v *vector) set(name string, values ...string) {
	v.fields = slices.DeleteFunc(v.fields, func(f vectorField) bool { return f.name == name })
	for _, value := range values {
		v.fields = append(v.fields, vectorField{name, value})
	}
}

// usual is an accepted request at a resource: a token bound to K1, a proof by K1.
func (g *generator) usual(row, kind, name, comment, covers string) *vector {
	v := &vector{name: name}
	v.set("comment", comment)
	if covers != "" {
		v.set("covers", covers)
	}
	v.set("row", row)
	v.set("kind", kind)
	v.set("expect", "ok")
	v.set("at", "resource")
	v.set("now", g.now.Format(time.RFC3339))
	v.set("method", "GET")
	v.set("url", "https://api.example/orders/81")
	v.set("authorization", "DPoP "+fixtureToken)
	v.set("proof", "")
	v.set("token.state", "authentic")
	v.set("token.typ", "at+jwt")
	v.set("token.issuer", "https://as.example")
	v.set("token.audience", "https://api.example")
	v.set("token.scope", "read")
	v.set("token.expires", g.now.Add(time.Hour).Format(time.RFC3339))
	v.set("token.cnf", g.cnf("k1"))
	v.set("token.client", "app")
	return v
}

func (g *generator) cnf(key string) string {
	return `{"jkt":"` + readTestKey(g.t, key).Thumbprint().String() + `"}`
}

// at the token endpoint: POST, no token.
func (g *generator) usualServer(row, kind, name, comment, covers string) *vector {
	v := &vector{name: name}
	v.set("comment", comment)
	if covers != "" {
		v.set("covers", covers)
	}
	v.set("row", row)
	v.set("kind", kind)
	v.set("expect", "ok")
	v.set("at", "server")
	v.set("now", g.now.Format(time.RFC3339))
	v.set("method", "POST")
	v.set("url", "https://as.example/token")
	v.set("policy.nonce", "optional")
	v.set("need.required", "yes")
	return v
}

// toServer makes a proof one for the token endpoint.
func toServer(d *draft) {
	d.claims.set("htm", `"POST"`)
	d.claims.set("htu", `"https://as.example/token"`)
	d.claims.drop("ath")
}
