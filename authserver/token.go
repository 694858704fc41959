package authserver

// The grant types (RFC 6749, RFC 8628 section 3.4, RFC 8693 section 2.1).
const (
	grantCode     = "authorization_code"
	grantRefresh  = "refresh_token"
	grantClient   = "client_credentials"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(c *call) (any, error) { return nil, unavailable(nil) }
