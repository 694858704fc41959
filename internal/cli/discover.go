package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/internal/fetch"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// maxChallengeBody is how much is read of an answer that only its challenge
// matters of.
const maxChallengeBody = 64 << 10

// found is what a URL led to: an authorization server, and the resource that
// named it if the URL was that of a resource.
type found struct {
	server   *metadata.Server
	resource *metadata.Resource // nil if the URL was an issuer
}

// discover finds out whether a URL is an issuer (RFC 8414) or a resource that
// names its authorization server (RFC 9728). Of several, issuer says which.
func (x *account) discover(ctx context.Context, address, issuer string) (*found, error) {
	if _, err := fetch.Secure(address); err != nil {
		return nil, advise(err, "name the authorization server or an API, such as https://api.example.com")
	}
	f := &metadata.Fetcher{HTTP: serverClient(x.base), AllowParent: true}
	server, notServer := f.Server(ctx, address)
	switch {
	case notServer == nil && (issuer == "" || issuer == server.Issuer):
		return &found{server: server}, nil
	case notServer == nil: // an API that is its own server, too, does not overrule the choice
		notServer = fmt.Errorf("--issuer is %q, the authorization server is %q", issuer, server.Issuer)
	}
	if errors.Is(notServer, metadata.Unreachable) {
		return nil, serverProblem(notServer)
	}
	r, notResource := f.Resource(ctx, address)
	if errors.Is(notResource, metadata.NotThere) {
		r, notResource = fromChallenge(ctx, f, address)
	}
	if notResource != nil {
		return nil, fail(exitUndetermined, fmt.Errorf("%s is neither a known authorization server nor a known resource: %w",
			fetch.Shown(address), errors.Join(notServer, notResource)), "name the issuer itself, and its APIs with --allow-origin")
	}
	issuer, err := chooseServer(r, issuer)
	if err != nil {
		return nil, err
	}
	if server, err = f.Server(ctx, issuer); err != nil {
		return nil, serverProblem(err)
	}
	return &found{server, r}, nil
}

// fromChallenge asks the resource without credentials: its challenge may name
// its metadata (RFC 9728 section 5).
func fromChallenge(ctx context.Context, f *metadata.Fetcher, address string) (*metadata.Resource, error) {
	_, answer, err := fetch.Get(ctx, fetch.Client(f.HTTP), address, "", maxChallengeBody)
	if answer == nil {
		return nil, fetch.Cause(err)
	}
	for _, c := range holdfast.ParseChallenges(answer.Header.Values("WWW-Authenticate")) {
		if c.ResourceMetadata != "" {
			return f.ResourceFromChallenge(ctx, address, c.ResourceMetadata)
		}
	}
	return nil, fmt.Errorf("it answers with status %d and names no metadata", answer.StatusCode)
}

func chooseServer(r *metadata.Resource, issuer string) (string, error) {
	servers := r.AuthorizationServers
	switch {
	case len(servers) == 0:
		return "", fail(exitUndetermined, fmt.Errorf("the resource %s names no authorization server", fetch.Shown(r.Resource)),
			"name the issuer instead, and the API with --allow-origin")
	case issuer != "" && !slices.Contains(servers, issuer):
		return "", advise(fmt.Errorf("--issuer is %q, the resource names %s", issuer, strings.Join(servers, " ")))
	case issuer != "":
		return issuer, nil
	case len(servers) > 1:
		return "", advise(errors.New("the resource names several authorization servers: "+strings.Join(servers, " ")), "choose one with --issuer")
	}
	return servers[0], nil
}

// keyAlgs are the algorithms of new keys, in the order of preference.
func keyAlgs() []holdfast.Alg {
	return []holdfast.Alg{
		holdfast.ES256, holdfast.Ed25519, holdfast.EdDSA, holdfast.ES384, holdfast.ES512,
		holdfast.PS256, holdfast.PS384, holdfast.PS512, holdfast.RS256, holdfast.RS384, holdfast.RS512,
	}
}

// algFor chooses the algorithm of a new key: ES256 unless the server lists others
// only.
func algFor(m *metadata.Server) holdfast.Alg {
	for _, a := range keyAlgs() {
		if slices.Contains(m.DPoPSigningAlgs, string(a)) {
			return a
		}
	}
	return holdfast.ES256
}
