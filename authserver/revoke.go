package authserver

// revoke is the revocation endpoint (RFC 7009).
func (s *Server) revoke(c *call) (any, error) { return nil, unavailable(nil) }
