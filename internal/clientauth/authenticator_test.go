package clientauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/jose"
)

const issuer = "https://as.example"

var at = time.Unix(1_700_000_000, 0)

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestApplyPutsOneMethodIntoTheRequest(t *testing.T) {
	// RFC 6749 section 2.3.1: id and secret are form-encoded before base64.
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("a%3Ab+c:p%25%3A%2B+w"))
	for _, row := range []struct {
		name   string
		c      Config
		form   url.Values
		header http.Header
	}{
		{
			"a public client says its id only",
			Config{Method: None, ClientID: "app"},
			url.Values{"client_id": {"app"}},
			http.Header{},
		},
		{
			"basic encodes id and secret and puts neither into the form",
			Config{Method: SecretBasic, ClientID: "a:b c", Secret: holdfast.NewSecret("p%:+ w")},
			url.Values{},
			http.Header{"Authorization": {basic}},
		},
		{
			"post puts both into the form",
			Config{Method: SecretPost, ClientID: "app", Secret: holdfast.NewSecret("p%:+ w")},
			url.Values{"client_id": {"app"}, "client_secret": {"p%:+ w"}},
			http.Header{},
		},
		{ // M-2-02
			"a certificate needs the client_id in the form",
			Config{Method: TLS, ClientID: "app"},
			url.Values{"client_id": {"app"}},
			http.Header{},
		},
		{ // M-2-02
			"so does a self-signed one",
			Config{Method: SelfSignedTLS, ClientID: "app"},
			url.Values{"client_id": {"app"}},
			http.Header{},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := New(row.c)
			if err != nil {
				t.Fatal(err)
			}
			form, header := url.Values{}, http.Header{}
			for range 2 { // a second attempt replaces, it does not add
				if err := a.Apply(form, header, at); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(row.form, form); d != "" {
				t.Errorf("form (-want +got):\n%s", d)
			}
			if d := cmp.Diff(row.header, header); d != "" {
				t.Errorf("header (-want +got):\n%s", d)
			}
		})
	}
}

