package authserver

import (
	"context"
	"net/http"
	"time"
)

// party is everybody whom a revocation may be about.
type party struct {
	Client, Subject, Session string
	Holder                   binding
	At                       time.Time // when what is judged was issued or allowed
}

// standing judges cut-offs (everything issued before T is dead) and blocks of
// client and holder. The error is nil, a *refusal (invalid_grant, or
// invalid_client for a blocked client), or a failure of ours.
func (s *Server) standing(ctx context.Context, p party) error { return nil }

func (s *Server) serveBlocks(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }
