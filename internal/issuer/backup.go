package issuer

import (
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/store"
)

// longTimeout is how long a request may take that goes through the whole store.
const longTimeout = 30 * time.Minute

// takesLong gives a request its own deadlines: the one for reading would end the
// context of a handler that is still working.
func (g *program) takesLong(w http.ResponseWriter) {
	c := http.NewResponseController(w)
	if err := errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Now().Add(longTimeout))); err != nil {
		g.process.Log.Warn("a long request may break off", "error", err)
	}
}

// backup streams a snapshot of the embedded store. One that breaks off ends the
// connection, so that it cannot pass for a whole one.
func (g *program) backup(w http.ResponseWriter, r *http.Request) {
	e := authserver.Event{Time: time.Now(), Endpoint: "admin", Decision: "granted", Reason: "GET /backup", Remote: r.RemoteAddr}
	g.takesLong(w)
	out := &begun{ResponseWriter: w}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "no-store")
	err := store.Backup(r.Context(), g.raw, out)
	if err != nil {
		e.Decision, e.Reason = "unavailable", e.Reason+": "+err.Error()
		g.process.Log.Error("no backup was made", "error", err)
	}
	g.records.record(r.Context(), e)
	switch {
	case err == nil:
	case out.wrote:
		panic(http.ErrAbortHandler)
	case !g.embeds():
		writeAdmin(w, http.StatusConflict, adminError{"invalid_request", "the store is not an embedded one: back it up with the tools of its server"})
	default:
		writeAdmin(w, http.StatusServiceUnavailable, adminError{"temporarily_unavailable", "the backup could not be made, the log says why"})
	}
}

func (g *program) embeds() bool {
	_, ok := g.config.embedded()
	return ok
}

// begun remembers whether anything was written.
type begun struct {
	http.ResponseWriter
	wrote bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.wrote = true
	return b.ResponseWriter.Write(p)
}
