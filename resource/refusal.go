package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-oauth/holdfast"
)

// RetryAfter is when a request may be repeated that could not be judged.
const RetryAfter = 5 * time.Second

// Refusal is the answer to a request that was not accepted. It is an error that
// wraps a [holdfast.Code], and an [http.Handler] that writes the answer; other
// transports carry Status, Header and Body in their own way. It is made by a
// [Guard] and has no usable zero value; not modified afterwards, it is safe for
// concurrent use.
//
// Header and Body hold nothing that the peer did not send or that the RFCs do
// not disclose. The text of the error may name causes and is for the operator.
type Refusal struct {
	Code   holdfast.Code
	Status int
	Header http.Header // WWW-Authenticate, DPoP-Nonce, Cache-Control, Retry-After, Content-Type
	Body   []byte      // application/problem+json (RFC 9457)

	err error
}

// Error returns the code, with its cause if the request could not be judged.
func (r *Refusal) Error() string { return r.err.Error() }

// Unwrap returns the error of the verifier.
func (r *Refusal) Unwrap() error { return r.err }

// ServeHTTP writes the answer. It replaces fields of the same name that were set
// before, but for Access-Control-Expose-Headers, to which it adds.
func (r *Refusal) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	for name, values := range r.Header {
		h[name] = values
	}
	expose(h, q)
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // whoever hung up is not told
}

// expose lets scripts of another origin read the fields that a client needs
// (RFC 9449 section 7.1). Whether they may read the answer at all is said by
// Access-Control-Allow-Origin, which is not ours.
func expose(h http.Header, q *http.Request) {
	if len(q.Header["Origin"]) > 0 {
		h.Add("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
	}
}

// putNonce adds a nonce to an answer, which then must not be cached (RFC 9449 section 8.2).
func putNonce(h http.Header, nonce string) {
	h.Set("DPoP-Nonce", nonce)
	h.Set("Cache-Control", "no-store")
}

// refuse makes the answer to err, logs it and reports it.
func (g *Guard) refuse(ctx context.Context, p *holdfast.Presentation, need holdfast.Requirement, err error) *Refusal {
	h := http.Header{}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	code := holdfast.CodeOf(err)
	if code.OAuthError() == "use_dpop_nonce" {
		nonce, nonceErr := g.verifier.Nonce(ctx)
		if nonceErr != nil { // a challenge without a nonce would be a loop
			code, err = holdfast.CodeServerNonce, fmt.Errorf("%w: %w", holdfast.CodeServerNonce, nonceErr)
		} else {
			putNonce(h, nonce)
		}
	}
	if code.Family() == holdfast.FamilyServer {
		h.Set("Retry-After", strconv.Itoa(int(RetryAfter/time.Second)))
	} else {
		h.Set("WWW-Authenticate", holdfast.FormatChallenges(g.challenges(p, need, code)...))
	}
	r := &Refusal{Code: code, Status: code.Status(), Header: h, Body: g.problem(code), err: err}
	g.report(ctx, p, need, r)
	return r
}

// problemType is what a code is appended to. It is a name; there is nothing to fetch.
const problemType = "urn:holdfast:code:"

// problem returns the body (RFC 9457). All of it are constants of the code,
// except the time, which lets a client correct its clock.
func (g *Guard) problem(code holdfast.Code) []byte {
	check, hint := g.checks[code], code.Remedy()
	if code.Family() == holdfast.FamilyServer { // belongs to no check, and its remedy is for the operator
		hint = "repeat the request later, with a new proof"
	}
	b, _ := json.Marshal(struct {
		Type       string `json:"type"`
		Title      string `json:"title"`
		Status     int    `json:"status"`
		Code       string `json:"code"`
		Error      string `json:"error,omitempty"`
		Check      string `json:"check,omitempty"`
		RFC        string `json:"rfc,omitempty"`
		Hint       string `json:"hint"`
		ServerTime string `json:"server_time"` // RFC 3339
	}{
		problemType + code.String(), code.Public(), code.Status(), code.String(), code.OAuthError(),
		check.ID, check.RFC, hint, g.now().UTC().Format(time.RFC3339),
	}) // strings and a number: it cannot fail
	return append(b, '\n') // a terminal shows it
}

func checksByCode() map[holdfast.Code]holdfast.CheckInfo {
	m := map[holdfast.Code]holdfast.CheckInfo{}
	for c := range holdfast.Checks() {
		for _, code := range c.Codes {
			m[code] = c
		}
	}
	return m
}
