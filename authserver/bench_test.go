package authserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
	"github.com/holdfast-oauth/holdfast/internal/jose"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/store"
)

// BenchmarkClientCredentials is what the token endpoint costs without a network:
// one proof of a returning key, one nonce, one JWT signed. Proofs and assertions
// are made outside of the time that is measured; callers come in parallel, as a
// store that gathers writes expects.
func BenchmarkClientCredentials(b *testing.B) {
	for _, method := range []clientauth.Method{clientauth.SecretBasic, clientauth.PrivateKeyJWT} {
		for _, kind := range []string{"memory", "bbolt"} {
			b.Run(string(method)+"/"+kind, func(b *testing.B) { benchClientCredentials(b, method, kind) })
		}
	}
}

func benchClientCredentials(b *testing.B, method clientauth.Method, kind string) {
	const issuer, api = "https://as.example", "https://api.example"
	dsn := "memory:"
	if kind == "bbolt" {
		dsn = "bbolt://" + filepath.Join(b.TempDir(), "records.db")
	}
	records, err := store.Open(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer records.Close()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	secret := holdfast.NewSecret(rand.Text())
	nonces, err := holdfast.NewNonces(holdfast.NonceConfig{Realm: issuer})
	if err != nil {
		b.Fatal(err)
	}
	replays, err := holdfast.NewReplays(holdfast.ReplayConfig{Max: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	k := authserver.Client{Client: metadata.Client{ClientID: "job", AuthMethod: string(method), GrantTypes: []string{"client_credentials"}}}
	conf := clientauth.Config{Method: method, ClientID: "job", Issuer: issuer}
	if method == clientauth.SecretBasic {
		k.Secrets, conf.Secret = []holdfast.Secret{secret}, secret
	} else {
		k.JWKS, conf.Signer = jwksOf(b, signer), signer
	}
	server, err := authserver.New(b.Context(), authserver.Config{
		Issuer: issuer, Store: records, SealingKeys: []holdfast.Secret{holdfast.NewSecret(strings.Repeat("k", 32))}, AllowSecrets: true,
		Resources: []authserver.Resource{{ID: api, Scopes: []string{"read"}}}, Clients: []authserver.Client{k},
		Proof: holdfast.ProofPolicy{Nonces: nonces, Replays: replays},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	auth, err := clientauth.New(conf)
	if err != nil {
		b.Fatal(err)
	}
	key, err := holdfast.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	target := &url.URL{Scheme: "https", Host: "as.example", Path: "/token"}
	nonce, err := nonces.Issue(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	request := func() *http.Request {
		form, header := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}, "resource": {api}}, http.Header{}
		if err := auth.Apply(form, header, time.Now()); err != nil {
			b.Fatal(err)
		}
		if method == clientauth.SecretBasic {
			form.Del("client_id")
		}
		proof, err := key.Prove(holdfast.ProofClaims{Method: http.MethodPost, URL: target, Nonce: nonce})
		if err != nil {
			b.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, target.String(), strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		if v := header.Get("Authorization"); v != "" {
			r.Header.Set("Authorization", v)
		}
		return r
	}
	requests := make(chan *http.Request, b.N)
	for range b.N {
		requests <- request()
	}
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w := httptest.NewRecorder()
			server.Handler().ServeHTTP(w, <-requests)
			if w.Code != http.StatusOK {
				b.Errorf("status %d: %s", w.Code, errorOf(w))
			}
		}
	})
}

// jwksOf is the key set that a client of private_key_jwt registers.
func jwksOf(b *testing.B, signer *ecdsa.PrivateKey) json.RawMessage {
	b.Helper()
	public, err := jose.NewPublicKey(signer.Public())
	if err != nil {
		b.Fatal(err)
	}
	return json.RawMessage(`{"keys":[` + public.JWK() + `]}`)
}

// errorOf is the OAuth error of an answer.
func errorOf(w *httptest.ResponseRecorder) string {
	var p struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return p.Error
}