// PKJ-3-01, PKJ-3-03, F2-5.3.2.1-06, F2-5.4-01 (PS256, ES256 and EdDSA come first), J-3.12-01
func TestAssertionIsFreshShortAndForTheIssuer(t *testing.T) {
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	rsa2048 := rsaKey(t, 2048)
	for _, row := range []struct {
		name   string
		signer crypto.Signer
		algs   []string
		alg    string
	}{
		{"P-256 signs with ES256", ecKey(t), nil, "ES256"},
		{"Ed25519 signs with EdDSA", ed, nil, "EdDSA"},
		{"Ed25519 signs under its own name where the server wants that", ed, []string{"ES256", "Ed25519"}, "Ed25519"},
		{"RSA prefers PS256", rsa2048, nil, "PS256"},
		{"RSA signs with RS256 where the server takes nothing better", rsa2048, []string{"HS256", "RS256"}, "RS256"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := New(Config{
				Method: PrivateKeyJWT, ClientID: `https://app.example/"id"`, Issuer: issuer,
				Signer: row.signer, KeyID: "k1", Algs: row.algs,
			})
			if err != nil {
				t.Fatal(err)
			}
			pub, err := jose.NewPublicKey(row.signer.Public())
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			form, header := url.Values{}, http.Header{}
			for range 20 {
				if err := a.Apply(form, header, at); err != nil {
					t.Fatal(err)
				}
				if len(header) != 0 || len(form["client_assertion"]) != 1 || form.Get("client_assertion_type") != AssertionType ||
					form.Get("client_id") != `https://app.example/"id"` {
					t.Fatalf("header %d fields, form fields %d", len(header), len(form))
				}
				j, err := jose.Parse(form.Get("client_assertion"), 4096)
				if err != nil {
					t.Fatal(err)
				}
				if j.AlgName != row.alg || j.KeyID != "k1" || j.Type != "JWT" {
					t.Errorf("alg %q kid %q typ %q", j.AlgName, j.KeyID, j.Type)
				}
				if err := pub.Verify(j.Alg, j.SigningInput, j.Signature); err != nil {
					t.Error(err)
				}
				var got map[string]any
				if err := json.Unmarshal([]byte(j.Payload), &got); err != nil {
					t.Fatal(err)
				}
				id, _ := got["jti"].(string)
				if raw, err := jose.DecodeSegment(id); err != nil || len(raw) < 16 || seen[id] {
					t.Errorf("jti of %d bytes, seen before: %v", len(raw), seen[id])
				}
				seen[id] = true
				delete(got, "jti")
				want := map[string]any{
					"iss": `https://app.example/"id"`, "sub": `https://app.example/"id"`, "aud": issuer,
					"iat": float64(at.Unix()), "exp": float64(at.Unix() + 60),
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("claims (-want +got):\n%s", d)
				}
			}
		})
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	secret := holdfast.NewSecret("s3cr3t-of-the-client")
	for _, row := range []struct {
		name string
		c    Config
		want []string
	}{
		{"the zero value", Config{}, []string{"a method is needed", "the client id has 0 bytes"}},
		{"an unknown method", Config{Method: "client_secret_jwt", ClientID: "app"}, []string{`"client_secret_jwt"`}},
		{"a control character in the id", Config{Method: None, ClientID: "a\nb"}, []string{"printable ASCII"}},
		{"an id that is too long", Config{Method: None, ClientID: strings.Repeat("a", MaxClientIDBytes+1)}, []string{"2049 bytes"}},
		{"no secret", Config{Method: SecretBasic, ClientID: "app"}, []string{"the secret has 0 bytes"}},
		{"a secret with a line break", Config{Method: SecretPost, ClientID: "app", Secret: holdfast.NewSecret("a\r\nb")}, []string{"the secret has 4 bytes"}},
		{"a secret that is not used", Config{Method: None, ClientID: "app", Secret: secret}, []string{"does not use"}},
		{"two methods at once", Config{Method: SecretBasic, ClientID: "app", Secret: secret, Signer: ecKey(t)}, []string{"a signer or a key id"}},
		{
			"nothing to sign with",
			Config{Method: PrivateKeyJWT, ClientID: "app", KeyID: "k\x7f"},
			[]string{"the issuer is needed", "the key id has 2 bytes", "needs a signer"},
		},
		{
			"a key that the server cannot check",
			Config{Method: PrivateKeyJWT, ClientID: "app", Issuer: issuer, Signer: ecKey(t), Algs: []string{"PS256"}},
			[]string{"can make ES256", `takes "PS256"`},
		},
		{
			"a weak key (F2-5.4-01)",
			Config{Method: PrivateKeyJWT, ClientID: "app", Issuer: issuer, Signer: weak{}},
			[]string{"too weak"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, err := New(row.c)
			if err == nil || a != nil {
				t.Fatal("accepted")
			}
			for _, want := range row.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), secret.Reveal()) {
				t.Errorf("the error shows the secret")
			}
		})
	}
}

// weak is a signer whose public key is an RSA key of 1024 bits.
type weak struct{}

func (weak) Public() crypto.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), 1023)
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}
}

func (weak) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errors.New("no") }

func TestApplySaysWhyTheSignerDidNotSign(t *testing.T) {
	broken := errors.New("device removed")
	a, err := New(Config{Method: PrivateKeyJWT, ClientID: "app", Issuer: issuer, Signer: failing{ecKey(t), broken}})
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{}
	if err := a.Apply(form, http.Header{}, at); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if len(form) != 0 {
		t.Error("half a request was made")
	}
}

type failing struct {
	*ecdsa.PrivateKey
	err error
}

func (f failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, f.err }

func TestAnAuthenticatorPrintsNoSecret(t *testing.T) {
	a, err := New(Config{Method: SecretPost, ClientID: "app", Secret: holdfast.NewSecret("s3cr3t")})
	if err != nil {
		t.Fatal(err)
	}
	if a.Method() != SecretPost || a.ClientID() != "app" || a.Method().ByCertificate() {
		t.Errorf("got %v", a)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, a); got != `client_secret_post of "app"` {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}
