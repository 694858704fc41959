// Command mcpclient is the client under test of the MCP conformance program,
// scenarios auth/dpop and auth/dpop-nonce:
//
//	conformance client --command ./mcpclient --scenario auth/dpop
//
// It calls the MCP server whose URL is its argument, is challenged, finds the
// authorization server (RFC 9728), registers there (RFC 7591), runs the
// authorization code flow without a person, and then lists and calls tools.
// All of OAuth but the registration is package client. It is no example of how
// to treat a browser: whatever URL it is given, it opens.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/client"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// timeout bounds the whole run.
const timeout = 20 * time.Second

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "mcpclient: error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d arguments, the URL of the MCP server is needed", len(args))
	}
	s := &session{url: args[0], http: http.DefaultClient}
	challenge, err := s.challenged(ctx)
	if err != nil {
		return err
	}
	transport, err := authorize(ctx, s.url, challenge)
	if err != nil {
		return err
	}
	s.http = &http.Client{Transport: transport}
	return s.use(ctx)
}

// authorize gets a token for an MCP server that challenged, and returns the
// transport that uses it.
func authorize(ctx context.Context, server string, challenge holdfast.Challenge) (*client.Transport, error) {
	var documents metadata.Fetcher
	resource, err := documents.ResourceFromChallenge(ctx, server, challenge.ResourceMetadata)
	if err != nil {
		return nil, err
	}
	if len(resource.AuthorizationServers) == 0 {
		return nil, errors.New("the metadata of the MCP server names no authorization server")
	}
	as, err := documents.Server(ctx, resource.AuthorizationServers[0])
	if err != nil {
		return nil, err
	}
	id, err := register(ctx, as.RegistrationEndpoint)
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	key, err := holdfast.GenerateKey()
	if err != nil {
		return nil, err
	}
	nonces := &client.NonceJar{}
	c, err := client.New(ctx, client.Config{
		Issuer: as.Issuer, Metadata: as, ClientID: id, Key: key, Nonces: nonces,
		Scope: challenge.Scope, Resource: []string{resource.Resource}, RedirectURL: redirectURL,
	})
	if err != nil {
		return nil, err
	}
	grant, err := c.LoginLoopback(ctx, func(address string) error { return open(ctx, address) })
	if err != nil {
		return nil, err
	}
	origin, err := originOf(server)
	if err != nil {
		return nil, err
	}
	return &client.Transport{Tokens: c.Source(client.NewMemoryStore(grant)), Origins: []string{origin}, Nonces: nonces}, nil
}
