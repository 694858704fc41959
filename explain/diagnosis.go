package explain

import (
	"github.com/holdfast-oauth/holdfast"
)

// Format names the JSON form of a Diagnosis; docs/diagnosis.schema.json
// describes it.
const Format = "holdfast.diagnosis/1"

// Verdict answers whether anything failed.
type Verdict string

// The verdicts.
const (
	Failure      Verdict = "failure"
	NoFailure    Verdict = "no-failure"
	Undetermined Verdict = "undetermined"
)

// Family answers which kind of failure it is.
type Family string

// The families of a diagnosis.
const (
	FamilyPoP          Family = "pop"
	FamilyBearer       Family = "bearer"
	FamilyNone         Family = "none"
	FamilyUndetermined Family = "undetermined"
)

// Rank is the place of a cause in a diagnosis.
type Rank string

// The ranks.
const (
	Primary    Rank = "primary"    // the cause
	Additional Rank = "additional" // holds at the same time
	Candidate  Rank = "candidate"  // possible, not shown
)

// Confidence says what the evidence supports.
type Confidence string

// The confidences: a recomputed fact decides (high), one inference was needed
// (medium), only the server's words speak (low).
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
)

// FactSource tells where a fact comes from: recomputed from the evidence, or stated by a party. The two
// are never mixed.
type FactSource string

// The sources.
const (
	Computed FactSource = "computed"
	Stated   FactSource = "stated"
)

// Diagnosis is the answer. Every text in it is redacted and free of control
// characters; no member can hold a secret. Encoded with encoding/json it is the
// format holdfast.diagnosis/1. Same evidence, same Diagnosis.
type Diagnosis struct {
	Format          string   `json:"format"`
	Verdict         Verdict  `json:"verdict"`
	Family          Family   `json:"family"`
	FailingExchange int      `json:"failing_exchange"` // 0: none
	Summary         string   `json:"summary"`          // one sentence
	Causes          []Cause  `json:"causes"`           // best first
	Checks          []Check  `json:"checks"`           // of the failing exchange
	Exchanges       []Step   `json:"exchanges"`        // the ones that matter, in order
	Missing         []Ask    `json:"missing_evidence"`
	Problems        []string `json:"problems,omitempty"`    // what could not be read, with the place
	NotCovered      string   `json:"not_covered,omitempty"` // what a proof does not cover

	// Incomplete says that part of the evidence could not be read: what was
	// judged is true of the rest only, and "no failure" is not an all-clear.
	Incomplete bool `json:"incomplete,omitempty"`
}

// ExitStatus is the verdict as a process status: 0 nothing failed, 1 a failure
// was found, 3 the evidence does not decide. It is 0 only if all of the
// evidence could be read.
func (d *Diagnosis) ExitStatus() int {
	switch {
	case d.Verdict == Failure:
		return 1
	case d.Verdict == NoFailure && !d.Incomplete:
		return 0
	}
	return 3
}

// Cause is one explanation of the failure.
type Cause struct {
	Code       string     `json:"code"` // name in the taxonomy, such as htu-scheme-mismatch-behind-proxy
	Class      string     `json:"class"`
	Family     Family     `json:"family"`
	Rank       Rank       `json:"rank"`
	Confidence Confidence `json:"confidence"`
	Severity   string     `json:"severity"`
	Exchange   int        `json:"exchange"` // 0: none in particular
	Summary    string     `json:"summary"`  // one plain sentence
	Because    []Fact     `json:"because"`
	Fix        Fix        `json:"fix"`
	RFC        string     `json:"rfc,omitempty"`
}

// Fact is one reason for a cause, with what was seen and what was needed.
type Fact struct {
	Fact     string     `json:"fact"`
	Observed string     `json:"observed,omitempty"`
	Expected string     `json:"expected,omitempty"`
	Source   FactSource `json:"source"`
	Check    string     `json:"check,omitempty"` // row of the check table
	RFC      string     `json:"rfc,omitempty"`
}

// Fix says what each party should change; empty: nothing.
type Fix struct {
	Client              string `json:"client,omitempty"`
	ResourceServer      string `json:"resource_server,omitempty"`
	AuthorizationServer string `json:"authorization_server,omitempty"`
}

// Check is the outcome of one row of the check table for one exchange.
type Check struct {
	Exchange int             `json:"exchange"`
	ID       string          `json:"id"`
	RFC      string          `json:"rfc,omitempty"`
	Title    string          `json:"title"`
	Status   holdfast.Status `json:"status"`
	Code     string          `json:"code,omitempty"`
	Observed string          `json:"observed,omitempty"`
	Expected string          `json:"expected,omitempty"`
}

// Step is one exchange of the timeline.
type Step struct {
	Exchange int    `json:"exchange"`
	At       string `json:"at,omitempty"` // RFC 3339, clock of the answer if it is known
	Method   string `json:"method"`
	URL      string `json:"url"` // without query
	Status   int    `json:"status"`
	Role     string `json:"role"`    // resource, token, par, authorization, metadata, preflight, introspection, revocation, other
	Outcome  string `json:"outcome"` // success, challenge, refused, redirect, error, unrelated
	Note     string `json:"note"`    // what happened, in a few words
}

// Ask is evidence that would settle what is open.
type Ask struct {
	What string `json:"what"`
	Why  string `json:"why"`
	How  string `json:"how"`
}
