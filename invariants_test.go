package holdfast

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// The invariants are those of the decision record on the engine, by number.

// peekOnly is a cache that must not be written to.
type peekOnly struct{ t testing.TB }

func (c peekOnly) Use(context.Context, ReplayID, time.Time) (bool, error) {
	c.t.Error("a jti was recorded")
	return false, errors.New("peek only")
}

func (peekOnly) Peek(context.Context, ReplayID) (bool, error) { return false, nil }

// useOnly hides every ability but Use.
type useOnly struct{ ReplayCache }

// judgeOnly is a nonce source that must not issue.
type judgeOnly struct {
	NonceSource
	t testing.TB
}

func (n judgeOnly) Issue(context.Context) (string, error) {
	n.t.Error("a nonce was issued")
	return "", errors.New("judge only")
}

func TestInvariant1VerifyGivesTheCodeOfTheFirstFailureOfExplain(t *testing.T) {
	for _, v := range readVectors(t) {
		s := v.build(t, nil)
		r := s.explain(t.Context())
		if got, want := CodeOf(s.verify(t.Context())), firstFailure(r); got != want || r.Code != want {
			t.Errorf("%s: Verify %v, report %v, first failure %v", v.name, got, r.Code, want)
		}
		for _, o := range r.Outcomes {
			switch o.Status {
			case Unknown:
				if o.Code.Family() != FamilyServer {
					t.Errorf("%s: %s is unknown with code %v", v.name, o.Check, o.Code)
				}
			case Fail:
				if !strings.HasPrefix(o.Code.String(), o.Check+".") {
					t.Errorf("%s: %s fails with code %v of another row", v.name, o.Check, o.Code)
				}
			default:
				if o.Code != CodeOK {
					t.Errorf("%s: %s is %v with code %v", v.name, o.Check, o.Status, o.Code)
				}
			}
		}
	}
}

func TestInvariant2ZeroValuesAreUnknownAndRefused(t *testing.T) {
	if Status(0) != Unknown || (&Report{}).Verdict != Unknown || (Outcome{}).Status != Unknown || Status(200).String() != "unknown" {
		t.Error("the zero Status is not Unknown")
	}
	for _, state := range []TokenState{TokenUnknown, TokenInactive + 1, 255} {
		f := newFixture(t, nil)
		f.tokens.token.State = state
		p := f.present(t, f.claims())
		if o, _ := f.v.Explain(t.Context(), p, Requirement{}).Outcome("token.signature"); o.Status != Unknown {
			t.Errorf("token state %d: Explain says %v", state, o.Status)
		}
		if _, err := f.v.Verify(t.Context(), p, Requirement{}); !errors.Is(err, CodeServerToken) {
			t.Errorf("token state %d: Verify gives %v, want %v", state, err, CodeServerToken)
		}
	}
	for _, n := range []Nonce{{}, {State: NonceForeign + 1}, {State: NonceCurrent}} {
		f := newFixture(t, func(c *Config) { c.Proof.Nonces = stubNonces{nonce: n} })
		claims := f.claims()
		claims.Nonce = "n"
		if _, err := f.v.Verify(t.Context(), f.present(t, claims), Requirement{}); !errors.Is(err, CodeServerNonce) {
			t.Errorf("nonce %+v: Verify gives %v, want %v", n, err, CodeServerNonce)
		}
	}
}

// Whatever is hidden, no row that needs it is judged, and Verify refuses.
func TestInvariant2HiddenFactsAreNeverJudged(t *testing.T) {
	for _, v := range readVectors(t) {
		for bit := range 11 {
			fact := Fact(1 << bit)
			s := v.build(t, nil)
			s.p.Hidden = fact
			r := s.explain(t.Context())
			for i := range stages {
				for _, c := range stages[i].checks {
					o, _ := r.Outcome(c.id)
					if c.needs&fact != 0 && (o.Status == Pass || o.Status == Fail) {
						t.Errorf("%s without fact %#x: %s is %v", v.name, fact, c.id, o.Status)
					}
				}
			}
			if got := CodeOf(s.verify(t.Context())); got != CodeServerEvidence {
				t.Errorf("%s without fact %#x: Verify gives %v", v.name, fact, got)
			}
		}
	}
}

