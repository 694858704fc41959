package issuer

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/holdfast-oauth/holdfast/authserver"
	"github.com/holdfast-oauth/holdfast/internal/ops"
)

// endpoints are the paths of the server, as labels. Others are "other".
func endpoints() []string {
	return []string{
		"authorize", "par", "token", "introspect", "revoke", "register", "device_authorization", "jwks", "blocks",
		"login", "callback", "consent", "activate", "style.css", ".well-known",
	}
}

// endpointOf returns the label of a path below base.
func endpointOf(base string) func(path string) string {
	known := endpoints()
	return func(path string) string {
		rest, below := strings.CutPrefix(path, base+"/")
		if !below {
			rest = strings.TrimPrefix(path, "/") // .well-known is at the root
		}
		if first, _, _ := strings.Cut(rest, "/"); slices.Contains(known, first) {
			return first
		}
		return "other"
	}
}

// grantLabel keeps grant types that clients make up out of the metrics.
func grantLabel(grant string) string {
	if i := strings.LastIndexByte(grant, ':'); i >= 0 {
		grant = grant[i+1:]
	}
	switch grant {
	case "", "authorization_code", "refresh_token", "client_credentials", "device_code", "token-exchange":
		return grant
	}
	return "other"
}

// recorder writes decisions to the audit log and counts them.
type recorder struct {
	log       *ops.Audit
	decisions *ops.Counter
}

func newRecorder(m *ops.Metrics, log *ops.Audit) *recorder {
	m.Gauge("holdfast_audit_lost_lines", "Lines of the audit log that could not be written.", func() float64 { return float64(log.Lost()) })
	return &recorder{log, m.Counter("holdfast_decisions_total", "Decisions of the server.", "endpoint", "decision", "error", "code", "grant")}
}

// record is the authserver.Config.Audit. Members without a value are left out.
func (r *recorder) record(_ context.Context, e authserver.Event) {
	code := ""
	if e.Code != 0 {
		code = e.Code.String()
	}
	r.decisions.Add(1, e.Endpoint, e.Decision, e.Error, code, grantLabel(e.Grant))
	holder := ""
	if !e.Holder.IsZero() {
		holder = e.Holder.String()
	}
	var members []slog.Attr
	for _, m := range []struct{ name, value string }{
		{"decision", e.Decision},
		{"error", e.Error},
		{"code", code},
		{"reason", e.Reason},
		{"client", e.Client},
		{"client_key", e.ClientKey},
		{"subject", e.Subject},
		{"grant", e.Grant},
		{"holder", holder},
		{"remote", e.Remote},
		{"request", e.Request},
	} {
		if m.value != "" {
			members = append(members, slog.String(m.name, m.value))
		}
	}
	r.log.Log(e.Time, e.Endpoint, members...)
}
