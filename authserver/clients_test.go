package authserver

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/clientauth"
)

func TestConfiguredClientsAreChecked(t *testing.T) {
	base := testConfig(newTestServer(t, nil))
	short := []holdfast.Secret{holdfast.NewSecret("s3cr3t-of-15-ch")}
	for _, tt := range []struct {
		name string
		edit func(c *Config, web *Client)
		want []string
	}{
		{"no client_id", func(_ *Config, web *Client) { web.ClientID = "" }, []string{"client_id has 0 bytes"}},
		{"a client twice", func(_ *Config, web *Client) { web.ClientID = otherID }, []string{`client "other"`, "another client of that client_id"}},
		{"a short secret", func(_ *Config, web *Client) { web.Secrets = short }, []string{"secret 1 has 15 bytes, want 16"}},
		{"no secret", func(_ *Config, web *Client) { web.Secrets = nil }, []string{"there are 0 secrets"}},
		{"a public client with a secret", func(_ *Config, web *Client) { web.AuthMethod = "none" }, []string{"there is a secret"}},
		{"secrets although they are not allowed", func(c *Config, _ *Client) { c.AllowSecrets = false }, []string{`client "web"`, `client "backend"`, "client_secret_basic is not offered"}}, // BCP-2.5-01
		{"no method means a secret", func(c *Config, web *Client) { c.AllowSecrets, web.AuthMethod = false, "" }, []string{"client_secret_basic is not offered", "(without the member it is client_secret_basic)"}},
		{"two mistakes of one client, on its line", func(c *Config, web *Client) { c.AllowSecrets, web.GrantTypes = false, []string{"password"} }, []string{`(without the member it is client_secret_basic); grant_types: password is not offered`}},
		{"a grant that is not offered", func(_ *Config, web *Client) { web.GrantTypes = []string{"password"} }, []string{"grant_types: password is not offered"}},
		{"a response type that is not offered", func(_ *Config, web *Client) { web.ResponseTypes = []string{"code", "token"} }, []string{"response_types: token is not offered"}},
		{"a scope that is not offered", func(_ *Config, web *Client) { web.Scope = "read admin" }, []string{"scope: admin is not offered"}},
		{"a redirect over http", func(_ *Config, web *Client) { web.RedirectURIs = []string{"http://web.example/cb"} }, []string{"redirect_uris[0]"}}, // BCP-2.6-01
		{"a resource that is not there", func(_ *Config, web *Client) { web.Resources = []string{"https://x.example"} }, []string{`"https://x.example" is none of the resources`}},
		{"a resource to introspect that is not there", func(_ *Config, web *Client) { web.Introspects = []string{"https://x.example"} }, []string{`"https://x.example" is none of the resources`}},
		{"certificates without a place for them", func(c *Config, web *Client) {
			c.MTLSURL, web.CertificateBoundTokens = "", true
		}, []string{"no endpoint here that asks for certificates"}},
		{"a self-signed certificate without a place for it", func(c *Config, web *Client) {
			c.MTLSURL, web.AuthMethod = "", "self_signed_tls_client_auth"
		}, []string{"self_signed_tls_client_auth is not offered", "jwks or jwks_uri is needed"}},
		{"keys that are none", func(_ *Config, web *Client) { web.JWKS = json.RawMessage(`{"keys":5}`) }, []string{"jwks: keys is number"}},
		{"a public client without people", func(c *Config, _ *Client) {
			configured(t, c, appID).GrantTypes = []string{grantCode, grantClient}
		}, []string{`client "app"`, "for clients that authenticate"}},
		{"registration by token without a token", func(c *Config, _ *Client) { c.Registration = RegistrationByToken }, []string{"registration: tokens are needed"}},
		{"tokens that nobody asks for", func(c *Config, _ *Client) { c.RegistrationTokens = []holdfast.Secret{secretOf("x")} }, []string{"registration: tokens are needed"}},
		{"a short token", func(c *Config, _ *Client) {
			c.Registration, c.RegistrationTokens = RegistrationByToken, short
		}, []string{"registration token 1 has 15 bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := base
			c.Clients = append([]Client(nil), base.Clients...)
			tt.edit(&c, configured(t, &c, webID))
			s, err := New(context.Background(), c)
			if err == nil {
				_ = s.Close()
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestConfiguredClientsGetTheDefaults(t *testing.T) {
	ts := newTestServer(t, func(c *Config) {
		web := configured(t, c, webID)
		web.AuthMethod, web.GrantTypes, web.ResponseTypes = "", nil, nil
	})
	k, err := ts.clients.find(context.Background(), webID)
	if err != nil || k.public() || k.dynamic || !k.may(grantCode) || k.may(grantRefresh) || len(k.ResponseTypes) != 1 {
		t.Errorf("got %+v, %v", k, err)
	}
	if _, err := ts.clients.find(context.Background(), "nobody"); refusalOf(err).code != errInvalidClient {
		t.Errorf("nobody: %v", err)
	}
}

// Both secrets are valid while one replaces the other.
func TestSecretsOverlap(t *testing.T) {
	ts := newTestServer(t, func(c *Config) {
		web := configured(t, c, webID)
		web.Secrets = append(web.Secrets, holdfast.NewSecret("another-secret-of-web"))
	})
	for _, secret := range []string{secretOf(webID).Reveal(), "another-secret-of-web"} {
		ts.post(pathToken, serviceForm(), bySecret(webID, secret), ts.proof(newKey(t))).ok()
	}
}

// A client that registered under other rules is judged by those of today.
func TestRegisteredClientsAreJudgedByTheRulesOfToday(t *testing.T) {
	ts := newTestServer(t, nil)
	ctx := context.Background()
	keep := func(id string, m clientauth.Method, secrets [][]byte) {
		t.Helper()
		r := clientRecord{Metadata: byMethod(id, m, nil).Client, Secrets: secrets, Issued: ts.clock.Now()}
		if m == clientauth.None {
			r.Metadata.GrantTypes = []string{grantCode}
		}
		if err := create(ctx, ts.store, kindClient, keyOf(id), "", time.Time{}, r); err != nil {
			t.Fatal(err)
		}
	}
	sum := make([]byte, 32)
	keep("secret", clientauth.SecretBasic, [][]byte{sum})
	keep("public", clientauth.None, nil)
	keep("damaged", clientauth.SecretBasic, [][]byte{sum[:5]})
	for id, found := range map[string]bool{"secret": true, "public": true, "damaged": false} {
		k, err := ts.clients.find(ctx, id)
		if found && (err != nil || !k.dynamic || k.ClientID != id) || !found && refusalOf(err).code != errInvalidClient {
			t.Errorf("%s: got %v, %v", id, k, err)
		}
	}
	ts.config.AllowSecrets = false
	if _, err := ts.clients.find(ctx, "secret"); refusalOf(err).code != errInvalidClient {
		t.Errorf("secrets are not allowed any more: %v", err)
	}
	ts.config.Profile = ProfileFAPI2
	if _, err := ts.clients.find(ctx, "public"); refusalOf(err).code != errInvalidClient { // F2-5.3.2.1-01
		t.Errorf("public clients are not allowed any more: %v", err)
	}
}

func TestMethodsThatAreOffered(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"by default, without mTLS", func(c *Config) { c.AllowSecrets, c.MTLSURL = false, "" }, "private_key_jwt none"}, // BCP-2.5-01
		{"with mTLS", func(c *Config) { c.AllowSecrets = false }, "private_key_jwt self_signed_tls_client_auth none"},
		{"with secrets", func(c *Config) { c.MTLSURL = "" }, "private_key_jwt client_secret_basic client_secret_post none"},
		{"under FAPI 2.0", func(c *Config) { fapiConfig(c) }, "private_key_jwt self_signed_tls_client_auth"}, // F2-5.3.2.1-01
	} {
		ts := newTestServer(t, func(c *Config) { c.Clients = nil; tt.edit(c) })
		if got := strings.Join(ts.authMethods(), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