func TestInvariant2WithoutAProofNothingAboutItPasses(t *testing.T) {
	f := newFixture(t, nil)
	for _, proofs := range [][]Secret{nil, {NewSecret("a"), NewSecret("b")}, {NewSecret("a,b")}, {NewSecret("")}} {
		p := f.present(t, f.claims())
		p.Proofs = proofs
		for _, o := range f.v.Explain(t.Context(), p, Requirement{}).Outcomes {
			if strings.HasPrefix(o.Check, "proof.") && o.Check != "proof.single" && o.Status == Pass {
				t.Errorf("%d proofs: %s passes", len(proofs), o.Check)
			}
		}
	}
}

func TestInvariant3OnlyAcceptedRequestsAreRecorded(t *testing.T) { // D-11.1-09
	replays, err := NewReplays(ReplayConfig{Now: func() time.Time { return testTime.Add(-time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *Config) { c.Proof.Replays = replays })
	replays.now = func() time.Time { return f.now }
	good := f.present(t, f.claims())
	text := good.Proofs[0].Reveal()
	cut := strings.LastIndexByte(text, '.')
	signature, _ := jose.DecodeSegment(text[cut+1:])
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	bad := *good
	for i := range n {
		s := append([]byte(nil), signature...)
		if i%50 == 0 {
			s[i/50%64] ^= byte(1 + i%255) // a full verification, and it fails
		} else {
			clear(s[:32])
			s[63] = byte(i)
		}
		bad.Proofs = []Secret{NewSecret(text[:cut+1] + jose.EncodeSegment(s))}
		if _, err := f.v.Verify(t.Context(), &bad, Requirement{}); err != CodeProofSignatureInvalid {
			t.Fatalf("bad signature %d: %v", i, err)
		}
	}
	// Faults of every other stage, with the proof that is accepted in the end.
	f.tokens.token.Expires = testTime.Add(-time.Hour)
	refused(t, f, good, Requirement{}, CodeTokenTimeExpired)
	f.tokens.token.Expires = testTime.Add(time.Hour)
	f.tokens.token.Confirmation.JKT[0] ^= 1
	refused(t, f, good, Requirement{}, CodeBindingJKTMismatch)
	f.tokens.token.Confirmation.JKT[0] ^= 1
	refused(t, f, good, Requirement{Scope: []string{"write"}}, CodeAccessScopeInsufficient)
	f.v.Explain(t.Context(), good, Requirement{})
	if _, code, _ := f.v.Observe(t.Context(), good, Requirement{Scope: []string{"write"}}); code != CodeAccessScopeInsufficient {
		t.Errorf("Observe gives %v", code)
	}
	if got := replays.Len(); got != 0 {
		t.Fatalf("%d ids are recorded after refusals only", got)
	}
	if _, err := f.v.Verify(t.Context(), good, Requirement{}); err != nil {
		t.Fatalf("the valid proof with the same jti: %v", err)
	}
	if got := replays.Len(); got != 1 {
		t.Errorf("%d ids are recorded after one accepted request", got)
	}
}

func refused(t *testing.T, f *fixture, p *Presentation, need Requirement, want Code) {
	t.Helper()
	if _, err := f.v.Verify(t.Context(), p, need); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// gathered is the evidence about a vector with everything gathered, by a peek.
func gathered(t testing.TB, s *scene) *evidence {
	e := s.evidence()
	e.peek = true
	for i := range stages {
		if stages[i].gather != nil {
			stages[i].gather(t.Context(), e)
		}
	}
	return e
}

func TestInvariant4RowsAllocateNothingAndChangeNothing(t *testing.T) {
	passed, failed := map[string]bool{}, map[string]bool{}
	for _, v := range readVectors(t) {
		e := gathered(t, v.build(t, nil))
		for i := range stages {
			for j := range stages[i].checks {
				c := &stages[i].checks[j]
				if c.where&e.sit == 0 || c.when != nil && !c.when(e) || e.have&c.needs != c.needs {
					continue
				}
				before := *e
				code := c.test(e)
				seen := passed
				if code != CodeOK {
					seen = failed
				}
				if !reflect.DeepEqual(before, *e) {
					t.Errorf("%s: %s changes the evidence", v.name, c.id)
				}
				if seen[c.id] && code == CodeOK { // measured already, for a pass
					continue
				}
				seen[c.id] = true
				if n := testing.AllocsPerRun(20, func() { e.judgeRow(c) }); n != 0 {
					t.Errorf("%s: %s allocates %v times with code %v", v.name, c.id, n, code)
				}
			}
		}
		e.release()
	}
	for c := range Checks() {
		if !passed[c.ID] || !failed[c.ID] {
			t.Errorf("%s was measured passing: %v, failing: %v", c.ID, passed[c.ID], failed[c.ID])
		}
	}
}

func TestInvariant5EvidenceIsZeroedBeforeReuse(t *testing.T) {
	e := gathered(t, readVectors(t)[0].build(t, nil))
	e.release()
	if !reflect.DeepEqual(*e, evidence{}) {
		t.Error("released evidence still holds something of the request")
	}
}

// A row sees what was gathered before its stage: gathering later ones does not
// change its code.
func TestInvariant5LaterStagesChangeNoEarlierFact(t *testing.T) {
	for _, v := range readVectors(t) {
		s := v.build(t, nil)
		all := gathered(t, s)
		e := s.evidence()
		e.peek = true
		for i := range stages {
			if stages[i].gather != nil {
				stages[i].gather(t.Context(), e)
			}
			for j := range stages[i].checks {
				c := &stages[i].checks[j]
				if early, late := e.judgeRow(c), all.judgeRow(c); early != late {
					t.Errorf("%s: %s is %v in its stage and %v in the end", v.name, c.id, early, late)
				}
			}
		}
		e.release()
		all.release()
	}
}

func TestInvariant6ExplainHasNoEffects(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.get("replayed") == "yes" {
			continue
		}
		s := v.build(t, func(c *Config) {
			c.Proof.Replays = peekOnly{t}
			if c.Proof.Nonces != nil {
				c.Proof.Nonces = judgeOnly{c.Proof.Nonces, t}
			}
		})
		first := s.explain(t.Context())
		if again := s.explain(t.Context()); !reflect.DeepEqual(first, again) {
			t.Errorf("%s: a second Explain differs from the first", v.name)
		}
	}
}

func TestInvariant6ReplayIsUnknownWithoutAPeek(t *testing.T) {
	replays, err := NewReplays(ReplayConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *Config) { c.Proof.Replays = useOnly{replays} })
	r := f.v.Explain(t.Context(), f.present(t, f.claims()), Requirement{})
	if o, _ := r.Outcome("replay.jti"); o.Status != Unknown || o.Code != CodeServerReplay || r.Verdict != Unknown {
		t.Errorf("replay.jti is %v (%v), verdict %v", o.Status, o.Code, r.Verdict)
	}
}

func TestInvariant7RefusalsReturnNothingOfTheProof(t *testing.T) {
	for _, v := range readVectors(t) {
		s := v.build(t, nil)
		if s.server != nil {
			if holder, err := s.server.Verify(t.Context(), s.p, s.proof); err != nil && holder != (Thumbprint{}) {
				t.Errorf("%s: a refused proof gives holder %v", v.name, holder)
			}
			continue
		}
		a, err := s.resource.Verify(t.Context(), s.p, s.need)
		if err == nil {
			continue
		}
		if a != nil {
			t.Errorf("%s: a refused request gives access %v", v.name, a)
		}
		if code, ok := err.(Code); !ok || err.Error() != code.String() {
			t.Errorf("%s: the error says more than its code: %v", v.name, err)
		}
	}
}

func TestInvariant8PublicMessagesAreConstantPrintableText(t *testing.T) { // D-7.1-09
	for _, code := range append(Codes(), CodeOK, codeCount, 255) {
		text := code.Public()
		if text == "" || keepRunes(text, isQuotable) != text {
			t.Errorf("%v: public message %q", code, text)
		}
		c := Challenge{Scheme: "DPoP", Error: code.OAuthError(), Description: text}
		if got := ParseChallenges([]string{c.String()}); len(got) != 1 || got[0].Description != text {
			t.Errorf("%v: the challenge %q does not carry the message", code, c)
		}
	}
}

// secretsOf are the texts of a vector that no output may hold: the token, and
// each part of a proof that is long enough to be told apart.
func secretsOf(v *vector) (out []string) {
	out = append(out, fixtureToken, "c2VjcmV0LXNlY3JldC1zZWNyZXQ")
	for _, name := range []string{"authorization", "query", "proof"} {
		for _, s := range v.all(name) {
			for _, part := range strings.FieldsFunc(s.Reveal(), func(r rune) bool { return strings.ContainsRune("., \"", r) }) {
				if len(part) > 16 {
					out = append(out, part)
				}
			}
		}
	}
	return out
}

func TestInvariant8NoSecretIsPrinted(t *testing.T) { // D-4.3-07a
	for _, v := range readVectors(t) {
		s := v.build(t, nil)
		if u := s.p.URL; !strings.Contains(u, "?") {
			s.p.URL += "?access_token=" + fixtureToken
		}
		r := s.explain(t.Context())
		err := s.verify(t.Context())
		x := Exchange{ID: 1, Request: *s.p, Body: []byte(fixtureToken), RequestHeader: map[string][]string{"Authorization": {fixtureToken}}}
		x.Err = "Get " + s.p.URL + ": refused"
		var printed strings.Builder
		for _, value := range []any{s.p, *s.p, x, &x, x.Redacted(), err, r, *r, s.p.Authorization, s.p.Proofs, struct{ P *Presentation }{s.p}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&printed, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "value", value)
		}
		for _, value := range []any{r, x.Redacted(), s.p.Authorization, s.p.Proofs} {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			printed.Write(text)
		}
		printed.WriteString(reportText(r))
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "presentation", s.p, "exchange", x, "exchange", &x)
		for _, secret := range secretsOf(v) {
			if strings.Contains(printed.String(), secret) {
				i := strings.Index(printed.String(), secret)
				t.Errorf("%s: %q is printed: ...%.120q", v.name, secret, printed.String()[max(0, i-60):])
				break
			}
		}
	}
}

func TestInvariant9ObserveGivesTheCodeOfVerify(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.get("at") != "resource" {
			continue
		}
		s, o := v.build(t, nil), v.build(t, nil)
		_, verr := s.resource.Verify(t.Context(), s.p, s.need)
		a, code, err := o.resource.Observe(t.Context(), o.p, o.need)
		if code != CodeOf(verr) {
			t.Errorf("%s: Observe %v, Verify %v", v.name, code, verr)
		}
		if (a == nil) != (err != nil) {
			t.Errorf("%s: access %v with error %v", v.name, a, err)
		}
		if a != nil && !a.Holder.IsZero() {
			t.Errorf("%s: an observed request names a holder", v.name)
		}
		if got := CodeOf(err); got != CodeOK && got.Family() == FamilyServer {
			t.Errorf("%s: a fault of the client is refused as %v", v.name, got)
		}
		row, _, _ := strings.Cut(code.String(), ".")
		if (row == "token" || row == "access") && CodeOf(err) != code {
			t.Errorf("%s: %v is not enforced, error is %v", v.name, code, err)
		}
		if (row == "proof" || row == "binding" || row == "replay") && err != nil {
			t.Errorf("%s: %v is enforced", v.name, code)
		}
	}
}
