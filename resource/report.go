package resource

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// Limits of the reports to Config.OnDeny: strangers cannot make a server spend
// its time on explaining rubbish.
const (
	MaxReportsPerSecond = 5
	ReportTimeout       = time.Second // for the reader of tokens, which the refused request may not have asked
)

// report tells the operator. What the client did wrong is information, and so is
// that it hung up; what could not be judged for another reason is an error of ours.
func (g *Guard) report(ctx context.Context, p *holdfast.Presentation, need holdfast.Requirement, r *Refusal) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("code", r.Code.String()), slog.Int("status", r.Status), slog.Any("request", p)}
	if r.Code.Family() == holdfast.FamilyServer {
		if !errors.Is(ctx.Err(), context.Canceled) {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.Any("err", r.err))
	}
	g.log.LogAttrs(ctx, level, "request refused", attrs...)
	if g.onDeny != nil && g.reports.allow(g.now()) {
		explaining, cancel := context.WithTimeout(ctx, ReportTimeout)
		defer cancel()
		g.onDeny(ctx, g.verifier.Explain(explaining, p, need))
	}
}

// reportLimit allows [MaxReportsPerSecond].
type reportLimit struct {
	mu     sync.Mutex
	second int64
	used   int
}

func (l *reportLimit) allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.used = s, 0
	}
	l.used++
	return l.used <= MaxReportsPerSecond
}
