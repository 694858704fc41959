package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/token"
)

// npmProvider is what node/provider.mjs says about its two servers.
type npmProvider struct {
	Strict   string `json:"strict"`   // issuer: DPoP with nonces, PAR required
	Ignoring string `json:"ignoring"` // issuer: takes no notice of proofs
	Secrets  struct {
		Service  string `json:"service"`
		Resource string `json:"resource"`
	} `json:"secrets"`
	signer *ecdsa.PrivateKey // of the client "signer", which authenticates with private_key_jwt
}

// signerKeyID is the kid under which the client "signer" is registered.
const signerKeyID = "signer-1"

// startProvider runs oidc-provider until the test is over.
func startProvider(t *testing.T) *npmProvider {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	jwk := plainJWK(key.Public())
	maps.Copy(jwk, map[string]string{"kid": signerKeyID, "use": "sig", "alg": "ES256"})
	p := &npmProvider{signer: key}
	startScript(t, "provider.mjs", map[string]any{"signerKeys": map[string]any{"keys": []any{jwk}}}, p)
	return p
}

// trusted configures a resource for the tokens of the strict server, with a
// nonce required in every proof.
func (p *npmProvider) trusted(t *testing.T) func(*resource.Config, string) {
	return func(c *resource.Config, api string) {
		c.Verify.Issuers = []string{p.Strict}
		c.Verify.Proof.Nonces, c.Verify.Proof.Nonce = newNonces(t, api), holdfast.NonceRequired
	}
}

// tokens reads the JWT access tokens of the strict server.
func (p *npmProvider) tokens(t *testing.T) holdfast.TokenReader {
	t.Helper()
	server := must((&metadata.Fetcher{}).Server(t.Context(), p.Strict))
	return must(token.NewRemote(token.RemoteConfig{Issuer: p.Strict, JWKSURI: server.JWKSURI}))
}

