package examples_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/holdfasttest"
	"github.com/holdfast-oauth/holdfast/resource"
)

// What stands between the markers is quoted by the README, see TestReadme.
func Example_readme() {
	s := &scene{}
	defer s.end()
	ctx, check := context.Background(), s.check
	as := s.authorizationServer(holdfasttest.ServerConfig{})
	srv, mux := s.resource()
	issuer, api, trusted := as.URL, srv.URL, as.Client()
	secret, orders := holdfast.NewSecret("a-secret-of-the-client"), http.HandlerFunc(hello)

	// README: protect
	guard, err := resource.New(resource.Config{
		PublicURL: api, // what clients call: https://api.example.com
		Verify:    holdfast.Config{Issuers: []string{issuer}, Audience: []string{api}},
		HTTP:      trusted, // to fetch the issuer's keys; nil trusts the system's roots
	})
	check(err)
	protected, err := guard.Protect(holdfast.Requirement{Scope: []string{"orders:read"}}, orders)
	check(err)
	mux.Handle("/orders", protected)
	mux.Handle(guard.MetadataPath(), guard.MetadataHandler())
	// README: end

	// README: call
	key, err := holdfast.GenerateKey() // package keystore keeps one, sealed
	check(err)
	app, err := client.New(ctx, client.Config{
		Issuer: issuer, ClientID: "orders-app", Key: key, HTTP: trusted,
		Auth:  client.Auth{Method: client.AuthSecretBasic, Secret: secret},
		Scope: []string{"orders:read"}, Resource: []string{api},
	})
	check(err)
	grant, err := app.ClientCredentials(ctx) // or LoginLoopback, Device, Exchange
	check(err)
	tokens := app.Source(client.NewMemoryStore(grant)) // refreshes in time
	calls := &http.Client{Transport: &client.Transport{Tokens: tokens, Origins: []string{api}, Base: trusted.Transport}}
	answer, err := calls.Get(api + "/orders")
	// README: end
	check(err)
	s.print(answer)
	// Output: 200 hello orders-app, holder of a key: true
}

func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct{ file, name string }{
		{"issue_test.go", "issue"}, {"readme_test.go", "protect"}, {"readme_test.go", "call"},
	} {
		name := part.name
		source, err := os.ReadFile(part.file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := strings.Cut(string(source), "\t// README: "+name+"\n")
		quoted, _, ended := strings.Cut(rest, "\t// README: end\n")
		if !ok || !ended {
			t.Fatalf("no part %q", name)
		}
		lines := strings.Split(strings.TrimSuffix(quoted, "\n"), "\n")
		if len(lines) >= 15 {
			t.Errorf("%s has %d lines, want fewer than 15", name, len(lines))
		}
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], "\t")
		}
		if !strings.Contains(string(readme), "```go\n"+strings.Join(lines, "\n")+"\n```") {
			t.Errorf("the README does not quote %s as it runs:\n%s", name, strings.Join(lines, "\n"))
		}
	}
}
