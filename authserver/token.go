package authserver

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(c *call) (any, error) { return nil, unavailable(nil) }
