package authserver

import "net/http"

// serveMetadata publishes what the server can do (RFC 8414).
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
