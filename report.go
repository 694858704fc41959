package holdfast

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-oauth/holdfast/internal/jose"
)

// Status is the result of one check. The zero value is Unknown: it never counts
// as a pass.
type Status uint8

// The statuses.
const (
	Unknown       Status = iota // a fact that the check needs is not known
	Pass                        // the rule holds
	Fail                        // the rule is broken
	NotApplicable               // the rule does not concern this presentation
)

var statusNames = [...]string{"unknown", "pass", "fail", "not-applicable"}

// String returns "unknown", "pass", "fail" or "not-applicable".
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return statusNames[Unknown]
}

// MarshalText implements [encoding.TextMarshaler].
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Outcome is the result of one check with what was seen and what was needed.
// Got and Want are redacted, escaped and at most a few hundred bytes long. Code
// is set for Fail, and for Unknown it is the server.* code of the missing fact.
type Outcome struct {
	Check  string `json:"check"`
	RFC    string `json:"rfc,omitempty"`
	Title  string `json:"title"`
	Status Status `json:"status"`
	Code   Code   `json:"code"`
	Got    string `json:"got,omitempty"`
	Want   string `json:"want,omitempty"`
}

// Report is every outcome for one presentation. Code is that of the first
// outcome that is neither Pass nor NotApplicable, which is what Verify returns.
// No member can hold a secret. The zero value is an unknown verdict.
type Report struct {
	Verdict  Status    `json:"verdict"`
	Code     Code      `json:"code"`
	Outcomes []Outcome `json:"outcomes"`
}

// Outcome returns the outcome of a check by its id, and whether it is there.
func (r *Report) Outcome(check string) (Outcome, bool) {
	for _, o := range r.Outcomes {
		if o.Check == check {
			return o, true
		}
	}
	return Outcome{}, false
}

// Explain walks the same table as Verify, runs every row whose facts are known
// and reports. It has no effects: it issues no nonce and records no jti. The
// time is p.At, or the verifier's clock if that is zero.
func (v *Verifier) Explain(ctx context.Context, p *Presentation, need Requirement) *Report {
	e := newEvidence(&v.engine, p, atResource)
	defer e.release()
	e.need.Requirement = need
	return e.explain(ctx)
}

// Explain is [Verifier.Explain] for a proof at an authorization server.
func (v *ProofVerifier) Explain(ctx context.Context, p *Presentation, need ProofNeed) *Report {
	e := newEvidence(&v.engine, p, atServer)
	defer e.release()
	e.need.ProofNeed = need
	return e.explain(ctx)
}

func (e *evidence) explain(ctx context.Context) *Report {
	e.peek = true
	if !e.p.At.IsZero() {
		e.now = e.p.At
	}
	r := &Report{Verdict: Pass, Outcomes: make([]Outcome, 0, 32)}
	for i := range stages {
		if stages[i].gather != nil {
			stages[i].gather(ctx, e)
		}
		for j := range stages[i].checks {
			o := e.outcome(&stages[i].checks[j])
			if r.Verdict == Pass && (o.Status == Fail || o.Status == Unknown) {
				r.Verdict, r.Code = o.Status, o.Code
			}
			r.Outcomes = append(r.Outcomes, o)
		}
	}
	return r
}

func (e *evidence) outcome(c *check) Outcome {
	o := Outcome{Check: c.id, RFC: c.rfc, Title: c.title}
	switch {
	case c.where&e.sit == 0 || c.when != nil && !c.when(e):
		o.Status = NotApplicable
		return o
	case e.have&c.needs != c.needs:
		o.Status, o.Code = Unknown, e.whyAbsent(c.needs)
		return o
	}
	if o.Code = c.test(e); o.Code == CodeOK {
		o.Status = Pass
	} else {
		o.Status = Fail
	}
	if c.show != nil {
		o.Got, o.Want = c.show(e)
	}
	return o
}

