// Package interop holds holdfast's own JOSE and JSON against other
// implementations: go-jose, jwx, golang-jwt and go-json-experiment/json.
//
// It has tests only. What all must agree on is tested with random keys and
// claims; where general libraries are laxer than a proof allows, strictness_test.go
// has a table of what each of them does, so that an update that changes it is
// seen. bench_test.go measures proof verifiers written by hand over two of the
// libraries beside ours.
//
// It is a module of its own so that nobody who imports holdfast gets these
// dependencies. Nothing here says that a library is at fault: what they accept
// is mostly what RFC 7515 leaves open, or what an application has to check.
package interop
