package authserver

import (
	"context"
	"slices"
)

// client is a client as an endpoint sees it. Not modified.
type client struct {
	Client
	dynamic bool // from the store
}

// public reports whether the client has no credentials.
func (c *client) public() bool { return c.AuthMethod == "none" }

// may reports whether the client is registered for a grant type.
func (c *client) may(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

type clients struct{ server *Server }

func newClients(s *Server) (*clients, error) { return &clients{s}, nil }

// find returns a client; a *refusal invalid_client if there is none.
func (c *clients) find(_ context.Context, id string) (*client, error) {
	for _, k := range c.server.config.Clients {
		if k.ClientID == id {
			return &client{Client: k}, nil
		}
	}
	return nil, refuse(errInvalidClient, "the client is not known")
}
