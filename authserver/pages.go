package authserver

import (
	"html/template"
	"net/http"
)

// pages renders what people see.
type pages struct{}

func newPages(own *template.Template) (*pages, error) { return &pages{}, nil }

func (s *Server) routePages(m *http.ServeMux, base string) {}
