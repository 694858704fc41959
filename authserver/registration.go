package authserver

import "net/http"

// register is the client registration endpoint (RFC 7591).
func (s *Server) register(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
