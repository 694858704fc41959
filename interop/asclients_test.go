package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/up"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/store"
)

// issuerCallback is where the clients of this test are sent back to. Nobody
// listens there: the browser of the test stops before.
const issuerCallback = "http://127.0.0.1/callback"

// onePerson is a directory of one.
type onePerson struct{ password holdfast.Secret }

func (p onePerson) Authenticate(_ context.Context, a authserver.Attempt) (authserver.Person, error) {
	if a.Name != "alice" || a.Password != p.password {
		return authserver.Person{}, authserver.ErrWrongPassword
	}
	return authserver.Person{Subject: "person", Name: "alice"}, nil
}

// flowOf is what asclients.mjs says of one flow.
type flowOf struct {
	Type    string `json:"type"`
	Bound   bool   `json:"bound"`
	Status  int    `json:"status"`
	Active  *bool  `json:"active"`
	Refresh string `json:"refresh"`
}

// TestNPMClientsAgainstOurServer: what these libraries send, and what they
// demand of answers, is what programs in the world do.
func TestNPMClientsAgainstOurServer(t *testing.T) {
	yes, no := true, false
	served := flowOf{Type: "dpop", Bound: true, Status: http.StatusOK}
	want := map[string]flowOf{
		"code":                          served, // D-5-01, D-5-02, D-10.1-01, ISS-2-01
		"refresh":                       served, // D-5-06
		"code of a confidential client": served,
		"client_secret_basic":           served,
		"private_key_jwt":               served,                                    // PKJ-3-01
		"device":                        served,                                    // DEV-3.4-01
		"exchange":                      served,                                    // TX-2-01
		"registration":                  served,                                    // DCR-3-01
		"introspection":                 {Type: "dpop", Bound: true, Active: &yes}, // D-6.2-01
		"revocation":                    {Active: &no, Refresh: "invalid_grant"},   // REV-2-01
	}
	for _, library := range []string{"openid-client", "oauth4webapi"} {
		t.Run(library, func(t *testing.T) {
			t.Parallel() // each waits for the interval of the device flow
			var got map[string]flowOf
			runScript(t, "asclients.mjs", startIssuer(t, library), &got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("flows (-want +got)\n%s", diff)
			}
		})
	}
}

// issuerInput is what asclients.mjs is told.
type issuerInput struct {
	Library           string            `json:"library"`
	Issuer            string            `json:"issuer"`
	API               string            `json:"api"`
	Browser           string            `json:"browser"`
	Secrets           map[string]string `json:"secrets"`
	SignerKey         map[string]string `json:"signerKey"`
	RegistrationToken string            `json:"registrationToken"`
}

// startIssuer starts our authorization server, an API that trusts it, and a
// browser with somebody in front of it.
func startIssuer(t *testing.T, library string) issuerInput {
	t.Helper()
	in := issuerInput{
		Library: library, RegistrationToken: rand.Text(),
		Secrets: map[string]string{"web": rand.Text(), "backend": rand.Text()},
	}
	signer := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	public := plainJWK(signer.Public())
	maps.Copy(public, map[string]string{"kid": signerKeyID, "use": "sig", "alg": "ES256"})
	in.SignerKey = maps.Clone(public)
	in.SignerKey["d"] = base64.RawURLEncoding.EncodeToString(must(signer.Bytes()))

	var server *authserver.Server
	as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.Handler().ServeHTTP(w, r) }))
	t.Cleanup(as.Close)
	in.Issuer = as.URL
	in.API = newSite(t).protect(t, "/api", func(c *resource.Config, api string) {
		c.Verify.Issuers = []string{in.Issuer}
		c.Verify.Proof.Nonces, c.Verify.Proof.Nonce = newNonces(t, api), holdfast.NonceRequired
	})
	password := holdfast.NewSecret(rand.Text())
	var err error
	server, err = authserver.New(t.Context(), authserver.Config{
		Issuer: in.Issuer, Store: store.NewMemory(nil), SealingKeys: []holdfast.Secret{holdfast.NewSecret(strings.Repeat("k", 32))},
		AllowSecrets: true, RequirePAR: true, Directory: onePerson{password},
		Registration: authserver.RegistrationByToken, RegistrationTokens: []holdfast.Secret{holdfast.NewSecret(in.RegistrationToken)},
		Resources: []authserver.Resource{{ID: in.API, Scopes: []string{"read"}}},
		Clients:   issuerClients(in, must(json.Marshal(map[string]any{"keys": []any{public}}))),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	in.Browser = startBrowser(t, password)
	return in
}

func issuerClients(in issuerInput, keys json.RawMessage) []authserver.Client {
	client := func(id, method string, grants ...string) authserver.Client {
		k := authserver.Client{Client: metadata.Client{ClientID: id, AuthMethod: method, GrantTypes: grants}}
		if slices.Contains(grants, "authorization_code") {
			k.ResponseTypes, k.RedirectURIs = []string{"code"}, []string{issuerCallback}
		}
		if s, ok := in.Secrets[id]; ok {
			k.Secrets = []holdfast.Secret{holdfast.NewSecret(s)}
		}
		return k
	}
	signer := client("signer", "private_key_jwt", "client_credentials")
	signer.JWKS = keys
	backend := client("backend", "client_secret_basic", "urn:ietf:params:oauth:grant-type:token-exchange")
	backend.Introspects, backend.MayExchange = []string{in.API}, true
	return []authserver.Client{
		client("native", "none", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"),
		client("web", "client_secret_basic", "authorization_code", "refresh_token", "client_credentials"),
		signer, backend,
	}
}

// startBrowser serves a browser: it opens the address in the body of a request
// and answers with the address that it came back to, empty if it did not.
func startBrowser(t *testing.T, password holdfast.Secret) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, err := io.ReadAll(io.LimitReader(r.Body, maxPageBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		stop := &stopAtCallback{}
		p := &up.Person{Name: "alice", Password: password, HTTP: &http.Client{
			Transport:     stop,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}}
		if err := p.Visit(r.Context(), string(address)); err != nil && !errors.Is(err, context.Canceled) {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, stop.back)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// stopAtCallback keeps the address of the callback and answers for it.
type stopAtCallback struct{ back string }

// RoundTrip implements http.RoundTripper.
func (s *stopAtCallback) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.String(), issuerCallback) {
		s.back = r.URL.String()
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}
	return http.DefaultTransport.RoundTrip(r)
}
