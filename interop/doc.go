// Package interop holds holdfast against other implementations.
//
// JOSE and JSON: go-jose, jwx, golang-jwt and go-json-experiment/json. What all
// must agree on is tested with random keys and claims; where general libraries
// are laxer than a proof allows, strictness_test.go has a table of what each of
// them does, so that an update that changes it is seen. bench_test.go measures
// proof verifiers written by hand over two of the libraries beside ours.
//
// Protocols: our client gets tokens from npm's oidc-provider, with a person in
// Chromium too, and is judged by the conformance program of the Model Context
// Protocol; our guard judges what npm's jose and openid-client and go-jose send.
// Our authorization server serves npm's openid-client and oauth4webapi, stands in
// front of oidc-provider, and shows its pages to people in Chromium and to
// axe-core; asbench_test.go measures it beside oidc-provider.
//
// setup.sh installs what that needs; without it those tests are skipped, or
// fail if HOLDFAST_REQUIRE_SERVERS is 1.
//
// It is a module of its own so that nobody who imports holdfast gets these
// dependencies. Nothing here says that a library is at fault: what they accept
// is mostly what RFC 7515 leaves open, or what an application has to check.
package interop