// WriteText writes the report for people, one line per check that applies.
func (r *Report) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "verdict: %s (%s)\n", r.Verdict, r.Code); err != nil {
		return err
	}
	for _, o := range r.Outcomes {
		if o.Status == NotApplicable {
			continue
		}
		line := fmt.Sprintf("%-8s %-22s %s", o.Status, o.Check, o.Title)
		if o.Status == Fail {
			line += "\n         got  " + o.Got + "\n         want " + o.Want
		}
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// clipLength bounds every value that a report quotes from a peer.
const clipLength = 200

// clip makes text of a peer fit for a terminal, a log or a page: control and
// non-ASCII characters escaped, cut after clipLength bytes.
func clip(s string) string {
	cut := ""
	if len(s) > clipLength {
		s, cut = s[:clipLength], "..."
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			q := strconv.QuoteToASCII(s)
			return q[1:len(q)-1] + cut
		}
	}
	return s + cut
}

// What the rows show. Nothing here may quote a token, a proof or a signature.

func showAuth(e *evidence) (string, string) {
	want := "one Authorization field: scheme, space, token"
	switch n := len(e.p.Authorization) + len(e.p.Query); {
	case n == 0:
		return "no access token", want
	case n > 1:
		return strconv.Itoa(n) + " access tokens", want
	case len(e.p.Authorization) == 0:
		return "the access token as a query parameter", want
	case e.auth.bad:
		return "scheme " + e.auth.scheme.String() + " without one well-formed token", want
	}
	return "one Authorization field", want
}

func showScheme(e *evidence) (string, string) {
	want := "DPoP or Bearer"
	if e.auth.scheme != SchemeUnknown || len(e.p.Authorization) != 1 {
		return e.auth.scheme.String(), want
	}
	// A field without a known scheme may be a bare token: show its form only.
	name, _, spaced := strings.Cut(e.p.Authorization[0].s, " ")
	if !spaced || len(name) > 20 || keepRunes(name, isTokenChar) != name {
		return "a value without a known scheme", want
	}
	return clip(name), want
}

func showSingle(e *evidence) (string, string) {
	return strconv.Itoa(e.proofCount) + " proofs", "1 proof in one DPoP field"
}

func showForm(e *evidence) (string, string) {
	want := "header.payload.signature, unpadded base64url, strict JSON"
	if e.proof.detail != nil {
		return clip(e.proof.detail.Error()), want
	}
	return "a compact JWS", want
}

func showClaims(e *evidence) (string, string) {
	want := "jti, htm, htu as strings, iat as a number"
	switch {
	case e.proof.missing != "":
		return "no " + e.proof.missing, want
	case e.proof.mistyped != "":
		return e.proof.mistyped + " has the wrong type or is empty", want
	}
	return "all present", want
}

func showTyp(e *evidence) (string, string) {
	if e.proof.jws.Type == "" {
		return "no typ", typProof
	}
	return clip(e.proof.jws.Type), typProof
}

func showAlg(e *evidence) (string, string) {
	want := "one of"
	for _, a := range e.v.policy.Algs {
		want += " " + string(a)
	}
	got := clip(e.proof.jws.AlgName)
	if k := e.proof.key; k != nil {
		got += " with a key of type " + k.Kty()
		if k.Crv() != "" {
			got += " " + k.Crv()
		}
	}
	return got, want
}

func showJWK(e *evidence) (string, string) {
	want := "a public key as a JSON object"
	switch {
	case !e.proof.hasJWK:
		return "no jwk", want
	case e.proof.keyErr != nil:
		return clip(e.proof.keyErr.Error()), want
	}
	return e.proof.key.Kty() + " key with thumbprint " + Thumbprint(e.proof.key.Thumbprint()).String(), want
}

func showNonce(e *evidence) (string, string) {
	want := "a current nonce of this server, if any"
	if e.wantNonce {
		want = "a current nonce of this server"
	}
	got := "no nonce"
	if e.proof.hasNonce {
		got = "nonce " + clip(e.proof.nonce)
	}
	return got, want
}

func showIat(e *evidence) (string, string) {
	iat := time.Unix(e.proof.iat, 0)
	from, to := e.now.Add(-e.v.policy.MaxAge), e.now.Add(e.v.policy.Skew)
	return strconv.FormatInt(e.proof.iat, 10) + " (" + seconds(iat) + ")", seconds(from) + " to " + seconds(to)
}

