package authserver

// introspect is the introspection endpoint (RFC 7662).
func (s *Server) introspect(c *call) (any, error) { return nil, unavailable(nil) }
