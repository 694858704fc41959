package authserver

// startDevice is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) startDevice(c *call) (any, error) { return nil, unavailable(nil) }
