package authserver

// authenticate says which client a request comes from, and sets ClientKey of
// its event.
func (s *Server) authenticate(c *call) (*client, error) {
	id, secret, basic := c.BasicAuth()
	if !basic {
		id, secret = c.form.Get("client_id"), c.form.Get("client_secret")
	}
	k, err := s.clients.find(c.Context(), id)
	if err != nil || !k.public() && (len(k.Secrets) == 0 || k.Secrets[0].Reveal() != secret) {
		return nil, refuse(errInvalidClient, "the client is not known")
	}
	return k, nil
}
