package examples_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/metadata"
	"github.com/holdfast-oauth/holdfast/resource"
	"github.com/holdfast-oauth/holdfast/store"
)

// Issue tokens that are bound to the key of whoever asks: an authorization server
// in a program of your own. What stands between the markers is quoted by the
// README, see TestReadme.
func Example_issueTokens() {
	s := &scene{}
	defer s.end()
	ctx, check := context.Background(), s.check
	as, mux := s.resource()
	issuer, dsn := as.URL, "memory:"
	signer, keys := s.clientKeys()
	apiServer, apiMux := s.resource()
	api := apiServer.URL
	sealing := s.sealingKey()

	// README: issue
	records, err := store.Open(ctx, dsn) // bbolt:///var/lib/app/as.db, postgres://, valkeys://
	check(err)
	server, err := authserver.New(ctx, authserver.Config{
		Issuer: issuer, Store: records, SealingKeys: []holdfast.Secret{sealing}, // 32 random bytes
		Resources: []authserver.Resource{{ID: api, Scopes: []string{"orders:read"}}},
		Clients: []authserver.Client{{Client: metadata.Client{
			ClientID: "orders-app", AuthMethod: "private_key_jwt", JWKS: keys,
			GrantTypes: []string{"client_credentials"},
		}}},
	})
	check(err)
	mux.Handle("/", server.Handler())
	// README: end
	s.Cleanup(func() { check(server.Close()); check(records.Close()) })

	guard, err := resource.New(resource.Config{
		PublicURL: api, Verify: holdfast.Config{Issuers: []string{issuer}, Audience: []string{api}},
		HTTP: as.Client(), Log: quiet(), // trusts the certificates of the test
	})
	check(err)
	orders, err := guard.Protect(holdfast.Requirement{Scope: []string{"orders:read"}}, http.HandlerFunc(hello))
	check(err)
	apiMux.Handle("/orders", orders)

	key, err := holdfast.GenerateKey()
	check(err)
	app, err := client.New(ctx, client.Config{
		Issuer: issuer, ClientID: "orders-app", Key: key, HTTP: as.Client(),
		Auth:  client.Auth{Method: client.AuthPrivateKeyJWT, Signer: signer, KeyID: clientKeyID},
		Scope: []string{"orders:read"}, Resource: []string{api},
	})
	check(err)
	grant, err := app.ClientCredentials(ctx)
	check(err)
	fmt.Println(grant.Token.Type, grant.Token.Key.Thumbprint() == key.Thumbprint())
	s.get(&http.Client{Transport: &client.Transport{
		Tokens: app.Source(client.NewMemoryStore(grant)), Origins: []string{api}, Base: as.Client().Transport,
	}}, api+"/orders")
	// Output:
	// DPoP true
	// 200 hello orders-app, holder of a key: true
}

// clientKeyID names the key that the client of these examples authenticates with.
const clientKeyID = "orders-app-1"

// clientKeys makes the key that a client authenticates with, and the key set that
// it is registered with.
func (s *scene) clientKeys() (*ecdsa.PrivateKey, json.RawMessage) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err)
	point, err := key.PublicKey.Bytes() // 4, x, y
	s.check(err)
	text := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:]), "kid": clientKeyID,
	}}})
	s.check(err)
	return key, set
}

func (s *scene) sealingKey() holdfast.Secret {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	s.check(err)
	return holdfast.NewSecret(string(key))
}
