// Package login knows who people are, for package authserver: by a password kept
// here, or from an OpenID provider that they log in at.
//
// [NewUsers] gives an authserver.Directory over a store.Store: [Users] adds and
// removes people and judges their passwords. [NewProvider] gives an
// authserver.Upstream: [Provider] sends people to their identity provider, checks
// what comes back, and judges tokens of that provider that a client exchanges.
//
// It shows no pages and keeps no sessions. It has no second factor, no recovery
// by mail and no registration by people themselves: an identity provider has. Of
// a provider it reads ID tokens and access tokens and never asks for user
// information, and it does not pass on prompt, max_age or acr_values.
//
// Guessing is slowed, by name and by address, and locks nobody out for good; the
// counters live in this process, so that each replica counts for itself. Of
// people who are removed or disabled the sessions and tokens go on until they are
// revoked by subject.
package login
