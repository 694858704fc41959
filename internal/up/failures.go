package up

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-oauth/holdfast"
	"github.com/holdfast-oauth/holdfast/explain"
)

// wrongClock is how far the clock of one client is ahead.
const wrongClock = 10 * time.Minute

// failure is one thing that goes wrong in the world.
type failure struct {
	name  string
	cause string // what package explain has to find
	code  holdfast.Code
	send  func(*tour, context.Context) (*explain.Evidence, error)
}

// failures are what the tour breaks. Each is sent for real.
func failures() []failure {
	return []failure{
		{"a thief has the token and uses it as Bearer", "bound-token-sent-as-bearer", holdfast.CodeBindingSchemeDowngrade, sendBearer},
		{"a thief has the token and proves another key", "binding-key-mismatch", holdfast.CodeBindingJKTMismatch, sendOtherKey},
		{"somebody repeats a request that was overheard", "proof-reused-on-retry", holdfast.CodeReplayJTIReplayed, sendTwice},
		{"the API is behind a proxy and does not know its URL", "htu-scheme-mismatch-behind-proxy", holdfast.CodeProofHTUMismatch, sendThroughProxy},
		{"the clock of the client is ten minutes fast", "client-clock-skew", holdfast.CodeProofIatFuture, sendFromTheFuture},
	}
}

// breakThings sends every failure and has it explained. It goes on after a wrong
// explanation, which is an error in the end.
func (t *tour) breakThings(ctx context.Context, all []failure) error {
	know, err := t.published(ctx)
	if err != nil {
		return fmt.Errorf("read what the servers publish: %w", err)
	}
	var errs []error
	for i, f := range all {
		shown, err := t.explain(ctx, &f, know)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.name, err))
		}
		if shown != nil {
			shown.Letter = string(rune('a' + i))
			t.story.broken(shown)
		}
	}
	t.story.verdict(len(all)-len(errs), len(all))
	return errors.Join(errs...)
}

// explain sends a failure and compares what explain finds with what was done.
func (t *tour) explain(ctx context.Context, f *failure, know *explain.Knowledge) (*Broken, error) {
	ev, err := f.send(t, ctx)
	if err != nil {
		return nil, err
	}
	for i := range ev.Exchanges {
		ev.Exchanges[i].ID = i + 1
	}
	last := &ev.Exchanges[len(ev.Exchanges)-1]
	d, err := explain.Explain(ctx, ev, *know)
	if err != nil {
		return nil, err
	}
	b := &Broken{Name: f.name, Answer: hopOf(last), Says: saidBy(last), Expected: f.cause, Verdict: string(d.Verdict)}
	if len(d.Causes) > 0 {
		c := d.Causes[0]
		b.Cause, b.Confidence, b.Summary, b.Fix = c.Code, string(c.Confidence), c.Summary, fixOf(c.Fix)
	}
	b.Right = d.Verdict == explain.Failure && b.Cause == f.cause && b.Answer.Code == f.code.String()
	return b, need(b.Right, fmt.Sprintf("answered %q and explained as %q (%s), want %q and %q", b.Answer.Code, b.Cause, b.Verdict, f.code, f.cause))
}

// saidBy is the challenge of a refusal.
func saidBy(x *holdfast.Exchange) string {
	for _, c := range holdfast.ParseChallenges(x.Header.Values("WWW-Authenticate")) {
		if c.Error != "" {
			return c.Scheme + ": " + c.Description
		}
	}
	return ""
}

// fixOf is the advice for the first party that has to change something.
func fixOf(f explain.Fix) Fix {
	switch {
	case f.ResourceServer != "" && f.Client == "":
		return Fix{"API", f.ResourceServer}
	case f.Client != "":
		return Fix{"client", f.Client}
	}
	return Fix{"authorization server", f.AuthorizationServer}
}