// introspected is trusted for tokens that only introspection can read.
func (p *npmProvider) introspected(t *testing.T) func(*resource.Config, string) {
	return func(c *resource.Config, api string) {
		p.trusted(t)(c, api)
		server, err := (&metadata.Fetcher{}).Server(t.Context(), p.Strict)
		if err != nil {
			t.Fatal(err)
		}
		c.Verify.Tokens, err = token.NewIntrospector(token.IntrospectorConfig{
			Endpoint:     server.IntrospectionEndpoint,
			Authenticate: token.BasicAuth("resource", holdfast.NewSecret(p.Secrets.Resource)),
			Issuer:       p.Strict,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// native is the configuration of a public client for a resource.
func (p *npmProvider) native(t *testing.T, api string) client.Config {
	t.Helper()
	return client.Config{
		Issuer: p.Strict, ClientID: "native", Key: newProofKey(t),
		Scope: []string{"read"}, Resource: []string{api}, RedirectURL: "http://127.0.0.1/callback",
	}
}

func newProofKey(t *testing.T) *holdfast.Key {
	t.Helper()
	return must(holdfast.GenerateKey())
}

func newClient(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	out, err := client.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// held is a token source that holds one token.
type held struct{ token *client.Token }

func (h held) Token(context.Context) (*client.Token, error) { return h.token, nil }

// call calls a resource with a token through a Transport and returns the body
// of the answer.
func call(t *testing.T, api string, access *client.Token) (string, *client.Error) {
	t.Helper()
	u := must(url.Parse(api))
	c := &http.Client{Transport: &client.Transport{Tokens: held{access}, Origins: []string{u.Scheme + "://" + u.Host}}}
	answer, err := c.Get(api)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), client.Failure(answer)
}

// login runs the authorization code flow with a person at the browser.
func login(t *testing.T, c *client.Client) *client.Grant {
	t.Helper()
	g, err := c.LoginLoopback(t.Context(), func(address string) error { return visit(t.Context(), address) })
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestClientAgainstNPMProvider: everything that is refused there, and would be
// accepted by a server that is less strict, shows here: pushed requests are
// required, every proof needs a nonce, refresh tokens are rotated.
func TestClientAgainstNPMProvider(t *testing.T) {
	as := startProvider(t)
	api := newSite(t).protect(t, "/api", as.trusted(t))

	// D-5-01, D-8-05, D-10.1-01, D-7-01, D-7.1-01, D-9-02: pushed request, token
	// request and call each have their proof, with the nonce of that server.
	t.Run("authorization code with PAR gives a token that works with its key", func(t *testing.T) {
		t.Parallel()
		g := login(t, newClient(t, as.native(t, api)))
		if !strings.EqualFold(g.Token.Type, "DPoP") || !g.RefreshBound || g.Refresh.IsZero() || len(g.Warnings) > 0 {
			t.Fatalf("grant of type %q, refresh token bound: %v, warnings %q", g.Token.Type, g.RefreshBound, g.Warnings)
		}
		body, failure := call(t, api, g.Token)
		if failure != nil || body != "person" {
			t.Fatalf("the call answers %q: %v", body, failure)
		}
		stolen := *g.Token
		stolen.Key = newProofKey(t)
		body, failure = call(t, api, &stolen)
		if failure == nil || failure.Status != http.StatusUnauthorized || failure.Code != "invalid_token" {
			t.Errorf("with another key the call answers %q: %v", body, failure)
		}
	})

	// D-5-08: the server refuses a public client that refreshes without its key.
	t.Run("a refresh token works once, with its key", func(t *testing.T) {
		t.Parallel()
		config := as.native(t, api)
		c := newClient(t, config)
		first := login(t, c)

		stolen := *first
		stolen.Key = newProofKey(t)
		wantCode(t, "refreshing with another key", second(c.Refresh(t.Context(), &stolen)), "invalid_grant")

		next, err := c.Refresh(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if next.Refresh.Reveal() == first.Refresh.Reveal() || next.Token.Value.Reveal() == first.Token.Value.Reveal() {
			t.Error("refreshing gave a token that was there before")
		}
		if body, failure := call(t, api, next.Token); failure != nil || body != "person" {
			t.Errorf("the call answers %q: %v", body, failure)
		}
		wantCode(t, "refreshing with a spent token", second(c.Refresh(t.Context(), first)), "invalid_grant")
	})

	t.Run("client credentials with", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			name, id string
			auth     client.Auth
		}{ // PKJ-3-01 for the second one, whose nonce challenge costs it an assertion
			{"client_secret_basic", "service", client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret(as.Secrets.Service)}},
			{"private_key_jwt", "signer", client.Auth{Method: client.AuthPrivateKeyJWT, Signer: as.signer, KeyID: signerKeyID}},
		} {
			t.Run(c.name, func(t *testing.T) {
				service := newClient(t, client.Config{
					Issuer: as.Strict, ClientID: c.id, Auth: c.auth, Key: newProofKey(t), Scope: []string{"read"}, Resource: []string{api},
				})
				g, err := service.ClientCredentials(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if body, failure := call(t, api, g.Token); failure != nil || body != c.id {
					t.Errorf("the call answers %q: %v", body, failure)
				}
			})
		}
	})

	// DEV-3.4-01: every poll has its proof, the first ones with a new nonce.
	t.Run("device code", func(t *testing.T) {
		t.Parallel() // it waits for the interval of the server
		c := newClient(t, as.native(t, api))
		g, err := c.Device(t.Context(), func(d client.DeviceCode) error {
			return visit(t.Context(), d.VerificationURIComplete)
		})
		if err != nil {
			t.Fatal(err)
		}
		if body, failure := call(t, api, g.Token); failure != nil || body != "person" {
			t.Errorf("the call answers %q: %v", body, failure)
		}
	})

	// D-6.2-04: the guard takes the binding from the introspection response.
	t.Run("a revoked token is refused where it is introspected", func(t *testing.T) {
		t.Parallel()
		opaque := newSite(t).protect(t, "/opaque", as.introspected(t))
		c := newClient(t, as.native(t, opaque))
		g := login(t, c)
		if body, failure := call(t, opaque, g.Token); failure != nil || body != "person" {
			t.Fatalf("the call answers %q: %v", body, failure)
		}
		if err := c.Revoke(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		if body, failure := call(t, opaque, g.Token); failure == nil || failure.Code != "invalid_token" {
			t.Errorf("after the revocation the call answers %q: %v", body, failure)
		}
		wantCode(t, "refreshing after the revocation", second(c.Refresh(t.Context(), g)), "invalid_grant")
	})
}

// TestClientAgainstNPMProviderThatIgnoresProofs: a server that does not know
// DPoP must not turn a client that asked for it into one with bearer tokens.
func TestClientAgainstNPMProviderThatIgnoresProofs(t *testing.T) {
	as := startProvider(t)
	service := client.Config{
		Issuer: as.Ignoring, ClientID: "service", Key: newProofKey(t),
		Auth: client.Auth{Method: client.AuthSecretBasic, Secret: holdfast.NewSecret(as.Secrets.Service)},
	}

	// D-5.1-04: absence of the member means that there is no DPoP.
	t.Run("is refused for what its metadata does not list", func(t *testing.T) {
		_, err := client.New(t.Context(), service)
		if err == nil || !strings.Contains(err.Error(), "dpop_signing_alg_values_supported") {
			t.Errorf("error %v, want one that names dpop_signing_alg_values_supported", err)
		}
	})

	claimed, err := (&metadata.Fetcher{}).Server(t.Context(), as.Ignoring)
	if err != nil {
		t.Fatal(err)
	}
	claimed.DPoPSigningAlgs = []string{"ES256"}

	// D-5-10: a response whose token_type is not DPoP is discarded.
	t.Run("is refused for the token type if the metadata claims support", func(t *testing.T) {
		c := service
		c.Metadata = claimed
		_, err := newClient(t, c).ClientCredentials(t.Context())
		if e := (*client.Error)(nil); !errors.As(err, &e) || e.Err == nil || !strings.Contains(err.Error(), "Bearer") {
			t.Errorf("error %v, want one of ours that names Bearer", err)
		}
	})

	t.Run("is served with a warning where bearer tokens are allowed", func(t *testing.T) {
		c := service
		c.Metadata, c.AllowBearer = claimed, true
		g, err := newClient(t, c).ClientCredentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		bearer := slices.ContainsFunc(g.Warnings, func(w string) bool { return strings.Contains(w, "bearer token") })
		if g.Token.Key != nil || !bearer {
			t.Errorf("token with key %v and warnings %q, want no key and a warning that names a bearer token", g.Token.Key, g.Warnings)
		}
	})
}

// second drops what a call gave besides its error.
func second[T any](_ T, err error) error { return err }

// wantCode checks that the server refused with an OAuth error.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	if e := (*client.Error)(nil); !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: error %v, want %s", what, err, code)
	}
}
