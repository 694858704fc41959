package issuer

import (
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/login"
)

// reseal seals everything in the store under the first sealing key.
func (g *program) reseal(w http.ResponseWriter, r *http.Request) {
	e := authserver.Event{Time: time.Now(), Endpoint: "admin", Decision: "granted", Reason: "POST /reseal", Remote: r.RemoteAddr}
	g.takesLong(w)
	n, err := g.server.Reseal(r.Context(), login.KindUser)
	e.Reason += fmt.Sprintf(", %d records", n)
	if err != nil {
		e.Decision, e.Reason = "unavailable", e.Reason+": "+err.Error()
		g.process.Log.Error("not everything was sealed anew", "error", err)
	}
	g.records.record(r.Context(), e)
	if err != nil {
		writeAdmin(w, http.StatusServiceUnavailable, adminError{"temporarily_unavailable", "not everything was sealed anew, the log says why; it can be tried again"})
		return
	}
	writeAdmin(w, http.StatusOK, map[string]int{"resealed": n})
}