// published is what anybody can know of the servers: metadata and keys.
func (t *tour) published(ctx context.Context) (*explain.Knowledge, error) {
	k := &explain.Knowledge{}
	for _, d := range []struct {
		address string
		to      *[][]byte
	}{
		{t.issuer + "/.well-known/oauth-authorization-server", &k.Metadata},
		{t.api + "/.well-known/oauth-protected-resource", &k.Metadata},
		{t.issuer + "/jwks", &k.Keys},
	} {
		x, err := t.tape.get(ctx, d.address, nil)
		if err != nil {
			return nil, err
		}
		if x.Status != http.StatusOK {
			return nil, fmt.Errorf("status %d of %s", x.Status, d.address)
		}
		*d.to = append(*d.to, x.Body)
	}
	return k, nil
}

// credentials are the header of a request with the token of the tour.
func (t *tour) credentials(scheme, proof string) http.Header {
	h := http.Header{"Authorization": {scheme + " " + t.grant.Token.Value.Reveal()}}
	if proof != "" {
		h.Set("DPoP", proof)
	}
	return h
}

// prove makes a proof for the token of the tour.
func (t *tour) prove(key *holdfast.Key, address, nonce string, at time.Time) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return key.Prove(holdfast.ProofClaims{Method: http.MethodGet, URL: u, Token: t.grant.Token.Value, Nonce: nonce, Time: at})
}

// send makes a proof and sends it with the token, and once more with a nonce if
// the API, which has just been started, demands one.
func (t *tour) send(ctx context.Context, via *tape, key *holdfast.Key, address string, at time.Time) ([]holdfast.Exchange, error) {
	var out []holdfast.Exchange
	for nonce := ""; ; {
		proof, err := t.prove(key, address, nonce, at)
		if err != nil {
			return nil, err
		}
		x, err := via.get(ctx, address, t.credentials("DPoP", proof))
		if err != nil {
			return nil, err
		}
		out = append(out, *x)
		if hopOf(x).Error != "use_dpop_nonce" || nonce != "" {
			return out, nil
		}
		nonce = x.Header.Get("DPoP-Nonce")
	}
}

func evidence(exchanges []holdfast.Exchange) *explain.Evidence {
	return &explain.Evidence{Vantage: "client", Exchanges: exchanges}
}

func sendBearer(t *tour, ctx context.Context) (*explain.Evidence, error) {
	x, err := t.tape.get(ctx, t.api+path, t.credentials("Bearer", ""))
	if err != nil {
		return nil, err
	}
	return evidence([]holdfast.Exchange{*x}), nil
}

func sendOtherKey(t *tour, ctx context.Context) (*explain.Evidence, error) {
	thief, err := holdfast.GenerateKey()
	if err != nil {
		return nil, err
	}
	all, err := t.send(ctx, t.tape, thief, t.api+path, time.Now())
	return evidence(all), err
}

func sendTwice(t *tour, ctx context.Context) (*explain.Evidence, error) {
	all, err := t.send(ctx, t.tape, t.key, t.api+path, time.Now())
	if err != nil {
		return nil, err
	}
	first := &all[len(all)-1]
	if first.Status != http.StatusOK {
		return nil, fmt.Errorf("the first request is answered with %d", first.Status)
	}
	x, err := t.tape.get(ctx, t.api+path, http.Header{
		"Authorization": first.RequestHeader["Authorization"], "Dpop": first.RequestHeader["Dpop"],
	})
	if err != nil {
		return nil, err
	}
	return evidence(append(all, *x)), nil
}

func sendThroughProxy(t *tour, ctx context.Context) (*explain.Evidence, error) {
	outside := &tape{base: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: t.proxy.roots, MinVersion: tls.VersionTLS12}}}
	all, err := t.send(ctx, outside, t.key, t.proxy.url+path, time.Now())
	if err != nil {
		return nil, err
	}
	ev := evidence(all)
	ev.Vantage, ev.Views = "client+backend", t.proxy.views(len(all))
	return ev, nil
}

func sendFromTheFuture(t *tour, ctx context.Context) (*explain.Evidence, error) {
	all, err := t.send(ctx, t.tape, t.key, t.api+path, time.Now().Add(wrongClock))
	return evidence(all), err
}
