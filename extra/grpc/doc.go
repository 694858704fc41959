// Package holdfastgrpc protects gRPC servers with sender-constrained access
// tokens, through the same [resource.Guard] as HTTP handlers.
//
// [New] makes an [Interceptor]; [Interceptor.Unary] and [Interceptor.Stream] go
// into the options of a server, and a handler finds who is calling with
// [AccessFrom]. The credentials are the metadata authorization and dpop. A call
// is an HTTP request (POST, and the public URL with the full method behind it):
// that is what htm and htu of the proof have to say. A refusal is a status, with
// the challenge in the trailers www-authenticate and dpop-nonce.
//
// A method that is not listed is refused: a service that gets a new method does
// not get an open one. The proof covers the call as it was opened, not the
// messages of a stream; a token that expires does not end a stream that runs.
//
// It does not terminate TLS: use transport credentials, and for
// certificate-bound tokens (RFC 8705) let them ask for a client certificate.
package holdfastgrpc
