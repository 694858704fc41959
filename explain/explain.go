package explain

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Knowledge is whatever the asker knows beyond the evidence. The zero value is
// "nothing".
type Knowledge struct {
	Policy    holdfast.ProofPolicy // what the server accepts: Algs, MaxAge, Skew; the rest is ignored
	PublicURL string               // base URL that clients use, for evidence taken behind a proxy
	Tokens    holdfast.TokenReader // reads tokens in place of the key sets below
	Keys      [][]byte             // JSON Web Key Sets
	Metadata  [][]byte             // authorization server or protected resource metadata

	// At is the time of the evidence; zero means its observed_at. A request is
	// judged by the Date of its own answer where there is one, then by the clock
	// of the capture, then by this. The wall clock is never read.
	At time.Time
}

// Explain judges evidence. The error is not about the evidence but about the
// call: a cancelled context, or no evidence at all.
func Explain(ctx context.Context, ev *Evidence, k Knowledge) (*Diagnosis, error) {
	if ev == nil {
		return nil, errors.New("explain: no evidence")
	}
	s := newScene(ctx, ev, k)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.diagnose(), nil
}
