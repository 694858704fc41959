package resource

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// One line per refusal, with the code and without credentials and query.
func TestRefusalIsLogged(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	c.path, c.proofFor = "/orders?card=4711", public+"/other"
	w.refused(w.do(c), holdfast.CodeProofHTUMismatch)
	log := w.log.String()
	if n := strings.Count(log, "\n"); n != 1 {
		t.Errorf("%d lines, want one: %s", n, log)
	}
	for _, part := range []string{"level=INFO", "code=proof.htu.mismatch", "status=401", "GET https://api.example.com/v1/orders"} {
		if !strings.Contains(log, part) {
			t.Errorf("log %q lacks %q", log, part)
		}
	}
	for _, part := range []string{"4711", c.token, c.proofs[0]} {
		if strings.Contains(log, part) {
			t.Errorf("log %q has %q", log, part)
		}
	}
	w.accepted(w.do(w.good()))
	if got := w.log.String(); got != log {
		t.Errorf("an accepted request was logged: %s", got)
	}
}

// What a peer puts into the path cannot forge a line or flood the log.
func TestLogOfHostilePaths(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	c.path = "/" + strings.Repeat("a", 100_000)
	c.proofFor = public + "/other"
	w.refused(w.do(c), holdfast.CodeProofHTUMismatch)
	if n := len(w.log.String()); n > 2000 {
		t.Errorf("a line of %d bytes", n)
	}
	c = w.good()
	c.path, c.proofFor = "/x%0alevel=ERROR", public+"/other"
	w.refused(w.do(c), holdfast.CodeProofHTUMismatch)
	if n := strings.Count(w.log.String(), "\n"); n != 2 {
		t.Errorf("%d lines for two refusals", n)
	}
}

// OnDeny gets what explain says, which is the same code, and explaining leaves
// no trace.
func TestOnDenyGetsAReport(t *testing.T) {
	w := newWorld(t, nil)
	c := w.good()
	c.proofFor = public + "/other"
	w.refused(w.do(c), holdfast.CodeProofHTUMismatch)
	r := <-w.denied
	if r.Code != holdfast.CodeProofHTUMismatch || r.Verdict != holdfast.Fail {
		t.Errorf("report %v %v", r.Verdict, r.Code)
	}
	o, ok := r.Outcome("proof.htu")
	if !ok || o.Got != public+"/other" || o.Want != public+"/orders" {
		t.Errorf("outcome %+v", o)
	}
	w.accepted(w.do(w.good()))
	if len(w.denied) != 0 {
		t.Error("a report of an accepted request")
	}
}

// A flood of refusals is answered, and only a few are explained.
func TestReportsAreLimited(t *testing.T) {
	w := newWorld(t, nil)
	flood := func() int {
		for range 4 * MaxReportsPerSecond {
			c := w.good()
			c.proofFor = public + "/other"
			w.refused(w.do(c), holdfast.CodeProofHTUMismatch)
		}
		n := 0
		for ; len(w.denied) > 0; n++ {
			<-w.denied
		}
		return n
	}
	for range 2 {
		if got := flood(); got != MaxReportsPerSecond {
			t.Errorf("%d reports in one second, want %d", got, MaxReportsPerSecond)
		}
		w.clock.Advance(time.Second)
	}
}

// slowTokens answers when the request is given up.
type slowTokens struct{}

func (slowTokens) ReadToken(ctx context.Context, _ holdfast.Secret) (*holdfast.Token, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// An issuer that does not answer holds up no refusal that does not need it.
func TestReportsWaitForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := goodConfig()
		var report *holdfast.Report
		c.Verify.Tokens, c.OnDeny = slowTokens{}, func(_ context.Context, r *holdfast.Report) { report = r }
		g, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, err = g.Check(t.Context(), &holdfast.Presentation{
			Method: "GET", URL: public, Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP x")},
			Proofs: []holdfast.Secret{holdfast.NewSecret("rubbish")},
		}, holdfast.Requirement{})
		if holdfast.CodeOf(err) != holdfast.CodeProofJWTMalformed {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(begin); took != ReportTimeout {
			t.Errorf("the report took %v, want %v", took, ReportTimeout)
		}
		o, _ := report.Outcome("token.form")
		if report.Code != holdfast.CodeProofJWTMalformed || o.Status != holdfast.Unknown || o.Code != holdfast.CodeServerToken {
			t.Errorf("report %v, token %+v", report.Code, o)
		}
	})
}

// Whoever hangs up while a token is read cannot fill the log with errors.
func TestClientThatHangsUpIsNoError(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.Verify.Tokens = slowTokens{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := w.good()
	_, err := w.guard.Check(ctx, &holdfast.Presentation{
		Method: "GET", URL: public + c.path, Authorization: []holdfast.Secret{holdfast.NewSecret("DPoP " + c.token)},
		Proofs: []holdfast.Secret{holdfast.NewSecret(w.proof(c))},
	}, w.need)
	if holdfast.CodeOf(err) != holdfast.CodeServerToken {
		t.Fatalf("got %v", err)
	}
	if log := w.log.String(); !strings.Contains(log, "level=INFO") || !strings.Contains(log, "context canceled") {
		t.Errorf("log %s", log)
	}
}