func showAth(e *evidence) (string, string) {
	// The hash of a high-entropy token tells nothing about it (RFC 9449 4.2).
	want := jose.EncodeSegment(e.tokenHash[:])
	v, _ := e.proof.claims.Get("ath")
	text, ok := v.Text()
	if !ok {
		return "no ath", want
	}
	return clip(text), want
}

func showProofSignature(e *evidence) (string, string) {
	return strconv.Itoa(len(e.proof.jws.Signature)) + "-byte signature under " + clip(e.proof.jws.AlgName),
		"a signature that verifies with jwk"
}

func showBoundKey(e *evidence) (string, string) {
	got := Thumbprint(e.proof.key.Thumbprint())
	for _, want := range [...]*Thumbprint{e.need.Pushed, e.need.Code, e.need.Refresh} {
		if want != nil && *want != got {
			return got.String(), want.String()
		}
	}
	return got.String(), got.String()
}

func showTokenTyp(e *evidence) (string, string) {
	return clip(e.token.Type), strings.Join(e.v.tokenTypes, " or ")
}

func showIssuer(e *evidence) (string, string) {
	return clip(e.token.Issuer), clip(strings.Join(e.issuers(), " or "))
}

func showAudience(e *evidence) (string, string) {
	return clip(strings.Join(e.token.Audience, " ")), clip(strings.Join(e.audience(), " or "))
}

func showTokenTime(e *evidence) (string, string) {
	t := e.token
	if !t.NotBefore.IsZero() && e.now.Before(t.NotBefore) {
		return "nbf " + seconds(t.NotBefore), "at or before " + seconds(e.now)
	}
	return "exp " + seconds(t.Expires), "after " + seconds(e.now)
}

func showBindingScheme(e *evidence) (string, string) {
	if !e.token.Confirmation.JKT.IsZero() {
		return e.auth.scheme.String(), "DPoP: the token has cnf.jkt"
	}
	return e.auth.scheme.String(), "a token with cnf.jkt under DPoP, any other under Bearer"
}

func showBindingPresent(e *evidence) (string, string) {
	c := &e.token.Confirmation
	got := "no cnf"
	switch {
	case c.Unsupported:
		got = "a cnf without a readable jkt or x5t#S256"
	case !c.JKT.IsZero():
		got = "cnf.jkt"
	case !c.X5T.IsZero():
		got = "cnf.x5t#S256"
	}
	return got, "a cnf with jkt or x5t#S256, unless bearer tokens are admitted"
}

func showJKT(e *evidence) (string, string) {
	return "proof key " + Thumbprint(e.proof.key.Thumbprint()).String(), "cnf.jkt " + e.token.Confirmation.JKT.String()
}

func showX5T(e *evidence) (string, string) {
	want := "cnf.x5t#S256 " + e.token.Confirmation.X5T.String()
	if e.p.PeerCert == nil {
		return "no client certificate", want
	}
	return "certificate " + certificateThumbprint(e.p.PeerCert).String(), want
}

func showScope(e *evidence) (string, string) {
	return clip(strings.Join(e.token.Scope, " ")), clip(strings.Join(e.need.Scope, " "))
}

func showAuthentication(e *evidence) (string, string) {
	got := "acr " + clip(e.token.ACR)
	if !e.token.AuthTime.IsZero() {
		got += ", authenticated " + seconds(e.token.AuthTime)
	}
	want := "acr " + clip(strings.Join(e.need.ACR, " or "))
	if e.need.MaxAge > 0 {
		want += ", at most " + e.need.MaxAge.String() + " ago"
	}
	return got, want
}

// UnmarshalText implements [encoding.TextUnmarshaler]. Text that names no
// status is an error and leaves Unknown.
func (s *Status) UnmarshalText(b []byte) error {
	for i, n := range statusNames {
		if n == string(b) {
			*s = Status(i)
			return nil
		}
	}
	*s = Unknown
	return fmt.Errorf("status %s is not known", strconv.QuoteToASCII(clip(string(b))))
}
