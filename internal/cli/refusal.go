package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/explain"
	"github.com/holdfast-oauth/holdfast/metadata"
)

// explain says on stderr why a call failed, as far as its attempts show: the
// short form of what holdfast explain would say.
func (t *trace) explain(ctx context.Context, x *account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.exchanges) == 0 {
		return
	}
	ev := &explain.Evidence{Vantage: "client", Exchanges: t.exchanges}
	know := explain.Knowledge{Metadata: x.resourceMetadata(ctx, &t.exchanges[len(t.exchanges)-1])}
	d, err := explain.Explain(ctx, ev, know)
	if err != nil || d.Verdict == explain.NoFailure {
		return // the status says all that is known
	}
	hide := t.secrets()
	say := func(text string) { t.app.note(hide.Replace(text)) }
	say("why: " + d.Summary)
	if d.Verdict != explain.Failure {
		for _, c := range d.Causes {
			say(fmt.Sprintf("possible: %s (confidence %s; %s)", c.Code, c.Confidence, c.RFC))
		}
		for _, m := range d.Missing {
			say("would settle it: " + m.What)
		}
		return
	}
	c := d.Causes[0]
	say(fmt.Sprintf("cause: %s (confidence %s; %s)", c.Code, c.Confidence, c.RFC))
	for _, fix := range []struct{ who, what string }{
		{"here", c.Fix.Client}, {"at the resource server", c.Fix.ResourceServer}, {"at the authorization server", c.Fix.AuthorizationServer},
	} {
		if fix.what != "" {
			say("to change " + fix.who + ": " + fix.what)
		}
	}
}

// resourceMetadata fetches what a refusing resource says about itself, from its
// own origin and without credentials: with it, issuer and audience of the token
// can be judged. None is no problem.
func (x *account) resourceMetadata(ctx context.Context, last *holdfast.Exchange) [][]byte {
	if last.Status != http.StatusUnauthorized && last.Status != http.StatusForbidden {
		return nil
	}
	f := &metadata.Fetcher{HTTP: serverClient(x.base), AllowParent: true}
	for _, c := range holdfast.ParseChallenges(last.Header.Values("WWW-Authenticate")) {
		if c.ResourceMetadata == "" {
			continue
		}
		// One only: each takes as long as the server likes, up to the timeout.
		if r, err := f.ResourceFromChallenge(ctx, last.Request.URL, c.ResourceMetadata); err == nil {
			if b, err := json.Marshal(r); err == nil {
				return [][]byte{b}
			}
		}
		break
	}
	return nil
}
