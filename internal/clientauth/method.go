package clientauth

// Method is how a client proves who it is, by the names that RFC 8414 section 2
// refers to. The zero value is no method and is refused.
type Method string

// The methods that are implemented. The last four need no shared secret, which
// RFC 9700 section 2.5 prefers.
const (
	SecretBasic   Method = "client_secret_basic"         // RFC 6749 section 2.3.1
	SecretPost    Method = "client_secret_post"          // RFC 6749 section 2.3.1
	PrivateKeyJWT Method = "private_key_jwt"             // RFC 7523 section 2.2
	TLS           Method = "tls_client_auth"             // RFC 8705 section 2.1
	SelfSignedTLS Method = "self_signed_tls_client_auth" // RFC 8705 section 2.2
	None          Method = "none"                        // a public client: it says who it is and proves nothing
)

// ByCertificate reports whether the TLS connection is what proves the client.
func (m Method) ByCertificate() bool { return m == TLS || m == SelfSignedTLS }

// bySecret reports whether client and server share a secret.
func (m Method) bySecret() bool { return m == SecretBasic || m == SecretPost }
