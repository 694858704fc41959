// Package holdfasttest gives tests an authorization server and a protected
// resource that are deliberately strict: real TLS on loopback, proofs judged by
// the engine of package holdfast, nonces demanded.
//
// [NewServer] starts the authorization server, [NewResource] a resource that
// trusts it, [Clock] moves time. [Faults] make either of them misbehave in the
// ways that clients have to survive; [Server.Issue] makes a token without a flow.
//
// Both are doubles for tests. They approve everybody, keep everything in memory
// until the test ends, and have neither client assertions (RFC 7523) nor ID
// tokens. They are not meant to protect anything.
package holdfasttest
